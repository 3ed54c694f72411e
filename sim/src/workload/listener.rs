//! Who hears a channel: beside each client that publishes, a subscription to all channels of its group, at one node after
//! another. A listener that hears nothing for a while asks whether anybody is there, as real clients do.

use squall_clock::{Mono, Nanos};
use squall_resp::Value;

use super::values::number;
use super::{Kind, Workload};
use crate::checkers::Heard;
use crate::client::Client;
use crate::history::{History, OpId};
use crate::theatre::{Resident, Theatre};

pub(super) struct Listener<H: Resident> {
    host: H,
    name: String,
    history: History,
    client: Client<H>,
    channels: Vec<String>,
    patience: Nanos,
    /// When the subscription began.
    since: Mono,
}

/// Nobody listens to more channels than these.
const CHANNELS_MAX: u64 = 1_000;
/// How long it waits before it tries another node.
const TURN_AWAY_WAIT: Nanos = Nanos::from_millis(20);

impl<H: Resident> Listener<H> {
    /// The listener of client `number`; listeners spread over the nodes that may be read from.
    pub(super) fn beside(host: &H, number: u64, work: &Workload, history: &History) -> Listener<H> {
        let mut nodes =
            if work.read_from.is_empty() { work.write_to.clone() } else { work.read_from.clone() };
        let first = number as usize % nodes.len();
        nodes.rotate_left(first);
        let nodes = nodes.iter().map(|name| host.world().address_of(name)).collect();
        let channels = (0..work.keys.min(CHANNELS_MAX)).map(|n| format!("{}:{n}", Kind::Channels.prefix()));
        Listener {
            host: host.clone(),
            name: host.name(),
            history: history.clone(),
            client: Client::to(host, nodes, work.timeout.0),
            channels: channels.collect(),
            patience: work.timeout.0,
            since: Mono(0),
        }
    }

    pub(super) async fn listen(mut self, stop: impl Fn() -> bool) {
        while !stop() {
            if self.subscribe().await {
                self.hear_all(&stop).await;
            }
            self.client.turn_away();
            self.host.sleep_until(self.host.now().mono + TURN_AWAY_WAIT).await;
        }
    }

    /// One reply to the request, and one more for each further channel.
    async fn subscribe(&mut self) -> bool {
        let mut request: Vec<&[u8]> = vec![b"SUBSCRIBE"];
        request.extend(self.channels.iter().map(String::as_bytes));
        match self.client.call(&request).await {
            Ok(Value::Array(_)) => {}
            Ok(_) | Err(_) => return false,
        }
        let node = self.client.node();
        self.since = self.host.now().mono;
        self.host.world().note(&self.name, format_args!("listens at {node}"));
        true
    }

    /// Hears until nothing answers any more.
    async fn hear_all(&mut self, stop: &impl Fn() -> bool) {
        let mut asked = false;
        while !stop() {
            let Some(connection) = self.client.connection() else { return };
            match self.client.hear(self.patience).await {
                Ok(Some(value)) => {
                    asked = false;
                    if let Some((channel, message)) = message_in(&value) {
                        self.host.world().note(&self.name, format_args!("hears {} on {channel}", message.0));
                        let (listener, node) = (self.name.clone(), self.client.node());
                        let (since, at) = (self.since, self.host.now().mono);
                        self.history.hear(Heard { message, channel, listener, node, connection, since, at });
                    }
                }
                Ok(None) if !asked => {
                    asked = true;
                    if self.client.say(&[b"PING"]).await.is_err() {
                        return;
                    }
                }
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// The channel and the number in `message channel text`; other replies are those to subscriptions and pings.
fn message_in(value: &Value) -> Option<(String, OpId)> {
    let (Value::Array(parts) | Value::Push(parts)) = value else { return None };
    match &parts[..] {
        [Value::Bulk(word), Value::Bulk(channel), Value::Bulk(text)] if word == "message" => {
            Some((String::from_utf8_lossy(channel).into_owned(), OpId(number(text).unwrap_or(0))))
        }
        _ => None,
    }
}
