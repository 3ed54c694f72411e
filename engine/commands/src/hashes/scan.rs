//! HSCAN: walking over the fields of a hash, a part at each call.

use squall_store::glob_match;

use crate::generic::scan::{ScanOptions, parse_cursor};
use crate::{CommandResult, Context};

pub(super) fn hscan(context: &mut Context<'_>) -> CommandResult {
    let cursor = parse_cursor(context.arg(2))?;
    let Some(hash) = context.engine.read_hash(context.session.db, context.args.at(1))? else {
        context.reply.array(2);
        context.reply.bulk(b"0");
        context.reply.array(0);
        return Ok(());
    };
    let mut words: Vec<&[u8]> = context.args.skip(3).iter().collect();
    let options_only = words.len();
    words.retain(|word| !word.eq_ignore_ascii_case(b"NOVALUES"));
    let without_values = words.len() < options_only;
    let request = squall_resp::OwnedArgs::from_slices(&words);
    let options = ScanOptions::parse(request.as_args(), false)?;
    let mut found: Vec<Vec<u8>> = Vec::new();
    let next = hash.hash.scan(cursor, options.count, |field, value| {
        let mut digits = itoa::Buffer::new();
        let text = field.as_bytes(&mut digits);
        let wanted = options.pattern.is_none_or(|pattern| glob_match(pattern, text));
        if wanted && hash.hash.is_live(text, hash.now) {
            found.push(text.to_vec());
            if !without_values {
                found.push(value.to_vec());
            }
        }
    });
    context.reply.array(2);
    context.reply.bulk(itoa::Buffer::new().format(next).as_bytes());
    context.reply.array(found.len());
    found.iter().for_each(|text| context.reply.bulk(text));
    Ok(())
}
