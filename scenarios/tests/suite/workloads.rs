//! What clients can do, each kind against real servers: it works, it is judged, and nothing is found where nothing is
//! wrong; and machines that stand in different places are as far apart as their scenario says.

use squall_scenarios::{Amount, Report, RunOptions, Scenario, play};
use squall_sim::Kind;

/// Two nodes, and clients that do as `work` says for three seconds.
fn played(work: &str, more: &str) -> Report {
    let text = format!(
        "title = \"clients at work\"\n\
         [[node]]\nname = \"a\"\n[[node]]\nname = \"b\"\nreplica_of = \"a\"\n\
         [[clients]]\nname = \"w\"\ncount = 3\nwork = {{ rate = 50, write_to = [\"a\"], {work} }}\n{more}\n\
         [chaos]\nlasting = \"3s\"\n[repair]\nwithin = \"20s\"\n\
         [server]\nrepl-diskless-sync-delay = 0\n"
    );
    let scenario = Scenario::read("workloads.toml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let options = RunOptions { seed: 3, ..RunOptions::default() };
    play("workloads", &scenario, options).unwrap_or_else(|failure| panic!("{failure}"))
}

fn counted(report: &Report, measure: &str) -> u64 {
    match report.measures.get(measure) {
        Amount::Count(count) => count,
        other => panic!("{measure} is {other}"),
    }
}

#[test]
fn every_kind_of_work_gets_done_and_nothing_is_held_against_it() {
    for kind in Kind::ALL {
        let name = kind.told().0;
        let reads = if kind.grows() || kind.is_heard() || kind == Kind::Locks { "0.0" } else { "0.5" };
        let report = played(&format!("kind = \"{name}\", keys = 4, reads = {reads}"), "");
        assert!(report.passed(), "{name}: {report}");
        assert!(report.operations > 100 || kind == Kind::Locks, "{name}: {report}");
        let never = [
            "lost-writes",
            "risen-writes",
            "stale-reads",
            "backward-reads",
            "blind-reads",
            "torn-transactions",
            "shared-locks",
            "violated-keys",
            "undecided-keys",
            "repeated-deliveries",
            "missing-deliveries",
            "repeated-messages",
            "reordered-messages",
            "missed-messages",
            "impossible-offsets",
            "overgrown-memory",
            "unknown-operations",
        ];
        for measure in never {
            assert_eq!(counted(&report, measure), 0, "{name}: {measure}\n{report}");
        }
        let deliveries = counted(&report, "deliveries");
        assert_eq!(deliveries > 50, kind.is_taken_from(), "{name}: {deliveries} deliveries");
        // Three clients publish fifty a second to four channels, and each of three listeners hears all of them, or one.
        let heard = counted(&report, "heard-messages");
        let expected = match kind {
            Kind::Channels => 1_000..=1_400,
            Kind::ShardChannels => 250..=350,
            _ => 0..=0,
        };
        assert!(expected.contains(&heard), "{name}: {heard} messages");
    }
}

/// Closed loops wait for each answer: a client that is fifty milliseconds away does ten operations a second.
#[test]
fn what_stands_in_another_zone_is_as_far_as_the_route_is_long() {
    let places = "[[zone]]\nname = \"oslo\"\nmachines = [\"w1\", \"w2\", \"w3\"]\n\
                  [[zone]]\nname = \"rome\"\nmachines = [\"a\", \"b\"]\n\
                  [[route]]\nbetween = [\"oslo\", \"rome\"]\nlink = { latency = \"50ms\" }";
    let (near, far) = (played("kind = \"ledgers\"", ""), played("kind = \"ledgers\"", places));
    assert!(counted(&near, "acknowledged-writes") > 400);
    let written = counted(&far, "acknowledged-writes");
    assert!((80..=100).contains(&written), "three clients, ten a second, three seconds: {written}");
    let apart =
        "[[fault]]\nat = \"1s\"\nfor = \"10s\"\nfault = \"partition\"\nleft = [\"oslo\"]\nright = [\"rome\"]";
    let cut_off =
        counted(&played("kind = \"ledgers\"", &format!("{places}\n{apart}")), "acknowledged-writes");
    assert!((20..=60).contains(&cut_off), "a fault may name a zone: {cut_off}");
}
