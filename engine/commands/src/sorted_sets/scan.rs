//! ZSCAN: walking over the members of a sorted set, a part at each call.

use squall_resp::DoubleText;
use squall_store::{ZSet, glob_match};

use crate::generic::scan::{ScanOf, ScanOptions, parse_cursor, reply_page};
use crate::{CommandResult, Context};

pub(super) fn zscan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(2))?;
    let (db, key) = (context.session.db, context.arg(1));
    let zset = context.engine.read::<ZSet>(db, key)?;
    let mut found = Vec::new();
    let mut next = 0;
    if let Some(zset) = zset {
        let options = ScanOptions::parse(context.args.skip(3), ScanOf::Scored)?;
        let mut digits = itoa::Buffer::new();
        next = zset.scan(cursor, options.count, |member, score| {
            let text = member.as_bytes(&mut digits);
            if options.pattern.is_none_or(|pattern| glob_match(pattern, text)) {
                found.push(text.to_vec());
                if !options.without_values {
                    found.push(DoubleText::of(score).as_bytes().to_vec());
                }
            }
        });
    }
    reply_page(&mut context.reply, next, &found);
    Ok(())
}
