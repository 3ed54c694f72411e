//! What a command's effect looks like to replicas and to the append-only file: a stream of commands in
//! RESP, with SELECT where the database changes and MULTI/EXEC around what must be applied as one.
//!
//! A write that made `dirty` grow is propagated as it was sent, unless it said otherwise: [`Propagation::replace`]
//! names other commands, [`Propagation::suppress`] none. What happens beside it (an expired key's DEL) is
//! [`Propagation::also`]. What changes nothing, and is for replicas alone, is [`Propagation::tell_replicas`].
//! All that one request of a client did leaves as one: EXEC is one request.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use squall_resp::{Args, encode_command};

/// Room for one request's effects that is kept for the next.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// The effects of the commands executed since the node last took them.
#[derive(Default)]
pub struct Propagation {
    /// Whether replicas, or the backlog, listen. While nobody does nothing is encoded.
    pub enabled: bool,
    /// Whether the node looks for what concerns slots on their way.
    pub watched: bool,
    /// Whether the append-only file listens.
    pub logged: bool,
    /// True while the primary's own commands run: the node passes those on by itself, byte for byte.
    muted: bool,
    /// Ready to be taken: so many commands.
    stream: BytesMut,
    commands: u64,
    /// The database that the stream's end is in.
    stream_db: Option<usize>,
    /// The parts of the stream that are not for the append-only file.
    unlogged: Vec<Range<usize>>,
    /// The effects of the running request, encoded one after the other.
    effects: Vec<Effect>,
    encoded: BytesMut,
    /// What becomes of the running command itself.
    verdict: Verdict,
    /// The database that the running command was sent to.
    db: usize,
    /// What a script has changed so far that waits for its next slice.
    aside: Option<Aside>,
}

/// The effects of a request in the middle, kept apart from those of others.
struct Aside {
    effects: Vec<Effect>,
    encoded: BytesMut,
    verdict: Verdict,
    db: usize,
}

/// One command of the running request's effects.
#[derive(Clone, Copy)]
struct Effect {
    db: usize,
    /// Where it ends among the request's encoded effects.
    end: usize,
    /// The append-only file holds it too.
    is_logged: bool,
}

/// What is propagated for a command that changed something.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) enum Verdict {
    /// The command as it was sent.
    #[default]
    Verbatim,
    /// Nothing, or what it has recorded by itself.
    Settled,
}

impl Propagation {
    /// Propagates `command` instead of the running command; several calls, several commands.
    pub fn replace(&mut self, command: &[&[u8]]) {
        self.verdict = Verdict::Settled;
        self.also(self.db, command);
    }

    /// Propagates nothing for the running command.
    pub fn suppress(&mut self) {
        self.verdict = Verdict::Settled;
    }

    /// Propagates `command`, in database `db`, beside the running command and before it.
    pub fn also(&mut self, db: usize, command: &[&[u8]]) {
        if self.is_heard() {
            encode_command(&mut self.encoded, command.iter().copied());
            self.effects.push(Effect { db, end: self.encoded.len(), is_logged: true });
        }
    }

    /// Propagates `command` instead of the running command, to replicas alone: the append-only file, which is about
    /// data, does without it.
    pub fn tell_replicas(&mut self, command: &[&[u8]]) {
        self.verdict = Verdict::Settled;
        if self.enabled && !self.muted {
            encode_command(&mut self.encoded, command.iter().copied());
            self.effects.push(Effect { db: self.db, end: self.encoded.len(), is_logged: false });
        }
    }

    /// The stream goes on elsewhere, or has a new reader: the next command is preceded by SELECT.
    pub fn forget_database(&mut self) {
        self.stream_db = None;
    }

    /// The bytes that were recorded since the last call, if any.
    pub fn take(&mut self) -> Option<Bytes> {
        (!self.stream.is_empty()).then(|| self.stream.split().freeze())
    }

    /// The parts of what `take` is about to give, or has just given, that are not for the append-only file.
    pub fn take_unlogged(&mut self) -> Vec<Range<usize>> {
        std::mem::take(&mut self.unlogged)
    }

    /// How many commands the stream has got since the last call.
    pub fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.commands)
    }

    /// The database that the end of the stream is in; none where the next command will say.
    pub fn database(&self) -> Option<usize> {
        self.stream_db
    }

    /// True while a request has changed something that is not stream yet: the dataset is ahead of what
    /// the stream says, by a part of what must be applied as one.
    pub fn is_within_request(&self) -> bool {
        !self.effects.is_empty() || self.aside.as_ref().is_some_and(|aside| !aside.effects.is_empty())
    }

    /// How many bytes are waiting to be taken.
    pub fn len(&self) -> usize {
        self.stream.len()
    }

    pub fn is_empty(&self) -> bool {
        self.stream.is_empty()
    }

    /// Whose request begins: nothing is recorded of what the primary sends.
    #[inline]
    pub(crate) fn mute(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// The request stops in the middle, and others may come: what it has recorded is kept for it.
    pub(crate) fn set_aside(&mut self) {
        assert!(self.aside.is_none(), "one script runs at a time");
        self.aside = Some(Aside {
            effects: std::mem::take(&mut self.effects),
            encoded: std::mem::take(&mut self.encoded),
            verdict: self.verdict,
            db: self.db,
        });
    }

    /// The request goes on.
    pub(crate) fn take_up(&mut self) {
        let aside = self.aside.take().expect("a script has been set aside");
        assert!(self.effects.is_empty(), "no other request is in the middle");
        self.effects = aside.effects;
        self.encoded = aside.encoded;
        (self.verdict, self.db) = (aside.verdict, aside.db);
    }

    /// Records nothing until [`Propagation::resume_recording`], where `pause` says so; gives back what that needs.
    pub(crate) fn pause_recording(&mut self, pause: bool) -> bool {
        let muted = self.muted;
        self.muted |= pause;
        muted
    }

    pub(crate) fn resume_recording(&mut self, muted: bool) {
        self.muted = muted;
    }

    /// A command begins, perhaps inside another (EXEC). Gives back what [`Propagation::end`] restores.
    #[inline]
    pub(crate) fn begin(&mut self, db: usize) -> (Verdict, usize) {
        let outer = (self.verdict, self.db);
        self.verdict = Verdict::Verbatim;
        self.db = db;
        outer
    }

    /// The command is done; `changed` where it made `dirty` grow.
    #[inline]
    pub(crate) fn end(&mut self, outer: (Verdict, usize), changed: bool, args: Args<'_>) {
        if changed && self.is_heard() && self.verdict == Verdict::Verbatim {
            encode_command(&mut self.encoded, args.iter());
            self.effects.push(Effect { db: self.db, end: self.encoded.len(), is_logged: true });
        }
        (self.verdict, self.db) = outer;
    }

    /// The client's request is done: its effects join the stream, as one.
    #[inline]
    pub(crate) fn end_of_command(&mut self) {
        if !self.effects.is_empty() {
            self.join_stream();
        }
    }

    /// Whether anybody is told what is propagated: while nobody is, it need not be put into words.
    pub(crate) fn is_heard(&self) -> bool {
        (self.enabled || self.logged || self.watched) && !self.muted
    }

    fn join_stream(&mut self) {
        let as_one = self.effects.len() > 1;
        self.commands += self.effects.len() as u64 + if as_one { 2 } else { 0 };
        let effects = std::mem::take(&mut self.effects);
        let mut start = 0;
        for (index, &Effect { db, end, is_logged }) in effects.iter().enumerate() {
            self.select(db);
            if as_one && index == 0 {
                encode_command(&mut self.stream, [b"MULTI".as_slice()].into_iter());
            }
            let begins = self.stream.len();
            self.stream.extend_from_slice(&self.encoded[start..end]);
            if !is_logged {
                self.unlogged.push(begins..self.stream.len());
            }
            start = end;
        }
        if as_one {
            encode_command(&mut self.stream, [b"EXEC".as_slice()].into_iter());
        }
        self.encoded.clear();
        if self.encoded.capacity() > KEPT_BYTES_MAX {
            self.encoded = BytesMut::new();
        }
        self.effects = effects;
        self.effects.clear();
    }

    fn select(&mut self, db: usize) {
        if self.stream_db != Some(db) {
            let number = db.to_string();
            encode_command(&mut self.stream, [b"SELECT".as_slice(), number.as_bytes()].into_iter());
            self.stream_db = Some(db);
            self.commands += 1;
        }
    }
}
