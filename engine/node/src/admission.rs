//! What is refused at the door: connections over the limit or from strangers in protected mode, and
//! configurations that promise what this server does not do.

use squall_commands::Engine;
use squall_commands::config::{Config, EvictionPolicy};

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
    let open = !config.protected_mode || !config.requirepass.is_empty() || is_local(peer);
    (!open).then_some(PROTECTED)
}

/// Why a node must not start with this configuration: it would promise durability, a cluster, encryption
/// or a memory bound that it does not keep. An operator has to know before the first write.
pub(crate) fn unmet_promise(config: &Config) -> Option<String> {
    let asked = [
        (config.appendonly, "appendonly yes"),
        (config.cluster_enabled, "cluster-enabled yes"),
        (config.tls_port != 0 || config.tls_replication, "tls-port"),
        (!config.aclfile.is_empty(), "aclfile"),
        (
            config.maxmemory_bytes != 0 && config.maxmemory_policy != EvictionPolicy::NoEviction,
            "maxmemory-policy",
        ),
    ];
    let (_, name) = asked.into_iter().find(|(asked, _)| *asked)?;
    Some(format!("'{name}' is configured, but this version of Squall does not have it. Remove it to start."))
}

/// Loopback addresses and Unix sockets.
fn is_local(peer: &str) -> bool {
    peer.starts_with("127.") || peer.starts_with("[::1]") || peer.starts_with('/')
}
