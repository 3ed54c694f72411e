//! What is said, in words: a line per message and per event of note.

use bytes::Bytes;
use squall_cluster::wire::{Body, Message, decode};

use crate::world::{MS, World};

pub fn at(now: u64, what: &str) -> String {
    format!("{:>9.2} ms  {what}", now as f64 / MS as f64)
}

/// Pings and their answers are left out where they say nothing that was not said before.
pub fn message(world: &World, from: usize, to: usize, bytes: &Bytes) -> Option<String> {
    let Ok(Message::Full { header, body }) = decode(bytes) else { return None };
    let role = match header.primary {
        Some(primary) => format!("replica of {}", world.name(primary)),
        None => format!("primary of {} slots", header.slots.len()),
    };
    let said = match &body {
        Body::Fail(node) => format!("FAIL {}", world.name(*node)),
        Body::Update { config_epoch, node, slots } => {
            format!("UPDATE {} owns {} slots in epoch {config_epoch}", world.name(*node), slots.len())
        }
        other => other.kind().name().to_uppercase(),
    };
    let paused =
        if header.message.paused { format!(", paused at {}", header.repl_offset) } else { String::new() };
    let epochs = format!("epoch {}/{}", header.current_epoch, header.config_epoch);
    Some(at(world.now, &format!("{from} -> {to}  {said}  ({role}, {epochs}{paused})")))
}
