//! Planted bugs stay plantable: what each replaces is still there, and who must notice it still exists. Whether it is
//! noticed costs a build of the server for each; `cargo run --bin planted` tells.

use std::path::Path;

use squall_scenarios::catalog::source;
use squall_scenarios::planted::Planted;

#[test]
fn every_planted_bug_can_still_be_planted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above its crates");
    let all = Planted::all(root).unwrap_or_else(|error| panic!("{error}"));
    assert!(all.len() > 5, "the planted bugs were not found");
    let mut faults = Vec::new();
    for planted in &all {
        faults.extend(planted.planted_texts(root).err());
        let unknown = planted.bug.caught_by.iter().filter_map(|name| source(name).err());
        faults.extend(unknown.map(|error| format!("{}: {error}", planted.name)));
        if planted.bug.caught_by.is_empty() || planted.bug.tells.is_empty() {
            faults.push(format!("{}: says neither what it is nor who notices it", planted.name));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}
