//! `squall-bench`: measures Squall beside other servers on this machine.
//!
//! The command line only. What is measured and how stands in `compare`; the criterion benches, which
//! measure parts of the server without sockets, stand in `benches/`.
#![forbid(unsafe_code)]
#![allow(
    clippy::disallowed_methods,
    reason = "this crate measures the real machine: its clock, files and processes"
)]

mod compare;
mod contents;
mod conversation;
mod figures;
mod interrupt;
mod launch;
mod load;
mod pace;
mod parts;
mod process;
mod report;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use parts::Part;

/// An error that ends the run; its text is for the person at the terminal.
type Failure = Box<dyn Error + Send + Sync>;

/// Measures Squall beside other Redis-compatible servers on this machine.
#[derive(Parser)]
#[command(name = "squall-bench", version)]
struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    Compare(CompareOptions),
}

/// Measures Squall and its peers side by side, part by part, and prints tables with ratios and goals
///
/// Every server listens on 127.0.0.1, pinned to one core; the load is pinned to another. The servers take turns
/// for several rounds, so that whatever else the machine does disturbs all of them alike; figures are medians
/// over the rounds, and ratios are medians of the rounds' ratios.
///
/// CPU time is the server's own, from /proc/PID: it is the figure to trust on a busy machine. All
/// parts with 5 rounds take about 25 minutes.
///
/// Build both in release first:
///     cargo build --release -p squall-server
///     cargo run --release -p squall-bench -- compare --peer redis-server
///
/// A quick look at two commands:
///     cargo run --release -p squall-bench -- compare --parts commands --tests get,set --rounds 3
#[derive(Args)]
#[command(verbatim_doc_comment)]
pub struct CompareOptions {
    /// What to measure
    #[arg(long, value_name = "PART,...", value_delimiter = ',', value_enum, default_values_t = <Part as clap::ValueEnum>::value_variants().to_vec())]
    parts: Vec<Part>,
    /// A server to compare with: a program on the PATH or a path; may be repeated
    #[arg(long = "peer", value_name = "PROGRAM", default_value = "redis-server")]
    peers: Vec<PathBuf>,
    /// Squall's own binary [default: squall-server beside this program]
    #[arg(long, value_name = "PATH")]
    server: Option<PathBuf>,
    /// Requests of one run without pipelining; a run with a pipeline of N sends N/2 times as many
    #[arg(long, value_name = "N", default_value_t = 250_000)]
    requests: u64,
    /// How often each server takes its turn at each test
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Connections of the load
    #[arg(long, value_name = "N", default_value_t = 50)]
    clients: u32,
    /// Depths of pipelining to measure
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_values_t = [1, 16])]
    pipelines: Vec<u32>,
    /// Commands to measure, by the names in their table [default: all]
    #[arg(long, value_name = "TEST,...", value_delimiter = ',')]
    tests: Vec<String>,
    /// The core that the servers run on
    #[arg(long, value_name = "CORE", default_value_t = 0)]
    server_core: usize,
    /// The core that the load comes from: this program
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    load_core: usize,
    /// Print JSON in place of the tables
    #[arg(long)]
    json: bool,
    /// Also put the tables of each part between the lines `<!-- PART -->` and `<!-- /PART -->` of this file
    #[arg(long, value_name = "FILE")]
    into: Option<PathBuf>,
}

fn main() -> ExitCode {
    let Action::Compare(options) = CommandLine::parse().action;
    match compare::compare(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("squall-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
