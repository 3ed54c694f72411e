//! What clients did and what they were told: the only evidence that the checkers use. An operation whose outcome
//! a client never learnt may have happened at any time since, or may not have happened at all.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};

use crate::checkers::{Heard, Hold, Subscription};

/// Operations are numbered in the order in which they began; a written value is the number of its write.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct OpId(pub u64);

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    pub id: OpId,
    /// Who did it.
    pub client: String,
    /// The node that was asked; the last one, where the client tried several.
    pub node: String,
    pub key: String,
    pub action: Action,
    /// How often it was sent; what was sent twice may happen twice.
    pub sends: u32,
    pub invoked: Mono,
    pub completed: Option<Mono>,
    pub outcome: Outcome,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Action {
    /// Reads a register or a counter.
    Read,
    /// Puts the operation's own number into a register.
    Write,
    /// Adds one to a counter.
    Increment,
    /// Adds the operation's own number to a ledger, a list, a set or a stream, where it stays.
    Append,
    /// Puts the operation's own number into a queue.
    Put,
    /// Takes out of a queue what is then nowhere else: whoever does not hear the answer has lost it.
    Pop,
    /// Is given something that is kept for the client until it confirms that it has dealt with it.
    Claim,
    /// Says that the claim before has been dealt with.
    Confirm,
    /// Tells the operation's own number to all who listen to a channel.
    Publish,
    /// Takes a lock for a while.
    Acquire,
    /// Gives it back.
    Release,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Still going on.
    Pending,
    /// It happened, between invocation and completion.
    Done(Answer),
    /// It did not happen.
    Refused(String),
    /// It may have happened, and may still happen.
    Unknown(String),
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Answer {
    /// A write is acknowledged.
    Acknowledged,
    /// What a register holds: the number of a write, or nothing.
    Value(Option<u64>),
    /// What a counter holds.
    Count(i64),
    /// What the two halves of a pair hold, where they differ: half of a transaction was seen.
    Torn(i64, i64),
    /// What a queue or a stream gave: the number of the operation that put it there, or nothing.
    Taken(Option<u64>),
}

/// All operations of a run, shared by the clients of a world.
#[derive(Clone, Default)]
pub struct History {
    operations: Rc<RefCell<Vec<Operation>>>,
    holds: Rc<RefCell<Vec<Hold>>>,
    heard: Rc<RefCell<Vec<Heard>>>,
    subscriptions: Rc<RefCell<Vec<Subscription>>>,
}

/// What is there at the end: the numbers of the operations that survived, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Survivors {
    pub ledgers: BTreeMap<String, Vec<u64>>,
    pub counters: BTreeMap<String, i64>,
    /// Pairs whose halves differ.
    pub torn: Vec<String>,
    /// By queue or stream: what nobody has been given, and what was claimed and not confirmed.
    pub waiting: BTreeMap<String, Vec<u64>>,
}

impl History {
    /// Begins an operation.
    pub fn invoke(&self, client: &str, node: &str, key: &str, action: Action, now: Mono) -> OpId {
        let mut operations = self.operations.borrow_mut();
        let id = OpId(operations.len() as u64 + 1);
        operations.push(Operation {
            id,
            client: client.to_owned(),
            node: node.to_owned(),
            key: key.to_owned(),
            action,
            sends: 1,
            invoked: now,
            completed: None,
            outcome: Outcome::Pending,
        });
        id
    }

    /// The client turned to another node for the same operation.
    pub fn redirect(&self, id: OpId, node: &str) {
        node.clone_into(&mut self.operations.borrow_mut()[id.0 as usize - 1].node);
    }

    /// The client sends it once more, though it may have happened.
    pub fn repeat(&self, id: OpId) {
        self.operations.borrow_mut()[id.0 as usize - 1].sends += 1;
    }

    pub fn complete(&self, id: OpId, outcome: Outcome, now: Mono) {
        let operation = &mut self.operations.borrow_mut()[id.0 as usize - 1];
        assert_eq!(operation.outcome, Outcome::Pending, "an operation completes once");
        operation.completed = Some(now);
        operation.outcome = outcome;
    }

    /// A client has held a lock.
    pub fn hold(&self, hold: Hold) {
        self.holds.borrow_mut().push(hold);
    }

    pub fn holds(&self) -> Vec<Hold> {
        self.holds.borrow().clone()
    }

    /// A listener has heard a message.
    pub fn hear(&self, heard: Heard) {
        self.heard.borrow_mut().push(heard);
    }

    /// In the order in which they were heard.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.borrow().clone()
    }

    /// A listener is subscribed from now on; gives the number of its subscription.
    pub fn listen(&self, subscription: Subscription) -> usize {
        let mut subscriptions = self.subscriptions.borrow_mut();
        subscriptions.push(subscription);
        subscriptions.len() - 1
    }

    /// The listener has heard something over this subscription.
    pub fn listens_still(&self, subscription: usize, now: Mono) {
        self.subscriptions.borrow_mut()[subscription].until = now;
    }

    /// In the order in which they began.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        self.subscriptions.borrow().clone()
    }

    pub fn len(&self) -> usize {
        self.operations.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.operations.borrow().is_empty()
    }

    /// Whether something that more than a replica is needed for, and that began after `since`, has been acknowledged.
    pub fn serves_writes(&self, since: Mono) -> bool {
        let operations = self.operations.borrow();
        let later = operations.iter().rev().take_while(|operation| operation.invoked > since);
        later.into_iter().any(|operation| operation.action != Action::Read && operation.is_acknowledged())
    }

    /// The operations, in the order in which they began.
    pub fn operations(&self) -> Vec<Operation> {
        self.operations.borrow().clone()
    }
}

impl Operation {
    pub fn is_acknowledged(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_))
    }

    /// How long the client waited for the answer.
    pub fn latency(&self) -> Option<Nanos> {
        self.completed.map(|completed| completed.since(self.invoked))
    }

    /// Whether it changes what is stored.
    pub fn is_write(&self) -> bool {
        !matches!(self.action, Action::Read | Action::Publish)
            && self.outcome != Outcome::Done(Answer::Taken(None))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Pending => f.write_str("pending"),
            Outcome::Done(Answer::Acknowledged) => f.write_str("ok"),
            Outcome::Done(Answer::Value(None)) => f.write_str("ok nil"),
            Outcome::Done(Answer::Value(Some(value))) => write!(f, "ok {value}"),
            Outcome::Done(Answer::Count(count)) => write!(f, "ok {count}"),
            Outcome::Done(Answer::Torn(one, other)) => write!(f, "torn {one} {other}"),
            Outcome::Done(Answer::Taken(None)) => f.write_str("ok nothing"),
            Outcome::Done(Answer::Taken(Some(value))) => write!(f, "ok took {value}"),
            Outcome::Refused(reason) => write!(f, "refused: {reason}"),
            Outcome::Unknown(reason) => write!(f, "unknown: {reason}"),
        }
    }
}
