//! The binary as a process: arguments, configuration files, the log, signals, the background, sockets.

use std::io::{Read, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;

use squall_resp::Value;

use crate::client::Client;
use crate::harness::{PATIENCE, Server, eventually, free_port, is_listening, run, words};

const SQUALL: &str = env!("CARGO_BIN_EXE_squall-server");

#[test]
fn version_and_help_speak_and_end() {
    let version = words(SQUALL, &["-v"], b"");
    assert_eq!(version.lines().count(), 1);
    assert!(version.contains(" v=8."), "{version}");
    assert_eq!(version, words(SQUALL, &["--version"], b""));
    let help = words(SQUALL, &["--help"], b"");
    assert!(help.contains("--PARAMETER VALUE"), "{help}");
    assert_eq!(help, words(SQUALL, &["-h"], b""));
}

#[test]
fn a_bad_option_is_refused_with_a_hint() {
    let output = run(SQUALL, &["--prot", "1"], b"");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("'prot 1'") && complaint.contains("did you mean 'port'?"), "{complaint}");
}

#[test]
fn a_missing_configuration_file_is_named() {
    let output = run(SQUALL, &["/nowhere/squall.conf"], b"");
    assert!(!output.status.success());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(complaint.contains("/nowhere/squall.conf"), "{complaint}");
}

#[test]
fn the_command_line_wins_over_the_file_and_the_file_may_come_from_standard_input() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port().to_string();
    let mut server = Command::new("timeout")
        .args([&PATIENCE.as_secs().to_string(), SQUALL, "-", "--port", &port, "--dir"])
        .arg(directory.path())
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let mut pipe = server.stdin.take().expect("it was asked for");
    pipe.write_all(b"# a comment\nport 1\nmaxmemory 5mb\nsave \"\"\n").expect("written");
    drop(pipe);
    let port = port.parse().expect("a number");
    eventually("it answers", || is_listening(port));
    let mut client = Client::connect(port);
    let value = client.ask(&["CONFIG", "GET", "maxmemory"]);
    assert!(format!("{value:?}").contains("5242880"), "{value:?}");
    client.send(b"SHUTDOWN NOSAVE\r\n");
    assert!(server.wait().expect("a child of ours").success());
}

/// DEBUG RESTART ends in order and keeps the settings in force; DEBUG CRASH-AND-RECOVER does neither.
#[test]
fn a_server_begins_anew_in_the_same_process() {
    let mut server =
        Server::squall(&["--appendonly", "yes", "--appendfsync", "always", "--maxmemory", "5mb"]);
    let mut client = server.client();
    client.done(&["SET", "first", "1"]);
    client.done(&["CONFIG", "SET", "maxmemory", "6mb"]);
    let life = client.info("run_id");
    assert!(client.try_ask(&["DEBUG", "RESTART", "10"]).is_none(), "the connection ends");
    eventually("it answers", || is_listening(server.port()));
    let mut client = server.client();
    eventually("it has loaded", || client.ask(&["GET", "first"]) == Value::Bulk("1".into()));
    assert_ne!(client.info("run_id"), life, "another life");
    assert_eq!(client.info("process_id"), Some(server.process_id().to_string()), "of the same process");
    assert_eq!(client.info("maxmemory"), Some("6291456".into()));
    client.done(&["SET", "second", "2"]);
    client.done(&["CONFIG", "SET", "maxmemory", "7mb"]);
    assert!(client.try_ask(&["DEBUG", "CRASH-AND-RECOVER"]).is_none(), "the connection ends");
    eventually("it answers", || is_listening(server.port()));
    let mut client = server.client();
    eventually("it has loaded", || client.ask(&["GET", "second"]) == Value::Bulk("2".into()));
    assert_eq!(client.info("maxmemory"), Some("6291456".into()), "as this life began");
    server.signal("TERM");
    assert!(server.await_exit().success(), "signals are heard");
}

#[test]
fn log_lines_have_the_form_that_operators_know() {
    let server = Server::squall(&["--logfile", "server.log"]);
    let log = std::fs::read_to_string(server.file("server.log")).expect("the log");
    let ready = log.lines().find(|line| line.ends_with("Ready to accept connections")).expect("it is ready");
    // pid:role DD Mon YYYY HH:MM:SS.mmm level message
    let words: Vec<&str> = ready.splitn(7, ' ').collect();
    assert_eq!(words[0], format!("{}:M", server.process_id()));
    assert_eq!((words[1].len(), words[2].len(), words[3].len()), (2, 3, 4), "{ready}");
    assert_eq!((words[4].len(), &words[4][8..9]), (12, "."), "{ready}");
    assert_eq!(words[5], "*", "{ready}");
}

#[test]
fn a_second_sigint_ends_a_server_that_is_held_up() {
    let mut server = Server::squall(&[]);
    let mut client = server.client();
    client.send(b"DEBUG SLEEP 1000\r\n");
    eventually("the server has read that it is to stall", || has_read_all(server.port()));
    server.signal("INT");
    // The first one is taken, but the stall keeps it from being acted upon.
    eventually("the first signal is taken", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.process_id())).expect("alive");
        let pending = |line: &&str| line.starts_with("SigPnd:") || line.starts_with("ShdPnd:");
        status.lines().filter(pending).all(|line| line.ends_with("\t0000000000000000"))
    });
    server.signal("INT");
    assert_eq!(server.await_exit().code(), Some(1));
}

#[test]
fn the_pid_file_lasts_as_long_as_the_server() {
    let mut server = Server::squall(&["--pidfile", "server.pid"]);
    let path = server.file("server.pid");
    let pid = std::fs::read_to_string(&path).expect("the pid file");
    assert_eq!(pid, format!("{}\n", server.process_id()));
    server.signal("TERM");
    server.await_exit();
    assert!(!path.exists());
}

#[test]
fn daemonize_leaves_a_server_without_a_terminal() {
    let directory = tempfile::tempdir().expect("a directory");
    let port = free_port();
    let path = directory.path().to_str().expect("plain");
    let pidfile = format!("{path}/server.pid");
    let configuration = format!("port {port}\ndir {path}\npidfile {pidfile}\nsave \"\"\n");
    words(SQUALL, &["-", "--daemonize", "yes"], configuration.as_bytes());
    eventually("it answers", || is_listening(port));
    let pid = std::fs::read_to_string(&pidfile).expect("the pid file").trim().to_owned();
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // After the name in brackets: state, parent, process group, session.
    let session = stat.rsplit(") ").next().and_then(|fields| fields.split(' ').nth(3)).map(str::to_owned);
    Client::connect(port).send(b"SHUTDOWN NOSAVE\r\n");
    eventually("it ends", || !std::path::Path::new(&pidfile).exists());
    assert_eq!(session, Some(pid), "it leads a session of its own");
}

#[test]
fn the_service_manager_learns_when_it_is_ready_and_when_it_stops() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager.set_read_timeout(Some(PATIENCE)).expect("set");
    let mut server = Command::new(SQUALL)
        .args(["--port", &free_port().to_string(), "--save", "", "--supervised", "systemd", "--dir"])
        .arg(directory.path())
        .env("NOTIFY_SOCKET", &path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("it starts");
    let hear = |wanted: &str| {
        let mut heard = String::new();
        while !heard.contains(wanted) {
            let mut buffer = [0; 1024];
            let count = manager.recv(&mut buffer).unwrap_or_else(|error| panic!("{error} after {heard:?}"));
            heard.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
    };
    hear("READY=1");
    let status = Command::new("kill").arg(server.id().to_string()).status();
    assert!(status.expect("kill runs").success());
    hear("STOPPING=1");
    assert!(server.wait().expect("a child of ours").success());
}

#[test]
fn a_unix_socket_serves_too() {
    let server = Server::squall(&["--unixsocket", "server.sock", "--unixsocketperm", "700"]);
    let mut stream = UnixStream::connect(server.file("server.sock")).expect("it listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("set");
    stream.write_all(b"CLIENT INFO\r\n").expect("written");
    let mut buffer = [0; 1024];
    let count = stream.read(&mut buffer).expect("an answer");
    let line = String::from_utf8_lossy(&buffer[..count]);
    assert!(line.contains("server.sock:0"), "{line}");
}

#[test]
fn a_taken_port_is_fatal_and_said() {
    let server = Server::squall(&[]);
    let port = server.port().to_string();
    let output = run(SQUALL, &["--port", &port, "--bind", "127.0.0.1", "--save", ""], b"");
    assert_eq!(output.status.code(), Some(1));
    let log = String::from_utf8_lossy(&output.stdout);
    assert!(log.contains(&port) && log.contains("in use"), "{log}");
}

/// Whether nothing that was sent to the port waits in the kernel to be read. A column of `/proc/net/tcp` says it
/// for each connection (state 01), behind the colon of the two queues.
fn has_read_all(port: u16) -> bool {
    let table = std::fs::read_to_string("/proc/net/tcp").expect("the kernel's table");
    let server_end = format!(":{port:04X}");
    let connections = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut ours =
        connections.filter(|fields| fields[1].ends_with(&server_end) && fields[3] == "01").peekable();
    ours.peek().is_some() && ours.all(|fields| fields[4].ends_with(":00000000"))
}
