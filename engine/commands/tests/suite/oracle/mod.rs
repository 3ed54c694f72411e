//! A real redis-server to compare with: started on a socket of its own in a temporary directory, ended with
//! the test. Tests that need it say so and pass when the machine has none.

// The test drives a real process over a real socket: nothing here is simulated.
#![allow(dead_code, clippy::disallowed_methods)]

pub mod subject;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bytes::BytesMut;
use squall_resp::{Limits, Parsed, RequestParser, Value, decode, encode_command};

/// A running redis-server.
pub struct Oracle {
    process: Child,
    directory: tempfile::TempDir,
}

impl Oracle {
    /// Starts redis-server with further options; `None`, with a message, if there is none on this machine.
    pub fn start(options: &[&str]) -> Option<Oracle> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path();
        let process = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--enable-debug-command", "yes"])
            .args(["--repl-diskless-sync", "no", "--hz", "1"])
            .args([
                "--unixsocket".as_ref(),
                path.join("socket").as_os_str(),
                "--dir".as_ref(),
                path.as_os_str(),
            ])
            .args(options)
            .stdout(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Some(Oracle { process, directory }),
            Err(error) => {
                println!("skipped: redis-server does not start here: {error}");
                None
            }
        }
    }

    pub fn connect(&mut self) -> Connection {
        // The server opens its socket a few milliseconds after its start; there is nothing to wait on but the socket.
        for _ in 0..1_000 {
            if let Ok(stream) = UnixStream::connect(self.directory.path().join("socket")) {
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket takes a timeout");
                return Connection { stream, input: BytesMut::new() };
            }
            assert!(self.process.try_wait().expect("a child can be asked").is_none(), "redis-server ended");
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("redis-server does not listen");
    }
}

impl Drop for Oracle {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub struct Connection {
    stream: UnixStream,
    input: BytesMut,
}

impl Connection {
    /// Sends a request and returns its reply, byte for byte.
    pub fn ask(&mut self, args: &[Vec<u8>]) -> Vec<u8> {
        self.send_request(args);
        self.reply()
    }

    pub fn send_request(&mut self, args: &[Vec<u8>]) {
        let mut request = BytesMut::new();
        encode_command(&mut request, args.iter().map(Vec::as_slice));
        self.send(&request);
    }

    pub fn ask_words(&mut self, words: &str) -> Vec<u8> {
        self.ask(&words.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("redis-server reads");
    }

    pub fn reply(&mut self) -> Vec<u8> {
        loop {
            let reply =
                decode(&self.input).unwrap_or_else(|error| panic!("{error}: {}", self.input.escape_ascii()));
            if let Some((_, len)) = reply {
                return self.input.split_to(len).to_vec();
            }
            self.receive();
        }
    }

    /// Turns the connection into a replica's, and passes over the snapshot.
    pub fn replicate(mut self) -> Stream {
        self.send(b"SYNC\r\n");
        let header = loop {
            let line_len = self.input.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            match line_len.map(|len| self.input.split_to(len)) {
                Some(line) if line.starts_with(b"$") => break line,
                Some(_) => {}
                None => self.receive(),
            }
        };
        let len: usize =
            std::str::from_utf8(&header[1..]).unwrap().trim().parse().expect("a snapshot from the disk");
        while self.input.len() < len {
            self.receive();
        }
        let _ = self.input.split_to(len);
        Stream { connection: self, parser: RequestParser::new() }
    }

    fn receive(&mut self) {
        let mut chunk = [0; 65_536];
        let count = self.stream.read(&mut chunk).expect("redis-server answers in time");
        assert!(count > 0, "redis-server closed the connection");
        self.input.extend_from_slice(&chunk[..count]);
    }
}

/// What a primary sends to its replica.
pub struct Stream {
    connection: Connection,
    parser: RequestParser,
}

impl Stream {
    pub fn next(&mut self) -> Vec<Vec<u8>> {
        loop {
            match self
                .parser
                .parse(&self.connection.input, &Limits::default())
                .expect("a primary sends requests")
            {
                Parsed::Incomplete => self.connection.receive(),
                Parsed::Empty { consumed } => drop(self.connection.input.split_to(consumed)),
                Parsed::Command { consumed } => {
                    let args = self.parser.args(&self.connection.input).iter().map(<[u8]>::to_vec).collect();
                    let _ = self.connection.input.split_to(consumed);
                    return args;
                }
            }
        }
    }
}

/// A reply as a value, for comparing where bytes may differ.
pub fn value(reply: &[u8]) -> Value {
    decode(reply).expect("a reply").expect("a whole reply").0
}
