//! Lock exclusivity: no two holders at a time. A hold lasts from the moment at which its client was told that it has
//! the lock until it gave the lock back, or until its lease ran out by the client's own reckoning.

use std::collections::BTreeMap;

use squall_clock::{Mono, Nanos};

/// One client's belief that it holds a lock.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Hold {
    pub lock: String,
    pub from: Mono,
    pub until: Mono,
    pub holder: String,
}

/// Two clients that held one lock at once, and for how long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SharedHold {
    pub one: Hold,
    pub other: Hold,
    pub length: Nanos,
}

/// For each hold that began while another client's went on, that pair.
pub fn shared_holds(holds: &[Hold]) -> Vec<SharedHold> {
    let mut ordered: Vec<&Hold> = holds.iter().filter(|hold| hold.from < hold.until).collect();
    ordered.sort_by_key(|hold| (hold.from, &hold.holder));
    // By lock, the hold that reaches furthest so far.
    let mut furthest: BTreeMap<&str, &Hold> = BTreeMap::new();
    let mut found = Vec::new();
    for hold in ordered {
        let current = furthest.entry(&hold.lock).or_insert(hold);
        if current.holder != hold.holder && hold.from < current.until {
            let length = current.until.min(hold.until).since(hold.from);
            found.push(SharedHold { one: (*current).clone(), other: hold.clone(), length });
        }
        if hold.until > current.until {
            *current = hold;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(holder: &str, lock: &str, from: u64, until: u64) -> Hold {
        Hold { lock: lock.to_owned(), from: Mono(from), until: Mono(until), holder: holder.to_owned() }
    }

    #[test]
    fn two_holders_at_once_are_found_and_those_in_turn_are_not() {
        let healthy = [
            hold("x", "l", 0, 10),
            hold("y", "l", 10, 20),
            hold("x", "other", 5, 25),
            hold("x", "l", 21, 30),
            hold("x", "l", 25, 40),
        ];
        assert_eq!(shared_holds(&healthy), []);
        let mut broken = healthy.to_vec();
        broken.push(hold("z", "l", 28, 50));
        let found = shared_holds(&broken);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].one.holder.as_str(), found[0].other.holder.as_str()), ("x", "z"));
        assert_eq!(found[0].length, Nanos(12), "from 28 until x gave it back at 40");
    }
}
