//! Room for `maxclients` connections under the limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use squall_node::Config;

/// Descriptors that are not clients: listeners, links, files, the event loop.
const RESERVED_FILES: u64 = 32;

/// Raises the limit to what `maxclients` needs. Where that is not allowed, `maxclients` shrinks to what
/// fits; gives the warning that says so.
pub fn raise_limit(config: &mut Config) -> Option<String> {
    let wanted = u64::from(config.maxclients) + RESERVED_FILES;
    let limit = getrlimit(Resource::Nofile);
    let current = limit.current.unwrap_or(u64::MAX);
    if current >= wanted {
        return None;
    }
    let maximum = limit.maximum.unwrap_or(u64::MAX).max(wanted);
    let raised = Rlimit { current: Some(wanted), maximum: Some(maximum) };
    if setrlimit(Resource::Nofile, raised).is_ok() {
        return None;
    }
    let reachable = limit.maximum.unwrap_or(u64::MAX).min(wanted);
    let partly = Rlimit { current: Some(reachable), maximum: limit.maximum };
    let got = if setrlimit(Resource::Nofile, partly).is_ok() { reachable } else { current };
    let fitting = got.saturating_sub(RESERVED_FILES).max(1);
    let wish = config.maxclients;
    config.maxclients = u32::try_from(fitting).unwrap_or(u32::MAX);
    Some(format!(
        "The limit on open files is {got} and cannot be raised to {wanted}: maxclients is {fitting} instead of {wish}. \
         Raise it with 'ulimit -n' or the service's LimitNOFILE."
    ))
}
