//! One node of a cluster for each nodes.conf: two that share one would speak under one name. The file itself is
//! replaced whole each time, so what is locked is a file beside it; the lock ends with the process, however it ends.

use std::fs::{File, TryLockError};

use squall_node::Config;

/// Keeps the lock for as long as it is kept itself; none where there is no cluster.
pub fn take(config: &Config) -> Result<Option<File>, String> {
    if !config.cluster_enabled {
        return Ok(None);
    }
    let name = &config.cluster_config_file;
    let path = format!("{name}.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file =
        file.map_err(|error| format!("the cluster configuration cannot be locked: {path}: {error}"))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(format!(
            "the cluster configuration file {name} is used by another server that runs. Each node of a cluster needs \
             one of its own, in another directory or by another 'cluster-config-file'"
        )),
        Err(TryLockError::Error(error)) => {
            Err(format!("the cluster configuration cannot be locked: {path}: {error}"))
        }
    }
}
