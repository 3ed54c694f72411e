//! What comes and goes: a fault that lasts for a while, is over for a while, and begins again.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use squall_clock::Nanos;

use super::Remedy;
use crate::theatre::Theatre;

/// Lets `begin` last for `on`, ends it for `off`, and so forth, until its remedy is called.
pub(super) fn by_turns<W: Theatre>(
    world: &W,
    begin: impl Fn(&W) -> Remedy<W> + 'static,
    on: Nanos,
    off: Nanos,
) -> Remedy<W> {
    /// Holds the remedy while the fault is on; nothing is left to do once it is over.
    struct Turns<W, B> {
        begin: B,
        remedy: RefCell<Option<Remedy<W>>>,
        over: Cell<bool>,
        on: Nanos,
        off: Nanos,
    }
    fn turn<W: Theatre, B: Fn(&W) -> Remedy<W> + 'static>(turns: &Rc<Turns<W, B>>, world: &W) {
        if turns.over.get() {
            return;
        }
        let remedy = turns.remedy.borrow_mut().take();
        let lasting = match remedy {
            Some(remedy) => {
                remedy(world);
                turns.off
            }
            None => {
                *turns.remedy.borrow_mut() = Some((turns.begin)(world));
                turns.on
            }
        };
        let turns = Rc::clone(turns);
        world.at(world.now() + lasting, move |world| turn(&turns, world));
    }
    let turns = Rc::new(Turns { begin, remedy: RefCell::new(None), over: Cell::new(false), on, off });
    turn(&turns, world);
    Box::new(move |world| {
        turns.over.set(true);
        if let Some(remedy) = turns.remedy.borrow_mut().take() {
            remedy(world);
        }
    })
}
