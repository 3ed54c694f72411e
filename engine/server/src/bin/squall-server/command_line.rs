//! What the arguments ask for. `squall-server [file|-] [--name value ...]`, as `redis-server`; the
//! parameters themselves are known to `squall_commands`' configuration.
#![allow(clippy::disallowed_methods, reason = "configuration files are read before there is a host")]

use std::io::Read;

use squall_node::check::FileKind;
use squall_node::{Config, REDIS_VERSION, SQUALL_VERSION};

use crate::check::Task;

const HELP: &str = "\
Squall, a Redis-compatible server.

Usage: squall-server [FILE | -] [--PARAMETER VALUE ...]

  FILE                 a configuration file in redis.conf's syntax
  -                    the same, read from standard input
  --PARAMETER VALUE    any parameter of that file; it wins over the file

  --check-rdb FILE     whether an RDB file is whole, then exit
  --check-aof [--fix] FILE|MANIFEST
                       the same for an append-only file, by its manifest or one by one; --fix cuts off
                       what can't be loaded at its end, and keeps that beside it

  -v, --version        the versions, then exit
  -h, --help           this page, then exit

Without arguments it serves 127.0.0.1:6379 and keeps its data in the current directory.

Examples:
  squall-server                                      try it: redis-cli ping
  squall-server /etc/squall.conf                     as a service
  squall-server --port 7000 --save '' --daemonize yes
  squall-server --port 7001 --replicaof 127.0.0.1 7000
  echo 'maxmemory 1gb' | squall-server - --loglevel verbose

Any Redis client speaks to it. CONFIG GET '*' lists the parameters, CONFIG SET changes them while it
runs, CONFIG REWRITE writes the changes back to FILE. SIGTERM or Ctrl-C saves the dataset where save points
are set, then ends; Ctrl-C twice ends at once.";

pub enum Invocation {
    Serve {
        config: Box<Config>,
        /// What standard input held, if the configuration came from there.
        source: Vec<u8>,
    },
    Say(String),
    Check(Task),
}

pub fn read(arguments: Vec<String>) -> Result<Invocation, String> {
    match arguments.first().map(String::as_str) {
        Some("-v" | "--version") => return Ok(Invocation::Say(version())),
        Some("-h" | "--help") => return Ok(Invocation::Say(HELP.to_owned())),
        Some("--check-rdb") => return check(FileKind::Rdb, &arguments[1..]),
        Some("--check-aof") => return check(FileKind::Log, &arguments[1..]),
        _ => {}
    }
    let mut source = Vec::new();
    let mut files = |path: &str| configuration_files(path, &mut source);
    let mut config =
        Config::from_command_line(&arguments, &mut files).map_err(|error| format!("{error}\nTry --help."))?;
    if arguments.is_empty() {
        // Whoever just tries it is served on this machine alone.
        config.bind = vec!["127.0.0.1".to_owned(), "-::1".to_owned()];
    }
    Ok(Invocation::Serve { config: Box::new(config), source })
}

fn check(kind: FileKind, arguments: &[String]) -> Result<Invocation, String> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (path, fix) = match (kind, words.as_slice()) {
        (FileKind::Log, ["--fix", path]) => (path, true),
        (_, [path]) if !path.starts_with("--") => (path, false),
        _ => return Err("Usage: --check-rdb FILE, or --check-aof [--fix] FILE|MANIFEST.".to_owned()),
    };
    Ok(Invocation::Check(Task { kind, path: path.into(), fix }))
}

/// Tools look for ` v=` to learn which Redis they speak to.
pub fn version() -> String {
    let bits = usize::BITS;
    format!(
        "Squall server {SQUALL_VERSION}, compatible with Redis v={REDIS_VERSION} malloc=jemalloc bits={bits}"
    )
}

/// The files that a path of the configuration names, in order. `*` and `?` stand for what they do in a shell.
fn configuration_files(path: &str, source: &mut Vec<u8>) -> Result<Vec<(String, Vec<u8>)>, String> {
    if path == "-" {
        std::io::stdin()
            .read_to_end(source)
            .map_err(|error| format!("can't read standard input: {error}"))?;
        return Ok(vec![("standard input".to_owned(), source.clone())]);
    }
    let found = glob::glob(path).map_err(|error| format!("can't read '{path}': {error}"))?;
    let mut files = Vec::new();
    for entry in found {
        let entry = entry.map_err(|error| format!("can't read '{path}': {error}"))?;
        let text =
            std::fs::read(&entry).map_err(|error| format!("can't read '{}': {error}", entry.display()))?;
        files.push((entry.to_string_lossy().into_owned(), text));
    }
    if files.is_empty() && !path.contains(['*', '?']) {
        return Err(format!("can't read '{path}': there is no such file"));
    }
    Ok(files)
}
