//! One client's side of a conversation: what the server knows of it between two requests.

use squall_clock::{Mono, Now};
use squall_resp::{ArgRange, Args, OwnedArgs, Protocol};

use crate::table::CommandId;

/// Numbers given in order of arrival, never reused; what `CLIENT ID` answers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct ClientId(pub u64);

/// Why the session waits; its next request is looked at only after the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Blocked {
    /// `WAIT`: until `replicas` have acknowledged `offset`.
    Wait { offset: u64, replicas: u64, deadline: Option<Mono> },
    /// A script goes on in slices.
    Script,
    /// `SAVE`, `SHUTDOWN`, `CONFIG REWRITE`: until the disk is done.
    Disk,
    /// BLPOP, XREAD BLOCK and their kin: [`crate::blocking::Waiting`] knows for what.
    Keys,
}

/// What the server knows of a conversation. Public fields: commands of several families read them.
pub struct Session {
    pub id: ClientId,
    /// `address:port` of both ends, or the socket's path and `:0`.
    pub peer: String,
    pub local: String,
    pub db: usize,
    pub protocol: Protocol,
    pub name: Vec<u8>,
    pub library_name: Vec<u8>,
    pub library_version: Vec<u8>,
    pub authenticated: bool,
    /// Whose rules hold: a name that ACL knows.
    pub user: Vec<u8>,
    pub transaction: Option<Transaction>,
    /// Keys under WATCH: [`crate::transactions::Watches`] knows which, and whether one has changed.
    pub watching: bool,
    /// Listens to a channel or a pattern: [`crate::pubsub::Subscriptions`] knows to which.
    pub subscribed: bool,
    /// Keeps what it reads: [`crate::tracking::Tracking`] knows how it wants to be told of changes.
    pub tracking: bool,
    pub blocked: Option<Blocked>,
    /// True while EXEC runs its commands: those that would wait answer at once.
    pub deny_blocking: bool,
    /// The connection to this server's own primary, or the reader of the append-only file: commands are
    /// applied without question, see expired keys as they are, are not propagated, and get no reply.
    pub is_primary_link: bool,
    /// What it applies is news to this server's own replicas: it comes from another shard.
    pub is_relayed: bool,
    /// A replica of this server (after PSYNC or SYNC).
    pub is_replica: bool,
    pub is_monitor: bool,
    pub reply_mode: ReplyMode,
    pub no_evict: bool,
    pub no_touch: bool,
    /// `CLIENT IMPORT-SOURCE ON`: copies another server's keys here.
    pub imports: bool,
    /// `CLIENT CAPA redirect`.
    pub is_redirectable: bool,
    pub read_only: bool,
    /// `ASKING`: the next command was redirected here.
    pub asking: bool,
    pub close_after_reply: bool,
    /// The offset of the replication stream after this session's last write: what WAIT waits for.
    pub last_write_offset: u64,
    /// The end of the append-only file's record after this session's last write: what WAITAOF waits for.
    pub last_write_log: u64,
    /// The end of the append-only file's record after this session's last request: its replies leave when
    /// the file has been written so far.
    pub log_position: u64,
    pub created: Now,
    pub last_interaction: Mono,
    /// The row of the last command, for `CLIENT LIST`.
    pub last_command: Option<CommandId>,
    pub commands_processed: u64,
    /// The beginning of a request, or requests that have to wait: the shell holds them.
    pub pending_input_bytes: usize,
    pub input_bytes: u64,
    pub output_bytes: u64,
    /// Since when more output waits than the soft limit allows.
    pub over_soft_limit_since: Option<Mono>,
}

impl Session {
    /// A conversation that has just begun. `authenticated`: no password is asked for.
    pub fn new(id: ClientId, peer: String, local: String, authenticated: bool, now: Now) -> Session {
        Session {
            id,
            peer,
            local,
            db: 0,
            protocol: Protocol::Resp2,
            name: Vec::new(),
            library_name: Vec::new(),
            library_version: Vec::new(),
            authenticated,
            user: b"default".to_vec(),
            transaction: None,
            watching: false,
            subscribed: false,
            tracking: false,
            blocked: None,
            deny_blocking: false,
            is_primary_link: false,
            is_relayed: false,
            is_replica: false,
            is_monitor: false,
            reply_mode: ReplyMode::On,
            no_evict: false,
            no_touch: false,
            imports: false,
            is_redirectable: false,
            read_only: false,
            asking: false,
            close_after_reply: false,
            last_write_offset: 0,
            last_write_log: 0,
            log_position: 0,
            created: now,
            last_interaction: now.mono,
            last_command: None,
            commands_processed: 0,
            pending_input_bytes: 0,
            input_bytes: 0,
            output_bytes: 0,
            over_soft_limit_since: None,
        }
    }

    /// The session of the link to this server's primary, or of the reader of the append-only file.
    pub fn primary_link(id: ClientId, peer: String, now: Now) -> Session {
        let mut session = Session::new(id, peer, String::new(), true, now);
        session.is_primary_link = true;
        session
    }

    /// Whether the peer is on this machine: a loopback address, or a socket's path.
    pub fn is_local(&self) -> bool {
        self.peer.starts_with("127.") || self.peer.starts_with("[::1]") || self.peer.starts_with('/')
    }

    /// True where no reply reaches the client.
    pub fn is_silent(&self) -> bool {
        self.is_primary_link || self.reply_mode != ReplyMode::On
    }
}

/// `CLIENT REPLY`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyMode {
    On,
    Off,
    /// `SKIP` was the last command: the next one's reply is dropped.
    SkipNext,
    /// While that next one runs.
    Skipping,
}

/// Commands collected since MULTI.
#[derive(Default)]
pub struct Transaction {
    pub queued: Vec<OwnedArgs>,
    queued_bytes: usize,
    /// A command was refused while queueing: EXEC will answer EXECABORT.
    pub refused: bool,
}

impl Transaction {
    pub fn push(&mut self, args: Args<'_>) {
        let request = OwnedArgs::from_args(args);
        self.queued_bytes +=
            request.bytes_len() + size_of::<OwnedArgs>() + args.len() * size_of::<ArgRange>();
        self.queued.push(request);
    }

    /// How much memory the collected commands take.
    pub fn queued_bytes(&self) -> usize {
        self.queued_bytes
    }
}
