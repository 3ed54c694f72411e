//! Settings that promise what this server does not do yet. They are known, so that they can be refused
//! clearly: at the start and by CONFIG SET, before the first write that would have relied on them.

use super::Config;

impl Config {
    /// The first setting that promises encryption.
    pub fn unmet_promise(&self) -> Option<&'static str> {
        let promises = [(self.tls_port != 0, "tls-port"), (self.tls_replication, "tls-replication")];
        promises.into_iter().find(|(promised, _)| *promised).map(|(_, name)| name)
    }
}
