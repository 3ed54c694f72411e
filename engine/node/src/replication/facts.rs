//! What ROLE and INFO say about replication.

use std::fmt::Write;

use squall_clock::{Mono, UnixMs};
use squall_commands::Engine;
use squall_commands::engine::Role;
use squall_replication::{LinkState, ReplicaKey};
use squall_resp::Reply;

use super::Replication;
use super::following::Following;

/// A primary's dataset on its way in, as INFO shows a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    pub since: UnixMs,
    pub received_bytes: u64,
    /// None where the primary makes it while it sends it.
    pub length_bytes: Option<u64>,
}

/// The id of a past that does not exist.
const NO_ID: &str = "0000000000000000000000000000000000000000";

impl Replication {
    /// `ROLE`.
    pub fn role(&self, engine: &Engine, reply: &mut Reply<'_>) {
        match &self.following {
            Some(following) => {
                let (host, port) = following.primary_address();
                reply.array(5);
                reply.bulk_str("slave");
                reply.bulk_str(host);
                reply.integer(i64::from(port));
                reply.bulk_str(following.link_state().as_str());
                reply.integer(match following.link_state() {
                    LinkState::Connected => self.offset() as i64,
                    _ => -1,
                });
            }
            None => {
                let replicas = self.primary.replicas(engine.now.mono).map(|(_, facts)| facts);
                let online: Vec<_> = replicas.filter(|facts| facts.state == "online").collect();
                reply.array(3);
                reply.bulk_str("master");
                reply.integer(self.offset() as i64);
                reply.array(online.len());
                for facts in online {
                    reply.array(3);
                    reply.bulk_str(&facts.address.host);
                    reply.bulk_str(&facts.address.port.to_string());
                    reply.bulk_str(&facts.acknowledged.to_string());
                }
            }
        }
    }

    /// For the cluster: whether the followed primary's stream comes in, and since when it does not.
    pub fn stream_state(&self, now: Mono) -> (bool, Option<Mono>) {
        match self.following.as_ref().map(Following::machine) {
            None => (false, None),
            Some(link) => {
                let since = link.down_for(now).map(|down| Mono(now.0.saturating_sub(down.0)));
                (link.is_streaming(), since)
            }
        }
    }

    /// How many replicas INFO calls `online`.
    pub fn replicas_online(&self) -> usize {
        self.primary.past_transfer_len()
    }

    /// The replicas that read the stream.
    pub fn replicas_in_step(&self) -> impl Iterator<Item = ReplicaKey> {
        self.primary.online()
    }

    /// The primary's dataset that comes in now, if one does.
    pub fn incoming(&self) -> Option<Incoming> {
        let following = self.following.as_ref()?;
        let since = following.staging.as_ref()?.since;
        let (received_bytes, length_bytes) = following.machine().transfer_progress()?;
        Some(Incoming { since, received_bytes, length_bytes })
    }

    /// The `replication` section of INFO, without its heading.
    pub fn info(&self, engine: &Engine, text: &mut String) {
        let mut line = |name: &str, value: &dyn std::fmt::Display| {
            write!(text, "{name}:{value}\r\n").expect("a string takes everything");
        };
        line("role", if engine.role == Role::Primary { &"master" } else { &"slave" });
        if let Some(following) = &self.following {
            self.info_of_link(engine, following, &mut line);
        }
        let replicas: Vec<_> = self.primary.replicas(engine.now.mono).map(|(_, facts)| facts).collect();
        line("connected_slaves", &replicas.len());
        if engine.config.min_replicas_to_write > 0 {
            line("min_slaves_good_slaves", &engine.good_replicas);
        }
        for (number, facts) in replicas.iter().enumerate() {
            let (address, offset, lag) = (&facts.address, facts.acknowledged, facts.lag_seconds);
            let (host, port, state) = (&address.host, address.port, facts.state);
            let mut value = format!("ip={host},port={port},state={state},offset={offset},lag={lag}");
            if let Some(lag) = facts.lag {
                let (bytes, commands, ms) = (lag.bytes, lag.commands, lag.age.as_millis());
                write!(value, ",lag_bytes={bytes},lag_commands={commands},lag_ms={ms}")
                    .expect("it is a string");
            }
            line(&format!("slave{number}"), &value);
        }
        line("master_failover_state", &self.failover_state());
        self.info_of_history(engine, &mut line);
    }

    fn info_of_link(
        &self,
        engine: &Engine,
        following: &Following,
        line: &mut dyn FnMut(&str, &dyn std::fmt::Display),
    ) {
        let now = engine.now.mono;
        let (host, port) = following.primary_address();
        let link = following.machine();
        line("master_host", &host);
        line("master_port", &port);
        line("master_link_status", if link.is_streaming() { &"up" } else { &"down" });
        let quiet = link.quiet_for(now).map_or(-1, |quiet| quiet.as_secs() as i64);
        line("master_last_io_seconds_ago", &quiet);
        let progress = link.transfer_progress();
        line("master_sync_in_progress", &u8::from(progress.is_some()));
        line("slave_read_repl_offset", &self.offset());
        line("slave_repl_offset", &self.offset());
        if let Some(ago) = link.applied_ago(now) {
            line("slave_last_applied_ms_ago", &ago.as_millis());
        }
        if let Some((received, length)) = progress {
            let total = length.unwrap_or(0);
            line("master_sync_total_bytes", &total);
            line("master_sync_read_bytes", &received);
            line("master_sync_left_bytes", &(total as i64 - received as i64));
            let percent = if total == 0 { 0.0 } else { received as f64 * 100.0 / total as f64 };
            line("master_sync_perc", &format!("{percent:.2}"));
            line("master_sync_last_io_seconds_ago", &quiet);
        }
        if let Some(down) = link.down_for(now) {
            line("master_link_down_since_seconds", &down.as_secs());
        }
        // Who has never had the data must not be promoted: to Sentinel and its kind, zero says so.
        let priority = if self.holds_dataset(engine) { engine.config.replica_priority } else { 0 };
        line("slave_priority", &priority);
        line("slave_read_only", &u8::from(engine.config.replica_read_only));
        line("replica_announced", &u8::from(engine.config.replica_announced));
        line("master_dataset_refused", &u8::from(following.refuses_foreign));
    }

    fn info_of_history(&self, engine: &Engine, line: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {
        let history = self.primary.history();
        line("master_replid", &history.id);
        match &history.earlier {
            Some(earlier) => line("master_replid2", &earlier.id),
            None => line("master_replid2", &NO_ID),
        }
        line("master_repl_offset", &history.offset);
        let second = history.earlier.map_or(-1, |earlier| earlier.offset.next_byte() as i64);
        line("second_repl_offset", &second);
        let backlog = self.primary.backlog();
        line("repl_backlog_active", &u8::from(backlog.is_some()));
        line("repl_backlog_size", &engine.config.repl_backlog_bytes_max);
        line("repl_backlog_first_byte_offset", &backlog.map_or(0, |backlog| backlog.first().next_byte()));
        line("repl_backlog_histlen", &backlog.map_or(0, |backlog| backlog.len()));
    }
}

/// The lines about synchronisations in INFO's `stats` section.
pub(crate) fn info_of_synchronisations(engine: &Engine, text: &mut String) {
    let stats = &engine.stats;
    let counts = [
        ("sync_full", stats.sync_full),
        ("sync_partial_ok", stats.sync_partial_ok),
        ("sync_partial_err", stats.sync_partial_err),
    ];
    for (name, count) in counts {
        write!(text, "{name}:{count}\r\n").expect("a string takes everything");
    }
}
