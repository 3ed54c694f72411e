//! The two servers: Squall on a thread of this process, a program that is started for the comparison, or one that
//! runs already; and what the reference knows, as it says itself.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use squall_net::real::RealHost;
use squall_resp::Value;
use squall_server::{Config, Environment, ServerOptions};
use tempfile::TempDir;

use crate::connection::{Connection, words_of};

const START_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// Where a server is to be found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Squall itself, in this process.
    Here,
    /// A program to start.
    Program(PathBuf),
    /// One that runs: its dataset and functions are flushed again and again.
    Address(String),
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let port = text.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        Ok(match port {
            Some(Ok(_)) => Place::Address(text.to_owned()),
            _ => Place::Program(PathBuf::from(text)),
        })
    }
}

/// A server to compare. Dropping it ends what was started.
pub struct Server {
    address: Address,
    running: Running,
    // Behind what runs in it.
    _directory: Option<TempDir>,
}

enum Address {
    Unix(PathBuf),
    Tcp(String),
}

enum Running {
    Process(Child),
    Thread(Option<JoinHandle<()>>),
    Elsewhere,
}

impl Server {
    /// Starts a server, or finds it, with further parameters; returns when it answers.
    pub fn start(place: &Place, parameters: &[String]) -> io::Result<Server> {
        if let Place::Address(address) = place {
            return Ok(Server {
                address: Address::Tcp(address.clone()),
                running: Running::Elsewhere,
                _directory: None,
            });
        }
        let directory = tempfile::tempdir()?;
        let socket = directory.path().join("socket");
        let mut arguments =
            ["--port", "0", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"]
                .map(str::to_owned)
                .to_vec();
        arguments.extend(
            ["--repl-diskless-sync", "no", "--repl-timeout", "100000", "--hz", "100"].map(str::to_owned),
        );
        arguments.extend(["--unixsocket".to_owned(), socket.display().to_string()]);
        arguments.extend(["--dir".to_owned(), directory.path().display().to_string()]);
        arguments.extend_from_slice(parameters);
        let running = match place {
            Place::Program(program) => Running::Process(
                Command::new(program).args(&arguments).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?,
            ),
            _ => Running::Thread(Some(serve_here(directory.path(), &arguments)?)),
        };
        let mut server = Server { address: Address::Unix(socket), running, _directory: Some(directory) };
        server.await_answer()?;
        Ok(server)
    }

    pub fn connect(&self) -> io::Result<Connection> {
        Ok(match &self.address {
            Address::Unix(path) => Connection::over_unix(UnixStream::connect(path)?),
            Address::Tcp(address) => Connection::over_tcp(TcpStream::connect(address)?),
        })
    }

    fn await_answer(&mut self) -> io::Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            let answer = self.connect().and_then(|mut connection| connection.ask_line("PING"));
            match answer {
                // It may be loading what it has found.
                Ok(Value::Error(_)) if Instant::now() < deadline => {}
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => {}
            }
            let ended = match &mut self.running {
                Running::Process(process) => process.try_wait()?.map(|status| status.to_string()),
                Running::Thread(Some(thread)) if thread.is_finished() => Some("it panicked".to_owned()),
                _ => None,
            };
            if let Some(how) = ended {
                return Err(io::Error::other(format!("the server ended at its start: {how}")));
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        match &mut self.running {
            Running::Process(process) => {
                let _ = process.kill();
                let _ = process.wait();
            }
            Running::Thread(thread) => {
                let address = match &self.address {
                    Address::Unix(path) => UnixStream::connect(path),
                    Address::Tcp(_) => return,
                };
                if let (Ok(stream), Some(thread)) = (address, thread.take()) {
                    let _ = Connection::over_unix(stream).send(&words_of("SHUTDOWN NOSAVE NOW FORCE"));
                    let _ = thread.join();
                }
            }
            Running::Elsewhere => {}
        }
    }
}

fn serve_here(directory: &Path, arguments: &[String]) -> io::Result<JoinHandle<()>> {
    let mut files = |path: &str| Err(format!("'{path}' is no parameter"));
    let config = Config::from_command_line(arguments, &mut files)
        .map_err(|error| io::Error::other(format!("Squall does not take these parameters: {error}")))?;
    let directory = directory.to_owned();
    let serve = move || {
        let environment = Environment { process_id: std::process::id(), ..Environment::default() };
        let ended = RealHost::run(directory, async |host| {
            let options = ServerOptions { config, environment, log: Box::new(|_| {}) };
            squall_server::start(host, options).exited().await
        });
        ended.expect("an event loop can be set up");
    };
    thread::Builder::new().name("squall".to_owned()).spawn(serve)
}

/// Who a server is, and which words it knows.
pub struct Identity {
    /// As it is to be shown: `redis-server 7.0.15`.
    pub name: String,
    pub is_valkey: bool,
    /// Major and minor number of the version of Redis that it goes by.
    pub version: (u32, u32),
    /// The tokens of each command that it has: `getex`, `client|list`.
    tokens: BTreeMap<String, BTreeSet<String>>,
}

impl Identity {
    pub fn of(server: &Server) -> io::Result<Identity> {
        let mut connection = server.connect()?;
        let Value::Bulk(info) = connection.ask_line("INFO server")? else {
            return Err(io::Error::other("INFO is refused"));
        };
        let info = String::from_utf8_lossy(&info).into_owned();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.map(|text| text.trim().to_owned())
        };
        let valkey = field("valkey_version");
        let version = valkey.clone().or(field("redis_version")).unwrap_or_default();
        let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
        let program = if valkey.is_some() { "valkey-server" } else { "redis-server" };
        let mut tokens = BTreeMap::new();
        if let Value::Array(docs) = connection.ask_line("COMMAND DOCS")? {
            gather_tokens(&docs, &mut tokens);
        }
        Ok(Identity {
            name: format!("{program} {version}"),
            is_valkey: valkey.is_some(),
            version: (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)),
            tokens,
        })
    }

    pub fn knows(&self, command: &str) -> bool {
        self.tokens.contains_key(command)
    }

    pub fn knows_token(&self, command: &str, token: &str) -> bool {
        self.tokens.get(command).is_some_and(|tokens| tokens.contains(token))
    }

    pub fn is_redis_before(&self, version: (u32, u32)) -> bool {
        !self.is_valkey && self.version < version
    }

    /// Commands and tokens that it has and `other` has not.
    pub fn beyond(&self, other: &Identity) -> Vec<String> {
        let mut beyond = Vec::new();
        for (command, tokens) in &self.tokens {
            match other.tokens.get(command) {
                None => beyond.push(command.clone()),
                Some(known) => {
                    beyond.extend(tokens.difference(known).map(|token| format!("{command} {token}")))
                }
            }
        }
        beyond
    }
}

/// From COMMAND DOCS in RESP2: names, and lists of a name and a value.
fn gather_tokens(docs: &[Value], tokens: &mut BTreeMap<String, BTreeSet<String>>) {
    for pair in docs.chunks_exact(2) {
        let (Value::Bulk(name), Value::Array(facts)) = (&pair[0], &pair[1]) else { continue };
        let own = tokens.entry(String::from_utf8_lossy(name).into_owned()).or_default();
        for fact in facts.chunks_exact(2) {
            if fact[0] == Value::Bulk("arguments".into()) {
                tokens_within(&fact[1], own);
            }
        }
        for fact in facts.chunks_exact(2) {
            if let (true, Value::Array(inner)) = (fact[0] == Value::Bulk("subcommands".into()), &fact[1]) {
                gather_tokens(inner, tokens);
            }
        }
    }
}

fn tokens_within(value: &Value, tokens: &mut BTreeSet<String>) {
    let Value::Array(items) = value else { return };
    for pair in items.windows(2) {
        if let [Value::Bulk(name), Value::Bulk(token)] = pair
            && name == "token"
        {
            tokens.insert(String::from_utf8_lossy(token).to_ascii_uppercase());
        }
    }
    items.iter().for_each(|item| tokens_within(item, tokens));
}
