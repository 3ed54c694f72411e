//! redis-cli's cluster manager over Squall's nodes: what it adds, balances, removes, mends and imports.

use squall_resp::Value;

use crate::cluster::{Nodes, check_fill, fill, start_node};
use crate::harness::{Program, Server, eventually, installed, run};

/// What it said, and whether it was content. Before it takes a slot for good it asks, whatever its options say.
fn manage(words: &[&str]) -> (bool, String) {
    let output = run("redis-cli", &[&["--cluster"], words].concat(), b"yes\n");
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}

fn checks(entry: &str) -> bool {
    let (ok, said) = manage(&["check", entry]);
    ok && said.contains("[OK] All nodes agree about slots configuration.")
        && said.contains("[OK] All 16384 slots covered.")
}

fn slots_of(server: &Server) -> usize {
    let text = server.client().text(&["CLUSTER", "NODES"]).unwrap_or_default();
    let line = text.lines().find(|line| line.contains("myself")).unwrap_or_default().to_owned();
    let ranges = line.split(' ').skip(8).filter(|word| !word.starts_with('['));
    ranges
        .map(|range| match range.split_once('-') {
            Some((first, last)) => last.parse::<usize>().unwrap() + 1 - first.parse::<usize>().unwrap(),
            None => 1,
        })
        .sum()
}

#[test]
fn nodes_are_added_balanced_and_removed() {
    if !installed("redis-cli") {
        return;
    }
    let nodes = Nodes::create([Program::Squall; 6]);
    let entry = format!("127.0.0.1:{}", nodes.servers[0].port());
    fill(&nodes.servers[0].port().to_string());

    let (primary, bus) = start_node(Program::Squall);
    let address = format!("127.0.0.1:{}@{bus}", primary.port());
    let (ok, said) = manage(&["add-node", &address, &entry]);
    assert!(ok && said.contains("[OK] New node added correctly."), "{said}");
    let newcomer = primary.client().text(&["CLUSTER", "MYID"]).expect("its name");
    // A node that has just heard of its cluster takes nothing for its first seconds, like Redis's.
    eventually("all know it, and it finds the cluster ok", || {
        checks(&entry)
            && (0..6).all(|node| nodes.ask(node, &["CLUSTER", "NODES"]).contains(&newcomer))
            && primary.client().text(&["CLUSTER", "INFO"]).unwrap_or_default().contains("cluster_state:ok")
    });
    // Few of them, since redis-cli moves one after the other, each with several turns of every node's disk.
    let weight = format!("{newcomer}=0.05");
    let balanced = ["--cluster-use-empty-masters", "--cluster-threshold", "1", "--cluster-weight", &weight];
    let (ok, said) = manage(&[&["rebalance", &entry], &balanced[..]].concat());
    assert!(ok, "{said}");
    eventually("the newcomer has its share", || (260..280).contains(&slots_of(&primary)));
    eventually("all agree", || checks(&entry));
    check_fill(&nodes.servers[0].port().to_string());

    let (replica, bus) = start_node(Program::Squall);
    let address = format!("127.0.0.1:{}@{bus}", replica.port());
    let name = newcomer;
    let (ok, said) = manage(&["add-node", &address, &entry, "--cluster-slave", "--cluster-master-id", &name]);
    assert!(ok && said.contains("[OK] New node added correctly."), "{said}");
    eventually("it follows", || replica.client().info("master_link_status").as_deref() == Some("up"));
    eventually("all agree", || checks(&entry));

    let (ok, said) = manage(&["info", &entry]);
    assert!(ok && said.contains("300 keys in 4 masters"), "{said}");
    let (ok, said) = manage(&["call", &entry, "PING"]);
    assert!(ok && said.matches("PONG").count() == 8, "{said}");

    let (ok, said) = manage(&["rebalance", &entry, "--cluster-weight", &format!("{name}=0")]);
    assert!(ok, "{said}");
    eventually("it has nothing any more", || slots_of(&primary) == 0);
    let replica_name = replica.client().text(&["CLUSTER", "MYID"]).expect("its name");
    for name in [&replica_name, &name] {
        let (ok, said) = manage(&["del-node", &entry, name]);
        assert!(ok && said.contains("CLUSTER RESET"), "{said}");
    }
    eventually("all agree", || checks(&entry));
    check_fill(&nodes.servers[0].port().to_string());
}

#[test]
fn what_is_broken_is_fixed_and_what_is_elsewhere_imported() {
    if !installed("redis-cli") {
        return;
    }
    let nodes = Nodes::create([Program::Squall; 6]);
    let entry = format!("127.0.0.1:{}", nodes.servers[0].port());
    let port = nodes.servers[0].port().to_string();
    fill(&port);
    // A reshard that stopped half-way, and slots that nobody has.
    let (first, second) = (nodes.ask(0, &["CLUSTER", "MYID"]), nodes.ask(1, &["CLUSTER", "MYID"]));
    assert_eq!(nodes.ask(1, &["CLUSTER", "SETSLOT", "93", "IMPORTING", &first]), "OK");
    assert_eq!(nodes.ask(0, &["CLUSTER", "SETSLOT", "93", "MIGRATING", &second]), "OK");
    let (_, said) = manage(&["check", &entry]);
    assert!(said.contains("[WARNING]") && said.contains("slots in migrating state 93."), "{said}");
    let (_, said) = manage(&["fix", &entry]);
    assert!(said.contains("Fixing open slot 93"), "{said}");
    eventually("nothing is open", || checks(&entry));
    for node in 0..3 {
        assert_eq!(nodes.ask(node, &["CLUSTER", "DELSLOTS", "17"]), "OK");
    }
    let (ok, said) = manage(&["check", &entry]);
    assert!(!ok && said.contains("[ERR] Not all 16384 slots are covered by nodes."), "{said}");
    let (_, said) = manage(&["fix", &entry]);
    assert!(said.contains("Covering slot 17 with"), "{said}");
    eventually("all are covered", || checks(&entry));
    eventually("all find the cluster ok", || (0..6).all(|node| nodes.is_ok(node)));

    let alone = Server::squall(&[]);
    let mut client = alone.client();
    for number in 0..50 {
        assert_eq!(client.ask(&["SET", &format!("import-{number}"), "x"]), Value::Simple("OK".into()));
    }
    let from = format!("127.0.0.1:{}", alone.port());
    let (ok, said) = manage(&["import", &entry, "--cluster-from", &from, "--cluster-copy"]);
    assert!(ok, "{said}");
    for number in [0, 49] {
        let said = run("redis-cli", &["-c", "-p", &port, "GET", &format!("import-{number}")], b"");
        assert!(String::from_utf8_lossy(&said.stdout).contains('x'));
    }
    check_fill(&port);
}
