//! What each node says about itself, again and again, asked from its own machine: no cut path hides it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_sim::checkers::{MemorySample, NodeSample, View};
use squall_sim::{Client, Resident, Theatre};

use crate::audit::sample;
use crate::cast::Troupe;
use crate::file::Observe;

/// One answer of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    /// When it was asked, and when it had answered.
    pub(crate) at: Mono,
    pub(crate) answered: Mono,
    pub(crate) node: String,
    /// Which of its processes answered, counted from 1.
    pub(crate) start: u32,
    pub(crate) state: NodeState,
}

/// What INFO tells about replication.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct NodeState {
    pub(crate) is_primary: bool,
    /// The node that it follows.
    pub(crate) follows: String,
    pub(crate) link_up: bool,
    /// A snapshot is on its way to it.
    pub(crate) syncing: bool,
    pub(crate) replid: String,
    pub(crate) offset: u64,
    pub(crate) full_syncs: u64,
    pub(crate) partial_syncs: u64,
    pub(crate) refused_partial_syncs: u64,
    pub(crate) backlog_bytes: u64,
    pub(crate) backlog_bytes_max: u64,
    /// Of a cluster's node: what it says of all.
    pub(crate) view: Option<Arc<View>>,
}

/// All answers of a run, in the order in which they came.
#[derive(Clone)]
pub(crate) struct Samples {
    taken: Rc<RefCell<Vec<Sample>>>,
    digests: Rc<RefCell<Vec<NodeSample>>>,
    memory: Rc<RefCell<Vec<MemorySample>>>,
    every: Nanos,
    digest_every: Nanos,
    /// Of a cluster: who is who.
    pub(crate) troupe: Troupe,
    /// Views are large and seldom change: what is the same is kept once.
    views: Rc<RefCell<BTreeMap<String, Arc<View>>>>,
}

const TIMEOUT: Nanos = Nanos::from_secs(1);

impl Samples {
    pub(crate) fn of(observe: &Observe) -> Samples {
        let (every, digest_every) = (observe.every.0, observe.digest_every.0);
        let (troupe, views) = (Troupe::default(), Rc::default());
        let (taken, digests, memory) = (Rc::default(), Rc::default(), Rc::default());
        Samples { taken, digests, memory, every, digest_every, troupe, views }
    }

    pub(crate) fn add(&self, mut sample: Sample) {
        if let Some(view) = &mut sample.state.view {
            let mut views = self.views.borrow_mut();
            match views.get(&sample.node) {
                Some(known) if known == view => *view = Arc::clone(known),
                _ => drop(views.insert(sample.node.clone(), Arc::clone(view))),
            }
        }
        self.taken.borrow_mut().push(sample);
    }

    pub(crate) fn all(&self) -> Vec<Sample> {
        self.taken.borrow().clone()
    }

    /// What nodes held in memory.
    pub(crate) fn memory(&self) -> Vec<MemorySample> {
        self.memory.borrow().clone()
    }

    /// What data nodes had at which points of their histories.
    pub(crate) fn digests(&self) -> Vec<NodeSample> {
        self.digests.borrow().clone()
    }
}

/// Asks this machine's node, which is reached `here`, at each multiple of the period, so that answers of different
/// nodes fall together.
pub(crate) async fn watch(host: impl Resident, here: Address, samples: Samples) {
    let (node, start) = (host.name(), host.world().starts(host.machine()));
    let mut client = Client::to(&host, vec![here], TIMEOUT);
    loop {
        let now = host.now().mono;
        host.sleep_until(Mono((now.0 / samples.every.0 + 1) * samples.every.0)).await;
        let at = host.now().mono;
        let answered = ask(&mut client, samples.troupe.is_clustered()).await;
        let state = answered.clone().unwrap_or_default();
        if let Some(mut state) = answered {
            state.follows = host.world().machine_at(&state.follows).unwrap_or(state.follows);
            samples.add(Sample { at, answered: host.now().mono, node: node.clone(), start, state });
        }
        if at.0 / samples.digest_every.0 > now.0 / samples.digest_every.0 {
            let memory = ask_memory(&mut client, &state).await;
            samples.memory.borrow_mut().extend(memory.map(|held| MemorySample {
                at,
                node: node.clone(),
                ..held
            }));
            let digest = sample(&node, &mut client).await;
            // Before the first replica comes nobody counts: there is no history yet that the data could differ by.
            samples.digests.borrow_mut().extend(digest.filter(|sample| sample.offset > 0));
        }
    }
}

/// What the node says about itself, if it answers.
pub(crate) async fn ask(client: &mut Client<impl Host>, clustered: bool) -> Option<NodeState> {
    state_by(client, &[&[b"INFO", b"replication"], &[b"INFO", b"stats"]], clustered).await
}

/// Whether the node is a primary or a linked replica, and of which history: all that agreement takes.
pub(crate) async fn look(client: &mut Client<impl Host>, clustered: bool) -> Option<NodeState> {
    state_by(client, &[&[b"INFO", b"replication"]], clustered).await
}

/// What the node says when it is asked so, and in a cluster for its view, too.
async fn state_by(
    client: &mut Client<impl Host>,
    sections: &[&[&[u8]]],
    clustered: bool,
) -> Option<NodeState> {
    let view: &[&[&[u8]]] = &[&[b"CLUSTER", b"INFO"], &[b"CLUSTER", b"NODES"]];
    let asked = [sections, if clustered { view } else { &[] }].concat();
    let replies = client.pipeline(&asked).await.ok()?;
    let texts = replies.into_iter().map(text_of).collect::<Option<Vec<String>>>()?;
    let (sections, view) = texts.split_at(sections.len());
    let mut state = NodeState::default();
    sections.iter().for_each(|text| state.learn(text));
    if let [info, nodes] = view {
        state.view = Some(Arc::new(View::of(info, nodes)?));
    }
    Some(state)
}

/// What the node, in this state, holds in memory, and how much it may.
async fn ask_memory(client: &mut Client<impl Host>, state: &NodeState) -> Option<MemorySample> {
    let limits: &[&[u8]] = &[b"CONFIG", b"GET", b"client-output-buffer-limit"];
    let of_bus: [&[&[u8]]; 2] =
        [&[b"CONFIG", b"GET", b"cluster-link-sendbuf-limit"], &[b"CLUSTER", b"LINKS"]];
    let asked: &[&[&[u8]]] = &[&[b"INFO", b"memory"], limits];
    let of_bus = if state.view.is_some() { &of_bus[..] } else { &[] };
    let mut replies = client.pipeline(&[asked, of_bus].concat()).await.ok()?;
    let of_bus = replies.split_off(asked.len());
    let [info, limits] = <[Value; 2]>::try_from(replies).ok()?;
    let (backlog, backlog_max) = (state.backlog_bytes, state.backlog_bytes_max);
    let mut held = MemorySample { backlog, backlog_max, ..Default::default() };
    let text = text_of(info)?;
    for (name, value) in fields(&text) {
        let number = || value.parse().unwrap_or(0);
        match name {
            "used_memory_dataset" => held.dataset = number(),
            // A replica holds what its primary holds.
            "maxmemory" if state.is_primary => held.dataset_max = number(),
            "mem_total_replication_buffers" => held.stream = number(),
            "mem_clients_normal" => held.clients = number(),
            _ => {}
        }
    }
    if let Ok([limit, links]) = <[Value; 2]>::try_from(of_bus) {
        held.bus_link_max = configured(limit).and_then(|limit| limit.parse().ok()).unwrap_or(0);
        held.bus_link = longest_queue(links);
    }
    if let Some(limits) = configured(limits) {
        let mut words = limits.split(' ').skip_while(|word| !matches!(*word, "slave" | "replica")).skip(1);
        held.replica_output_max = words.next().and_then(|hard| hard.parse().ok()).unwrap_or(0);
    }
    Some(held)
}

/// The value in the answer to a CONFIG GET of one directive.
fn configured(answer: Value) -> Option<String> {
    let Value::Array(pair) = answer else { return None };
    pair.into_iter().nth(1).and_then(text_of)
}

/// The most that waits on one of the links of CLUSTER LINKS, each of which is told as names with their values.
fn longest_queue(links: Value) -> u64 {
    let Value::Array(links) = links else { return 0 };
    let queue = |link: &Value| {
        let Value::Array(fields) = link else { return None };
        let name = Value::Bulk("send-buffer-used".into());
        let place = fields.iter().position(|field| *field == name)?;
        match fields.get(place + 1)? {
            Value::Integer(bytes) => u64::try_from(*bytes).ok(),
            _ => None,
        }
    };
    links.iter().filter_map(queue).max().unwrap_or(0)
}

impl NodeState {
    /// Reads the sections `replication` and `stats`.
    pub(crate) fn of_info(text: &str) -> NodeState {
        let mut state = NodeState::default();
        state.learn(text);
        state
    }

    fn learn(&mut self, text: &str) {
        for (name, value) in fields(text) {
            let number = || value.parse().unwrap_or(0);
            match name {
                "role" => self.is_primary = value == "master",
                "master_host" => value.clone_into(&mut self.follows),
                "master_link_status" => self.link_up = value == "up",
                "master_sync_in_progress" => self.syncing = value == "1",
                "master_replid" => value.clone_into(&mut self.replid),
                "master_repl_offset" => self.offset = number(),
                "repl_backlog_size" => self.backlog_bytes_max = number(),
                "repl_backlog_histlen" => self.backlog_bytes = number(),
                "sync_full" => self.full_syncs = number(),
                "sync_partial_ok" => self.partial_syncs = number(),
                "sync_partial_err" => self.refused_partial_syncs = number(),
                _ => {}
            }
        }
    }
}

/// The fields of INFO.
fn fields(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(':'))
}

/// The text of a bulk or verbatim reply.
pub(crate) fn text_of(reply: Value) -> Option<String> {
    match reply {
        Value::Bulk(bytes) => match String::from_utf8(bytes.into()) {
            Ok(text) => Some(text),
            Err(bytes) => Some(String::from_utf8_lossy(bytes.as_bytes()).into_owned()),
        },
        Value::Verbatim { text, .. } | Value::Simple(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn info_is_understood() {
        let text = "# Replication\r\nrole:slave\r\nmaster_host:a\r\nmaster_link_status:up\r\n\
                    master_sync_in_progress:0\r\nmaster_replid:f00\r\nmaster_repl_offset:1234\r\n\
                    # Stats\r\nsync_full:2\r\nsync_partial_err:1\r\n";
        let state = NodeState::of_info(text);
        assert!(!state.is_primary && state.link_up && !state.syncing);
        assert_eq!((state.follows.as_str(), state.replid.as_str(), state.offset), ("a", "f00", 1234));
        assert_eq!((state.full_syncs, state.partial_syncs, state.refused_partial_syncs), (2, 0, 1));
    }
}
