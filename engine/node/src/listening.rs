//! Where the configuration says to listen: `bind` and `port`, `unixsocket`, and the cluster's bus.

use std::fmt;

use squall_clock::Nanos;
use squall_commands::config::Config;

use crate::effect::{ListenPlace, ListenRequest, Serves};

pub(crate) fn requests(config: &Config) -> Vec<ListenRequest> {
    let keepalive = match config.tcp_keepalive_seconds {
        0 => None,
        seconds => Some(Nanos::from_secs(seconds)),
    };
    let request = |place, optional, serves| ListenRequest {
        place,
        backlog: config.tcp_backlog,
        keepalive,
        optional,
        serves,
    };
    let bus_port = if config.cluster_enabled { bus_port(config) } else { 0 };
    let mut requests = Vec::new();
    for (port, serves) in [(config.port, Serves::Clients), (bus_port, Serves::Bus)] {
        for address in config.bind.iter().filter(|_| port != 0) {
            let (host, optional) = match address.strip_prefix('-') {
                Some(host) => (host, true),
                None => (address.as_str(), false),
            };
            requests.push(request(ListenPlace::Tcp { host: host.to_string(), port }, optional, serves));
        }
    }
    if !config.unixsocket.is_empty() {
        let place = ListenPlace::Unix { path: config.unixsocket.clone(), mode: config.unixsocketperm };
        requests.push(request(place, false, Serves::Clients));
    }
    requests
}

/// `cluster-port`, or ten thousand above the clients' port; zero where there is none.
pub(crate) fn bus_port(config: &Config) -> u16 {
    const ABOVE: u16 = 10_000;
    match config.cluster_port {
        0 => config.port.checked_add(ABOVE).unwrap_or(0),
        port => port,
    }
}

impl fmt::Display for ListenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenPlace::Tcp { host, port } => write!(f, "{host}:{port}"),
            ListenPlace::Unix { path, .. } => f.write_str(path),
        }
    }
}
