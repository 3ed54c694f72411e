//! Slots that move whole between real processes: while somebody writes, and while source and target are killed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use squall_resp::Value;

use crate::client::Client;
use crate::cluster::{Nodes, start_node};
use crate::harness::{Program, Server, eventually, installed};

const COUNTERS: usize = 60;

/// Somebody who counts up all counters, round and round, at whichever node will have it.
struct Counting {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<BTreeMap<usize, i64>>,
}

impl Counting {
    fn begin(ports: Vec<u16>) -> Counting {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut highest = BTreeMap::new();
            let mut clients: BTreeMap<u16, Client> = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                for counter in 0..COUNTERS {
                    if let Some(value) = count_up(&mut clients, &ports, counter) {
                        let before = highest.insert(counter, value);
                        assert!(
                            before.is_none_or(|before| value > before),
                            "a write is lost: {before:?}, {value}"
                        );
                    }
                }
            }
            highest
        });
        Counting { stop, thread }
    }

    /// What each counter said last.
    fn end(self) -> BTreeMap<usize, i64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("nothing was lost")
    }
}

fn count_up(clients: &mut BTreeMap<u16, Client>, ports: &[u16], counter: usize) -> Option<i64> {
    let key = format!("counter-{counter}");
    for port in ports {
        if !clients.contains_key(port) {
            let Some(client) = Client::try_connect(*port) else { continue };
            clients.insert(*port, client);
        }
        match clients.get_mut(port).expect("connected above").try_ask(&["INCR", &key]) {
            Some(Value::Integer(value)) => return Some(value),
            Some(_) => {}
            None => drop(clients.remove(port)),
        }
    }
    None
}

fn ports(nodes: &Nodes) -> Vec<u16> {
    nodes.servers.iter().map(Server::port).collect()
}

fn migrate(nodes: &Nodes, from: usize, to: usize, first: &str, last: &str) {
    let target = nodes.ask(to, &["CLUSTER", "MYID"]);
    let order = ["CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", &target];
    assert_eq!(nodes.ask(from, &order), "OK");
}

fn latest_state(nodes: &Nodes, node: usize) -> String {
    let reply = nodes.servers[node].client().ask(&["CLUSTER", "GETSLOTMIGRATIONS"]);
    let Value::Array(jobs) = reply else { return String::new() };
    let Some(Value::Array(fields)) = jobs.last() else { return String::new() };
    let state =
        fields.iter().position(|field| *field == Value::Bulk("state".into())).expect("it has a state");
    let Value::Bulk(state) = &fields[state + 1] else { panic!("a text") };
    String::from_utf8_lossy(state).into_owned()
}

#[test]
fn slots_move_while_somebody_writes() {
    if !installed("redis-cli") {
        return;
    }
    let nodes = Nodes::create([Program::Squall; 6]);
    let entry = nodes.servers[0].port().to_string();
    crate::cluster::fill(&entry);
    let counting = Counting::begin(ports(&nodes));
    migrate(&nodes, 0, 1, "0", "3000");
    eventually("the slots are the target's", || latest_state(&nodes, 0) == "success");
    assert_eq!(latest_state(&nodes, 1), "success");
    // Back again, as Redis 8.4 has it.
    let task = nodes.ask(0, &["CLUSTER", "MIGRATION", "IMPORT", "0", "3000"]);
    assert_eq!(task.len(), 40, "{task}");
    eventually("the slots are back", || {
        latest_state(&nodes, 0) == "success" && latest_state(&nodes, 1) == "success"
    });
    migrate(&nodes, 0, 2, "1000", "4000");
    eventually("and some are elsewhere", || latest_state(&nodes, 0) == "success");
    let last = counting.end();
    assert_eq!(last.len(), COUNTERS);
    crate::cluster::check_fill(&entry);
    eventually("all have one slot map", || (1..6).all(|node| nodes.slot_map(node) == nodes.slot_map(0)));
    eventually("nothing stays behind", || {
        let count = |node: usize| nodes.servers[node].client().ask(&["CLUSTER", "COUNTKEYSINSLOT", "1500"]);
        count(0) == Value::Integer(0)
    });
}

#[test]
fn a_migration_survives_the_death_of_its_target_and_of_its_source() {
    if !installed("redis-cli") {
        return;
    }
    let mut nodes = Nodes::create([Program::Squall; 6]);
    let entry = nodes.servers[2].port().to_string();
    crate::cluster::fill(&entry);
    let heir = nodes.replica_of(1);
    migrate(&nodes, 0, 1, "0", "5000");
    nodes.servers[1].signal("KILL");
    nodes.servers[1].await_exit();
    eventually("the target's heir has the slots, or they are still the source's", || {
        let state = latest_state(&nodes, 0);
        state == "success" && nodes.is_ok(heir)
    });
    crate::cluster::check_fill(&entry);
    // On to the third shard; now the source dies.
    let source_heir = nodes.replica_of(0);
    migrate(&nodes, 0, 2, "5100", "5400");
    nodes.servers[0].signal("KILL");
    nodes.servers[0].await_exit();
    eventually("all that live find the cluster ok", || {
        [2, heir, source_heir].into_iter().all(|node| nodes.is_ok(node))
    });
    eventually("every key can be read", || crate::cluster::missing_of_fill(&entry).is_empty());
}

#[test]
fn what_cannot_be_moved_is_refused() {
    if !installed("redis-cli") {
        return;
    }
    let nodes = Nodes::create([Program::Squall; 6]);
    let mut client = nodes.servers[0].client();
    let other = nodes.ask(1, &["CLUSTER", "MYID"]);
    let replica = nodes.ask(nodes.replica_of(0), &["CLUSTER", "MYID"]);
    let myself = nodes.ask(0, &["CLUSTER", "MYID"]);
    let nobody = "0".repeat(40);
    for (words, complaint) in [
        (vec!["SLOTSRANGE", "0", "16384", "NODE", &other], "ERR Invalid slot range"),
        (vec!["SLOTSRANGE", "5", "0", "NODE", &other], "ERR Invalid slot range"),
        (vec!["SLOTSRANGE", "0", "1", "NODE", &nobody], "ERR Unknown node name: "),
        (vec!["SLOTSRANGE", "0", "1", "NODE", &replica], "ERR Target node is not a primary"),
        (vec!["SLOTSRANGE", "0", "1", "NODE", &myself], "ERR Target node can not be this node itself"),
        (vec!["SLOTSRANGE", "16000", "16001", "NODE", &other], "ERR Slots are not served by this node"),
        (vec!["SLOTSRANGE", "0", "1", "NODE", &other, "SLOTSRANGE", "1", "2", "NODE", &other], "overlap"),
        (vec!["NODE", &other], "ERR"),
    ] {
        let order: Vec<&str> = ["CLUSTER", "MIGRATESLOTS"].into_iter().chain(words).collect();
        let Value::Error(said) = client.ask(&order) else { panic!("{order:?} was not refused") };
        assert!(said.contains(complaint), "{order:?}: {said:?}");
    }
    assert_eq!(client.ask(&["CLUSTER", "MIGRATION", "CANCEL", "ALL"]), Value::Integer(0));
    assert_eq!(client.ask(&["CLUSTER", "CANCELSLOTMIGRATIONS"]), Value::Simple("OK".into()));
}

#[test]
fn two_servers_do_not_share_a_nodes_conf() {
    let (server, _) = start_node(Program::Squall);
    let directory = server.directory();
    let (status, said) = Server::fail_to_start(&directory, Program::Squall, &["--cluster-enabled", "yes"]);
    assert!(!status.success());
    assert!(said.contains("nodes.conf is used by another server that runs"), "{said}");
}
