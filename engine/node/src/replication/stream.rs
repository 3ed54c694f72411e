//! The stream from this server's primary: its commands are executed as they come, and what has been
//! executed, in whole units (a command, or MULTI to EXEC), becomes this server's history.
//!
//! ```text
//!   input:  [ applied, taken off ][ MULTI, commands read and queued ][ half a command ]
//!                                 0                                  read
//! ```
//! What changes no data (PUBLISH, PING) is for whoever follows this server in turn, and not for its append-only file.
//! Bytes that are not applied stay in the link's input and die with the link; the primary sends them again.

use std::ops::Range;

use bytes::BytesMut;
use squall_commands::table::Found;
use squall_commands::{Engine, Session};
use squall_resp::{Args, Limits, Output, Parsed, RequestParser};

use super::Replication;
use crate::effect::LinkId;
use crate::persistence::Recorded;
use crate::services::Services;

/// Errors of a primary's commands that are logged one by one; after that, one in so many.
const ERRORS_LOGGED: u64 = 10;
const ERRORS_LOGGED_EVERY: u64 = 1_000;

/// Executes the stream's commands.
pub(super) struct Applier {
    session: Session,
    parser: RequestParser,
    /// Of the input, how much belongs to a transaction that is not complete.
    read: usize,
    /// Commands among what was read, and how many of them have been applied since they were last counted.
    read_commands: u64,
    applied_commands: u64,
    /// What of the input that was read is not for the append-only file.
    unlogged: Vec<Range<usize>>,
    /// Replies that nobody wants.
    unwanted: Output,
    errors: u64,
}

/// What was found in the input.
enum Progress {
    /// This many bytes from the front have been applied.
    Applied(usize),
    Broken {
        applied: usize,
        reason: String,
    },
}

/// Bytes from the primary.
pub(crate) fn link_data(engine: &mut Engine, services: &mut Services, id: LinkId, input: &mut BytesMut) {
    if services.holds_link_back(engine, id) {
        return;
    }
    let now = engine.now.mono;
    let arrived = input.len();
    let replication = &mut services.replication;
    let Some(following) = replication.following_over(id) else {
        input.clear();
        return;
    };
    following.machine.data(input, now);
    replication.tend_link(engine, &mut services.persistence, &mut services.effects);
    apply(engine, services, id, input);
    engine.stats.replication_input_bytes += (arrived - input.len()) as u64;
    if services.replication.following_over(id).is_none() {
        input.clear();
    }
}

/// Executes the whole units of the stream in `input`, if that is what the link carries by now.
fn apply(engine: &mut Engine, services: &mut Services, id: LinkId, input: &mut BytesMut) {
    let following = services.replication.following_over(id).filter(|following| following.is_streaming());
    let Some(mut applier) = following.and_then(|following| following.applier.take()) else { return };
    let begins_in = Some(applier.db());
    let progress = applier.execute(engine, services, input);
    let (applied, broken) = match progress {
        Progress::Applied(applied) => (applied, None),
        Progress::Broken { applied, reason } => (applied, Some(reason)),
    };
    let (now, replication) = (engine.now.mono, &mut services.replication);
    replication.stream_db = applier.db();
    let ends_in = Some(applier.db());
    let commands = std::mem::take(&mut applier.applied_commands);
    let unlogged = applier.take_unlogged(applied);
    let following = replication.following_over(id).expect("no command of the stream ends its link");
    following.applier = Some(applier);
    if applied > 0 {
        let unit = following.machine.applied(input, applied, now);
        let position = following.machine.position();
        replication.primary.feed(unit.clone(), commands, now);
        assert_eq!(position, replication.primary.position(), "what was applied is the history");
        let recorded = Recorded { stream: &unit, unlogged: &unlogged, begins_in, ends_in, position };
        services.persistence.record(engine, &mut services.effects, &recorded);
    }
    let replication = &mut services.replication;
    let following = replication.following_over(id).expect("feeding replicas does not end the link");
    if let Some(reason) = broken {
        following.machine.stream_broken(&reason, now);
    } else if std::mem::take(&mut following.acknowledgement_wanted) {
        following.machine.acknowledge(now);
    }
    replication.tend_link(engine, &mut services.persistence, &mut services.effects);
    replication.serve(engine, &mut services.effects);
}

impl Replication {
    /// `REPLCONF` from the primary, in its stream.
    pub(super) fn note_primary_question(&mut self, args: Args<'_>) {
        let asks = args.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"getack"));
        if let Some(following) = self.following.as_mut().filter(|_| asks) {
            following.acknowledgement_wanted = true;
        }
    }
}

impl Applier {
    pub fn new(engine: &mut Engine, primary: String, db: usize) -> Applier {
        let mut session = Session::primary_link(engine.clients.next_id(), primary, engine.now);
        session.db = db;
        Applier {
            session,
            parser: RequestParser::new(),
            read: 0,
            read_commands: 0,
            applied_commands: 0,
            unlogged: Vec::new(),
            unwanted: Output::new(),
            errors: 0,
        }
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// The link is open, from this address of ours.
    pub fn connected_from(&mut self, local: &str) {
        self.session.local = local.to_owned();
    }

    /// The database that the stream has selected.
    pub fn db(&self) -> usize {
        self.session.db
    }

    /// Another dataset: its stream begins in `db`.
    pub fn start_at(&mut self, db: usize) {
        self.forget_unapplied();
        self.session.db = db;
    }

    /// The parts of the applied bytes that are not for the append-only file; those of what is not applied stay.
    fn take_unlogged(&mut self, applied: usize) -> Vec<Range<usize>> {
        let later = self.unlogged.partition_point(|part| part.start < applied);
        let rest = self.unlogged.split_off(later);
        let back = |part: Range<usize>| part.start - applied..part.end - applied;
        std::mem::replace(&mut self.unlogged, rest.into_iter().map(back).collect())
    }

    /// The link is gone, and what was read of a transaction with it.
    pub fn forget_unapplied(&mut self) {
        self.parser.reset();
        (self.read, self.read_commands) = (0, 0);
        self.unlogged.clear();
        self.session.transaction = None;
    }

    fn execute(&mut self, engine: &mut Engine, services: &mut Services, input: &[u8]) -> Progress {
        let limits = Limits { bulk_bytes_max: engine.config.proto_bulk_bytes_max, ..Limits::default() };
        let mut applied = 0;
        loop {
            let rest = &input[self.read..];
            // A primary speaks in commands; anything else means that the two disagree about the position.
            if rest.first().is_some_and(|byte| !b"*\r\n".contains(byte)) {
                let reason = "its stream does not go on with a command".to_owned();
                return Progress::Broken { applied, reason };
            }
            let consumed = match self.parser.parse(rest, &limits) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Empty { consumed }) => consumed,
                Ok(Parsed::Command { consumed }) => {
                    if let Err(reason) = self.execute_one(engine, services, rest) {
                        return Progress::Broken { applied, reason };
                    }
                    self.read_commands += 1;
                    if is_for_replicas_alone(self.parser.args(rest)) {
                        self.unlogged.push(self.read..self.read + consumed);
                    }
                    consumed
                }
                Err(error) => {
                    let reason = format!("its stream is no sequence of commands: {error}");
                    return Progress::Broken { applied, reason };
                }
            };
            self.read += consumed;
            if self.session.transaction.is_none() {
                applied = self.read;
                self.applied_commands += std::mem::take(&mut self.read_commands);
            }
        }
        self.read -= applied;
        Progress::Applied(applied)
    }

    /// Executes a command. An error of one that is known is told and passed over, as Redis does; one that is
    /// not known here ends the link, since everything after it would build on what it did.
    fn execute_one(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        rest: &[u8],
    ) -> Result<(), String> {
        let args = self.parser.args(rest);
        if engine.replay(&mut self.session, &mut self.unwanted, args, services) {
            return Ok(());
        }
        engine.stats.unexpected_errors += 1;
        let name = args.at(0).escape_ascii();
        if !matches!(engine.table.find(args), Found::Row(_)) {
            return Err(format!("its command '{name}' does not exist here"));
        }
        self.errors += 1;
        if self.errors <= ERRORS_LOGGED || self.errors.is_multiple_of(ERRORS_LOGGED_EVERY) {
            services.effects.warning(format!(
                "the primary's command '{name}' fails here: the datasets differ from now on (error {})",
                self.errors
            ));
        }
        Ok(())
    }
}

/// What a primary says beside the dataset: messages to subscribers, questions, orders.
fn is_for_replicas_alone(args: Args<'_>) -> bool {
    const NAMES: [&[u8]; 5] = [b"PING", b"PUBLISH", b"SPUBLISH", b"REPLCONF", b"CLUSTER"];
    NAMES.iter().any(|name| args.at(0).eq_ignore_ascii_case(name))
}
