//! Single elements by index or by value: LINDEX, LSET, LINSERT, LREM, LPOS.

use squall_resp::Args;
use squall_store::{End, List, parse_i64};

use super::{out_of_long_range, reply_item};
use crate::config::EventClass;
use crate::{CommandError, CommandResult, Context};

pub(super) fn lindex(context: &mut Context<'_>) -> CommandResult {
    let Some(list) = context.engine.read::<List>(context.session.db, context.args.at(1))? else {
        context.reply.null();
        return Ok(());
    };
    let index = parse_i64(context.args.at(2)).ok_or(CommandError::NotAnInteger)?;
    match Context::index_within(index, list.len()).and_then(|index| list.get(index)) {
        Some(element) => reply_item(&mut context.reply, element),
        None => context.reply.null(),
    }
    Ok(())
}

pub(super) fn lset(context: &mut Context<'_>) -> CommandResult {
    let (db, key, index, element) = (context.session.db, context.arg(1), context.integer(2), context.arg(3));
    let replaced = context.engine.edit(db, key, |list: &mut List, limits| {
        let index = Context::index_within(index?, list.len()).ok_or(CommandError::OutOfRange)?;
        list.set(index, element, limits);
        Ok::<_, CommandError>(())
    })?;
    replaced.ok_or(CommandError::NoSuchKey)??;
    context.engine.wrote(db, key, 1, EventClass::List, "lset");
    context.reply.ok();
    Ok(())
}

pub(super) fn linsert(context: &mut Context<'_>) -> CommandResult {
    let side = context.arg(2);
    let after = match () {
        () if side.eq_ignore_ascii_case(b"AFTER") => 1,
        () if side.eq_ignore_ascii_case(b"BEFORE") => 0,
        () => return Err(CommandError::Syntax),
    };
    let (db, key, pivot, element) = (context.session.db, context.arg(1), context.arg(3), context.arg(4));
    let len = context.engine.edit(db, key, |list: &mut List, limits| {
        let pivot = list.iter().position(|item| item.is(pivot))?;
        list.insert(pivot + after, element, limits);
        Some(list.len())
    })?;
    context.reply.integer(match len {
        None => 0,
        Some(None) => -1,
        Some(Some(len)) => {
            context.engine.wrote(db, key, 1, EventClass::List, "linsert");
            len as i64
        }
    });
    Ok(())
}

pub(super) fn lrem(context: &mut Context<'_>) -> CommandResult {
    let (db, key, element, count) = (context.session.db, context.arg(1), context.arg(3), context.integer(2)?);
    let (end, count) = match count {
        0 => (End::Head, usize::MAX),
        1.. => (End::Head, count as usize),
        _ => (End::Tail, count.unsigned_abs() as usize),
    };
    let removed = context
        .engine
        .edit(db, key, |list: &mut List, limits| list.remove_equal(element, count, end, limits))?
        .unwrap_or(0);
    context.engine.wrote(db, key, removed as u64, EventClass::List, "lrem");
    context.reply.integer(removed as i64);
    Ok(())
}

/// Which of the equal elements LPOS tells.
struct Matches {
    end: End,
    /// How many are passed over first.
    skipped: u64,
    /// All those wanted; without COUNT one, not in an array.
    count: Option<usize>,
    compared_max: usize,
}

pub(super) fn lpos(context: &mut Context<'_>) -> CommandResult {
    let matches = Matches::parse(context.args.skip(3))?;
    let element = context.arg(2);
    let Some(list) = context.engine.read::<List>(context.session.db, context.args.at(1))? else {
        match matches.count {
            Some(_) => context.reply.array(0),
            None => context.reply.null(),
        }
        return Ok(());
    };
    let found = matches.find(list, element);
    match (matches.count, found.first()) {
        (Some(_), _) => {
            context.reply.array(found.len());
            found.iter().for_each(|&index| context.reply.integer(index as i64));
        }
        (None, Some(&index)) => context.reply.integer(index as i64),
        (None, None) => context.reply.null(),
    }
    Ok(())
}

impl Matches {
    fn parse(args: Args<'_>) -> Result<Matches, CommandError> {
        const ZERO_RANK: &str = "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
             or use negative to start from the end of the list";
        let mut matches = Matches { end: End::Head, skipped: 0, count: None, compared_max: usize::MAX };
        let mut words = args.iter();
        while let Some(word) = words.next() {
            let text = words.next().ok_or(CommandError::Syntax)?;
            let number = || parse_i64(text);
            let count = |refusal: &'static str| {
                let number = number().and_then(|number| usize::try_from(number).ok());
                number.ok_or(CommandError::line(refusal))
            };
            if word.eq_ignore_ascii_case(b"RANK") {
                let rank = number().ok_or(CommandError::NotAnInteger)?;
                if rank == i64::MIN {
                    return Err(out_of_long_range());
                }
                matches.end = if rank < 0 { End::Tail } else { End::Head };
                matches.skipped = rank.unsigned_abs().checked_sub(1).ok_or(CommandError::line(ZERO_RANK))?;
            } else if word.eq_ignore_ascii_case(b"COUNT") {
                matches.count = Some(count("ERR COUNT can't be negative")?);
            } else if word.eq_ignore_ascii_case(b"MAXLEN") {
                matches.compared_max = match count("ERR MAXLEN can't be negative")? {
                    0 => usize::MAX,
                    count => count,
                };
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(matches)
    }

    fn find(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let count = match self.count {
            None => 1,
            Some(0) => usize::MAX,
            Some(count) => count,
        };
        let skipped = usize::try_from(self.skipped).unwrap_or(usize::MAX);
        match self.end {
            End::Head => {
                let equal =
                    list.iter().take(self.compared_max).enumerate().filter(|(_, item)| item.is(element));
                equal.map(|(index, _)| index).skip(skipped).take(count).collect()
            }
            End::Tail => {
                let compared = list.iter().rev().take(self.compared_max);
                let equal = compared.enumerate().filter(|(_, item)| item.is(element));
                equal.map(|(index, _)| list.len() - 1 - index).skip(skipped).take(count).collect()
            }
        }
    }
}
