//! Names that stand for whoever plays a part when a fault begins, such as `the primary of shard 2`: who that is, the
//! scenario's own cast says.

use std::rc::Rc;

use super::Fault;

/// Who plays a part now; nobody, perhaps.
pub type Cast = Rc<dyn Fn(&str) -> Vec<String>>;

/// Whether a name is a part, and no machine's.
pub fn is_part(name: &str) -> bool {
    name.contains(" of ")
}

impl Fault {
    /// The same fault with machines in the place of parts; none where nobody plays the part that it is about.
    pub(super) fn cast(&self, cast: &Cast) -> Option<Fault> {
        let mut fault = self.clone();
        for list in fault.lists_mut() {
            let played = |name: String| if is_part(&name) { cast(&name) } else { vec![name] };
            *list = std::mem::take(list).into_iter().flat_map(played).collect();
        }
        if let Some(node) = fault.node_mut().filter(|node| is_part(node)) {
            *node = cast(node).into_iter().next()?;
        }
        let is_whole = fault.lists_mut().iter().all(|list| !list.is_empty());
        is_whole.then_some(fault)
    }

    fn lists_mut(&mut self) -> Vec<&mut Vec<String>> {
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

    fn node_mut(&mut self) -> Option<&mut String> {
        match self {
            Fault::Crash { node }
            | Fault::PowerLoss { node, .. }
            | Fault::Move { node }
            | Fault::Pause { node }
            | Fault::Stutter { node, .. }
            | Fault::Disk { node, .. }
            | Fault::FlipBit { node, .. }
            | Fault::ClockJump { node, .. }
            | Fault::ClockDrift { node, .. } => Some(node),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_played_by_whoever_has_it_now() {
        let cast: Cast = Rc::new(|part| match part {
            "primary of shard 1" => vec!["b1".to_owned()],
            _ => Vec::new(),
        });
        let crash = |node: &str| Fault::Crash { node: node.to_owned() };
        assert_eq!(crash("primary of shard 1").cast(&cast), Some(crash("b1")));
        assert_eq!(crash("a2").cast(&cast), Some(crash("a2")));
        assert_eq!(crash("replica of shard 1").cast(&cast), None);
        let apart = |left: &[&str]| Fault::Partition {
            left: left.iter().map(|name| (*name).to_owned()).collect(),
            right: vec!["*".to_owned()],
        };
        assert_eq!(apart(&["primary of shard 1", "w1"]).cast(&cast), Some(apart(&["b1", "w1"])));
    }
}
