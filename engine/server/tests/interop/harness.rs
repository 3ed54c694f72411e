//! Servers as the tests start them, and waiting for what they will do.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use squall_resp::Value;
use tempfile::TempDir;

use crate::client::Client;

/// The longest that anything may take on a busy machine; what takes longer has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(10);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    Squall,
    Redis,
}

impl Program {
    fn path(self) -> PathBuf {
        match self {
            Program::Squall => std::env::var_os("SQUALL_SERVER")
                .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_squall-server")), PathBuf::from),
            Program::Redis => PathBuf::from("redis-server"),
        }
    }
}

/// A running server. Dropping it ends the process, and prints its log if the test has failed.
pub struct Server {
    program: Program,
    process: Child,
    port: u16,
    directory: Arc<TempDir>,
    log: PathBuf,
}

impl Server {
    /// Starts a server with an empty directory, and returns when it answers.
    pub fn start(program: Program, options: &[&str]) -> Server {
        Server::start_in(&Arc::new(tempfile::tempdir().expect("a directory")), program, options)
    }

    pub fn squall(options: &[&str]) -> Server {
        Server::start(Program::Squall, options)
    }

    /// Starts a server where another one may have left its files.
    pub fn start_in(directory: &Arc<TempDir>, program: Program, options: &[&str]) -> Server {
        let mut server = Server::spawn(directory, program, options);
        let deadline = Instant::now() + PATIENCE;
        while !server.answers() {
            if let Some(status) = server.process.try_wait().expect("a child") {
                panic!("{program:?} ended at start: {status}");
            }
            assert!(Instant::now() < deadline, "{program:?} does not answer");
            thread::sleep(POLL_INTERVAL);
        }
        server
    }

    /// Starts a server that is not expected to come up, and returns how it ended.
    pub fn fail_to_start(
        directory: &Arc<TempDir>,
        program: Program,
        options: &[&str],
    ) -> (ExitStatus, String) {
        let mut server = Server::spawn(directory, program, options);
        let status = server.await_exit();
        (status, server.log_text())
    }

    fn spawn(directory: &Arc<TempDir>, program: Program, options: &[&str]) -> Server {
        let port = free_port();
        let log = directory.path().join(format!("{port}.log"));
        let output = fs::File::create(&log).expect("a log file");
        // Without a test's own `--save`, nothing is saved; a full synchronisation starts at once.
        let process = Command::new(program.path())
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"])
            .arg("--dir")
            .arg(directory.path())
            .args(options)
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a log file"))
            .stderr(output)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.path().display()));
        Server { program, process, port, directory: Arc::clone(directory), log }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub fn directory(&self) -> Arc<TempDir> {
        Arc::clone(&self.directory)
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port)
    }

    /// One field of INFO, of all its sections.
    pub fn info(&self, field: &str) -> String {
        self.client().info(field).unwrap_or_else(|| panic!("{:?} has no {field} in INFO", self.program))
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("sh").args(["-c", &format!("kill -{name} {}", self.process.id())]).status();
        assert!(sent.expect("sh").success(), "cannot signal {:?}", self.program);
    }

    pub fn await_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "{:?} does not end", self.program);
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Still there, and still answering.
    pub fn assert_alive(&mut self) {
        let ended = self.process.try_wait().expect("a child");
        assert!(ended.is_none(), "{:?} ended: {ended:?}", self.program);
        assert_eq!(self.client().ask(&["PING"]), Value::Simple("PONG".into()));
    }

    fn answers(&self) -> bool {
        TcpStream::connect(("127.0.0.1", self.port)).is_ok_and(|stream| Client::over(stream).pings())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A process that has already ended and was reaped needs no killing.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            let log = self.log_text();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(60)..].join("\n");
            eprintln!("--- log of {:?} on port {}:\n{tail}\n---", self.program, self.port);
        }
    }
}

/// Waits until the condition holds.
pub fn eventually(what: impl Display, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        thread::sleep(POLL_INTERVAL);
    }
}

/// Whether a program is there; if not, says that the calling test is skipped.
pub fn installed(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("skipped: {program} is not installed");
    }
    there
}

/// Runs a program to its end, but not beyond the patience of these tests.
pub fn run<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &[u8]) -> Output {
    let scratch = tempfile::tempdir().expect("a directory");
    let feed = scratch.path().join("input");
    fs::write(&feed, input).expect("a file");
    let mut command = Command::new("timeout");
    command.args([&PATIENCE.as_secs().to_string(), program]).args(arguments);
    command.stdin(fs::File::open(&feed).expect("a file")).output().expect("timeout, from coreutils")
}

/// What a program said, which must have ended well.
pub fn words<S: AsRef<OsStr>>(program: &str, arguments: &[S], input: &[u8]) -> String {
    let output = run(program, arguments, input);
    let (said, complained) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program}: {}\n{said}\n{complained}", output.status);
    said.into_owned()
}

pub fn path_text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// Whether anyone accepts connections there.
pub fn is_listening(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}
