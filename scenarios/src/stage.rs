//! Plays a scenario, in whatever world: the nodes come into step, clients work while faults and orders happen (chaos), all
//! is healed and must agree again (repair), clients stop, and everything at rest is read.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use squall_clock::{Mono, Nanos};
use squall_server::Marks;
use squall_sim::checkers::{NodeSample, Sighting, View};
use squall_sim::{
    Faults, History, MachineId, Operation, Program, Resident, Run, RunFailure, Survivors, Theatre, TraceSink,
    World, WorldOptions, run,
};

use crate::agent::{NodeState, Sample, Samples};
use crate::agreement::{concerned, disagreement};
use crate::audit;
use crate::cluster::{Reached, Shift, Starter, server, start_clients};
use crate::evidence::Evidence;
use crate::file::{Formed, NodeSpec, Route, Scenario};
use crate::formation::{form_by_orders, place_file};
use crate::operator::{
    Carried, LOOK_EVERY, Operator, ask_all, carry_out, clients, look_at_all, on_machine, patient_clients,
};
use crate::picture::Picture;
use crate::report::{Report, Telling};

#[derive(Default)]
pub struct RunOptions {
    pub seed: u64,
    pub trace: Option<TraceSink>,
    /// Whether the report shall be able to show a picture of the run.
    pub picture: bool,
    /// Follows the simulated time of the run, in nanoseconds.
    pub progress: Option<Arc<AtomicU64>>,
    /// Where only the verdict is told, the run leaves no trace either.
    pub telling: Telling,
}

impl RunOptions {
    /// To know whether the seed fails, and how.
    pub fn verdict(seed: u64) -> RunOptions {
        RunOptions { seed, telling: Telling::Verdict, ..RunOptions::default() }
    }
}

/// The nodes must be in step within this after their start.
const COME_INTO_STEP_WITHIN: Nanos = Nanos::from_secs(60);
/// After the clients have stopped, replicas must catch up within this.
const CATCH_UP_WITHIN: Nanos = Nanos::from_secs(60);
/// How long clients may need to finish their last operation.
const FINISH_WITHIN: Nanos = Nanos::from_secs(300);

/// Plays `scenario`, called `name`, in a world of its own and judges what came of it.
pub fn play(name: &str, scenario: &Scenario, options: RunOptions) -> Result<Report, RunFailure> {
    let RunOptions { seed, trace, picture, progress, telling } = options;
    let untraced = trace.is_none() && telling == Telling::Verdict;
    let world = WorldOptions { links: scenario.links.clone(), trace, untraced, chronicle: picture, progress };
    let script = scenario.clone();
    let run: Run<Evidence> = run(seed, world, async move |world: World| {
        let (samples, reached) = (Samples::of(&script.observe), Reached::default());
        let (theirs, installed) = ((script.clone(), samples.clone(), reached.clone()), world.clone());
        let program = move |spec: &NodeSpec| {
            place_file(&installed, &theirs.0, spec, &theirs.1.troupe);
            server(&theirs.0, spec, &theirs.1, &theirs.2)
        };
        Stage::set(world, &script, &samples, &reached, program).perform().await
    })?;
    let mut report = Report::of(name, scenario, seed, &run, telling);
    report.picture = picture.then(|| Picture::of(scenario, &run, &report));
    Ok(report)
}

/// A scenario with all its machines in a world, the nodes' already running.
pub(crate) struct Stage<W: Theatre> {
    world: W,
    scenario: Rc<Scenario>,
    nodes: Vec<MachineId>,
    starter: Starter<W>,
    operator: MachineId,
    /// Looks and reads, while the operator acts.
    observer: MachineId,
    samples: Samples,
    history: History,
    shift: Shift,
    faults: Faults<W>,
    reached: Reached,
    orders: Rc<RefCell<Vec<Carried>>>,
    /// What kept the nodes from agreeing when they were looked at last.
    disagreement: Rc<RefCell<Option<String>>>,
}

impl<W: Theatre> Stage<W> {
    /// `program` is what the machine of a node runs; it and whoever looks on leave what they see in `samples`.
    pub(crate) fn set(
        world: W,
        scenario: &Scenario,
        samples: &Samples,
        reached: &Reached,
        program: impl Fn(&NodeSpec) -> Program<W::Host> + 'static,
    ) -> Stage<W> {
        samples.troupe.assemble(scenario.cluster);
        let starter = Starter::of(&world, scenario, program);
        let nodes = starter.start_all();
        for group in &scenario.clients {
            for name in group.get_ref().machines() {
                world.add_machine(&name);
            }
        }
        let (operator, observer) = (world.add_machine("operator"), world.add_machine("observer"));
        lay_routes(&world, scenario);
        Stage {
            operator,
            observer,
            faults: Faults::of(&world).with_cast(samples.troupe.cast()),
            scenario: Rc::new(scenario.clone()),
            starter,
            history: History::default(),
            shift: Shift::default(),
            orders: Rc::default(),
            disagreement: Rc::default(),
            world,
            nodes,
            samples: samples.clone(),
            reached: reached.clone(),
        }
    }

    pub(crate) async fn perform(self) -> Evidence {
        let mut evidence = Evidence {
            begin: Mono(0),
            first_fault: None,
            healed: Mono(0),
            recovered: None,
            stopped: Mono(0),
            history: Vec::new(),
            holds: Vec::new(),
            heard: Vec::new(),
            subscriptions: Vec::new(),
            samples: Vec::new(),
            digests: Vec::new(),
            memory: Vec::new(),
            orders: Vec::new(),
            faults: Vec::new(),
            marks: Marks::default(),
            restarts: 0,
            at_rest: Vec::new(),
            survivors: None,
            views_at_rest: Vec::new(),
            stray_keys: 0,
            votes: Vec::new(),
            members: BTreeSet::new(),
            stuck: None,
        };
        evidence.stuck = self.acts(&mut evidence).await.err();
        evidence.stopped = self.world.now();
        evidence.history = self.history.operations();
        evidence.holds = self.history.holds();
        evidence.heard = self.history.heard();
        evidence.subscriptions = self.history.subscriptions();
        evidence.samples = self.samples.all();
        evidence.digests = self.samples.digests();
        evidence.memory = self.samples.memory();
        evidence.orders = self.orders.borrow().clone();
        evidence.faults = self.faults.spans();
        evidence.votes = self.world.votes();
        // The nodes that still run tell what they have been through when they end.
        self.nodes.iter().for_each(|node| self.world.crash(*node));
        self.world.sleep(Nanos::from_micros(1)).await;
        evidence.marks = self.reached.marks();
        let starts = |id: &MachineId| u64::from(self.world.starts(*id)).saturating_sub(1);
        evidence.restarts = self.nodes.iter().map(starts).sum();
        evidence
    }

    async fn acts(&self, evidence: &mut Evidence) -> Result<(), String> {
        self.form().await?;
        if self.await_agreement(COME_INTO_STEP_WITHIN, None).await.is_none() {
            let why = self.disagreement.borrow_mut().take().unwrap_or_default();
            return Err(format!(
                "the nodes were not in step after {} s: {why}",
                COME_INTO_STEP_WITHIN.as_secs()
            ));
        }
        evidence.begin = self.world.now();
        evidence.members = self.samples.troupe.views().into_values().map(|view| view.myself).collect();
        self.cause_chaos(evidence).await;
        self.repair(evidence).await?;
        self.come_to_rest(evidence).await
    }

    /// Makes a cluster of its nodes, where nobody has done it before.
    async fn form(&self) -> Result<(), String> {
        let Some(spec) = self.scenario.cluster.filter(|spec| spec.formed == Formed::ByOrders) else {
            return Ok(());
        };
        let deadline = self.world.now() + COME_INTO_STEP_WITHIN;
        let form = move |host: W::Host| async move { form_by_orders(&host, spec, deadline).await };
        match on_machine(&self.world, self.operator, form).await {
            true => Ok(()),
            false => Err(format!("the nodes were no cluster after {} s", COME_INTO_STEP_WITHIN.as_secs())),
        }
    }

    async fn cause_chaos(&self, evidence: &mut Evidence) {
        let scenario = &self.scenario;
        let begin = self.world.now();
        self.world.remark("*", format_args!("chaos begins"));
        start_clients(&self.world, scenario, &self.history, &self.shift);
        let plan = scenario.plan(self.world.seed());
        evidence.first_fault = plan.steps.iter().map(|step| begin + step.at.0).min();
        self.faults.schedule(&plan).expect("the scenario has been checked");
        let end = begin + scenario.chaos.lasting.0;
        let orders: Vec<_> = scenario.operator.iter().map(|step| step.get_ref().clone()).collect();
        let (faults, starter) = (self.faults.clone(), self.starter.clone());
        let (troupe, carried) = (self.samples.troupe.clone(), Rc::clone(&self.orders));
        let deadline = end + scenario.repair.within.0;
        self.world.start(
            self.operator,
            Rc::new(move |host| {
                let (faults, starter, troupe) = (faults.clone(), starter.clone(), troupe.clone());
                let operator = Operator { host, faults, starter, troupe, deadline };
                Box::pin(carry_out(operator, orders.clone(), begin, Rc::clone(&carried)))
            }),
        );
        self.world.sleep_until(end).await;
        self.faults.heal_all();
        evidence.healed = self.world.now();
        self.world.remark("*", format_args!("chaos ends"));
    }

    /// All nodes must agree, and a client must have got a write through.
    async fn repair(&self, evidence: &mut Evidence) -> Result<(), String> {
        let within = self.scenario.repair.within.0;
        let healed = evidence.healed;
        let history = (!self.scenario.clients.is_empty()).then(|| self.history.clone());
        let agreed = self.await_agreement(within, history.map(|history| (history, healed))).await;
        evidence.recovered = agreed;
        agreed.map(drop).ok_or_else(|| {
            let why =
                self.disagreement.borrow_mut().take().unwrap_or_else(|| "no write went through".to_owned());
            format!("the nodes did not agree again within {} s: {why}", within.as_secs())
        })
    }

    /// Waits until all nodes follow one primary; and, where a history is given, until it has an acknowledged write
    /// that began after that time.
    async fn await_agreement(&self, within: Nanos, served: Option<(History, Mono)>) -> Option<Mono> {
        let (scenario, deadline) = (Rc::clone(&self.scenario), self.world.now() + within);
        let (samples, found) = (self.samples.clone(), Rc::clone(&self.disagreement));
        on_machine(&self.world, self.observer, move |host| {
            let (scenario, served, samples) = (Rc::clone(&scenario), served.clone(), samples.clone());
            let found = Rc::clone(&found);
            async move {
                let mut clients = clients(&host, &scenario);
                while host.world().now() < deadline {
                    let states = look_at_all(&mut clients, scenario.cluster.is_some()).await;
                    let reason = disagreement(&scenario, &states);
                    let agreed = reason.is_none();
                    *found.borrow_mut() = reason;
                    let served = served.as_ref().is_none_or(|(history, since)| history.serves_writes(*since));
                    if agreed && served {
                        // What is counted from here on is counted from what they say now that all are in step.
                        let asked = host.world().now();
                        let states = ask_all(&mut clients, scenario.cluster.is_some()).await;
                        states
                            .into_iter()
                            .for_each(|(node, state)| samples.add(sample_of(&host, asked, node, state)));
                        return Some(host.world().now());
                    }
                    host.world().sleep(LOOK_EVERY).await;
                }
                None
            }
        })
        .await
    }

    async fn come_to_rest(&self, evidence: &mut Evidence) -> Result<(), String> {
        self.shift.end();
        let finished_by = self.world.now() + FINISH_WITHIN;
        while !self.shift.is_quiet() {
            if self.world.now() > finished_by {
                return Err("a client never finished its last operation".to_owned());
            }
            self.world.sleep(LOOK_EVERY).await;
        }
        self.world.remark("*", format_args!("clients have stopped"));
        let (scenario, history) = (Rc::clone(&self.scenario), Rc::new(self.history.operations()));
        let deadline = self.world.now() + CATCH_UP_WITHIN;
        let found = on_machine(&self.world, self.observer, move |host| {
            let (scenario, history) = (Rc::clone(&scenario), Rc::clone(&history));
            async move {
                loop {
                    match rest_of(&host, &scenario, &history).await {
                        Ok(rest) => return Ok(rest),
                        Err(reason) if host.world().now() >= deadline => return Err(reason),
                        Err(_) => host.world().sleep(LOOK_EVERY).await,
                    }
                }
            }
        })
        .await;
        let rest = found.map_err(|reason| {
            format!("nothing had come to rest after {} s: {reason}", CATCH_UP_WITHIN.as_secs())
        })?;
        evidence.at_rest = rest.at_rest;
        evidence.survivors = Some(rest.survivors);
        evidence.views_at_rest = rest.views;
        evidence.stray_keys = rest.stray_keys;
        Ok(())
    }
}

/// Makes the paths between zones what the scenario says, for good.
fn lay_routes<W: Theatre>(world: &W, scenario: &Scenario) {
    for Route { between: [one, other], link } in scenario.routes.iter().map(toml::Spanned::get_ref) {
        let machines = |zone: &str| -> Vec<MachineId> {
            let names = scenario.zone(zone).unwrap_or_default().iter();
            names.filter_map(|name| world.machine_named(name)).collect()
        };
        for (from, to) in
            machines(one).into_iter().flat_map(|from| machines(other).into_iter().map(move |to| (from, to)))
        {
            if from != to {
                world.change_link(from, to, link);
                world.change_link(to, from, link);
            }
        }
    }
}

/// Everything as it is when all have come to rest.
struct Rest {
    at_rest: Vec<NodeSample>,
    survivors: Survivors,
    views: Vec<Sighting>,
    stray_keys: u64,
}

/// An error where the nodes are not at rest yet: they disagree, or a replica is not where its primary is.
async fn rest_of(host: &impl Resident, scenario: &Scenario, history: &[Operation]) -> Result<Rest, String> {
    let clustered = scenario.cluster.is_some();
    let concerned = concerned(scenario);
    let mut clients = patient_clients(host, scenario);
    clients.retain(|(name, _)| concerned.contains(name));
    let mut at_rest = Vec::new();
    for (name, client) in &mut clients {
        let sample = audit::sample(name, client).await;
        at_rest.push(sample.ok_or_else(|| format!("{name} does not tell its digest"))?);
    }
    let states = look_at_all(&mut clients, clustered).await;
    if let Some(reason) = disagreement(scenario, &states) {
        return Err(reason);
    }
    // In one shard, or under one primary, all stand at one point.
    let point = |name: &str| {
        let node = at_rest.iter().find(|node| node.node == name)?;
        Some((node.replid.clone(), node.offset))
    };
    let primary_of = |state: &NodeState| match clustered {
        true => host.world().machine_at(&state.follows),
        false => states.iter().find(|(_, state)| state.is_primary).map(|(name, _)| name.clone()),
    };
    let in_step = |(name, state): &(String, NodeState)| {
        state.is_primary || primary_of(state).is_some_and(|primary| point(&primary) == point(name))
    };
    if let Some((name, state)) = states.iter().find(|state| !in_step(state)) {
        let place = |name: &str| {
            point(name).map_or("nowhere".to_owned(), |(replid, offset)| format!("at {offset} of {replid}"))
        };
        let primary = primary_of(state).unwrap_or_else(|| state.follows.clone());
        let places = (place(name), place(&primary));
        return Err(format!("{name} is {}, and {primary}, which it follows, {}", places.0, places.1));
    }
    let primaries = states.iter().filter(|(_, state)| state.is_primary).map(|(name, _)| name.clone());
    let mut reader = audit::reader(host, &primaries.collect::<Vec<_>>(), clustered);
    let survivors = audit::read_survivors(&mut reader, history).await?;
    let mut stray_keys = 0;
    for (name, client) in &mut clients {
        let state = states.iter().find(|(node, state)| node == name && state.is_primary);
        if let Some(view) = state.and_then(|(_, state)| state.view.clone()) {
            let strays = audit::stray_keys(client, &view).await;
            stray_keys += strays.ok_or_else(|| format!("{name} does not list its keys"))?;
        }
    }
    let at = host.world().now();
    let views = states
        .into_iter()
        .filter_map(|(node, state)| Some(Sighting { at, node, view: View::clone(state.view.as_deref()?) }))
        .collect();
    Ok(Rest { at_rest, survivors, views, stray_keys })
}

fn sample_of(host: &impl Resident, asked: Mono, node: String, mut state: NodeState) -> Sample {
    let world = host.world();
    state.follows = world.machine_at(&state.follows).unwrap_or(state.follows);
    let machine = world.machine_named(&node).expect("a node has a machine");
    Sample { at: asked, answered: world.now(), start: world.starts(machine), node, state }
}
