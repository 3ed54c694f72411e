//! Who a workload speaks through: a client with a list of nodes, or one that knows a cluster's slots.

use squall_net::Host;
use squall_resp::Value;

use crate::client::{CallError, Client};
use crate::cluster_client::ClusterClient;
use crate::host::SimHost;
use crate::theatre::{Resident, Theatre};
use crate::workload::Workload;

pub enum Caller<H: Host = SimHost> {
    List(Client<H>),
    Cluster(ClusterClient<H>),
}

/// How often one operation is tried through a cluster's client, which itself follows redirects.
const CLUSTER_TRIES_MAX: usize = 4;

impl<H: Resident> Caller<H> {
    /// As a workload's clients are; `nodes` are what they know at first.
    pub fn to(host: &H, nodes: &[String], workload: &Workload) -> Caller<H> {
        let nodes = nodes.iter().map(|name| host.world().address_of(name)).collect();
        match workload.cluster {
            Some(true) => Caller::Cluster(ClusterClient::to(host, nodes, workload.timeout.0)),
            _ => Caller::List(Client::to(host, nodes, workload.timeout.0)),
        }
    }

    /// The node that it turns to, or turned to last.
    pub fn node(&self) -> String {
        match self {
            Caller::List(client) => client.node(),
            Caller::Cluster(client) => client.node(),
        }
    }

    /// Where redirects led to, if anything follows them.
    pub fn served_by(&self) -> Option<String> {
        match self {
            Caller::List(_) => None,
            Caller::Cluster(client) => Some(client.node()),
        }
    }

    /// The present node does not serve: next time, somebody else is asked.
    pub fn turn_away(&mut self) {
        match self {
            Caller::List(client) => client.turn_away(),
            Caller::Cluster(client) => client.turn_away(),
        }
    }

    /// The connection over which the last answer came, if it is still there.
    pub fn connection(&self) -> Option<u64> {
        match self {
            Caller::List(client) => client.connection(),
            Caller::Cluster(client) => client.connection(),
        }
    }

    /// How often one operation may be tried, where a list has so many nodes.
    pub fn tries(&self, listed: usize) -> usize {
        match self {
            Caller::List(_) => listed,
            Caller::Cluster(_) => CLUSTER_TRIES_MAX,
        }
    }

    /// Sends requests about `key` at once.
    pub async fn pipeline(
        &mut self,
        key: &[u8],
        requests: &[&[&[u8]]],
        at_replicas: bool,
    ) -> Result<Vec<Value>, CallError> {
        match self {
            Caller::List(client) => client.pipeline(requests).await,
            Caller::Cluster(client) => client.pipeline(key, requests, at_replicas).await,
        }
    }

    /// Sends a request over the connection of the one before.
    pub async fn follow_up(&mut self, request: &[&[u8]]) -> Result<Value, CallError> {
        match self {
            Caller::List(client) => client.call(request).await,
            Caller::Cluster(client) => client.follow_up(request).await,
        }
    }
}
