//! Whatever happens to servers and the wires between them: whoever is at the same point of the same
//! history has the same dataset, and in the end everybody has the same.

use std::collections::BTreeMap;

use crate::mesh::{Mesh, port};
use proptest::prelude::*;
use squall_clock::Nanos;
use squall_resp::Value;

const SERVERS: usize = 3;

#[derive(Clone, Debug)]
enum Step {
    Write {
        at: usize,
        key: u8,
        kind: Write,
    },
    Transaction {
        at: usize,
        key: u8,
    },
    ReplicaOf {
        at: usize,
        primary: usize,
    },
    Promote {
        at: usize,
    },
    Cut {
        which: usize,
    },
    Up {
        which: usize,
        count: usize,
    },
    Down {
        which: usize,
        count: usize,
    },
    Wait {
        millis: u64,
    },
    Run {
        millis: u64,
    },
    Save {
        at: usize,
    },
    /// From now on disk operations wait, or no longer.
    HoldDisk {
        at: usize,
        hold: bool,
    },
    /// One of them is done.
    Disk {
        at: usize,
    },
    Restart {
        at: usize,
        primary: Option<usize>,
    },
}

#[derive(Clone, Copy, Debug)]
enum Write {
    Increment,
    Append,
    Volatile,
    Delete,
    OtherDatabase,
    Large,
    FlushDatabase,
    SwapDatabases,
}

/// The digest that each (id, offset) was seen with.
type Ledger = BTreeMap<(String, String), String>;

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn one_position_is_one_dataset(
        steps in prop::collection::vec(step(), 1..80),
        diskless in any::<bool>(),
        backlog in prop_oneof![Just("1"), Just("200"), Just("1mb")],
    ) {
        let settings = ["--repl-diskless-sync", if diskless { "yes" } else { "no" }, "--repl-backlog-size", backlog];
        let mut mesh = Mesh::of(SERVERS, &settings);
        let mut ledger = Ledger::new();
        for (number, step) in steps.into_iter().enumerate() {
            perform(&mut mesh, step, number);
            check(&mut mesh, &mut ledger)?;
        }
        repair(&mut mesh);
        check(&mut mesh, &mut ledger)?;
        let (position, digest) = (mesh.position(0), mesh.digest(0));
        for at in 1..SERVERS {
            prop_assert_eq!(mesh.position(at), position.clone(), "server {} has not caught up", at);
            prop_assert_eq!(mesh.digest(at), digest.clone());
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..SERVERS;
    let count = || prop_oneof![1usize..20, 20usize..2000, Just(usize::MAX)];
    let kind = prop_oneof![
        4 => Just(Write::Increment),
        2 => Just(Write::Append),
        2 => Just(Write::Volatile),
        1 => Just(Write::Delete),
        2 => Just(Write::OtherDatabase),
        1 => Just(Write::Large),
        1 => Just(Write::FlushDatabase),
        1 => Just(Write::SwapDatabases),
    ];
    prop_oneof![
        8 => (at(), 0u8..6, kind).prop_map(|(at, key, kind)| Step::Write { at, key, kind }),
        2 => (at(), 0u8..6).prop_map(|(at, key)| Step::Transaction { at, key }),
        3 => (at(), at()).prop_map(|(at, primary)| Step::ReplicaOf { at, primary }),
        1 => at().prop_map(|at| Step::Promote { at }),
        2 => (0usize..3).prop_map(|which| Step::Cut { which }),
        6 => (0usize..3, count()).prop_map(|(which, count)| Step::Up { which, count }),
        10 => (0usize..3, count()).prop_map(|(which, count)| Step::Down { which, count }),
        3 => prop_oneof![1u64..50, 500u64..2000].prop_map(|millis| Step::Wait { millis }),
        4 => prop_oneof![Just(0u64), 500u64..2000, Just(70_000u64)].prop_map(|millis| Step::Run { millis }),
        1 => at().prop_map(|at| Step::Save { at }),
        1 => (at(), any::<bool>()).prop_map(|(at, hold)| Step::HoldDisk { at, hold }),
        2 => at().prop_map(|at| Step::Disk { at }),
        1 => (at(), prop::option::of(at())).prop_map(|(at, primary)| Step::Restart { at, primary }),
    ]
}

fn perform(mesh: &mut Mesh, step: Step, number: usize) {
    let wire = |mesh: &Mesh, which| mesh.wires.keys().nth(which).copied();
    match step {
        Step::Write { at, key, kind } => write(mesh, at, key, kind, number),
        Step::Transaction { at, key } => {
            mesh.send(at, &["MULTI"]);
            mesh.send(at, &["INCR", &format!("key:{key}")]);
            mesh.send(at, &["SET", "last", &number.to_string()]);
            mesh.send(at, &["EXEC"]);
        }
        Step::ReplicaOf { at, primary } if at != primary => {
            mesh.send(at, &["REPLICAOF", "primary", &port(primary)])
        }
        Step::ReplicaOf { .. } => {}
        Step::Promote { at } => mesh.send(at, &["REPLICAOF", "NO", "ONE"]),
        Step::Cut { which } => _ = wire(mesh, which).map(|number| mesh.cut(number)),
        Step::Up { which, count } => _ = wire(mesh, which).map(|number| mesh.deliver_up(number, count)),
        Step::Down { which, count } => _ = wire(mesh, which).map(|number| mesh.deliver_down(number, count)),
        Step::Wait { millis } => mesh.wait(Nanos::from_millis(millis)),
        Step::Run { millis } => mesh.run(Nanos::from_millis(millis)),
        Step::Save { at } => mesh.send(at, &["BGSAVE"]),
        Step::HoldDisk { at, hold } => mesh.servers[at].hold_disk = hold,
        Step::Disk { at } => mesh.perform_one(at),
        Step::Restart { at, primary } => match primary.filter(|primary| *primary != at) {
            Some(primary) => mesh.restart(at, &["--replicaof", &format!("primary {}", port(primary))]),
            None => mesh.restart(at, &[]),
        },
    }
}

fn write(mesh: &mut Mesh, at: usize, key: u8, kind: Write, number: usize) {
    let (key, number) = (format!("key:{key}"), number.to_string());
    match kind {
        Write::Increment => mesh.send(at, &["INCR", &key]),
        Write::Append => mesh.send(at, &["APPEND", "text", &number]),
        Write::Volatile => mesh.send(at, &["SET", &key, &number, "PX", "800"]),
        Write::Delete => mesh.send(at, &["DEL", &key]),
        Write::OtherDatabase => {
            mesh.send(at, &["SELECT", "5"]);
            mesh.send(at, &["INCR", &key]);
            mesh.send(at, &["SELECT", "0"]);
        }
        Write::Large => mesh.send(at, &["SET", "large", &number.repeat(20_000)]),
        Write::FlushDatabase => mesh.send(at, &["FLUSHDB"]),
        Write::SwapDatabases => mesh.send(at, &["SWAPDB", "0", "5"]),
    }
}

fn check(mesh: &mut Mesh, ledger: &mut Ledger) -> Result<(), TestCaseError> {
    for at in 0..SERVERS {
        let Some(Value::Bulk(info)) = mesh.ask(at, &["INFO", "replication"]) else { continue };
        let info = String::from_utf8_lossy(&info).into_owned();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.unwrap_or_else(|| panic!("INFO has no {name}")).to_owned()
        };
        // Without a backlog nobody counts, and the offset names no point.
        if field("repl_backlog_active") == "1" {
            let position = (field("master_replid"), field("master_repl_offset"));
            let digest = digest(mesh, at);
            let seen = ledger.entry(position.clone()).or_insert_with(|| digest.clone());
            prop_assert_eq!(&*seen, &digest, "server {} at {:?}", at, position);
        }
    }
    Ok(())
}

fn digest(mesh: &mut Mesh, at: usize) -> String {
    match mesh.ask(at, &["DEBUG", "DIGEST"]) {
        Some(Value::Simple(digest)) => digest,
        other => panic!("DEBUG DIGEST answered {other:?}"),
    }
}

/// The faults end, the first server is the primary, and the others follow it in a chain.
fn repair(mesh: &mut Mesh) {
    mesh.servers.iter_mut().for_each(|server| server.hold_disk = false);
    mesh.send(0, &["DISCARD"]);
    mesh.send(0, &["REPLICAOF", "NO", "ONE"]);
    mesh.send(1, &["REPLICAOF", "primary", &port(0)]);
    mesh.send(2, &["REPLICAOF", "primary", &port(1)]);
    mesh.run(Nanos::from_secs(20));
    mesh.send(0, &["SET", "last", "of all"]);
    mesh.run(Nanos::from_secs(3));
}
