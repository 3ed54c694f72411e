//! Client-side caching: who is told of which keys, by which messages, as redis-server tells.

use crate::party::Party;
use crate::world::World;
use squall_commands::config::Config;
use squall_resp::Protocol;

fn converse(script: &str) {
    Party::converse(4, script);
}

#[test]
fn readers_are_told_once_of_what_they_have_read() {
    converse(
        "0: HELLO 3
         0: CLIENT TRACKINGINFO
         0: CLIENT GETREDIR
         0: CLIENT TRACKING on
         0: CLIENT TRACKINGINFO
         0: CLIENT GETREDIR
         3: MSET a 1 b 2 c 3
         0: GET a
         0: MGET b absent
         3: SET a 2
         3: SET a 3
         3: SET c 3
         3: SET absent now
         3: DEL b
         0: GET a
         0: SET a own
         0: GET a
         0: MULTI
         0: INCR n
         0: GET n
         0: EXEC
         3: MULTI
         3: SET n 5
         3: SET a 5
         3: EXEC
         0: LRANGE list 0 -1
         3: RPUSH list x
         0: GET a
         3: FLUSHALL
         0: GET a
         0: CLIENT TRACKING off
         3: SET a 1
         0: CLIENT TRACKINGINFO
         0: CLIENT TRACKING on NOLOOP
         0: GET a
         0: SET a own
         3: SET a other
         0: GET a
         3: SET a other",
    );
}

#[test]
fn prefixes_are_broadcast() {
    converse(
        "0: HELLO 3
         1: HELLO 3
         0: CLIENT TRACKING on BCAST PREFIX user: PREFIX object:
         1: CLIENT TRACKING on BCAST NOLOOP
         0: CLIENT TRACKINGINFO
         3: SET user:1 a
         3: SET other b
         3: MSET user:2 a object:2 b
         1: SET user:1 own
         3: DEL user:1
         0: CLIENT TRACKING on BCAST PREFIX us
         0: CLIENT TRACKING on BCAST PREFIX x PREFIX xy
         0: CLIENT TRACKING on BCAST PREFIX more
         0: CLIENT TRACKING on
         0: CLIENT TRACKING on PREFIX x
         0: CLIENT TRACKING on BCAST OPTIN
         3: SET more:1 x
         3: FLUSHDB
         0: CLIENT TRACKING off
         3: SET user:3 x",
    );
}

#[test]
fn what_is_remembered_can_be_chosen() {
    converse(
        "0: HELLO 3
         0: CLIENT CACHING yes
         0: CLIENT TRACKING on OPTIN
         0: CLIENT CACHING no
         0: CLIENT CACHING maybe
         0: GET a
         3: SET a 1
         0: CLIENT CACHING yes
         0: CLIENT TRACKINGINFO
         0: GET a
         0: GET b
         3: SET a 1
         3: SET b 1
         0: CLIENT CACHING yes
         0: MULTI
         0: GET a
         0: GET b
         0: EXEC
         0: GET c
         3: SET a 2
         3: SET b 2
         3: SET c 2
         0: CLIENT TRACKING on OPTOUT
         0: CLIENT TRACKING off
         0: CLIENT TRACKING on OPTOUT
         0: CLIENT CACHING yes
         0: CLIENT CACHING no
         0: GET a
         0: GET b
         3: SET a 3
         3: SET b 3
         0: CLIENT TRACKING on OPTIN OPTOUT
         0: CLIENT TRACKING maybe
         0: CLIENT TRACKING off PREFIX x
         0: CLIENT TRACKING off FOO
         0: CLIENT TRACKING on REDIRECT 99999
         0: CLIENT TRACKING on REDIRECT x",
    );
}

#[test]
fn messages_can_go_to_another_client() {
    let mut world = World::start();
    let (reader, listener, writer) = (world.connect(), world.connect(), world.connect());
    world.ask(listener, "SUBSCRIBE __redis__:invalidate");
    assert_eq!(world.ask(reader, &format!("CLIENT TRACKING on REDIRECT {}", listener.0)), "+OK\r\n");
    assert_eq!(world.ask(reader, "CLIENT GETREDIR"), format!(":{}\r\n", listener.0));
    world.ask(reader, "GET a");
    world.ask(writer, "SET a 1");
    let message = "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\na\r\n";
    assert_eq!((world.received(listener), world.received(reader)), (message.into(), String::new()));
    world.ask(writer, "FLUSHALL");
    assert!(world.received(listener).ends_with("__redis__:invalidate\r\n*-1\r\n"));
    let listed = world.ask(writer, "CLIENT LIST");
    assert!(listed.contains(" flags=t ") && listed.contains(&format!(" redir={} ", listener.0)), "{listed}");

    world.session(reader).protocol = Protocol::Resp3;
    world.ask(reader, "GET a");
    world.engine.forget_client(listener);
    world.engine.clients.remove(listener);
    world.ask(writer, "SET a 1");
    assert_eq!(world.received(reader), format!(">2\r\n$21\r\ntracking-redir-broken\r\n:{}\r\n", listener.0));
    assert!(world.ask(reader, "CLIENT TRACKINGINFO").contains("broken_redirect"));
}

#[test]
fn expiry_and_want_of_room_are_told_too() {
    let mut world = World::with(Config { tracking_table_max_keys: 2, ..Config::default() });
    let (reader, writer) = (world.connect(), world.connect());
    world.session(reader).protocol = Protocol::Resp3;
    world.ask(reader, "CLIENT TRACKING on NOLOOP");
    let invalid = |key: &str| format!(">2\r\n$10\r\ninvalidate\r\n*1\r\n${}\r\n{key}\r\n", key.len());
    world.ask(writer, "SET short x PX 5");
    world.ask(reader, "GET short");
    world.pass(6);
    assert!(world.ask(reader, "GET short").ends_with(&invalid("short")), "its time is nobody's doing");
    assert!(world.ask(reader, "MGET b c").ends_with(&invalid("b")));
    assert_eq!(world.ask(reader, "GET d"), format!("_\r\n{}", invalid("c")));
    let info = world.ask(writer, "INFO");
    for line in ["tracking_clients:1", "tracking_total_keys:2", "tracking_total_items:2"] {
        assert!(info.lines().any(|known| known == line), "{line}");
    }
}
