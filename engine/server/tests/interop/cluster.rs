//! Clusters as operators make them: `redis-cli --cluster create`, of Squall alone and with redis-server 7.0
//! among them; then a primary is killed, and roles are handed over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_resp::Value;

use crate::client::Client;
use crate::harness::{Program, Server, eventually, free_port, installed, run, words};

pub struct Nodes {
    pub servers: Vec<Server>,
}

impl Nodes {
    /// Three primaries and three replicas, in this order of `programs` as redis-cli distributes them: first
    /// the primaries.
    pub fn create(programs: [Program; 6]) -> Nodes {
        let started: Vec<(Server, String)> = programs.iter().map(|program| start_node(*program)).collect();
        let addresses: Vec<String> =
            started.iter().map(|(server, bus)| format!("127.0.0.1:{}@{bus}", server.port())).collect();
        let mut words_of = vec!["--cluster", "create"];
        words_of.extend(addresses.iter().map(String::as_str));
        words_of.extend(["--cluster-replicas", "1", "--cluster-yes"]);
        let said = words("redis-cli", &words_of, b"");
        assert!(said.contains("[OK] All 16384 slots covered."), "{said}");
        let nodes = Nodes { servers: started.into_iter().map(|(server, _)| server).collect() };
        eventually("all find the cluster ok, and replicas are in step", || {
            (0..6).all(|node| nodes.is_ok(node) && nodes.is_in_step(node))
        });
        nodes
    }

    pub fn ask(&self, node: usize, command: &[&str]) -> String {
        let client = Client::try_connect(self.servers[node].port());
        client.and_then(|mut client| client.text(command)).unwrap_or_default()
    }

    pub fn is_ok(&self, node: usize) -> bool {
        self.ask(node, &["CLUSTER", "INFO"]).contains("cluster_state:ok")
    }

    pub fn is_in_step(&self, node: usize) -> bool {
        let client = &mut self.servers[node].client();
        client.info("role").as_deref() == Some("master")
            || client.info("master_link_status").as_deref() == Some("up")
    }

    /// Who owns which slots, as that node sees it: a line per primary, in the order of names.
    pub fn slot_map(&self, node: usize) -> Vec<String> {
        let text = self.ask(node, &["CLUSTER", "NODES"]);
        let mut owners: Vec<String> = text
            .lines()
            .filter_map(|line| {
                let words: Vec<&str> = line.split(' ').collect();
                (words.len() > 8).then(|| format!("{} {}", words[0], words[8..].join(" ")))
            })
            .collect();
        owners.sort();
        owners
    }

    /// The node that is a replica of that one.
    pub fn replica_of(&self, primary: usize) -> usize {
        let id = self.ask(primary, &["CLUSTER", "MYID"]);
        let follows = |node: usize| {
            let text = self.ask(node, &["CLUSTER", "NODES"]);
            !id.is_empty()
                && text
                    .lines()
                    .any(|line| line.contains("myself") && line.split(' ').nth(3) == Some(id.as_str()))
        };
        (0..6).find(|node| *node != primary && follows(*node)).expect("each primary has a replica")
    }

    /// A key whose slot that node serves.
    pub fn key_of(&self, node: usize) -> String {
        let mut client = self.servers[node].client();
        let served = |key: &String| !matches!(client.ask(&["SET", key, "1"]), Value::Error(_));
        (0..1_000).map(|number| format!("key-{number}")).find(served).expect("it serves a third of all keys")
    }

    /// Moves slots with their keys, as redis-cli does it: key by key.
    fn reshard(&self, from: usize, to: usize) {
        let name = |node: usize| self.ask(node, &["CLUSTER", "MYID"]);
        let (from, to) = (name(from), name(to));
        let entry = format!("127.0.0.1:{}", self.servers[0].port());
        let options =
            ["--cluster-from", &from, "--cluster-to", &to, "--cluster-slots", "400", "--cluster-yes"];
        words("redis-cli", &[&["--cluster", "reshard", &entry], &options[..]].concat(), b"");
        eventually("all nodes agree again", || {
            let said = run("redis-cli", &["--cluster", "check", &entry], b"");
            String::from_utf8_lossy(&said.stdout).contains("[OK] All nodes agree about slots configuration.")
        });
    }

    pub fn writes(&self, node: usize, key: &str) -> bool {
        self.servers[node].client().ask(&["SET", key, "2"]) == Value::Simple("OK".into())
    }
}

/// What Valkey's operators say beside what Redis's do: SAFE, TIMEOUT, NO ONE.
#[test]
fn valkeys_orders_are_understood() {
    let [(one, bus), (other, _)] = [start_node(Program::Squall), start_node(Program::Squall)];
    let (mut primary, mut replica) = (one.client(), other.client());
    let ok = Value::Simple("OK".into());
    assert_eq!(primary.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), ok);
    assert_eq!(primary.ask(&["CLUSTER", "SETSLOT", "7", "STABLE", "TIMEOUT", "100"]), ok);
    assert!(matches!(primary.ask(&["CLUSTER", "SETSLOT", "7", "STABLE", "TIMEOUT", "x"]), Value::Error(_)));
    assert!(matches!(primary.ask(&["SHUTDOWN", "NOSAVE", "SAFE"]), Value::Error(_)), "it serves slots");

    let id = primary.text(&["CLUSTER", "MYID"]).expect("it has a name");
    let port = one.port().to_string();
    assert_eq!(replica.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]), ok);
    eventually("it can be followed", || replica.ask(&["CLUSTER", "REPLICATE", &id]) == ok);
    eventually("the cluster works", || primary.ask(&["SET", "k", "v"]) == ok);
    eventually("the replica has the key", || replica.ask(&["DBSIZE"]) == Value::Integer(1));
    assert_eq!(replica.ask(&["CLUSTER", "REPLICATE", "NO", "ONE"]), ok);
    eventually("it is an empty primary", || {
        replica.info("role").as_deref() == Some("master") && replica.ask(&["DBSIZE"]) == Value::Integer(0)
    });
    assert_eq!(primary.ask(&["GET", "k"]), Value::Bulk("v".into()));
    eventually("the primary knows", || primary.info("connected_slaves").as_deref() == Some("0"));
    assert!(replica.try_ask(&["SHUTDOWN", "NOSAVE", "SAFE"]).is_none(), "nobody needs it");
}

/// A primary that ends has a replica take its place first, and so does Valkey's, which says so in its stream. There
/// is one voter, so nobody could take its place afterwards.
#[test]
fn a_primary_hands_over_before_it_ends() {
    let mut nodes = [start_node(Program::Squall), start_node(Program::Squall), start_node(Program::Squall)];
    let ok = Value::Simple("OK".into());
    let mut first = nodes[0].0.client();
    assert_eq!(first.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), ok);
    let id = first.text(&["CLUSTER", "MYID"]).expect("it has a name");
    for (server, bus) in &nodes[1..] {
        first.ask(&["CLUSTER", "MEET", "127.0.0.1", &server.port().to_string(), bus]);
    }
    for (server, _) in &nodes[1..] {
        eventually("it can be followed", || server.client().ask(&["CLUSTER", "REPLICATE", &id]) == ok);
    }
    eventually("both follow", || first.info("connected_slaves").as_deref() == Some("2"));
    eventually("the cluster works", || first.ask(&["SET", "by-order", "1"]) == ok);
    assert!(first.try_ask(&["SHUTDOWN", "NOSAVE", "SAFE", "FAILOVER"]).is_none(), "it has ended");

    let is_primary = |server: &Server| server.info("role") == "master";
    assert!(is_primary(&nodes[1].0) != is_primary(&nodes[2].0), "one has taken over");
    let (heir, last) = if is_primary(&nodes[1].0) { (1, 2) } else { (2, 1) };
    let mut second = nodes[heir].0.client();
    assert_eq!(second.ask(&["GET", "by-order"]), Value::Bulk("1".into()));
    eventually("the other follows it", || second.info("connected_slaves").as_deref() == Some("1"));
    second.done(&["CONFIG", "SET", "shutdown-on-sigterm", "nosave failover"]);
    eventually("it serves", || second.ask(&["SET", "by-signal", "2"]) == ok);
    nodes[heir].0.signal("TERM");
    nodes[heir].0.await_exit();

    let mut third = nodes[last].0.client();
    assert!(is_primary(&nodes[last].0), "it has taken over");
    assert_eq!(third.ask(&["GET", "by-signal"]), Value::Bulk("2".into()));
    let refused = third.ask(&["SHUTDOWN", "NOSAVE", "SAFE", "FAILOVER"]);
    assert!(matches!(refused, Value::Error(_)), "nobody is left to take over: {refused:?}");
    assert_eq!(third.ask(&["SET", "it", "stays"]), ok);
}

/// How Valkey's primary tells one of its replicas: in the stream that all of them read.
#[test]
fn a_replica_heeds_valkeys_primary_that_is_about_to_end() {
    let [(one, bus), (other, _)] = [start_node(Program::Squall), start_node(Program::Squall)];
    let (mut primary, mut replica) = (one.client(), other.client());
    let ok = Value::Simple("OK".into());
    assert_eq!(primary.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]), ok);
    let id = primary.text(&["CLUSTER", "MYID"]).expect("it has a name");
    assert_eq!(replica.ask(&["CLUSTER", "MEET", "127.0.0.1", &one.port().to_string(), &bus]), ok);
    eventually("it can be followed", || replica.ask(&["CLUSTER", "REPLICATE", &id]) == ok);
    eventually("it follows", || primary.info("connected_slaves").as_deref() == Some("1"));
    eventually("the cluster works", || primary.ask(&["SET", "k", "v"]) == ok);
    let order =
        |id: &str| ["DEBUG", "REPLICATE", "CLUSTER", "FAILOVER", "FORCE", "REPLICAID", id].map(String::from);
    primary.done(&order(&id));
    primary.done(&["SET", "k", "w"]);
    eventually("what is said to another is passed over", || {
        replica.info("master_link_status").as_deref() == Some("up")
    });
    let name = replica.text(&["CLUSTER", "MYID"]).expect("it has a name");
    primary.done(&order(&name));
    eventually("it has taken over", || replica.info("role").as_deref() == Some("master"));
    eventually("and is followed", || primary.info("role").as_deref() == Some("slave"));
    assert_eq!(replica.ask(&["GET", "k"]), Value::Bulk("w".into()));
}

/// Replicas know which slots of their primary are open before the operator is answered, those that come later as well,
/// and go on where it was. An order that they do not hear in time is refused, and leaves nothing behind.
#[test]
fn replicas_are_told_of_open_slots_first() {
    let [(one, _), (two, bus_of_two), (mut three, bus_of_three)] = [Program::Squall; 3].map(start_node);
    let (mut source, mut target, mut replica) = (one.client(), two.client(), three.client());
    let ok = Value::Simple("OK".into());
    assert_eq!(source.ask(&["CLUSTER", "ADDSLOTSRANGE", "0", "8191"]), ok);
    assert_eq!(target.ask(&["CLUSTER", "ADDSLOTSRANGE", "8192", "16383"]), ok);
    for (server, bus) in [(&two, &bus_of_two), (&three, &bus_of_three)] {
        let port = server.port().to_string();
        assert_eq!(source.ask(&["CLUSTER", "MEET", "127.0.0.1", &port, bus]), ok);
    }
    let [source_id, target_id] =
        [&mut source, &mut target].map(|client| client.text(&["CLUSTER", "MYID"]).expect("its name"));
    let open_there = |client: &mut Client, slot: &str| {
        client.text(&["CLUSTER", "NODES"]).expect("its nodes").contains(&format!("[{slot}->-{target_id}]"))
    };
    eventually("they know one another", || {
        source.ask(&["CLUSTER", "SETSLOT", "7", "MIGRATING", &target_id]) == ok
    });
    eventually("it can be followed", || replica.ask(&["CLUSTER", "REPLICATE", &source_id]) == ok);
    eventually("who came later was told as well", || open_there(&mut replica, "7"));
    eventually("the source waits for it", || source.info("connected_slaves").as_deref() == Some("1"));

    assert_eq!(source.ask(&["CLUSTER", "SETSLOT", "8", "MIGRATING", &target_id]), ok);
    assert!(open_there(&mut replica, "8"), "told before the operator was answered");
    assert_eq!(source.ask(&["CLUSTER", "SETSLOT", "7", "STABLE", "TIMEOUT", "5000"]), ok);
    assert!(!open_there(&mut replica, "7"));

    three.signal("STOP");
    let refused = source.ask(&["CLUSTER", "SETSLOT", "9", "MIGRATING", &target_id, "TIMEOUT", "100"]);
    assert_eq!(refused, Value::Error("NOREPLICAS Not enough good replicas to write.".into()));
    three.signal("CONT");
    assert!(!open_there(&mut source, "9"));
    assert_eq!(source.ask(&["CLUSTER", "SETSLOT", "10", "MIGRATING", &target_id, "TIMEOUT", "5000"]), ok);
    assert!(open_there(&mut replica, "10") && !open_there(&mut replica, "9"));
    three.assert_alive();
}

/// A node that is not in a cluster yet, and the port of its bus.
pub fn start_node(program: Program) -> (Server, String) {
    let bus = free_port().to_string();
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    let options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-port", &bus];
    (Server::start_in(&directory, program, &options), bus)
}

const KEYS: usize = 300;

pub fn fill(port: &str) {
    let orders: String = (0..KEYS).map(|number| format!("SET k{number} value-{number}\n")).collect();
    let said = words("redis-cli", &["-c", "-p", port], orders.as_bytes());
    assert_eq!(said.matches("OK").count(), KEYS, "{said}");
}

pub fn check_fill(port: &str) {
    let missing = missing_of_fill(port);
    assert!(missing.is_empty(), "{missing:?}");
}

/// Keys that cannot be read, or not as they were written.
pub fn missing_of_fill(port: &str) -> Vec<usize> {
    let orders: String = (0..KEYS).map(|number| format!("GET k{number}\n")).collect();
    let said = run("redis-cli", &["-c", "-p", port], orders.as_bytes());
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let lines: std::collections::BTreeSet<&str> = said.lines().map(|line| line.trim_matches('"')).collect();
    (0..KEYS).filter(|number| !lines.contains(format!("value-{number}").as_str())).collect()
}

#[test]
fn six_make_a_cluster_that_heals_from_a_killed_primary() {
    if !installed("redis-cli") {
        return;
    }
    let mut nodes = Nodes::create([Program::Squall; 6]);
    let port = nodes.servers[0].port().to_string();
    fill(&port);
    // Back and forth, so that the killed primary has its slots again.
    nodes.reshard(0, 1);
    nodes.reshard(1, 0);
    check_fill(&port);
    let heir = nodes.replica_of(0);
    let key = nodes.key_of(0);
    let directory = nodes.servers[0].directory();
    nodes.servers[0].signal("KILL");
    let killed = Instant::now();
    nodes.servers[0].await_exit();
    eventually("the replica takes writes", || nodes.writes(heir, &key));
    assert!(killed.elapsed() < Duration::from_secs(10), "{:?}", killed.elapsed());
    eventually("the others find the cluster ok again", || (1..6).all(|node| nodes.is_ok(node)));
    assert!(directory.path().join("nodes.conf").exists());
    let check =
        run("redis-cli", &["--cluster", "check", &format!("127.0.0.1:{}", nodes.servers[heir].port())], b"");
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("[OK] All nodes agree about slots configuration."), "{said}");
}

#[test]
fn squall_and_redis_gossip_vote_and_hand_over_to_one_another() {
    if !installed("redis-cli") || !installed("redis-server") {
        return;
    }
    use Program::{Redis, Squall};
    // redis-cli pairs 0 with 4, 1 with 5, 2 with 3: each shard has one of either kind.
    let nodes = Nodes::create([Redis, Squall, Redis, Squall, Squall, Redis]);
    let agree = || (1..6).all(|node| nodes.slot_map(node) == nodes.slot_map(0));
    eventually("all six have one slot map", agree);
    let port = nodes.servers[0].port().to_string();
    fill(&port);
    for (from, to) in [(0, 1), (1, 2)] {
        nodes.reshard(from, to);
        eventually("all six have one slot map", agree);
    }
    check_fill(&port);
    for primary in [0, 1] {
        let heir = nodes.replica_of(primary);
        let key = nodes.key_of(primary);
        // An order that finds a link half made is given up after five seconds, and repeated.
        let mut ordered: Option<Instant> = None;
        eventually("the replica has taken over", || {
            if ordered.is_none_or(|when| when.elapsed() > Duration::from_secs(6)) {
                nodes.servers[heir].client().ask(&["CLUSTER", "FAILOVER"]);
                ordered = Some(Instant::now());
            }
            nodes.writes(heir, &key)
        });
        eventually("all six have one slot map", agree);
        eventually("the old primary follows", || {
            nodes.servers[primary].client().info("role").as_deref() == Some("slave")
        });
        eventually("and is in step", || nodes.is_in_step(primary));
    }
}
