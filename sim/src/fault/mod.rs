//! Faults as data: a plan says what goes wrong, when and for how long. It can be written by hand, drawn from a
//! seed ([`drawn`]), printed, edited and replayed; carrying it out ([`schedule`]) takes no further chance. What each
//! does to its world is in [`network`] and [`process`].

mod cast;
mod drawn;
mod network;
mod process;
mod schedule;
mod turns;

use std::fmt;

use serde::{Deserialize, Serialize};
use squall_clock::Nanos;

use crate::bus::BusMessage;
use crate::disk::DiskFault;
use crate::link::{LinkChange, LinkSettings};
use crate::quantity::Span;
use crate::theatre::Theatre;

pub use cast::{Cast, is_part};
pub use drawn::PlanShape;
pub use schedule::{FaultSpan, Faults, Remedy};

/// What goes wrong. Machines are named; `*` stands for all that are not named on the other side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// Nothing gets from the one side to the other; the other way works.
    Cut {
        from: Vec<String>,
        to: Vec<String>,
    },
    /// Nothing gets from either side to the other.
    Partition {
        left: Vec<String>,
        right: Vec<String>,
    },
    /// Nothing gets from or to these machines, not even between them.
    Isolate {
        nodes: Vec<String>,
    },
    /// Of these, each reaches only those in `bridge`, and they reach all: two halves that share a member.
    Bridge {
        nodes: Vec<String>,
        bridge: Vec<String>,
    },
    /// Each of these reaches only the one before and the one after it in the list.
    Ring {
        nodes: Vec<String>,
    },
    /// A partition that comes and goes: `down` apart, then `up` together, again and again.
    Flapping {
        left: Vec<String>,
        right: Vec<String>,
        down: Span,
        up: Span,
    },
    /// The paths from the one side to the other change.
    Link {
        from: Vec<String>,
        to: Vec<String>,
        change: LinkChange,
    },
    /// The connections that `from` has opened to `to` are reset.
    Reset {
        from: Vec<String>,
        to: Vec<String>,
    },
    /// On the connections that `from` has opened to `to` by now, nothing arrives any more; others work. With
    /// `answers`, what `to` sends is what does not arrive.
    Mute {
        from: Vec<String>,
        to: Vec<String>,
        #[serde(default)]
        answers: bool,
    },
    /// Connections that `from` opens to `to` meanwhile go through a proxy on the machine of `to`: they seem to come from
    /// its own address.
    Proxied {
        from: Vec<String>,
        to: Vec<String>,
    },
    /// Such messages of the cluster bus from the one side to the other are dropped, or late.
    Bus {
        from: Vec<String>,
        to: Vec<String>,
        messages: Vec<BusMessage>,
        /// Without it they are dropped.
        delay: Option<Span>,
        /// They arrive, with some bits of what they say of others inverted.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        garbled: bool,
    },
    /// The process ends at once; it starts again when the fault is over.
    Crash {
        node: String,
    },
    /// The machine goes dark with what its disk had not made durable; it starts again when the fault is over, with
    /// an empty disk where that is wanted.
    PowerLoss {
        node: String,
        #[serde(default)]
        empty_disk: bool,
    },
    /// The process ends at once and starts again at another address; its name leads to the new one, its old address
    /// to nobody.
    Move {
        node: String,
    },
    /// The process stands still; its kernel goes on accepting bytes.
    Pause {
        node: String,
    },
    /// The process works in fits and starts: after each `work` it stands still for `stall`, as on a machine that
    /// gives its processor to others.
    Stutter {
        node: String,
        work: Span,
        stall: Span,
    },
    Disk {
        node: String,
        state: DiskFault,
    },
    /// One bit of a file at rest is inverted.
    FlipBit {
        node: String,
        path: String,
        offset: u64,
    },
    /// The wall clock is put forward by so many milliseconds, or back where that is negative.
    ClockJump {
        node: String,
        by_ms: i64,
    },
    /// The wall clock gains so many microseconds a second, or loses them where that is negative.
    ClockDrift {
        node: String,
        ppm: i64,
    },
}

/// A fault, when it begins, and how long it lasts; without a length it lasts until everything is healed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FaultStep {
    pub at: Span,
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<Span>,
    #[serde(flatten)]
    pub fault: Fault,
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultPlan {
    #[serde(rename = "fault", default)]
    pub steps: Vec<FaultStep>,
}

/// What comes and goes does so no faster: a world full of turns would have time for nothing else.
const PERIOD_MIN: Nanos = Nanos::from_millis(1);

impl Fault {
    /// Says which machine it names that does not exist, or what about it is impossible.
    pub fn check(&self, world: &impl Theatre) -> Result<(), String> {
        let (left, right) = self.names();
        for name in left.iter().chain(&right) {
            if *name != "*" && !is_part(name) && world.machine_named(name).is_none() {
                return Err(format!("there is no machine called `{name}`"));
            }
        }
        self.check_shape()
    }

    /// Says what about it is impossible, whatever machines there are.
    pub fn check_shape(&self) -> Result<(), String> {
        let (left, right) = self.names();
        if left.contains(&"*") && right.contains(&"*") {
            return Err("`*` stands for everyone else; it can be on one side only".to_owned());
        }
        if left.is_empty() {
            return Err("it befalls nobody".to_owned());
        }
        match self {
            Fault::Link { change, .. } => {
                let mut settings = LinkSettings::default();
                settings.change(change);
                settings.check()
            }
            Fault::Flapping { down: one, up: other, .. } | Fault::Stutter { work: one, stall: other, .. } => {
                match one.0.min(other.0) >= PERIOD_MIN {
                    true => Ok(()),
                    false => Err(format!(
                        "periods of {one} and {other}: each must last {} at least",
                        Span(PERIOD_MIN)
                    )),
                }
            }
            Fault::Ring { nodes } if nodes.len() < 3 => {
                Err("a ring takes three machines at least".to_owned())
            }
            Fault::Bridge { nodes, bridge }
                if bridge.is_empty() || bridge.iter().any(|name| nodes.contains(name)) =>
            {
                Err("a bridge takes machines that are not among `nodes`".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// The machines on either side of it.
    pub fn names(&self) -> (Vec<&str>, Vec<&str>) {
        fn all(names: &[String]) -> Vec<&str> {
            names.iter().map(String::as_str).collect()
        }
        match self {
            Fault::Cut { from, to }
            | Fault::Partition { left: from, right: to }
            | Fault::Bridge { nodes: from, bridge: to }
            | Fault::Flapping { left: from, right: to, .. }
            | Fault::Link { from, to, .. }
            | Fault::Reset { from, to }
            | Fault::Proxied { from, to }
            | Fault::Bus { from, to, .. }
            | Fault::Mute { from, to, .. } => (all(from), all(to)),
            Fault::Isolate { nodes } | Fault::Ring { nodes } => (all(nodes), Vec::new()),
            Fault::Crash { node }
            | Fault::Move { node }
            | Fault::Stutter { node, .. }
            | Fault::PowerLoss { node, .. }
            | Fault::Pause { node }
            | Fault::Disk { node, .. }
            | Fault::FlipBit { node, .. }
            | Fault::ClockJump { node, .. }
            | Fault::ClockDrift { node, .. } => (vec![node], Vec::new()),
        }
    }

    /// Takes a machine out of it; false where nothing is left of it then.
    pub fn forget(&mut self, name: &str) -> bool {
        let is_ring = matches!(self, Fault::Ring { .. });
        let lists = self.lists();
        if lists.is_empty() {
            return !self.names().0.contains(&name);
        }
        lists.into_iter().all(|list| {
            list.retain(|other| other != name);
            list.len() > if is_ring { 2 } else { 0 }
        })
    }

    /// Puts what `expand` gives for a name in its place, wherever several machines can be named.
    pub fn expand(&mut self, expand: impl Fn(&str) -> Option<Vec<String>>) {
        for list in self.lists() {
            let names = std::mem::take(list).into_iter();
            *list = names.flat_map(|name| expand(&name).unwrap_or_else(|| vec![name])).collect();
        }
    }

    fn lists(&mut self) -> Vec<&mut Vec<String>> {
        match self {
            Fault::Cut { from, to }
            | Fault::Partition { left: from, right: to }
            | Fault::Bridge { nodes: from, bridge: to }
            | Fault::Flapping { left: from, right: to, .. }
            | Fault::Link { from, to, .. }
            | Fault::Reset { from, to }
            | Fault::Proxied { from, to }
            | Fault::Bus { from, to, .. }
            | Fault::Mute { from, to, .. } => vec![from, to],
            Fault::Isolate { nodes } | Fault::Ring { nodes } => vec![nodes],
            _ => Vec::new(),
        }
    }

    /// Whom it befalls: those on its smaller side, or both where it names both.
    fn machines(&self, world: &impl Theatre) -> Vec<String> {
        let (left, right) = self.names();
        let named = |names: &[&str]| {
            names.iter().filter(|name| **name != "*").map(|name| (*name).to_owned()).collect()
        };
        let (left, right): (Vec<String>, Vec<String>) = (named(&left), named(&right));
        match (left.is_empty(), right.is_empty()) {
            (true, true) => world.machine_ids().into_iter().map(|id| world.machine_name(id)).collect(),
            (true, false) => right,
            (false, _)
                if matches!(
                    self,
                    Fault::Partition { .. } | Fault::Bridge { .. } | Fault::Flapping { .. }
                ) =>
            {
                left
            }
            (false, _) => left.into_iter().chain(right).collect(),
        }
    }
}

impl fmt::Display for Fault {
    /// In words, as a person would tell it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |names: &[String]| match names {
            [only] if only == "*" => "everyone else".to_owned(),
            names => names.join(", "),
        };
        match self {
            Fault::Cut { from, to } => write!(f, "nothing gets from {} to {}", list(from), list(to)),
            Fault::Partition { left, right } => write!(f, "{} | {}", list(left), list(right)),
            Fault::Isolate { nodes } => write!(f, "each of {} on its own", list(nodes)),
            Fault::Bridge { nodes, bridge } => {
                write!(f, "each of {} reaches only {}", list(nodes), list(bridge))
            }
            Fault::Ring { nodes } => write!(f, "each of {} reaches only its neighbours", list(nodes)),
            Fault::Flapping { left, right, down, up } => {
                write!(f, "{} | {}, apart for {down}, together for {up}", list(left), list(right))
            }
            Fault::Move { node } => write!(f, "{node} crashes and comes back at another address"),
            Fault::Stutter { node, work, stall } => {
                write!(f, "{node} stands still for {stall} after each {work} of work")
            }
            Fault::Link { from, to, change } => {
                write!(f, "the link from {} to {}: {change}", list(from), list(to))
            }
            Fault::Bus { from, to, messages, delay, garbled } => {
                let names: Vec<String> = messages.iter().map(ToString::to_string).collect();
                write!(f, "{} from {} to {}: ", names.join(", "), list(from), list(to))?;
                match delay {
                    _ if *garbled => f.write_str("garbled"),
                    None => f.write_str("lost"),
                    Some(delay) => write!(f, "late by {delay}"),
                }
            }
            Fault::Reset { from, to } => write!(f, "connections of {} to {} are reset", list(from), list(to)),
            Fault::Proxied { from, to } => {
                write!(f, "connections of {} to {} go through a proxy there", list(from), list(to))
            }
            Fault::Mute { from, to, answers: false } => {
                write!(f, "connections of {} to {} fall silent", list(from), list(to))
            }
            Fault::Mute { from, to, answers: true } => {
                write!(f, "connections of {} to {} get no more answers", list(from), list(to))
            }
            Fault::Crash { node } => write!(f, "{node} crashes"),
            Fault::PowerLoss { node, empty_disk: false } => write!(f, "{node} loses power"),
            Fault::PowerLoss { node, empty_disk: true } => write!(f, "{node} loses power and its disk"),
            Fault::Pause { node } => write!(f, "{node} stands still"),
            Fault::Disk { node, state } => write!(f, "the disk of {node}: {state}"),
            Fault::FlipBit { node, path, offset } => {
                write!(f, "a bit of {path} on {node} flips at {offset}")
            }
            Fault::ClockJump { node, by_ms } => write!(f, "the clock of {node} jumps by {by_ms} ms"),
            Fault::ClockDrift { node, ppm } => write!(f, "the clock of {node} drifts by {ppm} ppm"),
        }
    }
}
