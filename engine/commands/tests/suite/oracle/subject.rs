//! Squall in the same process, asked as one asks the oracle: words in, reply bytes and propagated commands out.

use bytes::BytesMut;
use squall_clock::{Mono, Nanos, Now};
use squall_commands::administration::config::ConfigChange;
use squall_commands::config::{Config, Protection};
use squall_commands::server::{FailoverRequest, LogLevel, Server, ShutdownOptions, WantedDisks};
use squall_commands::{Client, ClientId, CommandResult, Dispatched, Engine, Session};
use squall_resp::{Args, Limits, OwnedArgs, Parsed, Protocol, Reply, RequestParser};

/// An engine with one client.
pub struct Subject {
    pub engine: Engine,
    client: Client,
}

impl Subject {
    pub fn start(protocol: Protocol) -> Subject {
        let config = Config { enable_debug_command: Protection::Yes, ..Config::default() };
        let mut engine = Engine::new(config, [7; 32], now());
        engine.propagation.enabled = true;
        let mut session = engine.open_session("127.0.0.1:1".to_owned(), "127.0.0.1:6379".to_owned());
        session.protocol = protocol;
        Subject { engine, client: Client::new(session) }
    }

    /// Sends a request and returns its reply, byte for byte.
    pub fn ask(&mut self, args: &[Vec<u8>]) -> Vec<u8> {
        self.engine.now = now();
        let slices: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let owned = OwnedArgs::from_slices(&slices);
        let Client { session, output, .. } = &mut self.client;
        let dispatched = self.engine.dispatch(session, output, owned.as_args(), &mut Alone);
        assert_eq!(dispatched, Dispatched::Done, "nobody has paused this server");
        while self.engine.scripts.is_parked() {
            self.engine.advance_script(&mut self.client, &mut Alone);
        }
        let mut slices = [std::io::IoSlice::new(&[]); 1_024];
        let count = self.client.output.slices(&mut slices);
        let reply = slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
        self.client.output.clear();
        reply
    }

    /// The commands that replicas would have received since the last call.
    pub fn propagated(&mut self) -> Vec<Vec<Vec<u8>>> {
        let mut stream = BytesMut::from(&self.engine.propagation.take().unwrap_or_default()[..]);
        let (mut parser, mut commands) = (RequestParser::new(), Vec::new());
        while let Parsed::Command { consumed } = parser.parse(&stream, &Limits::default()).expect("requests")
        {
            commands.push(parser.args(&stream).iter().map(<[u8]>::to_vec).collect());
            let _ = stream.split_to(consumed);
        }
        commands
    }
}

/// The wall clock: the oracle has no other.
fn now() -> Now {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    Now { mono: Mono(since.as_nanos() as u64), unix_us: since.as_micros() as u64 }
}

/// No replication, no disk: no test of data asks for them.
struct Alone;

macro_rules! out_of_place {
    ($($name:ident($($arg:ty),*) -> $result:ty;)*) => {
        $(fn $name(&mut self, $(_: $arg),*) -> $result {
            unreachable!("these tests keep to data")
        })*
    };
}

impl Server for Alone {
    fn primary_link(&self) -> Option<&Session> {
        None
    }

    out_of_place! {
        replica_of(&mut Engine, Option<(String, u16)>, &mut Reply<'_>) -> CommandResult;
        failover(&mut Engine, FailoverRequest, &mut Reply<'_>) -> CommandResult;
        role(&Engine, &mut Reply<'_>) -> ();
        replconf(&mut Engine, &mut Session, Args<'_>, &mut Reply<'_>) -> CommandResult;
        psync(&mut Engine, &mut Session, Args<'_>, &mut Reply<'_>) -> CommandResult;
        wait(&mut Engine, &mut Session, u64, Option<Nanos>, &mut Reply<'_>) -> CommandResult;
        wait_for_disks(&mut Engine, &mut Session, WantedDisks, Option<Nanos>, &mut Reply<'_>) -> CommandResult;
        save(&mut Engine, &mut Session, &mut Reply<'_>) -> CommandResult;
        background_save(&mut Engine, bool, &mut Reply<'_>) -> CommandResult;
        cancel_background_save(&mut Engine, &mut Reply<'_>) -> CommandResult;
        shutdown(&mut Engine, &mut Session, ShutdownOptions) -> CommandResult;
        config_changed(&mut Engine, &str) -> ();
        cluster(&mut Engine, &mut Session, Args<'_>, &mut Reply<'_>) -> CommandResult;
        migrate(&mut Engine, &mut Session, squall_commands::generic::Migration) -> ();
        publish_to_cluster(&mut Engine, bool, &[u8], &[u8]) -> ();
        secure(&mut Session, Config, ConfigChange) -> CommandResult;
        config_rewrite(&mut Engine, &mut Session) -> CommandResult;
        acl_load(&mut Engine, &mut Session) -> CommandResult;
        acl_save(&mut Engine, &mut Session) -> CommandResult;
        close_client(&mut Engine, ClientId) -> ();
        unblock_client(&mut Engine, ClientId, bool) -> bool;
        background_rewrite(&mut Engine, &mut Reply<'_>) -> CommandResult;
        stall(Nanos) -> ();
        abort() -> ();
        restart(&mut Engine, &mut Session, bool, Nanos) -> ();
        debug_load_log(&mut Engine, &mut Session) -> CommandResult;
        debug_reload(&mut Engine, &mut Reply<'_>) -> CommandResult;
        debug_change_replication_id(&mut Engine) -> ();
    }

    fn log(&mut self, _: LogLevel, _: String) {}

    fn pending_bytes(&self) -> squall_commands::server::PendingBytes {
        unreachable!("these tests keep to data")
    }

    fn last_save(&self) -> u64 {
        unreachable!("these tests keep to data")
    }

    fn info(&self, _: &Engine, _: &str, _: &mut String) {
        unreachable!("these tests keep to data")
    }
}
