//! `DEBUG RELOAD`: the dataset through the RDB format and back, in memory, as a self-test of the codec.

use bytes::BytesMut;
use squall_commands::Engine;
use squall_commands::recency;
use squall_store::rdb::{Aux, LoadOptions, Loader, Loading};
use squall_store::{SnapshotOptions, SnapshotState};

/// How much is encoded before it is put together with the rest.
const SLICE_BYTES: usize = 1024 * 1024;

/// Encodes the whole dataset, reads it into an empty keyspace and puts that in place of the old one. On an
/// error the old one stays.
pub(crate) fn reload(engine: &mut Engine, aux: &Aux) -> Result<(), String> {
    let options = SnapshotOptions {
        compress: engine.config.rdbcompression,
        checksum: true,
        recency: recency::told(&engine.config, engine.now),
    };
    engine
        .keyspace
        .begin_snapshot(options, aux)
        .map_err(|_| "A snapshot is in progress, try again later".to_string())?;
    let mut input = BytesMut::new();
    let mut state = SnapshotState::Running;
    while state == SnapshotState::Running {
        let pieces;
        (pieces, state) = engine.keyspace.take_snapshot_slice(SLICE_BYTES);
        pieces.iter().for_each(|piece| input.extend_from_slice(piece));
    }
    let mut fresh = engine.empty_keyspace();
    let mut loader = Loader::new(LoadOptions {
        drop_expired_at: None,
        verify_checksum: true,
        recency: recency::kept(&engine.config, engine.now),
    });
    match loader.feed(&mut input, &mut fresh) {
        Ok(Loading::Done(_)) => {
            engine.replace_keyspace(fresh);
            Ok(())
        }
        Ok(Loading::NeedMore) => Err("Error trying to load the RDB dump: it ends early".to_string()),
        Err(error) => Err(format!("Error trying to load the RDB dump: {error}")),
    }
}
