//! From one list to another: LMOVE, RPOPLPUSH.

use squall_store::{End, List};

use super::{end_named, pop_event, push_event};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn lmove(context: &mut Context<'_>) -> CommandResult {
    let (from, to) = (end_named(context.arg(3))?, end_named(context.arg(4))?);
    if !context.move_element(from, to)? {
        context.reply.null();
    }
    Ok(())
}

pub(super) fn rpoplpush(context: &mut Context<'_>) -> CommandResult {
    if !context.move_element(End::Tail, End::Head)? {
        context.reply.null();
    }
    Ok(())
}

impl Context<'_> {
    /// Moves an element from the list under the first key to that under the second, and replies with it; false, and
    /// nothing replied, where there is none.
    pub(crate) fn move_element(&mut self, from: End, to: End) -> Result<bool, CommandError> {
        let (db, source, destination) = (self.session.db, self.arg(1), self.arg(2));
        // Nothing may be taken before it is known that it can be put.
        if self.engine.edit(db, source, |_: &mut List, _| ())?.is_none() {
            return Ok(false);
        }
        self.engine.edit(db, destination, |_: &mut List, _| ())?;
        let taken = self.engine.edit(db, source, |list: &mut List, limits| {
            let element = list.end(from).expect("no list is empty").to_vec();
            if source == destination {
                list.drop_end(from, 1, limits);
                list.push(to, &element, limits);
            }
            element
        })?;
        let element = taken.expect("it was there above");
        if source != destination {
            self.engine.edit_or_create(db, destination, |list: &mut List, limits| {
                list.push(to, &element, limits);
            })?;
        }
        // One change, seen by those who watch or wait for either key.
        self.engine.wrote(db, destination, 1, EventClass::List, push_event(to));
        if source != destination {
            self.engine.edit(db, source, |list: &mut List, limits| list.drop_end(from, 1, limits))?;
            self.engine.touched(db, source);
        }
        self.engine.notify_edited(db, source, EventClass::List, pop_event(from));
        self.reply.bulk(&element);
        Ok(true)
    }
}
