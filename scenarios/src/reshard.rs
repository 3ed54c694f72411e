//! Moving slots key by key, as `redis-cli --cluster reshard` drives it: the target imports, the source gives away, keys
//! go in batches, and then everybody is told, the target first. What goes wrong on the way is tried again from where
//! things are, until the slot is where it belongs, as an operator would with `--cluster fix`.

use squall_clock::Nanos;
use squall_net::Host;
use squall_resp::Value;
use squall_sim::checkers::View;
use squall_sim::{Client, Resident, Theatre};

use crate::operator::{Operator, TIMEOUT, client};

/// Keys of one MIGRATE.
const BATCH: &str = "10";
const MIGRATE_TIMEOUT_MS: &str = "2000";
/// MIGRATE answers when the target has: patience is needed for longer than its own timeout.
const MIGRATE_WITHIN: Nanos = Nanos::from_secs(3);
const REST: Nanos = Nanos::from_millis(200);

/// Moves all slots of the range; false where time ran out.
pub(crate) async fn reshard<H: Resident>(
    operator: &Operator<H>,
    from: &str,
    to: &str,
    slots: [u16; 2],
) -> bool {
    let world = operator.host.world();
    world.remark("operator", format_args!("moves slots {} to {} from {from} to {to}", slots[0], slots[1]));
    for slot in slots[0]..=slots[1] {
        let mut attempts = 0;
        while !move_slot(operator, from, to, slot, attempts > 0).await {
            attempts += 1;
            if operator.host.now().mono >= operator.deadline {
                return false;
            }
            operator.host.sleep_until(operator.host.now().mono + REST).await;
        }
    }
    world.remark("operator", format_args!("slots {} to {} are moved", slots[0], slots[1]));
    true
}

/// One attempt at one slot; true when it is done. A repeated one overwrites what the one before has left behind: the
/// source still has the slot, so what it holds is the truth.
async fn move_slot<H: Resident>(
    operator: &Operator<H>,
    from: &str,
    to: &str,
    slot: u16,
    again: bool,
) -> bool {
    let (Some(source), Some(target)) = (operator.play(from), operator.play(to)) else { return false };
    let views = operator.troupe.views();
    let (Some(theirs), Some(mine)) = (views.get(&source), views.get(&target)) else { return false };
    let mut ends = Ends::of(operator, &source, &target, slot);
    let owner = mine.owner(slot).map(str::to_owned);
    if owner.as_deref() == Some(&mine.myself) && theirs.owner(slot) == Some(&mine.myself) {
        return ends.close_everywhere(&views.values().collect::<Vec<_>>(), mine).await;
    }
    if theirs.owner(slot) == Some(&theirs.myself) {
        let prepared = ends.tell_target("IMPORTING", &theirs.myself).await
            && ends.tell_source("MIGRATING", &mine.myself).await;
        if !prepared || !ends.move_keys(&target, again).await {
            return false;
        }
    }
    // The target first: a slot that nobody claims would be served by nobody.
    ends.tell_target("NODE", &mine.myself).await && ends.tell_source("NODE", &mine.myself).await
}

struct Ends<'a, H: Resident> {
    operator: &'a Operator<H>,
    source: Client<H>,
    target: Client<H>,
    slot: String,
}

impl<'a, H: Resident> Ends<'a, H> {
    fn of(operator: &'a Operator<H>, source: &str, target: &str, slot: u16) -> Ends<'a, H> {
        Ends {
            operator,
            source: client(&operator.host, source, MIGRATE_WITHIN),
            target: client(&operator.host, target, TIMEOUT),
            slot: slot.to_string(),
        }
    }

    async fn tell_target(&mut self, what: &str, id: &str) -> bool {
        tell(&mut self.target, &["CLUSTER", "SETSLOT", &self.slot, what, id]).await
    }

    async fn tell_source(&mut self, what: &str, id: &str) -> bool {
        tell(&mut self.source, &["CLUSTER", "SETSLOT", &self.slot, what, id]).await
    }

    /// Moves batch after batch until nothing is left.
    async fn move_keys(&mut self, target: &str, again: bool) -> bool {
        let world = self.operator.host.world();
        let (ip, port) = (world.ip_of(target), world.address_of(target).port.to_string());
        while self.operator.host.now().mono < self.operator.deadline {
            let request: &[&[u8]] = &[b"CLUSTER", b"GETKEYSINSLOT", self.slot.as_bytes(), BATCH.as_bytes()];
            let Ok(Value::Array(keys)) = self.source.call(request).await else { return false };
            if keys.is_empty() {
                return true;
            }
            let mut request: Vec<&[u8]> =
                vec![b"MIGRATE", ip.as_bytes(), port.as_bytes(), b"", b"0", MIGRATE_TIMEOUT_MS.as_bytes()];
            if again {
                request.push(b"REPLACE");
            }
            request.push(b"KEYS");
            for key in &keys {
                let Value::Bulk(key) = key else { return false };
                request.push(key);
            }
            if !matches!(self.source.call(&request).await, Ok(Value::Simple(_))) {
                return false;
            }
        }
        false
    }

    /// Whoever still has the slot open is told that it has moved.
    async fn close_everywhere(&mut self, views: &[&View], owner: &View) -> bool {
        let slot: u16 = self.slot.parse().expect("it was a number");
        for view in views.iter().filter(|view| view.me().open_slots.contains(&slot)) {
            let Some(node) = self.operator.troupe.machine_of(&view.myself) else { return false };
            let mut client = client(&self.operator.host, &node, TIMEOUT);
            let told = match view.me().is_primary {
                true => tell(&mut client, &["CLUSTER", "SETSLOT", &self.slot, "NODE", &owner.myself]).await,
                false => true,
            };
            if !told {
                return false;
            }
        }
        true
    }
}

async fn tell(client: &mut Client<impl Host>, words: &[&str]) -> bool {
    let request: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    matches!(client.call(&request).await, Ok(Value::Simple(ok)) if ok == "OK")
}
