//! Which connections `CLIENT LIST` and `CLIENT KILL` speak of, and the line that describes one.

use std::collections::BTreeSet;

use squall_resp::{Args, Output, Protocol};

use crate::CommandError;
use crate::engine::Engine;
use crate::session::{ClientId, Session};

/// What sort of peer a connection has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum ClientType {
    Normal,
    Primary,
    Replica,
    PubSub,
}

/// Conditions that a connection has to meet, all of those that are given.
#[derive(Default)]
pub(super) struct Filter {
    ids: Option<BTreeSet<ClientId>>,
    client_type: Option<ClientType>,
    peer: Option<Vec<u8>>,
    local: Option<Vec<u8>>,
    age_seconds_min: Option<u64>,
    skip_caller: bool,
}

impl Filter {
    /// `CLIENT LIST [TYPE type] [ID id ...]`.
    pub fn of_list(args: Args<'_>) -> Result<Filter, CommandError> {
        let mut filter = Filter::default();
        let Some(option) = args.get(2) else { return Ok(filter) };
        if option.eq_ignore_ascii_case(b"type") && args.len() == 4 {
            filter.client_type = Some(client_type(args.at(3))?);
        } else if option.eq_ignore_ascii_case(b"id") && args.len() > 3 {
            let id = |word| positive(word).map(ClientId).ok_or(CommandError::line("ERR Invalid client ID"));
            filter.ids = Some(args.skip(3).iter().map(id).collect::<Result<_, _>>()?);
        } else {
            return Err(CommandError::Syntax);
        }
        Ok(filter)
    }

    /// `CLIENT KILL address`.
    pub fn by_address(peer: &[u8]) -> Filter {
        Filter { peer: Some(peer.to_vec()), ..Filter::default() }
    }

    /// `CLIENT KILL` with pairs of conditions. The caller is spared unless `SKIPME no`.
    pub fn of_kill(args: Args<'_>) -> Result<Filter, CommandError> {
        let mut filter = Filter { skip_caller: true, ..Filter::default() };
        let mut index = 2;
        while index < args.len() {
            let (name, Some(value)) = (args.at(index), args.get(index + 1)) else {
                return Err(CommandError::Syntax);
            };
            filter.add(name, value)?;
            index += 2;
        }
        Ok(filter)
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), CommandError> {
        match name.to_ascii_lowercase().as_slice() {
            b"id" => {
                let id =
                    positive(value).ok_or(CommandError::line("ERR client-id should be greater than 0"))?;
                self.ids = Some(BTreeSet::from([ClientId(id)]));
            }
            b"type" => self.client_type = Some(client_type(value)?),
            b"addr" => self.peer = Some(value.to_vec()),
            b"laddr" => self.local = Some(value.to_vec()),
            b"user" if value == b"default" => {}
            b"user" => {
                return Err(CommandError::Bytes([b"ERR No such user '", value, b"'"].concat()));
            }
            b"skipme" if value.eq_ignore_ascii_case(b"yes") => self.skip_caller = true,
            b"skipme" if value.eq_ignore_ascii_case(b"no") => self.skip_caller = false,
            b"maxage" => {
                let age = squall_store::parse_i64(value)
                    .ok_or(CommandError::line("ERR maxage is not an integer or out of range"))?;
                let age = u64::try_from(age).ok().filter(|&age| age > 0);
                self.age_seconds_min =
                    Some(age.ok_or(CommandError::line("ERR maxage should be greater than 0"))?);
            }
            _ => return Err(CommandError::Syntax),
        }
        Ok(())
    }

    fn accepts(&self, engine: &Engine, session: &Session) -> bool {
        let age = engine.now.mono.since(session.created.mono).as_secs();
        self.ids.as_ref().is_none_or(|ids| ids.contains(&session.id))
            && self.client_type.is_none_or(|wanted| wanted == type_of(session))
            && self.peer.as_ref().is_none_or(|peer| peer == session.peer.as_bytes())
            && self.local.as_ref().is_none_or(|local| local == session.local.as_bytes())
            && self.age_seconds_min.is_none_or(|min| age >= min)
    }

    /// The connections that meet all conditions. `caller` is being served, so it is not in the table, and
    /// neither is the link from the primary.
    pub fn matching(
        &self,
        engine: &Engine,
        caller: &Session,
        primary_link: Option<&Session>,
    ) -> Vec<ClientId> {
        let sessions = engine.clients.iter().map(|client| &client.session).chain(primary_link);
        let others = sessions.filter(|session| self.accepts(engine, session)).map(|session| session.id);
        let own = (!self.skip_caller && self.accepts(engine, caller)).then_some(caller.id);
        others.chain(own).collect()
    }

    /// A line for each of them, in order of arrival.
    pub fn list(&self, engine: &Engine, caller: &Session, primary_link: Option<&Session>) -> String {
        let others = engine.clients.iter().map(|client| (&client.session, Some(&client.output)));
        let outside_the_table = [caller].into_iter().chain(primary_link).map(|session| (session, None));
        let mut accepted: Vec<(&Session, Option<&Output>)> =
            others.chain(outside_the_table).filter(|(session, _)| self.accepts(engine, session)).collect();
        accepted.sort_by_key(|(session, _)| session.id);
        accepted.iter().map(|(session, output)| describe(engine, session, *output) + "\n").collect()
    }
}

/// The line of `CLIENT LIST`, without its end.
pub(crate) fn describe(engine: &Engine, session: &Session, output: Option<&Output>) -> String {
    let seconds_since = |then| engine.now.mono.since(then).as_secs();
    let queued = session.transaction.as_ref().map(|transaction| &transaction.queued);
    let queued_bytes = session.transaction.as_ref().map_or(0, |transaction| transaction.queued_bytes());
    let output_bytes = output.map_or(0, Output::len);
    let subscriptions = engine.subscriptions.counts_of(session.id);
    let redirection = engine.tracking.redirection(session.id);
    let redirection = redirection.map_or(-1, |(target, _)| target.map_or(0, |target| target.0 as i64));
    let command = session.last_command.map_or("NULL", |id| engine.table.row(id).full_name.as_str());
    format!(
        "id={} addr={} laddr={} fd=-1 name={} age={} idle={} flags={} db={} sub={} psub={} ssub={} multi={} watch={} \
         qbuf=0 qbuf-free=0 argv-mem=0 multi-mem={queued_bytes} rbs=0 rbp=0 obl={output_bytes} oll=0 \
         omem={output_bytes} tot-mem={} events=rw cmd={command} user={} redir={redirection} resp={} lib-name={} lib-ver={} \
         io-thread=0 tot-net-in={} tot-net-out={} tot-cmds={}",
        session.id.0,
        session.peer,
        session.local,
        String::from_utf8_lossy(&session.name),
        seconds_since(session.created.mono),
        seconds_since(session.last_interaction),
        flags_of(engine, session),
        session.db,
        subscriptions.channels,
        subscriptions.patterns,
        subscriptions.shard_channels,
        queued.map_or(-1, |queued| queued.len() as i64),
        engine.watches.keys_of(session.id).len(),
        size_of::<Session>() + queued_bytes + output_bytes,
        String::from_utf8_lossy(&session.user),
        if session.protocol == Protocol::Resp3 { 3 } else { 2 },
        String::from_utf8_lossy(&session.library_name),
        String::from_utf8_lossy(&session.library_version),
        session.input_bytes,
        session.output_bytes,
        session.commands_processed,
    )
}

fn flags_of(engine: &Engine, session: &Session) -> String {
    let flags = [
        (session.is_replica && !session.is_monitor, 'S'),
        (session.is_primary_link, 'M'),
        (session.is_monitor, 'O'),
        (session.subscribed, 'P'),
        (session.tracking, 't'),
        (engine.tracking.redirection(session.id).is_some_and(|(_, broken)| broken), 'R'),
        (engine.tracking.is_broadcasting(session.id), 'B'),
        (session.blocked.is_some(), 'b'),
        (session.transaction.is_some(), 'x'),
        (engine.watches.is_broken(session.id), 'd'),
        (session.close_after_reply, 'c'),
        (session.read_only, 'r'),
        (session.peer.starts_with('/'), 'U'),
        (session.no_evict, 'e'),
        (session.no_touch, 'T'),
    ];
    let text: String = flags.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if text.is_empty() { "N".into() } else { text }
}

fn type_of(session: &Session) -> ClientType {
    match session {
        _ if session.is_primary_link => ClientType::Primary,
        _ if session.is_replica && !session.is_monitor => ClientType::Replica,
        _ if session.subscribed => ClientType::PubSub,
        _ => ClientType::Normal,
    }
}

fn client_type(name: &[u8]) -> Result<ClientType, CommandError> {
    match name.to_ascii_lowercase().as_slice() {
        b"normal" => Ok(ClientType::Normal),
        b"slave" | b"replica" => Ok(ClientType::Replica),
        b"pubsub" => Ok(ClientType::PubSub),
        b"master" => Ok(ClientType::Primary),
        _ => Err(CommandError::Bytes([b"ERR Unknown client type '", name, b"'"].concat())),
    }
}

fn positive(word: &[u8]) -> Option<u64> {
    squall_store::parse_i64(word).and_then(|number| u64::try_from(number).ok()).filter(|&number| number > 0)
}
