//! `squall-server`: the shell on this machine. Owns what belongs to a process rather than to a server:
//! arguments, the log, signals, the background, the allocator. It leaves every decision about data and
//! clients to the node.
#![forbid(unsafe_code)]

mod check;
mod cluster_lock;
mod command_line;
mod daemon;
mod environment;
mod log;
mod open_files;

use std::process::ExitCode;

use squall_clock::Nanos;
use squall_net::Host;
use squall_net::real::RealHost;
use squall_node::{Config, LogLevel, Restart};
use squall_server::{Running, ServerOptions, start};
use tokio::signal::unix::{SignalKind, signal};

use command_line::Invocation;
use environment::Observer;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// How often INFO's figures about the process are refreshed, and the service manager is told of changes.
const OBSERVATION_PERIOD: Nanos = Nanos::from_millis(100);

fn main() -> ExitCode {
    let invocation = command_line::read(std::env::args().skip(1).collect());
    let (mut config, source) = match invocation {
        Ok(Invocation::Serve { config, source }) => (*config, source),
        Ok(Invocation::Check(task)) => {
            return match check::run(&task) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::FAILURE,
                Err(complaint) => {
                    eprintln!("{complaint}");
                    ExitCode::FAILURE
                }
            };
        }
        Ok(Invocation::Say(text)) => {
            println!("{text}");
            return ExitCode::SUCCESS;
        }
        Err(complaint) => {
            eprintln!("{complaint}");
            return ExitCode::FAILURE;
        }
    };
    match serve(&mut config, &source) {
        Ok(status) => ExitCode::from(u8::try_from(status).unwrap_or(1)),
        Err(complaint) => {
            eprintln!("squall-server: {complaint}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes a server and runs it to its end; gives the status of the process.
fn serve(config: &mut Config, source: &[u8]) -> Result<i32, String> {
    if config.daemonize && daemon::detach(source)? {
        return Ok(0);
    }
    enter_directory(config)?;
    log::open(&config.logfile)?;
    log::say(LogLevel::Notice, &format!("Squall is starting: {}", command_line::version()));
    if let Some(warning) = open_files::raise_limit(config) {
        log::say(LogLevel::Warning, &warning);
    }
    let _lock = cluster_lock::take(config).inspect_err(|complaint| log::say(LogLevel::Warning, complaint))?;
    let _pidfile = daemon::write_pidfile(config);
    loop {
        let ended = RealHost::run(".", async |host| run(host, config.clone()).await)
            .map_err(|error| format!("the event loop cannot be set up: {error}"))??;
        let Some((restart, in_force)) = ended.restart else { return Ok(ended.status) };
        std::thread::sleep(std::time::Duration::from_nanos(restart.delay.0));
        if restart.is_orderly {
            *config = in_force;
        }
    }
}

/// How a server's life has ended.
struct Ended {
    status: i32,
    /// Another life is wanted; and the configuration that was in force.
    restart: Option<(Restart, Config)>,
}

async fn run(host: RealHost, config: Config) -> Result<Ended, String> {
    let supervisor = daemon::Supervisor::new(&config);
    let mut observer = Observer::new();
    let environment = observer.observe();
    let running = start(host.clone(), ServerOptions { config, environment, log: Box::new(log::write) });
    watch_signals(&host, &running).map_err(|error| format!("signals cannot be caught: {error}"))?;
    host.spawn(observe(host.clone(), running.clone(), observer, supervisor));
    let status = running.exited().await;
    let restart = running.inspect(|node| node.restart().map(|restart| (restart, node.config().clone())));
    Ok(Ended { status, restart })
}

/// SIGTERM and SIGINT ask for an orderly end; an impatient second SIGINT ends at once. SIGHUP is nothing.
fn watch_signals(host: &RealHost, running: &Running<RealHost>) -> std::io::Result<()> {
    let mut hang_up = signal(SignalKind::hangup())?;
    host.spawn(async move { while hang_up.recv().await.is_some() {} });
    let mut terminate = signal(SignalKind::terminate())?;
    let server = running.clone();
    host.spawn(async move {
        while terminate.recv().await.is_some() {
            server.terminate().await;
        }
    });
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (spawner, server) = (host.clone(), running.clone());
    host.spawn(async move {
        interrupt.recv().await;
        spawner.spawn(async move { server.interrupt().await });
        interrupt.recv().await;
        std::process::exit(1);
    });
    Ok(())
}

/// Shows the node what only the process can see, and the service manager how the server fares.
async fn observe(
    host: RealHost,
    running: Running<RealHost>,
    mut observer: Observer,
    mut supervisor: daemon::Supervisor,
) {
    loop {
        running.set_environment(observer.observe());
        supervisor.tell(running.inspect(|node| node.is_loading()));
        host.sleep_until(host.now().mono + OBSERVATION_PERIOD).await;
    }
}

/// Relative paths start at `dir`, as they do for a server that has changed to it; CONFIG GET shows it whole.
fn enter_directory(config: &mut Config) -> Result<(), String> {
    let complain = |error: std::io::Error| format!("can't chdir to '{}': {error}", config.dir);
    std::env::set_current_dir(&config.dir).map_err(complain)?;
    let absolute = std::env::current_dir().map_err(complain)?;
    config.dir = absolute.to_string_lossy().into_owned();
    Ok(())
}
