//! DEBUG: what tests and people who look for a mistake ask.

use squall_clock::Nanos;

use super::debug_protocol::protocol;
use super::{ADMIN, server};
use crate::catalog;
use crate::config::Config;
use crate::server::LogLevel;
use crate::table::{Argument, Command};
use crate::{CommandError, CommandResult, Context};

/// DEBUG's subcommands are no rows, since clients are not to know them.
pub(super) const DEBUG: Command = server("debug", -2, debug, ADMIN)
    .complexity("Depends on subcommand.")
    .summary("Looks into the server, and plays tricks on it.")
    .arguments(&[Argument::string("subcommand"), Argument::string("arg").optional().multiple()]);

const NOT_ALLOWED: &str = "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", \
you can run it from a local connection, otherwise you need to set this option in the configuration file, and then \
restart the server.";

const HELP: [(&str, &str); 25] = [
    ("ASSERT", "Ends the process at once, as a fault would."),
    ("CHANGE-REPL-ID", "Gives this server a new replication id."),
    ("CRASH-AND-RECOVER [<milliseconds>]", "Ends at once, as a fault would, and begins anew after so long."),
    ("DIGEST", "A hash of the whole dataset."),
    ("DIGEST-VALUE <key> [<key> ...]", "A hash of each value."),
    ("ERROR <string>", "Answers this error."),
    ("HTSTATS <dbid>", "How many keys a database holds, and in how much memory."),
    ("JMAP", "Accepted, and does nothing."),
    ("LISTPACK <key>", "Accepted, and does nothing."),
    ("LOADAOF", "Reads the dataset back from the append-only file."),
    ("LOG <message>", "Writes a line to the log."),
    ("OBJECT <key>", "How a value is stored."),
    ("PANIC", "Ends the process at once, as a fault would."),
    ("POPULATE <count> [<prefix>] [<size>]", "Creates keys, without telling replicas."),
    ("PROTOCOL <type>", "Answers a value of this type."),
    ("QUICKLIST-PACKED-THRESHOLD <size>", "Accepted, and does nothing."),
    ("RELOAD", "Saves the dataset and reads it back."),
    ("REPLICATE <arg> [<arg> ...]", "Sends a command to replicas only."),
    ("RESTART [<milliseconds>]", "Ends as SHUTDOWN does, and begins anew after so long."),
    ("SEGFAULT", "Ends the process at once, as a fault would."),
    ("SET-ACTIVE-EXPIRE <0|1>", "Whether expired keys are deleted before anybody asks for them."),
    ("SET-DISABLE-DENY-SCRIPTS <0|1>", "Accepted, and does nothing."),
    ("SLEEP <seconds>", "Serves nobody for so long."),
    ("STRINGMATCH-LEN <length> <pattern>", "Matches a pattern with a string of so many 'a's."),
    ("HELP", "Prints this help."),
];

fn debug(context: &mut Context<'_>) -> CommandResult {
    if !Config::permits(context.engine.config.enable_debug_command, context.session.is_local()) {
        return Err(CommandError::line(NOT_ALLOWED));
    }
    let words = context.args.len();
    match (context.arg(1).to_ascii_lowercase().as_slice(), words) {
        (b"help", 2) => help(context),
        (b"digest", 2) => digest(context),
        (b"digest-value", _) => digest_value(context),
        (b"sleep", 3) => sleep(context),
        (b"object", 3..) => object(context),
        (b"reload", _) => context.server.debug_reload(context.engine, &mut context.reply),
        (b"set-active-expire", 3) => {
            context.engine.active_expire = context.arg(2) != b"0";
            context.reply.ok();
            Ok(())
        }
        (b"change-repl-id", 2) => {
            context.server.debug_change_replication_id(context.engine);
            context.reply.ok();
            Ok(())
        }
        (b"stringmatch-len", 4) => stringmatch(context),
        (b"error", 3) => Err(CommandError::Bytes(context.arg(2).to_vec())),
        (b"log", 3) => {
            let message = String::from_utf8_lossy(context.arg(2)).into_owned();
            context.server.log(LogLevel::Warning, format!("DEBUG LOG: {message}"));
            context.reply.ok();
            Ok(())
        }
        (b"protocol", 3) => protocol(context),
        (b"segfault" | b"assert" | b"panic" | b"oom", 2) => {
            context.server.abort();
            Ok(())
        }
        (b"restart", 2..=3) => restart(context, true),
        (b"crash-and-recover", 2..=3) => restart(context, false),
        (b"loadaof", 2) => context.server.debug_load_log(context.engine, context.session),
        (b"htstats", 3..=4) => table_stats(context),
        (b"populate", 3..=5) => populate(context),
        (b"replicate", 3..) => replicate(context),
        (
            b"jmap"
            | b"quicklist-packed-threshold"
            | b"set-disable-deny-scripts"
            | b"dict-resizing"
            | b"listpack"
            | b"pause-cron"
            | b"replybuffer",
            _,
        ) => {
            context.reply.ok();
            Ok(())
        }
        _ => Err(CommandError::subcommand_shape("DEBUG", context.arg(1))),
    }
}

fn help(context: &mut Context<'_>) -> CommandResult {
    let mut lines = vec!["DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:".to_string()];
    lines.extend(HELP.iter().flat_map(|(syntax, what)| [syntax.to_string(), format!("    {what}")]));
    catalog::write_lines(context, &lines);
    Ok(())
}

fn digest(context: &mut Context<'_>) -> CommandResult {
    let digest = context.engine.keyspace.digest();
    context.reply.simple(&hex(&digest));
    Ok(())
}

fn digest_value(context: &mut Context<'_>) -> CommandResult {
    let keys = context.args.skip(2);
    context.reply.array(keys.len());
    for key in keys.iter() {
        let entry = context.engine.keyspace.db(context.session.db).lookup(key);
        let digest = entry.map(|entry| entry.digest()).unwrap_or_default();
        context.reply.simple(&hex(&digest));
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn sleep(context: &mut Context<'_>) -> CommandResult {
    let seconds: f64 = fast_float2::parse(context.arg(2)).unwrap_or(0.0);
    let ms = if seconds.is_finite() { (seconds.max(0.0) * 1000.0) as u64 } else { 0 };
    context.server.stall(Nanos::from_millis(ms));
    context.reply.ok();
    Ok(())
}

fn restart(context: &mut Context<'_>, orderly: bool) -> CommandResult {
    let delay_ms = if context.args.len() == 3 { context.integer(2)?.max(0) } else { 0 };
    context.server.restart(context.engine, context.session, orderly, Nanos::from_millis(delay_ms as u64));
    Ok(())
}

fn object(context: &mut Context<'_>) -> CommandResult {
    let now = context.engine.now;
    let entry = context.engine.keyspace.db(context.session.db).lookup(context.arg(2));
    let Some(entry) = entry else { return Err(CommandError::NoSuchKey) };
    // An address would differ from run to run; tools look only for the other fields.
    let line = format!(
        "Value at:0x0 refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
        entry.encoding(),
        squall_store::rdb::dump(entry).len().saturating_sub(DUMP_FRAME_BYTES),
        entry.access() & 0xff_ffff,
        crate::recency::idle_seconds(entry.access(), now),
    );
    context.reply.simple(&line);
    Ok(())
}

fn table_stats(context: &mut Context<'_>) -> CommandResult {
    let keyspace = &context.engine.keyspace;
    let number = usize::try_from(context.integer(2)?).ok().filter(|&number| number < keyspace.databases());
    let Some(number) = number else { return Err(CommandError::line("ERR Out of range database")) };
    let db = context.engine.keyspace.db(number);
    let text = format!(
        "[Dictionary HT]\nkeys: {}\nbytes: {}\n[Expires HT]\nkeys: {}\n",
        db.len(),
        db.memory_bytes(),
        db.volatile_len()
    );
    context.reply.verbatim("txt", &text);
    Ok(())
}

/// What DUMP adds to a serialised value: its type, the version and the checksum.
const DUMP_FRAME_BYTES: usize = 11;

fn stringmatch(context: &mut Context<'_>) -> CommandResult {
    const LENGTH_MAX: i64 = 1 << 26;
    let length = context.integer(2)?;
    if !(0..=LENGTH_MAX).contains(&length) {
        return Err(CommandError::OutOfRange);
    }
    let text = vec![b'a'; length as usize];
    context.reply.integer(squall_store::glob_match(context.arg(3), &text).into());
    Ok(())
}

fn populate(context: &mut Context<'_>) -> CommandResult {
    const OUT_OF_RANGE: CommandError =
        CommandError::Line(std::borrow::Cow::Borrowed("ERR value is out of range, must be positive"));
    let count = u64::try_from(context.integer(2).map_err(|_| OUT_OF_RANGE)?).map_err(|_| OUT_OF_RANGE)?;
    let prefix = context.args.get(3).unwrap_or(b"key").to_vec();
    let size = match context.args.len() {
        5 => Some(usize::try_from(context.integer(4)?).map_err(|_| OUT_OF_RANGE)?),
        _ => None,
    };
    let db = context.session.db;
    context.engine.propagation.suppress();
    for number in 0..count {
        let key = [&prefix, b":".as_slice(), number.to_string().as_bytes()].concat();
        if context.engine.keyspace.db(db).contains(&key) {
            continue;
        }
        let mut value = format!("value:{number}").into_bytes();
        if let Some(size) = size {
            value.resize(size, 0);
        }
        context.engine.set_string(db, &key, &value, None);
    }
    context.reply.ok();
    Ok(())
}

fn replicate(context: &mut Context<'_>) -> CommandResult {
    let words: Vec<&[u8]> = context.args.skip(2).iter().collect();
    context.engine.propagation.tell_replicas(&words);
    context.reply.ok();
    Ok(())
}
