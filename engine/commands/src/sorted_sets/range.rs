//! Ranges of members: ZRANGE and ZRANGESTORE in all their forms, the older commands that are special cases of
//! them, and the counting of what lies in a range.

use std::ops::Range;

use squall_resp::Args;
use squall_store::{ZSet, parse_i64};

use super::bounds::{Bounds, By};
use super::{reply_members, store};
use crate::{CommandError, CommandResult, Context};

/// What a range command may say beside its bounds.
#[derive(Clone, Copy)]
struct Form {
    /// Where ZRANGE lets its words decide, nothing is fixed.
    by: Option<By>,
    backwards: Option<bool>,
    /// It replies; it does not store.
    replies: bool,
}

/// What is asked for.
struct Query<'a> {
    bounds: Bounds<'a>,
    backwards: bool,
    with_scores: bool,
    /// How many members are passed over, and how many follow at most: negative, all.
    limit: (i64, i64),
}

const OLD: Form = Form { by: None, backwards: Some(false), replies: true };

pub(super) fn zrange(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: None, backwards: None, replies: true })
}

pub(super) fn zrevrange(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: Some(By::Rank), backwards: Some(true), ..OLD })
}

pub(super) fn zrangebyscore(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: Some(By::Score), ..OLD })
}

pub(super) fn zrevrangebyscore(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: Some(By::Score), backwards: Some(true), ..OLD })
}

pub(super) fn zrangebylex(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: Some(By::Text), ..OLD })
}

pub(super) fn zrevrangebylex(context: &mut Context<'_>) -> CommandResult {
    reply_range(context, Form { by: Some(By::Text), backwards: Some(true), ..OLD })
}

pub(super) fn zrangestore(context: &mut Context<'_>) -> CommandResult {
    let query = Query::parse(context.args.skip(3), Form { by: None, backwards: None, replies: false })?;
    let (db, target, source) = (context.session.db, context.arg(1), context.arg(2));
    let mut result = ZSet::default();
    if let Some(zset) = context.engine.read::<ZSet>(db, source)? {
        let zset = zset.clone();
        let limits = context.engine.keyspace.limits();
        let mut digits = itoa::Buffer::new();
        for (member, score) in zset.range(query.ranks(&zset), false) {
            result.insert(member.as_bytes(&mut digits), score, limits);
        }
    }
    store(context, target, result, "zrangestore")
}

pub(super) fn zcount(context: &mut Context<'_>) -> CommandResult {
    count(context, By::Score)
}

pub(super) fn zlexcount(context: &mut Context<'_>) -> CommandResult {
    count(context, By::Text)
}

fn count(context: &mut Context<'_>, by: By) -> CommandResult {
    let bounds = Bounds::parse(by, context.arg(2), context.arg(3))?;
    let zset = context.engine.read::<ZSet>(context.session.db, context.args.at(1))?;
    context.reply.integer(zset.map_or(0, |zset| bounds.ranks(zset, false).len()) as i64);
    Ok(())
}

fn reply_range(context: &mut Context<'_>, form: Form) -> CommandResult {
    let query = Query::parse(context.args.skip(2), form)?;
    let key = context.args.at(1);
    match context.engine.read::<ZSet>(context.session.db, key)? {
        None => context.reply.array(0),
        Some(zset) => {
            let members = zset.range(query.ranks(zset), query.backwards);
            reply_members(&mut context.reply, members, query.with_scores);
        }
    }
    Ok(())
}

impl<'a> Query<'a> {
    /// Reads both bounds and what follows them.
    fn parse(args: Args<'a>, form: Form) -> Result<Query<'a>, CommandError> {
        let (mut by, mut backwards) = (form.by, form.backwards);
        let (mut with_scores, mut limit) = (false, (0, -1));
        let integer = |text| parse_i64(text).ok_or(CommandError::NotAnInteger);
        let mut index = 2;
        while index < args.len() {
            let is = |name: &[u8]| args.at(index).eq_ignore_ascii_case(name);
            if form.replies && is(b"WITHSCORES") {
                with_scores = true;
            } else if is(b"LIMIT") && index + 2 < args.len() {
                limit = (integer(args.at(index + 1))?, integer(args.at(index + 2))?);
                index += 2;
            } else if backwards.is_none() && is(b"REV") {
                backwards = Some(true);
            } else if by.is_none() && form.backwards.is_none() && is(b"BYLEX") {
                by = Some(By::Text);
            } else if by.is_none() && form.backwards.is_none() && is(b"BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        let (by, backwards) = (by.unwrap_or(By::Rank), backwards.unwrap_or(false));
        if limit.1 != -1 && by == By::Rank {
            return Err(CommandError::line(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Text {
            return Err(CommandError::line(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        // Backwards, the greater end is named first; ranks are counted from there as well.
        let (first, second) = (args.at(0), args.at(1));
        let is_swapped = backwards && by != By::Rank;
        let (min, max) = if is_swapped { (second, first) } else { (first, second) };
        let bounds = Bounds::parse(by, min, max)?;
        let limit = if by == By::Rank { (0, -1) } else { limit };
        Ok(Query { bounds, backwards, with_scores, limit })
    }

    /// The ranks of the members that are asked for.
    fn ranks(&self, zset: &ZSet) -> Range<usize> {
        let ranks = self.bounds.ranks(zset, self.backwards);
        let passed = usize::try_from(self.limit.0).unwrap_or(usize::MAX).min(ranks.len());
        let count = usize::try_from(self.limit.1).unwrap_or(usize::MAX).min(ranks.len() - passed);
        match self.backwards {
            true => ranks.end - passed - count..ranks.end - passed,
            false => ranks.start + passed..ranks.start + passed + count,
        }
    }
}
