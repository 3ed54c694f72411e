//! Where a server listens and whom it dials. Names are resolved by the host, not by the caller, so that
//! a simulated world can give a name another address.

use std::fmt;
use std::path::PathBuf;

/// A peer to dial: a host name or an IP literal, and a port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

/// A place to listen on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Endpoint {
    /// A bind address (a name or IP literal; `*` for every IPv4 interface, `::*` for every IPv6 one) and a
    /// port.
    Tcp(Address),
    /// The same, for connections that are encrypted as `Host::secure` was told last.
    Tls(Address),
    /// A Unix socket, with the file mode that it gets (0 leaves the umask's).
    Unix { path: PathBuf, mode: u32 },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp(address) | Endpoint::Tls(address) => address.fmt(f),
            Endpoint::Unix { path, .. } => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Address {
    /// `host:port`, with brackets around an IPv6 literal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
