//! The server program that is put to the test: where it lies, what it says that it is, and the configuration that
//! makes a node of a scenario out of it. Every node has an address of its own on loopback: its peers and clients reach it
//! at the port of its proxy, and it dials from that address, so that the proxies know who calls.

#![allow(clippy::disallowed_methods, reason = "real programs lie on a real disk")]

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;

use squall_net::Address;

use super::process::on_path;
use crate::file::{NodeSpec, Scenario};
use crate::formation::BUS_PORT_STEP;

pub(super) const CONFIG_FILE: &str = "server.conf";
/// nodes.conf, where no directive says otherwise.
pub(super) const CLUSTER_FILE: &str = "nodes.conf";

/// A server program, Squall's or another's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerProgram {
    pub path: PathBuf,
    /// As it calls itself, with its version.
    pub name: String,
}

/// Where a server is: what its peers are told, and where it really listens.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) ip: Ipv4Addr,
    pub(super) port: u16,
    pub(super) behind: u16,
}

impl ServerProgram {
    /// The program at a path, of that name beside this program, or of that name on PATH.
    pub fn find(given: &str) -> Result<ServerProgram, String> {
        let beside = || {
            let file = std::env::current_exe().ok()?.parent()?.join(given);
            file.is_file().then_some(file)
        };
        let path = match given.contains('/') {
            true => Some(PathBuf::from(given)).filter(|path| path.is_file()),
            false => beside().or_else(|| on_path(given)),
        };
        let path = path.ok_or_else(|| format!("{given}: no such program, here or on PATH"))?;
        // A link is not followed: some programs are several, and know by their name which.
        let path = std::path::absolute(path).map_err(|error| format!("{given}: {error}"))?;
        let output = Command::new(&path).arg("--version").output();
        let output = output.map_err(|error| format!("{}: {error}", path.display()))?;
        let name = name_of(&path, &String::from_utf8_lossy(&output.stdout));
        Ok(ServerProgram { path, name })
    }
}

/// The name of the program, and the first thing in what it says that looks like a version.
fn name_of(path: &Path, said: &str) -> String {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let is_version = |word: &&str| word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit());
    let mut words = said.split([' ', '=', ',', '\n']).map(|word| word.trim_start_matches('v'));
    match words.find(is_version) {
        Some(version) => format!("{file} {version}"),
        None => file.into_owned(),
    }
}

/// redis.conf of a node: the scenario's, and behind it, where it counts, where everybody is.
pub(super) fn config_text(
    scenario: &Scenario,
    spec: &NodeSpec,
    place: &Place,
    primary: Option<&Address>,
    directory: &Path,
) -> String {
    let Place { ip, port, behind } = place;
    let mut text = scenario.config_text(&NodeSpec { replica_of: None, ..spec.clone() });
    let mut say = |name: &str, value: &dyn std::fmt::Display| text.push_str(&format!("{name} {value}\n"));
    say("bind", ip);
    say("port", behind);
    say("dir", &directory.display());
    say("bind-source-addr", ip);
    say("replica-announce-ip", ip);
    say("replica-announce-port", port);
    say("cluster-announce-ip", ip);
    say("cluster-announce-port", port);
    say("cluster-announce-bus-port", &(port + BUS_PORT_STEP));
    if let Some(Address { host, port }) = primary {
        say("replicaof", &format!("{host} {port}"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_called_as_they_call_themselves() {
        let redis =
            "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=ae4d7c971a948f0";
        assert_eq!(name_of(Path::new("/usr/bin/redis-server"), redis), "redis-server 7.0.15");
        assert_eq!(
            name_of(Path::new("a/squall-server"), "squall-server 0.1.0, as Redis 8.2.1\n"),
            "squall-server 0.1.0"
        );
        assert_eq!(name_of(Path::new("mine"), "hello"), "mine");
    }
}
