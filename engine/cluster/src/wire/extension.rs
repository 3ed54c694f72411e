//! What may follow the gossip in PING, PONG and MEET: names and memberships that the header has no room for.
//!
//! ```text
//! type 0  hostname          text, zero-terminated, filled with zeros to a multiple of 8
//! type 1  human node name   the same
//! type 2  forgotten node    | name 40 | seconds 8 |
//! type 3  shard             | name 40 |
//! type 4  client address, IPv4; type 5 IPv6 (Valkey): text as above
//! ```
//!
//! Others are passed over: a newer server may know more.

use bytes::{BufMut, BytesMut};

use super::WireError;
use crate::identity::NAME_BYTES;
use crate::{NodeId, ShardId};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Extension {
    Hostname(String),
    HumanName(String),
    Forgotten { node: NodeId, seconds: u64 },
    Shard(ShardId),
    ClientIpv4(String),
    ClientIpv6(String),
    Unknown(u16),
}

/// Bytes of an extension's own header.
const HEAD_BYTES: usize = 8;
/// Longest text, as other servers limit hostnames.
pub const TEXT_BYTES_MAX: usize = 255;

impl Extension {
    fn number(&self) -> u16 {
        match self {
            Extension::Hostname(_) => 0,
            Extension::HumanName(_) => 1,
            Extension::Forgotten { .. } => 2,
            Extension::Shard(_) => 3,
            Extension::ClientIpv4(_) => 4,
            Extension::ClientIpv6(_) => 5,
            Extension::Unknown(number) => *number,
        }
    }

    pub(super) fn encode(&self, output: &mut BytesMut) {
        let start = output.len();
        output.put_u32(0);
        output.put_u16(self.number());
        output.put_u16(0);
        match self {
            Extension::Hostname(text)
            | Extension::HumanName(text)
            | Extension::ClientIpv4(text)
            | Extension::ClientIpv6(text) => {
                output.put_slice(text.as_bytes());
                output.put_u8(0);
            }
            Extension::Forgotten { node, seconds } => {
                output.put_slice(&node.text());
                output.put_u64(*seconds);
            }
            Extension::Shard(shard) => output.put_slice(&shard.text()),
            Extension::Unknown(_) => {}
        }
        let len = (output.len() - start).next_multiple_of(8);
        output.resize(start + len, 0);
        output[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
    }

    /// Reads one extension from the beginning of `input`, and gives back what follows it.
    pub(super) fn decode(input: &[u8]) -> Result<(Extension, &[u8]), WireError> {
        let head = input.first_chunk::<HEAD_BYTES>().ok_or(WireError::Extension)?;
        let len = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = u16::from_be_bytes([head[4], head[5]]);
        if len < HEAD_BYTES || !len.is_multiple_of(8) || len > input.len() {
            return Err(WireError::Extension);
        }
        let (content, rest) = (&input[HEAD_BYTES..len], &input[len..]);
        let name = || content.get(..NAME_BYTES).ok_or(WireError::Extension);
        let extension = match kind {
            0 => Extension::Hostname(text(content)?),
            1 => Extension::HumanName(text(content)?),
            2 => Extension::Forgotten {
                node: NodeId::parse(name()?).ok_or(WireError::NodeName)?,
                seconds: match content.get(NAME_BYTES..NAME_BYTES + 8) {
                    Some(bytes) => u64::from_be_bytes(bytes.try_into().expect("eight bytes")),
                    None => return Err(WireError::Extension),
                },
            },
            3 => Extension::Shard(ShardId::parse(name()?).ok_or(WireError::NodeName)?),
            4 => Extension::ClientIpv4(text(content)?),
            5 => Extension::ClientIpv6(text(content)?),
            other => Extension::Unknown(other),
        };
        Ok((extension, rest))
    }
}

/// A text of letters that can be shown on one line and hold no separator of nodes.conf.
fn text(bytes: &[u8]) -> Result<String, WireError> {
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(WireError::Text)?;
    let text = &bytes[..end];
    let plain = |&byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b',' | b'"' | b'\'' | b'\\' | b'=');
    if text.len() > TEXT_BYTES_MAX || !text.iter().all(plain) {
        return Err(WireError::Text);
    }
    Ok(String::from_utf8(text.to_vec()).expect("ASCII"))
}
