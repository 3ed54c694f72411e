//! The bus's messages: what redis-server 7.0 sends is understood and written again byte for byte, what was
//! encoded is decoded, and bytes that are no message are refused without harm.

use bytes::Bytes;
use proptest::prelude::*;
use squall_cluster::wire::{
    Body, EPOCH_MAX, Extension, GossipEntry, GossipKind, Header, MESSAGE_BYTES_MAX, Message, MessageFlags,
    NodeFlags, Ports, Published, WireError, decode, encode, encode_light, frame_bytes,
};
use squall_cluster::{Epoch, NodeId, ShardId, Slot, SlotSet};

/// Caught on the bus of redis-server 7.0.15 by a listener that pretended to be a node.
const CAPTURED: [(&str, &[u8]); 6] = [
    ("meet", include_bytes!("captured/meet-with-hostname.bin")),
    ("ping", include_bytes!("captured/ping.bin")),
    ("pong", include_bytes!("captured/pong.bin")),
    ("publish", include_bytes!("captured/publish.bin")),
    ("auth-req", include_bytes!("captured/auth-req.bin")),
    ("update", include_bytes!("captured/update.bin")),
];

fn captured(name: &str) -> (Header, Body) {
    let (_, bytes) = CAPTURED.iter().find(|(entry, _)| *entry == name).expect("it was captured");
    match decode(&Bytes::from_static(bytes)) {
        Ok(Message::Full { header, body }) => (header, body),
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn what_redis_sends_is_written_again_byte_for_byte() {
    for (name, bytes) in CAPTURED {
        let (header, body) = captured(name);
        assert_eq!(body.kind().name(), name);
        assert_eq!(encode(&header, &body), bytes, "{name}");
        assert_eq!(frame_bytes(bytes, MESSAGE_BYTES_MAX), Ok(Some(bytes.len())));
    }
}

#[test]
fn what_redis_means_is_understood() {
    let (header, body) = captured("meet");
    assert_eq!(header.sender.to_string(), "76f55c15aa7c245f6884bc3cdf5f72cb8cd6cfd3");
    assert_eq!(header.slots.to_string(), "0-1 9");
    assert_eq!(header.ports, Ports { client: 21600, bus: 31600, plain: 0 });
    assert!(header.flags.has(NodeFlags::PRIMARY) && !header.cluster_ok && header.message.extensions);
    let Body::Gossip { kind: GossipKind::Meet, extensions, .. } = body else { panic!("a MEET") };
    assert_eq!(extensions, [Extension::Hostname("alpha.example".to_owned())]);

    let (header, body) = captured("auth-req");
    assert!(header.message.force_vote && header.flags.has(NodeFlags::REPLICA));
    assert_eq!(header.slots.to_string(), "0-5000", "a replica shows its primary's slots");
    assert_eq!(body, Body::VoteRequest);

    let (_, body) = captured("ping");
    let Body::Gossip { entries, .. } = body else { panic!("a PING") };
    assert_eq!(entries.len(), 3);
    assert!(entries.iter().all(|entry| entry.host == "127.0.0.1" && entry.ports.bus > 31_600));

    let (_, body) = captured("update");
    let Body::Update { config_epoch, slots, .. } = body else { panic!("an UPDATE") };
    assert_eq!((config_epoch, slots.to_string().as_str()), (Epoch(1), "0-5000"));

    let (_, body) = captured("publish");
    let published = Published { sharded: false, channel: "news".into(), message: "hello".into() };
    assert_eq!(body, Body::Publish(published));
}

#[test]
fn the_light_form_is_understood_and_written() {
    let mut bytes = b"RCmb\0\0\0\x1d\0\x01\0\0\x80\x04\0\0".to_vec();
    bytes.extend_from_slice(b"\0\0\0\x02\0\0\0\x03chmsg");
    let published = Published { sharded: false, channel: "ch".into(), message: "msg".into() };
    assert_eq!(encode_light(&published), bytes);
    assert_eq!(decode(&Bytes::from(bytes)), Ok(Message::Light(published)));
}

#[test]
fn a_frame_is_measured_from_its_first_eight_bytes_and_bounded() {
    assert_eq!(frame_bytes(b"", 1000), Ok(None));
    assert_eq!(frame_bytes(b"RCmb\0\0", 1000), Ok(None));
    assert_eq!(frame_bytes(b"RCmb\0\0\0\x40", 1000), Ok(Some(64)));
    assert_eq!(frame_bytes(b"GET", 1000), Err(WireError::Signature));
    assert_eq!(frame_bytes(b"RCmb\0\0\x10\0", 1000), Err(WireError::TooLong(4096)));
    assert_eq!(frame_bytes(b"RCmb\0\0\0\x02", 1000), Err(WireError::Length { kind: 0, bytes: 2 }));
}

fn node() -> impl Strategy<Value = NodeId> {
    any::<[u8; 20]>().prop_map(NodeId::from_bytes)
}

fn slots() -> impl Strategy<Value = SlotSet> {
    prop::collection::vec(0..16_384u64, 0..40)
        .prop_map(|numbers| numbers.into_iter().filter_map(Slot::checked).collect())
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), Just("127.0.0.1".to_owned()), "[0-9a-f:.]{1,45}"]
}

prop_compose! {
    fn ports()(client in any::<u16>(), bus in 1..u16::MAX, plain in any::<u16>()) -> Ports {
        Ports { client, bus, plain }
    }
}

prop_compose! {
    fn header()(
        sender in node(), primary in prop::option::of(node().prop_filter("no zeros", |id| id.text()[0] != 0)),
        epochs in (0..=EPOCH_MAX.0, 0..=EPOCH_MAX.0, any::<u64>()), slots in slots(), host in host(), ports in ports(),
        flags in any::<u16>(), bits in any::<[bool; 5]>(),
    ) -> Header {
        Header {
            sender, primary, current_epoch: Epoch(epochs.0), config_epoch: Epoch(epochs.1),
            repl_offset: epochs.2, slots, host, ports, flags: NodeFlags(flags), cluster_ok: bits[0],
            message: MessageFlags { paused: bits[1], force_vote: bits[2], extensions: bits[3] },
            is_squall: bits[4], view: if bits[4] { epochs.2 } else { 0 },
        }
    }
}

prop_compose! {
    fn entry()(
        node in node(), times in any::<(u32, u32)>(), host in host(), ports in ports(), flags in any::<u16>(),
    ) -> GossipEntry {
        GossipEntry {
            node, ping_sent_s: times.0, pong_received_s: times.1, host, ports, flags: NodeFlags(flags),
        }
    }
}

fn extension() -> impl Strategy<Value = Extension> {
    prop_oneof![
        "[a-z.]{0,60}".prop_map(Extension::Hostname),
        "[a-z.]{0,60}".prop_map(Extension::HumanName),
        (node(), any::<u64>()).prop_map(|(node, seconds)| Extension::Forgotten { node, seconds }),
        node().prop_map(|id| Extension::Shard(ShardId::parse(&id.text()).unwrap())),
        "[0-9.]{0,15}".prop_map(Extension::ClientIpv4),
        (9..99u16).prop_map(Extension::Unknown),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    let kinds = prop::sample::select(vec![GossipKind::Ping, GossipKind::Pong, GossipKind::Meet]);
    let bytes = || prop::collection::vec(any::<u8>(), 0..50).prop_map(Bytes::from);
    prop_oneof![
        (kinds, prop::collection::vec(entry(), 0..5), prop::collection::vec(extension(), 0..4))
            .prop_map(|(kind, entries, extensions)| Body::Gossip { kind, entries, extensions }),
        node().prop_map(Body::Fail),
        (any::<bool>(), bytes(), bytes()).prop_map(|(sharded, channel, message)| {
            Body::Publish(Published { sharded, channel, message })
        }),
        Just(Body::VoteRequest),
        Just(Body::Vote),
        Just(Body::ManualFailoverStart),
        (0..=EPOCH_MAX.0, node(), slots()).prop_map(|(epoch, node, slots)| Body::Update {
            config_epoch: Epoch(epoch),
            node,
            slots
        }),
    ]
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(header in header(), body in body()) {
        let bytes = encode(&header, &body);
        prop_assert_eq!(frame_bytes(&bytes, MESSAGE_BYTES_MAX), Ok(Some(bytes.len())));
        prop_assert_eq!(decode(&bytes), Ok(Message::Full { header, body }));
    }

    /// Cut short anywhere, with its length made to fit, or with a bit flipped: an answer, never a panic; and
    /// what is accepted can be written again.
    #[test]
    fn damaged_messages_do_no_harm(
        header in header(), body in body(), cut in any::<prop::sample::Index>(),
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0..8u8), 0..4),
    ) {
        let mut bytes = encode(&header, &body).to_vec();
        bytes.truncate(cut.index(bytes.len() + 1));
        if bytes.len() >= 8 {
            let len = (bytes.len() as u32).to_be_bytes();
            bytes[4..8].copy_from_slice(&len);
        }
        for (index, bit) in flips {
            if !bytes.is_empty() {
                let index = index.index(bytes.len());
                bytes[index] ^= 1 << bit;
            }
        }
        let _ = frame_bytes(&bytes, MESSAGE_BYTES_MAX);
        if let Ok(Message::Full { header, body }) = decode(&Bytes::from(bytes)) {
            encode(&header, &body);
        }
    }
}
