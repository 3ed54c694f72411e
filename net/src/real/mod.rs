//! The real host: this machine, through one tokio runtime on one thread. A [`LocalRuntime`] takes tasks
//! that are not `Send` without the detour of a `LocalSet`.
//!
//! Owns the clocks, entropy and the task spawner; [`network`], [`stream`],
//! [`tls`] and [`disk`] hold the rest.
mod disk;
mod network;
mod stream;
mod tls;

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use squall_clock::{Mono, Nanos, Now};
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

pub use disk::{RealDisk, RealFile};
pub use network::RealListener;
pub use stream::RealStream;

use crate::{Address, Endpoint, Host, TlsSettings};
use tls::{Encryption, Prepared};

/// Threads that wait for the disk and for name servers. The lanes of a server are few.
const BLOCKING_THREADS_MAX: usize = 8;

/// How long the wall clock is carried on by the monotonic one before it is read again: each request asks for
/// the time, and a clock that is set takes effect within this.
const WALL_CLOCK_AGE_MAX: Nanos = Nanos::from_millis(10);

/// This machine. Lives inside [`RealHost::run`].
#[derive(Clone)]
pub struct RealHost {
    shared: Rc<Shared>,
}

struct Shared {
    /// The zero of this host's monotonic clock.
    start: Instant,
    /// Both clocks when the wall clock was read last.
    read: Cell<Now>,
    disk: RealDisk,
    encryption: Encryption,
}

impl RealHost {
    /// Runs `body` and every task that it spawns on this thread, until `body` ends. Relative paths on the
    /// host's disk start at `directory`.
    pub fn run<F, R>(directory: impl Into<PathBuf>, body: F) -> io::Result<R>
    where
        F: AsyncFnOnce(RealHost) -> R,
    {
        let runtime = runtime()?;
        let read = Cell::new(Now { mono: Mono(0), unix_us: wall_us() });
        let disk = RealDisk::new(directory.into());
        let shared = Shared { start: monotonic(), read, disk, encryption: Encryption::default() };
        Ok(runtime.block_on(body(RealHost { shared: Rc::new(shared) })))
    }
}

impl Host for RealHost {
    type Listener = RealListener;
    type Stream = RealStream;
    type Disk = RealDisk;

    fn now(&self) -> Now {
        let mono = monotonic().duration_since(self.shared.start).as_nanos();
        let mono = Mono(u64::try_from(mono).unwrap_or(u64::MAX));
        let read = self.shared.read.get();
        let age = mono.since(read.mono);
        if age < WALL_CLOCK_AGE_MAX {
            return Now { mono, unix_us: read.unix_us + age.as_micros() };
        }
        let now = Now { mono, unix_us: wall_us() };
        self.shared.read.set(now);
        now
    }

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static {
        let instant = self.shared.start.checked_add(Duration::from_nanos(deadline.0));
        async move {
            match instant {
                Some(instant) => tokio::time::sleep_until(instant.into()).await,
                None => std::future::pending().await,
            }
        }
    }

    fn listen(
        &self,
        endpoint: &Endpoint,
        backlog: u32,
    ) -> impl Future<Output = io::Result<RealListener>> + 'static {
        network::listen(endpoint.clone(), backlog, self.shared.encryption.clone())
    }

    fn connect(
        &self,
        address: &Address,
        source: Option<&str>,
    ) -> impl Future<Output = io::Result<RealStream>> + 'static {
        network::connect(address.clone(), source.map(str::to_owned))
    }

    fn secure(&self, settings: TlsSettings) -> impl Future<Output = io::Result<()>> + 'static {
        let (encryption, disk) = (self.shared.encryption.clone(), self.shared.disk.clone());
        async move {
            let prepared = disk.apart(move |directory| Prepared::read(directory, &settings)).await?;
            encryption.replace(prepared);
            Ok(())
        }
    }

    fn connect_secured(
        &self,
        address: &Address,
        source: Option<&str>,
    ) -> impl Future<Output = io::Result<RealStream>> + 'static {
        network::connect_secured(address.clone(), source.map(str::to_owned), self.shared.encryption.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        tokio::task::spawn_local(task);
    }

    /// Tokio's own looks at the network in between, which a task that merely wakes itself would put off.
    fn yield_now(&self) -> impl Future<Output = ()> + 'static {
        tokio::task::yield_now()
    }

    fn entropy(&self, buffer: &mut [u8]) {
        getrandom::fill(buffer).expect("the operating system gives random bytes");
    }

    fn disk(&self) -> &RealDisk {
        &self.shared.disk
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build_local(LocalOptions::default())
}

#[allow(clippy::disallowed_methods, reason = "this is where the clock is read")]
fn monotonic() -> Instant {
    Instant::now()
}

#[allow(clippy::disallowed_methods, reason = "this is where the clock is read")]
fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}
