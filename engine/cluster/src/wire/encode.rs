//! Writing messages.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    ADDRESS_BYTES, Body, GOSSIP_BYTES, GossipEntry, HEADER_BYTES, Header, LIGHT, LIGHT_HEADER_BYTES,
    MessageFlags, Published, SQUALL_MARK,
};
use crate::NodeId;
use crate::identity::NAME_BYTES;

const UNUSED_BYTES: usize = 30;

/// One whole message.
pub fn encode(header: &Header, body: &Body) -> Bytes {
    let mut output = BytesMut::with_capacity(HEADER_BYTES + body_bytes(body));
    let (entries, extensions) = match body {
        Body::Gossip { entries, extensions, .. } => (entries.len(), extensions.len()),
        _ => (0, 0),
    };
    put_header(&mut output, header, body.kind().number(), entries as u16, extensions as u16);
    match body {
        Body::Gossip { entries, extensions, .. } => {
            entries.iter().for_each(|entry| put_entry(&mut output, entry));
            extensions.iter().for_each(|extension| extension.encode(&mut output));
        }
        Body::Fail(node) => output.put_slice(&node.text()),
        Body::Publish(published) => put_published(&mut output, published),
        Body::Update { config_epoch, node, slots } => {
            output.put_u64(config_epoch.0);
            output.put_slice(&node.text());
            output.put_slice(slots.wire());
        }
        Body::VoteRequest | Body::Vote | Body::ManualFailoverStart | Body::Module | Body::Unknown(_) => {}
    }
    let len = output.len() as u32;
    output[4..8].copy_from_slice(&len.to_be_bytes());
    output.freeze()
}

/// What was published, for a peer that reads it so: its bytes without two kilobytes of slots before them.
pub fn encode_light(published: &Published) -> Bytes {
    let bytes = LIGHT_HEADER_BYTES + 8 + published.channel.len() + published.message.len();
    let mut output = BytesMut::with_capacity(bytes);
    output.put_slice(b"RCmb");
    output.put_u32(bytes as u32);
    output.put_u16(1);
    output.put_u16(0);
    output.put_u16(LIGHT | published.kind().number());
    output.put_u16(0);
    put_published(&mut output, published);
    output.freeze()
}

fn put_header(output: &mut BytesMut, header: &Header, kind: u16, entries: u16, extensions: u16) {
    output.put_slice(b"RCmb");
    output.put_u32(0);
    output.put_u16(1);
    output.put_u16(header.ports.client);
    output.put_u16(kind);
    output.put_u16(entries);
    output.put_u64(header.current_epoch.0);
    output.put_u64(header.config_epoch.0);
    output.put_u64(header.repl_offset);
    output.put_slice(&header.sender.text());
    output.put_slice(header.slots.wire());
    put_name(output, header.primary);
    put_address(output, &header.host);
    output.put_u16(extensions);
    let unused = output.len();
    if header.is_squall {
        output.put_slice(&SQUALL_MARK);
        output.put_u16(0);
        output.put_u64(header.view);
    }
    output.resize(unused + UNUSED_BYTES, 0);
    output.put_u16(header.ports.plain);
    output.put_u16(header.ports.bus);
    output.put_u16(header.flags.0);
    output.put_u8(u8::from(!header.cluster_ok));
    let MessageFlags { paused, force_vote, extensions } = header.message;
    output.put_u8(u8::from(paused) | u8::from(force_vote) << 1 | u8::from(extensions) << 2);
    output.put_u16(0);
    assert_eq!(output.len(), HEADER_BYTES, "the header has one length");
}

fn put_entry(output: &mut BytesMut, entry: &GossipEntry) {
    output.put_slice(&entry.node.text());
    output.put_u32(entry.ping_sent_s);
    output.put_u32(entry.pong_received_s);
    put_address(output, &entry.host);
    output.put_u16(entry.ports.client);
    output.put_u16(entry.ports.bus);
    output.put_u16(entry.flags.0);
    output.put_u16(entry.ports.plain);
    output.put_u16(0);
}

fn put_published(output: &mut BytesMut, published: &Published) {
    output.put_u32(published.channel.len() as u32);
    output.put_u32(published.message.len() as u32);
    output.put_slice(&published.channel);
    output.put_slice(&published.message);
}

fn put_name(output: &mut BytesMut, name: Option<NodeId>) {
    match name {
        Some(name) => output.put_slice(&name.text()),
        None => output.put_bytes(0, NAME_BYTES),
    }
}

/// An address that is too long is left out: the receiver takes the one that the message comes from.
fn put_address(output: &mut BytesMut, host: &str) {
    let bytes = if host.len() < ADDRESS_BYTES { host.as_bytes() } else { b"" };
    output.put_slice(bytes);
    output.put_bytes(0, ADDRESS_BYTES - bytes.len());
}

fn body_bytes(body: &Body) -> usize {
    match body {
        Body::Gossip { entries, extensions, .. } => entries.len() * GOSSIP_BYTES + extensions.len() * 64,
        Body::Publish(published) => 8 + published.channel.len() + published.message.len(),
        Body::Update { .. } => 8 + NAME_BYTES + 2048,
        _ => NAME_BYTES,
    }
}
