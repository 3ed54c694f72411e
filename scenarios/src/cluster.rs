//! The machines of a scenario and what they run: in a simulated world the same shell and node as in production on each
//! server's machine, beside an agent that watches it; in every world a worker on each client's.

use std::cell::Cell;
use std::rc::Rc;

use squall_net::{Address, Host};
use squall_server::{Config, Environment, LogLevel, LogLine, Marks, Running, ServerOptions, start};
use squall_sim::{History, MachineId, Process, Program, SimHost, Theatre, Worker};

use crate::agent::{Samples, watch};
use crate::file::{NodeSpec, Scenario};

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
    running: Running<SimHost>,
    reached: Reached,
}

impl Drop for Life {
    fn drop(&mut self) {
        // In a panic the node may be in the middle of a turn; the run is lost anyway.
        if !std::thread::panicking() {
            let mut marks = self.reached.0.get();
            marks.join(self.running.inspect(|node| node.marks()));
            self.reached.0.set(marks);
        }
    }
}

/// Adds and starts a machine for each node. Replicas may come before their primary: they try again.
pub(crate) fn start_nodes<W: Theatre>(
    world: &W,
    scenario: &Scenario,
    program: impl Fn(&NodeSpec) -> Program<W::Host>,
) -> Vec<MachineId> {
    let start_node = |spec: &toml::Spanned<NodeSpec>| {
        let machine = world.add_machine(&spec.get_ref().name);
        world.start(machine, program(spec.get_ref()));
        machine
    };
    scenario.nodes.iter().map(start_node).collect()
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
            let life = Life { running, reached };
            let here = Address { host: "127.0.0.1".to_owned(), port: 6379 };
            host.spawn(watch(host.clone(), here, samples));
            life.running.exited().await;
        }) as Process
    })
}
