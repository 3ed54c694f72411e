//! A plain blocking client, for what the tests say to servers themselves.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use squall_resp::{Value, decode, encode_command};

use crate::harness::PATIENCE;

pub struct Client {
    stream: TcpStream,
    received: BytesMut,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        Client::over(stream)
    }

    /// None: nobody listens.
    pub fn try_connect(port: u16) -> Option<Client> {
        TcpStream::connect(("127.0.0.1", port)).ok().map(Client::over)
    }

    pub fn over(stream: TcpStream) -> Client {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Client { stream, received: BytesMut::new() }
    }

    /// The reply to one command, errors included.
    pub fn ask<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Value {
        self.try_ask(arguments).unwrap_or_else(|| panic!("the connection closed before the reply"))
    }

    /// The reply to one command, or `None` if the connection closes first.
    pub fn try_ask<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Option<Value> {
        let mut request = BytesMut::new();
        encode_command(&mut request, arguments.iter().map(AsRef::as_ref));
        self.stream.write_all(&request).ok()?;
        self.try_read()
    }

    /// The reply to a command that must succeed.
    pub fn done<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Value {
        let reply = self.ask(arguments);
        if let Value::Error(error) = &reply {
            let words: Vec<_> = arguments.iter().map(|word| String::from_utf8_lossy(word.as_ref())).collect();
            panic!("{}: {error}", words.join(" "));
        }
        reply
    }

    /// The reply to a command that must succeed with a text, or with nothing.
    pub fn text<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Option<String> {
        match self.done(arguments) {
            Value::Simple(text) | Value::Verbatim { text, .. } => Some(text),
            Value::Bulk(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
            Value::Null => None,
            other => panic!("expected a text, got {other:?}"),
        }
    }

    /// The reply to a command that must succeed with a number.
    pub fn integer<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> i64 {
        match self.done(arguments) {
            Value::Integer(integer) => integer,
            other => panic!("expected an integer, got {other:?}"),
        }
    }

    pub fn info(&mut self, field: &str) -> Option<String> {
        let text = self.text(&["INFO", "everything"])?;
        let line = text.lines().find(|line| line.split(':').next() == Some(field))?;
        line.split_once(':').map(|(_, value)| value.trim().to_owned())
    }

    pub fn pings(&mut self) -> bool {
        self.stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
            && self.try_ask(&["PING"]) == Some(Value::Simple("PONG".into()))
    }

    /// Writes bytes as they are. A peer that has closed the connection is not an error here: the tests
    /// that send nonsense expect it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    pub fn finish_sending(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    pub fn read(&mut self) -> Value {
        self.try_read().unwrap_or_else(|| panic!("the connection closed before the reply"))
    }

    pub fn try_read(&mut self) -> Option<Value> {
        loop {
            match decode(&self.received) {
                Ok(Some((value, len))) => {
                    self.received.advance(len);
                    return Some(value);
                }
                Ok(None) => {}
                Err(error) => panic!("not a reply: {error:?} in {:?}", self.received),
            }
            let mut chunk = [0; 16 * 1024];
            match self.stream.read(&mut chunk) {
                Ok(0) => return None,
                Ok(count) => self.received.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no reply: {error}"),
            }
        }
    }

    /// Everything that still comes until the peer closes, as it came.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.received).to_vec();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => bytes,
            Err(error) => panic!("the peer does not close: {error}"),
        }
    }
}
