//! What is refused at the door: connections over the limit, or from strangers in protected mode.

use squall_commands::Engine;

const TOO_MANY: &str = "ERR max number of clients reached";
const PROTECTED: &str = "DENIED Squall is running in protected mode: no password is set, so connections are \
accepted from this machine only. To accept others, set a password with 'requirepass', or turn protected mode \
off with 'CONFIG SET protected-mode no' from this machine, 'protected-mode no' in the configuration file, or \
'--protected-mode no' on the command line.";

/// Why a connection from `peer` is turned away, if it is.
pub(crate) fn refusal(engine: &Engine, peer: &str) -> Option<&'static str> {
    let config = &engine.config;
    if engine.clients.len() >= config.maxclients as usize {
        return Some(TOO_MANY);
    }
    let open = !config.protected_mode || !engine.acl.default_is_open() || is_local(peer);
    (!open).then_some(PROTECTED)
}

/// Loopback addresses and Unix sockets.
fn is_local(peer: &str) -> bool {
    peer.starts_with("127.") || peer.starts_with("[::1]") || peer.starts_with('/')
}
