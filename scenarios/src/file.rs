//! The scenario file: TOML, every field checked, nothing ignored. `squall show NAME` prints one to start from.
//!
//! ```toml
//! title = "what it is about, in a line"
//! reaches = ["promoted"]            # the turns that some node must take, or the run fails: `squall marks`
//! [[node]]                          # the servers; redis.conf for all of them under [server]
//! name = "a"
//! [[node]]
//! name = "b"
//! replica_of = "a"
//! [[zone]]                          # machines that stand together; a fault may name a zone
//! name = "paris"
//! machines = ["a", "w1"]
//! [[route]]                         # and what is between two zones
//! between = ["paris", "oslo"]
//! link = { latency = "25ms" }
//! [[clients]]                       # groups of clients, each on a machine of its own: w1, w2, ...; `squall workloads`
//!                                   # shows what they can do
//! name = "w"
//! count = 4
//! work = { kind = "ledgers", rate = 20, write_to = ["a", "b"] }
//! [[fault]]                         # times count from the moment at which all replicas are in step
//! at = "5s"
//! for = "20s"
//! fault = "partition"
//! left = ["a", "w1"]
//! right = ["*"]
//! # or, instead of nodes: [cluster] primaries = 3, replicas = 1 (see `ClusterSpec`)
//! [[operator]]                      # what a person or a controller does about it
//! at = "8s"
//! do = "promote"
//! node = "b"
//! [chaos]                           # faults end with it at the latest
//! lasting = "30s"
//! [repair]                          # then all nodes must agree again
//! within = "60s"
//! [[expect]]
//! measure = "lost-writes"
//! at_least = 1
//! ```

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use squall_sim::{FaultPlan, FaultStep, LinkChange, LinkSettings, PlanShape, Size, Span, Workload};
use toml::Spanned;

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// In one line, for `squall list`.
    pub title: String,
    /// What happens and what is to be learnt from it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// redis.conf of every node.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub server: BTreeMap<String, Setting>,
    /// Nodes that are a cluster, beside those that are listed.
    pub cluster: Option<ClusterSpec>,
    #[serde(default, rename = "node", skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Spanned<NodeSpec>>,
    /// What every path between two machines is like.
    #[serde(default)]
    pub links: LinkSettings,
    /// Machines that stand together: a rack, a region. Faults may name a zone where they may name several machines.
    #[serde(default, rename = "zone", skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<Spanned<Zone>>,
    /// What the paths between two zones are like, both ways.
    #[serde(default, rename = "route", skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Spanned<Route>>,
    #[serde(default)]
    pub clients: Vec<Spanned<ClientGroup>>,
    #[serde(default, rename = "fault")]
    pub faults: Vec<Spanned<FaultStep>>,
    /// More faults, which follow from the seed; `squall show NAME --seed N` prints them.
    pub drawn: Option<Drawn>,
    #[serde(default)]
    pub operator: Vec<Spanned<OperatorStep>>,
    pub chaos: Chaos,
    pub repair: Repair,
    /// Marks (`squall marks` shows them) that some node must reach, or the run missed what it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reaches: Vec<String>,
    #[serde(default, rename = "expect")]
    pub expectations: Vec<Spanned<Expectation>>,
    #[serde(default)]
    pub observe: Observe,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
    pub name: String,
    /// The node that it follows from its start.
    pub replica_of: Option<String>,
    /// redis.conf of this node, beside what all have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, Setting>,
    /// It follows from `[cluster]`.
    #[serde(skip)]
    pub is_made: bool,
}

/// A cluster of nodes called `a1` to `aN`, the first primaries, `b1` to `bN`, their replicas, `c1` and so on. Shard n
/// is whoever serves the middle of the n-th of N equal parts of the slots.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSpec {
    pub primaries: u16,
    /// Of each primary.
    #[serde(default)]
    pub replicas: u16,
    /// Nodes `x1`, `x2` and so on that run in cluster mode, and that nobody has met.
    #[serde(default)]
    pub spares: u16,
    #[serde(default)]
    pub formed: Formed,
}

/// How a cluster comes to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Formed {
    /// Every node finds a nodes.conf that names them all.
    #[default]
    FromFiles,
    /// An operator introduces empty nodes to each other, as redis-cli does.
    ByOrders,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    pub name: String,
    pub machines: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    pub between: [String; 2],
    /// How it differs from what every path is like.
    pub link: LinkChange,
}

/// A value of redis.conf. A list repeats the directive.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Setting {
    Flag(bool),
    Number(i64),
    Text(String),
    Several(Vec<String>),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClientGroup {
    /// Their machines are called by it and a number: `w1`, `w2`, ...
    pub name: String,
    pub count: u32,
    pub work: Workload,
}

/// How many faults are drawn, and whom they may befall.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Drawn {
    pub steps: usize,
    pub nodes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct OperatorStep {
    pub at: Span,
    #[serde(flatten)]
    pub order: Order,
}

/// What an operator does; over the network, and again until the node answers.
#[derive(Clone, PartialEq, Debug, Deserialize, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// `REPLICAOF NO ONE`.
    Promote { node: String },
    /// `REPLICAOF` another node.
    Replicate { node: String, of: String },
    /// Any command, its words apart; `{id a2}` and `{ip a2}` stand for a node's name in the cluster and address.
    Command { node: String, words: Vec<String> },
    /// A command that is sent once, whatever comes of it.
    Try { node: String, words: Vec<String> },
    /// The process ends without a word, and starts with these lines of redis.conf in addition.
    Restart { node: String, config: BTreeMap<String, Setting> },
    /// CLUSTER FAILOVER, to a replica.
    Failover {
        node: String,
        #[serde(default)]
        how: FailoverWay,
    },
    /// Moves these slots, the first and the last, key by key, as redis-cli does; and again from where it was, until
    /// all are there.
    Reshard { from: String, to: String, slots: [u16; 2] },
    /// Several commands as one transaction.
    Transaction { node: String, commands: Vec<Vec<String>> },
    /// Waits before the next order; at most until the run is over.
    Await { node: String, until: Condition },
    /// Ends all faults now.
    Heal,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailoverWay {
    #[default]
    Agreed,
    Force,
    Takeover,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// The node says that it is a primary.
    Primary,
    /// The node says that it is a replica whose link is up.
    Linked,
    /// The node is being sent a snapshot.
    Syncing,
    /// The node says that its cluster works.
    ClusterOk,
    /// The node says that its cluster does not work.
    ClusterDown,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Chaos {
    pub lasting: Span,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Repair {
    /// After chaos all nodes must agree on one primary (or, in a cluster, on who serves what), follow it and serve
    /// writes within this.
    pub within: Span,
    /// These need not agree.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// A bound on a measure; outside it the run fails.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    pub measure: String,
    pub at_least: Option<Bound>,
    pub at_most: Option<Bound>,
}

/// A count, or a duration or size as text.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Bound {
    Count(u64),
    Text(String),
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Observe {
    /// How often each node is asked for its state, from its own machine.
    pub every: Span,
    /// How often each node is asked for the digest of its data, at the point of history that it stands at.
    pub digest_every: Span,
    /// Show the lag of this replica over time in the summary.
    pub lag_of: Option<String>,
    /// At these steps.
    pub lag_step: Span,
}

impl Default for Observe {
    fn default() -> Observe {
        let (every, digest_every) = (Span::from_millis(500), Span::from_secs(2));
        Observe { every, digest_every, lag_of: None, lag_step: Span::from_secs(5) }
    }
}

impl Scenario {
    /// The scenario as a file that says the same.
    pub fn to_text(&self) -> String {
        let mut written = self.clone();
        written.nodes.retain(|node| !node.get_ref().is_made);
        toml::to_string(&written).expect("a scenario can be written down")
    }

    /// All faults of a run: those that are written down and those that the seed draws.
    pub fn plan(&self, seed: u64) -> FaultPlan {
        let mut steps: Vec<FaultStep> = self.faults.iter().map(|step| step.get_ref().clone()).collect();
        steps.extend(self.drawn_plan(seed).steps);
        steps.iter_mut().for_each(|step| step.fault.expand(|name| self.zone(name).map(<[String]>::to_vec)));
        FaultPlan { steps }
    }

    /// The machines of a zone.
    pub fn zone(&self, name: &str) -> Option<&[String]> {
        let zone = self.zones.iter().map(Spanned::get_ref).find(|zone| zone.name == name);
        zone.map(|zone| zone.machines.as_slice())
    }

    /// The faults that it asks to be drawn.
    pub fn drawn_plan(&self, seed: u64) -> FaultPlan {
        let shape = |drawn: &Drawn| {
            let within = self.chaos.lasting;
            PlanShape { nodes: drawn.nodes.clone(), within, steps: drawn.steps }
        };
        self.drawn.as_ref().map(shape).map_or_else(FaultPlan::default, |shape| FaultPlan::draw(seed, &shape))
    }
}

impl NodeSpec {
    /// The node with more lines in its configuration.
    pub fn with(&self, more: &BTreeMap<String, Setting>) -> NodeSpec {
        let mut spec = self.clone();
        spec.config.extend(more.clone());
        spec
    }
}

impl Setting {
    /// The lines of redis.conf that say this.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let line = |value: &str| format!("{name} {}", if value.is_empty() { "\"\"" } else { value });
        match self {
            Setting::Flag(flag) => vec![line(if *flag { "yes" } else { "no" })],
            Setting::Number(number) => vec![line(&number.to_string())],
            Setting::Text(text) => vec![line(text)],
            Setting::Several(values) => values.iter().map(|value| line(value)).collect(),
        }
    }
}

impl ClientGroup {
    pub fn machines(&self) -> impl Iterator<Item = String> + '_ {
        (1..=self.count).map(|number| format!("{}{number}", self.name))
    }
}

impl Bound {
    /// As a plain number: a count, nanoseconds or bytes.
    pub fn amount(&self) -> Result<u64, String> {
        match self {
            Bound::Count(count) => Ok(*count),
            Bound::Text(text) => match (text.parse::<Span>(), text.parse::<Size>()) {
                (Ok(span), _) => Ok(span.0.0),
                (_, Ok(size)) => Ok(size.0),
                (Err(_), Err(_)) => {
                    Err(format!("`{text}` is neither a duration such as 5s nor a size such as 64kb"))
                }
            },
        }
    }
}

impl Order {
    /// The nodes that it names.
    pub fn nodes(&self) -> Vec<&str> {
        match self {
            Order::Promote { node }
            | Order::Command { node, .. }
            | Order::Try { node, .. }
            | Order::Restart { node, .. }
            | Order::Transaction { node, .. }
            | Order::Failover { node, .. }
            | Order::Await { node, .. } => vec![node],
            Order::Replicate { node, of } => vec![node, of],
            Order::Reshard { from, to, .. } => vec![from, to],
            Order::Heal => Vec::new(),
        }
    }
}
