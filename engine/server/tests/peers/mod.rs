//! Servers for the tests, as processes: the real `squall-server` binary and Debian's `redis-server`, each in
//! an empty directory and ended with its owner; and a plain blocking client.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::disallowed_methods, reason = "the tests run processes and sockets of this machine")]

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use squall_resp::{Value, decode, encode_command};
use tempfile::TempDir;

/// How long anything may take that is not a measurement.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Server {
    pub port: u16,
    pub process: Child,
    program: String,
    directory: TempDir,
}

pub struct Client {
    stream: TcpStream,
    input: BytesMut,
}

impl Server {
    /// Our own server, with `options` after the ones that keep it to itself.
    pub fn squall(options: &[&str]) -> Server {
        Server::start(env!("CARGO_BIN_EXE_squall-server"), options)
    }

    /// The real one.
    pub fn redis(options: &[&str]) -> Server {
        Server::start("redis-server", options)
    }

    fn start(program: &str, options: &[&str]) -> Server {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = free_port();
        let process = spawn(program, directory.path(), port, options);
        let mut server = Server { port, process, program: program.to_owned(), directory };
        // Another process may take the port before the server does: then it ends, and gets another.
        for _ in 0..5 {
            if server.becomes_ready() {
                return server;
            }
            server.port = free_port();
            server.process = spawn(program, server.directory.path(), server.port, options);
        }
        panic!("{program} does not start with {options:?}:\n{}", server.log());
    }

    /// The same server again, on its port and in its directory, after it has ended.
    pub fn restart(&mut self, options: &[&str]) {
        self.wait_for_end();
        self.process = spawn(&self.program, self.directory.path(), self.port, options);
        assert!(self.becomes_ready(), "it does not start again:\n{}", self.log());
    }

    fn becomes_ready(&mut self) -> bool {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if self.process.try_wait().expect("a child of ours").is_some() {
                return false;
            }
            if let Some(mut client) = Client::connect(self.port)
                && client.try_call(&["PING"]) == Some(Value::Simple("PONG".into()))
            {
                return true;
            }
            pause();
        }
        panic!("no answer from port {}:\n{}", self.port, self.log());
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn client(&self) -> Client {
        Client::connect(self.port).expect("the server listens")
    }

    /// One command on a connection of its own.
    pub fn call(&self, words: &[&str]) -> Value {
        self.client().call(words)
    }

    /// A field of INFO.
    pub fn info(&self, field: &str) -> String {
        self.client().info(field)
    }

    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.process.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    pub fn wait_for_end(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the server ends", || {
            status = self.process.try_wait().expect("a child of ours");
            status.is_some()
        });
        status.expect("it has ended")
    }

    /// Runs `redis-cli` against this server.
    pub fn redis_cli(&self, arguments: &[&str], input: &[u8]) -> Output {
        run("redis-cli", &[&["-p", &self.port.to_string()], arguments].concat(), input)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            eprintln!("log of the server on port {}:\n{}", self.port, self.log());
        }
    }
}

impl Client {
    pub fn connect(port: u16) -> Option<Client> {
        let stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.set_nodelay(true).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        Some(Client { stream, input: BytesMut::new() })
    }

    pub fn call(&mut self, words: &[&str]) -> Value {
        self.try_call(words).unwrap_or_else(|| panic!("the connection ended at {words:?}"))
    }

    pub fn try_call(&mut self, words: &[&str]) -> Option<Value> {
        self.send(words)?;
        self.receive()
    }

    pub fn send(&mut self, words: &[&str]) -> Option<()> {
        let mut request = BytesMut::new();
        encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
        self.send_bytes(&request)
    }

    pub fn send_bytes(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).ok()
    }

    /// The next reply; none when the connection has ended.
    pub fn receive(&mut self) -> Option<Value> {
        loop {
            if let Some((value, length)) = decode(&self.input).expect("a well-formed reply") {
                self.input.advance(length);
                return Some(value);
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.input.extend_from_slice(&chunk[..count]),
            }
        }
    }

    pub fn info(&mut self, field: &str) -> String {
        let text = text(&self.call(&["INFO", "everything"]));
        let prefix = format!("{field}:");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_else(|| panic!("INFO has no {field}:\n{text}")).to_owned()
    }
}

/// A string reply as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::Simple(text) | Value::Error(text) => text.clone(),
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        Value::Integer(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

/// Runs a program to its end with `input`; fails if it takes too long.
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new("timeout")
        .args([&PATIENCE.as_secs().to_string(), program])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
    let mut pipe = child.stdin.take().expect("it was asked for");
    let input = input.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&input));
    let output = child.wait_with_output().expect("its output");
    let _ = writer.join();
    output
}

/// Standard output of a program that succeeded.
pub fn stdout(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    text
}

fn spawn(program: &str, directory: &Path, port: u16, options: &[&str]) -> Child {
    let log = OpenOptions::new().append(true).create(true).open(directory.join("log")).expect("a log");
    Command::new(program)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(directory)
        .args(["--save", "", "--enable-debug-command", "yes", "--repl-diskless-sync-delay", "0"])
        .args(options)
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .unwrap_or_else(|error| panic!("{program} cannot be started: {error}"))
}

/// Asks again and again until `holds`.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        pause();
    }
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Between two questions to a process that cannot be waited for.
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}
