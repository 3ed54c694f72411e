//! A message that no request asked for. It is encoded once, without its first byte: that alone tells an
//! array of RESP2 from a push of RESP3, so the same bytes serve every subscriber.

use bytes::{BufMut, Bytes, BytesMut};
use squall_resp::{Output, Protocol, encode_command};

use crate::session::ClientId;

/// An encoded message, shared by cloning.
#[derive(Clone, Debug)]
pub struct Message {
    /// All but the first byte.
    body: Bytes,
}

impl Message {
    /// A message of these parts, each a bulk string.
    pub fn of(parts: &[&[u8]]) -> Message {
        let mut encoded = BytesMut::new();
        encode_command(&mut encoded, parts.iter().copied());
        Message { body: encoded.freeze().slice(1..) }
    }

    /// What SUBSCRIBE and its kin answer for one channel: `name` is missing where there was none to leave.
    pub fn confirmation(verb: &str, name: Option<&[u8]>, count: usize, protocol: Protocol) -> Message {
        let mut body = BytesMut::with_capacity(64);
        body.put_slice(b"3\r\n");
        put_bulk(&mut body, verb.as_bytes());
        match (name, protocol) {
            (Some(name), _) => put_bulk(&mut body, name),
            (None, Protocol::Resp2) => body.put_slice(b"$-1\r\n"),
            (None, Protocol::Resp3) => body.put_slice(b"_\r\n"),
        }
        body.put_slice(format!(":{count}\r\n").as_bytes());
        Message { body: body.freeze() }
    }

    /// What was read is no longer so: the keys, or all. In RESP2 a message on a channel.
    pub fn invalidation(channel: Option<&[u8]>, keys: Option<&[Bytes]>) -> Message {
        let mut body = BytesMut::with_capacity(64);
        match channel {
            Some(channel) => {
                body.put_slice(b"3\r\n");
                put_bulk(&mut body, b"message");
                put_bulk(&mut body, channel);
            }
            None => {
                body.put_slice(b"2\r\n");
                put_bulk(&mut body, b"invalidate");
            }
        }
        match keys {
            Some(keys) => {
                body.put_slice(format!("*{}\r\n", keys.len()).as_bytes());
                keys.iter().for_each(|key| put_bulk(&mut body, key));
            }
            None if channel.is_some() => body.put_slice(b"*-1\r\n"),
            None => body.put_slice(b"_\r\n"),
        }
        Message { body: body.freeze() }
    }

    /// Invalidations went to another client, which is gone.
    pub fn broken_redirection(target: ClientId) -> Message {
        let mut body = BytesMut::with_capacity(64);
        body.put_slice(b"2\r\n");
        put_bulk(&mut body, b"tracking-redir-broken");
        body.put_slice(format!(":{}\r\n", target.0).as_bytes());
        Message { body: body.freeze() }
    }

    /// Appends the message as `protocol` has it.
    pub fn write(&self, output: &mut Output, protocol: Protocol) {
        output.extend(match protocol {
            Protocol::Resp2 => b"*",
            Protocol::Resp3 => b">",
        });
        output.push_bytes(self.body.clone());
    }
}

fn put_bulk(body: &mut BytesMut, bytes: &[u8]) {
    body.put_slice(format!("${}\r\n", bytes.len()).as_bytes());
    body.put_slice(bytes);
    body.put_slice(b"\r\n");
}
