//! What commands ask of the node around them: replication, persistence and the process's life. The node
//! implements [`Server`]; commands never know which machine is behind it.

use squall_clock::{Mono, Nanos};
use squall_resp::{Args, Reply};

use crate::administration::config::ConfigChange;
use crate::config::Config;
use crate::generic::Migration;
use crate::{ClientId, CommandResult, Engine, Session};

/// What only the shell knows or has, for INFO and CONFIG to show: no decision depends on it.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub process_id: u32,
    pub executable: String,
    pub os: String,
    pub multiplexing_api: String,
    /// From the allocator and the kernel, refreshed by the shell; zero in a simulated world.
    pub used_memory_bytes: u64,
    pub used_memory_peak_bytes: u64,
    pub used_memory_peak_unix_seconds: u64,
    /// What was in use before there was a dataset.
    pub startup_memory_bytes: u64,
    pub resident_bytes: u64,
    pub allocator_allocated_bytes: u64,
    pub allocator_active_bytes: u64,
    pub allocator_resident_bytes: u64,
    pub total_system_memory_bytes: u64,
    pub allocator: String,
    /// CPU time in microseconds: system, user.
    pub cpu_system_us: u64,
    pub cpu_user_us: u64,
    /// Whether what the machines of scripts hold is told. How large their tables are hangs on the addresses of this
    /// process: not in a simulated world, where every run tells the same.
    pub measures_scripts: bool,
    /// Reads a clock for measuring how long commands take; none in a simulated world.
    pub stopwatch: Option<fn() -> Mono>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownOptions {
    /// `SAVE` / `NOSAVE`; none: save where save points are set.
    pub save: Option<bool>,
    pub now: bool,
    pub force: bool,
    /// Not where it leaves slots without a server (Valkey).
    pub safe: bool,
    /// A primary in a cluster has a replica take over first (Valkey).
    pub failover: bool,
    pub abort: bool,
}

/// What waits beside clients and replicas, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PendingBytes {
    pub cluster_links: u64,
    pub log: u64,
}

/// `CLIENT PAUSE`: until when, and whether reads wait too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pause {
    pub until: Mono,
    pub all: bool,
}

/// `FAILOVER`: what is asked for, as its words say it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FailoverRequest {
    Abort,
    Begin {
        /// The replica that is to take over, as it has announced itself; none: whichever is in step first.
        target: Option<(String, i64)>,
        /// How long the replica may need to come into step.
        timeout: Option<Nanos>,
        /// Hand over after the timeout although the replica is not in step.
        force: bool,
    },
}

/// What `WAITAOF` waits for: this server's log, and those of so many replicas.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WantedDisks {
    pub local: bool,
    pub replicas: u64,
}

/// The node, as commands see it. A method that cannot answer at once sets `session.blocked` and lets the
/// node write the reply later.
pub trait Server {
    /// `REPLICAOF`: follow `primary` (host, port), or be a primary (`None`). The role changes when the
    /// request is done, a transaction as a whole.
    fn replica_of(
        &mut self,
        engine: &mut Engine,
        primary: Option<(String, u16)>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `FAILOVER`: this server hands its role to a replica, or no longer tries to.
    fn failover(
        &mut self,
        engine: &mut Engine,
        request: FailoverRequest,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    fn role(&mut self, engine: &Engine, reply: &mut Reply<'_>);
    /// `REPLCONF`, sent by replicas and by `redis-cli --rdb`. Some forms have no reply.
    fn replconf(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `PSYNC` and `SYNC`: from here on the session is a replica's.
    fn psync(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `WAIT`: `timeout` none waits for ever.
    fn wait(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        replicas: u64,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `WAITAOF`: on how many disks the session's writes are to be; `timeout` none waits for ever.
    fn wait_for_disks(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        wanted: WantedDisks,
        timeout: Option<Nanos>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `SAVE` and `BGSAVE [SCHEDULE]`.
    fn save(&mut self, engine: &mut Engine, session: &mut Session, reply: &mut Reply<'_>) -> CommandResult;
    fn background_save(
        &mut self,
        engine: &mut Engine,
        schedule: bool,
        reply: &mut Reply<'_>,
    ) -> CommandResult;

    /// `BGSAVE CANCEL`.
    fn cancel_background_save(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult;
    /// `LASTSAVE`, in Unix seconds.
    fn last_save(&self) -> u64;
    /// Appends `field:value\r\n` lines of INFO: all of the sections `replication` and `persistence`, and of
    /// `clients` and `stats` those that the node knows.
    fn info(&self, engine: &Engine, section: &str, text: &mut String);
    /// What waits to be sent over the cluster's bus, and to be written to the append-only file, in bytes.
    fn pending_bytes(&self) -> PendingBytes;
    /// `SHUTDOWN`. Where it succeeds nothing is replied; the session is blocked until the end.
    fn shutdown(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        options: ShutdownOptions,
    ) -> CommandResult;
    /// Called once per parameter after `CONFIG SET` has changed it (its canonical name).
    fn config_changed(&mut self, engine: &mut Engine, parameter: &str);
    /// `CONFIG SET` of what belongs to encryption: blocks the session until the certificates that `wanted` names
    /// are read and the change is carried out, or until it is known why they cannot be used.
    fn secure(&mut self, session: &mut Session, wanted: Config, change: ConfigChange) -> CommandResult;
    /// `CLUSTER` and its subcommands, in a cluster.
    fn cluster(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult;
    /// `MIGRATE`: blocks the session until the other server has answered for every key.
    fn migrate(&mut self, engine: &mut Engine, session: &mut Session, migration: Migration);
    /// In a cluster, PUBLISH and SPUBLISH reach the listeners at other nodes.
    fn publish_to_cluster(&mut self, engine: &mut Engine, sharded: bool, channel: &[u8], message: &[u8]);
    /// `CONFIG REWRITE`: blocks the session until the file is replaced.
    fn config_rewrite(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult;
    /// `ACL LOAD` and `ACL SAVE`: block the session until the file of users is read, or replaced.
    fn acl_load(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult;
    fn acl_save(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult;
    /// The session of the link from this server's primary, while the stream comes in.
    fn primary_link(&self) -> Option<&Session>;
    /// `CLIENT KILL` of another client; its session is closed after the current command.
    fn close_client(&mut self, engine: &mut Engine, client: ClientId);
    /// `CLIENT UNBLOCK` of a client that waits: it is answered as after its timeout, or with an error. False
    /// where it does not wait.
    fn unblock_client(&mut self, engine: &mut Engine, client: ClientId, with_error: bool) -> bool;
    /// `BGREWRITEAOF`.
    fn background_rewrite(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult;
    /// `DEBUG SLEEP`: nothing is served for that long.
    fn stall(&mut self, duration: Nanos);
    /// `DEBUG SEGFAULT`: the process ends at once, without a last word.
    fn abort(&mut self);
    /// `DEBUG RESTART` and `CRASH-AND-RECOVER`: the end, and a new beginning after the delay. An orderly end is
    /// SHUTDOWN's.
    fn restart(&mut self, engine: &mut Engine, session: &mut Session, orderly: bool, delay: Nanos);
    /// `DEBUG LOADAOF`: forget the dataset, read it back from the append-only file. Blocks the session until then.
    fn debug_load_log(&mut self, engine: &mut Engine, session: &mut Session) -> CommandResult;
    /// `DEBUG RELOAD`: save the dataset, forget it, read it back. `DEBUG CHANGE-REPL-ID` and the like.
    fn debug_reload(&mut self, engine: &mut Engine, reply: &mut Reply<'_>) -> CommandResult;
    fn debug_change_replication_id(&mut self, engine: &mut Engine);
    /// A line for the log.
    fn log(&mut self, level: LogLevel, message: String);
}

/// Redis's four levels, shown in the log as `.`, `-`, `*` and `#`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    Debug,
    Verbose,
    Notice,
    Warning,
}
