//! `squall shrink`: from a failing seed to the smallest scenario file that fails alike.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use squall_scenarios::catalog::source;
use squall_scenarios::fleet::Stop;
use squall_scenarios::shrink::{Extent, shrink};

use crate::progress::Line;
use crate::{CANNOT_BE_PLAYED, complain, say};

#[derive(Args)]
pub struct ShrinkArguments {
    /// The name of a scenario, `swarm`, or the path of a file.
    scenario: String,
    /// The seed with which it fails.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes the smaller scenario there instead of printing it.
    #[arg(long, value_name = "FILE.toml")]
    out: Option<PathBuf>,
}

pub fn run(arguments: ShrinkArguments) -> ExitCode {
    let ShrinkArguments { scenario, seed, out } = arguments;
    let found = match source(&scenario) {
        Ok(source) => source.at(seed),
        Err(error) => return complain(CANNOT_BE_PLAYED, &error),
    };
    let stop = Stop::default();
    // ^C ends it with the smallest so far.
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGINT, stop.flag()) {
        return complain(CANNOT_BE_PLAYED, &error);
    }
    let mut line = Line::default();
    let tell = |tried, extent| line.show(&format!("{} tried, now {}", tried, told(extent)));
    let Ok(shrunk) = shrink(&found.scenario, seed, &stop, tell) else {
        return complain(
            CANNOT_BE_PLAYED,
            &format!("{scenario} passes with seed {seed}: there is no failure to shrink"),
        );
    };
    line.clear();
    let text = shrunk.to_text(&scenario, seed);
    eprintln!("{}", shrunk.failure);
    eprintln!("  before     {}\n  after      {}", told(shrunk.before), told(shrunk.after));
    eprintln!("  tried      {} smaller scenarios", shrunk.tried);
    let Some(path) = out else {
        say(&text);
        return ExitCode::SUCCESS;
    };
    #[allow(clippy::disallowed_methods, reason = "the scenario is written for people")]
    match std::fs::write(&path, text) {
        Ok(()) => {
            eprintln!("  replay     squall run {} --seed {seed}", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => complain(CANNOT_BE_PLAYED, &format!("{}: {error}", path.display())),
    }
}

fn told(extent: Extent) -> String {
    let Extent { nodes, clients, faults, orders, operations } = extent;
    format!("{nodes} nodes, {clients} clients, {faults} faults, {orders} orders, {operations} operations")
}
