//! RDB, DUMP payloads, digests and globs against a real redis-server, when there is one on the PATH: what it saves,
//! this crate loads; what this crate saves, it loads; and both agree on the digest.
#![allow(clippy::disallowed_methods, reason = "the test runs a real server and talks to it")]

use bytes::BytesMut;
use squall_clock::UnixMs;
use squall_store::rdb::{Aux, LoadOptions, Loader, Loading, dump, restore};
use squall_store::{Keyspace, Partitioning, SnapshotOptions, glob_match};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A redis-server in a directory of its own, stopped when this is dropped.
struct Oracle {
    process: Child,
    connection: BufReader<TcpStream>,
}

impl Oracle {
    /// Starts one that loads `dump.rdb` of `directory`, or says that there is none.
    fn start(directory: &Path) -> Option<Oracle> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--enable-debug-command",
                "yes",
                "--dir",
            ])
            .arg(directory)
            .stdout(Stdio::null())
            .spawn();
        let mut process = match process {
            Ok(process) => process,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: there is no redis-server on the PATH to compare with");
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        // Nothing announces when it has loaded its file; ask until it has, or has ended.
        for _ in 0..1000 {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)) {
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut oracle = Oracle { process, connection: BufReader::new(stream) };
                while oracle.ask(&[b"PING"]).is_err_and(|error| error.starts_with("LOADING")) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                return Some(oracle);
            }
            assert!(process.try_wait().unwrap().is_none(), "redis-server ended at its start");
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("redis-server does not listen");
    }

    /// Sends a command and returns its reply: the text of a simple one, the bytes of a bulk, elements joined by a line end.
    fn call(&mut self, args: &[&[u8]]) -> Vec<u8> {
        self.ask(args).expect("redis-server knows the command")
    }

    fn ask(&mut self, args: &[&[u8]]) -> Result<Vec<u8>, String> {
        let mut request = format!("*{}\r\n", args.len()).into_bytes();
        for arg in args {
            write!(request, "${}\r\n", arg.len()).unwrap();
            request.extend_from_slice(arg);
            request.extend_from_slice(b"\r\n");
        }
        self.connection.get_mut().write_all(&request).unwrap();
        self.reply()
    }

    fn reply(&mut self) -> Result<Vec<u8>, String> {
        let mut line = String::new();
        self.connection.read_line(&mut line).unwrap();
        let (kind, rest) = line.trim_end().split_at(1);
        Ok(match kind {
            "+" | ":" => rest.into(),
            "$" if rest == "-1" => b"(nil)".to_vec(),
            "$" => {
                let mut bulk = vec![0; rest.parse::<usize>().unwrap() + 2];
                self.connection.read_exact(&mut bulk).unwrap();
                bulk.truncate(bulk.len() - 2);
                bulk
            }
            "*" => {
                let count = rest.parse().unwrap();
                let elements: Result<Vec<Vec<u8>>, String> = (0..count).map(|_| self.reply()).collect();
                elements?.join(&b'\n')
            }
            _ => return Err(rest.into()),
        })
    }

    fn digest(&mut self) -> String {
        String::from_utf8(self.call(&[b"DEBUG", b"DIGEST"])).unwrap()
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A database's number, a key, its value and its expiry time.
type Sample = (usize, Vec<u8>, Vec<u8>, Option<UnixMs>);

/// Strings in every encoding and length, with and without expiry, in two databases.
fn sample() -> Vec<Sample> {
    let values: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"0".to_vec(),
        b"-1".to_vec(),
        b"127".to_vec(),
        b"-129".to_vec(),
        b"40000".to_vec(),
        b"-2147483648".to_vec(),
        b"2147483648".to_vec(),
        b"9223372036854775807".to_vec(),
        b"007".to_vec(),
        b"hello".to_vec(),
        (0..=255).collect(),
        b"repeated words ".repeat(4),
        b"repeated words ".repeat(5000),
        (0..70_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect(),
        vec![b'x'; 300_000],
    ];
    let mut sample = Vec::new();
    for (n, value) in values.into_iter().cycle().take(500).enumerate() {
        let key = if n % 3 == 0 { n.to_string() } else { format!("key:{n}:{}", "k".repeat(n / 4)) };
        // Far in the future, so that nothing expires on the way.
        let expire_at = (n % 5 == 0).then_some(UnixMs(4_000_000_000_000 + n as u64));
        sample.push((n % 7 / 6, key.into_bytes(), value, expire_at));
    }
    sample
}

fn keyspace() -> Keyspace {
    Keyspace::new(16, 42, Partitioning::ByHash)
}

fn hex(digest: [u8; 20]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

fn load(bytes: &[u8]) -> (Keyspace, Aux) {
    let mut keyspace = keyspace();
    let mut loader = Loader::new(LoadOptions {
        drop_expired_at: None,
        verify_checksum: true,
        recency: squall_store::recency::Recency::Untold,
    });
    match loader.feed(&mut BytesMut::from(bytes), &mut keyspace) {
        Ok(Loading::Done(loaded)) => (keyspace, loaded.aux),
        other => panic!("{other:?}"),
    }
}

fn save(keyspace: &mut Keyspace, compress: bool) -> Vec<u8> {
    let aux = Aux { server_version: "7.0.0".into(), created_s: 1_700_000_000, ..Aux::default() };
    keyspace
        .begin_snapshot(
            SnapshotOptions { compress, checksum: true, recency: squall_store::recency::Recency::Untold },
            &aux,
        )
        .unwrap();
    let mut bytes = Vec::new();
    while keyspace.snapshot_running() {
        keyspace.snapshot_step(100_000);
        bytes.extend_from_slice(&keyspace.take_snapshot_bytes());
    }
    bytes
}

#[test]
fn loads_what_redis_saves_and_agrees_on_digests() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut oracle) = Oracle::start(directory.path()) else { return };
    let mut ours = keyspace();
    for (db, key, value, expire_at) in sample() {
        ours.db_mut(db).set_string(&key, &value, expire_at);
        oracle.call(&[b"SELECT", db.to_string().as_bytes()]);
        oracle.call(&[b"SET", &key, &value]);
        if let Some(UnixMs(at)) = expire_at {
            oracle.call(&[b"PEXPIREAT", &key, at.to_string().as_bytes()]);
        }
        let entry = ours.db(db).lookup(&key).unwrap();
        let value_digest = oracle.call(&[b"DEBUG", b"DIGEST-VALUE", &key]);
        assert_eq!(String::from_utf8(value_digest).unwrap(), hex(entry.digest()));
        assert_eq!(oracle.call(&[b"OBJECT", b"ENCODING", &key]), entry.encoding().as_bytes());
        // Both ways with DUMP payloads.
        assert_eq!(restore(&oracle.call(&[b"DUMP", &key]), ours.limits()).unwrap(), entry.duplicate_value());
        oracle.call(&[b"RESTORE", b"restored", b"0", &dump(entry), b"REPLACE"]);
        assert_eq!(oracle.call(&[b"GET", b"restored"]), value);
        oracle.call(&[b"DEL", b"restored"]);
    }
    let digest = oracle.digest();
    assert_eq!(hex(ours.digest()), digest);

    for compression in ["yes", "no"] {
        oracle.call(&[b"CONFIG", b"SET", b"rdbcompression", compression.as_bytes()]);
        oracle.call(&[b"SAVE"]);
        let bytes = std::fs::read(directory.path().join("dump.rdb")).unwrap();
        let (loaded, aux) = load(&bytes);
        assert_eq!(hex(loaded.digest()), digest);
        assert!(aux.server_version.starts_with(|c: char| c.is_ascii_digit()) && aux.created_s > 0);
    }
}

#[test]
fn redis_loads_what_is_saved_here() {
    for compress in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        let mut ours = keyspace();
        for (db, key, value, expire_at) in sample() {
            ours.db_mut(db).set_string(&key, &value, expire_at);
        }
        std::fs::write(directory.path().join("dump.rdb"), save(&mut ours, compress)).unwrap();
        let Some(mut oracle) = Oracle::start(directory.path()) else { return };
        assert_eq!(oracle.call(&[b"DBSIZE"]), ours.db(0).len().to_string().into_bytes());
        assert_eq!(oracle.digest(), hex(ours.digest()));
    }
}

#[test]
fn globs_match_as_they_do_in_redis() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut oracle) = Oracle::start(directory.path()) else { return };
    // Without the empty text: Redis 7.0 matches it with no star at all.
    let texts: [&[u8]; 13] =
        [b"a", b"b", b"ab", b"abc", b"]", b"[", b"^", b"-", b"\\", b"a]", b"a\\b", b"aab", b"a-b"];
    let pieces = ["a", "b", "*", "?", "[", "]", "^", "-", "\\", "[a-b]", "[^a]", "[]", "[^]", "[a", "\\["];
    texts.iter().for_each(|text| drop(oracle.call(&[b"SET", text, b""])));
    for a in pieces {
        for b in pieces {
            for c in ["", "a", "b", "*", "]", "\\", "-", "["] {
                let pattern = [a, b, c].concat();
                let keys = oracle.call(&[b"KEYS", pattern.as_bytes()]);
                let mut theirs: Vec<&[u8]> = keys.split(|&byte| byte == b'\n').collect();
                theirs.sort_unstable();
                let mut matching: Vec<&[u8]> =
                    texts.into_iter().filter(|t| glob_match(pattern.as_bytes(), t)).collect();
                if matching.is_empty() {
                    matching.push(b"");
                }
                matching.sort_unstable();
                assert_eq!(matching, theirs, "pattern {pattern:?}");
            }
        }
    }
}

/// Commands that make lists, sets, sorted sets and hashes of every encoding, small and large.
fn collections() -> Vec<Vec<Vec<u8>>> {
    let elements: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b"0".to_vec(),
        b"-1".to_vec(),
        b"4095".to_vec(),
        b"-4097".to_vec(),
        b"70000".to_vec(),
        b"-9000000".to_vec(),
        b"3000000000".to_vec(),
        b"9223372036854775807".to_vec(),
        b"007".to_vec(),
        (0..=255).collect(),
        vec![b'x'; 63],
        vec![b'x'; 64],
        b"repeated words ".repeat(280),
    ];
    let word = |text: &str| text.as_bytes().to_vec();
    let mut commands = Vec::new();
    for count in [1usize, 5, 14, 100, 700, 5000] {
        let element = |n: usize| match n < elements.len() {
            true => elements[n].clone(),
            false => format!("element {}", n * 7919).into_bytes(),
        };
        for (verb, pairs) in [("RPUSH", false), ("SADD", false), ("HSET", true)] {
            for offset in [0, 13] {
                let mut command = vec![word(verb), format!("{verb}:{count}:{offset}").into_bytes()];
                for n in offset..offset + count {
                    command.push(element(n));
                    command.extend(pairs.then(|| element(n * 3 % 17)));
                }
                commands.push(command);
            }
        }
        let mut ranked = vec![word("ZADD"), format!("ranked:{count}").into_bytes()];
        for n in 0..count {
            let score = match n {
                3 => "-inf".to_owned(),
                4 => "inf".to_owned(),
                _ => ((n * 7919 % 1000) as f64 / 7.0).to_string(),
            };
            ranked.extend([score.into_bytes(), element(n)]);
        }
        commands.push(ranked);
        let mut integers = vec![word("SADD"), format!("integers:{count}").into_bytes()];
        integers.extend((0..count as i64).map(|n| ((n - 3).pow(3) * 1000).to_string().into_bytes()));
        commands.push(integers);
    }
    commands.push(vec![word("RPUSH"), word("large"), vec![b'l'; 100_000], word("small"), vec![b'm'; 9_000]]);
    commands
}

#[test]
fn collections_go_to_and_fro() {
    let directory = tempfile::tempdir().unwrap();
    let Some(mut oracle) = Oracle::start(directory.path()) else { return };
    let mut ours = keyspace();
    for command in collections() {
        let words: Vec<&[u8]> = command.iter().map(Vec::as_slice).collect();
        let key = words[1];
        oracle.call(&words);
        let value = restore(&oracle.call(&[b"DUMP", key]), ours.limits()).unwrap();
        ours.db_mut(0).insert(key, value, None);
        let entry = ours.db(0).lookup(key).unwrap();
        let digest = String::from_utf8(oracle.call(&[b"DEBUG", b"DIGEST-VALUE", key])).unwrap();
        assert_eq!(hex(entry.digest()), digest, "{}", key.escape_ascii());
        oracle.call(&[b"RESTORE", b"restored", b"0", &dump(entry), b"REPLACE"]);
        assert_eq!(oracle.call(&[b"DEBUG", b"DIGEST-VALUE", b"restored"]), digest.into_bytes());
        oracle.call(&[b"DEL", b"restored"]);
    }
    let digest = oracle.digest();
    assert_eq!(hex(ours.digest()), digest);
    oracle.call(&[b"SAVE"]);
    let (loaded, _) = load(&std::fs::read(directory.path().join("dump.rdb")).unwrap());
    assert_eq!(hex(loaded.digest()), digest);
    for compress in [true, false] {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("dump.rdb"), save(&mut ours, compress)).unwrap();
        let Some(mut oracle) = Oracle::start(directory.path()) else { return };
        assert_eq!(oracle.digest(), digest);
    }
}
