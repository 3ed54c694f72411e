//! Going into the background, the pid file, and what a service manager is told.
#![allow(clippy::disallowed_methods, reason = "a process has files and an environment of its own")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sd_notify::NotifyState;
use squall_node::config::choices::Supervision;
use squall_node::{Config, LogLevel};

use crate::log;

/// Says to a started copy of the program that it is the one in the background.
const DETACHED: &str = "SQUALL_DETACHED";
/// Where Redis puts it when it goes into the background and nothing else was said.
const DEFAULT_PIDFILE: &str = "/var/run/redis.pid";

/// Goes into the background: starts this program again, without a terminal. True in the process that is to
/// end, false in the one that is to serve. `source` is what was read from standard input.
pub fn detach(source: &[u8]) -> Result<bool, String> {
    if std::env::var_os(DETACHED).is_some() {
        rustix::process::setsid().map_err(|error| format!("can't start a session: {error}"))?;
        return Ok(false);
    }
    let complain = |error| format!("can't go into the background: {error}");
    let program = std::env::current_exe().map_err(complain)?;
    let mut child = Command::new(program)
        .args(std::env::args_os().skip(1))
        .env(DETACHED, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(complain)?;
    let mut pipe = child.stdin.take().expect("it was asked for");
    // A child that does not read its input has no use for it.
    let _ = pipe.write_all(source);
    Ok(true)
}

/// The pid file, which goes when the server does.
pub struct Pidfile {
    path: PathBuf,
}

pub fn write_pidfile(config: &Config) -> Option<Pidfile> {
    let path = match config.pidfile.as_str() {
        "" if config.daemonize => DEFAULT_PIDFILE,
        "" => return None,
        path => path,
    };
    match std::fs::write(path, format!("{}\n", std::process::id())) {
        Ok(()) => Some(Pidfile { path: path.into() }),
        Err(error) => {
            log::say(LogLevel::Warning, &format!("Failed to write PID file {path}: {error}"));
            None
        }
    }
}

impl Drop for Pidfile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The line to the service manager, where `supervised` asks for one.
pub struct Supervisor {
    told: Option<State>,
    supervised: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Loading,
    Ready,
}

impl Supervisor {
    pub fn new(config: &Config) -> Supervisor {
        let has_socket = std::env::var_os("NOTIFY_SOCKET").is_some();
        let wanted = matches!(config.supervised, Supervision::Systemd | Supervision::Auto);
        Supervisor { told: None, supervised: has_socket && wanted }
    }

    /// Tells a state that was not told yet.
    pub fn tell(&mut self, is_loading: bool) {
        let state = if is_loading { State::Loading } else { State::Ready };
        if !self.supervised || self.told == Some(state) {
            return;
        }
        let first_ready = state == State::Ready && self.told != Some(State::Ready);
        let text = match state {
            State::Loading => "Loading the dataset",
            State::Ready => "Ready to accept connections",
        };
        let mut states = vec![NotifyState::Status(text)];
        if first_ready {
            states.push(NotifyState::Ready);
        }
        // A manager that does not listen is not this server's concern.
        let _ = sd_notify::notify(&states);
        self.told = Some(state);
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if self.supervised {
            let _ = sd_notify::notify(&[NotifyState::Stopping]);
        }
    }
}
