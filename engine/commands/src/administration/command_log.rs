//! SLOWLOG and COMMANDLOG: the commands that took long, those that were long themselves, and those whose
//! replies were. Only a shell that measures time feeds the first; a simulated world has none. COMMANDLOG, and
//! the two other logs, are Valkey's.

use std::collections::VecDeque;

use squall_clock::{Nanos, Now};
use squall_resp::Args;

use super::monitor::is_secret;
use super::{ALL_NODES, COUNT, PLAIN, server};
use crate::config::Config;
use crate::session::Session;
use crate::table::{Argument, Command, Flag, Group, Row};
use crate::{CommandError, CommandResult, Context, catalog};

/// How many words of a command, and how much of each, are kept.
const ARGUMENTS_MAX: usize = 32;
const ARGUMENT_BYTES_MAX: usize = 128;

/// One command that stood out.
pub struct LoggedCommand {
    pub id: u64,
    pub unix_seconds: u64,
    /// Microseconds, or bytes: what it stood out by.
    pub amount: u64,
    pub arguments: Vec<Vec<u8>>,
    pub peer: String,
    pub client_name: Vec<u8>,
}

/// The latest commands of one kind, the newest first.
#[derive(Default)]
pub struct Log {
    entries: VecDeque<LoggedCommand>,
    next_id: u64,
}

/// What is known of a command that has ended.
pub(crate) struct Ended<'a> {
    pub row: &'a Row,
    pub args: Args<'a>,
    /// Where somebody measures it.
    pub took: Option<Nanos>,
    pub reply_bytes: usize,
}

/// The three logs.
#[derive(Default)]
pub struct CommandLog {
    pub slow: Log,
    large_requests: Log,
    large_replies: Log,
}

impl CommandLog {
    /// Keeps the command where it stands out.
    #[inline]
    pub(crate) fn consider(&mut self, ended: &Ended<'_>, session: &Session, config: &Config, now: Now) {
        let over = |amount: u64, limit: i64| u64::try_from(limit).is_ok_and(|limit| amount >= limit);
        let usec = ended.took.map(Nanos::as_micros);
        let is_slow = usec.is_some_and(|usec| over(usec, config.slowlog_log_slower_than_us));
        let request = ended.args.span_bytes() as u64;
        let is_large = over(request, config.commandlog_request_larger_than_bytes);
        let reply = ended.reply_bytes as u64;
        let answers_much = over(reply, config.commandlog_reply_larger_than_bytes);
        if !(is_slow || is_large || answers_much) || ended.row.command.flags.has(Flag::SkipSlowlog) {
            return;
        }
        if is_slow {
            self.slow.keep(usec.unwrap_or(0), ended, session, config.slowlog_max_len, now);
        }
        if is_large {
            self.large_requests.keep(request, ended, session, config.commandlog_large_request_max_len, now);
        }
        if answers_much {
            self.large_replies.keep(reply, ended, session, config.commandlog_large_reply_max_len, now);
        }
    }

    fn of_type(&mut self, name: &[u8]) -> Result<&mut Log, CommandError> {
        match name.to_ascii_lowercase().as_slice() {
            b"slow" => Ok(&mut self.slow),
            b"large-request" => Ok(&mut self.large_requests),
            b"large-reply" => Ok(&mut self.large_replies),
            _ => {
                let line = "ERR type should be one of the following: slow, large-request, large-reply";
                Err(CommandError::line(line))
            }
        }
    }
}

impl Log {
    #[cold]
    fn keep(&mut self, amount: u64, ended: &Ended<'_>, session: &Session, len_max: u64, now: Now) {
        self.entries.push_front(LoggedCommand {
            id: self.next_id,
            unix_seconds: now.unix_seconds(),
            amount,
            arguments: shortened(ended.row, ended.args),
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

    pub fn iter(&self) -> impl Iterator<Item = &LoggedCommand> {
        self.entries.iter()
    }

    /// Forgets all entries; numbers go on.
    fn reset(&mut self) {
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

const LOG: &[Flag] = &[Flag::Admin, Flag::Loading, Flag::Stale];
const SUM_OF_NODES: &[&str] =
    &["request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"];
const EACH_NODE: &[&str] = &["request_policy:all_nodes", "nondeterministic_output"];
const LINEAR: &str = "O(N) where N is the number of entries.";

pub(super) const SLOWLOG: Command = Command::container(
    "slowlog",
    &[
        server("get", -2, slowlog_get, LOG)
            .since("2.2.12")
            .complexity(LINEAR)
            .tips(EACH_NODE)
            .summary("The latest entries, the newest first.")
            .arguments(&[COUNT]),
        server("help", 2, catalog::help, PLAIN).since("6.2.0").summary("Tells what SLOWLOG can do."),
        server("len", 2, slowlog_len, LOG)
            .since("2.2.12")
            .tips(SUM_OF_NODES)
            .summary("How many entries there are."),
        server("reset", 2, slowlog_reset, LOG)
            .since("2.2.12")
            .complexity(LINEAR)
            .tips(ALL_NODES)
            .summary("Forgets all entries."),
    ],
)
.group(Group::Server)
.since("2.2.12")
.summary("The commands that took long.");

const TYPE: Argument = Argument::one_of(
    "type",
    &[
        Argument::word("slow", "SLOW"),
        Argument::word("large-request", "LARGE-REQUEST"),
        Argument::word("large-reply", "LARGE-REPLY"),
    ],
);

pub(super) const COMMANDLOG: Command = Command::container(
    "commandlog",
    &[
        server("get", 4, commandlog_get, LOG)
            .since("8.1.0")
            .complexity(LINEAR)
            .tips(EACH_NODE)
            .summary("The latest entries of one kind: slow, large-request or large-reply.")
            .arguments(&[Argument::integer("count"), TYPE]),
        server("help", 2, catalog::help, PLAIN).since("8.1.0").summary("Tells what COMMANDLOG can do."),
        server("len", 3, commandlog_len, LOG)
            .since("8.1.0")
            .tips(SUM_OF_NODES)
            .summary("How many entries of one kind there are.")
            .arguments(&[TYPE]),
        server("reset", 3, commandlog_reset, LOG)
            .since("8.1.0")
            .complexity(LINEAR)
            .tips(ALL_NODES)
            .summary("Forgets all entries of one kind.")
            .arguments(&[TYPE]),
    ],
)
.group(Group::Server)
.since("8.1.0")
.summary("The commands that took long, were large, or were answered at length.");

/// Entries that SLOWLOG GET gives where nobody says how many.
const COUNT_DEFAULT: usize = 10;

fn slowlog_get(context: &mut Context<'_>) -> CommandResult {
    let count = match context.args.len() {
        2 => COUNT_DEFAULT,
        3 => count(context.arg(2))?,
        _ => return Err(CommandError::Arity { command: "slowlog|get".into() }),
    };
    show(context, b"slow", count)
}

fn slowlog_len(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(context.engine.command_log.slow.len() as i64);
    Ok(())
}

fn slowlog_reset(context: &mut Context<'_>) -> CommandResult {
    context.engine.command_log.slow.reset();
    context.reply.ok();
    Ok(())
}

fn commandlog_get(context: &mut Context<'_>) -> CommandResult {
    let count = count(context.arg(2))?;
    show(context, context.args.at(3), count)
}

fn commandlog_len(context: &mut Context<'_>) -> CommandResult {
    let len = context.engine.command_log.of_type(context.args.at(2))?.len();
    context.reply.integer(len as i64);
    Ok(())
}

fn commandlog_reset(context: &mut Context<'_>) -> CommandResult {
    context.engine.command_log.of_type(context.args.at(2))?.reset();
    context.reply.ok();
    Ok(())
}

fn count(word: &[u8]) -> Result<usize, CommandError> {
    match squall_store::parse_i64(word) {
        Some(-1) => Ok(usize::MAX),
        Some(count) if count >= 0 => Ok(usize::try_from(count).unwrap_or(usize::MAX)),
        _ => Err(CommandError::line("ERR count should be greater than or equal to -1")),
    }
}

fn show(context: &mut Context<'_>, name: &[u8], count: usize) -> CommandResult {
    let log = context.engine.command_log.of_type(name)?;
    let reply = &mut context.reply;
    reply.array(log.len().min(count));
    for entry in log.iter().take(count) {
        reply.array(6);
        reply.integer(entry.id as i64);
        reply.integer(entry.unix_seconds as i64);
        reply.integer(entry.amount as i64);
        reply.array(entry.arguments.len());
        for argument in &entry.arguments {
            reply.bulk(argument);
        }
        reply.bulk_str(&entry.peer);
        reply.bulk(&entry.client_name);
    }
    Ok(())
}
