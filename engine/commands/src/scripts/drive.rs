//! Running a script: answering what it asks of the engine, and leaving it alone between slices.
//!
//! A script that has computed for a slice is *parked*: the turn ends, its client waits with
//! [`Blocked::Script`], and the node asks for the next slice when it has looked after its links and timers.
//! Nobody else's request is executed meanwhile. After `busy-reply-threshold` others are answered `-BUSY`,
//! and may kill the script unless it has written.
//!
//! The time stands still for a script, and what it changed is one unit of the stream: what is recorded of a
//! parked script is set aside, so that no other request can end it.

use squall_clock::{Nanos, Now};
use squall_resp::{Args, Output, OwnedArgs, Protocol, Reply};
use squall_store::Slot;

use super::running::{Ended, Running, Step};
use super::vm::{Answer, Ask, Purpose};
use super::{Scripts, flags, reply_of};
use crate::clients::Client;
use crate::dispatch::Frame;
use crate::engine::{Engine, Role};
use crate::eviction::Room;
use crate::session::{Blocked, ClientId, Session};
use crate::table::{Flag, Found, Row};
use crate::transactions;
use crate::{CommandError, CommandResult, Server};

/// How long a slice is taken to last where no time passes while it is computed: the next one is due then.
const SLICE: Nanos = Nanos::from_millis(1);

/// The script that runs, or is parked.
pub(crate) struct Run {
    pub client: ClientId,
    pub purpose: Purpose,
    /// Its digest, or the function's name.
    pub name: String,
    /// The command that began it, for FUNCTION STATS.
    pub command: OwnedArgs,
    pub started: Now,
    pub flags: flags::ScriptFlags,
    /// Whether it was out of memory when it began: what it needs to end may then still be refused.
    pub out_of_memory: bool,
    /// It has called a command that writes: too late to kill it.
    pub wrote: bool,
    pub kill: Option<&'static str>,
    /// Its own SELECT, which ends with it.
    pub db: usize,
    /// In a cluster: the slot of all its keys so far, and whether its client had said ASKING.
    slot: Option<Slot>,
    asking: bool,
    /// The turn of its last slice.
    last_slice: Now,
    /// The calls that it is the end of: its own command, and EXEC around it.
    frames: Vec<(Frame, OwnedArgs)>,
    /// What EXEC has still to run.
    transaction: Option<std::vec::IntoIter<OwnedArgs>>,
    parked: bool,
}

/// What is needed to begin a script.
pub(crate) struct Spec {
    pub purpose: Purpose,
    pub name: String,
    pub flags: flags::ScriptFlags,
}

impl Scripts {
    /// Whether a script waits for its next slice.
    pub fn is_parked(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.parked)
    }

    /// The client that the parked script belongs to.
    pub fn parked_client(&self) -> Option<ClientId> {
        self.run.as_ref().filter(|run| run.parked).map(|run| run.client)
    }

    /// When the next slice is due.
    pub fn next_slice(&self) -> Option<squall_clock::Mono> {
        self.run.as_ref().filter(|run| run.parked).map(|run| run.last_slice.mono + SLICE)
    }

    /// A command in execution ends with the script's end.
    pub(crate) fn leave_open(&mut self, frame: Frame, args: Args<'_>) {
        let run = self.run.as_mut().expect("a script is parked");
        run.frames.push((frame, OwnedArgs::from_args(args)));
    }

    /// EXEC goes on after the script.
    pub(crate) fn leave_transaction(&mut self, rest: std::vec::IntoIter<OwnedArgs>) {
        self.run.as_mut().expect("a script is parked").transaction = Some(rest);
    }
}

impl Engine {
    /// Whether the parked script has gone on for longer than others have to be patient.
    pub fn script_is_overdue(&self) -> bool {
        self.scripts.run.as_ref().is_some_and(|run| {
            run.parked
                && self.now.mono.since(run.started.mono)
                    >= Nanos::from_millis(self.config.busy_reply_threshold_ms)
        })
    }

    /// The error that others read while a script is parked.
    pub(crate) fn busy_error(&self) -> CommandError {
        let kill = match self.scripts.run.as_ref().map(|run| run.purpose) {
            Some(Purpose::Functions) => "FUNCTION KILL",
            _ => "SCRIPT KILL",
        };
        CommandError::line(format!(
            "BUSY Redis is busy running a script. You can only call {kill} or SHUTDOWN NOSAVE."
        ))
    }

    /// Begins a script that is ready to run, and runs it to its end or to the end of its first slice.
    pub(crate) fn begin_script(
        &mut self,
        session: &mut Session,
        reply: &mut Reply<'_>,
        command: Args<'_>,
        server: &mut dyn Server,
        spec: Spec,
        running: Running,
    ) -> CommandResult {
        self.propagation.suppress();
        // In a transaction, room has been made before it.
        let is_full = self.is_out_of_memory() && (session.deny_blocking || self.make_room() == Room::None);
        self.scripts.run = Some(Run {
            client: session.id,
            purpose: spec.purpose,
            name: spec.name,
            command: OwnedArgs::from_args(command),
            started: self.now,
            flags: spec.flags,
            out_of_memory: is_full,
            wrote: false,
            kill: None,
            db: session.db,
            slot: self.routed_slot,
            asking: self.caller.asking,
            last_slice: self.now,
            frames: Vec::new(),
            transaction: None,
            parked: false,
        });
        self.scripts.running = Some(running);
        self.run_slice(session, reply, server, None)
    }

    /// Runs the next slice of the parked script for its client, which has been taken out of the table. What
    /// the script was a part of goes on when it ends: `client` is free again when it is not blocked.
    pub fn advance_script(&mut self, client: &mut Client, server: &mut dyn Server) {
        let mut silence = std::mem::take(&mut self.silence);
        let Client { session, output, .. } = client;
        let output = if session.is_silent() { &mut silence } else { output };
        self.begin_for(session);
        self.propagation.take_up();
        self.go_on_with_script(session, output, server);
        silence.clear();
        self.silence = silence;
    }

    fn go_on_with_script(&mut self, session: &mut Session, output: &mut Output, server: &mut dyn Server) {
        session.blocked = None;
        let run = self.scripts.run.as_mut().expect("a parked script");
        run.parked = false;
        let answer = run.kill.map_or(Answer::GoOn, Answer::Kill);
        let mut frames = std::mem::take(&mut run.frames).into_iter();
        let rest = run.transaction.take();
        let mut reply = Reply::new(output, session.protocol);
        let result = self.run_slice(session, &mut reply, server, Some(answer));
        if session.blocked == Some(Blocked::Script) {
            let run = self.scripts.run.as_mut().expect("parked again");
            run.frames = frames.collect();
            run.transaction = rest;
            return;
        }
        let (frame, args) = frames.next().expect("a script is called by a command");
        self.close(frame, result, session, output, args.as_args());
        if let Some((exec, args)) = frames.next() {
            let rest = rest.expect("a transaction around a script");
            transactions::run_queued(self, session, output, server, rest);
            if session.blocked == Some(Blocked::Script) {
                self.scripts.leave_open(exec, args.as_args());
                return;
            }
            self.close(exec, Ok(()), session, output, args.as_args());
        }
        self.propagation.end_of_command();
    }

    /// Answers the script's questions until it ends, or has computed for a slice.
    fn run_slice(
        &mut self,
        session: &mut Session,
        reply: &mut Reply<'_>,
        server: &mut dyn Server,
        mut answer: Option<Answer>,
    ) -> CommandResult {
        let mut running = self.scripts.running.take().expect("a script that has begun");
        let mut run = self.scripts.run.take().expect("a script that has begun");
        let turn = std::mem::replace(&mut self.now, run.started);
        let ended = loop {
            match running.resume(answer.take()) {
                Step::Ended(ended) => break Some(ended),
                Step::Asks(Ask::Pause) => {
                    let may_park = !session.is_primary_link && !self.loading;
                    if may_park {
                        break None;
                    }
                    answer = Some(Answer::GoOn);
                }
                Step::Asks(Ask::Log(level, text)) => {
                    server.log(level, String::from_utf8_lossy(&text).into_owned());
                    answer = Some(Answer::GoOn);
                }
                Step::Asks(Ask::Permission(request)) => {
                    answer = Some(Answer::Permission(self.may_execute(session, request.as_args())));
                }
                Step::Asks(Ask::Call { request, protocol, recorded }) => {
                    let call = ScriptCall { request, protocol, recorded };
                    answer = Some(Answer::Reply(self.call_for_script(&mut run, session, server, &call)));
                }
            }
        };
        self.now = turn;
        match ended {
            Some(ended) => {
                self.scripts.retire(running, run.purpose);
                finish(ended, &run, reply)
            }
            None => {
                run.parked = true;
                run.last_slice = turn;
                session.blocked = Some(Blocked::Script);
                self.propagation.set_aside();
                self.scripts.run = Some(run);
                self.scripts.running = Some(running);
                Ok(())
            }
        }
    }

    /// One command of a script, and its reply as bytes.
    fn call_for_script(
        &mut self,
        run: &mut Run,
        session: &mut Session,
        server: &mut dyn Server,
        call: &ScriptCall,
    ) -> Vec<u8> {
        let mut output = Output::new();
        let request = self.renames.translated(call.request.clone());
        let args = request.as_ref().map_or_else(|| call.request.as_args().first(0), OwnedArgs::as_args);
        let allowed = self.check_script_call(run, session, args);
        match allowed.and_then(|row| self.check_script_keys(run, session, row, args).map(|()| row)) {
            Err(error) => {
                let text = error.text();
                self.stats.count_error(&text);
                Reply::new(&mut output, Protocol::Resp2).error_bytes(&text);
            }
            Ok(row) => {
                run.wrote |= row.command.flags.has(Flag::Write);
                let own = (session.db, session.protocol, session.deny_blocking);
                (session.db, session.protocol, session.deny_blocking) = (run.db, call.protocol, true);
                let recording = self.propagation.pause_recording(!call.recorded);
                self.caller.in_script = true;
                self.call(row, session, &mut output, args, server);
                self.caller.in_script = false;
                self.propagation.resume_recording(recording);
                run.db = session.db;
                (session.db, session.protocol, session.deny_blocking) = own;
            }
        }
        reply_of::bytes_of(&output)
    }

    /// Whether a script may call a command, in the order in which Redis asks.
    fn check_script_call(
        &mut self,
        run: &Run,
        session: &Session,
        args: Args<'_>,
    ) -> Result<&'static Row, CommandError> {
        let row = match self.table.find(args) {
            Found::Row(row) => row,
            Found::UnknownCommand | Found::UnknownSubcommand(_) => {
                return Err(CommandError::line("ERR Unknown Redis command called from script"));
            }
        };
        if !row.command.accepts(args.len()) || row.is_container() && args.len() < 2 {
            return Err(CommandError::line("ERR Wrong number of args calling Redis command from script"));
        }
        let command_flags = row.command.flags;
        if command_flags.has(Flag::NoScript) {
            return Err(CommandError::line("ERR This Redis command is not allowed from script"));
        }
        if session.is_primary_link {
            return Ok(row);
        }
        if self.primary_link_down && !self.config.replica_serve_stale_data && !command_flags.has(Flag::Stale)
        {
            return Err(CommandError::line("ERR Can not execute the command on a stale replica"));
        }
        let in_script = std::mem::replace(&mut self.caller.in_script, true);
        let allowed = self.check_permission(session, row, args);
        self.caller.in_script = in_script;
        allowed?;
        let writes = command_flags.has(Flag::Write) || command_flags.has(Flag::MayReplicate);
        if writes && run.flags.has(flags::NO_WRITES) {
            return Err(CommandError::line("ERR Write commands are not allowed from read-only scripts."));
        }
        if command_flags.has(Flag::Write) {
            if self.role == Role::Replica && self.config.replica_read_only {
                return Err(CommandError::line("READONLY You can't write against a read only replica."));
            }
            // What the server lacks since the script has written stops no half of it: it is all or nothing.
            if !run.wrote {
                self.refuse_writes_by_state()?;
            }
        }
        if run.out_of_memory
            && !run.wrote
            && command_flags.has(Flag::DenyOom)
            && !run.flags.has(flags::ALLOW_OOM)
        {
            return Err(CommandError::line("OOM command not allowed when used memory > 'maxmemory'."));
        }
        Ok(row)
    }

    /// Whether a script may touch these keys in a cluster: they are here, and, where it has said what it needs,
    /// all of one slot unless it has said that they are not.
    fn check_script_keys(
        &mut self,
        run: &mut Run,
        session: &mut Session,
        row: &'static Row,
        args: Args<'_>,
    ) -> CommandResult {
        if self.routing.is_none() || session.is_primary_link {
            return Ok(());
        }
        let own = std::mem::replace(&mut session.db, run.db);
        session.asking = run.asking;
        let routed = self.route(row, session, args);
        (session.db, session.asking) = (own, false);
        let slot = routed.map_err(|error| CommandError::line(elsewhere(&error.text())))?;
        if slot.is_some_and(|slot| self.is_held(slot)) {
            return Err(CommandError::line(elsewhere(b"")));
        }
        let is_bound = !run.flags.has(flags::UNDECLARED) && !run.flags.has(flags::ALLOW_CROSS_SLOT_KEYS);
        if let Some(slot) = slot.filter(|_| is_bound)
            && *run.slot.get_or_insert(slot) != slot
        {
            return Err(CommandError::line(
                "ERR Script attempted to access keys that do not hash to the same slot",
            ));
        }
        Ok(())
    }
}

/// What a script is told instead of where to go: it cannot follow.
fn elsewhere(error: &[u8]) -> &'static str {
    match error {
        b"CLUSTERDOWN The cluster is down" => {
            "ERR Script attempted to execute a command while the cluster is down"
        }
        b"CLUSTERDOWN The cluster is down and only accepts read commands" => {
            "ERR Script attempted to execute a write command while the cluster is down and readonly"
        }
        _ => "ERR Script attempted to access a non local key in a cluster node",
    }
}

struct ScriptCall {
    request: OwnedArgs,
    protocol: Protocol,
    recorded: bool,
}

/// Sends the reply of a script that has ended; an error is the caller's to send and to count.
fn finish(ended: Ended, run: &Run, reply: &mut Reply<'_>) -> CommandResult {
    match ended {
        Ok(bytes) => match bytes.strip_prefix(b"-") {
            Some(line) => Err(CommandError::Bytes(line.strip_suffix(b"\r\n").unwrap_or(line).to_vec())),
            None => {
                reply.raw(&bytes);
                Ok(())
            }
        },
        Err(failure) => Err(CommandError::Bytes(failure.error_line(&run.name))),
    }
}
