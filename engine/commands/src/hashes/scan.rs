//! HSCAN: walking over the fields of a hash, a part at each call.

use squall_store::glob_match;

use crate::generic::scan::{ScanOf, ScanOptions, parse_cursor, reply_page};
use crate::{CommandResult, Context};

pub(super) fn hscan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(2))?;
    let Some(hash) = context.engine.read_hash(context.session.db, context.args.at(1))? else {
        reply_page(&mut context.reply, 0, &[]);
        return Ok(());
    };
    let options = ScanOptions::parse(context.args.skip(3), ScanOf::Fields)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let next = hash.hash.scan(cursor, options.count, |field, value| {
        let mut digits = itoa::Buffer::new();
        let text = field.as_bytes(&mut digits);
        let wanted = options.pattern.is_none_or(|pattern| glob_match(pattern, text));
        if wanted && hash.hash.is_live(text, hash.now) {
            found.push(text.to_vec());
            if !options.without_values {
                found.push(value.to_vec());
            }
        }
    });
    reply_page(&mut context.reply, next, &found);
    Ok(())
}
