//! `squall-oracle`: compares Squall with a real server by generated commands. The command line only.
#![forbid(unsafe_code)]
#![allow(clippy::disallowed_methods, reason = "the comparison says how long it took")]

use std::collections::BTreeSet;
use std::io;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use squall_oracle::family::{FAMILIES, Family};
use squall_oracle::play::Duel;
use squall_oracle::sequence::Sequence;
use squall_oracle::server::Place;
use squall_oracle::{show, shrink};

/// Compares Squall with a real server by generated commands
///
/// Each seed of each family draws a sequence: something to work on, then commands as the command table describes
/// them, with arguments that are valid, nearly valid or hostile, from two clients in RESP2 or RESP3, in
/// transactions, from scripts, on keys of any type. Replies, waiting, events, what replicas are sent and the
/// datasets are compared. A difference is made as short as it will be, and shown as lines for redis-cli with both
/// replies.
///
/// Both servers are started here, on sockets of their own, and ended. A server at HOST:PORT is taken as it is:
/// ITS DATASET, FUNCTIONS AND SETTINGS ARE OVERWRITTEN.
///
/// Examples:
///   squall-oracle                                          all families, a few seeds, Debian's redis-server
///   squall-oracle --seeds 1..5000 --families hashes,streams
///   squall-oracle --seeds 4711 --families scripts          one sequence again
///   squall-oracle --reference ./valkey-server              another server; only what it knows is asked
///   squall-oracle --reference ./redis-server --missing     what that server has, and Squall has not
///   squall-oracle --squall 127.0.0.1:6379                  a Squall that runs already (a debugger in it, say)
///
/// The exit status is 0 where nothing differs, 1 where something does, 2 where a server does not start.
#[derive(Parser)]
#[command(name = "squall-oracle", version, verbatim_doc_comment)]
struct CommandLine {
    /// The server to compare with: a program on the PATH, a path, or HOST:PORT
    #[arg(long, value_name = "SERVER", default_value = "redis-server")]
    reference: Place,
    /// Squall: a path or HOST:PORT [default: a server within this program]
    #[arg(long, value_name = "SERVER")]
    squall: Option<Place>,
    /// Which sequences to draw: one number, or FIRST..LAST, both included
    #[arg(long, value_name = "SEEDS", default_value = "1..100", value_parser = seeds)]
    seeds: RangeInclusive<u64>,
    /// Families to draw from; see --list [default: all]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    families: Vec<String>,
    /// Stop after so many differences of a family
    #[arg(long, value_name = "N", default_value_t = 3)]
    differences: usize,
    /// A parameter for both servers, as in redis.conf: --with 'maxmemory-policy allkeys-lfu'
    #[arg(long = "with", value_name = "PARAMETER VALUE")]
    parameters: Vec<String>,
    /// Show the families, then exit
    #[arg(long)]
    list: bool,
    /// Show the commands and words that the reference has and Squall has not, then exit
    #[arg(long)]
    missing: bool,
    /// Show each sequence before it is played
    #[arg(long)]
    verbose: bool,
}

fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let number =
        |text: &str| text.trim_start_matches('=').parse::<u64>().map_err(|_| format!("'{text}' is no seed"));
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        return Err(format!("no seed lies between {first} and {last}"));
    }
    Ok(first..=last)
}

fn main() -> ExitCode {
    let options = CommandLine::parse();
    if options.list {
        for family in FAMILIES {
            println!("{:14} {}", family.name, family.about);
        }
        return ExitCode::SUCCESS;
    }
    match run(&options) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(error) => {
            eprintln!("squall-oracle: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &CommandLine) -> io::Result<usize> {
    let parameters: Vec<String> = options
        .parameters
        .iter()
        .flat_map(|parameter| {
            let (name, value) = parameter.split_once(' ').unwrap_or((parameter, ""));
            [format!("--{name}"), value.to_owned()]
        })
        .collect();
    let squall = options.squall.clone().unwrap_or(Place::Here);
    let mut duel = Duel::start(options.reference.clone(), squall, [parameters.clone(), parameters])?;
    if options.missing {
        let missing = duel.missing()?;
        missing.iter().for_each(|line| println!("{line}"));
        return Ok(missing.len());
    }
    let families = chosen(&options.families)?;
    println!("Squall beside {}", duel.reference.name);
    let mut total = 0;
    for family in families {
        total += compare(&mut duel, family, options)?;
    }
    Ok(total)
}

fn chosen(names: &[String]) -> io::Result<Vec<&'static Family>> {
    if names.is_empty() {
        return Ok(FAMILIES.iter().collect());
    }
    let find = |name: &String| {
        Family::by_name(name)
            .ok_or_else(|| io::Error::other(format!("there is no family '{name}'; see --list")))
    };
    names.iter().map(find).collect()
}

fn compare(duel: &mut Duel, family: &Family, options: &CommandLine) -> io::Result<usize> {
    let start = Instant::now();
    let (mut played, mut steps, mut found) = (0, 0, 0);
    let mut seen = BTreeSet::new();
    for seed in options.seeds.clone() {
        let sequence = Sequence::draw(family, seed, &duel.reference);
        if options.verbose {
            println!("{} {seed}", family.name);
            sequence
                .steps
                .iter()
                .for_each(|step| println!("  {}> {}", step.client, show::request(&step.words)));
        }
        (played, steps) = (played + 1, steps + sequence.steps.len());
        if let Some(difference) = duel.play(&sequence)? {
            let before = difference.signature();
            if !seen.insert(before.clone()) {
                continue;
            }
            // Made shorter, it may turn out to be one that is known; or it is still the same.
            let (sequence, difference) = shrink::shrink(duel, sequence, difference)?;
            if difference.signature() != before && !seen.insert(difference.signature()) {
                continue;
            }
            let story = show::story(&duel.reference.name, &sequence, &difference);
            println!("\n{}, seed {seed}:\n{story}\n", family.name);
            found += 1;
            if found == options.differences {
                break;
            }
        }
    }
    let took_s = start.elapsed().as_secs_f64();
    println!("{:14} {played} sequences, {steps} requests, {found} differences, {took_s:.1} s", family.name);
    Ok(found)
}
