//! `planted`: shows that scenarios, or a hunt, notice what they are there for. Takes one guard after the other out of a
//! copy of the sources (see `scenarios/planted`), builds the simulator with it, and plays the scenarios that must fail.
//!
//! ```text
//! cargo run --bin planted                                  # all, each with its scenarios
//! cargo run --bin planted -- reply-before-the-sync         # one
//! cargo run --bin planted -- --hunt 10m --hunts 5          # how long until the swarm finds each
//! ```
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "it builds programs, runs them and takes their time")]

mod workshop;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use squall_scenarios::planted::Planted;
use squall_scenarios::seeds::Seeds;
use squall_sim::Span;

use workshop::{Verdict, Workshop};

#[derive(Parser)]
struct Arguments {
    /// Which of them; all where none is named.
    names: Vec<String>,
    /// The seeds of which one must fail.
    #[arg(long, default_value = "1..20")]
    seeds: Seeds,
    /// Hunts for each of them for up to this much of the processor's time, instead of playing its scenarios.
    #[arg(long, value_name = "TIME")]
    hunt: Option<Span>,
    /// How many hunts there are for each, of which the median is told.
    #[arg(long, default_value_t = 1, requires = "hunt")]
    hunts: u32,
    /// What is hunted in.
    #[arg(long, default_value = "swarm", requires = "hunt")]
    ground: String,
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Builds as for release; a hunt always does.
    #[arg(long)]
    release: bool,
    /// Shows what there is.
    #[arg(long)]
    list: bool,
}

/// A scenario that does not end is noticed, too. All times are the processor's: a machine that is busy with other things,
/// or stopped, makes no bug easier to find, nor harder.
const PATIENCE: Duration = Duration::from_secs(300);
/// No seed of a hunt takes nearly as long.
const SEED_MAX: Duration = Duration::from_secs(60);
const MISSED: u8 = 1;
const CANNOT_BE_TRIED: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match try_all(&arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(MISSED),
        Err(error) => {
            eprintln!("planted: {error}");
            ExitCode::from(CANNOT_BE_TRIED)
        }
    }
}

/// Whether each was noticed by all who must.
fn try_all(arguments: &Arguments) -> Result<bool, String> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = PathBuf::from(here);
    let root = root.parent().expect("the workspace is above its crates");
    let mut chosen = Planted::all(root)?;
    if let Some(unknown) = arguments.names.iter().find(|name| chosen.iter().all(|known| known.name != **name))
    {
        return Err(format!("there is no planted bug called `{unknown}`"));
    }
    chosen.retain(|planted| arguments.names.is_empty() || arguments.names.contains(&planted.name));
    if arguments.list {
        chosen.iter().for_each(|planted| println!("{}\n    {}", planted.name, planted.bug.tells.trim()));
        return Ok(true);
    }
    // Neighbours in the sources share most of their builds.
    chosen.sort_by(|one, other| (&one.bug.file, &one.name).cmp(&(&other.bug.file, &other.name)));
    let workshop = Workshop::open(root, arguments.release || arguments.hunt.is_some())?;
    let mut all_caught = true;
    for planted in &chosen {
        println!("{}", planted.name);
        if let Err(reason) = workshop.plant(planted) {
            println!("  CANNOT BE TRIED: {reason}");
            all_caught = false;
            continue;
        }
        all_caught &= match arguments.hunt {
            None => play(&workshop, planted, arguments)?,
            Some(span) => hunt(&workshop, Duration::from_nanos(span.0.0), arguments)?,
        };
    }
    Ok(all_caught)
}

fn play(workshop: &Workshop, planted: &Planted, arguments: &Arguments) -> Result<bool, String> {
    let mut all_caught = true;
    for scenario in &planted.bug.caught_by {
        let (seeds, jobs) = (arguments.seeds.to_string(), arguments.jobs.to_string());
        let words = ["hunt", scenario, "--until-found", "--seeds", &seeds, "--jobs", &jobs];
        match workshop.run(&words, PATIENCE)? {
            Verdict::Caught { by, after } => {
                println!("  caught  {scenario}, {:.1} s: {by}", after.as_secs_f64())
            }
            Verdict::Missed { after } => {
                all_caught = false;
                println!("  MISSED  {scenario}, seeds {seeds}, {:.1} s", after.as_secs_f64());
            }
        }
    }
    Ok(all_caught)
}

/// Hunts on grounds that do not overlap, and tells the median of the times.
fn hunt(workshop: &Workshop, lasting: Duration, arguments: &Arguments) -> Result<bool, String> {
    let mut times = Vec::new();
    for index in 0..arguments.hunts {
        let (shard, jobs) = (format!("{index}/{}", arguments.hunts), arguments.jobs.to_string());
        let span = format!("{}s", lasting.as_secs());
        let words = [
            "hunt",
            &arguments.ground,
            "--until-found",
            "--cpu",
            "--for",
            &span,
            "--shard",
            &shard,
            "--jobs",
            &jobs,
        ];
        match workshop.run(&words, lasting + SEED_MAX)? {
            Verdict::Caught { by, after } => {
                times.push(Some(after));
                println!("  caught  {:.1} s: {by}", after.as_secs_f64());
            }
            Verdict::Missed { after } => {
                times.push(None);
                println!("  missed  {:.1} s", after.as_secs_f64());
            }
        }
    }
    times.sort_by_key(|time| time.unwrap_or(Duration::MAX));
    let median = times[times.len() / 2];
    match median {
        Some(time) => println!("  median  {:.1} s of {} hunts", time.as_secs_f64(), times.len()),
        None => println!("  median  more than {} s of {} hunts", lasting.as_secs(), times.len()),
    }
    Ok(median.is_some())
}
