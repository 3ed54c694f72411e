//! What a channel owes to its listeners: each message at most once, and messages of one node in their order.
//!
//! A connection that breaks may miss messages: that is what pub/sub is. But over one connection no message comes twice,
//! and none comes after one that was only published when the first had been acknowledged. How long listeners were
//! without a subscription is measured, and what they missed although they had one.

use std::collections::{BTreeMap, BTreeSet};

use squall_clock::{Mono, Nanos};

use crate::history::{Action, OpId, Operation, Outcome};

/// A message that a listener heard.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heard {
    /// The operation that published it.
    pub message: OpId,
    pub channel: String,
    pub listener: String,
    /// The node that it came from, and over which of the listener's connections, counted from 1.
    pub node: String,
    pub connection: u64,
    /// When the subscription over this connection began.
    pub since: Mono,
    pub at: Mono,
}

/// A time during which a listener was subscribed, as far as it could know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Subscription {
    pub listener: String,
    pub channels: Vec<String>,
    pub node: String,
    /// Which of the listener's connections it was.
    pub connection: u64,
    pub since: Mono,
    /// When the listener heard for the last time that anybody was there, or that the subscription was over.
    pub until: Mono,
}

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Channels {
    pub heard: u64,
    /// Heard more often over one connection than they were published.
    pub repeated: Vec<OpId>,
    /// Heard after one that was published later at the same node.
    pub reordered: Vec<OpId>,
    /// Heard although they were refused, or on a channel that they were not meant for.
    pub risen: Vec<OpId>,
    /// Acknowledged, and not heard by somebody who was subscribed before and long after.
    pub missed: Vec<OpId>,
    /// The longest that a listener was without a subscription, between two of them.
    pub longest_deafness: Nanos,
}

/// A message that has been acknowledged is with all listeners within this, where nothing stands in its way.
const TRAVEL_MAX: Nanos = Nanos::from_millis(500);

pub fn channels(history: &[Operation], heard: &[Heard], subscriptions: &[Subscription]) -> Channels {
    let mut report = Channels {
        heard: heard.len() as u64,
        missed: missed(history, heard, subscriptions),
        longest_deafness: longest_deafness(subscriptions),
        ..Default::default()
    };
    let mut times: BTreeMap<(&str, u64, OpId), u32> = BTreeMap::new();
    // By listener, its connection, channel and publishing node: when the latest publication began of all that were heard.
    let mut latest: BTreeMap<(&str, u64, &str, &str), Mono> = BTreeMap::new();
    let (mut repeated, mut reordered, mut risen) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for Heard { message, channel, listener, node, connection, since, .. } in heard {
        let publication =
            usize::try_from(message.0).ok().and_then(|number| history.get(number.checked_sub(1)?));
        let meant = |operation: &&Operation| {
            operation.action == Action::Publish
                && operation.key == *channel
                && !matches!(operation.outcome, Outcome::Refused(_))
        };
        let Some(publication) = publication.filter(meant) else {
            risen.insert(*message);
            continue;
        };
        let count = times.entry((listener, *connection, *message)).or_default();
        *count += 1;
        if *count > publication.sends {
            repeated.insert(*message);
        }
        // What was sent twice may have been published at any time, and at a node before the one that answered. What
        // this very node published before anybody listened comes back to it with another's stream: it was started again.
        let is_echo = publication.node == *node && publication.completed.is_some_and(|done| done < *since);
        if publication.sends > 1 || is_echo {
            continue;
        }
        let latest = latest.entry((listener, *connection, channel, &publication.node)).or_default();
        // What was never answered may have been published at any time after it was sent.
        let answered = publication.completed.filter(|_| publication.is_acknowledged());
        if answered.is_some_and(|completed| completed < *latest) {
            reordered.insert(*message);
        }
        *latest = publication.invoked.max(*latest);
    }
    report.repeated = repeated.into_iter().collect();
    report.reordered = reordered.into_iter().collect();
    report.risen = risen.into_iter().collect();
    report
}

fn missed(history: &[Operation], heard: &[Heard], subscriptions: &[Subscription]) -> Vec<OpId> {
    let heard: BTreeSet<(&str, u64, OpId)> =
        heard.iter().map(|one| (one.listener.as_str(), one.connection, one.message)).collect();
    let published = history.iter().filter(|one| one.action == Action::Publish && one.is_acknowledged());
    let is_missed = |message: &&Operation, by: &Subscription| {
        let stood = by.since <= message.invoked
            && message.completed.is_some_and(|completed| completed + TRAVEL_MAX <= by.until);
        let key = (by.listener.as_str(), by.connection, message.id);
        stood && by.channels.contains(&message.key) && !heard.contains(&key)
    };
    published
        .filter(|message| subscriptions.iter().any(|by| is_missed(message, by)))
        .map(|one| one.id)
        .collect()
}

fn longest_deafness(subscriptions: &[Subscription]) -> Nanos {
    let mut ended: BTreeMap<&str, Mono> = BTreeMap::new();
    let gaps = subscriptions.iter().filter_map(|one| {
        let before = ended.insert(&one.listener, one.until);
        before.map(|until| one.since.since(until))
    });
    gaps.max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{ACKNOWLEDGED, history};

    /// What was heard from node `b`, as `(connection, message)`.
    fn hear(script: &[(u64, u64)]) -> Vec<Heard> {
        let heard = |(connection, message): &(u64, u64)| Heard {
            message: OpId(*message),
            channel: "key".to_owned(),
            listener: "l".to_owned(),
            node: "b".to_owned(),
            connection: *connection,
            since: Mono(0),
            at: Mono(0),
        };
        script.iter().map(heard).collect()
    }

    /// What those who were not subscribed for long are owed.
    fn channels(history: &[Operation], heard: &[Heard]) -> Channels {
        super::channels(history, heard, &[])
    }

    fn published() -> Vec<Operation> {
        let refused = Outcome::Refused("no".to_owned());
        history(&[
            (0, 10, Action::Publish, ACKNOWLEDGED),
            (20, 30, Action::Publish, ACKNOWLEDGED),
            (25, 40, Action::Publish, ACKNOWLEDGED),
            (50, 60, Action::Publish, refused),
        ])
    }

    #[test]
    fn messages_may_be_missed_or_overlap_and_be_heard_over_several_connections() {
        let fine = channels(&published(), &hear(&[(1, 1), (1, 3), (1, 2), (2, 1), (2, 3)]));
        assert_eq!(fine, Channels { heard: 5, ..Default::default() });
    }

    /// The first copy of what was sent twice was published at a node that did not answer in time: it overtakes what
    /// comes from the node that did answer.
    #[test]
    fn what_was_sent_twice_stands_in_no_order() {
        let mut published = published();
        published[1].sends = 2;
        let fine = channels(&published, &hear(&[(1, 2), (1, 1), (1, 3), (1, 2)]));
        assert_eq!(fine, Channels { heard: 4, ..Default::default() });
    }

    /// A node that has lost what it published last is given it back by its replica, which leads by now.
    #[test]
    fn what_comes_back_to_a_node_that_was_started_again_stands_in_no_order() {
        let begun = |node: &str| {
            let late = |heard: Heard| Heard { node: node.to_owned(), since: Mono(22), ..heard };
            hear(&[(2, 3), (2, 1)]).into_iter().map(late).collect::<Vec<_>>()
        };
        assert_eq!(channels(&published(), &begun("a")), Channels { heard: 2, ..Default::default() });
        assert_eq!(channels(&published(), &begun("b")).reordered, [OpId(1)], "a stream keeps its order");
    }

    #[test]
    fn who_was_subscribed_misses_nothing_and_who_was_not_is_deaf() {
        let stood = |connection, since: u64, until: u64| Subscription {
            listener: "l".to_owned(),
            channels: vec!["key".to_owned()],
            node: "b".to_owned(),
            connection,
            since: Mono(since),
            until: Mono(until),
        };
        let later = TRAVEL_MAX.0;
        let judge = |script: &[(u64, u64)], stood: &[Subscription]| {
            let found = super::channels(&published(), &hear(script), stood);
            (found.missed, found.longest_deafness)
        };
        assert_eq!(judge(&[(1, 2)], &[stood(1, 15, later + 35)]), (vec![], Nanos(0)), "3 may be on its way");
        assert_eq!(judge(&[(1, 2)], &[stood(1, 15, later + 40)]).0, [OpId(3)]);
        assert_eq!(judge(&[(2, 3)], &[stood(1, 0, 22), stood(2, 24, later + 40)]), (vec![], Nanos(2)));
    }

    #[test]
    fn repetitions_wrong_order_and_what_nobody_published_are_found() {
        let found = channels(&published(), &hear(&[(1, 2), (1, 1), (2, 1), (2, 1), (2, 4), (2, 99)]));
        assert_eq!(found.reordered, [OpId(1)]);
        assert_eq!(found.repeated, [OpId(1)]);
        assert_eq!(found.risen, [OpId(4), OpId(99)]);
    }
}
