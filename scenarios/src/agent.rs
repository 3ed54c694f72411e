//! What each node says about itself, again and again, asked from its own machine: no cut path hides it.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_sim::checkers::NodeSample;
use squall_sim::{Client, Resident, Theatre};

use crate::audit::sample;
use crate::file::Observe;

/// One answer of one node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    pub(crate) at: Mono,
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
}

/// All answers of a run, in the order in which they came.
#[derive(Clone)]
pub(crate) struct Samples {
    taken: Rc<RefCell<Vec<Sample>>>,
    digests: Rc<RefCell<Vec<NodeSample>>>,
    every: Nanos,
    digest_every: Nanos,
}

const TIMEOUT: Nanos = Nanos::from_secs(1);

impl Samples {
    pub(crate) fn of(observe: &Observe) -> Samples {
        let (every, digest_every) = (observe.every.0, observe.digest_every.0);
        Samples { taken: Rc::default(), digests: Rc::default(), every, digest_every }
    }

    pub(crate) fn add(&self, sample: Sample) {
        self.taken.borrow_mut().push(sample);
    }

    pub(crate) fn all(&self) -> Vec<Sample> {
        self.taken.borrow().clone()
    }

    /// What data nodes had at which points of their histories.
    pub(crate) fn digests(&self) -> Vec<NodeSample> {
        self.digests.borrow().clone()
    }
}

/// Asks this machine's node, which is reached `here`, at each multiple of the period, so that answers of different nodes fall together.
pub(crate) async fn watch(host: impl Resident, here: Address, samples: Samples) {
    let (node, start) = (host.name(), host.world().starts(host.machine()));
    let mut client = Client::to(&host, vec![here], TIMEOUT);
    loop {
        let now = host.now().mono;
        host.sleep_until(Mono((now.0 / samples.every.0 + 1) * samples.every.0)).await;
        let at = host.now().mono;
        if let Some(mut state) = ask(&mut client).await {
            state.follows = host.world().machine_at(&state.follows).unwrap_or(state.follows);
            samples.add(Sample { at, node: node.clone(), start, state });
        }
        if at.0 / samples.digest_every.0 > now.0 / samples.digest_every.0 {
            let digest = sample(&node, &mut client).await;
            // Before the first replica comes nobody counts: there is no history yet that the data could differ by.
            samples.digests.borrow_mut().extend(digest.filter(|sample| sample.offset > 0));
        }
    }
}

/// What the node says about itself, if it answers.
pub(crate) async fn ask(client: &mut Client<impl Host>) -> Option<NodeState> {
    let requests: [&[&[u8]]; 2] = [&[b"INFO", b"replication"], &[b"INFO", b"stats"]];
    let replies = client.pipeline(&requests).await.ok()?;
    let mut text = String::new();
    for reply in replies {
        text.push_str(&text_of(reply)?);
    }
    Some(NodeState::of_info(&text))
}

impl NodeState {
    /// Reads the sections `replication` and `stats`.
    pub(crate) fn of_info(text: &str) -> NodeState {
        let mut state = NodeState::default();
        for (name, value) in text.lines().filter_map(|line| line.trim_end().split_once(':')) {
            let number = || value.parse().unwrap_or(0);
            match name {
                "role" => state.is_primary = value == "master",
                "master_host" => value.clone_into(&mut state.follows),
                "master_link_status" => state.link_up = value == "up",
                "master_sync_in_progress" => state.syncing = value == "1",
                "master_replid" => value.clone_into(&mut state.replid),
                "master_repl_offset" => state.offset = number(),
                "sync_full" => state.full_syncs = number(),
                "sync_partial_ok" => state.partial_syncs = number(),
                "sync_partial_err" => state.refused_partial_syncs = number(),
                _ => {}
            }
        }
        state
    }
}

/// The text of a bulk or verbatim reply.
pub(crate) fn text_of(reply: Value) -> Option<String> {
    match reply {
        Value::Bulk(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
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
