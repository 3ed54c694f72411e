//! Requests to a server and its replies, over one connection that waits: how the comparison fills servers
//! and asks them how they are.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use squall_resp::{Value, decode, encode_command};

use crate::Failure;
use crate::interrupt::Interrupt;

/// No reply takes longer: it is SAVE's of the largest dataset.
const REPLY_TIME_MAX: Duration = Duration::from_secs(120);
const POLL_INTERVAL: Duration = Duration::from_millis(5);
const READ_BYTES: usize = 64 * 1024;
/// Requests that are sent before their replies are read.
const REQUESTS_PER_BATCH: usize = 1_000;

pub struct Conversation {
    stream: TcpStream,
    received: BytesMut,
}

impl Conversation {
    pub fn with(port: u16) -> Result<Conversation, Failure> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_TIME_MAX))?;
        Ok(Conversation { stream, received: BytesMut::new() })
    }

    /// One request; an error reply is an error here.
    pub fn ask(&mut self, words: &[&str]) -> Result<Value, Failure> {
        let mut request = BytesMut::new();
        encode_command(&mut request, words.iter().map(|word| word.as_bytes()));
        self.stream.write_all(&request)?;
        self.reply().map_err(|error| format!("{}: {error}", words.join(" ")).into())
    }

    /// Many requests, which all must succeed.
    pub fn pour(
        &mut self,
        requests: impl Iterator<Item = Vec<String>>,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let mut requests = requests.peekable();
        while requests.peek().is_some() {
            interrupt.check()?;
            let (mut bytes, mut count) = (BytesMut::new(), 0);
            for words in requests.by_ref().take(REQUESTS_PER_BATCH) {
                encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
                count += 1;
            }
            self.stream.write_all(&bytes)?;
            for _ in 0..count {
                self.reply()?;
            }
        }
        Ok(())
    }

    /// A field of INFO.
    pub fn info(&mut self, section: &str, field: &str) -> Result<String, Failure> {
        let text = match self.ask(&["INFO", section])? {
            Value::Bulk(text) => String::from_utf8_lossy(&text).into_owned(),
            other => return Err(format!("INFO was answered with {other:?}").into()),
        };
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.map(str::to_owned).ok_or_else(|| format!("INFO {section} has no field {field}").into())
    }

    /// Waits until a field of INFO has this value.
    pub fn await_info(
        &mut self,
        section: &str,
        field: &str,
        value: &str,
        interrupt: &Interrupt,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + REPLY_TIME_MAX;
        while self.info(section, field)? != value {
            if Instant::now() > deadline {
                return Err(format!("{field} did not become {value} in time").into());
            }
            interrupt.sleep(POLL_INTERVAL)?;
        }
        Ok(())
    }

    fn reply(&mut self) -> Result<Value, Failure> {
        loop {
            match decode(&self.received).map_err(|error| format!("no reply: {error:?}"))? {
                Some((Value::Error(text), _)) => return Err(text.into()),
                Some((value, length)) => {
                    self.received.advance(length);
                    return Ok(value);
                }
                None => self.receive()?,
            }
        }
    }

    fn receive(&mut self) -> Result<(), Failure> {
        let mut bytes = [0; READ_BYTES];
        let count = self.stream.read(&mut bytes)?;
        if count == 0 {
            return Err("the server closed the connection".into());
        }
        self.received.extend_from_slice(&bytes[..count]);
        Ok(())
    }
}
