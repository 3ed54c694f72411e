//! What one connection may do to itself and to others, and what the state of the server forbids all of them.

use std::cell::Cell;

use crate::world::World;
use squall_clock::Mono;
use squall_commands::config::Config;
use squall_commands::config::choices::Protection;
use squall_commands::{Dispatched, Role};

#[test]
fn a_password_is_asked_for_before_anything_else() {
    let mut world = World::with(Config { requirepass: "secret".into(), ..Config::default() });
    let client = world.connect();
    for line in ["GET k", "SET k v", "CLIENT ID", "MULTI", "CONFIG GET port", "PING"] {
        assert_eq!(world.ask(client, line), "-NOAUTH Authentication required.\r\n", "{line}");
    }
    assert_eq!(world.ask(client, "NOSUCH"), "-ERR unknown command 'NOSUCH', with args beginning with: \r\n");
    assert!(world.ask(client, "HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    for wrong in
        ["AUTH secre", "AUTH secret2", "AUTH default wrong", "AUTH somebody secret", "HELLO 3 AUTH default x"]
    {
        assert!(world.ask(client, wrong).starts_with("-WRONGPASS"), "{wrong}");
    }
    assert_eq!(world.engine.stats.auth_denied, 5);
    assert!(world.ask(client, "HELLO 3 AUTH default secret").starts_with("%7\r\n"));
    assert_eq!(world.ask(client, "GET k"), "_\r\n");
    assert_eq!(world.ask(client, "RESET"), "+RESET\r\n");
    assert!(world.ask(client, "GET k").starts_with("-NOAUTH"), "RESET forgets who was there");
    assert_eq!(world.ask(client, "AUTH secret"), "+OK\r\n");
    assert_eq!(world.ask(client, "GET k"), "$-1\r\n");
}

#[test]
fn the_state_of_the_server_refuses_what_it_must() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SET k v");
    world.engine.role = Role::Replica;
    assert_eq!(world.ask(client, "SET k w"), "-READONLY You can't write against a read only replica.\r\n");
    assert_eq!(world.ask(client, "GET k"), "$1\r\nv\r\n");
    world.engine.config.replica_read_only = false;
    assert_eq!(world.ask(client, "SET k w"), "+OK\r\n");
    world.engine.primary_link_down = true;
    assert_eq!(world.ask(client, "GET k"), "$1\r\nw\r\n", "stale data is served by default");
    world.engine.config.replica_serve_stale_data = false;
    assert!(world.ask(client, "GET k").starts_with("-MASTERDOWN "));
    assert!(world.ask(client, "INFO").starts_with("$"));
    (world.engine.primary_link_down, world.engine.role) = (false, Role::Primary);

    world.engine.config.min_replicas_to_write = 2;
    world.engine.good_replicas = 1;
    assert_eq!(world.ask(client, "SET k v"), "-NOREPLICAS Not enough good replicas to write.\r\n");
    world.engine.good_replicas = 2;
    assert_eq!(world.ask(client, "SET k v"), "+OK\r\n");

    world.engine.snapshot_failed = true;
    assert!(world.ask(client, "SET k v").starts_with("-MISCONF Redis is configured to save RDB snapshots"));
    assert_eq!(world.ask(client, "GET k"), "$1\r\nv\r\n");
    world.engine.snapshot_failed = false;
    world.engine.append_failed = Some("No space left on device".into());
    let refusal = "-MISCONF Errors writing to the AOF file: No space left on device\r\n";
    assert_eq!(world.ask(client, "SET k v"), refusal);
    world.engine.append_failed = None;

    world.engine.config.maxmemory_bytes = 1;
    assert_eq!(world.ask(client, "SET k v"), "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
    assert_eq!(world.ask(client, "DEL k"), ":1\r\n");
    assert_eq!(world.ask(client, "SET k v"), "+OK\r\n", "there is room again");
    world.engine.config.maxmemory_bytes = 0;

    world.engine.loading = true;
    assert_eq!(world.ask(client, "GET k"), "-LOADING Redis is loading the dataset in memory\r\n");
    assert!(world.ask(client, "INFO").starts_with("$"));
}

#[test]
fn a_transaction_that_writes_is_refused_where_a_write_is() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "MULTI");
    world.ask(client, "SET k v");
    world.engine.config.maxmemory_bytes = 1;
    world.ask(client, "SET j v");
    world.engine.role = Role::Primary;
    world.engine.good_replicas = 0;
    world.engine.config.min_replicas_to_write = 1;
    assert!(world.ask(client, "EXEC").starts_with("-NOREPLICAS"));
    assert_eq!(world.ask(client, "GET k"), "+QUEUED\r\n", "the transaction is still there");
    assert_eq!(world.ask(client, "DISCARD"), "+OK\r\n");
}

#[test]
fn the_link_to_the_primary_is_never_refused_and_never_answered() {
    let mut world = World::start();
    let (link, client) = (world.connect(), world.connect());
    world.session(link).is_primary_link = true;
    world.engine.propagation.enabled = true;
    world.engine.role = Role::Replica;
    world.engine.pause = None;
    world.engine.config.requirepass = "secret".into();
    assert_eq!(world.ask(link, "SET k v PX 50"), "");
    assert_eq!(world.propagated(), "", "the node passes the primary's bytes on by itself");
    world.pass(100);
    assert_eq!(world.ask(client, "GET k"), "$-1\r\n", "an expired key is missing for clients");
    assert_eq!(world.engine.keyspace.len(), 1, "but only the primary deletes it");
    assert_eq!(world.ask(link, "APPEND k w"), "");
    assert_eq!(world.ask(link, "PERSIST k"), "");
    assert_eq!(world.ask(client, "GET k"), "$2\r\nvw\r\n", "the primary's commands saw it as it was");
    assert_eq!(world.ask(link, "INCR k"), "");
    assert_eq!(world.engine.stats.unexpected_errors, 1);
}

#[test]
fn replies_can_be_turned_off() {
    let mut world = World::start();
    let client = world.connect();
    assert_eq!(world.ask(client, "CLIENT REPLY SKIP"), "");
    assert_eq!(world.ask(client, "PING"), "");
    assert_eq!(world.ask(client, "PING"), "+PONG\r\n");
    assert_eq!(world.ask(client, "CLIENT REPLY OFF"), "");
    assert_eq!(world.ask(client, "PING"), "");
    assert_eq!(world.ask(client, "NOSUCH"), "");
    assert_eq!(world.ask(client, "CLIENT REPLY SKIP"), "");
    assert_eq!(world.ask(client, "SET k v"), "");
    assert_eq!(world.ask(client, "CLIENT REPLY ON"), "+OK\r\n");
    assert_eq!(world.ask(client, "GET k"), "$1\r\nv\r\n");
    assert_eq!(world.ask(client, "CLIENT REPLY SKIP"), "");
    assert_eq!(world.ask(client, "CLIENT REPLY SKIP"), "");
    assert_eq!(world.ask(client, "PING"), "");
    assert_eq!(world.ask(client, "CLIENT REPLY ON"), "+OK\r\n");
}

#[test]
fn a_pause_holds_back_writes_or_everything() {
    let mut world = World::start();
    let [admin, client, writer] = [world.connect(), world.connect(), world.connect()];
    world.ask(client, "SET volatile v PX 10");
    world.ask(writer, "MULTI");
    world.ask(writer, "SET k v");
    assert_eq!(world.ask(admin, "CLIENT PAUSE 1000 WRITE"), "+OK\r\n");
    assert_eq!(world.send(client, "SET k v"), (Dispatched::Postponed, String::new()));
    assert_eq!(world.ask(client, "GET k"), "$-1\r\n", "and nothing has happened");
    world.pass(100);
    assert_eq!(world.ask(client, "GET volatile"), "$-1\r\n");
    assert_eq!(world.engine.keyspace.len(), 1, "a deletion is a write too");
    assert_eq!(world.send(writer, "EXEC").0, Dispatched::Postponed, "its transaction writes");
    assert_eq!(world.ask(admin, "CLIENT PAUSE 10"), "+OK\r\n");
    assert_eq!(world.send(client, "GET k").0, Dispatched::Postponed, "stricter");
    world.pass(100);
    assert_eq!(world.send(client, "GET k").0, Dispatched::Postponed, "and no shorter");
    assert_eq!(world.ask(admin, "CLIENT UNPAUSE"), "+OK\r\n");
    assert_eq!(world.ask(writer, "EXEC"), "*1\r\n+OK\r\n");
    world.ask(admin, "CLIENT PAUSE 100");
    world.pass(101);
    assert_eq!(world.ask(client, "GET k"), "$1\r\nv\r\n", "it ends by itself");
}

#[test]
fn connections_are_listed_and_killed_by_what_they_are() {
    let mut world = World::start();
    let clients = [world.connect(), world.connect(), world.connect()];
    let [one, two, three] = clients;
    world.session(three).is_replica = true;
    world.ask(two, "CLIENT SETNAME two");
    world.ask(two, "CLIENT SETINFO LIB-NAME lettuce");
    world.ask(two, "SELECT 3");
    world.ask(two, "WATCH k");
    world.ask(two, "MULTI");
    world.ask(two, "GET k");
    world.pass(5_000);
    let list = world.ask(one, "CLIENT LIST");
    let line = |id: usize| {
        list.lines().find(|line| line.starts_with(&format!("id={id} "))).expect("a line").to_string()
    };
    assert_eq!(list.lines().filter(|line| line.starts_with("id=")).count(), 3);
    for part in ["name=two", "lib-name=lettuce", "db=3", "multi=1", "watch=1", "age=5", "flags=x", "cmd=get"]
    {
        assert!(line(2).contains(&format!(" {part} ")), "{part} in {}", line(2));
    }
    assert!(line(3).contains(" flags=S "), "{}", line(3));
    assert!(line(1).contains(" cmd=client|list "), "{}", line(1));
    assert!(!world.ask(one, "CLIENT LIST TYPE replica").contains("id=1 "));
    assert!(world.ask(one, "CLIENT LIST ID 2 3").contains("id=2 "));

    assert_eq!(world.ask(one, "CLIENT KILL TYPE replica"), ":1\r\n");
    assert_eq!(world.node.take(), ["close 3"]);
    assert_eq!(world.ask(one, "CLIENT KILL TYPE normal"), ":1\r\n", "the caller is spared");
    assert_eq!(world.node.take(), ["close 2"]);
    assert_eq!(world.ask(one, "CLIENT KILL MAXAGE 3"), ":2\r\n");
    assert_eq!(world.ask(one, "CLIENT KILL MAXAGE 50"), ":0\r\n");
    world.node.take();
    assert_eq!(world.ask(one, "CLIENT KILL 127.0.0.1:50002"), "+OK\r\n");
    assert_eq!(world.node.take(), ["close 2"]);
    assert_eq!(world.ask(one, "CLIENT KILL ID 1 SKIPME no"), ":1\r\n");
    assert!(world.session(one).close_after_reply);
    assert_eq!(world.ask(one, "CLIENT UNBLOCK 2 ERROR"), ":1\r\n");
    assert_eq!(world.node.take(), ["unblock 2 with an error: true"]);
}

#[test]
fn a_browser_is_hung_up_on() {
    for line in ["POST / HTTP/1.1", "Host: localhost"] {
        let mut world = World::start();
        let client = world.connect();
        assert_eq!(world.ask(client, line), "");
        assert!(world.session(client).close_after_reply);
        assert!(world.node.take()[0].starts_with("Warning: Possible SECURITY ATTACK detected."));
    }
}

#[test]
fn debug_is_for_those_who_may() {
    let mut world = World::start();
    let client = world.connect();
    assert!(world.ask(client, "DEBUG SLEEP 0").starts_with("-ERR DEBUG command not allowed."));
    world.engine.config.enable_debug_command = Protection::Local;
    assert_eq!(world.ask(client, "DEBUG SLEEP 0.25"), "+OK\r\n");
    assert_eq!(world.node.take(), ["stall 250 ms"]);
    world.session(client).peer = "10.0.0.1:5000".into();
    assert!(world.ask(client, "DEBUG SLEEP 0").starts_with("-ERR DEBUG command not allowed."));
}

#[test]
fn config_set_tells_the_node_what_changed() {
    let mut world = World::start();
    let client = world.connect();
    assert_eq!(world.ask(client, "CONFIG SET hz 20 maxmemory 1gb port 6379"), "+OK\r\n");
    assert_eq!(world.node.take(), ["changed hz", "changed maxmemory"], "the port is what it was");
    assert!(world.ask(client, "CONFIG SET dir /tmp").contains("can't set protected config"));
    world.engine.config.enable_protected_configs = Protection::Yes;
    assert_eq!(world.ask(client, "CONFIG SET dir /tmp"), "+OK\r\n");
}

#[test]
fn info_has_the_fields_of_redis() {
    const FACTS: &str = include_str!("facts/info-redis-8.2.txt");
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SET k v EX 100");
    world.ask(client, "NOSUCH");
    let info = world.ask(client, "INFO everything");
    let fields: Vec<&str> =
        info.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name).collect();
    // The node of these tests tells nothing of what it alone knows.
    let told_by_node = [
        "sync_full",
        "sync_partial_ok",
        "sync_partial_err",
        "cluster_connections",
        "mem_cluster_links",
        "mem_aof_buffer",
    ];
    let missing: Vec<&str> = FACTS
        .lines()
        .filter(|line| !line.starts_with('#') && !told_by_node.contains(line) && !fields.contains(line))
        .collect();
    assert!(missing.is_empty(), "INFO lacks {missing:?}");
    for line in [
        "cmdstat_set:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
        "errorstat_ERR:count=1",
        "db0:keys=1,expires=1,avg_ttl=100000,subexpiry=0",
        "told_by_node:replication",
        "role_unknown",
    ] {
        assert_eq!(info.contains(&format!("{line}\r\n")), line != "role_unknown", "{line} in {info}");
    }
    let some = world.ask(client, "INFO server keyspace");
    assert!(some.contains("# Server\r\n") && some.contains("\r\n\r\n# Keyspace\r\n"));
    assert!(!some.contains("# Memory"));
    assert!(!world.ask(client, "INFO").contains("# Commandstats"));
    assert_eq!(world.ask(client, "CONFIG RESETSTAT"), "+OK\r\n");
    assert!(!world.ask(client, "INFO commandstats").contains("cmdstat_set"));
}

thread_local! {
    static CLOCK_US: Cell<u64> = const { Cell::new(0) };
}

/// A clock on which every look costs 15 milliseconds.
fn slow_clock() -> Mono {
    CLOCK_US.set(CLOCK_US.get() + 15_000);
    Mono(CLOCK_US.get() * 1_000)
}

#[test]
fn turns_are_measured_and_tables_are_weighed() {
    let mut world = World::start();
    let client = world.connect();
    for key in 0..1000 {
        world.ask(client, &format!("SET key:{key} v"));
    }
    world.engine.environment.stopwatch = Some(slow_clock);
    let began = world.engine.begin_turn(world.engine.now);
    world.engine.end_turn(began);
    let stats = world.ask(client, "INFO stats");
    assert!(stats.contains("eventloop_cycles:1\r\neventloop_duration_sum:15000\r\n"), "{stats}");
    let figures = world.ask(client, "MEMORY STATS");
    let (_, behind) = figures.split_once("overhead.hashtable.main\r\n:").expect("a database that holds keys");
    let bytes: usize = behind.split("\r\n").next().and_then(|number| number.parse().ok()).expect("a number");
    // A pointer and a tag for each key at least, and what 256 partitions cost that hold four of them.
    assert!((10_000..150_000).contains(&bytes), "{bytes}");
    assert!(figures.contains(&format!("overhead.db.hashtable.lut\r\n:{bytes}\r\n")), "{figures}");
}

#[test]
fn a_shell_with_a_clock_measures_commands() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "SET k v");
    assert_eq!(world.ask(client, "SLOWLOG LEN"), ":0\r\n", "without a clock nothing is slow");
    world.engine.environment.stopwatch = Some(slow_clock);
    world.engine.config.latency_monitor_threshold_ms = 10;
    world.ask(client, "CLIENT SETNAME me");
    world.ask(client, "CONFIG SET requirepass secret");
    world.ask(client, "CONFIG SET requirepass \"\"");
    world.ask(client, &format!("MSET {}", "key value ".repeat(40)));
    world.ask(client, &format!("ECHO {}", "x".repeat(200)));
    world.pass(1_000);
    let log = world.ask(client, "SLOWLOG GET 2");
    let echo = format!("*2\r\n$4\r\nECHO\r\n$147\r\n{}... (72 more bytes)\r\n", "x".repeat(128));
    assert!(
        log.starts_with(&format!(
            "*2\r\n*6\r\n:4\r\n:1893456000\r\n:15000\r\n{echo}$15\r\n127.0.0.1:50001\r\n$2\r\nme\r\n"
        )),
        "{log}"
    );
    assert!(log.contains("*32\r\n$4\r\nMSET\r\n") && log.contains("... (50 more arguments)"), "{log}");
    let log = world.ask(client, "SLOWLOG GET -1");
    assert!(log.contains("$11\r\nrequirepass\r\n$10\r\n(redacted)\r\n") && !log.contains("secret"), "{log}");
    let stats = world.ask(client, "INFO commandstats latencystats");
    assert!(stats.contains("cmdstat_mset:calls=1,usec=15000,usec_per_call=15000.00,"), "{stats}");
    assert!(
        stats.contains("latency_percentiles_usec_mset:p50=16384.000,p99=16384.000,p99.9=16384.000"),
        "{stats}"
    );
    assert_eq!(
        world.ask(client, "LATENCY HISTOGRAM mset"),
        "*2\r\n$4\r\nmset\r\n*4\r\n$5\r\ncalls\r\n:1\r\n$14\r\nhistogram_usec\r\n*2\r\n:16384\r\n:1\r\n"
    );
    assert!(world.ask(client, "LATENCY LATEST").contains("$7\r\ncommand\r\n:1893456001\r\n:15\r\n:15\r\n"));
    world.engine.environment.stopwatch = None;
    assert_eq!(world.ask(client, "LATENCY RESET"), ":2\r\n");
    assert_eq!(world.ask(client, "SLOWLOG RESET"), "+OK\r\n");
    assert_eq!(world.ask(client, "SLOWLOG GET"), "*0\r\n");
}

/// What CLIENT KILL names is what CLIENT LIST shows for the same conditions.
#[test]
fn filters_choose_whom_list_shows_and_kill_ends() {
    let mut world = World::start();
    let (operator, alice, other) = (world.connect(), world.connect(), world.connect());
    world.ask(operator, "ACL SETUSER alice on nopass +@all ~*");
    world.ask(alice, "AUTH alice x");
    world.ask(alice, "CLIENT SETNAME worker");
    world.ask(alice, "SELECT 3");
    world.ask(other, "CLIENT SETINFO LIB-NAME lib");
    world.pass(5_000);
    let (operator_id, alice_id, other_id) = (operator.0, alice.0, other.0);
    let expected: [(&str, &[u64]); 14] = [
        ("USER alice", &[alice_id]),
        ("USER default", &[operator_id, other_id]),
        ("NOT-USER default", &[alice_id]),
        ("NAME worker", &[alice_id]),
        ("NOT-NAME worker", &[operator_id, other_id]),
        ("DB 3", &[alice_id]),
        ("LIB-NAME lib", &[other_id]),
        ("TYPE normal", &[operator_id, alice_id, other_id]),
        ("TYPE pubsub", &[]),
        ("MAXAGE 5", &[operator_id, alice_id, other_id]),
        ("MAXAGE 6", &[]),
        ("TYPE normal NOT-DB 0", &[alice_id]),
        ("TYPE normal SKIPME yes", &[alice_id, other_id]),
        ("FLAGS N DB 0", &[operator_id, other_id]),
    ];
    for (conditions, ids) in expected {
        let list = world.ask(operator, &format!("CLIENT LIST {conditions}"));
        let shown: Vec<u64> = list
            .lines()
            .filter_map(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok())
            .collect();
        assert_eq!(shown, ids, "{conditions}");
    }
    let list = world.ask(operator, &format!("CLIENT LIST ID {alice_id} {other_id} NOT-DB 0"));
    assert!(list.contains("name=worker") && list.matches("id=").count() == 1, "{list}");
    for (wrong, error) in [
        ("CLIENT KILL USER nobody", "-ERR No such user 'nobody'\r\n"),
        ("CLIENT KILL ID 0", "-ERR client-id should be greater than 0\r\n"),
        ("CLIENT LIST ID 1 abc", "-ERR Invalid client ID\r\n"),
        ("CLIENT LIST TYPE strange", "-ERR Unknown client type 'strange'\r\n"),
        ("CLIENT KILL MAXAGE x", "-ERR maxage is not an integer or out of range\r\n"),
        ("CLIENT KILL SKIPME perhaps", "-ERR syntax error\r\n"),
        ("CLIENT LIST DB 16", "-ERR DB number should be between 0 and 15\r\n"),
    ] {
        assert_eq!(world.ask(operator, wrong), error, "{wrong}");
    }
    assert_eq!(world.ask(operator, "CLIENT KILL USER alice"), ":1\r\n");
    assert_eq!(world.ask(operator, "CLIENT KILL 127.0.0.1:1"), "-ERR No such client\r\n");
}

#[test]
fn large_requests_and_replies_are_logged_apart() {
    let mut world = World::start();
    let client = world.connect();
    world.ask(client, "CONFIG SET commandlog-request-larger-than 100 commandlog-reply-larger-than 50");
    world.ask(client, &format!("SET k {}", "x".repeat(200)));
    world.ask(client, "GET k");
    world.ask(client, "GET missing");
    assert_eq!(world.ask(client, "COMMANDLOG LEN large-request"), ":1\r\n");
    assert_eq!(world.ask(client, "COMMANDLOG LEN LARGE-REPLY"), ":1\r\n");
    assert_eq!(world.ask(client, "COMMANDLOG LEN slow"), ":0\r\n");
    let request = world.ask(client, "COMMANDLOG GET -1 large-request");
    assert!(request.contains("SET\r\n$1\r\nk\r\n") && request.contains("... (72 more bytes)"), "{request}");
    let reply = world.ask(client, "COMMANDLOG GET 10 large-reply");
    assert!(reply.contains(":208\r\n*2\r\n$3\r\nGET\r\n"), "{reply}");
    assert_eq!(world.ask(client, "COMMANDLOG RESET large-reply"), "+OK\r\n");
    assert_eq!(world.ask(client, "COMMANDLOG GET 10 large-reply"), "*0\r\n");
    assert_eq!(world.ask(client, "COMMANDLOG LEN large-request"), ":1\r\n");
    let unknown = "-ERR type should be one of the following: slow, large-request, large-reply\r\n";
    assert_eq!(world.ask(client, "COMMANDLOG LEN fast"), unknown);
    world.ask(client, "CONFIG SET commandlog-large-request-max-len 0");
    world.ask(client, &format!("SET k {}", "x".repeat(200)));
    assert_eq!(world.ask(client, "COMMANDLOG LEN large-request"), ":0\r\n");
    world.ask(client, "CONFIG SET commandlog-request-larger-than -1 commandlog-large-request-max-len 9");
    world.ask(client, &format!("SET k {}", "x".repeat(200)));
    assert_eq!(world.ask(client, "COMMANDLOG LEN large-request"), ":0\r\n");
}

/// Clients and scripts use the new names; what is written down, and what others are sent, has the old ones.
#[test]
fn renamed_commands_are_known_by_their_new_names_only() {
    let renamed = [("set", "write"), ("flushall", ""), ("get", "set"), ("config", "settings")];
    let renamed_commands = renamed.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec();
    let mut world = World::with(Config { renamed_commands, ..Config::default() });
    world.engine.propagation.enabled = true;
    let client = world.connect();
    world.propagated();
    assert_eq!(world.ask(client, "WRITE k v"), "+OK\r\n");
    assert!(world.propagated().to_lowercase().contains("set k v"));
    assert_eq!(world.ask(client, "SET k"), "$1\r\nv\r\n");
    assert!(world.ask(client, "GET k").starts_with("-ERR unknown command 'GET'"));
    assert!(world.ask(client, "FLUSHALL").starts_with("-ERR unknown command 'FLUSHALL'"));
    assert!(world.ask(client, "SETTINGS GET port").contains("6379"));
    assert!(world.ask(client, "CONFIG GET port").starts_with("-ERR unknown command"));
    world.ask(client, "MULTI");
    assert_eq!(world.ask(client, "WRITE k w"), "+QUEUED\r\n");
    assert_eq!(world.ask(client, "EXEC"), "*1\r\n+OK\r\n");
    assert_eq!(world.ask(client, "EVAL \"return redis.call('SET', 'k')\" 0"), "$1\r\nw\r\n");
    assert!(world.ask(client, "EVAL \"return redis.call('GET', 'k')\" 0").contains("Unknown Redis command"));
    // A primary says things in its own words.
    world.session(client).is_primary_link = true;
    world.ask(client, "FLUSHALL");
    world.session(client).is_primary_link = false;
    assert_eq!(world.ask(client, "SET k"), "$-1\r\n");
}
