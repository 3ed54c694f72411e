//! The machines of a scenario and what they run: in a simulated world the same shell and node as in production on each
//! server's machine, beside an agent that watches it; in every world a worker on each client's.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Host};
use squall_server::{Config, Environment, LogLevel, LogLine, Marks, Running, ServerOptions, start};
use squall_sim::{History, MachineId, MachineStatus, Process, Program, SimHost, Theatre, Worker};

use crate::agent::{Samples, watch};
use crate::cast::Troupe;
use crate::file::{NodeSpec, Scenario, Setting};

/// Who is still at work, and whether they should be.
#[derive(Clone, Default)]
pub(crate) struct Shift {
    working: Rc<Cell<u32>>,
    over: Rc<Cell<bool>>,
}

/// The marks that nodes have reached, those of processes that have ended among them.
#[derive(Clone, Default)]
pub(crate) struct Reached(Rc<Cell<Marks>>);

impl Reached {
    pub(crate) fn marks(&self) -> Marks {
        self.0.get()
    }
}

/// A process of a server; however it ends, its marks are kept.
struct Life {
    name: String,
    running: Running<SimHost>,
    reached: Reached,
    troupe: Troupe,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.troupe.leave(&self.name);
        // In a panic the node may be in the middle of a turn; the run is lost anyway.
        if !std::thread::panicking() {
            let mut marks = self.reached.0.get();
            marks.join(self.running.inspect(|node| node.marks()));
            self.reached.0.set(marks);
        }
    }
}

/// What the machine of a node runs.
type Programs<W> = dyn Fn(&NodeSpec) -> Program<<W as Theatre>::Host>;

/// How the nodes' processes are started.
pub(crate) struct Starter<W: Theatre> {
    world: W,
    nodes: Vec<NodeSpec>,
    program: Rc<Programs<W>>,
}

/// A process that has ended by itself, not having been told to, is started again after so long: servers have
/// supervisors.
const SUPERVISED_AFTER: Nanos = Nanos::from_secs(1);

impl<W: Theatre> Starter<W> {
    /// `program` is what the machine of a node runs.
    pub(crate) fn of(
        world: &W,
        scenario: &Scenario,
        program: impl Fn(&NodeSpec) -> Program<W::Host> + 'static,
    ) -> Starter<W> {
        let nodes = scenario.nodes.iter().map(|node| node.get_ref().clone()).collect();
        Starter { world: world.clone(), nodes, program: Rc::new(program) }
    }

    /// Adds and starts a machine for each node. Replicas may come before their primary: they try again.
    pub(crate) fn start_all(&self) -> Vec<MachineId> {
        let machines: Vec<MachineId> =
            self.nodes.iter().map(|spec| self.world.add_machine(&spec.name)).collect();
        for (spec, machine) in self.nodes.iter().zip(&machines) {
            self.world.start(*machine, (self.program)(spec));
        }
        machines
    }

    /// Ends a node's process at once, and starts it with more lines in its configuration.
    pub(crate) fn restart(&self, name: &str, more: &BTreeMap<String, Setting>) {
        let spec = self.nodes.iter().find(|spec| spec.name == name).expect("the scenario has been checked");
        let machine = self.world.machine_named(name).expect("a node has a machine");
        self.world.crash(machine);
        self.world.start(machine, (self.program)(&spec.with(more)));
    }
}

impl<W: Theatre> Clone for Starter<W> {
    fn clone(&self) -> Starter<W> {
        let (world, nodes, program) = (self.world.clone(), self.nodes.clone(), Rc::clone(&self.program));
        Starter { world, nodes, program }
    }
}

/// Adds a machine for each client and lets all work, until the shift is over.
pub(crate) fn start_clients<W: Theatre>(world: &W, scenario: &Scenario, history: &History, shift: &Shift) {
    let mut number = 0;
    for group in &scenario.clients {
        for name in group.get_ref().machines() {
            let machine = world.machine_named(&name).expect("the machines have been added");
            let (work, history, shift) = (group.get_ref().work.clone(), history.clone(), shift.clone());
            shift.working.set(shift.working.get() + 1);
            let program = move |host: W::Host| {
                let worker = Worker::on(&host, number, &work, &history);
                let shift = shift.clone();
                Box::pin(async move {
                    let over = Rc::clone(&shift.over);
                    worker.work(move || over.get()).await;
                    shift.working.set(shift.working.get() - 1);
                }) as Process
            };
            world.start(machine, Rc::new(program));
            number += 1;
        }
    }
}

impl Shift {
    pub(crate) fn end(&self) {
        self.over.set(true);
    }

    /// Whether all have finished what they were doing.
    pub(crate) fn is_quiet(&self) -> bool {
        self.working.get() == 0
    }
}

/// The server of a node, as a simulated machine runs it.
pub(crate) fn server(scenario: &Scenario, spec: &NodeSpec, samples: &Samples, reached: &Reached) -> Program {
    let text = scenario.config_text(spec);
    let config = Config::from_text(&spec.name, text.as_bytes()).expect("the scenario has been checked");
    let (samples, reached) = (samples.clone(), reached.clone());
    Rc::new(move |host: SimHost| {
        let (config, samples, reached) = (config.clone(), samples.clone(), reached.clone());
        Box::pin(async move {
            let (world, name) = (host.world().clone(), host.name());
            let log = move |line: LogLine<'_>| match line.level {
                LogLevel::Notice | LogLevel::Warning => {
                    world.remark(&name, format_args!("log {} {:?} {}", line.role, line.level, line.message));
                }
                _ => world.note(&name, format_args!("log {} {:?} {}", line.role, line.level, line.message)),
            };
            let environment = Environment { process_id: 1, ..Environment::default() };
            let running = start(host.clone(), ServerOptions { config, environment, log: Box::new(log) });
            let troupe = samples.troupe.clone();
            let watched = running.clone();
            troupe.enter(host.name(), Rc::new(move || watched.inspect(|node| node.cluster_texts())));
            let life = Life { name: host.name(), running, reached, troupe };
            let here = Address { host: "127.0.0.1".to_owned(), port: 6379 };
            host.spawn(watch(host.clone(), here, samples));
            let status = life.running.exited().await;
            drop(life);
            if status != 0 {
                supervise(&host);
            }
        }) as Process
    })
}

/// Has the machine's process started again, if nobody has done so by then.
fn supervise(host: &SimHost) {
    let (world, machine) = (host.world(), host.machine());
    let start = world.starts(machine);
    world.at(world.now() + SUPERVISED_AFTER, move |world| {
        if world.starts(machine) == start && world.status(machine) == MachineStatus::Idle {
            world.restart(machine);
        }
    });
}
