//! What is compared, one part a file.

mod append_log;
mod commands;
mod dataset;
mod memory;
mod snapshot;

use clap::ValueEnum;

use crate::figures::Table;
use crate::interrupt::Interrupt;
use crate::launch::Contender;
use crate::{CompareOptions, Failure};

/// What every part is given.
pub struct Comparison<'a> {
    /// Squall stands first.
    pub contenders: Vec<Contender>,
    pub options: &'a CompareOptions,
    pub interrupt: Interrupt,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Part {
    /// CPU time, throughput and latency of single commands
    Commands,
    /// Memory of connections, keys, and collections of each type
    Memory,
    /// Saving, loading and transferring a million keys
    Dataset,
    /// Latency and memory while a snapshot is written under load
    Snapshot,
    /// What the append-only file costs
    AppendLog,
}

impl Part {
    /// Its name on the command line, and in the marks of a file that holds its figures.
    pub fn name(self) -> String {
        self.to_possible_value().expect("no part is hidden").get_name().to_owned()
    }

    pub fn measure(self, comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
        match self {
            Part::Commands => commands::measure(comparison),
            Part::Memory => memory::measure(comparison),
            Part::Dataset => dataset::measure(comparison),
            Part::Snapshot => snapshot::measure(comparison),
            Part::AppendLog => append_log::measure(comparison),
        }
    }
}

impl Comparison<'_> {
    /// The servers in the order in which they take their turns in this round: none always comes first.
    fn turns(&self, round: usize) -> impl Iterator<Item = usize> {
        let servers = self.contenders.len();
        (0..servers).map(move |turn| (turn + round) % servers)
    }

    /// Room for the figures of all rounds, by server.
    fn no_rounds(&self) -> Vec<Vec<f64>> {
        vec![Vec::new(); self.contenders.len()]
    }
}
