//! What strangers send to a node of a cluster: whatever it is, it changes nothing that the cluster knows.

use bytes::BytesMut;
use proptest::prelude::*;
use squall_cluster::wire::{Body, GossipEntry, GossipKind, Header, MessageFlags, NodeFlags, Ports, encode};
use squall_cluster::{Cluster, Epoch, Event, NodeId, SlotSet};
use squall_message_world::{World, share};

use crate::chance::chosen_cases;

/// A message that is well formed, from anybody about anything.
#[derive(Clone, Debug)]
struct Forged {
    sender: usize,
    primary: Option<usize>,
    epochs: (u64, u64),
    claims: usize,
    kind: u8,
    about: usize,
    flags: u16,
}

prop_compose! {
    fn forged()(
        sender in 6..9usize, primary in prop::option::of(0..8usize),
        epochs in (0..40u64, 0..40u64), claims in 0..6usize, kind in 0..8u8, about in 0..9usize,
        flags in any::<u16>(),
    ) -> Forged {
        Forged { sender, primary, epochs, claims, kind, about, flags }
    }
}

fn name(world: &World, number: usize) -> NodeId {
    if number < 6 { world.id(number) } else { NodeId::from_bytes([number as u8; 20]) }
}

fn bytes_of(world: &World, forged: &Forged) -> BytesMut {
    let ports = Ports { client: 7_000 + forged.about as u16, bus: 17_000 + forged.about as u16, plain: 0 };
    let slots = if forged.claims < 3 { share(forged.claims, 3) } else { SlotSet::default() };
    let header = Header {
        sender: name(world, forged.sender),
        primary: forged.primary.map(|number| name(world, number)),
        current_epoch: Epoch(forged.epochs.0),
        config_epoch: Epoch(forged.epochs.1),
        repl_offset: 1,
        slots: slots.clone(),
        host: "10.0.0.1".to_owned(),
        ports,
        flags: NodeFlags(forged.flags),
        cluster_ok: true,
        message: MessageFlags { paused: true, force_vote: forged.flags & 1 == 0, extensions: true },
        is_squall: forged.flags & 2 == 0,
        view: u64::from(forged.flags),
    };
    let about = name(world, forged.about);
    let entry = GossipEntry {
        node: about,
        ping_sent_s: 0,
        pong_received_s: u32::MAX,
        host: "10.0.0.1".to_owned(),
        ports,
        flags: NodeFlags(forged.flags),
    };
    let gossip = |kind| Body::Gossip { kind, entries: vec![entry.clone()], extensions: Vec::new() };
    let body = match forged.kind {
        0 => gossip(GossipKind::Ping),
        1 => gossip(GossipKind::Pong),
        2 => gossip(GossipKind::Meet),
        3 => Body::Fail(about),
        4 => Body::VoteRequest,
        5 => Body::Vote,
        6 => Body::Update { config_epoch: header.config_epoch, node: about, slots },
        _ => Body::ManualFailoverStart,
    };
    BytesMut::from(&encode(&header, &body)[..])
}

/// Sends it to machine 0 over a link of its own.
fn deliver(world: &mut World, forged: &Forged) {
    let mut bytes = bytes_of(world, forged);
    world.order(0, |cluster: &mut Cluster, now| {
        let link = cluster.link_accepted("10.0.0.9".to_owned(), "10.0.0.1".to_owned(), now);
        cluster.data(link, &mut bytes, now);
    });
}

proptest! {
    #![proptest_config(chosen_cases(8))]

    /// Nobody who is not a member changes what a member knows of slots and members.
    #[test]
    fn strangers_change_nothing(messages in prop::collection::vec(forged(), 1..20)) {
        let mut world = World::formed(5, 3, 1);
        let before = squall_message_world::owners(world.cluster(0));
        let members = |world: &World| {
            world.cluster(0).nodes().filter(|node| node.is_member()).map(|node| node.id).collect::<Vec<_>>()
        };
        let known = members(&world);
        for message in messages {
            deliver(&mut world, &message);
        }
        prop_assert_eq!(squall_message_world::owners(world.cluster(0)), before);
        prop_assert_eq!(members(&world), known);
        world.run_ms(5_000);
        world.check_invariants();
    }
}

/// Bytes that are no message end the link, with a reason in the log.
#[test]
fn garbage_ends_the_link() {
    let mut world = World::new(8, 1);
    let now = world.time();
    let cluster = world.machines[0].cluster.as_mut().expect("it runs");
    let link = cluster.link_accepted("10.0.0.9".to_owned(), "10.0.0.1".to_owned(), now);
    cluster.data(link, &mut BytesMut::from(&b"GET / HTTP/1.1\r\n"[..]), now);
    let events: Vec<Event> = std::iter::from_fn(|| cluster.poll_event()).collect();
    assert!(events.contains(&Event::Close { link }), "{events:?}");
    assert!(format!("{events:?}").contains("not a message of the cluster bus"), "{events:?}");
}
