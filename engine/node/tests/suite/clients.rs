//! The door and the conversation: refusals, protocol errors, pauses, waiting, idle clients.

use crate::common::{World, bulk, ok};
use proptest::prelude::*;
use squall_clock::Nanos;
use squall_resp::Value;

fn text_of(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn strangers_are_denied_while_no_password_is_set() {
    let mut world = World::new(&[]);
    let stranger = world.connect_from("192.0.2.7:4711");
    assert!(text_of(&world.received(stranger)).starts_with("-DENIED "));
    assert_eq!(world.closed, [stranger]);

    let mut world = World::new(&["--requirepass", "secret"]);
    let stranger = world.connect_from("192.0.2.7:4711");
    assert!(text_of(&world.received(stranger)).is_empty());
    assert!(matches!(world.call(stranger, &["GET", "k"]), Value::Error(_)));
    assert_eq!(world.call(stranger, &["AUTH", "secret"]), ok());
    assert_eq!(world.call(stranger, &["GET", "k"]), Value::Null);
}

#[test]
fn one_client_too_many_is_told_and_closed() {
    let mut world = World::new(&["--maxclients", "2"]);
    let (first, _, third) = (world.connect(), world.connect(), world.connect());
    assert_eq!(text_of(&world.received(third)), "-ERR max number of clients reached\r\n");
    assert_eq!(world.closed, [third]);
    assert_eq!(world.call(first, &["PING"]), Value::Simple("PONG".into()));
}

#[test]
fn a_protocol_error_is_answered_and_ends_the_conversation() {
    let mut world = World::new(&[]);
    let client = world.connect();
    world.send(client, b"*1\r\n$4\r\nPING\r\n*1\r\n!nonsense\r\n*1\r\n$4\r\nPING\r\n");
    let received = text_of(&world.received(client));
    assert_eq!(received, "+PONG\r\n-ERR Protocol error: expected '$', got '!'\r\n");
    assert_eq!(world.closed, [client]);
}

/// What a client may send is judged by what it has become in the meantime.
#[test]
fn limits_follow_authentication_within_a_batch() {
    let mut world = World::new(&["--requirepass", "secret"]);
    let client = world.connect();
    let long = format!("*2\r\n$4\r\nPING\r\n$20000\r\n{}\r\n", "x".repeat(20_000));
    world.send(client, format!("*2\r\n$4\r\nAUTH\r\n$6\r\nsecret\r\n{long}").as_bytes());
    assert_eq!(world.reply(client), Some(ok()));
    assert_eq!(world.reply(client), Some(bulk(&"x".repeat(20_000))));
    let stranger = world.connect();
    world.send(stranger, long.as_bytes());
    assert_eq!(text_of(&world.received(stranger)), "-ERR Protocol error: unauthenticated bulk length\r\n");
    assert_eq!(world.closed, [stranger]);
}

/// A request that never ends is cut off.
#[test]
fn a_request_beyond_the_query_buffer_limit_ends_the_conversation() {
    let mut world = World::new(&["--client-query-buffer-limit", "1mb"]);
    let client = world.connect();
    world.send(client, b"*1000000\r\n");
    let arguments = b"$1\r\nx\r\n".repeat(20_000);
    for _ in 0..7 {
        assert_eq!(world.closed, []);
        world.send(client, &arguments);
    }
    world.send(client, &arguments);
    assert_eq!(world.closed, [client]);
}

#[test]
fn a_pause_holds_writes_back_and_ends() {
    let mut world = World::new(&[]);
    let (operator, client) = (world.connect(), world.connect());
    assert_eq!(world.call(operator, &["CLIENT", "PAUSE", "500", "WRITE"]), ok());
    assert_eq!(world.call(client, &["GET", "k"]), Value::Null);
    assert_eq!(world.try_call(client, &["SET", "k", "v"]), None);
    world.advance(Nanos::from_millis(400));
    assert_eq!(world.reply(client), None);
    world.advance(Nanos::from_millis(200));
    assert_eq!(world.reply(client), Some(ok()));
    assert_eq!(world.call(client, &["GET", "k"]), bulk("v"));
}

#[test]
fn idle_clients_are_dropped_after_the_timeout() {
    let mut world = World::new(&["--timeout", "3"]);
    let (idle, busy) = (world.connect(), world.connect());
    for _ in 0..5 {
        world.advance(Nanos::from_secs(1));
        world.call(busy, &["PING"]);
    }
    assert_eq!(world.closed, [idle]);
}

#[test]
fn the_log_says_what_its_level_allows() {
    let protocol_error = |world: &mut World| {
        let client = world.connect();
        world.send(client, b"*1\r\n!nonsense\r\n");
        world.logs.iter().any(|line| line.contains("Protocol error"))
    };
    let mut world = World::new(&[]);
    assert!(!protocol_error(&mut world), "{:?}", world.logs);
    let operator = world.connect();
    assert_eq!(world.call(operator, &["CONFIG", "SET", "loglevel", "verbose"]), ok());
    assert!(protocol_error(&mut world), "{:?}", world.logs);
}

#[test]
fn nobody_is_served_before_the_certificates_are_read() {
    let settings: [&[&str]; 2] = [&["--tls-port", "6380"], &["--tls-replication", "yes"]];
    for setting in settings {
        let mut world = World::new(setting);
        assert!(world.disk.log.is_empty(), "{:?}", world.disk.log);
        world.node.secured(Err("'a.crt': No such file".to_owned()), world.now);
        world.settle();
        assert_eq!(world.exit, Some(1), "{setting:?}");
        assert!(world.logs.iter().any(|line| line.contains("'a.crt': No such file")), "{:?}", world.logs);

        let mut world = World::new(setting);
        world.node.secured(Ok(()), world.now);
        world.settle();
        let client = world.connect();
        assert_eq!(world.call(client, &["PING"]), Value::Simple("PONG".into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever a client sends, in whatever pieces: the node goes on for the others.
    #[test]
    fn random_bytes_harm_nobody(pieces in proptest::collection::vec(hostile_bytes(), 1..12)) {
        let mut world = World::new(&[]);
        let (client, other) = (world.connect(), world.connect());
        for piece in pieces {
            if world.closed.contains(&client) {
                break;
            }
            world.send(client, &piece);
            world.received(client);
        }
        prop_assert_eq!(world.call(other, &["ECHO", "still here"]), bulk("still here"));
    }
}

/// Bytes that look like requests more often than chance would have it.
fn hostile_bytes() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just("SET".to_string()),
        Just("GET".to_string()),
        Just("k".to_string()),
        Just("MULTI".to_string()),
        Just("EXEC".to_string()),
        Just("PSYNC".to_string()),
        Just("REPLCONF".to_string()),
        Just("?".to_string()),
        Just("-1".to_string()),
        Just("CLIENT".to_string()),
        Just("DEBUG".to_string()),
        Just("WAIT".to_string()),
        Just("9999999999999999999".to_string()),
        "[a-z*$+\\-:\\r\\n]{0,12}",
    ];
    let request = proptest::collection::vec(word, 1..6).prop_map(|words| {
        let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            bytes.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        bytes
    });
    prop_oneof![
        4 => request,
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => "[*$+:\\-0-9\\r\\n ]{0,30}".prop_map(String::into_bytes),
    ]
}

/// What a listener has not read is counted when it is written, by another client's command.
#[test]
fn a_listener_that_does_not_read_is_dropped() {
    let mut world = World::new(&["--client-output-buffer-limit", "pubsub 100kb 0 0"]);
    let (listener, speaker) = (world.connect(), world.connect());
    world.call(listener, &["SUBSCRIBE", "news"]);
    assert_eq!(world.call(speaker, &["PUBLISH", "news", &"x".repeat(90_000)]), Value::Integer(1));
    assert!(world.reply(listener).is_some());
    assert_eq!(world.closed, []);
    assert_eq!(world.call(speaker, &["PUBLISH", "news", &"x".repeat(110_000)]), Value::Integer(1));
    assert_eq!(world.closed.first(), Some(&listener));
    assert_eq!(world.call(speaker, &["PUBLISH", "news", "x"]), Value::Integer(0));
}

/// Users in a file of their own: nobody is served before it is read, and it is written and read whole.
#[test]
fn users_live_in_a_file() {
    let mut disk = crate::common::MemoryDisk::default();
    disk.files.insert("users.acl".into(), b"user default off\nuser boss on nopass ~* &* +@all\n".to_vec());
    let mut world = World::on(&["--aclfile", "users.acl"], disk, crate::common::START);
    let (boss, other) = (world.connect(), world.connect());
    assert_eq!(world.call(boss, &["AUTH", "boss", "x"]), ok());
    assert!(matches!(world.call(other, &["GET", "k"]), Value::Error(line) if line.starts_with("NOAUTH")));
    assert_eq!(world.call(boss, &["ACL", "SETUSER", "guest", "on", "nopass", "+ping"]), ok());
    assert_eq!(world.try_call(boss, &["ACL", "SAVE"]).or_else(|| world.reply(boss)), Some(ok()));
    let saved = String::from_utf8(world.disk.files["users.acl"].clone()).expect("text");
    assert!(saved.contains("user guest on nopass resetchannels -@all +ping\n"), "{saved}");
    assert_eq!(world.call(other, &["AUTH", "guest", "x"]), ok());
    world.disk.files.insert("users.acl".into(), b"user default off\nuser boss on +nosuch\n".to_vec());
    let refused = world.try_call(boss, &["ACL", "LOAD"]).or_else(|| world.reply(boss));
    assert!(matches!(&refused, Some(Value::Error(line)) if line.contains("users.acl:2: ")), "{refused:?}");
    assert_eq!(world.call(other, &["PING"]), Value::Simple("PONG".into()), "all of it, or nothing");
    world.disk.files.insert("users.acl".into(), b"user boss on nopass ~* &* +@all\n".to_vec());
    assert_eq!(world.try_call(boss, &["ACL", "LOAD"]).or_else(|| world.reply(boss)), Some(ok()));
    assert_eq!(world.closed, [other]);
    let mut disk = crate::common::MemoryDisk::default();
    disk.files.insert("users.acl".into(), b"who am I\n".to_vec());
    assert_eq!(World::on(&["--aclfile", "users.acl"], disk, crate::common::START).exit, Some(1));
}

/// Neither the end of a large request nor the next round of cron is waited for.
#[test]
fn who_holds_the_most_memory_goes_as_soon_as_it_is_too_much() {
    let mut world = World::new(&["--maxmemory-clients", "1mb"]);
    let (modest, spared, greedy) = (world.connect(), world.connect(), world.connect());
    assert_eq!(world.call(spared, &["CLIENT", "NO-EVICT", "ON"]), ok());
    let half_said = |bytes: usize| {
        let mut text = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$900000\r\n".to_vec();
        text.resize(text.len() + bytes, b'x');
        text
    };
    world.send(modest, &half_said(200_000));
    world.send(spared, &half_said(899_000));
    assert!(world.closed.is_empty(), "those who are spared do not count");
    world.send(greedy, &half_said(899_000));
    assert_eq!(world.closed, [greedy]);
    let watcher = world.connect();
    let Value::Bulk(info) = world.call(watcher, &["INFO", "stats"]) else { panic!("a text") };
    assert!(text_of(&info).contains("evicted_clients:1\r\n"));
}

#[test]
fn changes_of_certificates_wait_until_they_are_read() {
    let mut world = World::new(&[]);
    let client = world.connect();
    // Nothing is encrypted yet: nothing has to be read.
    assert_eq!(world.call(client, &["CONFIG", "SET", "tls-cert-file", "a.crt"]), ok());
    assert_eq!(world.try_call(client, &["CONFIG", "SET", "tls-port", "6380", "maxclients", "77"]), None);
    let other = world.connect();
    let Value::Error(busy) = world.call(other, &["CONFIG", "SET", "tls-port", "6381"]) else {
        panic!("refused")
    };
    assert!(text_of(busy.as_bytes()).contains("try again"));
    world.node.secured(Err("'a.crt': No such file".to_owned()), world.now);
    world.settle();
    let Some(Value::Error(error)) = world.reply(client) else { panic!("an error") };
    let expected = "ERR CONFIG SET failed (possibly related to argument 'tls-port') - 'a.crt': No such file";
    assert_eq!(text_of(error.as_bytes()), expected);
    assert_eq!((world.node.config().tls_port, world.node.config().maxclients), (0, 10000));

    assert_eq!(world.try_call(client, &["CONFIG", "SET", "tls-port", "6380", "maxclients", "77"]), None);
    world.node.secured(Ok(()), world.now);
    world.settle();
    assert_eq!(world.reply(client), Some(ok()));
    assert_eq!((world.node.config().tls_port, world.node.config().maxclients), (6380, 77));
}
