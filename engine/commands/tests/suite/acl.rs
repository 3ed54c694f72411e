//! ACL: rules as Redis reads and refuses them, generated users judged as a real redis-server judges them, and
//! what a user feels of it: keys, channels, subcommands, transactions, scripts, the log.

use crate::oracle::subject::Subject;
use crate::oracle::{Connection, Oracle};
use crate::world::World;
use squall_commands::ClientId;
use squall_resp::{Protocol, Value};

fn split(line: &str) -> Vec<Vec<u8>> {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Requests that both servers answer with the same bytes.
const ALIKE: &[&str] = &[
    "ACL WHOAMI",
    "ACL USERS",
    "ACL SETUSER u",
    "ACL SETUSER u on >pw ~a* %R~r* %W~w* &ch* +get +@read -@dangerous +client|list (+set ~s*)",
    "ACL SETUSER u bad",
    "ACL SETUSER u +nosuch",
    "ACL SETUSER u +@nosuch",
    "ACL SETUSER u -@nosuch",
    "ACL SETUSER u ~* ~x",
    "ACL SETUSER u &* &x",
    "ACL SETUSER u <nopw",
    "ACL SETUSER u !zz",
    "ACL SETUSER u #zz",
    "ACL SETUSER u %X~a",
    "ACL SETUSER u %~a",
    "ACL SETUSER u %Ra",
    "ACL SETUSER u (~a",
    "ACL SETUSER u (~a +get",
    "ACL SETUSER u (bad)",
    "ACL SETUSER u +config|nosuch",
    "ACL SETUSER u +select|0",
    "ACL SETUSER u -select|0",
    "ACL SETUSER u resetpass reset",
    "ACL SETUSER u >a >b <a",
    "ACL SETUSER u <a",
    "ACL DRYRUN nosuch get a",
    "ACL DRYRUN default nosuch",
    "ACL DRYRUN default get",
    "ACL DRYRUN default get a",
    "ACL DELUSER default",
    "ACL DELUSER u x",
    "ACL USERS",
    "ACL GETUSER u",
    "ACL CAT nosuch",
    "ACL LOG x",
    "ACL LOG RESET",
    "ACL LOG",
    "ACL GENPASS 0",
    "ACL GENPASS x",
    "ACL GENPASS 5000",
    "ACL NOSUCH",
    "ACL LOAD",
    "ACL SAVE",
    "AUTH nosuch x",
    "AUTH x",
    "AUTH a b c",
];

fn both() -> Option<(Subject, Connection, Oracle)> {
    let mut oracle = Oracle::start(&[])?;
    let connection = oracle.connect();
    Some((Subject::start(Protocol::Resp2), connection, oracle))
}

#[test]
fn rules_are_read_and_refused_as_redis_does() {
    let Some((mut subject, mut connection, _oracle)) = both() else { return };
    let mut wrong = String::new();
    for line in ALIKE {
        let (theirs, ours) = (connection.ask(&split(line)), subject.ask(&split(line)));
        if ours != theirs {
            wrong.push_str(&format!(
                "{line}\n  redis  {}\n  squall {}\n",
                theirs.escape_ascii(),
                ours.escape_ascii()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Rules of users.
const USERS: &[&str] = &[
    "+@all ~*",
    "+@all -@dangerous ~* &*",
    "+@read ~a*",
    "+@all %R~a* %W~b*",
    "+@all %R~a* %RW~c* ~d",
    "+get +set ~a (+mget +set ~b)",
    "+@string -append ~*",
    "+@all -@write ~*",
    "+@keyspace ~*",
    "-@all +config|get +client|id ~*",
    "+config -config|set",
    "+@all -config +config|get",
    "+select|0 +get ~*",
    "+@pubsub &news.* ~*",
    "+subscribe +psubscribe &news.*",
    "+@fast ~* &*",
    "allcommands allkeys allchannels -@admin",
    "+@connection +@transaction ~*",
    "+eval +evalsha +@scripting ~a*",
    "+@admin +@slow ~*",
];

/// What they try.
const REQUESTS: &[&str] = &[
    "get a",
    "get b",
    "get ab",
    "set a 1",
    "set b 1",
    "set a 1 GET",
    "mget a b",
    "mget a ab",
    "mset a 1 b 2",
    "append a x",
    "del a",
    "exists b",
    "copy a b",
    "copy b a",
    "rename a b",
    "strlen d",
    "getset c x",
    "config get x",
    "config set x y",
    "config rewrite",
    "client id",
    "client list",
    "client kill x:1",
    "select 0",
    "select 1",
    "publish news.x m",
    "publish other m",
    "subscribe news.x",
    "subscribe news.x other",
    "psubscribe news.*",
    "psubscribe news.x",
    "unsubscribe x",
    "ping",
    "echo x",
    "multi",
    "exec",
    "flushall",
    "keys *",
    "scan 0",
    "eval x 1 a",
    "eval x 1 b",
    "eval x 0",
    "script load x",
    "acl whoami",
    "acl list",
    "debug sleep 0",
    "shutdown",
    "monitor",
    "object encoding a",
    "object encoding b",
    "type b",
    "expire a 1",
    "command count",
    "info",
    "auth x",
    "hello 3",
    "quit",
    "reset",
    "watch a b",
    "touch b",
    "dump b",
    "restore b 0 x",
    "getrange a 0 1",
    "setrange b 0 x",
    "incr b",
    "lcs a b",
    "lcs a c",
    "memory usage b",
];

/// Users of all kinds, and requests of all kinds: allowed here where allowed there, refused for the same kind
/// of reason.
#[test]
fn users_are_judged_as_redis_judges_them() {
    let Some((mut subject, mut connection, _oracle)) = both() else { return };
    let mut wrong = String::new();
    for rules in USERS {
        let create = format!("ACL SETUSER judged reset on nopass {rules}");
        assert_eq!(connection.ask(&split(&create)), subject.ask(&split(&create)), "{rules}");
        for request in REQUESTS {
            let line = format!("ACL DRYRUN judged {request}");
            let (theirs, ours) = (connection.ask(&split(&line)), subject.ask(&split(&line)));
            if kind_of(&theirs) != kind_of(&ours) {
                wrong.push_str(&format!(
                    "{rules}: {request}\n  redis  {}\n  squall {}\n",
                    theirs.escape_ascii(),
                    ours.escape_ascii()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Allowed, or what was refused: the words around it are of a later version of Redis here.
fn kind_of(reply: &[u8]) -> String {
    match crate::oracle::value(reply) {
        Value::Bulk(text) => {
            let text = String::from_utf8_lossy(&text).into_owned();
            text.split_once("permissions to ").map_or(text.clone(), |(_, what)| what.to_owned())
        }
        other => format!("{other:?}"),
    }
}

fn login(world: &mut World, user: &str) -> ClientId {
    let client = world.connect();
    assert_eq!(world.ask(client, &format!("AUTH {user} pw")), "+OK\r\n");
    client
}

#[test]
fn a_user_is_refused_what_is_not_given() {
    let mut world = World::start();
    let admin = world.connect();
    world.ask(
        admin,
        "ACL SETUSER u on >pw ~a* &ch* +get +set +eval +multi +exec +publish +subscribe +acl|whoami",
    );
    let client = login(&mut world, "u");
    assert_eq!(world.ask(client, "ACL WHOAMI"), "$1\r\nu\r\n");
    assert_eq!(world.ask(client, "SET a1 v"), "+OK\r\n");
    assert_eq!(world.ask(client, "GET b"), "-NOPERM No permissions to access a key\r\n");
    assert_eq!(world.ask(client, "DEL a1"), "-NOPERM User u has no permissions to run the 'del' command\r\n");
    assert_eq!(
        world.ask(client, "ACL LIST"),
        "-NOPERM User u has no permissions to run the 'acl|list' command\r\n"
    );
    assert_eq!(world.ask(client, "PUBLISH x m"), "-NOPERM No permissions to access a channel\r\n");
    assert_eq!(world.ask(client, "PUBLISH ch1 m"), ":0\r\n");
    let script = "EVAL \"return redis.pcall('del', 'a1').err\" 0";
    assert!(
        world
            .ask(client, script)
            .contains("NOPERM ACL failure in script: User u has no permissions to run the 'del' command")
    );
    let asks = "EVAL \"return {redis.acl_check_cmd('get', 'a'), redis.acl_check_cmd('get', 'b'), redis.acl_check_cmd('del', 'a')}\" 0";
    assert_eq!(world.ask(client, asks), "*3\r\n:1\r\n$-1\r\n$-1\r\n");
    let log = world.ask(admin, "ACL LOG");
    for part in ["$3\r\nkey\r\n", "$7\r\nchannel\r\n", "$3\r\nlua\r\n", "$8\r\nacl|list\r\n", "user=u "] {
        assert!(log.contains(part), "{part}: {log}");
    }
    assert_eq!(world.ask(admin, "ACL LOG RESET"), "+OK\r\n");
    assert_eq!(world.ask(admin, "ACL LOG"), "*0\r\n");
}

/// What was queued is judged again when it is executed.
#[test]
fn permissions_can_be_taken_while_a_transaction_waits() {
    let mut world = World::start();
    let admin = world.connect();
    world.ask(admin, "ACL SETUSER u on >pw ~* +@all");
    let client = login(&mut world, "u");
    world.ask(client, "MULTI");
    assert_eq!(world.ask(client, "SET a 1"), "+QUEUED\r\n");
    assert_eq!(world.ask(client, "GET a"), "+QUEUED\r\n");
    world.ask(admin, "ACL SETUSER u -set");
    let refused = "-NOPERM User u has no permissions to run the 'set' command\r\n";
    assert_eq!(world.ask(client, "EXEC"), format!("*2\r\n{refused}$-1\r\n"));
    world.ask(client, "MULTI");
    assert_eq!(world.ask(client, "SET a 1"), refused);
    assert!(world.ask(client, "EXEC").starts_with("-EXECABORT"));
}

#[test]
fn users_come_in_with_the_right_password_only() {
    let mut world = World::start();
    let admin = world.connect();
    world.ask(admin, "ACL SETUSER u on >pw >other ~* +@all");
    world.ask(admin, "ACL SETUSER shut off >pw ~* +@all");
    let client = world.connect();
    let wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
    for refused in ["AUTH u bad", "AUTH shut pw", "AUTH nobody pw", "AUTH u"] {
        let reply = world.ask(client, refused);
        assert!(
            reply == wrong || reply.starts_with("-ERR AUTH <password> called without"),
            "{refused}: {reply}"
        );
    }
    assert_eq!(world.ask(client, "AUTH u other"), "+OK\r\n");
    assert!(world.ask(client, "HELLO 3 AUTH u pw").starts_with('%'));
    assert_eq!(world.ask(client, "ACL WHOAMI"), "$1\r\nu\r\n");
    assert!(world.ask(admin, "ACL LOG").contains("$4\r\nauth\r\n"));
    // A deleted user's connections end.
    assert_eq!(world.ask(admin, "ACL DELUSER u"), ":1\r\n");
    assert_eq!(world.node.take(), [format!("close {}", client.0)]);
}

#[test]
fn requirepass_is_the_default_users_password() {
    let mut world = World::start();
    let admin = world.connect();
    world.ask(admin, "CONFIG SET requirepass secret");
    assert!(world.ask(admin, "ACL LIST").contains(
        "user default on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b ~* &* +@all"
    ));
    let client = world.connect();
    assert_eq!(world.ask(client, "GET a"), "-NOAUTH Authentication required.\r\n");
    assert_eq!(world.ask(client, "AUTH secret"), "+OK\r\n");
    assert_eq!(world.ask(client, "GET a"), "$-1\r\n");
    world.ask(admin, "ACL SETUSER default nopass");
    let client = world.connect();
    assert_eq!(world.ask(client, "GET a"), "$-1\r\n");
}

/// What LIST shows makes the same user again.
#[test]
fn rules_survive_the_configuration_file() {
    let mut world = World::start();
    let admin = world.connect();
    for user in [
        "one on >pw ~a* %R~b* &ch* +@read -get +config|get (+set ~x) (+get %W~y)",
        "two off nopass allkeys allcommands -@dangerous +select|0 -select",
        "three on #2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b resetchannels +@all -@all +get",
    ] {
        assert_eq!(world.ask(admin, &format!("ACL SETUSER {user}")), "+OK\r\n", "{user}");
    }
    let text = squall_commands::config::rewrite::rewrite(b"port 7000\nuser old on\n", &world.engine.config);
    let config = squall_commands::Config::from_text("redis.conf", &text).expect("its own lines are read");
    let mut again = World::with(config);
    let client = again.connect();
    assert_eq!(world.ask(admin, "ACL LIST"), again.ask(client, "ACL LIST"));
    assert_eq!(again.ask(client, "ACL GETUSER old"), "$-1\r\n");
    assert!(squall_commands::Config::from_text("redis.conf", b"user x +nosuch").is_err());
}
