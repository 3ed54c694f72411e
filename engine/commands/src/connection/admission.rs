//! Whether a new connection is served at all, and what it is told where it is not.

use crate::engine::Engine;

const PROTECTED: &str = "DENIED Redis is running in protected mode because protected mode is enabled and no \
password is set for the default user. Until that changes, only connections from the loopback interface are \
accepted. To be reached from elsewhere, either set a password (the requirepass parameter), or, if nobody else can \
reach this server, turn protected mode off: with 'CONFIG SET protected-mode no' from a loopback connection (and \
CONFIG REWRITE to keep it), with 'protected-mode no' in the configuration file, or with '--protected-mode no' on \
the command line.";

/// Why a connection is refused as soon as it is opened: an error line, without its leading `-`.
pub fn refusal(engine: &Engine, peer: &str, unix: bool) -> Option<&'static str> {
    if engine.clients.len() >= engine.config.maxclients as usize {
        return Some("ERR max number of clients reached");
    }
    let guarded = engine.config.protected_mode && engine.config.requirepass.is_empty();
    (guarded && !unix && !is_loopback(peer)).then_some(PROTECTED)
}

/// Whether `peer` (`address:port`) is this machine.
pub fn is_loopback(peer: &str) -> bool {
    let host = peer.rsplit_once(':').map_or(peer, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.strip_prefix("::ffff:").unwrap_or(host).starts_with("127.") || host == "::1"
}
