//! One client at work: it draws operations, tries each at one node after another, and enters it into the history.

use rand_chacha::ChaCha8Rng;
use squall_clock::{Mono, Nanos};
use squall_resp::Value;

use super::keys::Keys;
use super::listener::Listener;
use super::replies::{given, understand};
use super::requests::Wish;
use super::values::value_of;
use super::{Confirmation, Workload};
use crate::caller::Caller;
use crate::checkers::Hold;
use crate::client::CallError;
use crate::entropy::{below, chance, stream};
use crate::history::{Action, Answer, History, OpId, Outcome};
use crate::host::SimHost;
use crate::theatre::{Resident, Theatre};

/// How long a client waits before it tries the next node, so that a refusing list does not make it spin.
const TURN_AWAY_WAIT: Nanos = Nanos::from_millis(20);

/// One client at work.
pub struct Worker<H: Resident = SimHost> {
    host: H,
    name: String,
    number: u64,
    workload: Workload,
    history: History,
    rng: ChaCha8Rng,
    letters: ChaCha8Rng,
    writer: Caller<H>,
    reader: Option<Caller<H>>,
    keys: Keys,
    /// By what the last claim is confirmed, and over which connection it was given.
    claimed: Option<(Vec<u8>, u64)>,
}

/// What there is to say about an operation after one attempt.
enum Attempt {
    Over(Outcome),
    /// It surely did not happen, and another node may serve it.
    Elsewhere(String),
}

impl<H: Resident> Worker<H> {
    /// The client `number` of its world.
    pub fn on(host: &H, number: u64, workload: &Workload, history: &History) -> Worker<H> {
        let seed = host.world().seed();
        let client = |names: &[String]| Caller::to(host, names, workload);
        let reader = (!workload.read_from.is_empty()).then(|| {
            // Readers spread over the nodes that they may read from.
            let mut names = workload.read_from.clone();
            names.rotate_left(number as usize % workload.read_from.len());
            client(&names)
        });
        Worker {
            name: host.name(),
            number,
            workload: workload.clone(),
            history: history.clone(),
            rng: stream(seed, "worker", number),
            letters: stream(seed, "letters", number),
            writer: client(&workload.write_to),
            reader,
            keys: Keys::of(workload),
            claimed: None,
            host: host.clone(),
        }
    }

    /// Works until `stop` says so.
    pub async fn work(mut self, stop: impl Fn() -> bool + Clone + 'static) {
        if self.workload.kind.is_heard() {
            let listener = Listener::beside(&self.host, self.number, &self.workload, &self.history);
            self.host.spawn(listener.listen(stop.clone()));
        }
        let period = Nanos((1e9 / self.workload.rate) as u64);
        // Clients that begin together would go on in step for ever.
        let mut due = self.host.now().mono + Nanos(below(&mut self.rng, period.0));
        loop {
            self.host.sleep_until(due).await;
            if stop() {
                return;
            }
            let since = if self.workload.open { due } else { self.host.now().mono };
            self.operate(since).await;
            due = if self.workload.open { due + period } else { (due + period).max(self.host.now().mono) };
        }
    }

    async fn operate(&mut self, since: Mono) {
        let reads = chance(&mut self.rng, self.workload.reads);
        let action = self.workload.kind.action(reads);
        let number = match self.workload.kind {
            kind if kind.grows() => self.number,
            _ => self.keys.draw(&mut self.rng),
        };
        let key = self.keys.name(number);
        let sent = self.host.now().mono;
        let (_, outcome) = self.perform(action, &key, since).await;
        match (action, outcome) {
            (Action::Acquire, Outcome::Done(_)) => self.hold(key, sent).await,
            (Action::Claim, Outcome::Done(Answer::Taken(Some(_)))) => self.deal_with(key).await,
            _ => {}
        }
    }

    /// Works on what was claimed for as long as an operation may take, and confirms it: to the very process that gave it,
    /// for another one may by now mean something else by the same name.
    async fn deal_with(&mut self, key: String) {
        let period = Nanos((1e9 / self.workload.rate) as u64);
        let pause = Nanos(below(&mut self.rng, period.0));
        self.host.sleep_until(self.host.now().mono + pause).await;
        let Some((_, connection)) = &self.claimed else { return };
        if self.writer.connection() == Some(*connection) {
            self.perform(Action::Confirm, &key, self.host.now().mono).await;
        }
        self.claimed = None;
    }

    /// Holds a lock that was granted for a request sent at `sent`, and gives it back.
    async fn hold(&mut self, key: String, sent: Mono) {
        let lease = self.workload.lease.0;
        let (from, ends) = (self.host.now().mono, sent + lease);
        let release = from + Nanos(lease.0 / 2);
        if release >= ends {
            // It took so long to be granted that hardly anything is left: it runs out by itself.
            self.history.hold(Hold { lock: key, from, until: ends, holder: self.name.clone() });
            return;
        }
        self.host.sleep_until(release).await;
        self.history.hold(Hold { lock: key.clone(), from, until: release, holder: self.name.clone() });
        self.perform(Action::Release, &key, release).await;
    }

    /// One operation, tried at one node after another, and entered into the history.
    async fn perform(&mut self, action: Action, key: &str, since: Mono) -> (OpId, Outcome) {
        let node = self.client(action).node();
        let id = self.history.invoke(&self.name, &node, key, action, since);
        self.host.world().note(&self.name, format_args!("op {} {action:?} {key} at {node}", id.0));
        let requests = self.requests(action, key, id);
        let mut retries = self.workload.retries;
        let mut turns = self.tries(action);
        let mut sent_before = false;
        let outcome = loop {
            match self.attempt(action, key, &requests).await {
                Attempt::Over(Outcome::Unknown(_)) if retries > 0 && action != Action::Confirm => {
                    retries -= 1;
                    sent_before = true;
                    self.history.repeat(id);
                }
                Attempt::Over(outcome) => break outcome,
                Attempt::Elsewhere(reason) => {
                    turns -= 1;
                    if turns == 0 {
                        // The last attempt did not happen; an earlier one may have.
                        break if sent_before { Outcome::Unknown(reason) } else { Outcome::Refused(reason) };
                    }
                }
            }
            self.host.sleep_until(self.host.now().mono + TURN_AWAY_WAIT).await;
            let node = self.client(action).node();
            self.history.redirect(id, &node);
        };
        if let Some(node) = self.client(action).served_by() {
            self.history.redirect(id, &node);
        }
        self.host.world().note(&self.name, format_args!("op {} {outcome}", id.0));
        self.history.complete(id, outcome.clone(), self.host.now().mono);
        (id, outcome)
    }

    fn requests(&mut self, action: Action, key: &str, id: OpId) -> Vec<Vec<Vec<u8>>> {
        let value = match (&self.claimed, action) {
            (Some((receipt, _)), Action::Confirm) => receipt.clone(),
            _ => value_of(id.0, &self.workload, &mut self.letters),
        };
        if let Some(wait) = self.workload.asking_script() {
            return vec![wait.script(key.as_bytes(), &value)];
        }
        let Workload { kind, lease, timeout, .. } = self.workload;
        let rarely = chance(&mut self.rng, kind.rare_share());
        let block = Nanos(timeout.0.0 / 2);
        let wish =
            Wish { kind, action, key, client: &self.name, value: &value, lease: lease.0, block, rarely };
        wish.requests()
    }

    /// Sends it once; after a failure the client has turned to the next node.
    async fn attempt(&mut self, action: Action, key: &str, requests: &[Vec<Vec<u8>>]) -> Attempt {
        let (kind, asks) = (self.workload.kind, self.workload.asking_script());
        let at_replicas = self.workload.replica_reads && action == Action::Read;
        let client = self.client(action);
        let requests: Vec<Vec<&[u8]>> =
            requests.iter().map(|request| request.iter().map(Vec::as_slice).collect()).collect();
        let requests: Vec<&[&[u8]]> = requests.iter().map(Vec::as_slice).collect();
        let replies = client.pipeline(key.as_bytes(), &requests, at_replicas).await;
        let reply = replies.map(|mut replies| replies.pop().expect("there is a reply to each request"));
        match reply {
            Ok(Value::Error(message)) => {
                client.turn_away();
                Attempt::Elsewhere(message)
            }
            Ok(reply) => {
                if let Some(wait) = asks {
                    return Attempt::Over(wait.outcome(reply, Answer::Acknowledged));
                }
                if action == Action::Claim {
                    let given = given(kind, action, &reply).ok().flatten();
                    self.claimed = given.map(|given| given.receipt).zip(client.connection());
                }
                match understand(kind, action, &reply) {
                    Outcome::Done(answer) if action != Action::Read => self.confirm(action, answer).await,
                    outcome => Attempt::Over(outcome),
                }
            }
            Err(CallError::NotSent(reason)) => {
                client.turn_away();
                Attempt::Elsewhere(reason)
            }
            Err(CallError::Unanswered(reason)) => {
                client.turn_away();
                Attempt::Over(Outcome::Unknown(reason))
            }
        }
    }

    /// Asks, over the connection of the write, how many replicas have it.
    async fn confirm(&mut self, action: Action, answer: Answer) -> Attempt {
        let Some(wait) = self.workload.wait else { return Attempt::Over(Outcome::Done(answer)) };
        let (wanted, timeout) = wait.words();
        let request: &[&[u8]] = match wait.on_disks {
            true => &[b"WAITAOF", b"1", wanted.as_bytes(), timeout.as_bytes()],
            false => &[b"WAIT", wanted.as_bytes(), timeout.as_bytes()],
        };
        let client = self.client(action);
        match client.follow_up(request).await {
            Ok(reply) => Attempt::Over(wait.outcome(reply, answer)),
            Err(error) => {
                client.turn_away();
                Attempt::Over(Outcome::Unknown(error.to_string()))
            }
        }
    }

    fn client(&mut self, action: Action) -> &mut Caller<H> {
        match &mut self.reader {
            Some(reader) if action == Action::Read => reader,
            _ => &mut self.writer,
        }
    }

    fn tries(&self, action: Action) -> usize {
        match (&self.reader, action) {
            // Only who gave something can hear that it has been dealt with.
            (_, Action::Confirm) => 1,
            (Some(reader), Action::Read) => reader.tries(self.workload.read_from.len()),
            _ => self.writer.tries(self.workload.write_to.len()),
        }
    }
}

impl Workload {
    /// What a script that writes asks in the same breath, if one does.
    fn asking_script(&self) -> Option<Confirmation> {
        self.wait.filter(|wait| wait.in_script)
    }
}

impl Confirmation {
    /// How many replicas, and within how many milliseconds.
    fn words(self) -> (String, String) {
        (self.replicas.to_string(), self.within.0.as_millis().to_string())
    }

    /// Appends to a ledger and asks, in one.
    fn script(self, key: &[u8], value: &[u8]) -> Vec<Vec<u8>> {
        let question = if self.on_disks { "'WAITAOF', 1," } else { "'WAIT'," };
        let script =
            format!("redis.call('APPEND', KEYS[1], ARGV[1]) return redis.call({question} ARGV[2], ARGV[3])");
        let (wanted, timeout) = self.words();
        let words: [&[u8]; 7] =
            [b"EVAL", script.as_bytes(), b"1", key, value, wanted.as_bytes(), timeout.as_bytes()];
        words.map(<[u8]>::to_vec).to_vec()
    }

    /// What a write has come to that was answered `answer`, by what WAIT or WAITAOF says of it.
    fn outcome(self, reply: Value, answer: Answer) -> Outcome {
        let (local, count) = match reply {
            Value::Integer(count) if !self.on_disks => (true, count as u64),
            Value::Array(counts) if self.on_disks => match counts.as_slice() {
                [Value::Integer(local), Value::Integer(count)] => (*local > 0, *count as u64),
                other => return Outcome::Unknown(format!("WAITAOF was answered {other:?}")),
            },
            other => return Outcome::Unknown(format!("WAIT was answered {other:?}")),
        };
        match local && count >= self.replicas {
            true => Outcome::Done(answer),
            false => Outcome::Unknown(format!("{count} replicas have it in time")),
        }
    }
}
