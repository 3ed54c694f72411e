//! Commands and words that Debian's redis-server does not know: what servers that know them have answered, request
//! by request, is what Squall has to answer.

use crate::oracle::subject::Subject;
use crate::world::World;
use squall_resp::{Args, Protocol, split_line};

fn answers_as(facts: &str) {
    let mut subject = Subject::start(Protocol::Resp2);
    let mut wrong = String::new();
    let mut lines = facts.lines().filter(|line| !line.starts_with('#'));
    while let Some(request) = lines.next() {
        let request = request.strip_prefix("> ").expect("a request, then its reply");
        let expected = lines.next().expect("each request has a reply");
        let (mut text, mut ranges) = (Vec::new(), Vec::new());
        split_line(request.as_bytes(), &mut text, &mut ranges).expect("quotes are balanced");
        let words: Vec<Vec<u8>> = Args::over(&text, &ranges).iter().map(<[u8]>::to_vec).collect();
        let reply = subject.ask(&words).escape_ascii().to_string();
        // Escapes are as in the facts: no quote has one.
        let reply = reply.replace("\\'", "'").replace("\\\"", "\"");
        if !same(&reply, expected) {
            wrong.push_str(&format!("{request}\n  expected {expected}\n  got      {reply}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Pairs of a hash may come in any order.
fn same(one: &str, other: &str) -> bool {
    let sorted = |text: &str| {
        let mut parts: Vec<&str> = text.split("\\r\\n").collect();
        parts.sort_unstable();
        parts.join(" ")
    };
    one == other || (one.starts_with('*') && sorted(one) == sorted(other))
}

#[test]
fn what_redis_8_2_has() {
    answers_as(include_str!("facts/newer-redis-8.2.txt"));
}

#[test]
fn what_valkey_9_1_alone_has() {
    answers_as(include_str!("facts/newer-valkey-9.1.txt"));
}

#[test]
fn a_group_lags_by_all_entries_where_all_lie_ahead_of_it() {
    let mut world = World::start();
    let client = world.connect();
    for id in 1..=5 {
        world.ask(client, &format!("XADD x {id}-1 field value"));
    }
    world.ask(client, "XGROUP CREATE x group 3-0");
    assert!(
        world.ask(client, "XINFO GROUPS x").ends_with("lag\r\n$-1\r\n"),
        "who has read how much is not known"
    );
    world.ask(client, "XTRIM x MAXLEN 3");
    world.ask(client, "XDEL x 3-1");
    assert!(world.ask(client, "XINFO GROUPS x").ends_with("lag\r\n:2\r\n"));
    world.ask(client, "XTRIM x MAXLEN 0");
    assert!(world.ask(client, "XINFO GROUPS x").ends_with("lag\r\n:0\r\n"));
}
