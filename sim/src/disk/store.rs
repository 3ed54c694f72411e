//! The contents of a disk, twice: as processes see it now, and as it would be found after a loss of power.
//!
//! A file's bytes are durable up to its last sync; the names in a directory are durable up to that directory's
//! last sync, each change of a name apart. So a synced file under a name that was never synced is gone, and
//! a rename that was never synced has not happened. That is what POSIX promises, and no more.
//!
//! ```text
//! names            "dump.rdb" -> inode 7         what a process sees
//! pending          [ rename temp.rdb dump.rdb ]  done, not durable
//! durable names    "temp.rdb" -> inode 7         what is found after a loss of power
//!
//! inode   [ stable .......... | written since the last sync ]
//!         [ stable .......... | cut off since the last sync ]   found where the cut was not made durable
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;
use squall_net::OpenMode;

use super::fault::{DiskFault, TornTail};
use crate::entropy::{below, stream};

/// What a disk writes at once, or not at all.
const BLOCK_BYTES: usize = 512;

pub(crate) struct DiskState {
    pub(crate) faults: DiskFault,
    names: Names,
    durable: Names,
    /// Changes to names since the last sync of their directory, in order.
    pending: Vec<NameChange>,
    bytes_used: u64,
    /// How many operations there have been, and from which one on nobody is answered.
    operations: u64,
    silence: Option<Silence>,
    /// Those whose operations stand still.
    stalled: Vec<Waker>,
    rng: ChaCha8Rng,
}

#[derive(Clone, Copy)]
struct Silence {
    from: u64,
    /// The first one is still carried out.
    carried_out: bool,
}

/// What becomes of an operation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Answered,
    /// Carried out, and nobody is told.
    Unanswered,
    Ignored,
}

type Names = BTreeMap<String, Node>;

#[derive(Clone)]
enum Node {
    File(Rc<RefCell<Inode>>),
    Directory,
}

struct NameChange {
    directory: String,
    name: String,
    becomes: Option<Node>,
}

#[derive(Default)]
pub(crate) struct Inode {
    data: Vec<u8>,
    /// So many bytes are the same now and after a loss of power.
    stable: usize,
    /// What followed them at the last sync, where it was cut off since.
    cut_off: Vec<u8>,
}

impl DiskState {
    pub(crate) fn empty(seed: u64, number: u64) -> DiskState {
        DiskState {
            faults: DiskFault::default(),
            names: Names::new(),
            durable: Names::new(),
            pending: Vec::new(),
            bytes_used: 0,
            operations: 0,
            silence: None,
            stalled: Vec::new(),
            rng: stream(seed, "disk", number),
        }
    }

    /// Another operation begins.
    pub(crate) fn next_turn(&mut self) -> Turn {
        let number = self.operations;
        self.operations += 1;
        match self.silence {
            Some(silence) if number == silence.from && silence.carried_out => Turn::Unanswered,
            Some(silence) if number >= silence.from => Turn::Ignored,
            _ => Turn::Answered,
        }
    }

    pub(crate) fn operations(&self) -> u64 {
        self.operations
    }

    /// From the operation with this number on nobody is answered, until another process starts.
    pub(crate) fn fall_silent(&mut self, from: u64, carried_out: bool) {
        self.silence = Some(Silence { from, carried_out });
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.silence.is_some_and(|silence| self.operations > silence.from)
    }

    pub(crate) fn speak_again(&mut self) {
        self.silence = None;
    }

    /// Another fault, or none, takes the place of the present one; who waits for the disk is to be woken.
    pub(crate) fn set_fault(&mut self, fault: DiskFault) -> Vec<Waker> {
        self.faults = fault;
        std::mem::take(&mut self.stalled)
    }

    /// Waits while the disk stands still.
    pub(crate) fn poll_moving(&mut self, waker: &Waker) -> Poll<()> {
        if !self.faults.stalled {
            return Poll::Ready(());
        }
        self.stalled.push(waker.clone());
        Poll::Pending
    }

    /// How much of a failing append is written all the same.
    pub(crate) fn written_of_failing(&mut self, bytes: usize) -> usize {
        match self.faults.short_writes {
            true => below(&mut self.rng, bytes as u64) as usize,
            false => 0,
        }
    }

    pub(crate) fn bytes_used(&self) -> u64 {
        self.bytes_used
    }

    pub(crate) fn grow(&mut self, bytes: usize) {
        self.bytes_used += bytes as u64;
    }

    pub(crate) fn shrink(&mut self, bytes: usize) {
        self.bytes_used -= bytes as u64;
    }

    pub(crate) fn open(&mut self, path: &str, mode: OpenMode) -> io::Result<Rc<RefCell<Inode>>> {
        self.check_parent(path)?;
        match (self.names.get(path), mode) {
            (Some(Node::Directory), _) => Err(io::ErrorKind::IsADirectory.into()),
            (Some(Node::File(inode)), OpenMode::Read | OpenMode::Append) => Ok(Rc::clone(inode)),
            (_, OpenMode::Truncate | OpenMode::Append) if self.faults.read_only => {
                Err(io::ErrorKind::ReadOnlyFilesystem.into())
            }
            (Some(Node::File(inode)), OpenMode::Truncate) => {
                let inode = Rc::clone(inode);
                let cut = inode.borrow_mut().truncate(0);
                self.shrink(cut);
                Ok(inode)
            }
            (None, OpenMode::Read) => Err(io::ErrorKind::NotFound.into()),
            (None, OpenMode::Append | OpenMode::Truncate) => {
                let inode = Rc::new(RefCell::new(Inode::default()));
                self.set_name(path, Some(Node::File(Rc::clone(&inode))));
                Ok(inode)
            }
        }
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.check_parent(to)?;
        let node = self.names.get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        if let Some(Node::File(replaced)) = self.names.get(to) {
            let replaced = replaced.borrow().data.len();
            self.shrink(replaced);
        }
        self.set_name(to, Some(node));
        self.set_name(from, None);
        Ok(())
    }

    pub(crate) fn remove(&mut self, path: &str) -> io::Result<()> {
        match self.names.get(path) {
            None => Err(io::ErrorKind::NotFound.into()),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::File(inode)) => {
                let len = inode.borrow().data.len();
                self.shrink(len);
                self.set_name(path, None);
                Ok(())
            }
        }
    }

    pub(crate) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        self.check_parent(path)?;
        match self.names.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::AlreadyExists.into()),
            None => {
                self.set_name(path, Some(Node::Directory));
                Ok(())
            }
        }
    }

    pub(crate) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        self.check_directory(path)?;
        let inside = self.names.keys().filter(|name| parent(name) == path);
        Ok(inside.map(|name| name[path.len()..].trim_start_matches('/').to_owned()).collect())
    }

    pub(crate) fn sync_dir(&mut self, path: &str) -> io::Result<()> {
        self.check_directory(path)?;
        if self.faults.lies_about_names() {
            return Ok(());
        }
        let (synced, left) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|change: &NameChange| change.directory == path);
        self.pending = left;
        for change in synced {
            apply(&mut self.durable, change);
        }
        Ok(())
    }

    /// What the next process finds is what was durable; says what was lost.
    pub(crate) fn lose_power(&mut self) -> Vec<String> {
        // A journal may have got on with names that nobody has synced; it keeps their order.
        let kept = match self.faults.torn_tail {
            TornTail::Lost => 0,
            TornTail::Any | TornTail::Prefix | TornTail::Garbage | TornTail::Holes => {
                below(&mut self.rng, self.pending.len() as u64 + 1) as usize
            }
        };
        for change in self.pending.drain(..kept) {
            apply(&mut self.durable, change);
        }
        let mut losses: Vec<String> =
            self.pending.drain(..).map(|change| format!("the name {}", change.name)).collect();
        self.names = self.durable.clone();
        self.bytes_used = 0;
        for (name, node) in &self.names {
            if let Node::File(inode) = node {
                let mut inode = inode.borrow_mut();
                let before = inode.data.len();
                inode.lose_power(self.faults.torn_tail, &mut self.rng);
                self.bytes_used += inode.data.len() as u64;
                if before != inode.stable {
                    losses.push(format!("{name} from byte {} of {before}", inode.stable));
                }
                inode.sync();
            }
        }
        losses
    }

    /// A file that is there and durable from now on.
    pub(crate) fn place(&mut self, path: &str, content: &[u8]) {
        let inode = Inode { data: content.to_vec(), stable: content.len(), cut_off: Vec::new() };
        let node = Node::File(Rc::new(RefCell::new(inode)));
        self.grow(content.len());
        self.names.insert(normalise(path), node.clone());
        self.durable.insert(normalise(path), node);
    }

    /// Inverts one bit of a file at rest.
    pub(crate) fn flip_bit(&mut self, path: &str, offset: u64) -> io::Result<()> {
        let Some(Node::File(inode)) = self.names.get(&normalise(path)) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let mut inode = inode.borrow_mut();
        let at = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        *inode.data.get_mut(at).ok_or(io::ErrorKind::InvalidInput)? ^= 1;
        Ok(())
    }

    fn set_name(&mut self, path: &str, becomes: Option<Node>) {
        let change =
            |becomes| NameChange { directory: parent(path).to_owned(), name: path.to_owned(), becomes };
        apply(&mut self.names, change(becomes.clone()));
        self.pending.push(change(becomes));
    }

    fn check_parent(&self, path: &str) -> io::Result<()> {
        self.check_directory(parent(path))
    }

    fn check_directory(&self, path: &str) -> io::Result<()> {
        match self.names.get(path) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None if path.is_empty() => Ok(()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

impl Inode {
    pub(crate) fn len(&self) -> u64 {
        self.data.len() as u64
    }

    pub(crate) fn read(&self, offset: u64, len: usize) -> Bytes {
        let from = usize::try_from(offset).unwrap_or(usize::MAX).min(self.data.len());
        Bytes::copy_from_slice(&self.data[from..from.saturating_add(len).min(self.data.len())])
    }

    pub(crate) fn append(&mut self, data: &[u8]) {
        self.data.extend_from_slice(data);
    }

    /// Cuts the file; says how many bytes went. A longer length than the file's leaves it as it is.
    pub(crate) fn truncate(&mut self, len: u64) -> usize {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(self.data.len());
        let cut = self.data.len() - len;
        if len < self.stable {
            let mut tail = self.data[len..self.stable].to_vec();
            tail.append(&mut self.cut_off);
            (self.cut_off, self.stable) = (tail, len);
        }
        self.data.truncate(len);
        cut
    }

    pub(crate) fn sync(&mut self) {
        self.stable = self.data.len();
        self.cut_off.clear();
    }

    /// Leaves what a disk may hold after a loss of power, and `stable` at the first byte that was touched.
    fn lose_power(&mut self, torn: TornTail, rng: &mut ChaCha8Rng) {
        if !self.cut_off.is_empty() && rng.next_u32().is_multiple_of(2) {
            self.data.truncate(self.stable);
            self.data.append(&mut self.cut_off);
            return;
        }
        let unsynced = self.data.len() - self.stable;
        let torn = match (torn, rng.next_u32() % 4) {
            (TornTail::Any, 0) => TornTail::Lost,
            (TornTail::Any, 1) => TornTail::Prefix,
            (TornTail::Any, 2) => TornTail::Garbage,
            (TornTail::Any, _) => TornTail::Holes,
            (chosen, _) => chosen,
        };
        // Blocks that were allotted and never written read as zeros, or as what they held before.
        let zeros = rng.next_u32().is_multiple_of(2);
        let unwritten = |rng: &mut ChaCha8Rng| if zeros { 0 } else { rng.next_u32() as u8 };
        let kept = match torn {
            TornTail::Lost | TornTail::Any => 0,
            TornTail::Prefix | TornTail::Garbage | TornTail::Holes => {
                below(rng, unsynced as u64 + 1) as usize
            }
        };
        let (synced, end) = (self.stable, self.data.len());
        self.stable += kept;
        match torn {
            TornTail::Garbage => self.data[synced + kept..].fill_with(|| unwritten(rng)),
            TornTail::Holes => {
                self.stable = end;
                let mut start = synced;
                while start < end {
                    let block_end = (start / BLOCK_BYTES + 1) * BLOCK_BYTES;
                    if rng.next_u32().is_multiple_of(2) {
                        self.stable = self.stable.min(start);
                        self.data[start..block_end.min(end)].fill_with(|| unwritten(rng));
                    }
                    start = block_end;
                }
            }
            TornTail::Lost | TornTail::Prefix | TornTail::Any => self.data.truncate(self.stable),
        }
    }
}

/// One name for one file: no `./`, no doubled or trailing slash; the working directory is the empty name.
pub(crate) fn normalise(path: &str) -> String {
    let root = if path.starts_with('/') { "/" } else { "" };
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    format!("{root}{}", parts.join("/"))
}

fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(slash) => &path[..slash],
        None => "",
    }
}

fn apply(names: &mut Names, change: NameChange) {
    match change.becomes {
        Some(node) => names.insert(change.name, node),
        None => names.remove(&change.name),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(torn_tail: TornTail) -> DiskState {
        let mut disk = DiskState::empty(1, 0);
        disk.faults.torn_tail = torn_tail;
        disk
    }

    fn content(disk: &mut DiskState, path: &str) -> Option<Vec<u8>> {
        let inode = disk.open(path, OpenMode::Read).ok()?;
        let bytes = inode.borrow().read(0, usize::MAX);
        Some(bytes.to_vec())
    }

    /// Writes a file and makes its bytes durable, but not its name.
    fn write_synced(disk: &mut DiskState, path: &str, data: &[u8]) {
        let inode = disk.open(path, OpenMode::Truncate).unwrap();
        inode.borrow_mut().append(data);
        disk.grow(data.len());
        inode.borrow_mut().sync();
    }

    #[test]
    fn bytes_and_names_are_durable_apart() {
        let mut disk = disk(TornTail::Lost);
        write_synced(&mut disk, "named", b"1");
        disk.sync_dir("").unwrap();
        write_synced(&mut disk, "nameless", b"2");
        disk.open("named", OpenMode::Append).unwrap().borrow_mut().append(b"3");
        assert_eq!(content(&mut disk, "named").unwrap(), b"13");
        let losses = disk.lose_power();
        assert_eq!(content(&mut disk, "named").unwrap(), b"1");
        assert_eq!(content(&mut disk, "nameless"), None);
        assert_eq!(losses, ["the name nameless", "named from byte 1 of 2"]);
    }

    #[test]
    fn an_unsynced_rename_has_not_happened() {
        let mut disk = disk(TornTail::Lost);
        write_synced(&mut disk, "dump.rdb", b"old");
        write_synced(&mut disk, "temp.rdb", b"young");
        disk.sync_dir("").unwrap();
        disk.rename("temp.rdb", "dump.rdb").unwrap();
        assert_eq!(disk.list("").unwrap(), ["dump.rdb"]);
        assert_eq!(disk.bytes_used(), 5);
        disk.lose_power();
        assert_eq!(content(&mut disk, "dump.rdb").unwrap(), b"old");
        assert_eq!(content(&mut disk, "temp.rdb").unwrap(), b"young");
        disk.rename("temp.rdb", "dump.rdb").unwrap();
        disk.sync_dir("").unwrap();
        disk.lose_power();
        assert_eq!(content(&mut disk, "dump.rdb").unwrap(), b"young");
        assert_eq!(disk.list("").unwrap(), ["dump.rdb"]);
    }

    #[test]
    fn a_torn_tail_keeps_what_was_synced() {
        let mut lengths = std::collections::BTreeSet::new();
        let mut disk = disk(TornTail::Any);
        write_synced(&mut disk, "log", b"durable ");
        disk.sync_dir("").unwrap();
        for _ in 0..64 {
            disk.open("log", OpenMode::Append).unwrap().borrow_mut().append(b"not yet");
            disk.lose_power();
            let found = content(&mut disk, "log").unwrap();
            assert!(found.starts_with(b"durable "));
            lengths.insert(found.len());
            let inode = disk.open("log", OpenMode::Append).unwrap();
            inode.borrow_mut().truncate(8);
            inode.borrow_mut().sync();
        }
        assert!(lengths.len() > 3 && lengths.contains(&8) && lengths.contains(&15), "{lengths:?}");
    }

    #[test]
    fn an_unsynced_cut_may_come_undone() {
        let mut found = std::collections::BTreeSet::new();
        for seed in 0..16 {
            let mut disk = DiskState::empty(seed, 0);
            write_synced(&mut disk, "log", b"abcdef");
            disk.sync_dir("").unwrap();
            disk.open("log", OpenMode::Append).unwrap().borrow_mut().truncate(2);
            disk.lose_power();
            found.insert(content(&mut disk, "log").unwrap());
        }
        assert_eq!(found.into_iter().collect::<Vec<_>>(), [b"ab".to_vec(), b"abcdef".to_vec()]);
    }

    #[test]
    fn directories_hold_names_of_their_own() {
        let mut disk = disk(TornTail::Lost);
        assert!(disk.open("aof/base", OpenMode::Append).is_err());
        disk.create_dir("aof").unwrap();
        write_synced(&mut disk, "aof/base", b"x");
        disk.sync_dir("aof").unwrap();
        assert_eq!(disk.list("aof").unwrap(), ["base"]);
        assert_eq!(disk.list("").unwrap(), ["aof"]);
        assert_eq!(normalise("./aof//base"), "aof/base");
        assert_eq!(normalise("."), "");
    }
}
