//! Streams in RDB: the blocks as they are, then what is known of the stream and of its groups.
//!
//! ```text
//! stream    := blocks:length (id:string(16) block:string)* entries:length last:id2 [ first:id2 max_deleted:id2
//!              added:length ] groups:length group*                                      ([...]: types 19 and 21)
//! group     := name:string last:id2 [ read:length ] pending:length (id16 delivered_ms:i64 LE deliveries:length)*
//!              consumers:length consumer*
//! consumer  := name:string seen_ms:i64 LE { active_ms:i64 LE } pending:length id16*     ({...}: type 21)
//! id2       := ms:length seq:length                 id16 := ms:u64 BE seq:u64 BE
//! ```
//! What is written is type 19, which the oldest readers of version 10 know. Times of activity are not kept in it.

use std::collections::BTreeMap;

use bytes::{BufMut, BytesMut};

use super::{Consumer, ConsumerId, Group, Pending, Stream, StreamId};
use crate::entry::Value;
use crate::limits::Limits;
use crate::rdb::{Elements, RdbFault, Reader, Reading, Stop, put_length, put_string};

pub(crate) const TYPE_FIRST: u8 = 15;
pub(crate) const TYPE_SECOND: u8 = 19;
pub(crate) const TYPE_THIRD: u8 = 21;

const MALFORMED: RdbFault = RdbFault::Malformed("stream");
/// A count of entries that nobody knows.
const UNKNOWN: u64 = u64::MAX;

/// What is written in one go.
enum Piece<'a> {
    Facts,
    GroupHead(&'a [u8], &'a Group),
    Pending(&'a Group, usize),
    ConsumersLen(&'a Group),
    ConsumerHead(&'a Consumer),
    ConsumerPending(&'a Consumer, usize),
}

/// Writes one piece; false after the last.
pub(crate) fn put_piece(stream: &Stream, number: usize, out: &mut BytesMut, compressed: bool) -> bool {
    if number == 0 {
        put_length(out, stream.log.blocks_len() as u64);
        return true;
    }
    let runs = stream.log.runs_len();
    if number <= runs {
        for (first, block) in stream.log.run(number - 1) {
            put_string(out, &first.to_be_bytes(), false);
            put_string(out, block, compressed);
        }
        return true;
    }
    let mut rest = pieces(stream).skip(number - runs - 1);
    put(stream, rest.next().expect("the last piece was told to be the last"), out);
    rest.next().is_some()
}

fn pieces(stream: &Stream) -> impl Iterator<Item = Piece<'_>> {
    let groups = stream.groups().flat_map(|(name, group)| {
        let pending = (0..group.pending_runs_len()).map(move |run| Piece::Pending(group, run));
        let consumers = group.consumers().flat_map(|(_, consumer)| {
            let pending = (0..consumer.pending_runs_len()).map(|run| Piece::ConsumerPending(consumer, run));
            std::iter::once(Piece::ConsumerHead(consumer)).chain(pending)
        });
        let head = std::iter::once(Piece::GroupHead(name, group));
        head.chain(pending).chain([Piece::ConsumersLen(group)]).chain(consumers)
    });
    std::iter::once(Piece::Facts).chain(groups)
}

fn put(stream: &Stream, piece: Piece<'_>, out: &mut BytesMut) {
    match piece {
        Piece::Facts => {
            put_length(out, stream.len());
            put_id(out, stream.last_id);
            put_id(out, stream.first_id());
            put_id(out, stream.max_deleted_id);
            put_length(out, stream.entries_added);
            put_length(out, stream.groups.len() as u64);
        }
        Piece::GroupHead(name, group) => {
            put_string(out, name, false);
            put_id(out, group.last_id);
            put_length(out, group.entries_read.unwrap_or(UNKNOWN));
            put_length(out, group.pending_len() as u64);
        }
        Piece::Pending(group, run) => {
            for (id, pending) in group.pending_run(run) {
                out.put_slice(&id.to_be_bytes());
                out.put_u64_le(pending.delivered_ms);
                put_length(out, pending.deliveries);
            }
        }
        Piece::ConsumersLen(group) => put_length(out, group.consumers().len() as u64),
        Piece::ConsumerHead(consumer) => {
            put_string(out, &consumer.name, false);
            out.put_u64_le(consumer.seen_ms);
            put_length(out, consumer.pending_len() as u64);
        }
        Piece::ConsumerPending(consumer, run) => {
            consumer.pending_run(run).iter().for_each(|(id, ())| out.put_slice(&id.to_be_bytes()));
        }
    }
}

fn put_id(out: &mut BytesMut, id: StreamId) {
    put_length(out, id.ms);
    put_length(out, id.seq);
}

pub(crate) fn begin(type_byte: u8, reader: &mut Reader<'_>) -> Result<Reading, Stop> {
    let left = reader.length()?;
    let stream = Box::<Stream>::default();
    Ok(Reading::Elements(Box::new(Parts { type_byte, stream, next: Next::Blocks { left } })))
}

/// A stream that is being read part by part.
struct Parts {
    type_byte: u8,
    stream: Box<Stream>,
    next: Next,
}

/// What is read next.
enum Next {
    Blocks { left: u64 },
    Groups { left: u64 },
    Pending { left: u64, begun: BegunGroup },
    Consumers { left: u64, begun: BegunGroup },
    ConsumerPending { left: u64, consumer: ConsumerId, begun: BegunGroup },
}

/// A group that is not complete yet.
struct BegunGroup {
    name: Vec<u8>,
    group: Group,
    /// Pending entries that are not known to be with any consumer.
    unassigned: BTreeMap<StreamId, (u64, u64)>,
    groups_left: u64,
    consumers_left: u64,
}

impl Elements for Parts {
    fn read_next(&mut self, reader: &mut Reader<'_>, _: &Limits) -> Result<Option<Value>, Stop> {
        // What is read next stays as it is until all bytes of this step are there.
        match &mut self.next {
            Next::Blocks { left: 0 } => self.read_facts(reader)?,
            Next::Blocks { left } => {
                let (first, block) = (reader.string()?.into_bytes(), reader.string()?.into_bytes());
                let first: [u8; 16] = first[..].try_into().map_err(|_| MALFORMED)?;
                let log = &mut self.stream.log;
                log.push_block(StreamId::from_be_bytes(first), &block).map_err(|_| MALFORMED)?;
                *left -= 1;
            }
            Next::Groups { left: 0 } => return Ok(Some(Value::Stream(std::mem::take(&mut self.stream)))),
            Next::Groups { .. } => self.read_group(reader)?,
            Next::Pending { left: 0, .. } => self.read_consumers_len(reader)?,
            Next::Pending { left, begun } => {
                let (id, delivered_ms) = (read_id16(reader)?, read_ms(reader)?);
                let deliveries = reader.length()?;
                let before = begun.unassigned.insert(id, (delivered_ms.unwrap_or(0), deliveries));
                *left -= 1;
                before.map_or(Ok(()), |_| Err(MALFORMED))?;
            }
            Next::Consumers { left: 0, .. } => self.end_group()?,
            Next::Consumers { .. } => self.read_consumer(reader)?,
            Next::ConsumerPending { left: 0, .. } => self.end_consumer(),
            Next::ConsumerPending { left, consumer, begun } => {
                let id = read_id16(reader)?;
                let (delivered_ms, deliveries) = begun.unassigned.remove(&id).ok_or(MALFORMED)?;
                begun.group.assign(id, Pending { consumer: *consumer, delivered_ms, deliveries });
                *left -= 1;
            }
        }
        Ok(None)
    }
}

impl Parts {
    fn read_facts(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let (len, last_id) = (reader.length()?, read_id(reader)?);
        let stream = &mut self.stream;
        let (mut max_deleted_id, mut entries_added) = (StreamId::MIN, len);
        if self.type_byte != TYPE_FIRST {
            let _first_id = read_id(reader)?;
            max_deleted_id = read_id(reader)?;
            entries_added = reader.length()?;
        }
        let left = reader.length()?;
        let is_past_last = stream.last().is_some_and(|entry| entry.id > last_id);
        if len != stream.len() || is_past_last || max_deleted_id > last_id || entries_added < len {
            return Err(MALFORMED.into());
        }
        (stream.last_id, stream.max_deleted_id) = (last_id, max_deleted_id);
        stream.entries_added = entries_added;
        self.next = Next::Groups { left };
        Ok(())
    }

    fn read_group(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let Next::Groups { left: groups_left } = self.next else { unreachable!("groups are read next") };
        let (name, last_id) = (reader.string()?.into_bytes().to_vec(), read_id(reader)?);
        let entries_read = match self.type_byte {
            TYPE_FIRST => self.stream.entries_up_to(last_id),
            _ => Some(reader.length()?).filter(|read| *read != UNKNOWN),
        };
        let left = reader.length()?;
        let group = Group::starting_after(last_id, entries_read);
        let unassigned = BTreeMap::new();
        let begun = BegunGroup { name, group, unassigned, groups_left, consumers_left: 0 };
        self.next = Next::Pending { left, begun };
        Ok(())
    }

    fn read_consumers_len(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let left = reader.length()?;
        let begun = self.take_begun();
        self.next = Next::Consumers { left, begun };
        Ok(())
    }

    fn read_consumer(&mut self, reader: &mut Reader<'_>) -> Result<(), Stop> {
        let (name, seen_ms) = (reader.string()?.into_bytes(), read_ms(reader)?);
        let active_ms = match self.type_byte {
            TYPE_THIRD => read_ms(reader)?,
            _ => seen_ms,
        };
        let left = reader.length()?;
        let Next::Consumers { left: consumers_left, .. } = self.next else {
            unreachable!("consumers are read next")
        };
        let mut begun = self.take_begun();
        if begun.group.consumer_id(&name).is_some() {
            return Err(MALFORMED.into());
        }
        let consumer = begun.group.add_consumer(&name, seen_ms.unwrap_or(0));
        begun.group.consumer_mut(consumer).active_ms = active_ms;
        begun.consumers_left = consumers_left;
        self.next = Next::ConsumerPending { left, consumer, begun };
        Ok(())
    }

    fn end_consumer(&mut self) {
        let begun = self.take_begun();
        self.next = Next::Consumers { left: begun.consumers_left - 1, begun };
    }

    fn end_group(&mut self) -> Result<(), Stop> {
        let begun = self.take_begun();
        let is_complete = begun.unassigned.is_empty();
        if !is_complete || !self.stream.add_group(&begun.name, begun.group) {
            return Err(MALFORMED.into());
        }
        self.next = Next::Groups { left: begun.groups_left - 1 };
        Ok(())
    }

    fn take_begun(&mut self) -> BegunGroup {
        match std::mem::replace(&mut self.next, Next::Blocks { left: 0 }) {
            Next::Pending { begun, .. }
            | Next::Consumers { begun, .. }
            | Next::ConsumerPending { begun, .. } => begun,
            Next::Blocks { .. } | Next::Groups { .. } => unreachable!("a group is being read"),
        }
    }
}

fn read_id(reader: &mut Reader<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId { ms: reader.length()?, seq: reader.length()? })
}

fn read_id16(reader: &mut Reader<'_>) -> Result<StreamId, Stop> {
    Ok(StreamId::from_be_bytes(reader.array()?))
}

/// A time in milliseconds; none where it is before all times.
fn read_ms(reader: &mut Reader<'_>) -> Result<Option<u64>, Stop> {
    Ok(u64::try_from(i64::from_le_bytes(reader.array()?)).ok())
}
