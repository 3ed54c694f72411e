//! While a dataset comes in: what clients are answered and what INFO shows, at the start of a server, and on a replica
//! in every form of `repl-diskless-load`, from a primary that sends while it reads or from a file.

use squall_clock::Nanos;
use squall_node::Lane;
use squall_resp::Value;

use crate::common::{START, World, bulk};
use crate::mesh::{A, B, Mesh, assert_in_step, port, seconds};

const LOADING: &str = "LOADING Redis is loading the dataset in memory";

/// Starts on `settings` with what they left on the disk, and looks at it in the midst of its load.
fn in_the_midst_of_a_load(settings: &[&str]) {
    let mut world = World::new(settings);
    world.advance(seconds(1));
    let client = world.connect();
    for number in 0..200 {
        world.call(client, &["SET", &format!("k{number}"), &"x".repeat(5_000)]);
    }
    world.call(client, &["SAVE"]);
    world.advance(seconds(2));

    let mut again = World::holding(&[Lane::Load], settings, world.disk, START);
    let client = again.connect();
    let refused = Value::Error(LOADING.into());
    let mut seen = Vec::new();
    while again.info(client, "loading") == "1" {
        assert_eq!(again.call(client, &["GET", "k1"]), refused);
        assert_eq!(again.info(client, "async_loading"), "0");
        assert_eq!(again.info(client, "loading_start_time"), (START.unix_us / 1_000_000).to_string());
        let read: u64 = again.info(client, "loading_loaded_bytes").parse().expect("a number");
        let total: u64 = again.info(client, "loading_total_bytes").parse().expect("a number");
        let percent: f64 = again.info(client, "loading_loaded_perc").parse().expect("a number");
        assert!(read <= total && (percent - read as f64 * 100.0 / total.max(1) as f64).abs() < 0.01);
        seen.push(read);
        again.advance(seconds(6));
        assert!(again.perform_one(Lane::Load), "the load waits for the disk");
    }
    assert!(again.logs.iter().any(|line| line.starts_with("Loading ") && line.contains(" % of ")));
    seen.dedup();
    assert!(seen.len() >= 4 && seen.is_sorted(), "it goes on: {seen:?}");
    assert_eq!(again.call(client, &["GET", "k1"]), bulk(&"x".repeat(5_000)));
}

#[test]
fn a_start_from_a_snapshot_shows_its_progress() {
    in_the_midst_of_a_load(&["--save", "", "--rdbcompression", "no"]);
}

#[test]
fn a_start_from_the_log_shows_its_progress() {
    in_the_midst_of_a_load(&["--save", "", "--appendonly", "yes"]);
}

/// Lets B take A's dataset in pieces, and shows B to `look` on the way: whether it serves what it had.
fn replicate(load: &str, diskless: &str, held: bool, log: &str) {
    let settings = ["--repl-diskless-load", load, "--repl-diskless-sync", diskless, "--appendonly", log];
    let mut mesh = Mesh::of(2, &settings);
    for number in 0..300 {
        mesh.call(A, &["SET", &format!("k{number}"), &"x".repeat(1_000)]);
    }
    if held {
        mesh.call(B, &["SET", "old", "1"]);
    }
    mesh.send(B, &["REPLICAOF", "primary", &port(A)]);
    mesh.wait(Nanos::ZERO);
    let (mut seen, mut most, mut rounds) = (0, 0, 0);
    while mesh.info_now(B, "master_link_status") != "up" {
        let wires = mesh.wires_of(B);
        rounds += 1;
        assert!(rounds < 1_000, "{load} {diskless}, log {log}: it does not end");
        for wire in wires {
            mesh.deliver_up(wire, usize::MAX);
            mesh.deliver_down(wire, 10_000);
        }
        // Long enough in all for the periodic duties to come in between.
        mesh.wait(Nanos::from_millis(10));
        let Some(Value::Bulk(info)) = mesh.ask(B, &["INFO", "persistence"]) else { panic!("INFO is a text") };
        let info = String::from_utf8_lossy(&info).into_owned();
        let field = |name: &str| {
            let line = info.lines().find_map(|line| line.strip_prefix(&format!("{name}:")));
            line.and_then(|value| value.parse::<u64>().ok())
        };
        let gone = load == "flush-before-load" && field("loading") == Some(1);
        let Some(read) = field("loading_loaded_bytes") else { continue };
        if read < 20_000 {
            continue;
        }
        seen += 1;
        most = most.max(read);
        assert_eq!(field("async_loading"), Some(u64::from(!gone)), "{load} {info}");
        let answer = mesh.ask(B, &["GET", "old"]);
        match (load, held) {
            ("flush-before-load", _) => assert_eq!(answer, Some(Value::Error(LOADING.into()))),
            (_, true) => assert_eq!(answer, Some(bulk("1"))),
            (_, false) => assert_eq!(answer, Some(Value::Null)),
        }
    }
    assert!(seen > 10 && most > 200_000, "{load} {diskless}: seen {seen} times, up to {most} bytes");
    mesh.run(seconds(2));
    assert_in_step(&mut mesh, &[A, B]);
    assert_eq!(mesh.text(B, &["DBSIZE"]), "300");
    assert_eq!((mesh.info(B, "loading"), mesh.info(B, "async_loading")), ("0".to_owned(), "0".to_owned()));
}

#[test]
fn a_replica_serves_what_it_has_until_the_new_dataset_is_complete() {
    for load in ["disabled", "on-empty-db", "swapdb"] {
        for diskless in ["yes", "no"] {
            for held in [true, false] {
                replicate(load, diskless, held, "no");
            }
        }
    }
}

#[test]
fn a_replica_without_room_for_two_datasets_serves_none_meanwhile() {
    for diskless in ["yes", "no"] {
        for log in ["yes", "no"] {
            replicate("flush-before-load", diskless, true, log);
        }
    }
}
