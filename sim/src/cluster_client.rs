//! A client of a cluster as libraries are: it keeps a map of slots, follows MOVED and ASK, waits a little at
//! TRYAGAIN, and asks another node for the map when one leads it astray or does not answer. What surely did not
//! happen it tries again elsewhere, within bounds; what may have happened it never sends twice.

use std::collections::BTreeMap;

use squall_clock::Nanos;
use squall_net::{Address, Host};
use squall_resp::Value;

use crate::client::{CallError, Client};
use crate::host::SimHost;
use crate::theatre::{Resident, Theatre};

pub(crate) const SLOT_COUNT: u16 = 16_384;
/// How often one request is sent on before its client gives up, as libraries have it.
const HOPS_MAX: usize = 8;
/// How many nodes are asked for the map before nobody is believed to know it.
const MAP_ATTEMPTS_MAX: usize = 3;
/// Before the same is asked again of who was busy, or gone.
const PAUSE: Nanos = Nanos::from_millis(20);

pub struct ClusterClient<H: Host = SimHost> {
    host: H,
    /// Known from the beginning, and asked when nobody else answers.
    seeds: Vec<Address>,
    timeout: Nanos,
    /// By the last slot of each range.
    ranges: BTreeMap<u16, Range>,
    links: BTreeMap<Address, Client<H>>,
    is_stale: bool,
    /// Counts what goes round: whom the map is asked of, and which replica is read.
    turn: usize,
    last: Address,
}

#[derive(Clone, Debug)]
struct Range {
    first: u16,
    /// The primary, then its replicas.
    nodes: Vec<Address>,
}

/// Where a node sends its client.
enum Redirect {
    Moved(Address),
    Ask(Address),
    TryAgain,
}

impl<H: Resident> ClusterClient<H> {
    pub fn to(host: &H, seeds: Vec<Address>, timeout: Nanos) -> ClusterClient<H> {
        assert!(!seeds.is_empty(), "a client needs a node to turn to");
        let (last, turn) = (seeds[0].clone(), host.machine().index());
        ClusterClient {
            host: host.clone(),
            seeds,
            timeout,
            ranges: BTreeMap::new(),
            links: BTreeMap::new(),
            is_stale: true,
            turn,
            last,
        }
    }

    /// The node that was asked last.
    pub fn node(&self) -> String {
        self.host.world().machine_at(&self.last.host).unwrap_or_else(|| self.last.host.clone())
    }

    /// The map is not to be trusted.
    pub fn turn_away(&mut self) {
        self.is_stale = true;
    }

    /// Sends requests about `key` at once, to whoever serves it; reads may go to replicas.
    pub async fn pipeline(
        &mut self,
        key: &[u8],
        requests: &[&[&[u8]]],
        at_replicas: bool,
    ) -> Result<Vec<Value>, CallError> {
        let slot = slot_of(key);
        let mut ask: Option<Address> = None;
        let mut failure = CallError::NotSent("sent from node to node for ever".to_owned());
        for _ in 0..HOPS_MAX {
            if self.is_stale && !self.refresh().await {
                return Err(CallError::NotSent("no node tells who serves what".to_owned()));
            }
            let asking = ask.take();
            let Some(target) = asking.clone().or_else(|| self.server_of(slot, at_replicas)) else {
                self.is_stale = true;
                self.rest().await;
                failure = CallError::NotSent(format!("nobody serves slot {slot}"));
                continue;
            };
            let prefix: Option<&[&[u8]]> = match (asking.is_some(), at_replicas) {
                (true, _) => Some(&[b"ASKING"]),
                (false, true) => Some(&[b"READONLY"]),
                (false, false) => None,
            };
            let all: Vec<&[&[u8]]> = prefix.into_iter().chain(requests.iter().copied()).collect();
            self.last = target.clone();
            match self.link(&target).pipeline(&all).await {
                Ok(mut replies) => {
                    replies.drain(..all.len() - requests.len());
                    match replies.iter().find_map(|reply| redirect(reply, &target.host)) {
                        None => return Ok(replies),
                        Some(Redirect::Moved(to)) => self.moved(slot, to),
                        Some(Redirect::Ask(to)) => ask = Some(to),
                        Some(Redirect::TryAgain) => self.rest().await,
                    }
                }
                Err(CallError::NotSent(reason)) => {
                    self.is_stale = true;
                    failure = CallError::NotSent(reason);
                    self.rest().await;
                }
                Err(unanswered) => {
                    self.is_stale = true;
                    return Err(unanswered);
                }
            }
        }
        self.is_stale = true;
        Err(failure)
    }

    /// Sends one more request to the node that was asked last, over the same connection.
    pub async fn follow_up(&mut self, request: &[&[u8]]) -> Result<Value, CallError> {
        let last = self.last.clone();
        self.link(&last).call(request).await
    }

    /// The connection over which the last answer came, if it is still there.
    pub fn connection(&self) -> Option<u64> {
        self.links.get(&self.last).and_then(Client::connection)
    }

    fn link(&mut self, address: &Address) -> &mut Client<H> {
        let (host, timeout) = (&self.host, self.timeout);
        self.links.entry(address.clone()).or_insert_with(|| Client::to(host, vec![address.clone()], timeout))
    }

    async fn rest(&self) {
        self.host.sleep_until(self.host.now().mono + PAUSE).await;
    }

    fn server_of(&mut self, slot: u16, at_replicas: bool) -> Option<Address> {
        let (_, range) = self.ranges.range(slot..).next().filter(|(_, range)| range.first <= slot)?;
        if at_replicas && range.nodes.len() > 1 {
            self.turn += 1;
            return Some(range.nodes[1 + self.turn % (range.nodes.len() - 1)].clone());
        }
        range.nodes.first().cloned()
    }

    /// The slot is elsewhere; so may others be, which the next request asks about.
    fn moved(&mut self, slot: u16, to: Address) {
        let whole = self.ranges.range(slot..).next().map(|(last, range)| (*last, range.clone()));
        if let Some((last, range)) = whole.filter(|(_, range)| range.first <= slot) {
            self.ranges.remove(&last);
            if range.first < slot {
                self.ranges.insert(slot - 1, Range { first: range.first, nodes: range.nodes.clone() });
            }
            if slot < last {
                self.ranges.insert(last, Range { first: slot + 1, nodes: range.nodes });
            }
        }
        self.ranges.insert(slot, Range { first: slot, nodes: vec![to] });
        // Old maps are kept for one more request only, so that a rebalanced cluster is asked about once.
        self.is_stale = self.ranges.len() > usize::from(SLOT_COUNT) / 256;
    }

    /// Asks one node after another for the map, each time beginning with another.
    async fn refresh(&mut self) -> bool {
        let known = self.ranges.values().flat_map(|range| range.nodes.iter().cloned());
        let mut nodes: Vec<Address> = known.chain(self.seeds.iter().cloned()).collect();
        nodes.sort();
        nodes.dedup();
        for _ in 0..MAP_ATTEMPTS_MAX {
            self.turn += 1;
            let node = nodes[self.turn % nodes.len()].clone();
            let reply = self.link(&node).call(&[b"CLUSTER", b"SLOTS"]).await;
            let ranges = reply.ok().and_then(|reply| ranges_of(&reply, &node.host));
            if let Some(ranges) = ranges.filter(|ranges| !ranges.is_empty()) {
                self.ranges = ranges;
                self.is_stale = false;
                return true;
            }
        }
        false
    }
}

/// The slot of a key: CRC16 (XMODEM) of what stands between its first braces, or of all of it.
pub fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let inner = &key[open + 1..];
        let close = inner.iter().position(|byte| *byte == b'}')?;
        (close > 0).then(|| &inner[..close])
    });
    crc16::State::<crc16::XMODEM>::calculate(tag.unwrap_or(key)) % SLOT_COUNT
}

/// What a reply says about where to go; an empty host is that of the node that says so.
fn redirect(reply: &Value, here: &str) -> Option<Redirect> {
    let Value::Error(message) = reply else { return None };
    let mut words = message.split(' ');
    let word = words.next()?;
    if word == "TRYAGAIN" {
        return Some(Redirect::TryAgain);
    }
    let (host, port) = words.nth(1)?.rsplit_once(':')?;
    let host = if host.is_empty() { here } else { host };
    let address = Address { host: host.to_owned(), port: port.parse().ok()? };
    match word {
        "MOVED" => Some(Redirect::Moved(address)),
        "ASK" => Some(Redirect::Ask(address)),
        _ => None,
    }
}

/// CLUSTER SLOTS.
fn ranges_of(reply: &Value, here: &str) -> Option<BTreeMap<u16, Range>> {
    let Value::Array(rows) = reply else { return None };
    let mut ranges = BTreeMap::new();
    for row in rows {
        let Value::Array(fields) = row else { return None };
        let [Value::Integer(first), Value::Integer(last), nodes @ ..] = fields.as_slice() else {
            return None;
        };
        let nodes: Option<Vec<Address>> = nodes.iter().map(|node| address_of(node, here)).collect();
        let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
        ranges.insert(last, Range { first, nodes: nodes? });
    }
    Some(ranges)
}

fn address_of(node: &Value, here: &str) -> Option<Address> {
    let Value::Array(fields) = node else { return None };
    let [host, Value::Integer(port), ..] = fields.as_slice() else { return None };
    let host = match host {
        Value::Bulk(host) if !host.is_empty() => String::from_utf8_lossy(host).into_owned(),
        _ => here.to_owned(),
    };
    Some(Address { host, port: u16::try_from(*port).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the cluster specification.
    #[test]
    fn slots_follow_the_specification() {
        assert_eq!(slot_of(b"123456789"), 0x31C3);
        assert_eq!(slot_of(b"{user1000}.following"), slot_of(b"{user1000}.followers"));
        assert_eq!(slot_of(b"foo{bar}{zap}"), slot_of(b"bar"));
        assert_ne!(slot_of(b"foo{}{bar}"), slot_of(b"bar"), "nothing between the braces: all of it counts");
    }

    #[test]
    fn redirects_are_understood() {
        let understood = |text: &str| match redirect(&Value::Error(text.to_owned()), "h")? {
            Redirect::Moved(to) => Some(format!("moved {to}")),
            Redirect::Ask(to) => Some(format!("ask {to}")),
            Redirect::TryAgain => Some("again".to_owned()),
        };
        assert_eq!(understood("MOVED 3999 10.0.0.1:6381").as_deref(), Some("moved 10.0.0.1:6381"));
        assert_eq!(understood("ASK 3999 :6381").as_deref(), Some("ask h:6381"));
        assert_eq!(understood("TRYAGAIN Multiple keys request").as_deref(), Some("again"));
        assert_eq!(understood("CLUSTERDOWN The cluster is down"), None);
    }
}
