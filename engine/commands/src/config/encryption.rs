//! Which settings ask for encryption, and which name something that has to be read and tried before it can be
//! relied on.

use super::{Config, Parameter};

impl Config {
    /// Whether any connection is to be encrypted: then there must be certificates.
    pub fn encrypts(&self) -> bool {
        self.tls_port != 0 || self.tls_replication || self.tls_cluster
    }
}

impl Parameter {
    /// Whether the parameter belongs to encryption. Naming one again, with the value that it has, reads the
    /// files again.
    pub fn is_about_encryption(name: &[u8]) -> bool {
        name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"tls-"))
    }
}
