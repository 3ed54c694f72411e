//! A dataset on its way in from the primary, read as it comes into a keyspace of its own. Only a complete
//! one takes the old one's place; a broken or damaged one is dropped and costs nothing but the time. This
//! is what `repl-diskless-load disabled` promises, without the file.

use bytes::{Bytes, BytesMut};
use squall_commands::Engine;
use squall_replication::Position;
use squall_store::Keyspace;
use squall_store::rdb::{LoadOptions, Loaded, Loader, Loading};

pub(super) struct Staging {
    position: Position,
    keyspace: Keyspace,
    loader: Loader,
    input: BytesMut,
    loaded: Option<Loaded>,
}

/// A dataset that is complete.
pub(super) struct Staged {
    pub position: Position,
    pub keyspace: Keyspace,
    pub loaded: Loaded,
}

impl Staging {
    pub fn begin(engine: &mut Engine, position: Position) -> Staging {
        // What has expired stays: only the primary deletes it.
        let options = LoadOptions { drop_expired_at: None, verify_checksum: engine.config.rdbchecksum };
        Staging {
            position,
            keyspace: engine.empty_keyspace(),
            loader: Loader::new(options),
            input: BytesMut::new(),
            loaded: None,
        }
    }

    pub fn take(&mut self, bytes: &Bytes) -> Result<(), String> {
        self.input.extend_from_slice(bytes);
        if self.loaded.is_none()
            && let Loading::Done(loaded) =
                self.loader.feed(&mut self.input, &mut self.keyspace).map_err(|error| error.to_string())?
        {
            self.loaded = Some(loaded);
        }
        match self.loaded.is_some() && !self.input.is_empty() {
            true => Err(format!("{} bytes follow the end of the dataset", self.input.len())),
            false => Ok(()),
        }
    }

    /// Nothing more comes.
    pub fn finish(self) -> Result<Staged, String> {
        let Staging { position, keyspace, loader, loaded, .. } = self;
        let loaded = loaded.ok_or_else(|| loader.truncated().to_string())?;
        Ok(Staged { position, keyspace, loaded })
    }
}
