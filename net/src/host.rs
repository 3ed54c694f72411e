//! The traits of the seam. All futures are polled on one thread; none needs `Send`.

use std::future::Future;
use std::io;
use std::task::Poll;

use bytes::Bytes;
use squall_clock::{Mono, Nanos, Now};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Address, Endpoint, TlsSettings};

/// One machine, as the shell sees it. Cloning gives another handle to the same machine.
pub trait Host: Clone + 'static {
    type Listener: Listener<Stream = Self::Stream>;
    type Stream: Stream;
    type Disk: Disk;

    /// Both clocks, read now.
    fn now(&self) -> Now;

    /// Completes at `deadline` on the monotonic clock, or at once when that has passed. Dropping the
    /// future cancels the timer.
    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static;

    /// Starts to listen. `backlog` is the length of the queue of connections not yet accepted.
    fn listen(
        &self,
        endpoint: &Endpoint,
        backlog: u32,
    ) -> impl Future<Output = io::Result<Self::Listener>> + 'static;

    /// Dials `address` from any local address, or from `source` (an IP literal) where given.
    fn connect(
        &self,
        address: &Address,
        source: Option<&str>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + 'static;

    /// Reads certificates and keys: connections that begin from now on, in either direction, are encrypted with
    /// them; those that are there keep what they have. A failure changes nothing, and names the file or the
    /// setting. A host that cannot encrypt says so.
    fn secure(&self, _settings: TlsSettings) -> impl Future<Output = io::Result<()>> + 'static {
        std::future::ready(Err(cannot_encrypt()))
    }

    /// `connect`, encrypted: done when the two sides have agreed.
    fn connect_secured(
        &self,
        _address: &Address,
        _source: Option<&str>,
    ) -> impl Future<Output = io::Result<Self::Stream>> + 'static {
        std::future::ready(Err(cannot_encrypt()))
    }

    /// Runs `task` beside the caller on the same thread, until it ends or the machine dies.
    fn spawn(&self, task: impl Future<Output = ()> + 'static);

    /// Completes after the other tasks that could run have had their turn. A task that has much to do at
    /// once takes breaks this way. Its wake-up is arranged when it is first polled.
    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        let mut yielded = false;
        std::future::poll_fn(move |cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
    }

    /// Fills `buffer` with unpredictable bytes; in a simulated world they follow from the seed.
    fn entropy(&self, buffer: &mut [u8]);

    fn disk(&self) -> &Self::Disk;
}

pub trait Listener: 'static {
    type Stream: Stream;

    /// The next connection.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Stream>>;

    /// What it listens on; a port of 0 in the request is the chosen port here.
    fn endpoint(&self) -> &Endpoint;
}

/// A connected byte stream. Reads and writes may be short; a write may fill the window and wait.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + 'static {
    /// The other side, as `CLIENT LIST` shows it: `ip:port`, `[ipv6]:port` or `/path:0`.
    fn peer(&self) -> String;

    /// This side, in the same form.
    fn local(&self) -> String;

    /// Asks the peer for a sign of life after `idle` without traffic, so that a dead one is noticed;
    /// `None` turns it off.
    fn set_keepalive(&self, idle: Option<Nanos>) -> io::Result<()>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OpenMode {
    /// The file must exist.
    Read,
    /// Created where missing; writes go to its end.
    Append,
    /// Created, or emptied where it exists; writes go to its end.
    Truncate,
}

/// A directory and the files below it. Paths are relative to that directory, or absolute.
///
/// What a power failure spares: the bytes of a file up to its last [`DiskFile::sync`], and the names
/// (creation, rename, removal) in a directory up to its last [`Disk::sync_dir`].
pub trait Disk: Clone + 'static {
    type File: DiskFile;

    fn open(&self, path: &str, mode: OpenMode) -> impl Future<Output = io::Result<Self::File>> + 'static;

    /// Replaces `to` by `from` atomically.
    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>> + 'static;

    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static;

    /// Makes the directory `path` where it is missing.
    fn create_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static;

    /// The names in the directory `path`, sorted.
    fn list(&self, path: &str) -> impl Future<Output = io::Result<Vec<String>>> + 'static;

    /// Makes the names in the directory `path` durable.
    fn sync_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static;
}

/// An open file. Cloning gives another handle to the same file. The caller awaits each operation on a file
/// before it starts the next: their order is otherwise open. Only a sync may run beside others: it covers
/// what was done before it began, and perhaps more.
#[allow(clippy::len_without_is_empty, reason = "a length on a disk is asked for, not known")]
pub trait DiskFile: Clone + 'static {
    fn len(&self) -> impl Future<Output = io::Result<u64>> + 'static;

    /// `len` bytes from `offset`; fewer at the end of the file, none past it.
    fn read(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Bytes>> + 'static;

    /// Appends all of `data`, or fails; a failed append may have written a part. On a real machine this is
    /// one `write(2)` to the page cache, done when the future is first polled.
    fn append(&self, data: Bytes) -> impl Future<Output = io::Result<()>> + 'static;

    fn truncate(&self, len: u64) -> impl Future<Output = io::Result<()>> + 'static;

    /// Makes the file's bytes durable.
    fn sync(&self) -> impl Future<Output = io::Result<()>> + 'static;
}

fn cannot_encrypt() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "this host has no encryption")
}
