//! What CLUSTER tells: INFO, NODES, SLOTS, SHARDS, LINKS, in the forms that clients know.

use std::fmt::Write;

use squall_cluster::wire::Kind;
use squall_cluster::{BusLink, Cluster, Direction, Node};
use squall_commands::config::{Config, PreferredEndpoint};
use squall_resp::Reply;

use super::routes;

pub(super) fn info(machine: &Cluster, limit_exceeded: u64) -> String {
    let info = machine.info();
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        write!(text, "{name}:{value}\r\n").expect("a string takes everything");
    };
    line("cluster_state", if info.ok { &"ok" } else { &"fail" });
    line("cluster_slots_assigned", &info.slots_assigned);
    line("cluster_slots_ok", &info.slots_ok);
    line("cluster_slots_pfail", &info.slots_pfail);
    line("cluster_slots_fail", &info.slots_fail);
    line("cluster_known_nodes", &info.known_nodes);
    line("cluster_size", &info.size);
    line("cluster_current_epoch", &info.current_epoch);
    line("cluster_my_epoch", &info.my_epoch);
    for (counts, what) in [(&info.sent, "sent"), (&info.received, "received")] {
        for kind in Kind::ALL {
            if let Some(count) = counts.get(&kind) {
                line(&format!("cluster_stats_messages_{}_{what}", kind.name()), count);
            }
        }
        line(&format!("cluster_stats_messages_{what}"), &counts.values().sum::<u64>());
    }
    line("total_cluster_links_buffer_limit_exceeded", &limit_exceeded);
    text
}

pub(super) fn nodes(machine: &Cluster) -> String {
    machine.nodes().map(|node| machine.node_line(node) + "\n").collect()
}

/// Each range of slots with the nodes that serve it: the primary first.
pub(super) fn slots(machine: &Cluster, config: &Config, reply: &mut Reply<'_>) {
    let mut ranges: Vec<_> = machine
        .nodes()
        .flat_map(|node| node.slots.ranges().into_iter().map(move |range| (range, node)))
        .collect();
    ranges.sort_by_key(|((first, _), _)| *first);
    reply.array(ranges.len());
    for ((first, last), primary) in ranges {
        let replicas: Vec<&Node> = machine.replicas_of(primary.id).filter(|node| !node.is_failed()).collect();
        reply.array(3 + replicas.len());
        reply.integer(i64::from(first.number()));
        reply.integer(i64::from(last.number()));
        std::iter::once(primary).chain(replicas).for_each(|node| slot_node(node, config, reply));
    }
}

fn slot_node(node: &Node, config: &Config, reply: &mut Reply<'_>) {
    reply.array(4);
    match routes::endpoint(node, config) {
        Some(endpoint) => reply.bulk_str(endpoint),
        None => reply.null(),
    }
    reply.integer(i64::from(node.ports.client));
    reply.bulk(&node.id.text());
    // The addresses that were not the preferred one.
    let prefers_ip = config.cluster_preferred_endpoint_type == PreferredEndpoint::Ip;
    let prefers_name = config.cluster_preferred_endpoint_type == PreferredEndpoint::Hostname;
    let ip = (!prefers_ip).then_some(("ip", &node.host));
    let name = (!prefers_name && !node.hostname.is_empty()).then_some(("hostname", &node.hostname));
    let more: Vec<(&str, &String)> = ip.into_iter().chain(name).collect();
    reply.map(more.len());
    for (what, text) in more {
        reply.bulk_str(what);
        reply.bulk_str(text);
    }
}

pub(super) fn shards(machine: &Cluster, config: &Config, loading: bool, reply: &mut Reply<'_>) {
    let shards = machine.shards();
    reply.array(shards.len());
    for (_, nodes) in shards {
        reply.map(2);
        reply.bulk_str("slots");
        let ranges: Vec<_> = nodes.iter().flat_map(|node| node.slots.ranges()).collect();
        reply.array(ranges.len() * 2);
        for (first, last) in ranges {
            reply.integer(i64::from(first.number()));
            reply.integer(i64::from(last.number()));
        }
        reply.bulk_str("nodes");
        reply.array(nodes.len());
        for node in nodes {
            let is_loading = loading && node.id == machine.my_node().id;
            shard_node(node, config, is_loading, reply);
        }
    }
}

fn shard_node(node: &Node, config: &Config, loading: bool, reply: &mut Reply<'_>) {
    let has_name = !node.hostname.is_empty();
    reply.map(7 + usize::from(has_name));
    reply.bulk_str("id");
    reply.bulk(&node.id.text());
    reply.bulk_str("port");
    reply.integer(i64::from(node.ports.client));
    reply.bulk_str("ip");
    reply.bulk_str(&node.host);
    reply.bulk_str("endpoint");
    match routes::endpoint(node, config) {
        Some(endpoint) => reply.bulk_str(endpoint),
        None => reply.null(),
    }
    if has_name {
        reply.bulk_str("hostname");
        reply.bulk_str(&node.hostname);
    }
    reply.bulk_str("role");
    reply.bulk_str(if node.is_primary() { "master" } else { "replica" });
    reply.bulk_str("replication-offset");
    reply.integer(node.repl_offset as i64);
    reply.bulk_str("health");
    reply.bulk_str(match (node.is_failed(), loading) {
        (true, _) => "failed",
        (false, true) => "loading",
        (false, false) => "online",
    });
}

pub(super) fn links(machine: &Cluster, pending: impl Fn(BusLink) -> u64, reply: &mut Reply<'_>) {
    let known: Vec<_> = machine.links().filter_map(|(id, link)| Some((id, link, link.node?))).collect();
    reply.array(known.len());
    for (id, link, node) in known {
        reply.map(6);
        reply.bulk_str("direction");
        reply.bulk_str(if link.direction == Direction::To { "to" } else { "from" });
        reply.bulk_str("node");
        reply.bulk(&node.text());
        reply.bulk_str("create-time");
        reply.integer(link.created.unix_ms().0 as i64);
        reply.bulk_str("events");
        reply.bulk_str(if pending(id) > 0 { "rw" } else { "r" });
        reply.bulk_str("send-buffer-allocated");
        reply.integer(pending(id) as i64);
        reply.bulk_str("send-buffer-used");
        reply.integer(pending(id) as i64);
    }
}
