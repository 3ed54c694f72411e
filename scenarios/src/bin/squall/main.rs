//! `squall`: plays scenarios. The command line and what a terminal shows; everything else is in the library.
#![forbid(unsafe_code)]

mod progress;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, Subcommand};
use squall_clock::Nanos;
use squall_scenarios::catalog::{ENTRIES, Found, find};
use squall_scenarios::{MEASURES, RunOptions, Wall, play};
use squall_sim::TraceSink;

use progress::Progress;

/// Plays partitions, crashes and slow links against Squall's own server code in a seeded world.
///
/// A scenario says which nodes and clients there are, what goes wrong when, and what must come of it. Everything
/// else follows from the seed: the same seed gives the same run, byte for byte, on any machine.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  squall list
  squall run primary-partition --seed 7
  squall run primary-partition --seed 7 --trace trace.txt
  squall show primary-partition > mine.toml     # then edit it, and:
  squall run ./mine.toml --json

Exit status: 0 passed, 1 the scenario failed, 2 it cannot be played, 3 a server panicked.";

#[derive(Subcommand)]
enum Command {
    /// Shows the scenarios that come with squall.
    List {
        /// Only their names, one a line, for scripts.
        #[arg(long)]
        names: bool,
    },
    /// Prints a scenario's file, to read or to edit.
    Show {
        scenario: String,
        /// Prints the faults that this seed draws, too.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Shows what [[expect]] can be about.
    Measures,
    /// Plays a scenario and tells what came of it.
    #[command(after_help = EXAMPLES)]
    Run {
        /// The name of a scenario (see `squall list`) or the path of a file.
        scenario: String,
        /// Everything that is left to chance follows from it.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Writes every event of the run to this file, a line each: microseconds, machine, what happened.
        #[arg(long, value_name = "FILE")]
        trace: Option<PathBuf>,
        /// Prints the result as JSON.
        #[arg(long)]
        json: bool,
        /// Prints nothing unless the scenario fails.
        #[arg(long, conflicts_with = "json")]
        quiet: bool,
    },
}

/// What is told of a run.
#[derive(Clone, Copy)]
enum Told {
    Summary,
    Json,
    /// Nothing, unless it failed.
    Failure,
}

const FAILED: u8 = 1;
const CANNOT_BE_PLAYED: u8 = 2;
const PANICKED: u8 = 3;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::List { names } => {
            let width = ENTRIES.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
            for entry in ENTRIES {
                let title = find(entry.name).map(|found| found.scenario.title).unwrap_or_default();
                match names {
                    true => say(&format!("{}\n", entry.name)),
                    false => say(&format!("{:width$}  {title}\n", entry.name)),
                }
            }
            ExitCode::SUCCESS
        }
        Command::Measures => {
            let width = MEASURES.iter().map(|measure| measure.name.len()).max().unwrap_or(0);
            for measure in MEASURES {
                say(&format!("{:width$}  {}\n", measure.name, measure.meaning));
            }
            ExitCode::SUCCESS
        }
        Command::Show { scenario, seed } => match find(&scenario) {
            Ok(found) => {
                say(&found.text);
                if let Some((seed, plan)) = seed.map(|seed| (seed, found.scenario.drawn_plan(seed))) {
                    let plan = toml::to_string(&plan).expect("a plan can be written down");
                    say(&format!(
                        "\n# Drawn by seed {seed}; put these in the place of [drawn] to change them.\n{plan}"
                    ));
                }
                ExitCode::SUCCESS
            }
            Err(error) => complain(CANNOT_BE_PLAYED, &error),
        },
        Command::Run { scenario, seed, trace, json, quiet } => match find(&scenario) {
            Ok(found) => {
                let told = match (json, quiet) {
                    (true, _) => Told::Json,
                    (_, true) => Told::Failure,
                    _ => Told::Summary,
                };
                run(found, seed, trace, told)
            }
            Err(error) => complain(CANNOT_BE_PLAYED, &error),
        },
    }
}

#[allow(clippy::disallowed_methods, reason = "how fast a run goes is measured outside of its world")]
fn run(found: Found, seed: u64, trace: Option<PathBuf>, told: Told) -> ExitCode {
    let trace =
        match trace.map(|path| open_trace(&path).map_err(|error| format!("{}: {error}", path.display()))) {
            None => None,
            Some(Ok(sink)) => Some(sink),
            Some(Err(error)) => return complain(CANNOT_BE_PLAYED, &error),
        };
    let begun = Instant::now();
    let progress = Progress::show(&found.name, seed);
    let outcome =
        play(&found.name, &found.scenario, RunOptions { seed, trace, progress: Some(progress.clock()) });
    progress.end();
    let report = match outcome {
        Ok(report) => report,
        Err(failure) => {
            let replay = format!("squall run {} --seed {seed}", found.name);
            return complain(PANICKED, &format!("the run panicked: {failure}\n  replay     {replay}"));
        }
    };
    let wall = Wall { elapsed: Nanos(begun.elapsed().as_nanos() as u64) };
    match told {
        Told::Json => say(&format!("{:#}\n", report.to_json(Some(wall)))),
        Told::Failure if report.passed() => {}
        Told::Failure | Told::Summary => {
            say(&report.to_string());
            let seconds = wall.elapsed.0 as f64 / 1e9;
            say(&format!(
                "  wall       {seconds:.3} s, {:.0} simulated seconds a second\n",
                wall.speed(&report)
            ));
        }
    }
    if report.passed() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}

#[allow(clippy::disallowed_methods, reason = "the trace of a simulated run goes to a real file")]
fn open_trace(path: &std::path::Path) -> std::io::Result<TraceSink> {
    Ok(Box::new(std::fs::File::create(path)?))
}

/// Prints; a reader that has gone away (`| head`) is no failure.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn complain(status: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("squall: {error}");
    ExitCode::from(status)
}
