//! Studies: one question each, answered by sweeping parameters of a small scenario, with many seeds at each point.
//! What comes out is the same for the same commit, however many threads work on it: `runs.csv` (every run),
//! `points.csv` (mean and confidence interval of each point), a figure for each curve, and a page with all of it.

mod census;
mod elections;
mod figure;
mod page;
mod questions;
mod statistics;

use std::fmt::Write;
use std::io;
use std::path::Path;

use squall_message_world::census::Setting;
use squall_sim::RunFailure;

use crate::file::Scenario;
use crate::fleet::{Stop, each};
use crate::report::Report;
use crate::stage::{RunOptions, play};
pub(crate) use census::Census;
pub use questions::STUDIES;
pub use statistics::Estimate;

/// A question and how it is put to the simulator.
pub struct Study {
    pub name: &'static str,
    pub title: &'static str,
    /// What is asked, what is varied, what is held; for the page.
    pub method: &'static str,
    pub(crate) sweeps: fn() -> Vec<Sweep>,
    pub(crate) outcomes: &'static [Measured],
}

/// One parameter at several values, perhaps for several series.
pub(crate) struct Sweep {
    pub(crate) name: &'static str,
    pub(crate) axis: &'static str,
    pub(crate) is_logarithmic: bool,
    pub(crate) points: Vec<Point>,
}

pub(crate) struct Point {
    pub(crate) series: &'static str,
    pub(crate) x: f64,
    pub(crate) subject: Subject,
}

/// What is tried at a point, once for each seed.
pub(crate) enum Subject {
    Scenario(Box<Scenario>),
    /// A cluster in the message world.
    Cluster(Setting),
}

/// What came of one trial.
pub(crate) enum Outcome {
    Run(Box<Report>),
    Census(Census),
}

/// What is taken from a run.
pub(crate) struct Measured {
    pub(crate) name: &'static str,
    pub(crate) axis: &'static str,
    pub(crate) of: fn(&Outcome) -> Option<f64>,
}

/// All clusters at one point of a study together have so many nodes, or are one.
const NODES_PER_POINT: u64 = 600;

/// One run of one point.
#[derive(Clone, Debug)]
pub(crate) struct Trial {
    pub(crate) sweep: usize,
    pub(crate) point: usize,
    pub(crate) seed: u64,
    /// By number of the outcome; nothing where the run did not get that far.
    pub(crate) values: Vec<Option<f64>>,
}

/// All trials of a study, in order.
pub struct Findings {
    pub(crate) study: &'static Study,
    pub(crate) sweeps: Vec<Sweep>,
    pub(crate) trials: Vec<Trial>,
    pub(crate) seeds: u64,
    /// Runs that ended in a panic, or against what must always hold.
    pub broken: Vec<String>,
}

/// Plays all points with `seeds` seeds each and tells how many of how many runs are done.
pub fn conduct(
    study: &'static Study,
    seeds: u64,
    jobs: usize,
    stop: &Stop,
    tell: impl FnMut(usize, usize),
) -> Findings {
    conduct_sweeps(study, (study.sweeps)(), seeds, jobs, stop, tell)
}

fn conduct_sweeps(
    study: &'static Study,
    sweeps: Vec<Sweep>,
    seeds: u64,
    jobs: usize,
    stop: &Stop,
    mut tell: impl FnMut(usize, usize),
) -> Findings {
    let mut tasks = Vec::new();
    for (sweep, parameter) in sweeps.iter().enumerate() {
        for point in 0..parameter.points.len() {
            let seeds = parameter.points[point].subject.seeds(seeds);
            tasks.extend((1..=seeds).map(|seed| (sweep, point, seed)));
        }
    }
    let total = tasks.len();
    let (mut trials, mut broken) = (Vec::new(), Vec::new());
    let work = |(sweep, point, seed): (usize, usize, u64)| {
        (sweep, point, seed, sweeps[sweep].points[point].subject.try_once(study.name, seed))
    };
    each(jobs, tasks.into_iter(), stop, work, |(sweep, point, seed, outcome)| {
        let place = format!("{} at {}, seed {seed}", sweeps[sweep].name, sweeps[sweep].points[point].x);
        let values = match outcome {
            Ok(outcome) => {
                let failures = outcome.report().into_iter().flat_map(|report| &report.failures);
                broken.extend(failures.map(|failure| format!("{place}: {}", failure.text)));
                study.outcomes.iter().map(|measured| (measured.of)(&outcome)).collect()
            }
            Err(RunFailure { message }) => {
                broken.push(format!("{place}: {message}"));
                vec![None; study.outcomes.len()]
            }
        };
        trials.push(Trial { sweep, point, seed, values });
        tell(trials.len(), total);
    });
    trials.sort_by_key(|trial| (trial.sweep, trial.point, trial.seed));
    broken.sort();
    Findings { study, sweeps, trials, seeds, broken }
}

impl Subject {
    /// How many seeds are tried where so many are asked for: one of a thousand nodes says what many would.
    fn seeds(&self, asked: u64) -> u64 {
        match self {
            Subject::Scenario(_) => asked,
            Subject::Cluster(setting) => asked.min((NODES_PER_POINT / setting.nodes as u64).max(1)),
        }
    }

    fn try_once(&self, study: &str, seed: u64) -> Result<Outcome, RunFailure> {
        match self {
            Subject::Scenario(scenario) => {
                let options = RunOptions { seed, ..RunOptions::default() };
                Ok(Outcome::Run(Box::new(play(study, scenario, options)?)))
            }
            Subject::Cluster(setting) => Ok(Outcome::Census(Census::take(setting, seed))),
        }
    }
}

impl Outcome {
    pub(crate) fn report(&self) -> Option<&Report> {
        match self {
            Outcome::Run(report) => Some(report),
            Outcome::Census(_) => None,
        }
    }

    pub(crate) fn census(&self) -> Option<&Census> {
        match self {
            Outcome::Run(_) => None,
            Outcome::Census(census) => Some(census),
        }
    }
}

impl Findings {
    /// Mean and interval of one outcome at one point.
    pub(crate) fn estimate(&self, sweep: usize, point: usize, outcome: usize) -> Option<Estimate> {
        let here = self.trials.iter().filter(|trial| (trial.sweep, trial.point) == (sweep, point));
        Estimate::of(&here.filter_map(|trial| trial.values[outcome]).collect::<Vec<_>>())
    }

    /// Writes tables, figures and page into a directory.
    #[allow(clippy::disallowed_methods, reason = "a study is written for people")]
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        std::fs::create_dir_all(directory)?;
        std::fs::write(directory.join("runs.csv"), self.runs_csv())?;
        std::fs::write(directory.join("points.csv"), self.points_csv())?;
        let mut figures = Vec::new();
        for sweep in 0..self.sweeps.len() {
            for outcome in 0..self.study.outcomes.len() {
                let svg = figure::draw(self, sweep, outcome).map_err(io::Error::other)?;
                let name = format!("{}-{}.svg", self.sweeps[sweep].name, self.study.outcomes[outcome].name);
                std::fs::write(directory.join(&name), &svg)?;
                figures.push((sweep, outcome, svg));
            }
        }
        std::fs::write(directory.join("index.html"), page::of(self, &figures))
    }

    fn runs_csv(&self) -> String {
        let names: Vec<&str> = self.study.outcomes.iter().map(|measured| measured.name).collect();
        let mut text = format!("sweep,series,value,seed,{}\n", names.join(","));
        for trial in &self.trials {
            let (sweep, point) = (&self.sweeps[trial.sweep], &self.sweeps[trial.sweep].points[trial.point]);
            let cells =
                trial.values.iter().map(|value| value.map_or_else(String::new, |value| value.to_string()));
            let cells = cells.collect::<Vec<_>>().join(",");
            let _ = writeln!(text, "{},{},{},{},{cells}", sweep.name, point.series, point.x, trial.seed);
        }
        text
    }

    fn points_csv(&self) -> String {
        let mut text = "sweep,series,value,outcome,runs,mean,low,high,least,most\n".to_owned();
        for (number, sweep) in self.sweeps.iter().enumerate() {
            for (place, point) in sweep.points.iter().enumerate() {
                for (outcome, measured) in self.study.outcomes.iter().enumerate() {
                    let Some(estimate) = self.estimate(number, place, outcome) else { continue };
                    let Estimate { runs, mean, half_width, least, most } = estimate;
                    let (low, high) = (mean - half_width, mean + half_width);
                    let _ = writeln!(
                        text,
                        "{},{},{},{},{runs},{mean},{low},{high},{least},{most}",
                        sweep.name, point.series, point.x, measured.name
                    );
                }
            }
        }
        text
    }
}

/// The study of a name.
pub fn find(name: &str) -> Option<&'static Study> {
    STUDIES.iter().find(|study| study.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(directory: &Path, name: &str) -> String {
        #[allow(clippy::disallowed_methods, reason = "a test reads what was written")]
        let bytes = std::fs::read(directory.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        String::from_utf8(bytes).expect("text")
    }

    /// A study in small: one sweep, each point once, on one thread and on three, gives the same files; and they say what is known
    /// beforehand, that lag grows with the latency of the link.
    #[test]
    fn a_study_is_the_same_whoever_conducts_it_and_tells_the_truth() {
        let study = find("replication-lag").expect("it is there");
        let (one, three) =
            (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let small = |jobs| {
            let sweeps = (study.sweeps)().into_iter().filter(|sweep| sweep.name == "link-latency").collect();
            conduct_sweeps(study, sweeps, 1, jobs, &Stop::default(), |_, _| {})
        };
        let findings = small(1);
        assert_eq!(findings.broken, Vec::<String>::new());
        findings.write(one.path()).expect("it can be written");
        small(3).write(three.path()).expect("it can be written");
        for name in ["runs.csv", "points.csv", "index.html", "link-latency-lag-mean.svg"] {
            assert_eq!(text_of(one.path(), name), text_of(three.path(), name), "{name}");
        }
        let last = findings.sweeps[0].points.len() - 1;
        let mean = |point| findings.estimate(0, point, 0).expect("it was measured").mean;
        assert!(mean(last) > 2.0 * mean(0), "{} and {}", mean(0), mean(last));
        assert!(text_of(one.path(), "index.html").contains("<svg"));
    }

    #[test]
    fn every_point_of_every_study_can_be_played() {
        for study in STUDIES {
            for sweep in (study.sweeps)() {
                for point in sweep.points {
                    let Subject::Scenario(scenario) = point.subject else { continue };
                    let text = scenario.to_text();
                    let read = Scenario::read(study.name, &text);
                    assert!(read.is_ok(), "{} {} at {}: {:?}", study.name, sweep.name, point.x, read.err());
                }
            }
        }
    }
}
