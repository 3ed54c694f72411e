//! What survives the end of a process: a polite one, a violent one, and a damaged file.

use std::fs;
use std::sync::Arc;

use crate::dataset::digest;
use crate::harness::{Program, Server, eventually};
use crate::load::WriteLoad;

const SAVE_POINTS: [&str; 2] = ["--save", "3600 1"];

#[test]
fn a_polite_end_saves_where_save_points_are_set() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::squall(&SAVE_POINTS);
        let load = WriteLoad::start(&server, 5);
        load.advance(500);
        load.stop();
        let mut client = server.client();
        client.done(&["SET", "last", "word"]);
        let before = quiet_digest(&server);
        server.signal(signal);
        assert!(server.await_exit().success(), "{}", server.log_text());
        let restarted = Server::start_in(&server.directory(), Program::Squall, &SAVE_POINTS);
        assert_eq!(quiet_digest(&restarted), before);
    }
}

#[test]
fn a_polite_end_saves_nothing_without_save_points() {
    let mut server = Server::squall(&[]);
    server.client().done(&["SET", "k", "v"]);
    server.signal("TERM");
    assert!(server.await_exit().success(), "{}", server.log_text());
    assert!(!server.file("dump.rdb").exists());
}

#[test]
fn shutdown_says_how_it_should_end() {
    let mut server = Server::squall(&[]);
    server.client().done(&["SET", "k", "v"]);
    assert_eq!(server.client().try_ask(&["SHUTDOWN", "SAVE"]), None, "the connection closes");
    assert!(server.await_exit().success());
    let mut restarted = Server::start_in(&server.directory(), Program::Squall, &SAVE_POINTS);
    let mut client = restarted.client();
    assert_eq!(client.text(&["GET", "k"]), Some("v".into()));
    client.done(&["SET", "k", "unsaved"]);
    assert_eq!(client.try_ask(&["SHUTDOWN", "NOSAVE"]), None, "the connection closes");
    assert!(restarted.await_exit().success());
    let again = Server::start_in(&server.directory(), Program::Squall, &[]);
    assert_eq!(again.client().text(&["GET", "k"]), Some("v".into()));
}

/// Killed at any moment, also in the middle of a save, a server comes back with its last whole save.
#[test]
fn a_violent_end_loses_nothing_that_was_saved() {
    let mut server = Server::squall(&[]);
    let mut client = server.client();
    client.done(&["SET", "saved", "yes"]);
    client.done(&["SAVE"]);
    let load = WriteLoad::start(&server, 9);
    load.advance(2_000);
    client.done(&["BGSAVE"]);
    load.advance(20);
    server.signal("KILL");
    server.await_exit();
    drop(load);
    let restarted = Server::start_in(&server.directory(), Program::Squall, &[]);
    assert_eq!(restarted.client().text(&["GET", "saved"]), Some("yes".into()));
}

/// BGSAVE takes the data as they were when it began, however many writes come meanwhile.
#[test]
fn a_background_save_is_of_one_moment() {
    let server = Server::squall(&[]);
    let mut client = server.client();
    for chunk in 0..100 {
        let pairs = (0..1_000).flat_map(|number| [format!("key:{chunk}:{number}"), "old".to_owned()]);
        let words: Vec<String> = ["MSET".to_owned()].into_iter().chain(pairs).collect();
        client.done(&words);
    }
    let before = digest(&mut client);
    let mut requests = bytes::BytesMut::new();
    squall_resp::encode_command(&mut requests, [&b"BGSAVE"[..]].into_iter());
    for number in 0..1_000 {
        let key = format!("key:{}:{number}", number % 100);
        squall_resp::encode_command(&mut requests, [b"SET", key.as_bytes(), b"young"].into_iter());
    }
    assert!(client.send(&requests), "the server reads");
    for _ in 0..=1_000 {
        client.read();
    }
    eventually("the save has ended", || client.info("rdb_bgsave_in_progress") == Some("0".into()));
    assert_eq!(client.info("rdb_last_bgsave_status"), Some("ok".into()));
    let restarted = Server::start_in(&server.directory(), Program::Squall, &[]);
    assert_eq!(digest(&mut restarted.client()), before);
}

/// A file that is cut short or has a bit turned is refused with a clear word, and left as it is.
#[test]
fn a_damaged_file_is_refused_and_kept() {
    let source = Server::squall(&[]);
    let mut client = source.client();
    for number in 0..200 {
        client.done(&["SET", &format!("key:{number}"), &"compressible ".repeat(number % 20)]);
    }
    client.done(&["SAVE"]);
    let whole = fs::read(source.file("dump.rdb")).expect("a saved file");
    let turned = |position: usize, bit: u8| {
        let mut bytes = whole.clone();
        bytes[position] ^= 1 << bit;
        bytes
    };
    let damaged = [
        ("cut in the middle", whole[..whole.len() / 2].to_vec()),
        ("cut before the checksum", whole[..whole.len() - 8].to_vec()),
        ("cut in the header", whole[..5].to_vec()),
        ("a bit in the magic", turned(0, 0)),
        ("a bit in the middle", turned(whole.len() / 2, 3)),
        ("a bit in the checksum", turned(whole.len() - 1, 7)),
        ("something else", b"<html>not a database</html>".to_vec()),
    ];
    for (what, bytes) in damaged {
        let directory = Arc::new(tempfile::tempdir().expect("a directory"));
        let file = directory.path().join("dump.rdb");
        fs::write(&file, &bytes).expect("a file");
        let (status, log) = Server::fail_to_start(&directory, Program::Squall, &SAVE_POINTS);
        assert_eq!(status.code(), Some(1), "{what}: {log}");
        assert!(log.to_lowercase().contains("rdb") || log.contains("DB"), "{what}: {log}");
        assert_eq!(fs::read(&file).expect("the file"), bytes, "{what}: the file was changed");
    }
    let directory = Arc::new(tempfile::tempdir().expect("a directory"));
    fs::write(directory.path().join("dump.rdb"), &whole).expect("a file");
    let intact = Server::start_in(&directory, Program::Squall, &[]);
    assert_eq!(digest(&mut intact.client()), digest(&mut client));
}

/// The digest once no key expires any more.
fn quiet_digest(server: &Server) -> String {
    let mut client = server.client();
    eventually("no short-lived key is left", || short_lived(&mut client) == 0);
    digest(&mut client)
}

fn short_lived(client: &mut crate::client::Client) -> usize {
    let contents = crate::dataset::contents(client);
    let now_ms =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_millis();
    contents.values().filter(|(_, _, expires)| *expires >= 0 && (*expires as u128) < now_ms + 20_000).count()
}
