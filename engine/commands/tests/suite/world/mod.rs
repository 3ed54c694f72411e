//! Squall with several clients in one process, and a node around it that only remembers what it was asked.

// Each test file uses its own part of this.

use std::cell::RefCell;

use squall_clock::{Mono, Nanos, Now};
use squall_commands::administration::config::ConfigChange;
use squall_commands::config::Config;
use squall_commands::server::{
    FailoverRequest, LogLevel, PendingBytes, Server, ShutdownOptions, WantedDisks,
};
use squall_commands::{ClientId, CommandError, CommandResult, Dispatched, Engine, Session};
use squall_resp::{Args, Output, OwnedArgs, Reply, split_line};

/// An engine, its clients and its node.
pub struct World {
    pub engine: Engine,
    pub node: Recorder,
}

impl World {
    pub fn start() -> World {
        World::with(Config::default())
    }

    pub fn with(config: Config) -> World {
        // 2030-01-01 00:00:00 UTC: time is whatever the test says.
        let now = Now { mono: Mono(1_000_000_000), unix_us: 1_893_456_000_000_000 };
        World { engine: Engine::new(config, [3; 32], now), node: Recorder::default() }
    }

    pub fn connect(&mut self) -> ClientId {
        let number = self.engine.stats.connections_received + 1;
        let session =
            self.engine.open_session(format!("127.0.0.1:{}", 50_000 + number), "127.0.0.1:6379".into());
        let id = session.id;
        self.engine.clients.insert(session);
        id
    }

    pub fn pass(&mut self, ms: u64) {
        self.engine.now.mono = self.engine.now.mono + Nanos::from_millis(ms);
        self.engine.now.unix_us += ms * 1_000;
    }

    /// Sends a request as one types it, quotes understood; the reply as bytes.
    pub fn ask(&mut self, client: ClientId, line: &str) -> String {
        let (dispatched, reply) = self.send(client, line);
        assert_eq!(dispatched, Dispatched::Done, "{line}");
        reply
    }

    pub fn send(&mut self, client: ClientId, line: &str) -> (Dispatched, String) {
        let (mut text, mut ranges) = (Vec::new(), Vec::new());
        split_line(line.as_bytes(), &mut text, &mut ranges).expect("a line with its quotes closed");
        let words: Vec<&[u8]> =
            ranges.iter().map(|range| &text[range.start as usize..][..range.len as usize]).collect();
        let request = OwnedArgs::from_slices(&words);
        let mut served = self.engine.clients.take(client).expect("a connected client");
        let dispatched =
            self.engine.dispatch(&mut served.session, &mut served.output, request.as_args(), &mut self.node);
        let reply = drain(&mut served.output);
        self.engine.clients.put_back(served);
        (dispatched, reply)
    }

    /// What others' commands have written to a client.
    pub fn received(&mut self, client: ClientId) -> String {
        drain(&mut self.engine.clients.get_mut(client).expect("a connected client").output)
    }

    pub fn session(&mut self, client: ClientId) -> &mut Session {
        &mut self.engine.clients.get_mut(client).expect("a connected client").session
    }

    /// What replicas would have received since the last call, a command a line.
    pub fn propagated(&mut self) -> String {
        let stream = self.engine.propagation.take().unwrap_or_default();
        let (mut rest, mut lines) = (&stream[..], Vec::new());
        while let Some((value, len)) = squall_resp::decode(rest).expect("commands") {
            let squall_resp::Value::Array(words) = value else { panic!("a command is an array") };
            let words: Vec<String> = words
                .into_iter()
                .map(|word| match word {
                    squall_resp::Value::Bulk(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                    other => panic!("a word is a bulk string, not {other:?}"),
                })
                .collect();
            lines.push(words.join(" "));
            rest = &rest[len..];
        }
        lines.join("\n")
    }
}

fn drain(output: &mut Output) -> String {
    let mut slices = [std::io::IoSlice::new(&[]); 64];
    let count = output.slices(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
    output.clear();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A node that does nothing but remember.
#[derive(Default)]
pub struct Recorder {
    pub asked: RefCell<Vec<String>>,
}

impl Recorder {
    fn note(&self, what: impl Into<String>) {
        self.asked.borrow_mut().push(what.into());
    }

    /// What it was asked since the last call.
    pub fn take(&mut self) -> Vec<String> {
        std::mem::take(&mut self.asked.borrow_mut())
    }
}

impl Server for Recorder {
    fn cluster(&mut self, _: &mut Engine, _: &mut Session, _: Args<'_>, _: &mut Reply<'_>) -> CommandResult {
        Err(CommandError::line("ERR no cluster around this engine"))
    }

    fn migrate(&mut self, _: &mut Engine, _: &mut Session, _: squall_commands::generic::Migration) {}

    fn publish_to_cluster(&mut self, _: &mut Engine, _: bool, _: &[u8], _: &[u8]) {}

    fn replica_of(
        &mut self,
        _: &mut Engine,
        primary: Option<(String, u16)>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.note(format!("replica of {primary:?}"));
        reply.ok();
        Ok(())
    }

    fn failover(&mut self, _: &mut Engine, request: FailoverRequest, reply: &mut Reply<'_>) -> CommandResult {
        self.note(format!("{request:?}"));
        reply.ok();
        Ok(())
    }

    fn role(&mut self, _: &Engine, reply: &mut Reply<'_>) {
        reply.array(0);
    }

    fn replconf(
        &mut self,
        _: &mut Engine,
        _: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.note(format!("replconf of {} words", args.len()));
        reply.ok();
        Ok(())
    }

    fn psync(
        &mut self,
        _: &mut Engine,
        session: &mut Session,
        _: Args<'_>,
        _: &mut Reply<'_>,
    ) -> CommandResult {
        session.is_replica = true;
        Ok(())
    }

    fn wait(
        &mut self,
        _: &mut Engine,
        _: &mut Session,
        replicas: u64,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.note(format!("wait for {replicas} until {timeout:?}"));
        reply.integer(0);
        Ok(())
    }

    fn wait_for_disks(
        &mut self,
        _: &mut Engine,
        _: &mut Session,
        wanted: WantedDisks,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        self.note(format!("wait for {wanted:?} until {timeout:?}"));
        reply.array(2);
        reply.integer(0);
        reply.integer(0);
        Ok(())
    }

    fn save(&mut self, _: &mut Engine, _: &mut Session, reply: &mut Reply<'_>) -> CommandResult {
        self.note("save");
        reply.ok();
        Ok(())
    }

    fn cancel_background_save(&mut self, _: &mut Engine, _: &mut Reply<'_>) -> CommandResult {
        Err(CommandError::line("ERR Background saving is currently not in progress or scheduled"))
    }

    fn background_save(&mut self, _: &mut Engine, schedule: bool, reply: &mut Reply<'_>) -> CommandResult {
        self.note(format!("background save, scheduled: {schedule}"));
        reply.simple("Background saving started");
        Ok(())
    }

    fn last_save(&self) -> u64 {
        1_893_455_999
    }

    fn info(&self, _: &Engine, section: &str, text: &mut String) {
        text.push_str(&format!("told_by_node:{section}\r\n"));
    }

    fn pending_bytes(&self) -> PendingBytes {
        PendingBytes::default()
    }

    fn shutdown(&mut self, _: &mut Engine, _: &mut Session, options: ShutdownOptions) -> CommandResult {
        self.note(format!("{options:?}"));
        if options.abort { Err(CommandError::line("ERR No shutdown in progress.")) } else { Ok(()) }
    }

    fn config_changed(&mut self, _: &mut Engine, parameter: &str) {
        self.note(format!("changed {parameter}"));
    }

    fn secure(&mut self, _: &mut Session, _: Config, change: ConfigChange) -> CommandResult {
        self.note(format!("secure {}", change.subject()));
        Ok(())
    }

    fn config_rewrite(&mut self, _: &mut Engine, _: &mut Session) -> CommandResult {
        self.note("rewrite");
        Ok(())
    }

    fn acl_load(&mut self, _: &mut Engine, _: &mut Session) -> CommandResult {
        self.note("load users");
        Ok(())
    }

    fn acl_save(&mut self, _: &mut Engine, _: &mut Session) -> CommandResult {
        self.note("save users");
        Ok(())
    }

    fn primary_link(&self) -> Option<&Session> {
        None
    }

    fn close_client(&mut self, _: &mut Engine, client: ClientId) {
        self.note(format!("close {}", client.0));
    }

    fn unblock_client(&mut self, _: &mut Engine, client: ClientId, with_error: bool) -> bool {
        self.note(format!("unblock {} with an error: {with_error}", client.0));
        true
    }

    fn background_rewrite(&mut self, _: &mut Engine, reply: &mut Reply<'_>) -> CommandResult {
        self.note("background rewrite");
        reply.ok();
        Ok(())
    }

    fn stall(&mut self, duration: Nanos) {
        self.note(format!("stall {} ms", duration.as_millis()));
    }

    fn abort(&mut self) {
        self.note("abort");
    }

    fn restart(&mut self, _: &mut Engine, _: &mut Session, orderly: bool, delay: Nanos) {
        self.note(format!("restart, orderly: {orderly}, after {} ms", delay.as_millis()));
    }

    fn debug_load_log(&mut self, _: &mut Engine, _: &mut Session) -> CommandResult {
        self.note("load the log");
        Ok(())
    }

    fn debug_reload(&mut self, _: &mut Engine, reply: &mut Reply<'_>) -> CommandResult {
        self.note("reload");
        reply.ok();
        Ok(())
    }

    fn debug_change_replication_id(&mut self, _: &mut Engine) {
        self.note("change id");
    }

    fn log(&mut self, level: LogLevel, message: String) {
        self.note(format!("{level:?}: {message}"));
    }
}
