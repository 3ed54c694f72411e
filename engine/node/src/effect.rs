//! What the node wants done outside: plain values, polled by the shell in order. The node never waits for
//! them; results come back through `Node`'s methods.

use std::collections::VecDeque;
use std::io::ErrorKind;

use bytes::Bytes;
use squall_clock::Nanos;
use squall_commands::ClientId;
use squall_commands::config::{Config, LogLevelChoice};
use squall_commands::server::LogLevel;

use crate::marks::{Mark, Marks};

/// A connection to another server: to this server's primary, or one of the cluster bus, in either direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct LinkId(pub u64);

/// An open file, named by the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct FileId(pub u64);

#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Listen on exactly these; what was listened on before and is not among them is closed.
    Listen(Vec<ListenRequest>),
    /// The connection has output to send, or may go on with input that the shell holds.
    WakeClient(ClientId),
    /// Drop the connection at once, then report `client_closed`.
    CloseClient(ClientId),
    /// Read the certificates that this configuration names, for every encrypted connection that begins from now
    /// on, then report `secured`.
    Secure(Box<Config>),
    Connect {
        link: LinkId,
        host: String,
        port: u16,
        source: Option<String>,
        /// Encrypted.
        secured: bool,
    },
    WakeLink(LinkId),
    /// Drop the link; nothing is reported for it any more.
    CloseLink(LinkId),
    Disk(DiskRequest),
    Log {
        level: LogLevel,
        role: char,
        message: String,
    },
    /// Serve nothing for that long (`DEBUG SLEEP`).
    Stall(Nanos),
    /// End the process with this status.
    Exit {
        status: i32,
    },
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenRequest {
    pub place: ListenPlace,
    pub backlog: u32,
    /// Ask silent clients for a sign of life after that long.
    pub keepalive: Option<Nanos>,
    /// A bind address written `-addr`: not having it is no error.
    pub optional: bool,
    pub serves: Serves,
}

/// Who connects there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Serves {
    /// Report `client_opened`.
    Clients,
    /// Other nodes of the cluster: report `link_accepted`.
    Bus,
    /// Who collects figures: report `metrics_accepted`.
    Metrics,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ListenPlace {
    /// A bind address as in the configuration (`*`, `::*` or an IP literal).
    Tcp {
        host: String,
        port: u16,
        /// For encrypted connections.
        secured: bool,
    },
    Unix {
        path: String,
        mode: u32,
    },
}

/// Requests of one lane run in order; lanes run side by side.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Lane {
    /// Reading the dataset at start.
    Load,
    /// Writing a snapshot.
    Snapshot,
    /// Making what is written of it durable meanwhile.
    SnapshotSync,
    /// Appending to the append-only file.
    Log,
    /// Making it durable, beside the appends.
    LogSync,
    /// Small files: the configuration, the cluster's node table.
    Meta,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskRequest {
    pub ticket: u64,
    pub lane: Lane,
    pub op: DiskOp,
}

/// Paths are relative to the server's directory, or absolute.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskOp {
    Open {
        file: FileId,
        path: String,
        mode: OpenFor,
    },
    Len {
        file: FileId,
    },
    /// Fewer bytes than `len` only at the end of the file.
    Read {
        file: FileId,
        offset: u64,
        len: usize,
    },
    Append {
        file: FileId,
        data: Bytes,
    },
    Truncate {
        file: FileId,
        len: u64,
    },
    Sync {
        file: FileId,
    },
    Close {
        file: FileId,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        path: String,
    },
    List {
        path: String,
    },
    CreateDir {
        path: String,
    },
    SyncDir {
        path: String,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenFor {
    /// The file must exist.
    Reading,
    /// Created where missing.
    Appending,
    /// Created, or emptied.
    Replacing,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskDone {
    pub ticket: u64,
    pub result: Result<DiskResult, DiskError>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DiskResult {
    /// For every operation but the three below.
    Unit,
    Len(u64),
    Bytes(Bytes),
    Names(Vec<String>),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskError {
    pub kind: ErrorKind,
    pub message: String,
}

/// The queue of effects, and the names given to files, links and disk requests.
pub(crate) struct Effects {
    queue: VecDeque<Effect>,
    last_ticket: u64,
    last_file: u64,
    last_link: u64,
    /// What the node has been through.
    pub marks: Marks,
    /// Whose log lines these are: M, S, or C while saving.
    pub role: char,
    log_level_min: LogLevel,
}

impl Effects {
    pub fn new(config: &Config) -> Effects {
        let mut effects = Effects {
            queue: VecDeque::new(),
            last_ticket: 0,
            last_file: 0,
            last_link: 0,
            marks: Marks::default(),
            role: 'M',
            log_level_min: LogLevel::Notice,
        };
        effects.set_log_level(config.loglevel);
        effects
    }

    /// `loglevel`: what is below it is not said.
    pub fn set_log_level(&mut self, choice: LogLevelChoice) {
        self.log_level_min = match choice {
            LogLevelChoice::Debug => LogLevel::Debug,
            LogLevelChoice::Verbose => LogLevel::Verbose,
            LogLevelChoice::Notice => LogLevel::Notice,
            LogLevelChoice::Warning => LogLevel::Warning,
        };
    }

    pub fn mark(&mut self, mark: Mark) {
        self.marks.reach(mark);
    }

    pub fn push(&mut self, effect: Effect) {
        self.queue.push_back(effect);
    }

    pub fn extend(&mut self, effects: impl IntoIterator<Item = Effect>) {
        self.queue.extend(effects);
    }

    pub fn pop(&mut self) -> Option<Effect> {
        self.queue.pop_front()
    }

    pub fn log(&mut self, level: LogLevel, message: impl Into<String>) {
        if level >= self.log_level_min {
            self.push(Effect::Log { level, role: self.role, message: message.into() });
        }
    }

    pub fn notice(&mut self, message: impl Into<String>) {
        self.log(LogLevel::Notice, message);
    }

    pub fn warning(&mut self, message: impl Into<String>) {
        self.log(LogLevel::Warning, message);
    }

    /// Asks for one disk operation; its ticket comes back in `DiskDone`.
    pub fn disk(&mut self, lane: Lane, op: DiskOp) -> u64 {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.push(Effect::Disk(DiskRequest { ticket, lane, op }));
        ticket
    }

    pub fn next_file(&mut self) -> FileId {
        self.last_file += 1;
        FileId(self.last_file)
    }

    pub fn next_link(&mut self) -> LinkId {
        self.last_link += 1;
        LinkId(self.last_link)
    }
}
