//! Starting a server to be measured, and ending it whatever happens.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Failure;
use crate::interrupt::Interrupt;

/// Loading a dataset included.
const START_TIME_MAX: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A program to be measured.
pub struct Contender {
    pub name: String,
    pub program: PathBuf,
    /// What it says about itself when asked with `--version`.
    pub version: String,
}

impl Contender {
    pub fn new(name: String, program: &Path) -> Result<Contender, Failure> {
        let said = Command::new(program).arg("--version").output();
        let said = said.map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let version = String::from_utf8_lossy(&said.stdout).lines().next().unwrap_or_default().to_owned();
        Ok(Contender { name, program: program.to_owned(), version })
    }

    /// Squall itself: where the user says, or beside this program, where Cargo puts both.
    pub fn squall(given: Option<&Path>) -> Result<Contender, Failure> {
        let beside = std::env::current_exe()?.with_file_name("squall-server");
        let program = given.unwrap_or(&beside);
        if !program.exists() {
            let cause = format!("there is no {}", program.display());
            return Err(format!("{cause}; build it with: cargo build --release -p squall-server").into());
        }
        Contender::new("squall".to_owned(), program)
    }
}

/// A running server; dropping it ends the process.
pub struct Server {
    process: Child,
    port: u16,
    /// Holds the log, and the server's files unless they are elsewhere, for as long as the server runs.
    directory: TempDir,
}

/// How a server is started.
pub struct Setting<'a> {
    pub core: usize,
    /// Where its files are, if they are to outlive it.
    pub directory: Option<&'a Path>,
    pub arguments: &'a [&'a str],
}

impl Server {
    /// Starts it without persistence, pinned to `core`, and returns when it serves.
    pub fn start(contender: &Contender, core: usize, interrupt: &Interrupt) -> Result<Server, Failure> {
        Server::start_with(contender, &Setting { core, directory: None, arguments: &[] }, interrupt)
    }

    /// The same on a free port of 127.0.0.1, with settings of its own.
    pub fn start_with(
        contender: &Contender,
        setting: &Setting<'_>,
        interrupt: &Interrupt,
    ) -> Result<Server, Failure> {
        let directory = tempfile::tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let log = fs::File::create(directory.path().join("log"))?;
        let process = Command::new("taskset")
            .args(["-c", &setting.core.to_string()])
            .arg(&contender.program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(setting.directory.unwrap_or(directory.path()))
            .args(setting.arguments)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("cannot run taskset, from util-linux: {error}"))?;
        let mut server = Server { process, port, directory };
        server.await_readiness(contender, interrupt)?;
        Ok(server)
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// One more connection, which has proved that it works.
    pub fn connect(&self) -> Result<TcpStream, Failure> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        stream.write_all(b"PING\r\n")?;
        let mut reply = [0; 7];
        stream.read_exact(&mut reply)?;
        if &reply != b"+PONG\r\n" {
            return Err(format!("PING was answered with {:?}", String::from_utf8_lossy(&reply)).into());
        }
        Ok(stream)
    }

    fn await_readiness(&mut self, contender: &Contender, interrupt: &Interrupt) -> Result<(), Failure> {
        let deadline = Instant::now() + START_TIME_MAX;
        while self.connect().is_err() {
            let ended = self.process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
                let state = ended.map_or("does not answer".to_owned(), |status| format!("ended: {status}"));
                return Err(format!("{} {state}\n{log}", contender.program.display()).into());
            }
            interrupt.sleep(POLL_INTERVAL)?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Only an already reaped process can refuse, and then there is nothing left to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
