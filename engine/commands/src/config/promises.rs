//! Settings that promise what this server does not do yet. They are known, so that they can be refused
//! clearly: at the start and by CONFIG SET, before the first write that would have relied on them.

use super::Config;

impl Config {
    /// The first setting that promises encryption or a file of users that is
    /// not there.
    pub fn unmet_promise(&self) -> Option<&'static str> {
        let promises = [
            (self.tls_port != 0, "tls-port"),
            (self.tls_replication, "tls-replication"),
            (!self.aclfile.is_empty(), "aclfile"),
        ];
        promises.into_iter().find(|(promised, _)| *promised).map(|(_, name)| name)
    }
}
