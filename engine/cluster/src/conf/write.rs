//! Writing nodes.conf, and the lines of CLUSTER NODES.

use std::fmt::Write;

use crate::cluster::Cluster;
use crate::node::{Health, Node, Stage};
use crate::{NodeId, Slot};

/// The whole file. Nodes whose name is not known are not in it.
pub fn text(cluster: &Cluster) -> String {
    let mut text = String::new();
    for node in cluster.nodes.iter().filter(|node| node.is_member()) {
        put_line(&mut text, cluster, node, true);
        text.push('\n');
    }
    writeln!(text, "vars currentEpoch {} lastVoteEpoch {}", cluster.current_epoch, cluster.last_vote_epoch)
        .expect("a string takes everything");
    text
}

/// One node, as CLUSTER NODES and CLUSTER REPLICAS show it.
pub fn line(cluster: &Cluster, node: &Node) -> String {
    let mut text = String::new();
    put_line(&mut text, cluster, node, false);
    text
}

fn put_line(text: &mut String, cluster: &Cluster, node: &Node, for_file: bool) {
    let is_me = node.id == cluster.my_id();
    let Node { id, host, ports, config_epoch, .. } = node;
    let mut put = |args: std::fmt::Arguments<'_>| text.write_fmt(args).expect("a string takes everything");
    put(format_args!("{id} {host}:{}@{}", ports.client, ports.bus));
    let aux = for_file && (node.shard.is_some() || !node.human_name.is_empty());
    if aux || !node.hostname.is_empty() {
        put(format_args!(",{}", node.hostname));
    }
    if let Some(shard) = node.shard.filter(|_| for_file) {
        put(format_args!(",shard-id={shard}"));
    }
    if for_file && !node.human_name.is_empty() {
        put(format_args!(",nodename={}", node.human_name));
    }
    put(format_args!(" {}", flag_names(node, is_me)));
    match node.primary {
        Some(primary) => put(format_args!(" {primary}")),
        None => put(format_args!(" -")),
    }
    let (ping_ms, pong_ms) = match is_me {
        true => (0, 0),
        false => (cluster.unix_ms_of(node.ping_sent), cluster.unix_ms_of(node.pong_received)),
    };
    let state = if node.link_is_open || is_me { "connected" } else { "disconnected" };
    // A replica is shown with the epoch of the primary that it belongs to.
    let epoch = match node.primary.and_then(|primary| cluster.nodes.get(primary)) {
        Some(primary) => primary.config_epoch,
        None => *config_epoch,
    };
    put(format_args!(" {ping_ms} {pong_ms} {epoch} {state}"));
    // What was granted to others is not claimed after a start.
    let slots = if is_me && for_file { cluster.claimed_slots() } else { node.slots.clone() };
    if !slots.is_empty() {
        put(format_args!(" {slots}"));
    }
    if is_me && for_file {
        for (slot, to) in cluster.granted_slots() {
            put(format_args!(" [{slot}->-{to}]"));
        }
    }
    if is_me {
        // Of a node that is forgotten, or not met yet, the file could not be read again.
        let is_known = |(_, other): &(&Slot, &NodeId)| cluster.nodes.member(**other).is_some();
        for (slot, to) in cluster.migrating.iter().filter(is_known) {
            put(format_args!(" [{slot}->-{to}]"));
        }
        for (slot, from) in cluster.importing.iter().filter(is_known) {
            put(format_args!(" [{slot}-<-{from}]"));
        }
    }
}

fn flag_names(node: &Node, is_me: bool) -> String {
    let mut names = Vec::new();
    if is_me {
        names.push("myself");
    }
    names.push(if node.is_primary() { "master" } else { "slave" });
    match node.health {
        Health::Ok => {}
        Health::Suspected => names.push("fail?"),
        Health::Failed { .. } => names.push("fail"),
    }
    if matches!(node.stage, Stage::Handshake { .. }) {
        names.push("handshake");
    }
    if node.host.is_empty() && !is_me {
        names.push("noaddr");
    }
    if node.no_failover {
        names.push("nofailover");
    }
    names.join(",")
}
