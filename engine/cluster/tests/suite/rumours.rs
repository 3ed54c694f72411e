//! What members say of third nodes, with a bit flipped on the way.

use bytes::BytesMut;
use squall_clock::Nanos;
use squall_cluster::NodeId;
use squall_cluster::wire::{Body, GossipEntry, GossipKind, Header, MessageFlags, NodeFlags, Ports, encode};
use squall_message_world::World;

const RECEIVER: usize = 0;
const SENDER: usize = 1;
const ABSENT: usize = 4;

/// A ping of `SENDER` that says that `about` is at these ports.
fn ping(world: &World, about: NodeId, ports: Ports) -> BytesMut {
    let sender = world.cluster(SENDER).my_node();
    let header = Header {
        sender: sender.id,
        primary: None,
        current_epoch: world.cluster(SENDER).current_epoch(),
        config_epoch: sender.config_epoch,
        repl_offset: 1,
        slots: sender.slots.clone(),
        host: String::new(),
        ports: sender.ports,
        flags: NodeFlags(NodeFlags::PRIMARY | NodeFlags::MYSELF),
        cluster_ok: true,
        message: MessageFlags { paused: false, force_vote: false, extensions: true },
        is_squall: true,
        view: 0,
    };
    let entry = GossipEntry {
        node: about,
        ping_sent_s: 0,
        pong_received_s: 0,
        host: sender.host.clone(),
        ports,
        flags: NodeFlags(NodeFlags::REPLICA),
    };
    let body = Body::Gossip { kind: GossipKind::Ping, entries: vec![entry], extensions: Vec::new() };
    BytesMut::from(&encode(&header, &body)[..])
}

fn tell(world: &mut World, mut message: BytesMut) {
    world.order(RECEIVER, |cluster, now| {
        let link = cluster.link_accepted("10.0.0.1".to_owned(), "10.0.0.1".to_owned(), now);
        cluster.data(link, &mut message, now);
    });
}

/// C44, redis#12921: the address of a node that cannot be reached is believed when it is said again, and one that was
/// garbled is not.
#[test]
fn corrupt_node_id_spreads() {
    let mut world = World::formed(23, 3, 1);
    world.run_ms(3_000);
    world.power_off(ABSENT);
    let absent = world.id(ABSENT);
    world.until("it is missed", 20_000, |world| {
        world.cluster(RECEIVER).node(absent).is_some_and(|node| !node.is_well())
    });
    let at = |world: &World| world.cluster(RECEIVER).node(absent).expect("it is known").ports;
    let right = at(&world);
    for bit in 0..12 {
        let garbled = Ports { bus: right.bus ^ (1 << bit), ..right };
        let message = ping(&world, absent, garbled);
        tell(&mut world, message);
        assert_eq!(at(&world), right, "bit {bit} was flipped");
    }
    let moved = Ports { client: 7_777, bus: 17_777, plain: 0 };
    for expected in [right, moved] {
        let message = ping(&world, absent, moved);
        tell(&mut world, message);
        assert_eq!(at(&world), expected);
    }
    // It says itself where it is, as soon as it is there.
    world.start(ABSENT);
    world.until("it is reached again", 20_000, |world| {
        at(world) == right && world.cluster(RECEIVER).node(absent).is_some_and(|node| node.is_well())
    });
    assert_eq!(world.cluster(RECEIVER).nodes().count(), 6);
}

/// `cluster-blacklist-ttl`: so long a node that was forgotten is not learnt of again from those who know it.
#[test]
fn a_forgotten_node_comes_back_when_its_time_is_over() {
    for seconds in [5, 20] {
        let mut world = World::empty(24, 6);
        world.options.forgotten_for = Nanos::from_secs(seconds);
        (0..6).for_each(|machine| world.start(machine));
        world.form(3);
        world.run_ms(3_000);
        let (forgotten, ports) = (world.id(ABSENT), world.cluster(ABSENT).my_node().ports);
        world.order(RECEIVER, |cluster, now| cluster.forget(forgotten, now).unwrap());
        let is_known = |world: &World| world.cluster(RECEIVER).node(forgotten).is_some();
        world.run_ms(seconds * 1_000 - 600);
        let rumour = ping(&world, forgotten, ports);
        tell(&mut world, rumour);
        world.run_ms(500);
        assert!(!is_known(&world), "it was to be gone for {seconds} s");
        world.run_ms(200);
        let rumour = ping(&world, forgotten, ports);
        tell(&mut world, rumour);
        world.until("it is back", 2_000, is_known);
    }
}
