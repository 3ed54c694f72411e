//! The house style, as far as a test can hold it: where things lie, how files begin, what nothing may be called, how
//! long files and functions may be, who may depend on whom. A reviewer's time is for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which crates of the workspace each crate may name. An arrow that is not here may not be drawn.
const ARROWS: &[(&str, &[&str])] = &[
    ("clock", &[]),
    ("resp", &["clock"]),
    ("net", &["clock"]),
    ("store", &["clock", "resp"]),
    ("commands", &["clock", "resp", "store"]),
    ("replication", &["clock", "resp"]),
    ("cluster", &["clock", "resp"]),
    ("node", &["clock", "resp", "store", "commands", "replication", "cluster"]),
    ("server", &["clock", "net", "node"]),
    ("message-world", &["clock", "cluster"]),
    ("sim", &["clock", "net", "resp"]),
    ("scenarios", &["clock", "net", "resp", "server", "sim", "message-world"]),
    ("oracle", &["commands", "net", "resp", "server"]),
    ("bench", &["clock", "net", "resp", "store", "commands", "replication", "node", "server"]),
];

/// Everything that may lie at the top of the repository.
const TOP: &[&str] = &[
    ".cargo",
    ".ci",
    ".git",
    ".github",
    ".gitignore",
    ".gitattributes",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "bench",
    "clippy.toml",
    "docs",
    "engine",
    "fuzz",
    "net",
    "oracle",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "scenarios",
    "sim",
    "target",
];

/// Words that say nothing about what a thing is for.
const BANNED: &[&str] =
    &["util", "utils", "helper", "helpers", "manager", "misc", "impl", "v2", "new", "fast", "optimized"];

const FILE_LINES_MAX: usize = 650;
const FUNCTION_LINES_MAX: usize = 90;
/// Beside what is longer than that, a comment with these words gives the reason.
const REASON: &str = "Long because";

struct Source {
    path: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above its crates")
}

/// All Rust files of the workspace.
#[allow(clippy::disallowed_methods, reason = "the sources lie on a real disk")]
fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder can be read").flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() && !name.starts_with('.') && name != "target" {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = String::from_utf8(std::fs::read(&path).expect("a source can be read"));
                let path = path.strip_prefix(root()).expect("it lies below the root").display().to_string();
                found.push(Source { path, text: text.expect("sources are UTF-8") });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(found.len() > 30, "the sources were not found");
    found
}

fn complain(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_top_of_the_house_holds_what_the_tour_shows() {
    let entries = std::fs::read_dir(root()).expect("the root can be read").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    complain(
        names
            .filter(|name| !TOP.contains(&name.as_str()))
            .map(|name| format!("{name}: has no place"))
            .collect(),
    );
}

#[test]
fn every_file_says_first_what_it_is() {
    let bare = |source: &&Source| !source.text.starts_with("//! ");
    complain(
        sources().iter().filter(bare).map(|source| format!("{}: no `//!` header", source.path)).collect(),
    );
}

#[test]
fn no_name_is_empty_of_meaning() {
    let mut faults = Vec::new();
    for source in sources() {
        let path = Path::new(&source.path);
        for part in path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()) {
            let stem = part.trim_end_matches(".rs").to_owned();
            if stem.split(['_', '-']).any(|word| BANNED.contains(&word)) {
                faults.push(format!("{}: {part} is no name", source.path));
            }
        }
        for (number, line) in source.text.lines().enumerate() {
            if let Some(name) = type_defined_in(line)
                && words_of(name).iter().any(|word| BANNED.contains(&word.as_str()))
            {
                faults.push(format!("{}:{}: {name} is no name", source.path, number + 1));
            }
        }
    }
    complain(faults);
}

#[test]
fn files_and_functions_fit_into_a_head() {
    let mut faults = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        if lines.len() > FILE_LINES_MAX && !lines.iter().take(40).any(|line| line.contains(REASON)) {
            faults.push(format!("{}: {} lines without `{REASON}` in its header", source.path, lines.len()));
        }
        for (number, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let indent = &line[..line.len() - line.trim_start().len()];
            let end = format!("{indent}}}");
            let length = lines[number..].iter().position(|line| *line == end).map_or(1, |length| length + 1);
            let reason = lines[number.saturating_sub(6)..number].iter().any(|line| line.contains(REASON));
            // A declaration without a body, in a trait, ends before any brace.
            let declared = lines[number..number + length].iter().position(|line| line.ends_with(';'));
            let has_body = lines[number..number + length].iter().position(|line| line.ends_with('{'));
            let bodiless = has_body.is_none_or(|body| declared.is_some_and(|declared| declared < body));
            if length > FUNCTION_LINES_MAX && !reason && !bodiless {
                faults.push(format!("{}:{}: a function of {length} lines", source.path, number + 1));
            }
        }
    }
    complain(faults);
}

#[test]
fn nothing_is_left_unfinished_or_about_the_workshop() {
    // Put together here, so that this file does not accuse itself.
    let unfinished = ["TO".to_owned() + "DO", "FIX".to_owned() + "ME", "todo".to_owned() + "!("];
    let unfinished =
        unfinished.into_iter().chain(["unimplemented".to_owned() + "!(", "#[ig".to_owned() + "nore"]);
    let words: Vec<String> = unfinished.chain(["/wo".to_owned() + "rk/"]).collect();
    let mut faults = Vec::new();
    for source in sources() {
        for (number, line) in source.text.lines().enumerate() {
            faults.extend(
                words
                    .iter()
                    .filter(|word| line.contains(*word))
                    .map(|word| format!("{}:{}: {word}", source.path, number + 1)),
            );
        }
    }
    complain(faults);
}

#[test]
fn unsafe_code_lives_in_the_store_alone() {
    let is_root = |path: &str| {
        let file = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        (file == "lib.rs" || file == "main.rs") && path.contains("src/")
    };
    let forbids = |source: &&Source| {
        !is_root(&source.path)
            || source.path.starts_with("engine/store/")
            || source.text.contains("#![forbid(unsafe_code)]")
    };
    let open = sources().into_iter().filter(|source| !forbids(&source));
    complain(open.map(|source| format!("{}: no `#![forbid(unsafe_code)]`", source.path)).collect());
}

#[test]
fn only_the_drawn_arrows_exist() {
    let metadata = MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .other_options(["--offline".to_owned()])
        .exec()
        .expect("cargo can describe the workspace");
    let arrows: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let mut faults = Vec::new();
    for package in &metadata.packages {
        let name = package.name.trim_start_matches("squall-").to_owned();
        let Some(allowed) = arrows.get(name.as_str()) else {
            faults.push(format!("{name}: has no arrows in this test"));
            continue;
        };
        let simulated = ["sim", "scenarios"].contains(&name.as_str());
        for dependency in &package.dependencies {
            let target = dependency.name.trim_start_matches("squall-");
            let ours = dependency.name.starts_with("squall-");
            let drawn = allowed.contains(&target) || dependency.kind != DependencyKind::Normal;
            if ours && !drawn {
                faults.push(format!("{name} -> {target}: not an arrow of the design"));
            }
            // Not even for its tests, and not even optionally: features unite, and the server would link it.
            if !simulated && ["sim", "scenarios", "madsim"].contains(&target) {
                faults.push(format!("{name} -> {target}: production code knows no simulator"));
            }
        }
    }
    complain(faults);
}

#[test]
fn every_entry_of_the_catalogue_has_a_file_and_every_file_an_entry() {
    let files: BTreeSet<String> = std::fs::read_dir(root().join("scenarios/files"))
        .expect("the scenarios can be listed")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".toml").to_owned())
        .collect();
    let entries = squall_scenarios::catalog::ENTRIES.iter().map(|entry| entry.name.to_owned()).collect();
    assert_eq!(files, entries);
}

fn is_function(line: &str) -> bool {
    let code = line.trim_start();
    let prefixes = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async ", "unsafe "];
    let mut rest = code;
    while let Some(shorter) = prefixes.iter().find_map(|prefix| rest.strip_prefix(prefix)) {
        rest = shorter;
    }
    rest.starts_with("fn ")
}

/// The name of the type that a line begins to define.
fn type_defined_in(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
    ["struct", "enum", "trait", "type"].contains(&words.next()?).then_some(())?;
    let name = words.next()?;
    Some(&name[..name.find(|c: char| !c.is_alphanumeric()).unwrap_or(name.len())])
}

/// `FastTable` is made of `fast` and `table`.
fn words_of(name: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for letter in name.chars() {
        if letter.is_uppercase() || words.is_empty() {
            words.push(String::new());
        }
        words.last_mut().expect("a word was begun").extend(letter.to_lowercase());
    }
    words
}

#[test]
fn the_rules_themselves_see_what_they_should() {
    assert_eq!(words_of("FastTable"), ["fast", "table"]);
    assert_eq!(type_defined_in("pub(crate) struct LinkManager<T> {"), Some("LinkManager"));
    assert_eq!(type_defined_in("    let structure = 1;"), None);
    assert!(is_function("    pub(crate) async fn live<T>("));
    assert!(!is_function("    // fn of old"));
}
