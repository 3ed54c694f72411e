//! `squall`: plays scenarios. The command line and what a terminal shows; everything else is in the library.
#![forbid(unsafe_code)]

mod hunt;
mod progress;
mod real;
mod run;
mod shrink;
mod study;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use squall_scenarios::MEASURES;
use squall_scenarios::catalog::{
    CLUSTER_SWARM, CLUSTER_SWARM_TITLE, ENTRIES, SWARM, SWARM_TITLE, Source, find, source,
};
use squall_server::Mark;
use squall_sim::Kind;

use hunt::HuntArguments;
use real::RealArguments;
use run::RunArguments;
use shrink::ShrinkArguments;
use study::StudyArguments;

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
  squall run primary-partition --seed 7 --report picture.html
  squall run primary-partition --seeds 1..20 --jobs 2 --junit results.xml --artefacts failures
  squall hunt swarm --for 10m --jobs 2 --out findings
  squall shrink swarm --seed 4711 --out smallest.toml
  squall study replication-lag --out lag --jobs 2
  squall real primary-partition --server redis-server
  squall real primary-partition --compare
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
    /// Shows what clients can do.
    Workloads,
    /// Shows the rare turns of a server's life that a scenario may be about, and that a hunt counts.
    Marks,
    /// Plays seed after seed, goes after what is rare, and tells what it found.
    Hunt(HuntArguments),
    /// Makes a failing scenario smaller while it fails, and writes it down to be committed.
    Shrink(ShrinkArguments),
    /// Answers a question about replication by sweeping parameters, with tables, figures and a page.
    Study(StudyArguments),
    /// Plays a scenario and tells what came of it.
    Run(RunArguments),
    /// Plays a scenario with real servers on this machine, and shows reality beside the simulator.
    Real(RealArguments),
}

/// A hunt makes thousands of worlds, each on a thread of its own. They give everything back, but leave the C library's
/// heaps in pieces, which grow from 30 MB to 90 in six minutes; with this allocator they stay as small as one world needs.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const FAILED: u8 = 1;
const CANNOT_BE_PLAYED: u8 = 2;
const PANICKED: u8 = 3;

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::List { names } => {
            let width = ENTRIES.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
            let title = |name| find(name).map(|found| found.scenario.title).unwrap_or_default();
            let entries = ENTRIES.iter().map(|entry| (entry.name, title(entry.name)));
            // Scripts want those that come with the binary and must always pass; swarms are there to find what does not.
            let drawn = [(SWARM, SWARM_TITLE), (CLUSTER_SWARM, CLUSTER_SWARM_TITLE)];
            let drawn = drawn.into_iter().filter(|_| !names).map(|(name, title)| (name, title.to_owned()));
            for (name, title) in entries.chain(drawn) {
                match names {
                    true => say(&format!("{name}\n")),
                    false => say(&format!("{name:width$}  {title}\n")),
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
        Command::Workloads => {
            let width = Kind::ALL.iter().map(|kind| kind.told().0.len()).max().unwrap_or(0);
            for (name, meaning) in Kind::ALL.map(Kind::told) {
                say(&format!("{name:width$}  {meaning}\n"));
            }
            ExitCode::SUCCESS
        }
        Command::Marks => {
            let width = Mark::ALL.iter().map(|mark| mark.name().len()).max().unwrap_or(0);
            for mark in Mark::ALL {
                say(&format!("{:width$}  {}\n", mark.name(), mark.meaning()));
            }
            ExitCode::SUCCESS
        }
        Command::Show { scenario, seed } => match source(&scenario) {
            Ok(source) => {
                let found = source.at(seed.unwrap_or(1));
                say(&found.text);
                if let (Some(seed), Source::File(_)) = (seed, &source) {
                    let plan = found.scenario.drawn_plan(seed);
                    let plan = toml::to_string(&plan).expect("a plan can be written down");
                    say(&format!(
                        "\n# Drawn by seed {seed}; put these in the place of [drawn] to change them.\n{plan}"
                    ));
                }
                ExitCode::SUCCESS
            }
            Err(error) => complain(CANNOT_BE_PLAYED, &error),
        },
        Command::Hunt(arguments) => hunt::run(arguments),
        Command::Shrink(arguments) => shrink::run(arguments),
        Command::Study(arguments) => study::run(arguments),
        Command::Run(arguments) => run::run(arguments),
        Command::Real(arguments) => real::run(arguments),
    }
}

/// Prints; a reader that has gone away (`| head`) is no failure.
fn say(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn complain(status: u8, error: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("squall: {error}");
    ExitCode::from(status)
}
