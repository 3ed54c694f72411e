//! A look at the requests that came together, before the first of them is executed: what the look-ups of
//! their keys will wait for is read for all of them at once. Nothing depends on it but time.

use squall_commands::Engine;
use squall_resp::{Limits, Parsed, RequestParser};

/// After a look in vain a client's next batches are not looked at.
const BATCHES_SPARED: u8 = 15;

#[derive(Default)]
pub(crate) struct Lookahead {
    parser: RequestParser,
}

impl Lookahead {
    /// Looks at the requests at the start of `input`, of which there is one at least; returns how far it saw. `spared`
    /// is the client's: how many batches are not looked at, since the last look was in vain. The first argument of a command is its key, and the second a member of the collection there, or else the look
    /// was in vain.
    pub fn warm(
        &mut self,
        engine: &Engine,
        db: usize,
        input: &[u8],
        limits: &Limits,
        spared: &mut u8,
    ) -> usize {
        if let Some(left) = spared.checked_sub(1) {
            *spared = left;
            return usize::MAX;
        }
        let Some(mut warming) = engine.keyspace.db(db).warming() else { return usize::MAX };
        let mut seen = 0;
        while !warming.is_full()
            && let Ok(Parsed::Command { consumed }) = self.parser.parse(&input[seen..], limits)
        {
            let arg = |index| self.parser.arg_in(&input[seen..], index);
            if let Some(key) = arg(1) {
                warming.add(key, arg(2));
            }
            seen += consumed;
        }
        self.parser.reset();
        if !warming.finish() {
            *spared = BATCHES_SPARED;
        }
        seen
    }
}
