//! A dataset on its way in from the primary, read as it comes into a keyspace of its own. Only a complete
//! one takes the old one's place; a broken or damaged one is dropped and costs nothing but the time. This
//! is what `repl-diskless-load disabled` and `swapdb` promise, without a file.
//!
//! With `flush-before-load` there need not be room for both: the old dataset goes as soon as the new one is
//! known to be welcome (`lineage`), nothing is served until it is complete, and if it never is, this server
//! holds nothing and says so.

use bytes::{Bytes, BytesMut};
use squall_clock::UnixMs;
use squall_commands::Engine;
use squall_commands::config::DisklessLoad;
use squall_commands::recency;
use squall_replication::Position;
use squall_store::Keyspace;
use squall_store::rdb::{LoadOptions, Loaded, Loader, Loading};

use super::lineage::{Guard, Verdict, lineage_of};
use super::{Replication, fresh_id};
use crate::effect::Effects;
use crate::marks::Mark;
use crate::persistence::Persistence;

pub(super) struct Staging {
    position: Position,
    pub(super) since: UnixMs,
    keyspace: Keyspace,
    loader: Loader,
    input: BytesMut,
    loaded: Option<Loaded>,
    guard: Guard,
    welcome: bool,
    /// The old dataset has made room for this one.
    replaces_nothing: bool,
}

/// A dataset that is complete.
struct Staged {
    position: Position,
    keyspace: Keyspace,
    loaded: Loaded,
}

/// Why a dataset is not taken.
enum Unfit {
    Damaged(String),
    Foreign(String),
}

impl Staging {
    fn begin(engine: &mut Engine, position: Position, guard: Guard) -> Staging {
        // What has expired stays: only the primary deletes it.
        let options = LoadOptions {
            drop_expired_at: None,
            verify_checksum: engine.config.rdbchecksum,
            recency: recency::kept(&engine.config, engine.now),
        };
        Staging {
            position,
            since: engine.now.unix_ms(),
            keyspace: engine.empty_keyspace(),
            loader: Loader::new(options),
            input: BytesMut::new(),
            loaded: None,
            guard,
            welcome: false,
            replaces_nothing: false,
        }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), Unfit> {
        self.input.extend_from_slice(bytes);
        if self.loaded.is_none() {
            let fed = self.loader.feed(&mut self.input, &mut self.keyspace);
            match fed.map_err(|error| Unfit::Damaged(error.to_string()))? {
                Loading::NeedMore => {}
                Loading::Done(loaded) => self.loaded = Some(loaded),
            }
        }
        if self.loaded.is_some() && !self.input.is_empty() {
            let count = self.input.len();
            return Err(Unfit::Damaged(format!("{count} bytes follow the end of the dataset")));
        }
        self.judge()
    }

    fn judge(&mut self) -> Result<(), Unfit> {
        if !self.welcome {
            let read = self.loaded.as_ref().unwrap_or_else(|| self.loader.so_far());
            match self.guard.judge(self.position, read, self.loaded.is_some()) {
                Verdict::Undecided => {}
                Verdict::Accepted => self.welcome = true,
                Verdict::Refused(reason) => return Err(Unfit::Foreign(reason)),
            }
        }
        Ok(())
    }

    /// Nothing more comes.
    fn finish(self) -> Result<Staged, Unfit> {
        let Staging { position, keyspace, loader, loaded, .. } = self;
        let loaded = loaded.ok_or_else(|| Unfit::Damaged(loader.truncated().to_string()))?;
        Ok(Staged { position, keyspace, loaded })
    }
}

impl Replication {
    /// A dataset of `position` begins to come in.
    pub(super) fn begin_staging(&mut self, engine: &mut Engine, position: Position) {
        let following = self.following.as_mut().expect("it comes over the link");
        let held = self.primary.position();
        let guard = Guard::new(engine, self.lineage, held, following.is_ordered);
        following.staging = Some(Staging::begin(engine, position, guard));
    }

    pub(super) fn stage(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
        bytes: &Bytes,
    ) {
        // None: an earlier piece was refused, and these had come with it.
        let Some(staging) = self.staging_mut() else { return };
        let taken = staging.take(bytes);
        let makes_room = staging.welcome && !staging.replaces_nothing;
        match taken {
            Err(reason) => self.refuse_dataset(engine, effects, reason),
            Ok(()) if makes_room && engine.config.repl_diskless_load == DisklessLoad::FlushBeforeLoad => {
                self.make_room(engine, persistence, effects);
            }
            Ok(()) => {}
        }
    }

    pub(super) fn finish_staging(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
    ) {
        let following = self.following.as_mut().expect("it came over the link");
        let Some(staging) = following.staging.take() else { return };
        let made_room = staging.replaces_nothing;
        match staging.finish() {
            Ok(staged) => self.install(engine, persistence, effects, staged),
            Err(reason) => self.refuse_dataset(engine, effects, reason),
        }
        engine.loading &= !made_room;
    }

    /// What has come in so far is worthless: its connection has ended.
    pub(super) fn drop_staging(&mut self, engine: &mut Engine) {
        let staging = self.following.as_mut().and_then(|following| following.staging.take());
        if staging.is_some_and(|staging| staging.replaces_nothing) {
            engine.loading = false;
        }
    }

    fn refuse_dataset(&mut self, engine: &mut Engine, effects: &mut Effects, reason: Unfit) {
        effects.mark(match reason {
            Unfit::Damaged(_) => Mark::SnapshotDamaged,
            Unfit::Foreign(_) => Mark::SnapshotForeign,
        });
        self.drop_staging(engine);
        let following = self.following.as_mut().expect("it came over the link");
        let reason = match reason {
            Unfit::Damaged(reason) => format!("its dataset cannot be loaded: {reason}"),
            Unfit::Foreign(reason) => {
                following.refuses_foreign = true;
                reason
            }
        };
        following.machine.refused(&reason, engine.now.mono);
    }

    /// The old dataset goes before the new one is complete.
    fn make_room(&mut self, engine: &mut Engine, persistence: &mut Persistence, effects: &mut Effects) {
        effects.mark(Mark::MadeRoom);
        effects.notice("Flushing the old dataset to make room for the primary's");
        persistence.abort_saving(engine, effects);
        let own = fresh_id(engine);
        self.primary.dataset_lost(own, engine.now.mono);
        self.advance_full_sync(engine, effects);
        self.lineage = None;
        engine.loading = true;
        let empty = engine.empty_keyspace();
        engine.replace_keyspace(empty);
        let following = self.following.as_mut().expect("it comes over the link");
        following.machine.forget_position();
        following.staging.as_mut().expect("it is under way").replaces_nothing = true;
    }

    /// The received dataset takes the place of the old one, and its history that of the old one's.
    fn install(
        &mut self,
        engine: &mut Engine,
        persistence: &mut Persistence,
        effects: &mut Effects,
        staged: Staged,
    ) {
        let Staged { position, keyspace, loaded } = staged;
        let old = self.lineage;
        self.lineage = lineage_of(&loaded).map(|lineage| lineage.replacing(old));
        let stream_db = loaded.aux.replication.and_then(|aux| aux.stream_db).unwrap_or(0) as usize;
        // Snapshots of the old dataset have no future: their cursor goes with it.
        persistence.abort_saving(engine, effects);
        self.primary.adopt(position, engine.now.mono);
        self.advance_full_sync(engine, effects);
        engine.replace_keyspace(keyspace);
        engine.replace_migration_notes(&loaded.aux.migrations);
        if let Err(reason) = engine.replace_libraries(&loaded.aux.functions) {
            effects.warning(format!("a library of functions cannot be loaded and is left out: {reason}"));
        }
        self.stream_db = stream_db.min(engine.keyspace.databases() - 1);
        effects.mark(Mark::SnapshotReceived);
        effects.notice(format!("the primary's dataset is in place: {} keys", loaded.keys));
        let following = self.following.as_mut().expect("the dataset came over its link");
        following.in_step();
        following.applier.as_mut().expect("no command is executed").start_at(self.stream_db);
        following.machine.loaded(engine.now.mono);
        persistence.log.dataset_replaced(effects);
    }

    fn staging_mut(&mut self) -> Option<&mut Staging> {
        self.following.as_mut()?.staging.as_mut()
    }
}
