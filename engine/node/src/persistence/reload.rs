//! `DEBUG RELOAD`: the dataset through the RDB format and back, in memory, as a self-test of the codec.

use bytes::BytesMut;
use squall_commands::Engine;
use squall_store::rdb::{Aux, LoadOptions, Loader, Loading};
use squall_store::{SnapshotOptions, SnapshotState};

/// Encodes the whole dataset, reads it into an empty keyspace and puts that in place of the old one. On an
/// error the old one stays.
pub(crate) fn reload(engine: &mut Engine, aux: &Aux) -> Result<(), String> {
    let options = SnapshotOptions { compress: engine.config.rdbcompression, checksum: true };
    engine
        .keyspace
        .begin_snapshot(options, aux)
        .map_err(|_| "A snapshot is in progress, try again later".to_string())?;
    let mut input = BytesMut::new();
    loop {
        let piece = engine.keyspace.take_snapshot_bytes();
        input.extend_from_slice(&piece);
        if piece.is_empty() && engine.keyspace.snapshot_step(usize::MAX) == SnapshotState::Done {
            break;
        }
    }
    let mut fresh = engine.empty_keyspace();
    let mut loader = Loader::new(LoadOptions { drop_expired_at: None, verify_checksum: true });
    match loader.feed(&mut input, &mut fresh) {
        Ok(Loading::Done(_)) => {
            engine.replace_keyspace(fresh);
            Ok(())
        }
        Ok(Loading::NeedMore) => Err("Error trying to load the RDB dump: it ends early".to_string()),
        Err(error) => Err(format!("Error trying to load the RDB dump: {error}")),
    }
}
