//! Where the configuration says to listen: `bind` and `port`, `unixsocket`.

use std::fmt;

use squall_clock::Nanos;
use squall_commands::config::Config;

use crate::effect::{ListenPlace, ListenRequest};

pub(crate) fn requests(config: &Config) -> Vec<ListenRequest> {
    let keepalive = match config.tcp_keepalive_seconds {
        0 => None,
        seconds => Some(Nanos::from_secs(seconds)),
    };
    let request = |place, optional| ListenRequest { place, backlog: config.tcp_backlog, keepalive, optional };
    let mut requests = Vec::new();
    if config.port != 0 {
        for address in &config.bind {
            let (host, optional) = match address.strip_prefix('-') {
                Some(host) => (host, true),
                None => (address.as_str(), false),
            };
            let place = ListenPlace::Tcp { host: host.to_string(), port: config.port };
            requests.push(request(place, optional));
        }
    }
    if !config.unixsocket.is_empty() {
        let place = ListenPlace::Unix { path: config.unixsocket.clone(), mode: config.unixsocketperm };
        requests.push(request(place, false));
    }
    requests
}

impl fmt::Display for ListenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenPlace::Tcp { host, port } => write!(f, "{host}:{port}"),
            ListenPlace::Unix { path, .. } => f.write_str(path),
        }
    }
}
