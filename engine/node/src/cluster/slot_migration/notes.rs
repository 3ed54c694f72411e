//! What a shard's replicas have to know of migrations, in their place among the writes: `CLUSTER SYNCSLOTS NOTE`
//! in the stream and the log, and a field of snapshots.
//!
//! ```text
//!   NOTE job IMPORTING|TAKING|GRANTED peer first last [first last ...]
//!   NOTE job OVER
//! ```
//! A replica that does not know the word answers with an error that nobody reads.

use std::collections::BTreeMap;

use squall_cluster::{JobName, NodeId, Record, RecordKind, parse_slots};
use squall_commands::{CommandError, CommandResult, Engine, Session};
use squall_resp::Args;

use super::Recording;
use crate::services::Services;

const KINDS: [(&str, RecordKind); 3] =
    [("IMPORTING", RecordKind::Importing), ("TAKING", RecordKind::Taking), ("GRANTED", RecordKind::Granted)];

impl Services {
    /// Puts a note behind all that is in the history.
    pub(super) fn note_migration(&mut self, engine: &mut Engine, job: JobName, record: Option<&Record>) {
        let job_text = job.to_string();
        let rest = record.map_or("OVER".to_owned(), text_of);
        match record {
            Some(_) => drop(engine.migration_notes.insert(job_text.clone(), rest.clone())),
            None => drop(engine.migration_notes.remove(&job_text)),
        }
        let words = ["CLUSTER", "SYNCSLOTS", "NOTE", &job_text].into_iter().chain(rest.split(' '));
        let words: Vec<&[u8]> = words.map(str::as_bytes).collect();
        engine.record_apart(&words);
        self.settle(engine, None);
        let (offset, log) = (self.replication.offset(), self.persistence.log.position());
        self.mover().recording.push(Recording { job, offset, log });
        self.replication.ask_replicas();
        self.tell_of_notes(engine);
    }

    /// A note in the primary's stream, or in the log.
    pub(super) fn read_note(
        &mut self,
        engine: &mut Engine,
        session: &Session,
        args: Args<'_>,
    ) -> CommandResult {
        if !session.is_primary_link {
            return Err(CommandError::line("ERR Notes are made by a primary for its replicas"));
        }
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let words: Vec<String> = args.iter().skip(3).map(text).collect();
        let (Some(job), rest) = (words.first(), words.get(1..).unwrap_or_default().join(" ")) else {
            return Err(CommandError::Syntax);
        };
        match (parse(job, &rest), rest.as_str()) {
            (Some(_), _) => drop(engine.migration_notes.insert(job.clone(), rest)),
            (None, "OVER") => drop(engine.migration_notes.remove(job)),
            (None, _) => return Err(CommandError::Syntax),
        }
        self.tell_of_notes(engine);
        Ok(())
    }

    /// The machine knows what the shard's history says.
    pub fn tell_of_notes(&mut self, engine: &Engine) {
        let Some(membership) = &mut self.membership else { return };
        let is_known = membership.told_notes == engine.migration_notes;
        let Some(machine) = membership.machine.as_mut().filter(|_| !is_known) else { return };
        membership.told_notes.clone_from(&engine.migration_notes);
        let notes = engine.migration_notes.iter().filter_map(|(job, rest)| parse(job, rest));
        machine.set_migration_records(notes.collect::<BTreeMap<_, _>>());
    }
}

fn text_of(record: &Record) -> String {
    let kind = KINDS.iter().find(|(_, kind)| *kind == record.kind).expect("all kinds have a name").0;
    let mut text = format!("{kind} {}", record.peer);
    for (first, last) in record.slots.ranges() {
        text += &format!(" {first} {last}");
    }
    text
}

fn parse(job: &str, rest: &str) -> Option<(JobName, Record)> {
    let mut words = rest.split(' ');
    let kind = words.next()?;
    let kind = KINDS.iter().find(|(name, _)| *name == kind)?.1;
    let peer = NodeId::parse(words.next()?.as_bytes())?;
    let slots = parse_slots(&words.map(str::as_bytes).collect::<Vec<_>>())?;
    Some((JobName::parse(job.as_bytes())?, Record { kind, peer, slots }))
}
