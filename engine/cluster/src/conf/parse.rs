//! Reading nodes.conf. Whatever does not fit is an error with its line: a node that guessed what it is could
//! claim what is no longer its own.

use std::collections::BTreeMap;

use squall_clock::Now;

use super::ConfError;
use crate::node::{Health, Node, Stage};
use crate::nodes::Nodes;
use crate::slots::Slot;
use crate::wire::Ports;
use crate::{Epoch, NodeId, ShardId};

/// What a file says.
pub struct Saved {
    pub nodes: Nodes,
    pub current_epoch: Epoch,
    pub last_vote_epoch: Epoch,
    pub migrating: BTreeMap<Slot, NodeId>,
    pub importing: BTreeMap<Slot, NodeId>,
}

pub fn parse(text: &str, now: Now) -> Result<Saved, ConfError> {
    if text.trim().is_empty() {
        return Err(ConfError::Empty);
    }
    if !text.ends_with('\n') {
        return Err(ConfError::Torn);
    }
    let mut lines = Vec::new();
    let mut vars = None;
    for (index, line) in text.lines().enumerate() {
        let wrong = |what| ConfError::Line(index + 1, what);
        if let Some(words) = line.strip_prefix("vars ") {
            vars = Some(parse_vars(words).ok_or(wrong("these are no epochs"))?);
        } else if !line.is_empty() {
            lines.push((index + 1, parse_line(line, now).map_err(wrong)?));
        }
    }
    let (current_epoch, last_vote_epoch) = vars.ok_or(ConfError::Torn)?;
    let mut mine = lines.iter().filter(|(_, line)| line.is_myself).map(|(_, line)| line.node.clone());
    let (Some(me), None) = (mine.next(), mine.next()) else { return Err(ConfError::NoMyself) };
    let mut saved = Saved {
        nodes: Nodes::of(me),
        current_epoch,
        last_vote_epoch,
        migrating: BTreeMap::new(),
        importing: BTreeMap::new(),
    };
    for (number, line) in &lines {
        if !line.is_myself && saved.nodes.get(line.node.id).is_some() {
            return Err(ConfError::Line(*number, "the same node stands there twice"));
        }
        if !line.is_myself {
            saved.nodes.insert(line.node.clone());
        }
    }
    for (number, line) in lines {
        saved.take(line).map_err(|what| ConfError::Line(number, what))?;
    }
    Ok(saved)
}

impl Saved {
    /// What a line says about slots, and about nodes of other lines.
    fn take(&mut self, line: Line) -> Result<(), &'static str> {
        let id = line.node.id;
        let known = |other: &NodeId| self.nodes.get(*other).is_some();
        if !line.node.primary.iter().all(known) {
            return Err("its primary is not in the file");
        }
        for (slot, other, is_out) in line.transfers {
            if !known(&other) {
                return Err("a slot moves between nodes that are not in the file");
            }
            match is_out {
                true => self.migrating.insert(slot, other),
                false => self.importing.insert(slot, other),
            };
        }
        for (first, last) in line.ranges {
            for slot in (first..=last).filter_map(Slot::checked) {
                if self.nodes.owner(slot).is_some() {
                    return Err("a slot has two owners");
                }
                self.nodes.set_owner(slot, Some(id));
            }
        }
        Ok(())
    }
}

struct Line {
    node: Node,
    is_myself: bool,
    ranges: Vec<(u64, u64)>,
    /// Slot, the other node, and whether it leaves.
    transfers: Vec<(Slot, NodeId, bool)>,
}

fn parse_line(line: &str, now: Now) -> Result<Line, &'static str> {
    let mut words = line.split(' ');
    let mut word = || words.next().filter(|word| !word.is_empty()).ok_or("too few words");
    let id = NodeId::parse(word()?.as_bytes()).ok_or("this is no node's name")?;
    let mut node = Node::unknown(id, Stage::Member);
    parse_address(word()?, &mut node)?;
    let mut is_myself = false;
    let mut is_replica = false;
    for flag in word()?.split(',') {
        match flag {
            "myself" => is_myself = true,
            "slave" => is_replica = true,
            "fail?" => node.health = Health::Suspected,
            "fail" => node.health = Health::Failed { since: now.mono },
            "nofailover" => node.no_failover = true,
            "noaddr" => node.host.clear(),
            "master" | "handshake" | "noflags" => {}
            _ => return Err("unknown flag"),
        }
    }
    match word()? {
        "-" => {}
        text => node.primary = Some(NodeId::parse(text.as_bytes()).ok_or("this is no primary's name")?),
    }
    if node.primary.is_some() && !is_replica || node.primary == Some(id) {
        return Err("a primary that follows somebody");
    }
    for _ in 0..2 {
        word()?.parse::<u64>().map_err(|_| "this is no time")?;
    }
    node.config_epoch = Epoch(word()?.parse().map_err(|_| "this is no epoch")?);
    word()?;
    if is_myself {
        node.health = Health::Ok;
    }
    let mut ranges = Vec::new();
    let mut transfers = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        match word.strip_prefix('[').and_then(|word| word.strip_suffix(']')) {
            Some(transfer) if is_myself => transfers.push(parse_transfer(transfer)?),
            Some(_) => return Err("a slot on its way in another node's line"),
            None => ranges.push(parse_range(word)?),
        }
    }
    Ok(Line { node, is_myself, ranges, transfers })
}

/// `host:port@bus,hostname,key=value,...`; the host may be an IPv6 address.
fn parse_address(word: &str, node: &mut Node) -> Result<(), &'static str> {
    let mut parts = word.split(',');
    let address = parts.next().unwrap_or_default();
    let (host, ports) = address.rsplit_once(':').ok_or("an address without a port")?;
    let (client, bus) = match ports.split_once('@') {
        Some((client, bus)) => (client, bus.parse().map_err(|_| "this is no port")?),
        None => (ports, 0),
    };
    let client: u16 = client.parse().map_err(|_| "this is no port")?;
    let bus = if bus == 0 { client.saturating_add(10_000) } else { bus };
    node.host = host.to_owned();
    node.ports = Ports { client, bus, plain: 0 };
    node.hostname = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once('=') {
            Some(("shard-id", text)) => {
                node.shard = Some(ShardId::parse(text.as_bytes()).ok_or("this is no shard's name")?);
            }
            Some(("nodename", text)) => node.human_name = text.to_owned(),
            // Newer servers may know more.
            Some(_) => {}
            None => return Err("a field without a value"),
        }
    }
    Ok(())
}

fn parse_range(word: &str) -> Result<(u64, u64), &'static str> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (Ok(first), Ok(last)) = (first.parse(), last.parse()) else { return Err("this is no slot") };
    match first <= last && Slot::checked(last).is_some() {
        true => Ok((first, last)),
        false => Err("this is no slot"),
    }
}

fn parse_transfer(word: &str) -> Result<(Slot, NodeId, bool), &'static str> {
    let wrong = "this is no slot on its way";
    let (slot, node, is_out) = match (word.split_once("->-"), word.split_once("-<-")) {
        (Some((slot, node)), None) => (slot, node, true),
        (None, Some((slot, node))) => (slot, node, false),
        _ => return Err(wrong),
    };
    let slot = slot.parse().ok().and_then(Slot::checked).ok_or(wrong)?;
    Ok((slot, NodeId::parse(node.as_bytes()).ok_or(wrong)?, is_out))
}

fn parse_vars(words: &str) -> Option<(Epoch, Epoch)> {
    let mut epochs = (None, None);
    let mut words = words.split(' ');
    while let Some(name) = words.next() {
        let value = Epoch(words.next()?.parse().ok()?);
        match name {
            "currentEpoch" => epochs.0 = Some(value),
            "lastVoteEpoch" => epochs.1 = Some(value),
            _ => return None,
        }
    }
    Some((epochs.0?, epochs.1?))
}
