//! ioredis, the usual client of Node.js, put through its paces by `ioredis.js`.

use std::process::Command;

use crate::harness::{Server, words};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop/ioredis.js");
/// Where `.ci/run` puts the package.
const PACKAGES: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/node/node_modules");

#[test]
fn ioredis_works_as_its_users_expect() {
    // The package may be installed for all, too.
    let path = std::env::var("NODE_PATH").map_or(PACKAGES.to_owned(), |path| format!("{PACKAGES}:{path}"));
    let variable = format!("NODE_PATH={path}");
    let found = Command::new("env").args([&variable, "node", "-e", "require('ioredis')"]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: no node with the ioredis package");
        return;
    }
    let server = Server::squall(&[]);
    let said = words("env", &[&variable, "node", SCRIPT, &server.port().to_string()], b"");
    assert!(said.ends_with("all is well\n"), "{said}");
}
