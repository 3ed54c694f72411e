//! `squall hunt`: the line while it goes on, the table at its end, and the way out on ^C.

#![allow(clippy::disallowed_methods, reason = "a hunt is bounded by, and measured in, real time")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use squall_scenarios::artefacts::{Ended, keep, write_json};
use squall_scenarios::catalog::{ENTRIES, Source, find, source};
use squall_scenarios::fleet::Stop;
use squall_scenarios::hunt::{Catch, Ground, Tally, hunt};
use squall_scenarios::seeds::{Seeds, Shard};
use squall_sim::Span;

use crate::progress::Line;
use crate::{CANNOT_BE_PLAYED, FAILED, complain, say};

#[derive(Args)]
pub struct HuntArguments {
    /// `swarm`, the name of a scenario, or the path of a file.
    scenario: String,
    /// Stops after this; without it, and without --seeds, after a minute.
    #[arg(long = "for", value_name = "TIME")]
    lasting: Option<Span>,
    /// Takes that for time of the processor, of which a machine that is busy or stopped takes nothing away.
    #[arg(long, requires = "lasting")]
    cpu: bool,
    /// Tries just the seeds of a range, both ends included.
    #[arg(long, value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Tries every N-th seed, beginning with the I-th, counted from 0: so many machines hunt and none repeats another.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Ends with the first finding.
    #[arg(long)]
    until_found: bool,
    /// How many seeds are tried at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Keeps hunt.json, and a folder for each kind of finding.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Prints the result as JSON.
    #[arg(long)]
    json: bool,
}

/// Where a hunt without a range ends: beyond are the other courses of a family.
const LAST_SEED: u64 = (1 << 48) - 1;
const USUAL_TIME: Duration = Duration::from_secs(60);

pub fn run(arguments: HuntArguments) -> ExitCode {
    let source = match source(&arguments.scenario) {
        Ok(source) => source,
        Err(error) => return complain(CANNOT_BE_PLAYED, &error),
    };
    let stop = Stop::default();
    // The first ^C ends the hunt after the runs that are under way, the second one at once.
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        let exit = signal_hook::flag::register_conditional_shutdown(signal, 130, stop.flag());
        if let Err(error) = exit.and_then(|_| signal_hook::flag::register(signal, stop.flag())) {
            return complain(CANNOT_BE_PLAYED, &error);
        }
    }
    let ground = Ground {
        seeds: arguments.seeds.unwrap_or(Seeds { first: 1, last: LAST_SEED }),
        shard: arguments.shard.unwrap_or_default(),
        roams: arguments.seeds.is_none() && !matches!(source, Source::File(_)),
    };
    let limit = match (arguments.lasting, arguments.seeds) {
        (Some(span), _) => Some(Duration::from_nanos(span.0.0)),
        (None, None) => Some(USUAL_TIME),
        (None, Some(_)) => None,
    };
    let watch = Watch { begun: Instant::now(), cpu: cpu_seconds(), limit, counts_cpu: arguments.cpu };
    let mut line = Line::default();
    let mut trouble = None;
    let tally = hunt(&source, ground, arguments.jobs, &stop, |catch, tally| {
        if watch.is_over() || arguments.until_found && tally.failed() > 0 {
            stop.ask();
        }
        if !catch.passed() {
            line.clear();
            trouble = tell_finding(&source, catch, tally, &arguments).err().or(trouble.take());
        }
        line.show(&watch.progress(source.name(), tally));
    });
    line.clear();
    match arguments.json {
        true => say(&format!("{:#}\n", tally.to_json(source.name()))),
        false => say(&watch.table(source.name(), &tally)),
    }
    if let Some(directory) = &arguments.out {
        trouble = write_json(&directory.join("hunt.json"), &tally.to_json(source.name())).err().or(trouble);
    }
    match (trouble, tally.failed()) {
        (Some(error), _) => complain(CANNOT_BE_PLAYED, &error),
        (None, 0) => ExitCode::SUCCESS,
        (None, _) => ExitCode::from(FAILED),
    }
}

/// The first of a kind is told and kept at once: a hunt that is cut off leaves it. A lower seed of the kind is, too.
fn tell_finding(
    source: &Source,
    catch: &Catch,
    tally: &Tally,
    arguments: &HuntArguments,
) -> std::io::Result<()> {
    let is_first = tally.findings.iter().any(|finding| finding.first.seed == catch.seed);
    if !is_first {
        return Ok(());
    }
    let ended = Ended {
        scenario: source.name().to_owned(),
        seed: catch.seed,
        seconds: 0.0,
        failures: catch.failures.clone(),
        panicked: catch.panicked,
    };
    eprintln!("seed {}: {}\n  replay     {}", catch.seed, catch.failures.join("; "), ended.replay());
    if let Some(directory) = &arguments.out {
        let folder = keep(directory, &source.at(catch.seed), &ended)?;
        eprintln!("  kept       {}", folder.display());
    }
    Ok(())
}

/// How long the hunt has gone on, and what it cost.
struct Watch {
    begun: Instant,
    cpu: f64,
    limit: Option<Duration>,
    /// Whether the limit is one of the processor's time.
    counts_cpu: bool,
}

impl Watch {
    fn is_over(&self) -> bool {
        self.limit.is_some_and(|limit| self.spent() >= limit)
    }

    fn spent(&self) -> Duration {
        match self.counts_cpu {
            true => Duration::from_secs_f64((cpu_seconds() - self.cpu).max(0.0)),
            false => self.begun.elapsed(),
        }
    }

    fn progress(&self, name: &str, tally: &Tally) -> String {
        let elapsed = self.begun.elapsed();
        let left = self.limit.map(|limit| limit.saturating_sub(self.spent()).as_secs());
        let left = left.map_or_else(String::new, |left| format!(", {}:{:02} left", left / 60, left % 60));
        format!(
            "{name}: {} seeds ({:.0}/s), {} simulated, {} of {} marks, {} findings, {} MB{left}",
            tally.seeds,
            tally.seeds as f64 / elapsed.as_secs_f64().max(0.001),
            hours(tally),
            tally.marks.len(),
            tally.marks.len() + tally.never_reached().count(),
            tally.findings.len(),
            resident_megabytes("VmRSS:"),
        )
    }

    fn table(&self, name: &str, tally: &Tally) -> String {
        let (wall, cpu) = (self.begun.elapsed().as_secs_f64(), (cpu_seconds() - self.cpu).max(0.001));
        let mut text = format!(
            "{name}: {} seeds, {} failed\n\n  simulated  {}, {} operations, {} events\n  speed      {:.0} simulated \
             seconds and {:.1} seeds per CPU second ({wall:.0} s of time, {cpu:.0} s of CPU)\n  memory     {} MB, {} MB \
             at most\n",
            tally.seeds,
            tally.failed(),
            hours(tally),
            tally.operations,
            tally.events,
            tally.simulated.0 as f64 / 1e9 / cpu,
            tally.seeds as f64 / cpu,
            resident_megabytes("VmRSS:"),
            resident_megabytes("VmHWM:"),
        );
        let mut marks: Vec<_> = tally.marks.iter().collect();
        marks.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let label = |number: usize, title: &str| match number {
            0 => format!("\n  {title:7}"),
            _ => " ".repeat(9),
        };
        for (number, (mark, (count, first))) in marks.into_iter().enumerate() {
            let share = *count as f64 * 100.0 / tally.seeds.max(1) as f64;
            let label = label(number, "reached");
            text.push_str(&format!("{label}  {:22} {share:5.1} % of seeds, first {first}\n", mark.name()));
        }
        let scenarios = scenarios_by_mark();
        for (number, mark) in tally.never_reached().enumerate() {
            let label = label(number, "never");
            let reached = scenarios.get(mark.name()).map(|name| format!("but by `squall run {name}`"));
            text.push_str(&format!("{label}  {:22} {}\n", mark.name(), reached.unwrap_or_default()));
        }
        for finding in &tally.findings {
            let (first, count) = (&finding.first, finding.count);
            let what = first.failures.join("; ");
            text.push_str(&format!(
                "\n  finding    {what}\n             {count} seeds; squall run {name} --seed {}\n",
                first.seed
            ));
        }
        text
    }
}

/// The first scenario that is there for each mark.
fn scenarios_by_mark() -> BTreeMap<String, &'static str> {
    let mut by_mark = BTreeMap::new();
    for entry in ENTRIES {
        for mark in find(entry.name).map_or_else(|_| Vec::new(), |found| found.scenario.reaches) {
            by_mark.entry(mark).or_insert(entry.name);
        }
    }
    by_mark
}

fn hours(tally: &Tally) -> String {
    format!("{:.1} hours", tally.simulated.0 as f64 / 3.6e12)
}

/// What this process has used so far, all threads together.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What this process holds, as Linux tells it; 0 where nobody tells.
fn resident_megabytes(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0) >> 10
}
