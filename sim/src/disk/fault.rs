//! What can be wrong with a disk: slow, standing still, full, read-only, failing at some
//! operations (or half of them), lying about syncs of files or of names, turning bits.

use std::fmt;
use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use squall_clock::{Mono, Nanos};

use super::usual_latency;
use crate::quantity::{Rate, Size, Span};

/// Faults of one disk; each stays until it is changed again. The default is a healthy disk.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskFault {
    /// Beside what the operation takes anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency: Option<Span>,
    /// How fast bytes are read and written; none is at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Rate>,
    /// No space is left beyond so many bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity: Option<Size>,
    /// These fail with an input/output error.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fails: Vec<DiskOp>,
    /// Only operations on paths that contain this fail; all, where it is empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub fails_on: String,
    /// An append that fails has written a part of its bytes.
    #[serde(skip_serializing_if = "is_false")]
    pub short_writes: bool,
    pub read_only: bool,
    /// Nothing is done until the fault is over: operations stand still.
    #[serde(skip_serializing_if = "is_false")]
    pub stalled: bool,
    /// A sync reports success and makes nothing durable.
    pub lies_about_sync: bool,
    /// A sync of a directory reports success and makes no name durable.
    #[serde(skip_serializing_if = "is_false")]
    pub loses_names: bool,
    /// Of what is appended to files with this in their path, a bit is turned, and nobody is told.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub rots: String,
    /// What a loss of power leaves of the bytes that were not synced.
    pub torn_tail: TornTail,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskOp {
    Open,
    Len,
    Read,
    Append,
    Truncate,
    Sync,
    Rename,
    Remove,
    List,
    CreateDir,
    SyncDir,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TornTail {
    /// Each file is left with one of the others, drawn by chance.
    #[default]
    Any,
    /// Nothing that was not synced is there.
    Lost,
    /// A beginning of it is there.
    Prefix,
    /// A beginning of it is there, and bytes that nobody wrote follow it.
    Garbage,
    /// It was written in no order: some blocks are there, others read as bytes that nobody wrote.
    Holes,
}

impl DiskFault {
    /// Whether the operation is allowed to go ahead.
    pub(crate) fn verdict(&self, op: DiskOp, path: &str) -> io::Result<()> {
        if self.fails.contains(&op) && path.contains(&self.fails_on) {
            return Err(io::Error::other("Input/output error"));
        }
        let writes = !matches!(op, DiskOp::Len | DiskOp::Read | DiskOp::List | DiskOp::Open);
        if self.read_only && writes {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        Ok(())
    }

    pub(crate) fn done_at(&self, op: DiskOp, bytes: usize, now: Mono) -> Mono {
        let transfer = self.bandwidth.map_or(0, |rate| bytes as u64 * 1_000_000_000 / rate.bytes_per_second);
        now + usual_latency(op) + self.latency.unwrap_or_default().0 + Nanos(transfer)
    }

    /// How many of `bytes` find room on a disk that holds `used`.
    pub(crate) fn room(&self, bytes: usize, used: u64) -> usize {
        let free = self.capacity.map_or(u64::MAX, |capacity| capacity.0.saturating_sub(used));
        bytes.min(usize::try_from(free).unwrap_or(usize::MAX))
    }

    /// What is on the disk after `data` was appended.
    pub(crate) fn as_kept(&self, path: &str, data: Bytes) -> Bytes {
        if self.rots.is_empty() || !path.contains(&self.rots) || data.is_empty() {
            return data;
        }
        let mut kept = data.to_vec();
        let middle = kept.len() / 2;
        kept[middle] ^= 1;
        kept.into()
    }

    pub(crate) fn lies_about_sync(&self) -> bool {
        self.lies_about_sync
    }

    pub(crate) fn lies_about_names(&self) -> bool {
        self.lies_about_sync || self.loses_names
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl fmt::Display for DiskFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing = || self.fails.iter().map(DiskOp::to_string).collect::<Vec<_>>().join(", ");
        let told = [
            self.latency.map(|latency| format!("{latency} slower")),
            self.bandwidth.map(|rate| format!("bandwidth {rate}")),
            self.capacity.map(|capacity| format!("full at {capacity}")),
            (!self.fails.is_empty()).then(|| format!("{} fail", failing())),
            self.short_writes.then(|| "failing writes write a part".to_owned()),
            self.read_only.then(|| "read-only".to_owned()),
            self.stalled.then(|| "stands still".to_owned()),
            self.lies_about_sync.then(|| "lies about syncs".to_owned()),
            self.loses_names.then(|| "loses names".to_owned()),
            (!self.rots.is_empty()).then(|| format!("turns bits in {}", self.rots)),
        ];
        let told: Vec<String> = told.into_iter().flatten().collect();
        f.write_str(if told.is_empty() { "healthy" } else { "" })?;
        f.write_str(&told.join(", "))
    }
}

impl fmt::Display for DiskOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DiskOp::Open => "open",
            DiskOp::Len => "len",
            DiskOp::Read => "read",
            DiskOp::Append => "append",
            DiskOp::Truncate => "truncate",
            DiskOp::Sync => "sync",
            DiskOp::Rename => "rename",
            DiskOp::Remove => "remove",
            DiskOp::List => "list",
            DiskOp::CreateDir => "create-dir",
            DiskOp::SyncDir => "sync-dir",
        })
    }
}
