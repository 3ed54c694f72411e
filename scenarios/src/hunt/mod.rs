//! A hunt: seed after seed of a scenario, on several threads, until time or the range is over. It counts which marks
//! (rare turns of a node's life) each seed reaches and goes back to the families that reach rare ones.
//!
//! Which seeds a hunt with a time limit tries depends on how fast it goes; what a seed gives never does. Memory
//! stays flat: of a run that passed, only its numbers are kept.

pub mod cluster_swarm;
mod ordeals;
pub mod swarm;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use squall_clock::Nanos;
use squall_server::{Mark, Marks};

use crate::catalog::Source;
use crate::fleet::{Stop, each};
use crate::seeds::{Seeds, Shard};
use crate::stage::{RunOptions, play};

/// What one seed gave.
#[derive(Clone, Debug)]
pub struct Catch {
    pub seed: u64,
    /// What went wrong, a line each.
    pub failures: Vec<String>,
    pub panicked: bool,
    pub marks: Marks,
    pub simulated: Nanos,
    pub events: u64,
    pub operations: u64,
}

/// What all seeds so far gave.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Whether marks of clusters can be reached.
    pub is_clustered: bool,
    pub seeds: u64,
    pub simulated: Nanos,
    pub events: u64,
    pub operations: u64,
    /// How many seeds reached a mark, and which was the first.
    pub marks: BTreeMap<Mark, (u64, u64)>,
    /// The lowest seed of each kind, with how many there were of that kind.
    pub findings: Vec<Finding>,
}

#[derive(Clone, Debug)]
pub struct Finding {
    pub first: Catch,
    pub count: u64,
}

/// Which seeds are tried.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    pub seeds: Seeds,
    pub shard: Shard,
    /// Whether to leave the range for other courses of families that reached something rare.
    pub roams: bool,
}

/// Every so many seeds one is a new course of a family that is worth it.
const ROAM_EVERY: u64 = 4;
const FAMILIES_MAX: usize = 128;
const FINDINGS_MAX: usize = 50;

/// Hunts until the ground is covered or a stop is asked for, and tells of each seed as it ends.
pub fn hunt(
    source: &Source,
    ground: Ground,
    jobs: usize,
    stop: &Stop,
    mut tell: impl FnMut(&Catch, &Tally),
) -> Tally {
    let trail = Mutex::new(Trail::over(ground));
    let next = std::iter::from_fn(|| trail.lock().unwrap_or_else(PoisonError::into_inner).next());
    let mut tally = Tally { is_clustered: source.is_clustered(), ..Tally::default() };
    each(
        jobs,
        next,
        stop,
        |seed| try_seed(source, seed),
        |catch| {
            tally.add(&catch);
            if ground.roams {
                trail.lock().unwrap_or_else(PoisonError::into_inner).learn(&catch);
            }
            tell(&catch, &tally);
        },
    );
    tally
}

fn try_seed(source: &Source, seed: u64) -> Catch {
    let found = source.at(seed);
    match play(&found.name, &found.scenario, RunOptions::verdict(seed)) {
        Ok(report) => Catch {
            seed,
            failures: report.failures.iter().map(|failure| failure.text.clone()).collect(),
            panicked: false,
            marks: report.marks,
            simulated: report.simulated,
            events: report.events,
            operations: report.operations,
        },
        Err(panic) => Catch {
            seed,
            failures: vec![format!("the run panicked: {panic}")],
            panicked: true,
            marks: Marks::default(),
            simulated: Nanos::ZERO,
            events: 0,
            operations: 0,
        },
    }
}

/// Which seed comes next.
struct Trail {
    fresh: Box<dyn Iterator<Item = u64> + Send>,
    roams: bool,
    given: u64,
    families: Vec<Family>,
    /// How many seeds reached each mark.
    reached: BTreeMap<Mark, u64>,
}

struct Family {
    number: u64,
    marks: Marks,
    /// The last one that was tried.
    course: u64,
}

impl Trail {
    fn over(ground: Ground) -> Trail {
        let fresh = Box::new(ground.seeds.of(ground.shard));
        Trail { fresh, roams: ground.roams, given: 0, families: Vec::new(), reached: BTreeMap::new() }
    }

    fn next(&mut self) -> Option<u64> {
        self.given += 1;
        if self.roams && self.given.is_multiple_of(ROAM_EVERY) {
            let worth = self.families.iter().map(|family| self.worth(family)).enumerate();
            if let Some((best, _)) = worth.max_by(|one, other| one.1.total_cmp(&other.1)) {
                let family = &mut self.families[best];
                family.course += 1;
                return Some(swarm::with_course(family.number, family.course));
            }
        }
        self.fresh.next()
    }

    /// How rare that is which the family reached; less with each course that was tried.
    fn worth(&self, family: &Family) -> f64 {
        let rarity: f64 = family.marks.iter().map(|mark| 1.0 / self.reached[&mark] as f64).sum();
        rarity * 0.8_f64.powi(i32::try_from(family.course).unwrap_or(i32::MAX))
    }

    fn learn(&mut self, catch: &Catch) {
        for mark in catch.marks.iter() {
            *self.reached.entry(mark).or_default() += 1;
        }
        let number = swarm::family_of(catch.seed);
        match self.families.iter_mut().find(|family| family.number == number) {
            Some(known) => known.marks.join(catch.marks),
            None => self.families.push(Family { number, marks: catch.marks, course: 0 }),
        }
        self.families.retain(|family| family.course < swarm::COURSES_MAX);
        if self.families.len() > FAMILIES_MAX {
            let mut worth: Vec<(f64, Family)> = std::mem::take(&mut self.families)
                .into_iter()
                .map(|family| (self.worth(&family), family))
                .collect();
            worth.sort_by(|one, other| other.0.total_cmp(&one.0));
            self.families = worth.into_iter().take(FAMILIES_MAX / 2).map(|(_, family)| family).collect();
        }
    }
}

impl Catch {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// What went wrong with its numbers and names left out: what is alike in this is one finding.
    fn kind(&self) -> String {
        let first = self.failures.first().map_or("", String::as_str);
        first.chars().filter(|c| !c.is_ascii_digit()).take(120).collect()
    }
}

impl Tally {
    pub fn add(&mut self, catch: &Catch) {
        self.seeds += 1;
        self.simulated = Nanos(self.simulated.0 + catch.simulated.0);
        self.events += catch.events;
        self.operations += catch.operations;
        for mark in catch.marks.iter() {
            let (count, first) = self.marks.entry(mark).or_insert((0, catch.seed));
            // Runs end in another order where several go on at a time; what is told must not tell.
            (*count, *first) = (*count + 1, catch.seed.min(*first));
        }
        if catch.passed() {
            return;
        }
        let (kind, room) = (catch.kind(), self.findings.len() < FINDINGS_MAX);
        match self.findings.iter_mut().find(|finding| finding.first.kind() == kind) {
            Some(finding) => {
                finding.count += 1;
                if catch.seed < finding.first.seed {
                    finding.first = catch.clone();
                }
            }
            None if room => {
                self.findings.push(Finding { first: catch.clone(), count: 1 });
            }
            None => {}
        }
    }

    pub fn failed(&self) -> u64 {
        self.findings.iter().map(|finding| finding.count).sum()
    }

    /// Those that no seed has reached, and that one could.
    pub fn never_reached(&self) -> impl Iterator<Item = Mark> + '_ {
        // FAILOVER is not for nodes of a cluster.
        let can_be = |mark: &Mark| match self.is_clustered {
            true => !matches!(mark, Mark::FailedOver | Mark::FailoverEnded),
            false => !mark.is_of_cluster(),
        };
        Mark::ALL.iter().copied().filter(can_be).filter(|mark| !self.marks.contains_key(mark))
    }

    pub fn to_json(&self, scenario: &str) -> Value {
        let mut findings: Vec<&Finding> = self.findings.iter().collect();
        findings.sort_by_key(|finding| finding.first.seed);
        let findings = findings.into_iter().map(|finding| {
            json!({
                "seed": finding.first.seed, "failures": finding.first.failures, "count": finding.count,
                "panicked": finding.first.panicked,
                "replay": format!("squall run {scenario} --seed {}", finding.first.seed),
            })
        });
        let marks: serde_json::Map<_, _> = Mark::ALL
            .iter()
            .map(|mark| {
                let (count, first) = self.marks.get(mark).copied().unwrap_or((0, 0));
                (mark.name().to_owned(), json!({ "seeds": count, "first_seed": first }))
            })
            .collect();
        json!({
            "scenario": scenario, "seeds": self.seeds, "failed": self.failed(),
            "simulated_seconds": self.simulated.0 as f64 / 1e9,
            "events": self.events, "operations": self.operations,
            "findings": findings.collect::<Vec<_>>(), "marks": marks,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catch(seed: u64, marks: &[Mark], failures: &[&str]) -> Catch {
        let mut set = Marks::default();
        marks.iter().for_each(|mark| set.reach(*mark));
        let failures = failures.iter().map(|text| (*text).to_owned()).collect();
        Catch {
            seed,
            failures,
            panicked: false,
            marks: set,
            simulated: Nanos::from_secs(10),
            events: 5,
            operations: 7,
        }
    }

    #[test]
    fn a_trail_goes_back_to_the_family_that_reached_something_rare() {
        let ground = Ground { seeds: Seeds { first: 1, last: 100 }, shard: Shard::default(), roams: true };
        let mut trail = Trail::over(ground);
        for seed in 1..=9 {
            let marks = if seed == 6 {
                &[Mark::FullSyncServed, Mark::LoadFailed][..]
            } else {
                &[Mark::FullSyncServed]
            };
            trail.learn(&catch(seed, marks, &[]));
        }
        let seeds: Vec<u64> = (0..8).filter_map(|_| trail.next()).collect();
        assert_eq!(seeds, [1, 2, 3, swarm::with_course(6, 1), 4, 5, 6, swarm::with_course(6, 2)]);
    }

    #[test]
    fn a_tally_tells_findings_apart_and_marks_never_reached() {
        let mut tally = Tally::default();
        tally.add(&catch(7, &[Mark::Promoted], &["lost-writes is 3; at most 0 expected"]));
        tally.add(&catch(2, &[Mark::Promoted], &["lost-writes is 17; at most 0 expected"]));
        tally.add(&catch(3, &[], &["the nodes did not agree again within 90 s"]));
        assert_eq!(tally.findings.iter().map(|finding| finding.count).collect::<Vec<_>>(), [2, 1]);
        assert_eq!((tally.failed(), tally.marks[&Mark::Promoted]), (3, (2, 2)));
        assert_eq!(tally.findings[0].first.seed, 2, "the order in which runs end decides nothing");
        assert!(tally.never_reached().all(|mark| mark != Mark::Promoted && !mark.is_of_cluster()));
        let of_cluster = Tally { is_clustered: true, ..tally.clone() };
        assert_eq!(of_cluster.never_reached().count(), Mark::ALL.len() - 3, "one was reached, two cannot be");
        assert_eq!(tally.to_json("swarm")["marks"]["promoted"]["seeds"], 2);
    }
}
