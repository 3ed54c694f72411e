//! ioredis, the usual client of Node.js, put through its paces by `ioredis.js`.

use std::process::Command;

use crate::harness::{Server, words};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/ioredis.js");
/// Where `.ci/run` puts the package.
const PACKAGES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/node/node_modules");

/// Where node shall look for the package, as a word of `env`; none where it is not installed.
pub fn ioredis_path() -> Option<String> {
    // The package may be installed for all, too.
    let path = std::env::var("NODE_PATH").map_or(PACKAGES.to_owned(), |path| format!("{PACKAGES}:{path}"));
    let variable = format!("NODE_PATH={path}");
    let found = Command::new("env").args([&variable, "node", "-e", "require('ioredis')"]).output();
    found.is_ok_and(|output| output.status.success()).then_some(variable)
}

#[test]
fn ioredis_works_as_its_users_expect() {
    let Some(path) = ioredis_path() else {
        eprintln!("skipped: no node with the ioredis package");
        return;
    };
    let server = Server::squall(&[]);
    let said = words("env", &[&path, "node", SCRIPT, &server.port().to_string()], b"");
    assert!(said.ends_with("all is well\n"), "{said}");
}
