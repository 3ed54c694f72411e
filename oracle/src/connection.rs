//! A client's connection to either server, and the connection of a replica: it asks, waits, and hands back the
//! bytes as they came.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use bytes::BytesMut;
use squall_resp::{Limits, Parsed, RequestParser, Value, decode, encode_command};

/// A request, word by word.
pub type Words = Vec<Vec<u8>>;

/// The longest that a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long a look lasts at whether something has come.
const GLANCE: Duration = Duration::from_millis(1);

trait Wire: Read + Write + Send {
    fn set_patience(&self, patience: Duration) -> io::Result<()>;
}

impl Wire for UnixStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

impl Wire for TcpStream {
    fn set_patience(&self, patience: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(patience))
    }
}

pub struct Connection {
    wire: Box<dyn Wire>,
    input: BytesMut,
}

impl Connection {
    pub fn over_unix(stream: UnixStream) -> Connection {
        Connection { wire: Box::new(stream), input: BytesMut::new() }
    }

    pub fn over_tcp(stream: TcpStream) -> Connection {
        // What is sent is small and waited for.
        let _ = stream.set_nodelay(true);
        Connection { wire: Box::new(stream), input: BytesMut::new() }
    }

    pub fn send(&mut self, words: &[Vec<u8>]) -> io::Result<()> {
        let mut request = BytesMut::new();
        encode_command(&mut request, words.iter().map(Vec::as_slice));
        self.wire.write_all(&request)
    }

    pub fn ask(&mut self, words: &[Vec<u8>]) -> io::Result<Vec<u8>> {
        self.send(words)?;
        self.frame()
    }

    /// Asks with words that hold no blank, and decodes the reply.
    pub fn ask_line(&mut self, line: &str) -> io::Result<Value> {
        let reply = self.ask(&words_of(line))?;
        Ok(value(&reply))
    }

    /// The next frame: a reply, or a push.
    pub fn frame(&mut self) -> io::Result<Vec<u8>> {
        self.wire.set_patience(PATIENCE)?;
        loop {
            if let Some(frame) = self.whole_frame()? {
                return Ok(frame);
            }
            self.receive()?;
        }
    }

    /// The next frame, if it is there or comes within a moment.
    pub fn glance(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Some(frame) = self.whole_frame()? {
            return Ok(Some(frame));
        }
        self.wire.set_patience(GLANCE)?;
        match self.receive() {
            Ok(()) => self.whole_frame(),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Turns the connection into a replica's, and passes over the dataset.
    pub fn replicate(mut self) -> io::Result<Effects> {
        self.wire.set_patience(PATIENCE)?;
        self.wire.write_all(b"SYNC\r\n")?;
        let header = loop {
            let line_len = self.input.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
            match line_len.map(|len| self.input.split_to(len)) {
                Some(line) if line.starts_with(b"$") => break line,
                Some(line) if line.starts_with(b"-") => {
                    let refusal = String::from_utf8_lossy(&line).trim().to_owned();
                    return Err(io::Error::other(format!("SYNC is refused: {refusal}")));
                }
                Some(_) => {}
                None => self.receive()?,
            }
        };
        let len = std::str::from_utf8(&header[1..]).ok().and_then(|text| text.trim().parse().ok());
        let len: usize = len.ok_or_else(|| io::Error::other("the dataset's length is no number"))?;
        while self.input.len() < len {
            self.receive()?;
        }
        let _ = self.input.split_to(len);
        Ok(Effects { connection: self, parser: RequestParser::new() })
    }

    fn whole_frame(&mut self) -> io::Result<Option<Vec<u8>>> {
        let found = decode(&self.input).map_err(|error| io::Error::other(format!("no reply: {error}")))?;
        Ok(found.map(|(_, len)| self.input.split_to(len).to_vec()))
    }

    fn receive(&mut self) -> io::Result<()> {
        let mut chunk = [0; 65_536];
        // A signal to this process is no answer.
        let read = loop {
            match self.wire.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        match read {
            0 => Err(io::Error::new(ErrorKind::UnexpectedEof, "the server closed the connection")),
            count => {
                self.input.extend_from_slice(&chunk[..count]);
                Ok(())
            }
        }
    }
}

/// What a primary sends to its replica.
pub struct Effects {
    connection: Connection,
    parser: RequestParser,
}

impl Effects {
    pub fn next_command(&mut self) -> io::Result<Words> {
        loop {
            let input = &mut self.connection.input;
            let parsed = self.parser.parse(input, &Limits::default());
            match parsed.map_err(|error| io::Error::other(format!("no request: {error}")))? {
                Parsed::Incomplete => self.connection.receive()?,
                Parsed::Empty { consumed } => drop(input.split_to(consumed)),
                Parsed::Command { consumed } => {
                    let words = self.parser.args(input).iter().map(<[u8]>::to_vec).collect();
                    let _ = input.split_to(consumed);
                    return Ok(words);
                }
            }
        }
    }
}

pub fn words_of(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// A frame that has been found whole, decoded.
pub fn value(frame: &[u8]) -> Value {
    match decode(frame) {
        Ok(Some((value, _))) => value,
        _ => unreachable!("frames are cut where a reply ends"),
    }
}
