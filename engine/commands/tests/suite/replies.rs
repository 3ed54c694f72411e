//! Replies of the connection, transactions and server families against those of a redis-server on this
//! machine, byte for byte.

use crate::oracle::Oracle;
use crate::world::World;
use squall_commands::config::Config;
use squall_commands::config::choices::Protection;

/// Requests whose replies say nothing of the time, the version or the process. The lines are asked on one
/// connection, one after the other.
const REQUESTS: &str = r#"
PING
PING hello
PING a b
ECHO x
ECHO
NOSUCH
NOSUCH a "b c" d
nosuch aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb cccc dddd
CLIENT
CLIENT nosuch
CLIENT ID x
CLIENT SETNAME "a b"
CLIENT SETNAME a
CLIENT GETNAME
CLIENT SETNAME ""
CLIENT GETNAME
CLIENT LIST TYPE foo
CLIENT LIST TYPE
CLIENT LIST ID x
CLIENT LIST ID 100000
CLIENT LIST foo
CLIENT LIST TYPE replica
CLIENT KILL foo
CLIENT KILL ID 0
CLIENT KILL ID abc
CLIENT KILL ADDR 1.2.3.4:5
CLIENT KILL ID 12345
CLIENT KILL foo bar
CLIENT KILL 1.2.3.4:5
CLIENT KILL TYPE foo
CLIENT KILL TYPE replica
CLIENT KILL USER nobody
CLIENT KILL SKIPME maybe
CLIENT REPLY foo
CLIENT PAUSE abc
CLIENT PAUSE -1
CLIENT PAUSE 10 foo
CLIENT PAUSE 99999999999999999999
CLIENT UNPAUSE
CLIENT UNBLOCK abc
CLIENT UNBLOCK 12345 foo
CLIENT NO-EVICT maybe
CLIENT NO-EVICT on
CLIENT GETREDIR
CLIENT TRACKINGINFO
CLIENT TRACKING foo
CLIENT CACHING yes
HELLO 4
HELLO abc
HELLO 3 AUTH a
HELLO 2 SETNAME "a b"
HELLO 2 foo
AUTH foo
AUTH a b
AUTH default b
AUTH a b c
SELECT abc
SELECT 99
SELECT -1
SELECT 2
MULTI a
EXEC
DISCARD
UNWATCH
WATCH
MULTI
MULTI
WATCH a
PING
EXEC
MULTI
NOSUCH
EXEC
MULTI
SET a b
DISCARD
MULTI
SAVE
EXEC
WAIT a 0
WAIT 0 a
WAIT 0 -1
SWAPDB a 1
SWAPDB 0 a
SWAPDB 0 99
FLUSHALL foo
FLUSHALL async sync
TIME x
BGSAVE foo
SHUTDOWN foo
SHUTDOWN nosave save
SHUTDOWN abort nosave
REPLICAOF a b
REPLICAOF localhost 99999
DEBUG nosuch
DEBUG
DEBUG ERROR "CODE of my own"
DEBUG OBJECT nosuch
DEBUG PROTOCOL string
DEBUG PROTOCOL integer
DEBUG PROTOCOL double
DEBUG PROTOCOL bignum
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL attrib
DEBUG PROTOCOL push
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true
DEBUG PROTOCOL false
DEBUG PROTOCOL foo
DEBUG SET-ACTIVE-EXPIRE 1
DEBUG DIGEST
SET k v
DEBUG DIGEST
DEBUG DIGEST-VALUE k nosuch
DEBUG POPULATE 3 foo 10
DEBUG POPULATE a
GET foo:2
DBSIZE
DEBUG DIGEST
MEMORY USAGE nosuch
MEMORY USAGE k SAMPLES -1
MEMORY USAGE k SAMPLES a
MEMORY USAGE k foo
MEMORY PURGE
LATENCY LATEST
LATENCY HISTORY foo
LATENCY RESET
SLOWLOG GET
SLOWLOG GET -2
SLOWLOG GET abc
SLOWLOG LEN
SLOWLOG RESET
ACL WHOAMI
ACL LIST
ACL USERS
ACL GETUSER default
ACL GETUSER nobody
ACL CAT
ACL CAT foo
ACL LOG RESET
ACL LOG
ACL LOG x
ACL GENPASS 0
ACL GENPASS 9999
ACL GENPASS x
ACL NOSUCH
CONFIG
CONFIG NOSUCH
CONFIG GET
CONFIG GET foo
CONFIG GET maxmemory-s*
CONFIG GET port
CONFIG SET port abc
CONFIG SET foo 1
CONFIG SET maxmemory 1 maxmemory 2
CONFIG SET maxmemory x
CONFIG SET daemonize yes
CONFIG SET dbfilename x
CONFIG SET hz abc appendonly maybe
CONFIG SET hz 12 loglevel foo
CONFIG GET hz
CONFIG SET loglevel x
CONFIG SET save
CONFIG SET save "a b"
CONFIG SET save "60"
CONFIG SET save "60 1 300 10"
CONFIG GET save
CONFIG SET save ""
CONFIG SET timeout -1
CONFIG SET list-max-listpack-size 99999999999999999
CONFIG SET maxmemory-clients 200%
CONFIG SET maxmemory-clients 5%
CONFIG GET maxmemory-clients
CONFIG SET maxmemory-clients 0
CONFIG SET client-output-buffer-limit "x 1 2 3"
CONFIG SET client-output-buffer-limit "normal 0 0"
CONFIG SET client-output-buffer-limit "normal -1 0 0"
CONFIG SET client-output-buffer-limit "slave 1 2 3 normal 4mb 5kb 6"
CONFIG GET client-output-buffer-limit
CONFIG SET client-output-buffer-limit "normal 0 0 0"
CONFIG SET oom-score-adj-values "1 2"
CONFIG SET oom-score-adj-values "1 2 3000"
CONFIG SET shutdown-on-sigterm "save now"
CONFIG GET shutdown-on-sigterm
CONFIG SET latency-tracking-info-percentiles "101"
CONFIG SET latency-tracking-info-percentiles "50 99.95 10"
CONFIG GET latency-tracking-info-percentiles
CONFIG SET notify-keyspace-events KEA
CONFIG GET notify-keyspace-events
CONFIG SET notify-keyspace-events Q
CONFIG SET notify-keyspace-events KEx
CONFIG GET notify-keyspace-events
CONFIG SET hz 1000
CONFIG GET hz
CONFIG SET lua-time-limit 7000
CONFIG GET busy-reply-threshold
CONFIG REWRITE
CONFIG RESETSTAT
MODULE LIST
COMMAND LIST FILTERBY foo
COMMAND LIST FILTERBY MODULE foo
COMMAND LIST FILTERBY ACLCAT foo
COMMAND LIST FILTERBY PATTERN xyz*
COMMAND DOCS nosuch
COMMAND INFO nosuch
COMMAND nosuch
INFO nosuch
RESET x
RESET
CLIENT REPLY ON
HELLO 3
PING
DEBUG PROTOCOL string
DEBUG PROTOCOL double
DEBUG PROTOCOL bignum
DEBUG PROTOCOL null
DEBUG PROTOCOL array
DEBUG PROTOCOL set
DEBUG PROTOCOL map
DEBUG PROTOCOL verbatim
DEBUG PROTOCOL true
CLIENT TRACKINGINFO
CLIENT GETNAME
ACL GETUSER default
ACL GETUSER nobody
CONFIG GET hz
GET nosuch
WATCH k
SET k w
MULTI
EXEC
MULTI
HELLO 2
GET nosuch
EXEC
GET nosuch
QUIT
"#;

#[test]
fn replies_are_those_of_redis() {
    let Some(mut oracle) = Oracle::start(&[]) else { return };
    let mut connection = oracle.connect();
    // What differs between the two processes from the start.
    let own = Config { enable_debug_command: Protection::Yes, port: 0, hz: 1, ..Config::default() };
    let mut world = World::with(Config { save: Vec::new(), ..own });
    let client = world.connect();
    let mut wrong = Vec::new();
    for line in REQUESTS.lines().filter(|line| !line.is_empty()) {
        connection.send(format!("{line}\r\n").as_bytes());
        let theirs = neutral(&String::from_utf8_lossy(&connection.reply()));
        let ours = neutral(&world.ask(client, line));
        if ours != theirs {
            wrong.push(format!("{line}\n  redis  {theirs:?}\n  squall {ours:?}"));
        }
    }
    assert!(wrong.is_empty(), "replies differ:\n{}", wrong.join("\n"));
}

/// The reply without what HELLO says of the version and of the connection's number, and without the classes
/// of events that Redis 7.0 does not know.
fn neutral(reply: &str) -> String {
    let reply = reply.replace("KEtmdnoc'", "KEtmdn'");
    let (mut lines, mut kept) = (reply.split_inclusive("\r\n"), String::new());
    while let Some(line) = lines.next() {
        kept.push_str(line);
        let own = match line {
            "version\r\n" => 2,
            "id\r\n" => 1,
            _ => 0,
        };
        lines.by_ref().take(own).for_each(drop);
    }
    kept
}
