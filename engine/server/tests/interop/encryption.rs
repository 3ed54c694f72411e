//! TLS: clients with and without certificates, replication with the real redis-server in both directions,
//! certificates that are renewed, and files and strangers that are not what they should be.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use squall_resp::Value;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::certificates::Authority;
use crate::dataset::await_equal;
use crate::harness::{PATIENCE, Program, Server, eventually, free_port, installed, run};

/// A server's options beside `--port`; it shows the certificate `server`.
fn options(authority: &Authority, tls_port: u16, more: &[&str]) -> Vec<String> {
    let port = tls_port.to_string();
    let (certificate, key) = (authority.file("server.crt"), authority.file("server.key"));
    let ca = authority.file("ca.crt");
    let ours = ["--tls-port", &port, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let words = ours.into_iter().chain(["--tls-ca-cert-file", ca.as_str()]).chain(more.iter().copied());
    words.map(str::to_owned).collect()
}

fn start(program: Program, options: &[String]) -> Server {
    Server::start(program, &options.iter().map(String::as_str).collect::<Vec<_>>())
}

fn prepared() -> (Authority, u16) {
    let authority = Authority::create();
    authority.certify("server");
    (authority, free_port())
}

/// What `redis-cli --tls` says, with a client's certificate or without one.
fn cli(authority: &Authority, port: u16, certificate: Option<&str>, words: &[&str]) -> String {
    let port = port.to_string();
    let ca = authority.file("ca.crt");
    let mut arguments: Vec<String> =
        ["--tls", "--cacert", &ca, "-h", "127.0.0.1", "-p", &port].map(str::to_owned).to_vec();
    if let Some(name) = certificate {
        let (certificate, key) =
            (authority.file(&format!("{name}.crt")), authority.file(&format!("{name}.key")));
        arguments.extend(["--cert".to_owned(), certificate, "--key".to_owned(), key]);
    }
    arguments.extend(words.iter().map(|word| word.to_string()));
    let output = run("redis-cli", &arguments, b"");
    let said = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&said).trim().to_owned()
}

type TlsClient = StreamOwned<ClientConnection, TcpStream>;

/// A client that needs no certificate of its own, and believes the authority.
fn connect(authority: &Authority, port: u16) -> TlsClient {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate("ca.crt")).expect("an authority");
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::new(config), name).expect("a session");
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    StreamOwned::new(session, stream)
}

fn ping(client: &mut TlsClient) {
    client.write_all(b"PING\r\n").expect("written");
    let mut answer = [0; 7];
    client.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"+PONG\r\n");
}

fn shown_certificate(client: &TlsClient) -> CertificateDer<'static> {
    client.conn.peer_certificates().expect("the handshake is over")[0].clone().into_owned()
}

#[test]
fn clients_need_the_certificates_that_they_are_asked_for() {
    if !installed("redis-cli") {
        return;
    }
    let (authority, port) = prepared();
    authority.certify("client");
    let server = start(Program::Squall, &options(&authority, port, &[]));
    assert_eq!(cli(&authority, port, Some("client"), &["PING"]), "PONG");
    assert_ne!(cli(&authority, port, None, &["PING"]), "PONG", "tls-auth-clients is yes by default");

    let stranger = Authority::create();
    stranger.certify("client");
    std::fs::copy(stranger.path("client.crt"), authority.path("stranger.crt")).expect("copied");
    std::fs::copy(stranger.path("client.key"), authority.path("stranger.key")).expect("copied");
    let mut plain = server.client();
    for (mode, without, strange) in [("optional", true, false), ("no", true, true), ("yes", false, false)] {
        plain.done(&["CONFIG", "SET", "tls-auth-clients", mode]);
        assert_eq!(cli(&authority, port, None, &["PING"]) == "PONG", without, "{mode}");
        assert_eq!(cli(&authority, port, Some("stranger"), &["PING"]) == "PONG", strange, "{mode}");
        assert_eq!(cli(&authority, port, Some("client"), &["PING"]), "PONG", "{mode}");
    }
    // A value of many records, and a port that is closed and opened.
    let value = "x".repeat(1_000_000);
    plain.done(&["SET", "large", &value]);
    assert_eq!(cli(&authority, port, Some("client"), &["GET", "large"]), value);
    plain.done(&["CONFIG", "SET", "tls-port", "0"]);
    eventually("nobody listens", || TcpStream::connect(("127.0.0.1", port)).is_err());
}

#[test]
fn replication_is_encrypted_in_both_directions() {
    if !installed("redis-server") {
        return;
    }
    for (primary, replica) in [
        (Program::Squall, Program::Redis),
        (Program::Redis, Program::Squall),
        (Program::Squall, Program::Squall),
    ] {
        let (authority, port) = prepared();
        let primary = start(primary, &options(&authority, port, &[]));
        let mut client = primary.client();
        client.done(&["SET", "before", &"y".repeat(300_000)]);
        let following = options(&authority, free_port(), &["--tls-replication", "yes"]);
        let replica = start(replica, &following);
        replica.client().done(&["REPLICAOF", "127.0.0.1", &port.to_string()]);
        eventually("the replica is online", || replica.info("master_link_status") == "up");
        client.done(&["SET", "after", "z"]);
        await_equal(&primary, &replica);
        // The plain port does not speak TLS, so the link must have been the encrypted one.
        assert_eq!(replica.info("master_port"), port.to_string());
    }
}

#[test]
fn renewed_certificates_are_shown_to_those_who_come_later() {
    let (authority, port) = prepared();
    let server = start(Program::Squall, &options(&authority, port, &["--tls-auth-clients", "no"]));
    let mut early = connect(&authority, port);
    ping(&mut early);
    assert_eq!(shown_certificate(&early), authority.certificate("server.crt"));
    authority.certify("server");
    // The same name again: the file behind it is another one.
    let path = authority.file("server.crt");
    server.client().done(&["CONFIG", "SET", "tls-cert-file", &path]);
    let mut late = connect(&authority, port);
    ping(&mut late);
    assert_eq!(shown_certificate(&late), authority.certificate("server.crt"));
    assert_ne!(shown_certificate(&late), shown_certificate(&early));
    ping(&mut early);
}

#[test]
fn a_key_may_be_encrypted() {
    if !installed("openssl") {
        return;
    }
    let (authority, port) = prepared();
    let (key, encrypted) = (authority.file("server.key"), authority.file("encrypted.key"));
    let words = ["pkcs8", "-topk8", "-in", &key, "-out", &encrypted, "-passout", "pass:of ours"];
    assert!(run("openssl", &words, b"").status.success());
    let more = ["--tls-auth-clients", "no", "--tls-key-file", &encrypted, "--tls-key-file-pass", "of ours"];
    let server = start(Program::Squall, &options(&authority, port, &more));
    ping(&mut connect(&authority, port));
    let answer = server.client().ask(&["CONFIG", "SET", "tls-key-file-pass", "wrong"]);
    let Value::Error(error) = answer else { panic!("{answer:?}") };
    assert!(error.contains("encrypted.key"), "{error}");
    ping(&mut connect(&authority, port));
}

#[test]
fn what_cannot_be_used_is_named() {
    let (authority, port) = prepared();
    authority.certify("other");
    let server = start(Program::Squall, &options(&authority, port, &[]));
    std::fs::write(authority.path("garbage.crt"), "no certificate").expect("written");
    let other_key = authority.file("other.key");
    let garbage = authority.file("garbage.crt");
    let wrong = [
        ("tls-cert-file", "/nowhere/a.crt", "/nowhere/a.crt"),
        ("tls-cert-file", garbage.as_str(), "garbage.crt"),
        ("tls-key-file", other_key.as_str(), "other.key"),
        ("tls-ca-cert-file", garbage.as_str(), "garbage.crt"),
        ("tls-ca-cert-dir", "/nowhere", "/nowhere"),
        ("tls-protocols", "TLSv1.1", "TLSv1.1"),
        ("tls-ciphers", "AES128-SHA", "AES128-SHA"),
        ("tls-ciphersuites", "TLS_NONE", "TLS_NONE"),
    ];
    let mut client = server.client();
    for (name, value, named) in wrong {
        let Value::Error(error) = client.ask(&["CONFIG", "SET", name, value]) else {
            panic!("{name} {value}")
        };
        assert!(error.contains(named) && error.contains(name), "{error}");
        assert_ne!(client.ask(&["CONFIG", "GET", name]), client.ask(&["PING"]));
    }
    assert!(!format!("{:?}", client.ask(&["CONFIG", "GET", "tls-cert-file"])).contains("nowhere"));

    let missing = options(&authority, free_port(), &["--tls-key-file", "/nowhere/a.key"]);
    let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
    let (status, log) = Server::fail_to_start(&server.directory(), Program::Squall, &missing);
    assert!(!status.success() && log.contains("/nowhere/a.key"), "{log}");
}

#[test]
fn strangers_to_the_protocol_are_turned_away() {
    let (authority, port) = prepared();
    let mut server = start(Program::Squall, &options(&authority, port, &["--tls-auth-clients", "no"]));
    for garbage in [b"PING\r\n".as_slice(), b"GET / HTTP/1.1\r\n\r\n", &[0; 100], &[0x16, 3, 1, 0xff, 0xff]] {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("set");
        stream.write_all(garbage).expect("written");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        // An alert may come; what matters is that it ends.
        let _ = stream.read_to_end(&mut Vec::new());
    }
    eventually("they are forgotten", || server.info("connected_clients") == "1");
    server.assert_alive();
    // Who waits with the handshake holds nobody up.
    let _silent = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    ping(&mut connect(&authority, port));
}
