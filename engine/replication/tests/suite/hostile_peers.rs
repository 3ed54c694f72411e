//! Peers that send anything at all. Nothing they say may end the process or make it keep what it need not.

use bytes::BytesMut;
use proptest::prelude::*;
use squall_clock::{Mono, Nanos};
use squall_replication::{
    Position, Primary, PrimaryEvent, ReplId, ReplOffset, Replica, ReplicaEvent, ReplicaKey, ReplicaOptions,
    Request, TransferMark,
};
use squall_resp::{Limits, OwnedArgs, Parsed, RequestParser};

/// Longer than any line that the handshake takes, plus the last piece.
const LEFT_IN_INPUT_MAX: usize = 4096 + 200;

fn from_primary() -> impl Strategy<Value = Vec<u8>> {
    let id = "ab".repeat(20);
    let whole = prop::sample::select(vec![
        "+PONG\r\n".to_owned(),
        "+OK\r\n+OK\r\n+OK\r\n".to_owned(),
        "-ERR unknown\r\n".to_owned(),
        "-NOAUTH Authentication required.\r\n".to_owned(),
        "\n".to_owned(),
        "\r\n".to_owned(),
        format!("+FULLRESYNC {id} 7\r\n"),
        format!("+FULLRESYNC {id} 18446744073709551615\r\n"),
        format!("+FULLRESYNC {id} 9223372036854775807\r\n"),
        "+CONTINUE\r\n".to_owned(),
        format!("+CONTINUE {id}\r\n"),
        format!("$EOF:{id}\r\n"),
        id,
        "$12\r\n".to_owned(),
        "$-1\r\n".to_owned(),
        "$18446744073709551615\r\n".to_owned(),
        "*1\r\n$4\r\nPING\r\n".to_owned(),
        "*2\r\n$3\r\nfoo\r\n$".to_owned(),
    ]);
    prop_oneof![
        8 => whole.prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 1..100),
        1 => prop::collection::vec(prop::sample::select(b"+-$*:\r\n0123456789".to_vec()), 1..40),
    ]
}

fn replica(position: Option<Position>) -> Replica {
    let options = ReplicaOptions {
        host: "primary".to_owned(),
        port: 6379,
        user: None,
        password: Some("secret".to_owned()),
        listening_port: 6379,
        announced_host: Some("10.0.0.7".to_owned()),
        version: "8.2.1".to_owned(),
        timeout: Nanos::from_secs(60),
    };
    Replica::new(options, position, Mono(0))
}

/// Acts on what the machine wants; false when it gave up the connection.
fn act(replica: &mut Replica, now: Mono) -> bool {
    let mut connected = true;
    while let Some(event) = replica.poll_event() {
        match event {
            ReplicaEvent::Connect { .. } => replica.connected(now),
            ReplicaEvent::Disconnect => connected = false,
            ReplicaEvent::SnapshotEnds => replica.loaded(now),
            _ => {}
        }
    }
    connected
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_primary_may_say_anything(
        pieces in prop::collection::vec((from_primary(), 0u64..2_000), 1..80),
        has_position: bool,
    ) {
        let mut now = Mono(0);
        let position = Position { id: ReplId::from_random([0xab; 20]), offset: ReplOffset(9) };
        let mut replica = replica(has_position.then_some(position));
        let (mut input, mut parser) = (BytesMut::new(), RequestParser::new());
        for (piece, millis) in pieces {
            now = now + Nanos::from_millis(millis);
            replica.timeout(now);
            let mut connected = act(&mut replica, now);
            if !matches!(replica.link_state().as_str(), "connect" | "connecting") && connected {
                input.extend_from_slice(&piece);
                replica.data(&mut input, now);
                connected = act(&mut replica, now);
            }
            while connected && replica.is_streaming() {
                match parser.parse(&input, &Limits::default()) {
                    Ok(Parsed::Incomplete) => break,
                    Ok(Parsed::Empty { consumed } | Parsed::Command { consumed }) => {
                        let before = input.len();
                        let unit = replica.applied(&mut input, consumed, now);
                        prop_assert_eq!(unit.len() + input.len(), before);
                    }
                    Err(_) => {
                        replica.stream_broken("no command", now);
                        prop_assert_eq!(replica.position(), None);
                        connected = act(&mut replica, now);
                    }
                }
            }
            if !connected {
                input.clear();
                parser.reset();
            }
            prop_assert!(replica.is_streaming() || input.len() <= LEFT_IN_INPUT_MAX);
            prop_assert!(replica.poll_timeout().is_some(), "there is always a next thing to do");
        }
    }

    #[test]
    fn a_replica_may_say_anything(
        requests in prop::collection::vec((0u64..4, words(), 0u64..3_000), 1..80),
    ) {
        let mut now = Mono(0);
        let own = ReplId::from_random([0xab; 20]);
        let mut primary = Primary::new(crate::world::options(), own, now);
        for (key, words, millis) in requests {
            now = now + Nanos::from_millis(millis);
            primary.timeout(own, now);
            check_events(&mut primary)?;
            let key = ReplicaKey(key);
            let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
            let request = OwnedArgs::from_slices(&words);
            match words[0] {
                b"REPLCONF" => _ = primary.replconf(key, "anywhere", request.as_args(), now),
                b"PSYNC" if words.len() >= 3 => {
                    if let Ok(request) = Request::parse(request.as_args()) {
                        _ = primary.synchronise(key, "anywhere", request, own, now);
                    }
                }
                b"PSYNC" => _ = primary.synchronise(key, "anywhere", Request::Sync, own, now),
                b"GONE" => primary.closed(key, now),
                b"WRITE" => primary.feed(bytes::Bytes::from(vec![b'w'; 300]), 1, now),
                _ => primary.heard(key, now),
            }
            if let Some(wanted) = primary.snapshot_wanted(now) {
                primary.transfer_begun(wanted, 1_000, now);
                match wanted.form {
                    squall_replication::Form::Marked => primary.transfer_marked(TransferMark(own)),
                    squall_replication::Form::Length => primary.transfer_length(0),
                }
                primary.transfer_complete(now);
            }
            check_events(&mut primary)?;
            for online in primary.online().collect::<Vec<_>>() {
                let mut slices = [std::io::IoSlice::new(&[]); 4];
                let filled = primary.stream_slices(online, &mut slices);
                prop_assert_eq!(filled > 0, primary.stream_pending(online) > 0);
            }
            let held = primary.backlog().map_or(0, |backlog| backlog.memory_bytes());
            prop_assert!(held <= 4096 + 300 + 2 * 16 * 1024, "{held} bytes held");
        }
    }
}

/// A client that has written nothing waits for offset 0, which everybody seems to have. A replica that was sent all of
/// the dataset may still be loading it.
#[test]
fn who_has_said_nothing_has_applied_nothing() {
    let (own, now, key) = (ReplId::from_random([0xab; 20]), Mono(0), ReplicaKey(1));
    let mut primary = Primary::new(crate::world::options(), own, now);
    primary.synchronise(key, "anywhere", Request::Sync, own, now).expect("it may ask");
    let wanted = primary.snapshot_wanted(now + Nanos::from_secs(10)).expect("somebody waits");
    primary.transfer_begun(wanted, 1_000, now);
    assert_eq!(wanted.form, squall_replication::Form::Length);
    primary.transfer_length(0);
    primary.transfer_complete(now);
    let counted = |primary: &Primary| {
        let good = primary.good_replicas(Nanos::from_secs(10), now);
        (primary.acknowledged_by(ReplOffset(0)), primary.in_step().count(), good)
    };
    assert_eq!(counted(&primary), (0, 0, 0));
    let ack = OwnedArgs::from_slices(&[b"REPLCONF", b"ACK", b"0"]);
    primary.replconf(key, "anywhere", ack.as_args(), now).expect("an acknowledgement");
    assert_eq!(counted(&primary), (1, 1, 1));
}

/// Whoever is sent away is no longer attached.
fn check_events(primary: &mut Primary) -> Result<(), TestCaseError> {
    while let Some(event) = primary.poll_event() {
        if let PrimaryEvent::Close { replica, .. } = event {
            prop_assert!(!primary.is_attached(replica));
        }
    }
    Ok(())
}

fn words() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let first = prop::sample::select(vec!["REPLCONF", "REPLCONF", "PSYNC", "GONE", "WRITE", "\n"]);
    let option = prop::sample::select(vec![
        "ACK",
        "GETACK",
        "FACK",
        "capa",
        "eof",
        "psync2",
        "listening-port",
        "ip-address",
        "rdb-only",
        "rdb-filter-only",
        "functions",
        "*",
        "?",
        "-1",
        "0",
        "1",
        "2",
        "100",
        "301",
        "99999999999999999999",
        "9223372036854775807",
        "abababababababababababababababababababab",
    ]);
    let word = prop_oneof![
        9 => option.prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..300),
    ];
    (first, prop::collection::vec(word, 0..5)).prop_map(|(first, mut words)| {
        words.insert(0, first.as_bytes().to_vec());
        words
    })
}
