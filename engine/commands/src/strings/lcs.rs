//! LCS: the longest common subsequence of two strings, its length, or where it lies in both.

use bytes::Bytes;
use squall_resp::Args;
use squall_store::parse_i64;

use super::alignment::Alignment;
use crate::{CommandError, CommandResult, Context};

#[derive(Clone, Copy, Default)]
struct LcsOptions {
    length: bool,
    positions: bool,
    /// With positions: how long each run is, too.
    run_lengths: bool,
    /// With positions: shorter runs are left out.
    run_bytes_min: i64,
}

pub(super) fn lcs(context: &mut Context<'_>) -> CommandResult {
    let one = string_at(context, 1)?;
    let other = string_at(context, 2)?;
    let options = LcsOptions::parse(context.args)?;
    if options.length && options.positions {
        return Err(CommandError::line("ERR If you want both the length and indexes, please just use IDX."));
    }
    let bytes_max = u128::from(context.engine.config.proto_bulk_bytes_max);
    if Alignment::memory_bytes(one.len(), other.len()) > bytes_max {
        return Err(CommandError::line(
            "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
        ));
    }
    let alignment = Alignment::of(&one, &other);
    if options.positions {
        reply_positions(context, &alignment, options);
    } else if options.length {
        context.reply.integer(alignment.len as i64);
    } else {
        context.reply.bulk(&alignment.text(&one));
    }
    Ok(())
}

fn reply_positions(context: &mut Context<'_>, alignment: &Alignment, options: LcsOptions) {
    let reply = &mut context.reply;
    let runs = alignment.runs.iter().filter(|run| run.len as i64 >= options.run_bytes_min);
    reply.map(2);
    reply.bulk(b"matches");
    reply.array(runs.clone().count());
    for run in runs {
        reply.array(if options.run_lengths { 3 } else { 2 });
        for start in [run.a, run.b] {
            reply.array(2);
            reply.integer(start as i64);
            reply.integer((start + run.len - 1) as i64);
        }
        if options.run_lengths {
            reply.integer(run.len as i64);
        }
    }
    reply.bulk(b"len");
    reply.integer(alignment.len as i64);
}

fn string_at(context: &mut Context<'_>, index: usize) -> Result<Bytes, CommandError> {
    match context.engine.lookup_read(context.session.db, context.args.at(index)) {
        None => Ok(Bytes::new()),
        Some(entry) => match entry.string() {
            Some(value) => Ok(value.to_bytes()),
            None => Err(CommandError::line("ERR The specified keys must contain string values")),
        },
    }
}

impl LcsOptions {
    fn parse(args: Args<'_>) -> Result<LcsOptions, CommandError> {
        let mut options = LcsOptions::default();
        let mut words = args.skip(3).iter();
        while let Some(word) = words.next() {
            if word.eq_ignore_ascii_case(b"LEN") {
                options.length = true;
            } else if word.eq_ignore_ascii_case(b"IDX") {
                options.positions = true;
            } else if word.eq_ignore_ascii_case(b"WITHMATCHLEN") {
                options.run_lengths = true;
            } else if word.eq_ignore_ascii_case(b"MINMATCHLEN") {
                let number = words.next().ok_or(CommandError::Syntax)?;
                options.run_bytes_min = parse_i64(number).ok_or(CommandError::NotAnInteger)?;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }
}
