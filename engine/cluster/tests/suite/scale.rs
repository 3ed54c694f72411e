//! Clusters of ten and of forty nodes, and larger ones by hand: what gossip costs, how soon a dead primary
//! is found and replaced. Prints the figures:
//! `SQUALL_NODES=100 cargo test --release -p squall-cluster --test suite scale -- --nocapture`.

use crate::world::World;
use squall_clock::Nanos;

struct Figures {
    nodes: usize,
    bytes_per_node_s: u64,
    messages_per_node_s: f64,
    cpu_us_per_node_s: u64,
    replaced_ms: u64,
}

#[allow(clippy::disallowed_methods, reason = "the machines' own cost is measured")]
fn measure(nodes: usize) -> Figures {
    let mut world = World::empty(nodes as u64, nodes);
    world.options.node_timeout = Nanos::from_secs(15);
    world.preform(nodes / 2);
    world.until("all find the cluster ok", 60_000, all_ok);
    world.run_ms(20_000);
    let (bytes, messages, started) = (world.bytes_sent, world.messages_sent, std::time::Instant::now());
    let seconds = 10;
    world.run_ms(seconds * 1_000);
    let per_node_s = nodes as u64 * seconds;
    let cpu_us = started.elapsed().as_micros() as u64;
    let (bytes, messages) = (world.bytes_sent - bytes, world.messages_sent - messages);
    world.kill(0);
    let heir = world.id(nodes / 2);
    let replaced_ms = world.until("the dead primary is replaced", 60_000, |world| {
        let slot = squall_cluster::Slot::checked(0).expect("the first slot");
        world.live().all(|cluster| cluster.owner(slot).map(|node| node.id) == Some(heir))
    });
    world.until("all find the cluster ok again", 60_000, all_ok);
    Figures {
        nodes,
        bytes_per_node_s: bytes / per_node_s,
        messages_per_node_s: messages as f64 / per_node_s as f64,
        cpu_us_per_node_s: cpu_us / per_node_s,
        replaced_ms,
    }
}

fn all_ok(world: &World) -> bool {
    world.live().all(squall_cluster::Cluster::is_ok)
}

#[test]
#[allow(clippy::disallowed_methods, reason = "a test may be asked for more")]
fn large_clusters_converge_and_heal() {
    let asked = std::env::var("SQUALL_NODES").ok().and_then(|text| text.parse().ok());
    let sizes = asked.map_or(vec![10, 40], |nodes| vec![nodes]);
    for figures in sizes.into_iter().map(measure) {
        let Figures { nodes, bytes_per_node_s, messages_per_node_s, cpu_us_per_node_s, replaced_ms } =
            figures;
        println!(
            "{nodes:>5} nodes: {bytes_per_node_s:>8} bytes, {messages_per_node_s:>6.1} messages and \
             {cpu_us_per_node_s:>6} us a second per node, the world included; replaced after {replaced_ms} ms"
        );
        assert!(replaced_ms < 8_000, "{replaced_ms} ms with {nodes} nodes");
        assert!(bytes_per_node_s < 2_000_000);
    }
}
