//! MIGRATE: keys that move to another server. They are sent as RESTORE, and deleted here as the other
//! server confirms them. Meanwhile nobody writes to them: such requests wait, all others go on.

use bytes::BytesMut;
use squall_clock::Nanos;
use squall_resp::{Args, encode_command};
use squall_store::rdb;

use crate::session::Session;
use crate::table::{Argument, Category, Command, Flag, Found, Group, KeyFlag, KeySpec, Row};
use crate::table::{BeginSearch, FindKeys};
use crate::{CommandError, CommandResult, Context, Engine};

/// What the node has to do for a MIGRATE.
pub struct Migration {
    pub host: String,
    pub port: u16,
    pub timeout: Nanos,
    /// What is sent. Each command in it has one line for an answer: first those of `preliminaries`
    /// commands, then one for each key.
    pub request: BytesMut,
    pub preliminaries: usize,
    pub db: usize,
    pub keys: Vec<Vec<u8>>,
    /// `COPY`: the keys stay here.
    pub copy: bool,
}

pub(super) const MIGRATE: Command = Command::new("migrate", -6, migrate)
    .group(Group::Generic)
    .flags(&[Flag::Write])
    .keys(&[
        KeySpec::one(3, &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]),
        KeySpec::new(
            BeginSearch::Keyword { keyword: "KEYS", start_from: -2 },
            FindKeys::Range { last: -1, step: 1, limit: 0 },
            &[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete, KeyFlag::Incomplete],
        ),
    ])
    .keys_found_by(find_keys)
    .acl(&[Category::Dangerous, Category::Keyspace])
    .tips(&["nondeterministic_output"])
    .since("2.6.0")
    .complexity("O(N) with N the size of the values")
    .summary("Moves keys to another server.")
    .arguments(&[
        Argument::string("host"),
        Argument::integer("port"),
        Argument::string("key-or-empty-string"),
        Argument::integer("destination-db"),
        Argument::integer("timeout"),
        Argument::word("copy", "COPY").since("3.0.0").optional(),
        Argument::word("replace", "REPLACE").since("3.0.0").optional(),
        Argument::string("password").token("AUTH").since("4.0.7").optional(),
        Argument::block("username-password", &[Argument::string("username"), Argument::string("password")])
            .token("AUTH2")
            .since("6.0.0")
            .optional(),
        Argument::string("key").token("KEYS").since("3.0.6").optional().multiple(),
    ]);

/// The one key, or those after KEYS.
fn find_keys(args: Args<'_>) -> Option<Vec<crate::table::FoundKey>> {
    let flags = crate::table::KeyFlags::of(&[KeyFlag::Rw, KeyFlag::Access, KeyFlag::Delete]);
    let key = |index| crate::table::FoundKey { index, flags };
    if args.get(3).is_some_and(|word| !word.is_empty()) {
        return Some(vec![key(3)]);
    }
    let keyword = (6..args.len()).find(|index| args.at(*index).eq_ignore_ascii_case(b"keys"))?;
    Some((keyword + 1..args.len()).map(key).collect())
}

#[derive(Default)]
struct Options {
    copy: bool,
    replace: bool,
    credentials: Vec<Vec<u8>>,
    keys: Vec<Vec<u8>>,
}

fn migrate(context: &mut Context<'_>) -> CommandResult {
    let options = parse(context)?;
    let (target_db, timeout) = (context.integer(4)?, context.integer(5)?);
    let port = squall_store::parse_i64(context.arg(2)).and_then(|port| u16::try_from(port).ok());
    let port = port.ok_or(CommandError::line("ERR Invalid port"))?;
    if context.session.deny_blocking {
        return Err(CommandError::line("ERR MIGRATE cannot wait for the other server inside a transaction"));
    }
    let mut request = BytesMut::new();
    let mut preliminaries = 0;
    let mut say = |words: &[&[u8]]| encode_command(&mut request, words.iter().copied());
    if !options.credentials.is_empty() {
        let words: Vec<&[u8]> =
            std::iter::once(&b"AUTH"[..]).chain(options.credentials.iter().map(Vec::as_slice)).collect();
        say(&words);
        preliminaries += 1;
    }
    if target_db != 0 {
        say(&[b"SELECT", target_db.to_string().as_bytes()]);
        preliminaries += 1;
    }
    let verb: &[u8] = if context.engine.config.cluster_enabled { b"RESTORE-ASKING" } else { b"RESTORE" };
    let (db, now) = (context.session.db, context.engine.now.unix_ms());
    let mut keys = Vec::new();
    for key in options.keys {
        let Some(entry) = context.engine.lookup_read(db, &key) else { continue };
        // A time to live that has just run out is still not "for ever".
        let ttl = entry.expire_at().map_or(0, |at| at.0.saturating_sub(now.0).max(1)).to_string();
        let payload = rdb::dump(entry);
        let mut words = vec![verb, &key, ttl.as_bytes(), &payload];
        if options.replace {
            words.push(b"REPLACE");
        }
        say(&words);
        keys.push(key);
    }
    if keys.is_empty() {
        context.reply.simple("NOKEY");
        return Ok(());
    }
    let migration = Migration {
        host: String::from_utf8_lossy(context.arg(1)).into_owned(),
        port,
        timeout: Nanos::from_millis(u64::try_from(timeout).ok().filter(|ms| *ms > 0).unwrap_or(1_000)),
        request,
        preliminaries,
        db,
        keys,
        copy: options.copy,
    };
    context.engine.keys_in_transit.extend(migration.keys.iter().map(|key| (db, key.clone())));
    context.server.migrate(context.engine, context.session, migration);
    Ok(())
}

fn parse(context: &Context<'_>) -> Result<Options, CommandError> {
    let mut options = Options { keys: vec![context.arg(3).to_vec()], ..Options::default() };
    let count = context.args.len();
    let mut at = 6;
    while at < count {
        let word = context.arg(at).to_ascii_lowercase();
        let left = count - at - 1;
        match word.as_slice() {
            b"copy" => options.copy = true,
            b"replace" => options.replace = true,
            b"auth" if left >= 1 => {
                options.credentials = vec![context.arg(at + 1).to_vec()];
                at += 1;
            }
            b"auth2" if left >= 2 => {
                options.credentials = vec![context.arg(at + 1).to_vec(), context.arg(at + 2).to_vec()];
                at += 2;
            }
            b"keys" if !context.arg(3).is_empty() => {
                return Err(CommandError::line(
                    "ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
                ));
            }
            b"keys" => {
                options.keys = context.args.iter().skip(at + 1).map(<[u8]>::to_vec).collect();
                at = count;
            }
            _ => return Err(CommandError::Syntax),
        }
        at += 1;
    }
    Ok(options)
}

impl Engine {
    /// Whether the request would write to a key that is on its way to another server.
    pub(crate) fn touches_keys_in_transit(&self, row: &Row, session: &Session, args: Args<'_>) -> bool {
        if self.keys_in_transit.is_empty() {
            return false;
        }
        let touches = |row: &Row, args: Args<'_>| {
            let keys = row.command.flags.has(Flag::Write).then(|| row.command.find_keys(args)).flatten();
            keys.is_some_and(|keys| {
                let is_in_transit =
                    |index| self.keys_in_transit.contains(&(session.db, args.at(index).to_vec()));
                keys.iter().any(|key| is_in_transit(key.index))
            })
        };
        match session.transaction.as_ref().filter(|_| row.full_name == "exec") {
            None => touches(row, args),
            Some(transaction) => transaction.queued.iter().any(|request| {
                matches!(self.table.find(request.as_args()), Found::Row(row) if touches(row, request.as_args()))
            }),
        }
    }

    /// The end of a migration: who waited for its keys may write to them again; those that arrived are
    /// deleted.
    pub fn migrated(&mut self, migration: &Migration, arrived: &[bool]) {
        self.propagation.mute(false);
        for (key, arrived) in migration.keys.iter().zip(arrived) {
            self.keys_in_transit.remove(&(migration.db, key.clone()));
            if *arrived && !migration.copy && self.delete(migration.db, key) {
                self.propagation.also(migration.db, &[b"DEL", key]);
            }
        }
        self.propagation.end_of_command();
    }
}
