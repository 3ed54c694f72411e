//! The cluster bus's messages, version 1, as Redis 4 to 8 and Valkey speak it. All numbers are big-endian;
//! names are forty hexadecimal digits; texts end at their first zero byte.
//!
//! ```text
//! 0     4     8    10    12    14    16             24            32             40
//! | RCmb | len | ver | port | type | n | currentEpoch | configEpoch | repl offset |
//! 40          80                    2128        2168       2214  2216         2246
//! | sender    | slots (bitmap)       | primary    | my address | x | unused     |
//! 2246    2248    2250    2252   2253     2256
//! | pport | cport | flags | state | mflags | data ...
//! ```
//!
//! `len` counts the whole message; `n` the gossip entries, `x` the extensions after them. A replica's header
//! carries the slots and the configuration epoch of its primary. The data, by type:
//!
//! ```text
//! PING PONG MEET   n entries of 104 bytes, then x extensions
//!   entry          | name 40 | ping sent 4 | pong received 4 | address 46 | port 2 | cport 2 | flags 2 | pport 2 | 0 2 |
//!   extension      | len 4 | type 2 | 0 2 | ... |           len is a multiple of 8 and counts these 8 bytes
//! FAIL             | name 40 |
//! PUBLISH (SHARD)  | channel len 4 | message len 4 | channel | message |
//! UPDATE           | configEpoch 8 | name 40 | slots 2048 |
//! MODULE           | ... |                                  for modules: passed over
//! AUTH REQUEST, AUTH ACK, MFSTART have none
//! ```
//!
//! Valkey's light form, for PUBLISH alone, to those whose headers say that they read it: bit 15 of `type` is set, `port`
//! and `n` are zero, and the data follow at byte 16.
//!
//! The 30 unused bytes are zero in other servers, and not looked at by them. Squall's nodes recognise one
//! another by a mark there ([`SQUALL_MARK`]); two bytes later stands a digest of how the sender sees the
//! cluster, of eight bytes.
//!
//! The decoder trusts nothing: every length is checked against what is there, names against their form,
//! texts against being text; what is wrong is a [`WireError`].

mod decode;
mod encode;
mod extension;

use bytes::Bytes;

use crate::slots::SlotSet;
use crate::{Epoch, NodeId};
pub use decode::{decode, frame_bytes};
pub use encode::{encode, encode_light};
pub use extension::Extension;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 2256;
/// Bytes of the light header.
pub const LIGHT_HEADER_BYTES: usize = 16;
/// Bit 15 of the type: the light form.
const LIGHT: u16 = 0x8000;
/// Bytes of a gossip entry.
pub const GOSSIP_BYTES: usize = 104;
/// Bytes of an address, the zero at its end counted.
pub const ADDRESS_BYTES: usize = 46;
/// No message is longer: it would hold a value of the largest size that a client can send.
pub const MESSAGE_BYTES_MAX: usize = 512 * 1024 * 1024 + HEADER_BYTES + 64 * 1024;
/// No epoch is higher.
pub const EPOCH_MAX: Epoch = Epoch(1 << 48);
/// How a Squall node marks its headers, in the unused bytes: the word, and a version of what it can do.
pub const SQUALL_MARK: [u8; 6] = *b"SQLL\0\x01";

/// What a node says of another, and of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NodeFlags(pub u16);

impl NodeFlags {
    pub const PRIMARY: u16 = 1;
    pub const REPLICA: u16 = 1 << 1;
    pub const SUSPECTED: u16 = 1 << 2;
    pub const FAILED: u16 = 1 << 3;
    pub const MYSELF: u16 = 1 << 4;
    pub const HANDSHAKE: u16 = 1 << 5;
    pub const NO_ADDRESS: u16 = 1 << 6;
    pub const MEET: u16 = 1 << 7;
    pub const MIGRATE_TO: u16 = 1 << 8;
    pub const NO_FAILOVER: u16 = 1 << 9;
    /// Of the sender itself: it reads published messages in the light form.
    pub const READS_LIGHT: u16 = 1 << 11;
    /// Among Squall's nodes, of third nodes: it owes an answer, though not for so long that it is suspected.
    pub const DOUBTED: u16 = 1 << 15;

    pub fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    pub fn with(self, flag: u16, set: bool) -> NodeFlags {
        NodeFlags(if set { self.0 | flag } else { self.0 & !flag })
    }
}

/// The first byte of the message's own flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MessageFlags {
    /// The sender, a primary, holds its clients back for a manual failover: its offset stands still.
    pub paused: bool,
    /// Vote for me although my primary is alive: it knows.
    pub force_vote: bool,
    /// The sender reads extensions.
    pub extensions: bool,
}

/// Everything that a node says of itself in every message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    pub sender: NodeId,
    /// Whom it follows; none: it is a primary.
    pub primary: Option<NodeId>,
    pub current_epoch: Epoch,
    pub config_epoch: Epoch,
    pub repl_offset: u64,
    pub slots: SlotSet,
    /// Where it says it is; empty: where the message comes from.
    pub host: String,
    pub ports: Ports,
    pub flags: NodeFlags,
    /// Whether the cluster works, seen from there.
    pub cluster_ok: bool,
    pub message: MessageFlags,
    /// It carries Squall's mark.
    pub is_squall: bool,
    /// And with it a digest of how its sender sees the cluster.
    pub view: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Ports {
    pub client: u16,
    pub bus: u16,
    /// The port without TLS, where `client` is one with it.
    pub plain: u16,
}

/// What a message says of a third node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GossipEntry {
    pub node: NodeId,
    /// Unix seconds; zero: none is on its way.
    pub ping_sent_s: u32,
    pub pong_received_s: u32,
    pub host: String,
    pub ports: Ports,
    pub flags: NodeFlags,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum GossipKind {
    Ping,
    Pong,
    Meet,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    Gossip {
        kind: GossipKind,
        entries: Vec<GossipEntry>,
        extensions: Vec<Extension>,
    },
    Fail(NodeId),
    Publish(Published),
    VoteRequest,
    Vote,
    Update {
        config_epoch: Epoch,
        node: NodeId,
        slots: SlotSet,
    },
    ManualFailoverStart,
    /// A message between modules: none here.
    Module,
    /// A type that is not known: it says at least that the sender lives.
    Unknown(u16),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    pub sharded: bool,
    pub channel: Bytes,
    pub message: Bytes,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message {
    Full {
        header: Header,
        body: Body,
    },
    /// Valkey's light form. It does not name its sender, the link does.
    Light(Published),
}

/// Kinds of messages, for counting them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Kind {
    Ping,
    Pong,
    Meet,
    Fail,
    Publish,
    VoteRequest,
    Vote,
    Update,
    ManualFailoverStart,
    Module,
    PublishSharded,
    Unknown,
}

impl Kind {
    pub const ALL: [Kind; 12] = [
        Kind::Ping,
        Kind::Pong,
        Kind::Meet,
        Kind::Fail,
        Kind::Publish,
        Kind::VoteRequest,
        Kind::Vote,
        Kind::Update,
        Kind::ManualFailoverStart,
        Kind::Module,
        Kind::PublishSharded,
        Kind::Unknown,
    ];

    /// As CLUSTER INFO names it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Ping => "ping",
            Kind::Pong => "pong",
            Kind::Meet => "meet",
            Kind::Fail => "fail",
            Kind::Publish => "publish",
            Kind::VoteRequest => "auth-req",
            Kind::Vote => "auth-ack",
            Kind::Update => "update",
            Kind::ManualFailoverStart => "mfstart",
            Kind::Module => "module",
            Kind::PublishSharded => "publishshard",
            Kind::Unknown => "unknown",
        }
    }

    fn number(self) -> u16 {
        match self {
            Kind::Ping => 0,
            Kind::Pong => 1,
            Kind::Meet => 2,
            Kind::Fail => 3,
            Kind::Publish => 4,
            Kind::VoteRequest => 5,
            Kind::Vote => 6,
            Kind::Update => 7,
            Kind::ManualFailoverStart => 8,
            Kind::Module => 9,
            Kind::PublishSharded => 10,
            Kind::Unknown => u16::MAX,
        }
    }
}

impl Body {
    pub fn kind(&self) -> Kind {
        match self {
            Body::Gossip { kind: GossipKind::Ping, .. } => Kind::Ping,
            Body::Gossip { kind: GossipKind::Pong, .. } => Kind::Pong,
            Body::Gossip { kind: GossipKind::Meet, .. } => Kind::Meet,
            Body::Fail(_) => Kind::Fail,
            Body::Publish(published) => published.kind(),
            Body::VoteRequest => Kind::VoteRequest,
            Body::Vote => Kind::Vote,
            Body::Update { .. } => Kind::Update,
            Body::ManualFailoverStart => Kind::ManualFailoverStart,
            Body::Module => Kind::Module,
            Body::Unknown(_) => Kind::Unknown,
        }
    }
}

impl Published {
    pub fn kind(&self) -> Kind {
        if self.sharded { Kind::PublishSharded } else { Kind::Publish }
    }
}

/// Why bytes are no message. A link that says one of these is closed: nothing after it makes sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireError {
    Signature,
    Version(u16),
    TooLong(usize),
    /// Shorter or longer than its type and counts say.
    Length {
        kind: u16,
        bytes: usize,
    },
    /// No cluster has lived so long: a flipped bit, which would leave nobody a higher epoch.
    Epoch(Epoch),
    SenderName,
    NodeName,
    Text,
    Extension,
}

impl std::fmt::Display for WireError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            WireError::Signature => f.write_str("not a message of the cluster bus"),
            WireError::Version(version) => write!(f, "version {version} of the bus is not spoken here"),
            WireError::TooLong(bytes) => write!(f, "a message of {bytes} bytes is too long"),
            WireError::Length { kind, bytes } => write!(f, "{bytes} bytes are no message of type {kind}"),
            WireError::Epoch(epoch) => write!(f, "the epoch {epoch} is beyond belief"),
            WireError::SenderName => f.write_str("the sender's name is none"),
            WireError::NodeName => f.write_str("a node's name is none"),
            WireError::Text => f.write_str("a text is none"),
            WireError::Extension => f.write_str("an extension does not fit"),
        }
    }
}
