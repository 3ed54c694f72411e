//! The real host does what the seam promises: names and modes of listeners, both directions of a stream,
//! clocks, and files that keep what was appended.
#![allow(clippy::disallowed_methods, reason = "the tests check the host against the operating system")]

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use bytes::Bytes;
use squall_clock::Nanos;
use squall_net::real::RealHost;
use squall_net::{
    Address, ClientCertificates, Disk, DiskFile, Endpoint, Host, Identity, Listener, OpenMode, Stream,
    TlsSettings,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp(Address { host: host.to_owned(), port })
}

fn port_of(endpoint: &Endpoint) -> u16 {
    match endpoint {
        Endpoint::Tcp(address) | Endpoint::Tls(address) => address.port,
        Endpoint::Unix { .. } => panic!("{endpoint} has no port"),
    }
}

/// Runs `body` on a host whose disk is an empty directory.
fn in_host(body: impl AsyncFnOnce(RealHost, &Path)) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path();
    RealHost::run(path, async |host| body(host, path).await).expect("a runtime");
}

/// Sends a line each way and checks that it arrives, that the end of the stream arrives, and that both
/// sides agree on their names.
async fn converse(mut dialled: impl Stream, mut accepted: impl Stream) {
    dialled.write_all(b"question").await.expect("sent");
    let mut buffer = [0; 8];
    accepted.read_exact(&mut buffer).await.expect("received");
    assert_eq!(&buffer, b"question");
    accepted.write_all(b"answer").await.expect("sent");
    drop(accepted);
    let mut all = Vec::new();
    dialled.read_to_end(&mut all).await.expect("received");
    assert_eq!(all, b"answer");
}

#[test]
fn tcp_streams_carry_bytes_both_ways_and_know_their_names() {
    in_host(async |host, _| {
        let mut listener = host.listen(&tcp("127.0.0.1", 0), 16).await.expect("listens");
        let port = port_of(listener.endpoint());
        assert_ne!(port, 0, "the chosen port is reported");
        let address = Address { host: "localhost".to_owned(), port };
        let dialled = host.connect(&address, Some("127.0.0.1")).await.expect("connects");
        let accepted = listener.accept().await.expect("accepts");
        assert_eq!(accepted.local(), format!("127.0.0.1:{port}"));
        assert_eq!(accepted.local(), dialled.peer());
        assert_eq!(accepted.peer(), dialled.local());
        accepted.set_keepalive(Some(Nanos::from_secs(300))).expect("keepalive on");
        accepted.set_keepalive(None).expect("keepalive off");
        converse(dialled, accepted).await;
    });
}

#[test]
fn a_wildcard_of_each_family_shares_one_port() {
    in_host(async |host, _| {
        let four = host.listen(&tcp("*", 0), 16).await.expect("listens on IPv4");
        let port = port_of(four.endpoint());
        match host.listen(&tcp("::*", port), 16).await {
            Ok(mut six) => {
                let address = Address { host: "::1".to_owned(), port };
                let dialled = host.connect(&address, None).await.expect("connects");
                let accepted = six.accept().await.expect("accepts");
                assert_eq!(accepted.local(), format!("[::1]:{port}"));
                converse(dialled, accepted).await;
            }
            // A machine without IPv6 says so; it must not be the port that is taken.
            Err(error) => assert_ne!(error.kind(), std::io::ErrorKind::AddrInUse, "{error}"),
        }
    });
}

#[test]
fn a_taken_port_and_a_missing_address_are_errors() {
    in_host(async |host, _| {
        let listener = host.listen(&tcp("127.0.0.1", 0), 16).await.expect("listens");
        let port = port_of(listener.endpoint());
        let taken = host.listen(&tcp("127.0.0.1", port), 16).await.err().expect("the port is taken");
        assert_eq!(taken.kind(), std::io::ErrorKind::AddrInUse);
        let missing = host.listen(&tcp("192.0.2.1", 0), 16).await.err().expect("no such address here");
        assert_eq!(missing.kind(), std::io::ErrorKind::AddrNotAvailable);
        drop(listener);
        let address = Address { host: "127.0.0.1".to_owned(), port };
        let refused = host.connect(&address, None).await.err().expect("nobody listens");
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_unix_socket_gets_its_mode_replaces_a_stale_file_and_leaves_none_behind() {
    in_host(async |host, directory| {
        let path = directory.join("squall.sock");
        let stale = std::os::unix::net::UnixListener::bind(&path).expect("binds");
        drop(stale);
        assert!(path.exists(), "a killed server leaves its file");
        let endpoint = Endpoint::Unix { path: path.clone(), mode: 0o700 };
        let mut listener = host.listen(&endpoint, 16).await.expect("listens");
        let metadata = std::fs::metadata(&path).expect("the file is there");
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
        let mut dialled = tokio::net::UnixStream::connect(&path).await.expect("connects");
        let mut accepted = listener.accept().await.expect("accepts");
        assert_eq!(accepted.peer(), format!("{}:0", path.display()));
        accepted.write_all(b"hello").await.expect("sent");
        let mut buffer = [0; 5];
        dialled.read_exact(&mut buffer).await.expect("received");
        drop(listener);
        assert!(!path.exists(), "the file goes with the listener");
    });
}

#[test]
fn a_unix_socket_never_replaces_a_file_that_is_not_one() {
    in_host(async |host, directory| {
        let path = directory.join("precious");
        std::fs::write(&path, "data").expect("written");
        let endpoint = Endpoint::Unix { path: path.clone(), mode: 0 };
        assert!(host.listen(&endpoint, 16).await.is_err());
        assert_eq!(std::fs::read(&path).expect("still there"), b"data");
    });
}

#[test]
fn clocks_move_and_sleep_reaches_its_deadline() {
    in_host(async |host, _| {
        let before = host.now();
        host.sleep_until(before.mono + Nanos::from_millis(5)).await;
        let after = host.now();
        assert!(after.mono.since(before.mono) >= Nanos::from_millis(5));
        assert!(after.unix_seconds() > 1_700_000_000, "the wall clock counts from 1970");
        assert!(after.unix_us >= before.unix_us + 4_000, "and goes on between two readings");
        host.sleep_until(before.mono).await;
        let mut draws = [[0; 16]; 2];
        draws.iter_mut().for_each(|draw| host.entropy(draw));
        assert_ne!(draws[0], draws[1]);
    });
}

#[test]
fn files_keep_what_was_appended() {
    in_host(async |host, directory| {
        let disk = host.disk();
        disk.create_dir("logs").await.expect("created");
        disk.create_dir("logs").await.expect("a directory that is there is no error");
        let file = disk.open("logs/one", OpenMode::Append).await.expect("opened");
        file.append(Bytes::from_static(b"hello ")).await.expect("appended");
        file.append(Bytes::from_static(b"world")).await.expect("appended");
        file.sync().await.expect("synced");
        assert_eq!(file.len().await.expect("known"), 11);
        assert_eq!(file.read(6, 100).await.expect("read"), Bytes::from_static(b"world"));
        assert_eq!(file.read(11, 100).await.expect("read"), Bytes::new());
        file.truncate(5).await.expect("truncated");
        file.append(Bytes::from_static(b"!")).await.expect("appended at the new end");
        drop(file);
        disk.rename("logs/one", "logs/two").await.expect("renamed");
        disk.sync_dir("logs").await.expect("synced");
        assert_eq!(disk.list("logs").await.expect("listed"), ["two"]);
        let absolute = directory.join("logs/two").display().to_string();
        let file = disk.open(&absolute, OpenMode::Read).await.expect("opened by its absolute path");
        assert_eq!(file.read(0, 100).await.expect("read"), Bytes::from_static(b"hello!"));
        assert!(file.append(Bytes::from_static(b"x")).await.is_err(), "opened for reading");
        let file = disk.open("logs/two", OpenMode::Truncate).await.expect("opened");
        assert_eq!(file.len().await.expect("known"), 0);
        disk.remove("logs/two").await.expect("removed");
        let missing = disk.open("logs/two", OpenMode::Read).await.err().expect("gone");
        assert_eq!(missing.kind(), std::io::ErrorKind::NotFound);
    });
}

#[test]
fn spawned_tasks_run_beside_their_parent() {
    in_host(async |host, _| {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let clock = host.clone();
        host.spawn(async move {
            clock.sleep_until(clock.now().mono).await;
            sender.send(7).expect("the parent waits");
        });
        assert_eq!(receiver.await, Ok(7));
    });
}

/// A certificate that is its own authority, in the host's directory.
fn tls_settings(directory: &Path) -> TlsSettings {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_key = rcgen::KeyPair::generate().expect("a key");
    let authority = params.self_signed(&issuer_key).expect("a certificate");
    let issuer = rcgen::Issuer::new(params, issuer_key);
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, &issuer).expect("a certificate");
    for (name, text) in
        [("ca.crt", authority.pem()), ("a.crt", certificate.pem()), ("a.key", key.serialize_pem())]
    {
        std::fs::write(directory.join(name), text).expect("written");
    }
    TlsSettings {
        identity: Identity {
            certificate_file: "a.crt".into(),
            key_file: "a.key".into(),
            key_password: String::new(),
        },
        client_identity: None,
        authorities_file: "ca.crt".into(),
        authorities_directory: String::new(),
        client_certificates: ClientCertificates::Required,
        dials: true,
        protocols: String::new(),
        ciphers: String::new(),
        cipher_suites: String::new(),
        prefer_own_order: false,
        session_cache: None,
    }
}

#[test]
fn encrypted_streams_carry_bytes_both_ways() {
    in_host(async |host, directory| {
        host.secure(tls_settings(directory)).await.expect("good certificates");
        let everywhere = Endpoint::Tls(Address { host: "127.0.0.1".to_owned(), port: 0 });
        let mut listener = host.listen(&everywhere, 16).await.expect("listens");
        let address = Address { host: "localhost".to_owned(), port: port_of(listener.endpoint()) };
        // The two sides agree while both are polled.
        let serving = async {
            let mut accepted = listener.accept().await.expect("accepts");
            accepted.flush().await.expect("agreed");
            accepted
        };
        let (dialled, accepted) = tokio::join!(host.connect_secured(&address, None), serving);
        let dialled = dialled.expect("connects");
        assert_eq!(accepted.peer(), dialled.local());
        accepted.set_keepalive(Some(Nanos::from_secs(300))).expect("keepalive on");
        converse(dialled, accepted).await;
    });
}

#[test]
fn a_handshake_that_does_not_go_on_ends() {
    in_host(async |host, directory| {
        host.secure(tls_settings(directory)).await.expect("good certificates");
        let everywhere = Endpoint::Tls(Address { host: "127.0.0.1".to_owned(), port: 0 });
        let mut listener = host.listen(&everywhere, 16).await.expect("listens");
        let address = Address { host: "127.0.0.1".to_owned(), port: port_of(listener.endpoint()) };
        let mut silent = host.connect(&address, None).await.expect("connects");
        let mut accepted = listener.accept().await.expect("accepts");
        silent.write_all(&[0x16, 3, 1]).await.expect("sent");
        // From here on time passes as fast as it is waited for.
        tokio::time::pause();
        let error = accepted.read_u8().await.expect_err("nothing was agreed");
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        let error = accepted.write_all(b"more").await.expect_err("it has failed for good");
        assert_eq!(error.kind(), std::io::ErrorKind::NotConnected);
    });
}

#[test]
fn nothing_is_encrypted_before_there_are_certificates() {
    in_host(async |host, directory| {
        let address = Address { host: "127.0.0.1".to_owned(), port: 0 };
        let mut listener = host.listen(&Endpoint::Tls(address.clone()), 16).await.expect("listens");
        let address = Address { port: port_of(listener.endpoint()), ..address };
        let _waiting = host.connect(&address, None).await.expect("connects");
        assert!(listener.accept().await.is_err());
        assert!(host.connect_secured(&address, None).await.is_err());
        let mut settings = tls_settings(directory);
        settings.identity.key_file = "missing.key".into();
        let error = host.secure(settings).await.expect_err("there is no such key");
        assert!(error.to_string().contains("missing.key"), "{error}");
    });
}
