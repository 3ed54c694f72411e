//! `squall run`: one seed told in full, or many told in a line each; what CI needs to know and to keep.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use squall_clock::Nanos;
use squall_scenarios::artefacts::{Ended, keep, write_junit, write_page};
use squall_scenarios::catalog::{Source, source};
use squall_scenarios::fleet::{Stop, each};
use squall_scenarios::seeds::{Seeds, Shard};
use squall_scenarios::{Report, RunOptions, Wall, play};
use squall_sim::{RunFailure, TraceSink};

use crate::progress::{Line, Progress};
use crate::{CANNOT_BE_PLAYED, EXAMPLES, FAILED, PANICKED, complain, say};

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct RunArguments {
    /// The name of a scenario (see `squall list`) or the path of a file.
    scenario: String,
    /// Everything that is left to chance follows from it.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Plays all seeds of a range, both ends included.
    #[arg(long, value_name = "A..B", conflicts_with_all = ["seed", "trace", "report"])]
    seeds: Option<Seeds>,
    /// Plays every N-th seed of the range, beginning with the I-th, counted from 0.
    #[arg(long, value_name = "I/N", requires = "seeds")]
    shard: Option<Shard>,
    /// How many seeds are played at a time.
    #[arg(long, default_value_t = 1, requires = "seeds")]
    jobs: usize,
    /// Writes every event of the run to this file, a line each: microseconds, machine, what happened.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Writes a page with the picture of the run: one file that needs nothing else.
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
    /// Writes the results as JUnit XML, a case for each seed.
    #[arg(long, value_name = "FILE.xml")]
    junit: Option<PathBuf>,
    /// Keeps a folder with report, result, plan and trace for each seed that fails.
    #[arg(long, value_name = "DIR")]
    artefacts: Option<PathBuf>,
    /// Prints the result as JSON; of several seeds, one line each.
    #[arg(long)]
    json: bool,
    /// Prints nothing unless the scenario fails.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
}

/// What one seed gave.
struct Played {
    seed: u64,
    outcome: Result<Report, RunFailure>,
    wall: Wall,
}

pub fn run(arguments: RunArguments) -> ExitCode {
    let source = match source(&arguments.scenario) {
        Ok(source) => source,
        Err(error) => return complain(CANNOT_BE_PLAYED, &error),
    };
    let ended = match arguments.seeds {
        None => run_one(&source, &arguments).map(|ended| vec![ended]),
        Some(seeds) => run_many(&source, &arguments, seeds),
    };
    let ended = match ended {
        Ok(ended) => ended,
        Err(error) => return complain(CANNOT_BE_PLAYED, &error),
    };
    if let Err(error) = keep_results(&source, &arguments, &ended) {
        return complain(CANNOT_BE_PLAYED, &error);
    }
    match (ended.iter().any(|run| run.panicked), ended.iter().all(Ended::passed)) {
        (true, _) => ExitCode::from(PANICKED),
        (_, true) => ExitCode::SUCCESS,
        (_, false) => ExitCode::from(FAILED),
    }
}

fn run_one(source: &Source, arguments: &RunArguments) -> Result<Ended, String> {
    let at = |path: &PathBuf, error: std::io::Error| format!("{}: {error}", path.display());
    let trace = match &arguments.trace {
        None => None,
        Some(path) => Some(open_trace(path).map_err(|error| at(path, error))?),
    };
    let progress = Progress::show(source.name(), arguments.seed);
    let options = RunOptions {
        seed: arguments.seed,
        trace,
        picture: arguments.report.is_some(),
        progress: Some(progress.clock()),
        ..RunOptions::default()
    };
    let played = play_timed(source, options);
    progress.end();
    match &played.outcome {
        Err(failure) => {
            let replay = format!("squall run {} --seed {}", source.name(), arguments.seed);
            eprintln!("squall: the run panicked: {failure}\n  replay     {replay}");
        }
        Ok(report) => {
            tell(report, played.wall, arguments);
            if let Some(path) = &arguments.report {
                write_page(path, report).map_err(|error| at(path, error))?;
            }
        }
    }
    Ok(played.ended(source.name()))
}

fn run_many(source: &Source, arguments: &RunArguments, seeds: Seeds) -> Result<Vec<Ended>, String> {
    let shard = arguments.shard.unwrap_or_default();
    let (total, mut done, mut failed) = (seeds.of(shard).count(), 0, 0);
    let mut line = Line::default();
    let mut ended = Vec::new();
    let work = |seed| play_timed(source, RunOptions { seed, ..RunOptions::default() });
    each(arguments.jobs, seeds.of(shard), &Stop::default(), work, |played: Played| {
        done += 1;
        let run = played.ended(source.name());
        failed += usize::from(!run.passed());
        line.clear();
        match &played.outcome {
            Ok(report) if arguments.json => say(&format!("{}\n", report.to_json(Some(played.wall)))),
            _ if !run.passed() => say(&format!("seed {}: {}\n", run.seed, run.failures.join("; "))),
            _ => {}
        }
        line.show(&format!("{}: {done} of {total} seeds, {failed} failed", source.name()));
        ended.push(run);
    });
    line.clear();
    ended.sort_by_key(|run| run.seed);
    if !(arguments.json || arguments.quiet && failed == 0) {
        let speed: f64 = ended.iter().map(|run| run.seconds).sum();
        say(&format!(
            "{}: {} of {total} seeds passed in {speed:.1} s of work\n",
            source.name(),
            total - failed
        ));
        for run in ended.iter().filter(|run| !run.passed()).take(10) {
            say(&format!("  replay     {}\n", run.replay()));
        }
    }
    Ok(ended)
}

fn tell(report: &Report, wall: Wall, arguments: &RunArguments) {
    match (arguments.json, arguments.quiet && report.passed()) {
        (true, _) => say(&format!("{:#}\n", report.to_json(Some(wall)))),
        (_, true) => {}
        _ => {
            let (seconds, speed) = (wall.elapsed.0 as f64 / 1e9, wall.speed(report));
            say(&format!("{report}  wall       {seconds:.3} s, {speed:.0} simulated seconds a second\n"));
        }
    }
}

fn keep_results(source: &Source, arguments: &RunArguments, ended: &[Ended]) -> std::io::Result<()> {
    if let Some(path) = &arguments.junit {
        write_junit(path, ended)?;
    }
    if let Some(directory) = &arguments.artefacts {
        for run in ended.iter().filter(|run| !run.passed()) {
            let folder = keep(directory, &source.at(run.seed), run)?;
            eprintln!("kept {}", folder.display());
        }
    }
    Ok(())
}

#[allow(clippy::disallowed_methods, reason = "how fast a run goes is measured outside of its world")]
fn play_timed(source: &Source, options: RunOptions) -> Played {
    let (seed, begun) = (options.seed, Instant::now());
    let found = source.at(seed);
    let outcome = play(&found.name, &found.scenario, options);
    Played { seed, outcome, wall: Wall { elapsed: Nanos(begun.elapsed().as_nanos() as u64) } }
}

impl Played {
    fn ended(&self, scenario: &str) -> Ended {
        let (failures, panicked) = match &self.outcome {
            Ok(report) => (report.failures.iter().map(|failure| failure.text.clone()).collect(), false),
            Err(panic) => (vec![format!("the run panicked: {panic}")], true),
        };
        let seconds = self.wall.elapsed.0 as f64 / 1e9;
        Ended { scenario: scenario.to_owned(), seed: self.seed, seconds, failures, panicked }
    }
}

#[allow(clippy::disallowed_methods, reason = "the trace of a simulated run goes to a real file")]
fn open_trace(path: &std::path::Path) -> std::io::Result<TraceSink> {
    Ok(Box::new(std::fs::File::create(path)?))
}
