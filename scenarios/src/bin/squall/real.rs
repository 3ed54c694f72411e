//! `squall real`: the same scenario with real processes on this machine, and both worlds side by side.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use squall_scenarios::artefacts::write_page;
use squall_scenarios::catalog::{Found, source};
use squall_scenarios::fleet::Stop;
use squall_scenarios::real::compare::{Column, Comparison};
use squall_scenarios::real::{RealError, RealOptions, ServerProgram, play_real};
use squall_scenarios::{Report, RunOptions, play};

use crate::progress::{Line, Progress};
use crate::{CANNOT_BE_PLAYED, FAILED, PANICKED, complain, say};

/// Plays a scenario with real servers on this machine's loopback.
///
/// Each machine of the scenario has an address of its own in 127.0.0.0/8. Servers are processes in directories of their
/// own below the directory for temporary files; a proxy of squall's before each of them makes the links slow, narrow,
/// lossy, cut or broken, each direction apart; crashes and pauses are SIGKILL, SIGSTOP and SIGCONT. The clients, the
/// workloads, the checkers and the measures are those of `squall run`.
///
/// What cannot be had with real processes (loss of power, faults of the disk or the clock, chosen chance) is named and
/// refused before anything starts. However a run ends, by ^C as well, its processes and files are gone afterwards.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RealArguments {
    /// The name of a scenario (see `squall list`) or the path of a file.
    scenario: String,
    /// What clients draw follows from it, and the faults where they are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A server's program, by path or by name; may be given several times. Without it, squall-server; with --compare,
    /// redis-server, too.
    #[arg(long, value_name = "PATH")]
    server: Vec<String>,
    /// Plays it in the simulator as well, and shows all worlds in one table.
    #[arg(long, conflicts_with = "report")]
    compare: bool,
    /// How often each server plays it, with as many seeds from --seed on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    runs: u64,
    /// How many seeds the simulator plays for the table.
    #[arg(long, default_value_t = 20, value_name = "N", requires = "compare")]
    simulated: u64,
    /// Writes a page with the picture of the run: one file that needs nothing else.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Prints the result as JSON; of several runs, one line each.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  squall real primary-partition
  squall real primary-partition --server target/release/squall-server --report picture.html
  squall real primary-partition --server redis-server --json
  squall real primary-partition --compare
  squall real replica-lag --compare --runs 3 --server ./squall-server --server /usr/bin/redis-server

Exit status: 0 passed, 1 the scenario failed, 2 it cannot be played, 3 a server ended by itself, 130 interrupted.";

const INTERRUPTED: u8 = 130;

/// Why the command ends, and with which status.
type Ending = (u8, String);

pub fn run(arguments: RealArguments) -> ExitCode {
    let stop = Stop::default();
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP] {
        if let Err(error) = signal_hook::flag::register(signal, stop.flag()) {
            return complain(CANNOT_BE_PLAYED, &error);
        }
    }
    match conduct(&arguments, &stop) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err((status, reason)) => complain(status, &reason),
    }
}

/// Whether everything that was played has passed.
fn conduct(arguments: &RealArguments, stop: &Stop) -> Result<bool, Ending> {
    let cannot = |error: &dyn std::fmt::Display| (CANNOT_BE_PLAYED, error.to_string());
    let found = source(&arguments.scenario).map_err(|error| cannot(&error))?.at(arguments.seed);
    let named: Vec<&str> = arguments.server.iter().map(String::as_str).collect();
    let named = match (named.is_empty(), arguments.compare) {
        (true, true) => vec!["squall-server", "redis-server"],
        (true, false) => vec!["squall-server"],
        _ => named,
    };
    let servers: Result<Vec<ServerProgram>, String> = named.into_iter().map(ServerProgram::find).collect();
    let servers = servers.map_err(|error| cannot(&error))?;
    let mut columns = Vec::new();
    for server in &servers {
        let reports =
            (0..arguments.runs).map(|run| one(arguments, &found, server, arguments.seed + run, stop));
        let reports = reports.collect::<Result<Vec<Report>, Ending>>()?;
        columns.push(Column { title: server.name.clone(), reports });
    }
    let passed = columns.iter().flat_map(|column| &column.reports).all(Report::passed);
    if !arguments.compare {
        return Ok(passed);
    }
    columns.insert(0, Column { title: "simulated".to_owned(), reports: simulate(arguments, &found)? });
    let comparison = Comparison { scenario: found.name.clone(), columns };
    match arguments.json {
        true => say(&format!("{:#}\n", comparison.to_json())),
        false => say(&format!("{comparison}\n")),
    }
    Ok(comparison.passed())
}

fn one(
    arguments: &RealArguments,
    found: &Found,
    server: &ServerProgram,
    seed: u64,
    stop: &Stop,
) -> Result<Report, Ending> {
    let chaos = found.scenario.chaos.lasting.0.0 as f64 / 1e9;
    let progress = Progress::show_real(&found.name, &server.name, chaos);
    let options = RealOptions {
        seed,
        server,
        picture: arguments.report.is_some(),
        progress: Some(progress.clock()),
        stop: stop.clone(),
    };
    let played = play_real(&found.name, &found.scenario, options);
    progress.end();
    let report = played.map_err(|error| {
        let status = match &error {
            RealError::Refused(_) | RealError::Unfit(_) => CANNOT_BE_PLAYED,
            RealError::Fell(_) => PANICKED,
            RealError::Interrupted => INTERRUPTED,
        };
        (status, error.to_string())
    })?;
    match (arguments.compare, arguments.json) {
        (true, _) => {}
        (false, true) if arguments.runs == 1 => say(&format!("{:#}\n", report.to_json(None))),
        (false, true) => say(&format!("{}\n", report.to_json(None))),
        (false, false) => say(&report.to_string()),
    }
    if let Some(path) = &arguments.report {
        write_page(path, &report)
            .map_err(|error| (CANNOT_BE_PLAYED, format!("{}: {error}", path.display())))?;
    }
    Ok(report)
}

fn simulate(arguments: &RealArguments, found: &Found) -> Result<Vec<Report>, Ending> {
    let mut line = Line::default();
    let seeds = arguments.seed..arguments.seed + arguments.simulated.max(1);
    let reports = seeds.map(|seed| {
        line.show(&format!("{}: simulating seed {seed}", found.name));
        let options = RunOptions { seed, ..RunOptions::default() };
        play(&found.name, &found.scenario, options).map_err(|panic| (PANICKED, panic.to_string()))
    });
    let reports = reports.collect();
    line.clear();
    reports
}
