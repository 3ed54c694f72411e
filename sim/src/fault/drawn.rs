//! Plans of faults that a seed draws.

use rand_chacha::ChaCha8Rng;

use super::{Fault, FaultPlan, FaultStep};
use crate::disk::DiskFault;
use crate::entropy::{below, chance, stream};
use crate::link::{Latency, LinkChange};
use crate::quantity::{Rate, Size, Span};

/// What a drawn plan may contain.
#[derive(Clone, Debug)]
pub struct PlanShape {
    pub nodes: Vec<String>,
    /// Faults begin and end within this.
    pub within: Span,
    pub steps: usize,
}

impl FaultPlan {
    /// Draws a plan. The generator is the plan's own: a world of the same seed is not disturbed by it.
    pub fn draw(seed: u64, shape: &PlanShape) -> FaultPlan {
        assert!(!shape.nodes.is_empty(), "a plan needs machines to befall");
        let mut rng = stream(seed, "plan", 0);
        let mut steps: Vec<_> = (0..shape.steps).map(|_| draw_step(&mut rng, shape)).collect();
        steps.sort_by_key(|step| step.at);
        FaultPlan { steps }
    }
}

fn draw_step(rng: &mut ChaCha8Rng, shape: &PlanShape) -> FaultStep {
    let within = shape.within.0.as_millis();
    let at = below(rng, within * 3 / 4);
    let lasting = 1 + below(rng, (within - at).min(within / 3));
    let first = below(rng, shape.nodes.len() as u64) as usize;
    let node = shape.nodes[first].clone();
    let further = 1 + below(rng, shape.nodes.len() as u64 - 1) as usize;
    let other = shape.nodes[(first + further) % shape.nodes.len()].clone();
    let everyone = vec!["*".to_owned()];
    let fault = match below(rng, 20) {
        0 | 1 => Fault::Partition { left: vec![node], right: everyone },
        2 => Fault::Cut { from: vec![node], to: vec![other] },
        3 => Fault::Crash { node },
        4 => Fault::PowerLoss { node, empty_disk: false },
        5 => Fault::Pause { node },
        6 => {
            let latency = Latency::Fixed(Span::from_millis(1 + below(rng, 200)));
            let change = LinkChange { latency: Some(latency), loss: Some(0.05), ..Default::default() };
            Fault::Link { from: vec![node], to: everyone, change }
        }
        7 => Fault::Reset { from: vec![node], to: vec![other] },
        8 => {
            let latency = Some(Span::from_millis(1 + below(rng, 500)));
            Fault::Disk { node, state: DiskFault { latency, ..Default::default() } }
        }
        13 => Fault::Disk { node, state: DiskFault { stalled: true, ..Default::default() } },
        14 => {
            let capacity = Some(Size(below(rng, 64 << 10)));
            Fault::Disk { node, state: DiskFault { capacity, ..Default::default() } }
        }
        9 => {
            let [down, up] = [0, 0].map(|_| Span::from_millis(50 + below(rng, 2_000)));
            Fault::Flapping { left: vec![node], right: everyone, down, up }
        }
        10 => {
            let [work, stall] = [0, 0].map(|_| Span::from_millis(5 + below(rng, 200)));
            Fault::Stutter { node, work, stall }
        }
        11 => Fault::Move { node },
        12 => Fault::Mute { from: vec![node], to: vec![other], answers: chance(rng, 0.5) },
        15 => Fault::Isolate { nodes: vec![node, other] },
        16 if shape.nodes.len() > 3 => Fault::Ring { nodes: shape.nodes.clone() },
        16 | 17 if shape.nodes.len() > 2 => {
            let nodes = shape.nodes.iter().filter(|name| **name != node).cloned().collect();
            Fault::Bridge { nodes, bridge: vec![node] }
        }
        18 => {
            let bandwidth = Some(Rate { bytes_per_second: 2_000 + below(rng, 50_000) });
            let change = LinkChange { bandwidth, ..Default::default() };
            Fault::Link { from: vec![node], to: everyone, change }
        }
        19 => Fault::ClockDrift { node, ppm: below(rng, 200_000) as i64 - 100_000 },
        _ => Fault::ClockJump { node, by_ms: below(rng, 20_000) as i64 - 10_000 },
    };
    FaultStep { at: Span::from_millis(at), lasting: Some(Span::from_millis(lasting)), fault }
}
