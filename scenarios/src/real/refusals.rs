//! What a scenario may ask of a simulated world and not of real processes on one machine. It is named and refused
//! before anything starts, with what could be asked for instead: a run that left a fault out would be a lie.

use std::fmt;

use squall_sim::{Fault, FaultStep};

use crate::file::Scenario;

/// A part of a scenario that cannot be had here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    /// What is asked for, as the scenario's file has it.
    pub asked: String,
    pub reason: &'static str,
    pub instead: &'static str,
}

/// Everything about `scenario` that real processes cannot be made to do.
pub(super) fn refusals(scenario: &Scenario, seed: u64) -> Vec<Refusal> {
    let mut found: Vec<Refusal> = Vec::new();
    for FaultStep { at, fault, .. } in scenario.plan(seed).steps {
        if let Some((reason, instead)) = refusal_of(&fault) {
            found.push(Refusal { asked: format!("at {at}: {fault}"), reason, instead });
        }
    }
    found
}

/// Every fault has its line: whoever adds one decides here whether real processes can have it.
fn refusal_of(fault: &Fault) -> Option<(&'static str, &'static str)> {
    match fault {
        Fault::Cut { .. }
        | Fault::Partition { .. }
        | Fault::Isolate { .. }
        | Fault::Bridge { .. }
        | Fault::Ring { .. }
        | Fault::Flapping { .. }
        | Fault::Link { .. }
        | Fault::Reset { .. }
        | Fault::Mute { .. }
        | Fault::Crash { .. }
        | Fault::Pause { .. }
        | Fault::Stutter { .. }
        | Fault::FlipBit { .. }
        | Fault::PowerLoss { empty_disk: true, .. } => None,
        Fault::PowerLoss { empty_disk: false, .. } => Some((
            "this machine keeps its power, and its kernel what a killed process has written",
            "`fault = \"crash\"`, or `empty_disk = true`, which loses everything",
        )),
        Fault::Move { .. } => Some((
            "servers dial the addresses that they were told, and no name leads them to another one",
            "`fault = \"crash\"`, which comes back where it was",
        )),
        Fault::Proxied { .. } => Some((
            "every server has a proxy before it already, and each an address of its own",
            "`squall run`, where a path can have one",
        )),
        Fault::Bus { .. } => Some((
            "the proxies pass bytes on and do not read them",
            "`fault = \"cut\"` or a slow `link` between the same nodes",
        )),
        Fault::Disk { .. } => Some((
            "all processes share the disk of this machine",
            "`fault = \"pause\"` or `\"stutter\"` for a server that a slow disk holds up",
        )),
        Fault::ClockJump { .. } | Fault::ClockDrift { .. } => Some((
            "all processes share the clock of this machine",
            "`squall run`, where every machine has its own",
        )),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { asked, reason, instead } = self;
        write!(f, "{asked}\n    cannot be had: {reason}\n    instead: {instead}")
    }
}

#[cfg(test)]
mod tests {
    use squall_sim::FaultPlan;

    use super::*;

    /// Whatever a seed draws is either refused by name or can be had.
    #[test]
    fn a_loss_of_power_is_refused_and_a_crash_is_not() {
        let fault = |text: &str| toml::from_str::<FaultPlan>(text).expect("a plan").steps.remove(0).fault;
        let refused = |kind: &str| {
            let text = format!("[[fault]]\nat = \"1s\"\nnode = \"a\"\nfault = {kind}\n");
            refusal_of(&fault(&text)).map(|(_, instead)| instead)
        };
        assert!(refused("\"power-loss\"").expect("refused").contains("crash"));
        assert_eq!(refused("\"power-loss\"\nempty_disk = true"), None);
        assert_eq!(refused("\"crash\""), None);
        assert!(refused("\"clock-jump\"\nby_ms = 5").expect("refused").contains("squall run"));
        assert!(refused("\"disk\"\nstate = { latency = \"5ms\" }").is_some());
    }
}
