//! The processes of a run: each is started with its files in a directory of its own, is stopped and continued by
//! signals, and is killed by its own id when the run is over, however it ends: a watchman stands in the frame around
//! the run, so that a return, an error and a panic all pass by it. Where `setpriv` is at hand, the kernel kills
//! them, too, when this program is killed itself.

#![allow(clippy::disallowed_methods, reason = "real processes have real files and real time")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;

use rustix::process::{Pid, Signal, kill_process};
use squall_sim::MachineId;

/// The processes that run now; clones are handles to the same list.
#[derive(Clone, Default)]
pub(super) struct Processes(Rc<RefCell<BTreeMap<MachineId, Child>>>);

/// Kills whatever still runs when it is dropped.
pub(super) struct Watchman(pub(super) Processes);

/// How many of the last lines of a server's log are shown when it has failed.
const LOG_LINES_SHOWN: usize = 8;
const LOG_FILE: &str = "log";

impl Processes {
    /// Starts `server` with the configuration file in `directory`.
    pub(super) fn start(&self, id: MachineId, server: &Path, directory: &Path) -> io::Result<()> {
        let log = std::fs::File::options().create(true).append(true).open(directory.join(LOG_FILE))?;
        let mut command = match on_path("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(server);
                command
            }
            None => Command::new(server),
        };
        command
            .arg(directory.join(super::server::CONFIG_FILE))
            .current_dir(directory)
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            // ^C is for this program, which knows in which order things end.
            .process_group(0);
        let child = command.spawn()?;
        let before = self.0.borrow_mut().insert(id, child);
        assert!(before.is_none(), "a machine has one process at a time");
        Ok(())
    }

    /// Kills the machine's process, if it has one, and waits until it is gone.
    pub(super) fn kill(&self, id: MachineId) {
        let child = self.0.borrow_mut().remove(&id);
        if let Some(mut child) = child {
            end(&mut child);
        }
    }

    pub(super) fn signal(&self, id: MachineId, signal: Signal) {
        if let Some(child) = self.0.borrow().get(&id) {
            // It may have ended by itself since; then there is nobody to stop.
            let _ = kill_process(pid_of(child), signal);
        }
    }

    /// How the machine's process has ended by itself, once it has.
    pub(super) fn ended(&self, id: MachineId) -> Option<ExitStatus> {
        let mut children = self.0.borrow_mut();
        let status = children.get_mut(&id)?.try_wait().ok()??;
        children.remove(&id);
        Some(status)
    }
}

impl Drop for Watchman {
    fn drop(&mut self) {
        let children = std::mem::take(&mut *self.0.0.borrow_mut());
        children.into_values().for_each(|mut child| end(&mut child));
    }
}

/// Makes a server's directory where it is missing, and writes its configuration; and the file that makes it a member
/// of a cluster, where one is given.
pub(super) fn furnish(directory: &Path, config: &str, cluster: Option<&str>) -> io::Result<()> {
    std::fs::create_dir_all(directory)?;
    if let Some(text) = cluster {
        std::fs::write(directory.join(super::server::CLUSTER_FILE), text)?;
    }
    std::fs::write(directory.join(super::server::CONFIG_FILE), config)
}

/// The last lines that a server wrote.
pub(super) fn last_words(directory: &Path) -> String {
    let text = std::fs::read(directory.join(LOG_FILE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n    ")
}

/// The file of that name in one of the directories of PATH.
#[allow(clippy::disallowed_methods, reason = "a program is looked for where the shell would look")]
pub(super) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

/// A killed process that was stopped dies, too.
fn end(child: &mut Child) {
    let _ = child.kill();
    let _ = child.wait();
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_child(child)
}
