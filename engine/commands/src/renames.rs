//! `rename-command`: commands that clients know by another name, or by none. Only what clients and scripts
//! say is translated, before anything looks at it: histories, logs and rules speak of commands by their own
//! names, so that replicas and the append-only file need no such setting.

use std::collections::{BTreeMap, BTreeSet};

use squall_resp::{Args, Output, OwnedArgs};

use crate::config::Config;
use crate::dispatch::Dispatched;
use crate::engine::Engine;
use crate::server::Server;
use crate::session::Session;
use crate::table::Found;

#[derive(Default)]
pub(crate) struct Renames {
    /// By the new name, in lower case.
    originals: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The names that are gone, in lower case.
    hidden: BTreeSet<Vec<u8>>,
}

/// What a client's word for a command means.
enum Meaning {
    /// What it says.
    Itself,
    /// The command of this name.
    Command(Vec<u8>),
    Nothing,
}

impl Renames {
    pub fn of(config: &Config) -> Renames {
        let mut renames = Renames::default();
        for (original, name) in &config.renamed_commands {
            let original = original.to_ascii_lowercase().into_bytes();
            renames.hidden.insert(original.clone());
            // A command may have been renamed under its new name.
            let original = renames.originals.remove(&original).unwrap_or(original);
            if !name.is_empty() {
                let name = name.to_ascii_lowercase().into_bytes();
                renames.hidden.remove(&name);
                renames.originals.insert(name, original);
            }
        }
        renames
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.hidden.is_empty()
    }

    fn meaning(&self, name: &[u8]) -> Meaning {
        let name = name.to_ascii_lowercase();
        match self.originals.get(&name) {
            Some(original) => Meaning::Command(original.clone()),
            None if self.hidden.contains(&name) => Meaning::Nothing,
            None => Meaning::Itself,
        }
    }

    /// A request in the commands' own names; none where it names what is hidden.
    pub fn translated(&self, request: OwnedArgs) -> Option<OwnedArgs> {
        match request.as_args().get(0).map(|name| self.meaning(name)) {
            Some(Meaning::Command(original)) => Some(with_name(&original, request.as_args())),
            Some(Meaning::Nothing) => None,
            Some(Meaning::Itself) | None => Some(request),
        }
    }
}

fn with_name(original: &[u8], args: Args<'_>) -> OwnedArgs {
    let words: Vec<&[u8]> = std::iter::once(original).chain(args.iter().skip(1)).collect();
    OwnedArgs::from_slices(&words)
}

impl Engine {
    /// `dispatch`, where commands are renamed. The stream of a primary may use both sorts of names.
    #[cold]
    pub(crate) fn dispatch_renamed(
        &mut self,
        session: &mut Session,
        output: &mut Output,
        args: Args<'_>,
        server: &mut dyn Server,
    ) -> Dispatched {
        match args.get(0).map(|name| self.renames.meaning(name)) {
            Some(Meaning::Command(original)) => {
                let request = with_name(&original, args);
                self.dispatch_named(session, output, request.as_args(), server)
            }
            Some(Meaning::Nothing) if !session.is_primary_link => {
                let error = self.refuse_unknown(Found::UnknownCommand, args);
                self.reject(error, session, output);
                Dispatched::Done
            }
            _ => self.dispatch_named(session, output, args, server),
        }
    }
}
