//! Faults as data: a plan says what goes wrong, when and for how long. It can be written by hand, drawn from a
//! seed, printed, edited and replayed; carrying it out takes no further chance.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use squall_clock::{Mono, Nanos};

use crate::disk::DiskFault;
use crate::entropy::{below, chance, stream};
use crate::link::{Latency, LinkChange, LinkSettings};
use crate::machine::MachineId;
use crate::quantity::Span;
use crate::world::World;

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

/// A fault as it was carried out, and whom it befell.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultSpan {
    pub fault: Fault,
    pub machines: Vec<String>,
    pub from: Mono,
    /// The same as `from` for what happens in a moment; nothing while it lasts.
    pub until: Option<Mono>,
}

/// What a drawn plan may contain.
#[derive(Clone, Debug)]
pub struct PlanShape {
    pub nodes: Vec<String>,
    /// Faults begin and end within this.
    pub within: Span,
    pub steps: usize,
}

/// What comes and goes does so no faster: a world full of turns would have time for nothing else.
const PERIOD_MIN: Nanos = Nanos::from_millis(1);

/// Ends a fault.
pub type Remedy = Box<dyn FnOnce(&World)>;

/// Carries faults out in one world and remembers those that have not ended.
#[derive(Clone)]
pub struct Faults {
    world: World,
    active: Rc<RefCell<Vec<(usize, Remedy)>>>,
    spans: Rc<RefCell<Vec<FaultSpan>>>,
}

impl Faults {
    pub fn of(world: &World) -> Faults {
        Faults { world: world.clone(), active: Rc::default(), spans: Rc::default() }
    }

    /// Enters all steps of a plan, whose times count from now.
    pub fn schedule(&self, plan: &FaultPlan) -> Result<(), String> {
        for step in &plan.steps {
            step.fault.check(&self.world)?;
        }
        let start = self.world.now();
        for FaultStep { at, lasting, fault } in plan.steps.clone() {
            let faults = self.clone();
            self.world.at(start + at.0, move |_| {
                faults.begin(&fault, lasting.map(|span| span.0)).expect("the plan has been checked");
            });
        }
        Ok(())
    }

    /// Begins a fault now, and ends it after `lasting`.
    pub fn begin(&self, fault: &Fault, lasting: Option<Nanos>) -> Result<(), String> {
        fault.check(&self.world)?;
        self.world.note("*", format_args!("begin {fault:?}"));
        let remedy = fault.inflict(&self.world)?;
        let (now, number) = (self.world.now(), self.spans.borrow().len());
        let until = remedy.is_none().then_some(now);
        let machines = fault.machines(&self.world);
        self.spans.borrow_mut().push(FaultSpan { fault: fault.clone(), machines, from: now, until });
        let Some(remedy) = remedy else { return Ok(()) };
        self.active.borrow_mut().push((number, remedy));
        if let Some(lasting) = lasting {
            let faults = self.clone();
            self.world.at(now + lasting, move |_| faults.end(number));
        }
        Ok(())
    }

    /// Ends all faults that have not ended, the latest first.
    pub fn heal_all(&self) {
        let active = std::mem::take(&mut *self.active.borrow_mut());
        if !active.is_empty() {
            self.world.note("*", format_args!("heal all"));
        }
        for (number, remedy) in active.into_iter().rev() {
            self.close(number);
            remedy(&self.world);
        }
    }

    /// All faults that have begun, in the order in which they did.
    pub fn spans(&self) -> Vec<FaultSpan> {
        self.spans.borrow().clone()
    }

    fn close(&self, number: usize) {
        self.spans.borrow_mut()[number].until = Some(self.world.now());
    }

    fn end(&self, number: usize) {
        let place = self.active.borrow().iter().position(|(other, _)| *other == number);
        if let Some(place) = place {
            let (_, remedy) = self.active.borrow_mut().remove(place);
            self.close(number);
            remedy(&self.world);
        }
    }
}

impl Fault {
    /// Says which machine it names that does not exist, or what about it is impossible.
    pub fn check(&self, world: &World) -> Result<(), String> {
        let (left, right) = self.names();
        for name in left.iter().chain(&right) {
            if *name != "*" && world.machine_named(name).is_none() {
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
        match self {
            Fault::Cut { from, to }
            | Fault::Partition { left: from, right: to }
            | Fault::Bridge { nodes: from, bridge: to }
            | Fault::Flapping { left: from, right: to, .. }
            | Fault::Link { from, to, .. }
            | Fault::Reset { from, to }
            | Fault::Mute { from, to, .. } => {
                from.retain(|other| other != name);
                to.retain(|other| other != name);
                !from.is_empty() && !to.is_empty()
            }
            Fault::Ring { nodes } => {
                nodes.retain(|other| other != name);
                nodes.len() > 2
            }
            Fault::Isolate { nodes } => {
                nodes.retain(|other| other != name);
                !nodes.is_empty()
            }
            _ => !self.names().0.contains(&name),
        }
    }

    /// Whom it befalls: those on its smaller side, or both where it names both.
    fn machines(&self, world: &World) -> Vec<String> {
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

    /// Does it, and says how it is undone where it can be.
    fn inflict(&self, world: &World) -> Result<Option<Remedy>, String> {
        let (left, right) = self.names();
        match self {
            Fault::Cut { .. } => Ok(Some(cut_paths(world, pairs(world, &left, &right)))),
            Fault::Partition { .. } => Ok(Some(cut_paths(world, both_ways(pairs(world, &left, &right))))),
            Fault::Isolate { .. } => {
                let all = world.machine_ids();
                let of = |id: MachineId| all.iter().filter(move |other| **other != id).map(move |o| (id, *o));
                let mut paths: Vec<_> = side(world, &left, &[]).into_iter().flat_map(of).collect();
                paths = both_ways(paths);
                paths.sort();
                paths.dedup();
                Ok(Some(cut_paths(world, paths)))
            }
            Fault::Bridge { .. } | Fault::Ring { .. } => {
                let nodes = side(world, &left, &right);
                let apart = |one: usize, other: usize| match self {
                    Fault::Ring { .. } => {
                        let distance = one.abs_diff(other);
                        distance > 1 && distance < nodes.len() - 1
                    }
                    _ => one != other,
                };
                let count = nodes.len();
                let all = (0..count).flat_map(|one| (0..count).map(move |other| (one, other)));
                let paths = all.filter(|(one, other)| apart(*one, *other));
                Ok(Some(cut_paths(world, paths.map(|(one, other)| (nodes[one], nodes[other])).collect())))
            }
            Fault::Flapping { down, up, .. } => {
                let paths = both_ways(pairs(world, &left, &right));
                let apart = move |world: &World| cut_paths(world, paths.clone());
                Ok(Some(by_turns(world, apart, down.0, up.0)))
            }
            Fault::Link { change, .. } => {
                let changes: Vec<_> = pairs(world, &left, &right)
                    .into_iter()
                    .map(|(from, to)| (from, to, world.change_link(from, to, change)))
                    .collect();
                Ok(Some(Box::new(move |world| {
                    changes
                        .into_iter()
                        .for_each(|(from, to, number)| world.undo_link_change(from, to, number));
                })))
            }
            Fault::Reset { .. } => {
                for (from, to) in pairs(world, &left, &right) {
                    world.connections(from, to).into_iter().for_each(|id| world.reset_connection(id));
                }
                Ok(None)
            }
            Fault::Mute { answers, .. } => {
                for (from, to) in pairs(world, &left, &right) {
                    world
                        .connections(from, to)
                        .into_iter()
                        .for_each(|id| world.mute_connection(id, *answers));
                }
                Ok(None)
            }
            _ => self.befall(world, side(world, &left, &[])[0]),
        }
    }

    /// What befalls one machine.
    fn befall(&self, world: &World, id: MachineId) -> Result<Option<Remedy>, String> {
        match self {
            Fault::Crash { .. } => {
                world.crash(id);
                Ok(Some(Box::new(move |world| world.restart(id))))
            }
            Fault::Move { .. } => {
                world.crash(id);
                Ok(Some(Box::new(move |world| {
                    world.readdress(id);
                    world.restart(id);
                })))
            }
            Fault::Stutter { work, stall, .. } => {
                let stand_still = move |world: &World| -> Remedy {
                    world.pause(id);
                    Box::new(move |world| world.resume(id))
                };
                Ok(Some(by_turns(world, stand_still, stall.0, work.0)))
            }
            Fault::PowerLoss { empty_disk, .. } => {
                world.lose_power(id);
                let empty_disk = *empty_disk;
                Ok(Some(Box::new(move |world| {
                    if empty_disk {
                        world.replace_disk(id);
                    }
                    world.restart(id);
                })))
            }
            Fault::Pause { .. } => {
                world.pause(id);
                Ok(Some(Box::new(move |world| world.resume(id))))
            }
            Fault::Disk { state, .. } => {
                world.set_disk_fault(id, state.clone());
                Ok(Some(Box::new(move |world| world.set_disk_fault(id, DiskFault::default()))))
            }
            Fault::FlipBit { path, offset, .. } => {
                // A file that is not there has no bit to flip: a drawn plan may well ask for one.
                if let Err(error) = world.flip_bit(id, path, *offset) {
                    world.note("*", format_args!("no bit flipped: {error}"));
                }
                Ok(None)
            }
            Fault::ClockJump { by_ms, .. } => {
                world.jump_clock(id, by_ms.saturating_mul(1_000));
                Ok(None)
            }
            Fault::ClockDrift { ppm, .. } => {
                world.drift_clock(id, *ppm);
                Ok(Some(Box::new(move |world| world.drift_clock(id, 0))))
            }
            _ => unreachable!("faults of the network are carried out above"),
        }
    }
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
    let fault = match below(rng, 14) {
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
        _ => Fault::ClockJump { node, by_ms: below(rng, 20_000) as i64 - 10_000 },
    };
    FaultStep { at: Span::from_millis(at), lasting: Some(Span::from_millis(lasting)), fault }
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
            Fault::Reset { from, to } => write!(f, "connections of {} to {} are reset", list(from), list(to)),
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

/// Lets `begin` last for `on`, ends it for `off`, and so forth, until its remedy is called.
fn by_turns(world: &World, begin: impl Fn(&World) -> Remedy + 'static, on: Nanos, off: Nanos) -> Remedy {
    /// Holds the remedy while the fault is on; nothing is left to do once it is over.
    struct Turns<B> {
        begin: B,
        remedy: RefCell<Option<Remedy>>,
        over: Cell<bool>,
        on: Nanos,
        off: Nanos,
    }
    fn turn<B: Fn(&World) -> Remedy + 'static>(turns: &Rc<Turns<B>>, world: &World) {
        if turns.over.get() {
            return;
        }
        let remedy = turns.remedy.borrow_mut().take();
        let lasting = match remedy {
            Some(remedy) => {
                remedy(world);
                turns.off
            }
            None => {
                *turns.remedy.borrow_mut() = Some((turns.begin)(world));
                turns.on
            }
        };
        let turns = Rc::clone(turns);
        world.at(world.now() + lasting, move |world| turn(&turns, world));
    }
    let turns = Rc::new(Turns { begin, remedy: RefCell::new(None), over: Cell::new(false), on, off });
    turn(&turns, world);
    Box::new(move |world| {
        turns.over.set(true);
        if let Some(remedy) = turns.remedy.borrow_mut().take() {
            remedy(world);
        }
    })
}

/// The machines that `names` stand for; `*` is everyone whom `others` does not name.
fn side(world: &World, names: &[&str], others: &[&str]) -> Vec<MachineId> {
    if names.contains(&"*") {
        let named = |id: &MachineId| others.contains(&world.machine_name(*id).as_str());
        return world.machine_ids().into_iter().filter(|id| !named(id)).collect();
    }
    names.iter().filter_map(|name| world.machine_named(name)).collect()
}

fn pairs(world: &World, left: &[&str], right: &[&str]) -> Vec<(MachineId, MachineId)> {
    let targets = side(world, right, left);
    let sources = side(world, left, right);
    sources.into_iter().flat_map(|from| targets.iter().map(move |to| (from, *to))).collect()
}

fn both_ways(paths: Vec<(MachineId, MachineId)>) -> Vec<(MachineId, MachineId)> {
    paths.into_iter().flat_map(|(from, to)| [(from, to), (to, from)]).collect()
}

fn cut_paths(world: &World, paths: Vec<(MachineId, MachineId)>) -> Remedy {
    let paths: Vec<_> = paths.into_iter().filter(|(from, to)| from != to).collect();
    paths.iter().for_each(|(from, to)| world.cut(*from, *to));
    Box::new(move |world| paths.into_iter().for_each(|(from, to)| world.heal(from, to)))
}
