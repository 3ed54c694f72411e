//! Plays a scenario with real processes on this machine's loopback, for Squall's server and for any other that takes
//! the same configuration. The same clients do the same work, the same agents look on, the same faults come at the same
//! times, and the same checkers judge; so the simulator can be held against reality.
//!
//! Read in this order: [`world`] (the machines), [`network`] and [`proxy`] (the paths between them), [`process`] and
//! [`server`] (what runs on them), [`onlooker`] (who plays which part in a cluster), [`refusals`] (what cannot be had),
//! [`compare`] (both worlds side by side).

pub mod compare;
mod host;
mod network;
mod onlooker;
#[cfg(test)]
mod probe;
mod process;
mod proxy;
mod refusals;
mod server;
mod world;

use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use squall_clock::Nanos;
use squall_net::real::RealHost;
use squall_net::{Address, Host};
use squall_sim::{Process, Program, Resident, Run, Theatre, TraceSummary};

use crate::agent::{Samples, watch};
use crate::cluster::Reached;
use crate::evidence::Evidence;
use crate::file::{NodeSpec, Scenario};
use crate::fleet::Stop;
use crate::formation::{Writing, file_of};
use crate::picture::Picture;
use crate::report::{Report, Telling};
use crate::stage::Stage;
use host::RealMachine;
use onlooker::Onlooker;
use process::{Processes, Watchman};
use world::{Making, RealWorld};

pub use refusals::Refusal;
pub use server::ServerProgram;

pub struct RealOptions<'a> {
    /// What clients draw follows from it; when they do what, reality decides.
    pub seed: u64,
    pub server: &'a ServerProgram,
    /// Whether the report shall be able to show a picture of the run.
    pub picture: bool,
    /// Follows the time of the run, in nanoseconds.
    pub progress: Option<Arc<AtomicU64>>,
    /// Ends the run, and its processes, as soon as it is asked.
    pub stop: Stop,
}

/// Why there is no report.
#[derive(Debug)]
pub enum RealError {
    /// The scenario asks for what cannot be had here.
    Refused(Vec<Refusal>),
    /// This machine does not offer what a run needs.
    Unfit(String),
    /// A server ended by itself, or a client of this program panicked.
    Fell(String),
    Interrupted,
}

/// How often is looked whether the run is over, or must be.
const LOOK_EVERY: Nanos = Nanos::from_millis(10);

/// Plays `scenario`, called `name`, and judges what came of it.
pub fn play_real(name: &str, scenario: &Scenario, options: RealOptions<'_>) -> Result<Report, RealError> {
    let refused = refusals::refusals(scenario, options.seed);
    if !refused.is_empty() {
        return Err(RealError::Refused(refused));
    }
    let unfit = |error: io::Error| RealError::Unfit(error.to_string());
    let directory = tempfile::Builder::new().prefix("squall-real-").tempdir().map_err(unfit)?;
    let processes = Processes::default();
    let _watchman = Watchman(processes.clone());
    let played = RealHost::run(directory.path(), async |host| {
        let making = Making {
            seed: options.seed,
            server: options.server,
            processes: &processes,
            root: directory.path(),
            links: &scenario.links,
            servers: scenario.nodes.iter().map(|node| node.get_ref().name.clone()).collect(),
            progress: options.progress,
        };
        let world = RealWorld::on(&host, making).map_err(unfit)?;
        let run = perform(&world, scenario, &options.stop).await;
        world.end();
        run
    });
    let run = played.map_err(unfit)??;
    let judged = Scenario { reaches: Vec::new(), ..scenario.clone() };
    let mut report = Report::of(name, &judged, options.seed, &run, Telling::All);
    report.unseen.clone_from(&scenario.reaches);
    report.server = Some(options.server.clone());
    report.picture = options.picture.then(|| Picture::of(scenario, &run, &report));
    Ok(report)
}

async fn perform(world: &RealWorld, scenario: &Scenario, stop: &Stop) -> Result<Run<Evidence>, RealError> {
    let (samples, reached) = (Samples::of(&scenario.observe), Reached::default());
    let theirs = (scenario.clone(), samples.clone());
    let program = move |spec: &NodeSpec| server(&theirs.0, spec, &theirs.1);
    let stage = Stage::set(world.clone(), scenario, &samples, &reached, program);
    let performance = tokio::task::spawn_local(stage.perform());
    while !performance.is_finished() {
        if stop.is_asked() {
            return Err(RealError::Interrupted);
        }
        if let Some(what) = world.fallen() {
            // A server that nobody has heard of was never there: its configuration is refused, perhaps.
            let unheard = samples.all().is_empty();
            return Err(if unheard { RealError::Unfit(what) } else { RealError::Fell(what) });
        }
        world.sleep(LOOK_EVERY).await;
    }
    let outcome = performance.await.map_err(|panic| RealError::Fell(panic.to_string()))?;
    let trace = TraceSummary { lines: 0, hash: 0 };
    let simulated = Nanos(world.now().0);
    Ok(Run { outcome, trace, chronicle: world.take_chronicle(), events: 0, simulated })
}

/// The server of a node, as a real machine runs it: a process, and the agent that watches it.
fn server(scenario: &Scenario, spec: &NodeSpec, samples: &Samples) -> Program<RealMachine> {
    let (scenario, spec, samples) = (Rc::new(scenario.clone()), Rc::new(spec.clone()), samples.clone());
    Rc::new(move |host: RealMachine| {
        let (scenario, spec, samples) = (Rc::clone(&scenario), Rc::clone(&spec), samples.clone());
        Box::pin(async move {
            let (world, id) = (host.world().clone(), host.machine());
            let (place, directory) = (world.place(id), world.directory(id));
            // By now every machine has its address.
            let primary = spec.replica_of.as_ref().map(|primary| world.address_of(primary));
            let text = server::config_text(&scenario, &spec, &place, primary.as_ref(), &directory);
            let is_first = world.starts(id) == 1;
            let membership = file_of(&world, &scenario, &spec, &samples.troupe, Writing::Plain);
            let membership = membership.filter(|_| is_first);
            if let Err(error) = process::furnish(&directory, &text, membership.as_deref()) {
                world.fell(format!("{}: {error}", directory.display()));
                return;
            }
            let here = Address { host: place.ip.to_string(), port: place.behind };
            let _onlooker = Onlooker::at(&host, here.clone(), &samples.troupe);
            host.spawn(watch(host.clone(), here, samples));
            world.run_server(id).await;
        }) as Process
    })
}

impl fmt::Display for RealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RealError::Refused(refusals) => {
                f.write_str("real processes cannot play this scenario; nothing was started")?;
                refusals.iter().try_for_each(|refusal| write!(f, "\n  {refusal}"))
            }
            RealError::Unfit(what) | RealError::Fell(what) => f.write_str(what),
            RealError::Interrupted => f.write_str("interrupted; all processes have been ended"),
        }
    }
}

impl std::error::Error for RealError {}
