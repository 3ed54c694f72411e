//! From a request's words to its reply: look-up, the checks that derive from the row, queueing in a
//! transaction, the call, its error, its effects, its statistics.
//!
//! Nearly every request passes all checks, so they are asked as one question: each row has a set of
//! [`Gates`], the state of server and session closes some, and only where the two sets meet is it looked
//! at in detail who refuses.

use squall_clock::{Mono, Nanos};
use squall_resp::{Args, Output, Protocol, Reply};

use crate::administration::command_log::Ended;
use crate::administration::monitor;
use crate::cluster::{Cost, request_bytes};
use crate::context::Context;
use crate::engine::{Engine, Role};
use crate::error::{CommandError, CommandResult};
use crate::eviction::Room;
use crate::propagation::Verdict;
use crate::server::{LogLevel, Server};
use crate::session::{Blocked, ReplyMode, Session};
use crate::table::{Command, Flag, Found, Row};
use crate::transactions;

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use = "a postponed request has to be sent again"]
pub enum Dispatched {
    /// Answered, refused, queued, or waiting (`session.blocked`).
    Done,
    /// `CLIENT PAUSE` holds it back, or the node its writes: nothing has happened, and the request is to be
    /// dispatched again when `engine.pause` and `engine.writes_held` are over.
    Postponed,
}

/// What has to be open for a command to pass.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gates(u16);

impl Gates {
    /// Every command: where all of them are paused.
    const ANY: u16 = 1;
    const WRITE: u16 = 1 << 1;
    const DENY_OOM: u16 = 1 << 2;
    const NOT_WHILE_LOADING: u16 = 1 << 3;
    const NOT_WHILE_STALE: u16 = 1 << 4;
    const AUTHENTICATED: u16 = 1 << 5;
    const MULTI: u16 = 1 << 6;
    const NOT_WHILE_SUBSCRIBED: u16 = 1 << 7;
    /// Has keys, whose slots may be served elsewhere.
    const ROUTED: u16 = 1 << 8;

    pub(crate) fn of(command: &Command) -> Gates {
        let flags = command.flags;
        let mut bits = Gates::ANY | Gates::MULTI;
        let mut add = |condition: bool, bit: u16| bits |= if condition { bit } else { 0 };
        let may_write = flags.has(Flag::NoMandatoryKeys) && !flags.has(Flag::ReadOnly);
        add(flags.has(Flag::Write) || flags.has(Flag::MayReplicate) || may_write, Gates::WRITE);
        add(flags.has(Flag::DenyOom), Gates::DENY_OOM);
        add(!flags.has(Flag::Loading), Gates::NOT_WHILE_LOADING);
        add(!flags.has(Flag::Stale), Gates::NOT_WHILE_STALE);
        add(!flags.has(Flag::NoAuth), Gates::AUTHENTICATED);
        add(!flags.has(Flag::WhileSubscribed), Gates::NOT_WHILE_SUBSCRIBED);
        let has_keys = !command.key_specs.is_empty() || command.key_finder.is_some();
        add(has_keys || command.name == "exec", Gates::ROUTED);
        Gates(bits)
    }

    #[inline]
    fn meet(self, closed: Gates) -> bool {
        self.0 & closed.0 != 0
    }
}

/// A command that has begun and not ended.
pub(crate) struct Frame {
    row: &'static Row,
    dirty_before: u64,
    /// What its client had not been sent yet.
    unsent_before: usize,
    outer: (Verdict, usize),
    started: Option<(fn() -> Mono, Mono)>,
}

/// Where a request stands after the gates.
enum Passage {
    Through,
    Queued,
    Postponed,
}

impl Engine {
    /// Does one request of `session` and writes its reply to `output`.
    pub fn dispatch(
        &mut self,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> Dispatched {
        match self.renames.is_empty() {
            true => self.dispatch_named(session, output, args, server),
            false => self.dispatch_renamed(session, output, args, server),
        }
    }

    /// The same for a request that calls its command by the command's own name.
    #[inline]
    pub(crate) fn dispatch_named(
        &mut self,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> Dispatched {
        let dispatched = match session.is_silent() {
            true => self.dispatch_silently(session, output, args, server),
            false => self.dispatch_aloud(session, output, args, server),
        };
        if self.waiting.has_ready() {
            self.serve_waiting(server);
        }
        if session.tracking {
            self.end_tracked_request(session);
        }
        if self.tracking.has_broadcasts() {
            self.broadcast_invalidations();
        }
        self.clients.pay(session, output);
        dispatched
    }

    /// Executes a command of a history that is made again: the log's, or the primary's stream. Nobody holds it back or
    /// reads its reply; false where it fails.
    pub fn replay(
        &mut self,
        session: &mut Session,
        unwanted: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> bool {
        let errors_before = self.stats.total_errors;
        let dispatched = self.dispatch(session, unwanted, args, server);
        assert_eq!(dispatched, Dispatched::Done, "nobody holds back what is history");
        unwanted.clear();
        session.blocked = None;
        self.stats.total_errors == errors_before
    }

    fn dispatch_aloud(
        &mut self,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> Dispatched {
        let row = match self.table.find(args) {
            Found::Row(row) if row.command.accepts(args.len()) => row,
            Found::UnknownCommand if is_http(args) => {
                self.hang_up_on_http(session, server);
                return Dispatched::Done;
            }
            refused => {
                let error = self.refuse_unknown(refused, args);
                self.reject(error, session, output);
                return Dispatched::Done;
            }
        };
        self.begin_for(session);
        session.last_command = Some(row.id);
        self.routed_slot = None;
        if row.gates.meet(self.closed_gates(session)) {
            match self.pass_gates(row, session, args) {
                Ok(Passage::Through) => {}
                Ok(Passage::Postponed) => return Dispatched::Postponed,
                Ok(Passage::Queued) => {
                    self.charge_slot(args, Cost::default());
                    Reply::new(output, session.protocol).queued();
                    return Dispatched::Done;
                }
                Err(error) => {
                    self.stats.command_mut(row.id).rejected += 1;
                    self.reject(error, session, output);
                    return Dispatched::Done;
                }
            }
        }
        let before =
            self.config.cluster_slot_stats_enabled.then(|| (self.stats.command(row.id).nanos, output.len()));
        self.call(row, session, output, args, server);
        if let Some((spent, written)) = before {
            // CONFIG RESETSTAT takes the count away while it runs.
            let cpu = Nanos(self.stats.command(row.id).nanos.saturating_sub(spent));
            let bytes_out = output.len().saturating_sub(written) as u64;
            self.charge_slot(args, Cost { cpu, bytes_out, ..Cost::default() });
        }
        if session.blocked != Some(Blocked::Script) {
            self.propagation.end_of_command();
        }
        Dispatched::Done
    }

    /// What a request that has been read cost, to the slot of its keys.
    fn charge_slot(&mut self, args: Args<'_>, cost: Cost) {
        let Some(slot) = self.routed_slot.filter(|_| self.config.cluster_slot_stats_enabled) else { return };
        self.slot_stats.charge(slot, Cost { bytes_in: request_bytes(args), ..cost });
    }

    /// `CLIENT REPLY OFF` and `SKIP`, and the primary's stream: the reply goes nowhere. `CLIENT REPLY ON`
    /// is the one command whose reply is seen, since it turns replies on again.
    #[cold]
    fn dispatch_silently(
        &mut self,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> Dispatched {
        let mut silence = std::mem::take(&mut self.silence);
        if session.reply_mode == ReplyMode::SkipNext {
            session.reply_mode = ReplyMode::Skipping;
        }
        let dispatched = self.dispatch_aloud(session, &mut silence, args, server);
        silence.clear();
        self.silence = silence;
        match (session.reply_mode, dispatched) {
            (ReplyMode::Skipping, Dispatched::Done) => session.reply_mode = ReplyMode::On,
            (ReplyMode::Skipping, Dispatched::Postponed) => session.reply_mode = ReplyMode::SkipNext,
            (ReplyMode::On, _) if !session.is_primary_link => Reply::new(output, session.protocol).ok(),
            _ => {}
        }
        dispatched
    }

    /// Runs a row's function: on its own, or as a part of EXEC. The reply is one value in either case.
    pub(crate) fn call(
        &mut self,
        row: &'static Row,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) {
        let shown_last = row.command.flags.has(Flag::ShownLast);
        if !self.monitors.is_empty() && !shown_last {
            monitor::feed(self, row, session, output, args);
        }
        self.execute(row, session, output, args, server);
    }

    /// Runs a row's function, for the first time or once more. Where it has to wait, it is not counted yet.
    pub(crate) fn execute(
        &mut self,
        row: &'static Row,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) {
        let frame = self.open(row, session, output);
        let protocol = session.protocol;
        let reply = Reply::new(output, protocol);
        let result = (row.command.handler)(&mut Context { engine: self, session, reply, args, server });
        if session.blocked == Some(Blocked::Script) {
            self.scripts.leave_open(frame, args);
        } else {
            self.close(frame, result, session, output, args);
            if session.tracking {
                self.remember_keys(row, session, args);
            }
        }
    }

    /// A command begins.
    fn open(&mut self, row: &'static Row, session: &Session, output: &Output) -> Frame {
        let read = self.environment.stopwatch;
        Frame {
            row,
            dirty_before: self.dirty,
            unsent_before: output.len(),
            outer: self.propagation.begin(session.db),
            started: read.map(|read| (read, self.stopwatch.start(read, self.now.mono))),
        }
    }

    /// A command has ended: its error, its effects, its statistics.
    pub(crate) fn close(
        &mut self,
        frame: Frame,
        result: CommandResult,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
    ) {
        let Frame { row, dirty_before, unsent_before, outer, started } = frame;
        let took = started.map(|(read, started)| self.stopwatch.stop(read, started));
        if !self.monitors.is_empty() && row.command.flags.has(Flag::ShownLast) {
            monitor::feed(self, row, session, output, args);
        }
        if let Err(error) = &result {
            self.fail(row, error, session, output);
        }
        self.propagation.end(outer, self.dirty != dirty_before, args);
        if session.blocked == Some(Blocked::Keys) {
            return;
        }
        let counters = self.stats.command_mut(row.id);
        counters.calls += 1;
        counters.nanos += took.map_or(0, |took| took.0);
        self.stats.commands_processed += 1;
        session.commands_processed += 1;
        if let Some(took) = took {
            self.latencies.command_took(took.as_micros(), row, &self.config, self.now);
        }
        // A script is one entry, whatever it called.
        if !self.caller.in_script {
            let reply_bytes = output.len().saturating_sub(unsent_before);
            let ended = Ended { row, args, took, reply_bytes };
            self.command_log.consider(&ended, session, &self.config, self.now);
        }
    }

    fn fail(&mut self, row: &Row, error: &CommandError, session: &Session, output: &mut Output) {
        let text = error.text();
        self.stats.command_mut(row.id).failed += 1;
        self.stats.count_error(&text);
        if session.is_primary_link {
            self.stats.unexpected_errors += 1;
        }
        Reply::new(output, session.protocol).error_bytes(&text);
    }

    /// Answers a request that is not even begun; a transaction that it was meant for will not run.
    pub(crate) fn reject(&mut self, error: CommandError, session: &mut Session, output: &mut Output) {
        let text = error.text();
        self.stats.count_error(&text);
        if let Some(transaction) = &mut session.transaction {
            transaction.refused = true;
        }
        Reply::new(output, session.protocol).error_bytes(&text);
    }

    /// A web page can make a browser send requests here; the words of HTTP end such a connection before
    /// the commands in its body are read.
    #[cold]
    fn hang_up_on_http(&mut self, session: &mut Session, server: &mut dyn Server) {
        let message = format!(
            "Possible SECURITY ATTACK detected. It looks like somebody is sending POST or Host: commands to Redis. \
             This is likely due to an attacker attempting to use Cross Protocol Scripting to compromise your Redis \
             instance. Connection from {} aborted.",
            session.peer
        );
        server.log(LogLevel::Warning, message);
        session.close_after_reply = true;
    }

    /// The gates that the state of the server and of the session closes now.
    #[inline]
    fn closed_gates(&self, session: &Session) -> Gates {
        let mut bits = 0;
        let mut close = |condition: bool, gates: u16| bits |= if condition { gates } else { 0 };
        close(session.transaction.is_some(), Gates::MULTI);
        if session.is_primary_link {
            return Gates(bits);
        }
        close(!session.authenticated, Gates::AUTHENTICATED);
        close(session.subscribed && session.protocol == Protocol::Resp2, Gates::NOT_WHILE_SUBSCRIBED);
        close(self.routing.is_some() || !self.keys_in_transit.is_empty(), Gates::ROUTED);
        close(self.loading, Gates::NOT_WHILE_LOADING);
        close(self.pause.is_some() || self.scripts.is_parked() || self.acl.restricts(), Gates::ANY);
        close(self.config.maxmemory_bytes != 0, Gates::DENY_OOM);
        close(self.snapshot_failed || self.append_failed.is_some(), Gates::WRITE);
        close(self.role == Role::Replica || self.config.min_replicas_to_write != 0, Gates::WRITE);
        close(self.writes_held || self.holds_slots(), Gates::WRITE);
        close(self.primary_link_down, Gates::NOT_WHILE_STALE);
        Gates(bits)
    }

    /// The questions behind the gates, in the order in which Redis asks them.
    #[cold]
    fn pass_gates(
        &mut self,
        row: &'static Row,
        session: &mut Session,
        args: Args<'_>,
    ) -> Result<Passage, CommandError> {
        let flags = row.command.flags;
        if !session.authenticated && !flags.has(Flag::NoAuth) {
            return Err(CommandError::line("NOAUTH Authentication required."));
        }
        self.check_permission(session, row, args)?;
        if self.scripts.is_parked() && !flags.has(Flag::AllowBusy) {
            return Err(self.busy_error());
        }
        if session.transaction.is_some() && flags.has(Flag::NoMulti) {
            return Err(CommandError::line("ERR Command not allowed inside a transaction"));
        }
        // Before any refusal: who is a replica while it hands its role over may not be one for long.
        if self.holds_writes_of(session) && self.writes(row, session) {
            return Ok(Passage::Postponed);
        }
        if !session.is_primary_link {
            if self.holds_slots() && self.waits_for_slot(row, session, args) {
                return Ok(Passage::Postponed);
            }
            if row.gates.meet(Gates(Gates::ROUTED)) {
                if self.touches_keys_in_transit(row, session, args) {
                    return Ok(Passage::Postponed);
                }
                self.routed_slot = self.route(row, session, args)?;
            }
            self.refuse_by_state(row, session)?;
        }
        if self.holds_back(row, session) {
            return Ok(Passage::Postponed);
        }
        if session.transaction.is_some() && !flags.has(Flag::NeverQueued) {
            transactions::queue(self, session, args)?;
            return Ok(Passage::Queued);
        }
        Ok(Passage::Through)
    }

    /// Refusals for what the server is or lacks at present.
    fn refuse_by_state(&mut self, row: &Row, session: &Session) -> Result<(), CommandError> {
        let flags = row.command.flags;
        if self.denies_oom(row, session) && self.is_out_of_memory() && self.make_room() == Room::None {
            return Err(CommandError::line("OOM command not allowed when used memory > 'maxmemory'."));
        }
        if flags.has(Flag::Write) || self.is_exec_of(row, session, |row| row.command.flags.has(Flag::Write)) {
            self.refuse_writes_by_state()?;
        }
        if flags.has(Flag::Write) && self.role == Role::Replica && self.config.replica_read_only {
            return Err(CommandError::line("READONLY You can't write against a read only replica."));
        }
        if session.subscribed && session.protocol == Protocol::Resp2 && !flags.has(Flag::WhileSubscribed) {
            return Err(CommandError::line(format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
                 this context",
                row.full_name
            )));
        }
        let stale = self.primary_link_down && !self.config.replica_serve_stale_data;
        if stale && !flags.has(Flag::Stale) {
            return Err(CommandError::line(
                "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            ));
        }
        if self.loading && !flags.has(Flag::Loading) {
            return Err(CommandError::line("LOADING Redis is loading the dataset in memory"));
        }
        Ok(())
    }

    /// Refusals of every write, for what the server lacks at present.
    pub(crate) fn refuse_writes_by_state(&self) -> CommandResult {
        if self.role != Role::Primary {
            return Ok(());
        }
        if self.snapshot_failed && self.config.stop_writes_on_bgsave_error {
            return Err(CommandError::line(MISCONF_SNAPSHOT));
        }
        if let Some(reason) = &self.append_failed {
            return Err(CommandError::line(format!("MISCONF Errors writing to the AOF file: {reason}")));
        }
        if self.good_replicas < self.config.min_replicas_to_write {
            return Err(CommandError::line("NOREPLICAS Not enough good replicas to write."));
        }
        Ok(())
    }

    /// Whether the row writes, or is the EXEC of a transaction that does.
    fn writes(&self, row: &Row, session: &Session) -> bool {
        let writes = |row: &Row| row.gates.meet(Gates(Gates::WRITE));
        writes(row) || self.is_exec_of(row, session, writes)
    }

    fn denies_oom(&self, row: &Row, session: &Session) -> bool {
        let denies = |row: &Row| row.gates.meet(Gates(Gates::DENY_OOM));
        denies(row) || self.is_exec_of(row, session, denies)
    }

    fn is_exec_of(&self, row: &Row, session: &Session, one: impl Fn(&Row) -> bool) -> bool {
        let Some(transaction) = session.transaction.as_ref().filter(|_| row.full_name == "exec") else {
            return false;
        };
        transaction.queued.iter().any(|request| match self.table.find(request.as_args()) {
            Found::Row(row) => one(row),
            _ => false,
        })
    }

    fn holds_writes_of(&self, session: &Session) -> bool {
        self.writes_held && !session.is_replica && !session.is_primary_link
    }

    /// `CLIENT PAUSE`: everything waits, or what writes does. Replicas' own words go on.
    fn holds_back(&self, row: &Row, session: &Session) -> bool {
        match self.pause {
            Some(pause) if self.now.mono < pause.until && !session.is_replica && !session.is_primary_link => {
                (pause.all && row.full_name != "client|unpause") || self.writes(row, session)
            }
            _ => false,
        }
    }

    /// Why no row takes this request.
    #[cold]
    pub(crate) fn refuse_unknown(&mut self, found: Found<'_>, args: Args<'_>) -> CommandError {
        match found {
            Found::Row(row) => {
                self.stats.command_mut(row.id).rejected += 1;
                CommandError::Arity { command: row.full_name.clone() }
            }
            Found::UnknownSubcommand(container) => {
                let name = clipped(args.at(1), UNKNOWN_BYTES_MAX);
                let container = container.full_name.to_uppercase();
                let tail = format!("'. Try {container} HELP.");
                CommandError::Bytes([b"ERR unknown subcommand '", name, tail.as_bytes()].concat())
            }
            Found::UnknownCommand => CommandError::Bytes(unknown_command(args)),
        }
    }
}

/// How much of an unknown command, and of its arguments together, is repeated to the client.
const UNKNOWN_BYTES_MAX: usize = 128;

const MISCONF_SNAPSHOT: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. \
Commands that may modify the data set are disabled, because this instance is configured to report errors during \
writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about \
the RDB error.";

fn is_http(args: Args<'_>) -> bool {
    let is = |word: &[u8]| args.get(0).is_some_and(|name| name.eq_ignore_ascii_case(word));
    is(b"post") || is(b"host:")
}

fn unknown_command(args: Args<'_>) -> Vec<u8> {
    let name = args.get(0).unwrap_or_default();
    let mut line =
        [b"ERR unknown command '", clipped(name, UNKNOWN_BYTES_MAX), b"', with args beginning with: "]
            .concat();
    let mut room = UNKNOWN_BYTES_MAX;
    for arg in args.iter().skip(1) {
        if room == 0 {
            break;
        }
        let arg = clipped(arg, room);
        line.extend_from_slice(&[b"'", arg, b"' "].concat());
        room = room.saturating_sub(arg.len() + 3);
    }
    line
}

fn clipped(bytes: &[u8], max: usize) -> &[u8] {
    &bytes[..bytes.len().min(max)]
}
