//! The byte seam: everything that the shell needs from the world. [`Host`] stands for one machine: its
//! network, clocks, disk, entropy and tasks. The shell (`squall-server`) is generic over it; the real
//! implementation is [`real`], on tokio; the simulated one lives in `sim`.
//!
//! A host only moves bytes and tells the time. It takes no decision that a client could notice.
#![forbid(unsafe_code)]

mod address;
mod host;
pub mod real;
mod tls;

pub use address::{Address, Endpoint};
pub use host::{Disk, DiskFile, Host, Listener, OpenMode, Stream};
pub use tls::{ClientCertificates, Identity, SessionCache, TlsSettings};
