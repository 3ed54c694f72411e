//! Reading messages, from bytes that nobody vouches for.

use bytes::Bytes;

use super::{
    ADDRESS_BYTES, Body, EPOCH_MAX, Extension, GOSSIP_BYTES, GossipEntry, GossipKind, HEADER_BYTES, Header,
    LIGHT, LIGHT_HEADER_BYTES, MESSAGE_BYTES_MAX, Message, MessageFlags, NodeFlags, Ports, Published,
    SQUALL_MARK, WireError,
};
use crate::identity::NAME_BYTES;
use crate::slots::SlotSet;
use crate::{Epoch, NodeId};

/// How long the message at the beginning of `input` is, once that can be told. `bytes_max`: how much this
/// sender is trusted to say at once.
pub fn frame_bytes(input: &[u8], bytes_max: usize) -> Result<Option<usize>, WireError> {
    let signature = &input[..input.len().min(4)];
    if !b"RCmb".starts_with(signature) {
        return Err(WireError::Signature);
    }
    let Some(head) = input.first_chunk::<8>() else { return Ok(None) };
    let len = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
    if len < LIGHT_HEADER_BYTES {
        return Err(WireError::Length { kind: 0, bytes: len });
    }
    if len > bytes_max.min(MESSAGE_BYTES_MAX) {
        return Err(WireError::TooLong(len));
    }
    Ok(Some(len))
}

/// Reads one whole message, as [`frame_bytes`] measured it.
pub fn decode(frame: &Bytes) -> Result<Message, WireError> {
    if frame.len() < LIGHT_HEADER_BYTES {
        return Err(WireError::Length { kind: 0, bytes: frame.len() });
    }
    let mut words = Words { rest: frame };
    if words.take::<4>() != *b"RCmb" {
        return Err(WireError::Signature);
    }
    let len = words.u32() as usize;
    let version = words.u16();
    let client_port = words.u16();
    let kind = words.u16();
    let entries = words.u16();
    let wrong_length = WireError::Length { kind, bytes: frame.len() };
    if len != frame.len() {
        return Err(wrong_length);
    }
    if version != 1 {
        return Err(WireError::Version(version));
    }
    if kind & LIGHT != 0 {
        let sharded = match kind & !LIGHT {
            4 => false,
            10 => true,
            _ => return Err(wrong_length),
        };
        return Ok(Message::Light(
            published(frame.slice(LIGHT_HEADER_BYTES..), sharded).ok_or(wrong_length)?,
        ));
    }
    if frame.len() < HEADER_BYTES {
        return Err(wrong_length);
    }
    let (header, extensions) = header(words, client_port)?;
    let data = frame.slice(HEADER_BYTES..);
    let body = match kind {
        0..=2 => {
            let kind = [GossipKind::Ping, GossipKind::Pong, GossipKind::Meet][usize::from(kind)];
            gossip(kind, &data, entries, extensions).transpose()?.ok_or(wrong_length)?
        }
        3 => Body::Fail(name(data.as_ref().try_into().map_err(|_| wrong_length)?)?),
        4 | 10 => Body::Publish(published(data, kind == 10).ok_or(wrong_length)?),
        5 | 6 | 8 if !data.is_empty() => return Err(wrong_length),
        5 => Body::VoteRequest,
        6 => Body::Vote,
        7 => update(&data, wrong_length)?,
        8 => Body::ManualFailoverStart,
        9 => Body::Module,
        other => Body::Unknown(other),
    };
    Ok(Message::Full { header, body })
}

/// The header after its first sixteen bytes, and how many extensions it announces.
fn header(mut words: Words<'_>, client_port: u16) -> Result<(Header, u16), WireError> {
    let current_epoch = epoch(&mut words)?;
    let config_epoch = epoch(&mut words)?;
    let repl_offset = words.u64();
    let sender = NodeId::parse(&words.take::<NAME_BYTES>()).ok_or(WireError::SenderName)?;
    let slots = SlotSet::from_wire(words.bytes::<2048>());
    let primary = optional_name(&words.take::<NAME_BYTES>())?;
    let host = address(&words.take::<ADDRESS_BYTES>())?;
    let extensions = words.u16();
    let mark = words.take::<6>();
    let [_, _] = words.take::<2>();
    let view = words.u64();
    let _ = words.take::<14>();
    let plain = words.u16();
    let bus = words.u16();
    let flags = NodeFlags(words.u16());
    let [state] = words.take::<1>();
    let [message, _, _] = words.take::<3>();
    let header = Header {
        sender,
        primary,
        current_epoch,
        config_epoch,
        repl_offset,
        slots,
        host,
        // A bus port that is not named is where it always is.
        ports: Ports { client: client_port, bus: bus_port(bus, client_port), plain },
        flags,
        cluster_ok: state == 0,
        message: MessageFlags {
            paused: message & 1 != 0,
            force_vote: message & 2 != 0,
            extensions: message & 4 != 0,
        },
        is_squall: mark == SQUALL_MARK,
        view: if mark == SQUALL_MARK { view } else { 0 },
    };
    Ok((header, extensions))
}

fn gossip(kind: GossipKind, data: &[u8], entries: u16, extensions: u16) -> Option<Result<Body, WireError>> {
    let (entry_bytes, mut rest) = data.split_at_checked(usize::from(entries) * GOSSIP_BYTES)?;
    let entries: Result<Vec<GossipEntry>, WireError> =
        entry_bytes.as_chunks::<GOSSIP_BYTES>().0.iter().map(entry).collect();
    let mut found = Vec::new();
    for _ in 0..extensions {
        match Extension::decode(rest) {
            Ok((extension, after)) => {
                found.push(extension);
                rest = after;
            }
            Err(error) => return Some(Err(error)),
        }
    }
    rest.is_empty().then(|| Ok(Body::Gossip { kind, entries: entries?, extensions: found }))
}

fn entry(bytes: &[u8; GOSSIP_BYTES]) -> Result<GossipEntry, WireError> {
    let mut words = Words { rest: bytes };
    let node = name(&words.take::<NAME_BYTES>())?;
    let ping_sent_s = words.u32();
    let pong_received_s = words.u32();
    let host = address(&words.take::<ADDRESS_BYTES>())?;
    let client = words.u16();
    let bus = words.u16();
    let flags = NodeFlags(words.u16());
    let plain = words.u16();
    let ports = Ports { client, bus: bus_port(bus, client), plain };
    Ok(GossipEntry { node, ping_sent_s, pong_received_s, host, ports, flags })
}

fn update(data: &[u8], wrong_length: WireError) -> Result<Body, WireError> {
    if data.len() != 8 + NAME_BYTES + 2048 {
        return Err(wrong_length);
    }
    let mut words = Words { rest: data };
    let config_epoch = epoch(&mut words)?;
    let node = name(&words.take::<NAME_BYTES>())?;
    Ok(Body::Update { config_epoch, node, slots: SlotSet::from_wire(words.bytes::<2048>()) })
}

fn published(data: Bytes, sharded: bool) -> Option<Published> {
    let lengths = data.first_chunk::<8>()?;
    let channel = u32::from_be_bytes([lengths[0], lengths[1], lengths[2], lengths[3]]) as usize;
    let message = u32::from_be_bytes([lengths[4], lengths[5], lengths[6], lengths[7]]) as usize;
    let middle = channel.checked_add(8)?;
    if middle.checked_add(message)? != data.len() {
        return None;
    }
    Some(Published { sharded, channel: data.slice(8..middle), message: data.slice(middle..) })
}

fn bus_port(bus: u16, client: u16) -> u16 {
    if bus == 0 { client.saturating_add(10_000) } else { bus }
}

fn epoch(words: &mut Words<'_>) -> Result<Epoch, WireError> {
    let epoch = Epoch(words.u64());
    if epoch <= EPOCH_MAX { Ok(epoch) } else { Err(WireError::Epoch(epoch)) }
}

fn name(bytes: &[u8; NAME_BYTES]) -> Result<NodeId, WireError> {
    NodeId::parse(bytes).ok_or(WireError::NodeName)
}

/// Forty zeros are nobody.
fn optional_name(bytes: &[u8; NAME_BYTES]) -> Result<Option<NodeId>, WireError> {
    if bytes[0] == 0 { Ok(None) } else { name(bytes).map(Some) }
}

/// The letters of an IP address or a hostname, up to the first zero.
fn address(bytes: &[u8; ADDRESS_BYTES]) -> Result<String, WireError> {
    let end = bytes.iter().position(|&byte| byte == 0).ok_or(WireError::Text)?;
    let plain = |&byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'-' | b'_' | b'%');
    if !bytes[..end].iter().all(plain) {
        return Err(WireError::Text);
    }
    Ok(String::from_utf8(bytes[..end].to_vec()).expect("ASCII"))
}

/// Takes fixed pieces from bytes whose length has been checked.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn bytes<const N: usize>(&mut self) -> &'a [u8; N] {
        let (piece, rest) = self.rest.split_first_chunk::<N>().expect("the length was checked before");
        self.rest = rest;
        piece
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        *self.bytes::<N>()
    }

    fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }
}
