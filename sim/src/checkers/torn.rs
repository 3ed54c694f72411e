//! All or nothing: the two halves of a pair are only ever changed together, by a transaction or a script, so nobody may
//! ever see them apart, neither while clients work nor at the end.

use crate::history::{Answer, OpId, Operation, Outcome, Survivors};

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Torn {
    /// Operations that saw the halves apart.
    pub seen: Vec<OpId>,
    /// Pairs that are apart at the end.
    pub left: Vec<String>,
}

impl Torn {
    pub fn count(&self) -> u64 {
        (self.seen.len() + self.left.len()) as u64
    }
}

pub fn torn(history: &[Operation], survivors: &Survivors) -> Torn {
    let apart =
        history.iter().filter(|operation| matches!(operation.outcome, Outcome::Done(Answer::Torn(..))));
    Torn { seen: apart.map(|operation| operation.id).collect(), left: survivors.torn.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkers::scripted::{count, history};
    use crate::history::Action;

    #[test]
    fn halves_that_were_seen_apart_are_found_in_answers_and_at_rest() {
        let whole = [(0, 10, Action::Increment, count(1)), (20, 30, Action::Read, count(1))];
        assert_eq!(torn(&history(&whole), &Survivors::default()).count(), 0);
        let apart = (40, 50, Action::Read, Outcome::Done(Answer::Torn(2, 1)));
        let broken = history(&[whole[0].clone(), whole[1].clone(), apart]);
        assert_eq!(torn(&broken, &Survivors::default()).seen, [OpId(3)]);
        let left = Survivors { torn: vec!["pair:1".to_owned()], ..Default::default() };
        assert_eq!(torn(&history(&whole), &left).left, ["pair:1"]);
    }
}
