//! The comparison: which parts are measured, and where their figures go.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::interrupt::Interrupt;
use crate::launch::Contender;
use crate::parts::Comparison;
use crate::{CompareOptions, Failure, report};

pub fn compare(options: &CompareOptions) -> Result<(), Failure> {
    let mut contenders = vec![Contender::squall(options.server.as_deref())?];
    for peer in &options.peers {
        let name = peer.file_name().unwrap_or(peer.as_os_str()).to_string_lossy().into_owned();
        contenders.push(Contender::new(name, peer)?);
    }
    if options.rounds == 0 || options.requests == 0 {
        return Err("--rounds and --requests must be at least 1".into());
    }
    keep_to(options.load_core)?;
    let comparison = Comparison { contenders, options, interrupt: Interrupt::watch()? };
    let mut measured = BTreeMap::new();
    for part in &options.parts {
        let tables = part.measure(&comparison)?;
        let text = head(&comparison) + &report::markdown(&tables, &names(&comparison));
        if !options.json {
            println!("{text}");
        }
        if let Some(file) = &options.into {
            put_into(file, &part.name(), &text)?;
        }
        measured.insert(part.name(), tables);
    }
    if options.json {
        println!("{}", serde_json::to_string_pretty(&measured)?);
    }
    Ok(())
}

/// Keeps this program, which writes at a steady rate itself, to one core: beside a server it would wait for that one's
/// turns to end, and count them as latency.
fn keep_to(core: usize) -> Result<(), Failure> {
    if core >= CpuSet::MAX_CPU {
        return Err(format!("--load-core {core}: there is no such core").into());
    }
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).map_err(|error| format!("--load-core {core}: {error}").into())
}

fn names(comparison: &Comparison<'_>) -> Vec<String> {
    comparison.contenders.iter().map(|one| one.name.clone()).collect()
}

fn head(comparison: &Comparison<'_>) -> String {
    let servers: String =
        comparison.contenders.iter().map(|one| format!("- {}: {}\n", one.name, one.version)).collect();
    let (rounds, clients) = (comparison.options.rounds, comparison.options.clients);
    format!("{servers}\n{rounds} rounds, {clients} clients. A ratio is Squall's figure over the peer's.\n")
}

/// Replaces what stands between the two marks of a part, and nothing else.
fn put_into(file: &Path, part: &str, text: &str) -> Result<(), Failure> {
    let (begin, end) = (format!("<!-- {part} -->\n"), format!("<!-- /{part} -->"));
    let old = fs::read_to_string(file)?;
    let parts = old.split_once(&begin).and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
    let (head, tail) =
        parts.ok_or_else(|| format!("{} has no lines {begin:?} and {end:?}", file.display()))?;
    fs::write(file, format!("{head}{begin}{text}{end}{tail}"))?;
    Ok(())
}
