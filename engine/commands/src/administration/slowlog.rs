//! SLOWLOG: the log of slow commands. Only a shell that measures time feeds it; a simulated world has none.

use std::collections::VecDeque;

use squall_clock::Now;
use squall_resp::Args;

use super::monitor::is_secret;
use super::{ALL_NODES, COUNT, PLAIN, server};
use crate::config::Config;
use crate::session::Session;
use crate::table::{Command, Flag, Group, Row};
use crate::{CommandError, CommandResult, Context, catalog};

/// How many words of a command, and how much of each, are kept.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// One slow command.
pub struct SlowCommand {
    pub id: u64,
    pub unix_seconds: u64,
    pub usec: u64,
    pub arguments: Vec<Vec<u8>>,
    pub peer: String,
    pub client_name: Vec<u8>,
}

/// The latest slow commands, the newest first.
#[derive(Default)]
pub struct Slowlog {
    entries: VecDeque<SlowCommand>,
    next_id: u64,
}

impl Slowlog {
    /// Keeps the command if it took long enough.
    #[inline]
    pub(crate) fn consider(
        &mut self,
        usec: u64,
        row: &Row,
        args: Args<'_>,
        session: &Session,
        config: &Config,
        now: Now,
    ) {
        let slow = u64::try_from(config.slowlog_log_slower_than_us).is_ok_and(|limit| usec >= limit);
        if slow && !row.command.flags.has(Flag::SkipSlowlog) {
            self.keep(usec, row, args, session, config.slowlog_max_len, now);
        }
    }

    fn keep(&mut self, usec: u64, row: &Row, args: Args<'_>, session: &Session, len_max: u64, now: Now) {
        self.entries.push_front(SlowCommand {
            id: self.next_id,
            unix_seconds: now.unix_seconds(),
            usec,
            arguments: shortened(row, args),
            peer: session.peer.clone(),
            client_name: session.name.clone(),
        });
        self.next_id += 1;
        self.entries.truncate(usize::try_from(len_max).unwrap_or(usize::MAX));
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn iter(&self) -> impl Iterator<Item = &SlowCommand> {
        self.entries.iter()
    }

    /// Forgets all entries; numbers go on.
    pub fn reset(&mut self) {
        self.entries.clear();
    }
}

fn shortened(row: &Row, args: Args<'_>) -> Vec<Vec<u8>> {
    let kept = if args.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { args.len() };
    let word = |index: usize| {
        let arg = args.at(index);
        if is_secret(row, args, index) {
            b"(redacted)".to_vec()
        } else if arg.len() > ARGUMENT_BYTES_MAX {
            let more = format!("... ({} more bytes)", arg.len() - ARGUMENT_BYTES_MAX);
            [&arg[..ARGUMENT_BYTES_MAX], more.as_bytes()].concat()
        } else {
            arg.to_vec()
        }
    };
    let mut words: Vec<Vec<u8>> = (0..kept).map(word).collect();
    if kept < args.len() {
        words.push(format!("... ({} more arguments)", args.len() - kept).into_bytes());
    }
    words
}

pub(super) const SLOWLOG: Command = Command::container("slowlog", SUBCOMMANDS)
    .group(Group::Server)
    .since("2.2.12")
    .summary("The commands that took long.");

const LOG: &[Flag] = &[Flag::Admin, Flag::Loading, Flag::Stale];

const SUBCOMMANDS: &[Command] = &[
    server("get", -2, get, LOG)
        .since("2.2.12")
        .complexity("O(N) where N is the number of entries.")
        .tips(&["request_policy:all_nodes", "nondeterministic_output"])
        .summary("The latest entries, the newest first.")
        .arguments(&[COUNT]),
    server("help", 2, catalog::help, PLAIN).since("6.2.0").summary("Tells what SLOWLOG can do."),
    server("len", 2, len, LOG)
        .since("2.2.12")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"])
        .summary("How many entries there are."),
    server("reset", 2, reset, LOG)
        .since("2.2.12")
        .complexity("O(N) where N is the number of entries.")
        .tips(ALL_NODES)
        .summary("Forgets all entries."),
];

/// Entries that SLOWLOG GET gives where nobody says how many.
const COUNT_DEFAULT: usize = 10;

fn get(context: &mut Context<'_>) -> CommandResult {
    const WRONG_COUNT: &str = "ERR count should be greater than or equal to -1";
    let count = match context.args.len() {
        2 => COUNT_DEFAULT,
        3 => match squall_store::parse_i64(context.arg(2)) {
            Some(-1) => usize::MAX,
            Some(count) if count >= 0 => usize::try_from(count).unwrap_or(usize::MAX),
            _ => return Err(CommandError::line(WRONG_COUNT)),
        },
        _ => return Err(CommandError::Arity { command: "slowlog|get".into() }),
    };
    let (slowlog, reply) = (&context.engine.slowlog, &mut context.reply);
    reply.array(slowlog.len().min(count));
    for entry in slowlog.iter().take(count) {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_seconds as i64);
        reply.integer(entry.usec as i64);
        reply.array(entry.arguments.len());
        for argument in &entry.arguments {
            reply.bulk(argument);
        }
        reply.bulk_str(&entry.peer);
        reply.bulk(&entry.client_name);
    }
    Ok(())
}

fn len(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.engine.slowlog.len() as i64);
    Ok(())
}

fn reset(context: &mut Context<'_>) -> CommandResult {
    context.engine.slowlog.reset();
    context.reply.ok();
    Ok(())
}
