//! The world: one state, one agenda, and the loop that moves time from one event to the next. Between two
//! events all tasks that were woken run until none can go on; only then does time move. It moves in whole
//! microseconds, and the executor's own clock goes along at a thousandth of the speed (one of its milliseconds is
//! one of our microseconds), since no sleep of the executor is shorter than that.
//!
//! [`run`] makes a world on a fresh thread, so that nothing that a thread remembers leaks from run to run.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use squall_clock::{Mono, Nanos};

use crate::agenda::{Agenda, Event};
use crate::bus::BusWatch;
use crate::chronicle::Chronicle;
use crate::clock::{Sleep, round_up};
use crate::connection::{ConnId, Connection};
use crate::link::LinkSettings;
use crate::machine::Machine;
use crate::paths::Paths;
use crate::trace::{Trace, TraceSink, TraceSummary};

/// A handle to the world; clones are handles to the same one.
#[derive(Clone)]
pub struct World(Rc<RefCell<State>>);

#[derive(Default)]
pub struct WorldOptions {
    /// What every path is like until it is changed.
    pub links: LinkSettings,
    pub trace: Option<TraceSink>,
    /// Nobody compares this run with another: without a sink for it, there is no trace.
    pub untraced: bool,
    /// Whether to write down what a picture of the run needs.
    pub chronicle: bool,
    /// Follows the time of the world, in nanoseconds, for those who wait outside.
    pub progress: Option<Arc<AtomicU64>>,
}

/// What a finished run gives back.
#[derive(Debug)]
pub struct Run<T> {
    pub outcome: T,
    pub trace: TraceSummary,
    /// Empty unless it was asked for.
    pub chronicle: Chronicle,
    /// How many events the world has had: segments, timers, disk operations, faults.
    pub events: u64,
    /// How much time has passed in the world.
    pub simulated: Nanos,
}

/// The run ended in a panic: an assertion of the server, or nothing left that could ever happen.
#[derive(Debug)]
pub struct RunFailure {
    pub message: String,
}

pub(crate) struct State {
    pub(crate) seed: u64,
    pub(crate) now: Mono,
    pub(crate) agenda: Agenda,
    pub(crate) trace: Trace,
    pub(crate) chronicle: Option<Chronicle>,
    pub(crate) paths: Paths,
    pub(crate) machines: Vec<Machine>,
    pub(crate) connections: BTreeMap<ConnId, Connection>,
    pub(crate) next_connection: u64,
    pub(crate) listener_serial: u64,
    pub(crate) link_changes: u64,
    pub(crate) events: u64,
    pub(crate) bus: BusWatch,
    progress: Option<Arc<AtomicU64>>,
}

/// What the executor calls a millisecond is a microsecond here.
const EXECUTOR_TICK: Duration = Duration::from_millis(1);
/// A simulated machine's deepest future is shallow; a parser of nested values is what needs the room.
const STACK_BYTES: usize = 16 << 20;

/// Runs `body` in a world of its own, on a thread of its own, until it returns.
pub fn run<T, F, B>(seed: u64, options: WorldOptions, body: B) -> Result<Run<T>, RunFailure>
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
    B: FnOnce(World) -> F + Send + 'static,
{
    let thread = std::thread::Builder::new().name(format!("world {seed}")).stack_size(STACK_BYTES);
    let running = thread
        .spawn(move || {
            let runtime = madsim::runtime::Runtime::with_seed_and_config(seed, madsim::Config::default());
            let world = World::begin(seed, options);
            let lived = catch_unwind(AssertUnwindSafe(|| runtime.block_on(world.live(body))));
            lived.unwrap_or_else(|panic| {
                // What the panic left standing would never be freed. It may panic again, and has said enough.
                let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(world.end())));
                resume_unwind(panic)
            })
        })
        .map_err(|error| RunFailure { message: format!("no thread for the run: {error}") })?;
    running.join().map_err(|panic| RunFailure { message: panic_message(&*panic) })
}

impl World {
    async fn live<T, F, B>(&self, body: B) -> Run<T>
    where
        T: 'static,
        F: Future<Output = T> + 'static,
        B: FnOnce(World) -> F,
    {
        let body = madsim::task::spawn_local(body(self.clone())).cancel_on_drop();
        self.settle().await;
        while !body.is_finished() {
            self.advance();
            self.settle().await;
        }
        let outcome = body.await.expect("the body has finished");
        self.end().await;
        let mut state = self.state();
        let mut chronicle = state.chronicle.take().unwrap_or_default();
        chronicle.machines = state.machines.iter().map(|machine| machine.name.clone()).collect();
        let (trace, events, simulated) = (state.trace.finish(), state.events, Nanos(state.now.0));
        Run { outcome, trace, chronicle, events, simulated }
    }

    fn begin(seed: u64, options: WorldOptions) -> World {
        World(Rc::new(RefCell::new(State {
            seed,
            now: Mono(0),
            agenda: Agenda::default(),
            trace: Trace::to(options.trace, options.untraced),
            chronicle: options.chronicle.then(Chronicle::default),
            paths: Paths::with(seed, options.links),
            machines: Vec::new(),
            connections: BTreeMap::new(),
            next_connection: 1,
            listener_serial: 0,
            link_changes: 0,
            events: 0,
            bus: BusWatch::default(),
            progress: options.progress,
        })))
    }

    /// The executor's time moves only when no task can run: after its shortest sleep, all have come to rest.
    async fn settle(&self) {
        madsim::time::sleep(EXECUTOR_TICK).await;
    }

    /// Moves time to the next event and lets all events of that time happen.
    fn advance(&self) {
        let (now, idle) = {
            let mut state = self.state();
            let next = state.agenda.next_time().expect("nothing is left that could ever happen");
            let idle = next.since(state.now);
            state.now = state.now.max(next);
            if let Some(progress) = &state.progress {
                progress.store(state.now.0, Ordering::Relaxed);
            }
            (state.now, idle)
        };
        if idle > Nanos::from_micros(1) {
            madsim::time::advance(EXECUTOR_TICK * (idle.as_micros() - 1).min(u64::from(u32::MAX)) as u32);
        }
        while let Some(event) = self.next_due(now) {
            match event {
                Event::Wake(waker) => waker.wake(),
                Event::Act(act) => act(self),
                Event::Segment(id, side) => self.state().segment_arrives(id, side),
                Event::Retransmit(id, side) => self.state().retransmit(id, side),
                Event::Credit(id, side) => self.state().credit_arrives(id, side),
                Event::Reset(id, side) => self.state().reset_arrives(id, side),
                Event::Keepalive(id, side) => self.state().keepalive_is_due(id, side),
            }
        }
    }

    fn next_due(&self, now: Mono) -> Option<Event> {
        let mut state = self.state();
        let event = state.agenda.pop_due(now)?;
        state.events += 1;
        Some(event)
    }

    /// Tasks hold the world and the world holds their wakers: without this, no world would ever be freed.
    async fn end(&self) {
        for machine in self.machine_ids() {
            self.kill_tasks(machine);
        }
        self.settle().await;
        // What is dropped may reach for the state, so it is dropped after the state has been let go.
        let left = {
            let mut state = self.state();
            let programs: Vec<_> = state.machines.iter_mut().map(Machine::retire).collect();
            (std::mem::take(&mut state.agenda), std::mem::take(&mut state.connections), programs)
        };
        drop(left);
        // A task that nobody can wake any more is run once, to be dropped.
        self.settle().await;
    }

    pub fn seed(&self) -> u64 {
        self.state().seed
    }

    pub fn now(&self) -> Mono {
        self.state().now
    }

    pub fn sleep_until(&self, deadline: Mono) -> Sleep {
        Sleep::until(self.clone(), deadline)
    }

    pub fn sleep(&self, duration: Nanos) -> Sleep {
        self.sleep_until(self.now() + duration)
    }

    /// Lets `act` happen at `at`; between the events of that time, no task runs.
    pub fn at(&self, at: Mono, act: impl FnOnce(&World) + 'static) {
        let mut state = self.state();
        let at = round_up(at).max(state.now);
        state.agenda.enter(at, Event::Act(Box::new(act)));
    }

    /// Adds a line to the trace: something of the scenario's own that a replay must repeat.
    pub fn note(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let mut state = self.state();
        let now = state.now;
        state.trace.line(now, who, what);
    }

    /// A note that belongs into a picture of the run, too.
    pub fn remark(&self, who: &str, what: std::fmt::Arguments<'_>) {
        let mut state = self.state();
        let now = state.now;
        state.trace.line(now, who, what);
        if let Some(chronicle) = &mut state.chronicle {
            chronicle.remark(now, who, what);
        }
    }

    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    pub(crate) fn downgrade(&self) -> std::rc::Weak<RefCell<State>> {
        Rc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(weak: &std::rc::Weak<RefCell<State>>) -> Option<World> {
        weak.upgrade().map(World)
    }
}

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RunFailure {}

impl From<RunFailure> for io::Error {
    fn from(failure: RunFailure) -> io::Error {
        io::Error::other(failure)
    }
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a message").to_owned()
}
