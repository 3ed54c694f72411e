//! What a person or a controller can do and see over the network: the operator carries out the scenario's
//! orders, each again until the node obeys; the observer, on a machine of its own, asks all nodes for their state.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};
use squall_resp::Value;
use squall_sim::{Client, Faults, MachineId, Process, Resident, Theatre};

use crate::agent::{NodeState, ask, look};
use crate::cluster::Starter;
use crate::file::{Condition, OperatorStep, Order, Scenario};

/// An order that a node has obeyed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Carried {
    pub(crate) at: Mono,
    pub(crate) promoted: Option<String>,
}

/// What an operator can do beside sending commands.
pub(crate) struct Means<W: Theatre> {
    pub(crate) faults: Faults<W>,
    pub(crate) starter: Starter<W>,
}

const TIMEOUT: Nanos = Nanos::from_secs(1);
/// Who reads all that is left when everybody has come to rest.
const PATIENCE: Nanos = Nanos::from_secs(20);
const RETRY_AFTER: Nanos = Nanos::from_millis(500);
/// How often a condition is looked at.
pub(crate) const LOOK_EVERY: Nanos = Nanos::from_millis(50);

impl<W: Theatre> Clone for Means<W> {
    fn clone(&self) -> Means<W> {
        Means { faults: self.faults.clone(), starter: self.starter.clone() }
    }
}

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
    host: H,
    steps: Vec<OperatorStep>,
    means: Means<H::Theatre>,
    begin: Mono,
    deadline: Mono,
    carried: Rc<RefCell<Vec<Carried>>>,
) {
    for step in steps {
        host.sleep_until(begin + step.at.0).await;
        let done = match &step.order {
            Order::Heal => {
                means.faults.heal_all();
                true
            }
            Order::Await { node, until } => await_condition(&host, node, *until, deadline).await,
            Order::Promote { node } => insist(&host, node, &[&["REPLICAOF", "NO", "ONE"]], deadline).await,
            Order::Replicate { node, of } => {
                insist(&host, node, &[&["REPLICAOF", of, "6379"]], deadline).await
            }
            Order::Command { node, words } => insist(&host, node, &[words], deadline).await,
            Order::Try { node, words } => {
                // One attempt: by the time that it has failed, the deadline is over.
                insist(&host, node, &[words], host.now().mono + Nanos(1)).await;
                true
            }
            Order::Restart { node, config } => {
                means.starter.restart(node, config);
                true
            }
            Order::Transaction { node, commands } => {
                let (first, last) = (["MULTI".to_owned()], ["EXEC".to_owned()]);
                let commands = commands.iter().map(Vec::as_slice);
                let all: Vec<&[String]> =
                    [&first[..]].into_iter().chain(commands).chain([&last[..]]).collect();
                insist(&host, node, &all, deadline).await
            }
        };
        if !done {
            return;
        }
        let promoted = match step.order {
            Order::Promote { node } => Some(node),
            _ => None,
        };
        carried.borrow_mut().push(Carried { at: host.now().mono, promoted });
    }
}

/// Asks every node whom it follows; those that do not answer are left out.
pub(crate) async fn look_at_all(clients: &mut [(String, Client<impl Host>)]) -> Vec<(String, NodeState)> {
    let mut states = Vec::new();
    for (name, client) in clients {
        if let Some(state) = look(client).await {
            states.push((name.clone(), state));
        }
    }
    states
}

/// Asks every node for all of its state; those that do not answer are left out.
pub(crate) async fn ask_all(clients: &mut [(String, Client<impl Host>)]) -> Vec<(String, NodeState)> {
    let mut states = Vec::new();
    for (name, client) in clients {
        if let Some(state) = ask(client).await {
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

/// Whether all nodes follow one primary, directly or through others, with every link up.
pub(crate) fn agree_on_primary(states: &[(String, NodeState)], nodes: usize) -> Option<String> {
    let mut primaries = states.iter().filter(|(_, state)| state.is_primary);
    let (primary, _) = primaries.next()?;
    let linked = |(_, state): &(String, NodeState)| state.is_primary || state.link_up && !state.syncing;
    let agreed = states.len() == nodes && primaries.next().is_none() && states.iter().all(linked);
    agreed.then(|| primary.clone())
}

fn client<H: Resident>(host: &H, node: &str, timeout: Nanos) -> Client<H> {
    Client::to(host, vec![host.world().address_of(node)], timeout)
}

/// Sends commands at once, until the node obeys all of them.
async fn insist<W: AsRef<str>>(host: &impl Resident, node: &str, commands: &[&[W]], deadline: Mono) -> bool {
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

async fn await_condition(host: &impl Resident, node: &str, until: Condition, deadline: Mono) -> bool {
    let mut client = client(host, node, TIMEOUT);
    while host.now().mono < deadline {
        let holds = look(&mut client).await.is_some_and(|state| match until {
            Condition::Primary => state.is_primary,
            Condition::Linked => !state.is_primary && state.link_up,
            Condition::Syncing => state.syncing,
        });
        if holds {
            return true;
        }
        host.sleep_until(host.now().mono + LOOK_EVERY).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_agree_when_one_is_primary_and_all_others_are_linked() {
        let state = |is_primary, link_up| NodeState { is_primary, link_up, ..Default::default() };
        let named = |states: &[NodeState]| {
            states.iter().enumerate().map(|(n, state)| (n.to_string(), state.clone())).collect::<Vec<_>>()
        };
        let agree = |states: &[NodeState]| agree_on_primary(&named(states), 2);
        assert_eq!(agree(&[state(true, false), state(false, true)]).as_deref(), Some("0"));
        assert_eq!(agree(&[state(true, false), state(false, false)]), None);
        assert_eq!(agree(&[state(true, false), state(true, false)]), None);
        assert_eq!(agree(&[state(true, false)]), None, "a node that does not answer does not agree");
    }
}
