//! What a person or a controller can do and see over the network: the operator carries out the scenario's
//! orders, each again until the node obeys; the observer, on a machine of its own, asks all nodes for their state.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_sim::checkers::View;
use squall_sim::{Client, Faults, MachineId, Process, Resident, Theatre};

use crate::agent::{NodeState, ask, look};
use crate::cast::{Part, Troupe};
use crate::cluster::Starter;
use crate::file::{Condition, FailoverWay, OperatorStep, Order, Scenario};
use crate::reshard::reshard;

/// An order that a node has obeyed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Carried {
    pub(crate) at: Mono,
    pub(crate) promoted: Option<String>,
}

/// Who carries orders out, what they can do beside sending commands, and what they can see.
pub(crate) struct Operator<H: Resident> {
    pub(crate) host: H,
    pub(crate) faults: Faults<H::Theatre>,
    pub(crate) starter: Starter<H::Theatre>,
    pub(crate) troupe: Troupe,
    /// Nothing is tried after that.
    pub(crate) deadline: Mono,
}

pub(crate) const TIMEOUT: Nanos = Nanos::from_secs(1);
/// Who reads all that is left when everybody has come to rest.
pub(crate) const PATIENCE: Nanos = Nanos::from_secs(20);
pub(crate) const RETRY_AFTER: Nanos = Nanos::from_millis(500);
/// How often a condition is looked at.
pub(crate) const LOOK_EVERY: Nanos = Nanos::from_millis(50);

/// Runs `work` as the program of a machine and waits for what it gives.
pub(crate) async fn on_machine<W: Theatre, T: 'static, F: Future<Output = T> + 'static>(
    world: &W,
    machine: MachineId,
    work: impl Fn(W::Host) -> F + 'static,
) -> T {
    let outcome = Rc::new(RefCell::new(None));
    let given = Rc::clone(&outcome);
    let work = Rc::new(work);
    let program = move |host| {
        let (given, work) = (Rc::clone(&given), Rc::clone(&work));
        Box::pin(async move {
            let value = work(host).await;
            *given.borrow_mut() = Some(value);
        }) as Process
    };
    world.start(machine, Rc::new(program));
    loop {
        if let Some(value) = outcome.borrow_mut().take() {
            return value;
        }
        world.sleep(Nanos::from_millis(1)).await;
    }
}

/// Carries out the orders in turn, each not before its time; gives up at `deadline`.
pub(crate) async fn carry_out<H: Resident>(
    operator: Operator<H>,
    steps: Vec<OperatorStep>,
    begin: Mono,
    carried: Rc<RefCell<Vec<Carried>>>,
) {
    for step in steps {
        operator.host.sleep_until(begin + step.at.0).await;
        if !operator.carry_out(&step.order).await {
            return;
        }
        let promoted = match step.order {
            Order::Promote { node } => Some(node),
            _ => None,
        };
        carried.borrow_mut().push(Carried { at: operator.host.now().mono, promoted });
    }
}

impl<H: Resident> Operator<H> {
    async fn carry_out(&self, order: &Order) -> bool {
        let Operator { host, deadline, .. } = self;
        match order {
            Order::Heal => {
                self.faults.heal_all();
                true
            }
            Order::Await { node, until } => self.await_condition(node, *until).await,
            Order::Promote { node } => insist(host, node, &[&["REPLICAOF", "NO", "ONE"]], *deadline).await,
            Order::Replicate { node, of } => {
                insist(host, node, &[&["REPLICAOF", of, "6379"]], *deadline).await
            }
            Order::Command { node, words } => self.command(node, words, *deadline).await,
            Order::Try { node, words } => {
                // One attempt: by the time that it has failed, the deadline is over.
                self.command(node, words, host.now().mono + Nanos(1)).await;
                true
            }
            Order::Restart { node, config } => {
                let node = self.play(node);
                node.inspect(|node| self.starter.restart(node, config)).is_some()
            }
            Order::Failover { node, how } => self.fail_over(node, *how).await,
            Order::Reshard { from, to, slots } => reshard(self, from, to, *slots).await,
            Order::Transaction { node, commands } => {
                let (first, last) = (["MULTI".to_owned()], ["EXEC".to_owned()]);
                let commands = commands.iter().map(Vec::as_slice);
                let all: Vec<&[String]> =
                    [&first[..]].into_iter().chain(commands).chain([&last[..]]).collect();
                insist(host, node, &all, *deadline).await
            }
        }
    }

    async fn command(&self, node: &str, words: &[String], deadline: Mono) -> bool {
        let node = self.play(node).unwrap_or_else(|| node.to_owned());
        let words: Vec<String> = words.iter().map(|word| self.fill_in(word)).collect();
        insist(&self.host, &node, &[&words], deadline).await
    }

    /// The machine that plays the part now; a machine's name stands for itself.
    pub(crate) fn play(&self, name: &str) -> Option<String> {
        match Part::parse(name) {
            Some(part) => self.troupe.play(part).into_iter().next(),
            None => Some(name.to_owned()),
        }
    }

    /// `{id a2}` and `{ip a2}`, filled in as things are now.
    fn fill_in(&self, word: &str) -> String {
        let Some((what, name)) =
            word.strip_prefix('{').and_then(|word| word.strip_suffix('}')?.split_once(' '))
        else {
            return word.to_owned();
        };
        let node = self.play(name).unwrap_or_else(|| name.to_owned());
        let world = self.host.world();
        let found = match what {
            "id" => self.troupe.id_of(&node),
            "ip" => Some(world.ip_of(&node)),
            _ => None,
        };
        found.unwrap_or_else(|| word.to_owned())
    }

    /// Whoever plays the part when the order is obeyed is the one that is promoted; it is asked again only where it
    /// does not obey.
    async fn fail_over(&self, name: &str, how: FailoverWay) -> bool {
        let words: &[&str] = match how {
            FailoverWay::Agreed => &["CLUSTER", "FAILOVER"],
            FailoverWay::Force => &["CLUSTER", "FAILOVER", "FORCE"],
            FailoverWay::Takeover => &["CLUSTER", "FAILOVER", "TAKEOVER"],
        };
        while self.host.now().mono < self.deadline {
            let until = self.deadline.min(self.host.now().mono + RETRY_AFTER);
            if let Some(node) = self.play(name)
                && insist(&self.host, &node, &[words], until).await
            {
                return true;
            }
            self.host.sleep_until(self.host.now().mono + RETRY_AFTER).await;
        }
        false
    }

    async fn await_condition(&self, node: &str, until: Condition) -> bool {
        while self.host.now().mono < self.deadline {
            if let Some(node) = self.play(node) {
                let mut client = client(&self.host, &node, TIMEOUT);
                let holds =
                    look(&mut client, self.troupe.is_clustered()).await.is_some_and(|state| match until {
                        Condition::Primary => state.is_primary,
                        Condition::Linked => !state.is_primary && state.link_up,
                        Condition::Syncing => state.syncing,
                        Condition::ClusterOk => state.view.is_some_and(|view| view.ok),
                        Condition::ClusterDown => state.view.is_some_and(|view| !view.ok),
                    });
                if holds {
                    return true;
                }
            }
            self.host.sleep_until(self.host.now().mono + LOOK_EVERY).await;
        }
        false
    }
}

/// Asks one node until its view is as wanted.
pub(crate) async fn view_of(
    host: &impl Resident,
    node: &str,
    deadline: Mono,
    wanted: impl Fn(&View) -> bool,
) -> Option<View> {
    let mut client = client(host, node, TIMEOUT);
    while host.now().mono < deadline {
        let view = look(&mut client, true).await.and_then(|state| state.view);
        if let Some(view) = view.filter(|view| wanted(view)) {
            return Some(View::clone(&view));
        }
        host.sleep_until(host.now().mono + LOOK_EVERY).await;
    }
    None
}

/// Asks every node whom it follows; those that do not answer are left out.
pub(crate) async fn look_at_all(
    clients: &mut [(String, Client<impl Host>)],
    clustered: bool,
) -> Vec<(String, NodeState)> {
    let mut states = Vec::new();
    for (name, client) in clients {
        if let Some(state) = look(client, clustered).await {
            states.push((name.clone(), state));
        }
    }
    states
}

/// Asks every node for all of its state; those that do not answer are left out.
pub(crate) async fn ask_all(
    clients: &mut [(String, Client<impl Host>)],
    clustered: bool,
) -> Vec<(String, NodeState)> {
    let mut states = Vec::new();
    for (name, client) in clients {
        if let Some(state) = ask(client, clustered).await {
            states.push((name.clone(), state));
        }
    }
    states
}

/// A client to each node.
pub(crate) fn clients<H: Resident>(host: &H, scenario: &Scenario) -> Vec<(String, Client<H>)> {
    clients_with(host, scenario, TIMEOUT)
}

/// A client to each node that waits for the whole of what a narrow link takes long to carry.
pub(crate) fn patient_clients<H: Resident>(host: &H, scenario: &Scenario) -> Vec<(String, Client<H>)> {
    clients_with(host, scenario, PATIENCE)
}

fn clients_with<H: Resident>(host: &H, scenario: &Scenario, timeout: Nanos) -> Vec<(String, Client<H>)> {
    let names = scenario.nodes.iter().map(|node| node.get_ref().name.clone());
    names.map(|name| (name.clone(), client(host, &name, timeout))).collect()
}

pub(crate) fn client<H: Resident>(host: &H, node: &str, timeout: Nanos) -> Client<H> {
    Client::to(host, vec![host.world().address_of(node)], timeout)
}

/// Sends commands at once, until the node obeys all of them.
pub(crate) async fn insist<W: AsRef<str>>(
    host: &impl Resident,
    node: &str,
    commands: &[&[W]],
    deadline: Mono,
) -> bool {
    let mut client = client(host, node, TIMEOUT);
    let words = |command: &&[W]| addressed(host.world(), command.iter().map(AsRef::as_ref));
    let commands: Vec<Vec<String>> = commands.iter().map(words).collect();
    let requests: Vec<Vec<&[u8]>> =
        commands.iter().map(|words| words.iter().map(|word| word.as_bytes()).collect()).collect();
    let requests: Vec<&[&[u8]]> = requests.iter().map(Vec::as_slice).collect();
    let order = commands.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join(", ");
    while host.now().mono < deadline {
        let answer = match client.pipeline(&requests).await {
            Ok(replies) => match replies.iter().find_map(refusal) {
                Some(message) => message,
                None => {
                    host.world().remark("operator", format_args!("{node} obeys {order}"));
                    return true;
                }
            },
            Err(error) => error.to_string(),
        };
        host.world().remark("operator", format_args!("{node} does not obey {order}: {answer}"));
        host.sleep_until(host.now().mono + RETRY_AFTER).await;
    }
    false
}

/// The words of a command, with the address of this world in the place of a machine's name and port.
fn addressed<'a>(world: &impl Theatre, words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut addressed: Vec<String> = Vec::new();
    for word in words {
        match addressed.last_mut() {
            Some(name) if word == "6379" && world.machine_named(name).is_some() => {
                let Address { host, port } = world.address_of(name);
                *name = host;
                addressed.push(port.to_string());
            }
            _ => addressed.push(word.to_owned()),
        }
    }
    addressed
}

/// The first error of a reply, EXEC's array included.
fn refusal(reply: &Value) -> Option<String> {
    match reply {
        Value::Error(message) => Some(message.clone()),
        Value::Array(replies) => replies.iter().find_map(refusal),
        _ => None,
    }
}
