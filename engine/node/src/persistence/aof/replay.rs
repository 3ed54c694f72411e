//! Executing what the log says, in whole units: a command, or MULTI to EXEC. It knows how far it has come,
//! and which point of the replication history the dataset stands for there.

use bytes::{Buf, BytesMut};
use squall_commands::stats::Stats;
use squall_commands::table::Found;
use squall_commands::{Engine, Session};
use squall_replication::{Position, ReplId, ReplOffset};
use squall_resp::{Args, Output};
use squall_store::rdb::{Aux, NO_LINEAGE, ReplicationAux};

use super::scanner::{Damage, Item, Scanned, Scanner};
use crate::services::Services;

pub(super) struct Replay {
    session: Session,
    unwanted: Output,
    scanner: Scanner,
    /// What clients did is counted, what the log does is not.
    stats: Stats,
    /// Where the transaction that is open begins.
    unit: Option<u64>,
    /// The history that the log speaks of, and the point that it has said last; none once more has been
    /// executed than that.
    history: Option<ReplId>,
    position: Option<Position>,
    /// The database that the history has selected there.
    db: usize,
    /// What the base says of itself.
    base: Aux,
    limits: TailLimits,
}

/// What may be cut off the end of the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailLimits {
    /// `aof-load-truncated`.
    pub truncated: bool,
    /// `aof-load-corrupt-tail-max-size`.
    pub corrupt_bytes_max: u64,
}

/// Why the log cannot be executed any further.
pub(super) enum Replayed {
    /// What follows is no log.
    Damaged(Damage),
    /// It is, and cannot be executed here.
    Refused(String),
}

impl Replay {
    pub fn beginning(engine: &mut Engine) -> Replay {
        let id = engine.clients.next_id();
        Replay {
            session: Session::primary_link(id, "append-only file".to_owned(), engine.now),
            unwanted: Output::new(),
            scanner: Scanner::starting_at(0),
            stats: Stats::new(),
            unit: None,
            history: None,
            position: None,
            db: 0,
            base: Aux::default(),
            limits: TailLimits {
                truncated: engine.config.aof_load_truncated,
                corrupt_bytes_max: engine.config.aof_load_corrupt_tail_bytes_max,
            },
        }
    }

    /// The base has been read: the dataset stands for what it says.
    pub fn take_base(&mut self, aux: Aux) {
        self.base = aux;
        let Some(aux) = &self.base.replication else { return };
        let id = ReplId::parse(aux.id.as_bytes());
        self.position = id.map(|id| Position { id, offset: ReplOffset(aux.offset) });
        self.db = aux.stream_db.unwrap_or(0) as usize;
    }

    /// The commands of a file begin at `offset`. Each file selects its database anew.
    pub fn begin_file(&mut self, offset: u64) {
        self.scanner = Scanner::starting_at(offset);
        // Whoever wrote the base began what follows it.
        if self.base.lineage.is_some() {
            self.scanner.expect_groups();
        }
        self.session.db = 0;
    }

    /// Where the group begins that has no end yet.
    pub fn group_start(&self) -> Option<u64> {
        self.scanner.group_start()
    }

    /// How many bytes of the file are known to have been durable, where its end was written by this server.
    pub fn synced_bytes(&self) -> Option<u64> {
        self.scanner.synced_bytes()
    }

    /// Where in the file the next item begins.
    pub fn offset(&self) -> u64 {
        self.scanner.offset()
    }

    /// How much more is needed of the item that begins in an input of this length, as far as it says so itself.
    pub fn bytes_wanted(&self, input_len: usize) -> usize {
        self.scanner.bytes_wanted(input_len)
    }

    /// Where the transaction begins that has no end yet.
    pub fn unfinished(&self) -> Option<u64> {
        self.unit
    }

    pub fn forget_unfinished(&mut self) {
        self.unit = None;
        self.session.transaction = None;
    }

    pub fn tail_limits(&self) -> TailLimits {
        self.limits
    }

    /// What the log says of itself: which dataset it is, and which point of its history, if that is known.
    pub fn aux(&self) -> Aux {
        let replication = self.position.map(|position| ReplicationAux {
            stream_db: Some(self.db as u64),
            id: position.id.to_string(),
            offset: position.offset.0,
        });
        Aux { replication, ..self.base.clone() }
    }

    /// Executes all that is complete in `input`, and takes it off.
    pub fn execute(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        input: &mut BytesMut,
    ) -> Result<(), Replayed> {
        std::mem::swap(&mut engine.stats, &mut self.stats);
        let mut passed = 0;
        let result = loop {
            let rest = &input[passed..];
            match self.scanner.look(rest) {
                Err(damage) => break Err(Replayed::Damaged(damage)),
                Ok(Scanned::Incomplete) => break Ok(()),
                Ok(Scanned::Item { item, len }) => {
                    if let Err(reason) = self.take(engine, services, item, rest) {
                        break Err(Replayed::Refused(format!("{reason} at byte {}", self.scanner.offset())));
                    }
                    self.scanner.pass(item, &rest[..len]);
                    passed += len;
                }
            }
        };
        std::mem::swap(&mut engine.stats, &mut self.stats);
        input.advance(passed);
        result
    }

    fn take(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        item: Item,
        rest: &[u8],
    ) -> Result<(), String> {
        match item {
            Item::Other | Item::Synced(_) => {}
            Item::Lineage(lineage) => {
                self.base.lineage = Some(lineage.map_or(NO_LINEAGE.to_owned(), |id| id.to_string()));
            }
            Item::History(id) => {
                self.history = id;
                // The dataset is the same, the name of its past has changed.
                self.position = self.position.filter(|position| Some(position.id) == id);
            }
            Item::Offset(offset) => {
                let known = self.history.zip(offset).filter(|_| self.unit.is_none());
                self.position = known.map(|(id, offset)| Position { id, offset: ReplOffset(offset) });
            }
            Item::Command => {
                let begins = self.scanner.offset();
                self.execute_one(engine, services, rest)?;
                match self.session.transaction {
                    Some(_) => self.unit = self.unit.or(Some(begins)),
                    None => {
                        self.unit = None;
                        self.position = None;
                        self.db = self.session.db;
                    }
                }
            }
        }
        Ok(())
    }

    /// Executes a command. One that is not known here, or selects a database that does not exist, ends the
    /// load: everything after it would build on what it did. Other errors were errors before.
    fn execute_one(
        &mut self,
        engine: &mut Engine,
        services: &mut Services,
        rest: &[u8],
    ) -> Result<(), String> {
        let args = self.scanner.args(rest);
        let succeeds = engine.replay(&mut self.session, &mut self.unwanted, args, services);
        if self.session.close_after_reply {
            return Err("a transaction is too long (client-query-buffer-limit)".to_owned());
        }
        match succeeds {
            true => Ok(()),
            false => explain(engine, args),
        }
    }
}

fn explain(engine: &Engine, args: Args<'_>) -> Result<(), String> {
    let name = args.at(0).escape_ascii();
    match engine.table.find(args) {
        Found::Row(row) if row.full_name == "select" => {
            Err("a database that does not exist is selected".to_owned())
        }
        Found::Row(_) => Ok(()),
        _ => Err(format!("the command '{name}' does not exist here")),
    }
}
