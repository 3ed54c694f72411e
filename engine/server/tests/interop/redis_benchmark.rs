//! redis-benchmark's usual tests, which must run to their end without an error.

use crate::harness::{Server, installed, words};

#[test]
fn the_usual_tests_run_with_and_without_pipelining() {
    if !installed("redis-benchmark") {
        return;
    }
    let server = Server::squall(&[]);
    let port = server.port().to_string();
    for extra in [&["-P", "1"][..], &["-P", "16"], &["-P", "16", "-r", "1000", "-d", "5000"], &["-3"]] {
        let common = ["-p", &port, "-t", "ping,set,get,incr,mset", "-n", "5000", "-c", "50", "--csv"];
        let said = words("redis-benchmark", &[&common, extra].concat(), b"");
        for test in ["PING_INLINE", "PING_MBULK", "SET", "GET", "INCR", "MSET (10 keys)"] {
            let row = said.lines().find(|line| line.starts_with(&format!("\"{test}\"")));
            assert!(row.is_some(), "no {test} with {extra:?} in\n{said}");
        }
        assert!(!said.to_lowercase().contains("error"), "{said}");
    }
    assert_eq!(server.info("connected_clients"), "1", "nobody but this test is still connected");
}
