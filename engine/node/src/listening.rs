//! Where the configuration says to listen: `bind`, `port` and `tls-port`, `unixsocket`, the cluster's bus,
//! `metrics-bind` and `metrics-port`.

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
    let places = [
        (&config.bind, config.port, false, Serves::Clients),
        (&config.bind, config.tls_port, true, Serves::Clients),
        (&config.bind, bus_port, config.tls_cluster, Serves::Bus),
        (&config.metrics_bind, config.metrics_port, false, Serves::Metrics),
    ];
    for (addresses, port, secured, serves) in places {
        for address in addresses.iter().filter(|_| port != 0) {
            let (host, optional) = match address.strip_prefix('-') {
                Some(host) => (host, true),
                None => (address.as_str(), false),
            };
            let place = ListenPlace::Tcp { host: host.to_string(), port, secured };
            requests.push(request(place, optional, serves));
        }
    }
    if !config.unixsocket.is_empty() {
        let place = ListenPlace::Unix { path: config.unixsocket.clone(), mode: config.unixsocketperm };
        requests.push(request(place, false, Serves::Clients));
    }
    requests
}

/// `cluster-port`, or ten thousand above the port at which nodes' clients are expected; zero where there is
/// none.
pub(crate) fn bus_port(config: &Config) -> u16 {
    const ABOVE: u16 = 10_000;
    let clients = if config.tls_cluster { config.tls_port } else { config.port };
    match config.cluster_port {
        0 => clients.checked_add(ABOVE).unwrap_or(0),
        port => port,
    }
}

impl fmt::Display for ListenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenPlace::Tcp { host, port, .. } => write!(f, "{host}:{port}"),
            ListenPlace::Unix { path, .. } => f.write_str(path),
        }
    }
}
