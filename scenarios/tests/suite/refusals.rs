//! A scenario that cannot be is refused with file, line and a suggestion; one whose interesting event never happens
//! fails.

use squall_scenarios::catalog::find;
use squall_scenarios::{RunOptions, Scenario, play};

const SMALL: &str = r#"
title = "two nodes"

[[node]]
name = "alpha"

[[node]]
name = "beta"
replica_of = "alpha"

[[clients]]
name = "w"
count = 2
work = { kind = "ledgers", rate = 20, write_to = ["alpha"] }

[[fault]]
at = "1s"
for = "1s"
fault = "partition"
left = ["alpha"]
right = ["beta"]

[[operator]]
at = "2s"
do = "promote"
node = "beta"

[chaos]
lasting = "3s"

[repair]
within = "20s"

[[expect]]
measure = "acknowledged-writes"
at_least = 1
"#;

/// The fault of the small scenario.
const PARTITION: &str = "fault = \"partition\"\nleft = [\"alpha\"]\nright = [\"beta\"]";

/// What is said about the small scenario with `wrong` in the place of `right`.
const ZONES: &str = "[[zone]]\nname = \"paris\"\nmachines = [\"alpha\", \"w1\"]\n[[zone]]\nname = \"oslo\"\n";
const ROUTE: &str = "machines = [\"beta\"]\n[[route]]\nbetween = [\"paris\", \"oslo\"]\n";

fn refusal(right: &str, wrong: &str) -> String {
    assert!(SMALL.contains(right), "{right} is not in the file");
    let text = SMALL.replacen(right, wrong, 1);
    Scenario::read("small.toml", &text).err().map_or("accepted".to_owned(), |error| error.to_string())
}

#[test]
fn the_small_scenario_is_accepted() {
    assert!(Scenario::read("small.toml", SMALL).is_ok());
}

#[test]
fn typos_are_refused_with_line_and_suggestion() {
    let refusals = [
        refusal("title =", "titel ="),
        refusal("replica_of = \"alpha\"", "replica_of = \"alfa\""),
        refusal("rate = 20", "rte = 20"),
        refusal("kind = \"ledgers\"", "kind = \"ledger\""),
        refusal("write_to = [\"alpha\"]", "write_to = [\"alhpa\"]"),
        refusal("fault = \"partition\"", "fault = \"partitoin\""),
        refusal("left = [\"alpha\"]", "lefft = [\"alpha\"]"),
        refusal("right = [\"beta\"]", "right = [\"bta\"]"),
        refusal("do = \"promote\"", "do = \"promot\""),
        refusal("acknowledged-writes", "acknowledged-write"),
        refusal("[chaos]", "[chaos"),
        refusal("title = \"two nodes\"", "title = \"two nodes\"\nreaches = [\"promotd\"]"),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn impossible_values_are_refused() {
    let refusals = [
        refusal("rate = 20", "rate = -3"),
        refusal("count = 2", "count = 0"),
        refusal("at = \"1s\"", "at = \"-1s\""),
        refusal("at = \"1s\"", "at = \"1 fortnight\""),
        refusal("at = \"1s\"", "at = \"10s\""),
        refusal("lasting = \"3s\"", "lasting = \"0s\""),
        refusal("name = \"beta\"", "name = \"alpha\""),
        refusal("name = \"w\"", "name = \"w\"\nwork2 = 3"),
        refusal("at_least = 1", ""),
        refusal("at_least = 1", "at_least = \"1 cubit\""),
        refusal("title = \"two nodes\"", "title = \"two nodes\"\n[links]\nloss = 1.5"),
        refusal("rate = 20", "rate = 20, skew = -1"),
        refusal("rate = 20", "rate = 20, reads = 0.5"),
        refusal("right = [\"beta\"]", "right = [\"beta\"]\nup = \"1s\""),
        refusal(PARTITION, "fault = \"ring\"\nnodes = [\"alpha\", \"beta\"]"),
        refusal(PARTITION, "fault = \"stutter\"\nnode = \"alpha\"\nwork = \"1us\"\nstall = \"1s\""),
        refusal(PARTITION, "fault = \"link\"\nfrom = [\"*\"]\nto = [\"*\"]\nchange = { loss = 0.1 }"),
        refusal(PARTITION, "fault = \"link\"\nfrom = [\"alpha\"]\nto = [\"*\"]\nchange = { loss = 7.0 }"),
        refusal(PARTITION, "fault = \"isolate\"\nnodes = []"),
        refusal("title = \"two nodes\"", "title = \"two nodes\"\n[server]\nno-such-parameter = 1"),
        refusal("title = \"two nodes\"", "title = \"two nodes\"\n[server]\nrepl-backlog-sise = \"1mb\""),
        refusal("kind = \"ledgers\"", "kind = \"locks\", open = true"),
        refusal("kind = \"ledgers\"", "kind = \"jobs\", read_from = [\"beta\"]"),
        refusal("[chaos]", &format!("{ZONES}machines = [\"beta\", \"w7\"]\n[chaos]")),
        refusal("[chaos]", &format!("{ZONES}machines = [\"beta\", \"w1\"]\n[chaos]")),
        refusal("[chaos]", &format!("{ZONES}{ROUTE}link = {{ loss = 3.0 }}\n[chaos]")),
        refusal(
            "[chaos]",
            &format!("{ZONES}{}link = {{ loss = 0.1 }}\n[chaos]", ROUTE.replace("oslo", "olso")),
        ),
    ];
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_scenario_whose_interesting_event_never_happens_fails() {
    let never = SMALL.replace("acknowledged-writes\"\nat_least = 1", "full-resyncs\"\nat_least = 5");
    let scenario = Scenario::read("small.toml", &never).unwrap();
    let report = play("small", &scenario, RunOptions { seed: 1, ..Default::default() }).unwrap();
    assert!(!report.passed());
    assert!(report.to_string().contains("at least 5 expected"), "{report}");
}

#[test]
fn a_scenario_that_misses_the_turn_that_it_is_about_fails() {
    let about = |mark: &str| {
        let text =
            SMALL.replace("title = \"two nodes\"", &format!("title = \"two nodes\"\nreaches = [\"{mark}\"]"));
        let scenario = Scenario::read("small.toml", &text).unwrap();
        play("small", &scenario, RunOptions { seed: 1, ..Default::default() }).unwrap()
    };
    assert!(!about("promoted").to_string().contains("no node reached"));
    let missed = about("snapshot-damaged");
    assert!(
        !missed.passed() && missed.to_string().contains("no node reached `snapshot-damaged`"),
        "{missed}"
    );
}

#[test]
fn a_file_that_is_not_there_is_said_so() {
    let error = find("./no/such/file.toml").err().unwrap().to_string();
    assert!(error.starts_with("./no/such/file.toml: "), "{error}");
}
