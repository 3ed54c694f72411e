//! Who hears a channel: beside each client that publishes, a subscription to all channels of its group (or, where they
//! belong to shards, to one of them), at one node after another. A listener that hears nothing for a while asks whether
//! anybody is there, as real clients do; one that is told that its subscription is over subscribes again elsewhere.

use squall_clock::{Mono, Nanos};
use squall_resp::Value;

use super::keys::Keys;
use super::values::number;
use super::{Kind, Workload};
use crate::checkers::{Heard, Subscription};
use crate::client::Client;
use crate::history::{History, OpId};
use crate::theatre::{Resident, Theatre};

pub(super) struct Listener<H: Resident> {
    host: H,
    name: String,
    history: History,
    client: Client<H>,
    /// With SSUBSCRIBE.
    sharded: bool,
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
        let (sharded, mut keys) = (work.kind == Kind::ShardChannels, Keys::of(work));
        // Channels of different shards are not heard at one node.
        let heard =
            if sharded { vec![number % work.keys] } else { (0..work.keys.min(CHANNELS_MAX)).collect() };
        Listener {
            host: host.clone(),
            name: host.name(),
            history: history.clone(),
            client: Client::to(host, nodes, work.timeout.0),
            sharded,
            channels: heard.into_iter().map(|number| keys.name(number)).collect(),
            patience: work.timeout.0,
            since: Mono(0),
        }
    }

    pub(super) async fn listen(mut self, stop: impl Fn() -> bool) {
        while !stop() {
            if self.subscribe().await {
                let connection = self.client.connection().expect("the answer came over one");
                let (listener, node) = (self.name.clone(), self.client.node());
                let (channels, since) = (self.channels.clone(), self.since);
                let stands = Subscription { listener, channels, node, connection, since, until: since };
                let number = self.history.listen(stands);
                self.hear_all(number, &stop).await;
            }
            self.client.turn_away();
            self.host.sleep_until(self.host.now().mono + TURN_AWAY_WAIT).await;
        }
    }

    /// One reply to the request, and one more for each further channel.
    async fn subscribe(&mut self) -> bool {
        let mut request: Vec<&[u8]> = vec![if self.sharded { b"SSUBSCRIBE" } else { b"SUBSCRIBE" }];
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

    /// Hears until nothing answers any more, or the subscription is ended.
    async fn hear_all(&mut self, subscription: usize, stop: &impl Fn() -> bool) {
        let mut asked = false;
        while !stop() {
            let Some(connection) = self.client.connection() else { return };
            match self.client.hear(self.patience).await {
                Ok(Some(value)) => {
                    asked = false;
                    self.history.listens_still(subscription, self.host.now().mono);
                    if ends_subscription(&value) {
                        return;
                    }
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

/// Whether the server says that the subscription is over.
fn ends_subscription(value: &Value) -> bool {
    let (Value::Array(parts) | Value::Push(parts)) = value else { return false };
    matches!(parts.first(), Some(Value::Bulk(word)) if word == "unsubscribe" || word == "sunsubscribe")
}

/// The channel and the number in `message channel text`; other replies are those to subscriptions and pings.
fn message_in(value: &Value) -> Option<(String, OpId)> {
    let (Value::Array(parts) | Value::Push(parts)) = value else { return None };
    match &parts[..] {
        [Value::Bulk(word), Value::Bulk(channel), Value::Bulk(text)]
            if word == "message" || word == "smessage" =>
        {
            Some((String::from_utf8_lossy(channel).into_owned(), OpId(number(text).unwrap_or(0))))
        }
        _ => None,
    }
}
