//! The line that describes a connection: `CLIENT LIST`, `CLIENT INFO` and the log of ACL show it.

use squall_resp::{Output, Protocol};

use crate::engine::Engine;
use crate::session::Session;

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
         qbuf={} qbuf-free=0 argv-mem=0 multi-mem={queued_bytes} rbs=0 rbp=0 obl={output_bytes} oll=0 \
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
        session.pending_input_bytes,
        size_of::<Session>() + queued_bytes + output_bytes + session.pending_input_bytes,
        String::from_utf8_lossy(&session.user),
        if session.protocol == Protocol::Resp3 { 3 } else { 2 },
        String::from_utf8_lossy(&session.library_name),
        String::from_utf8_lossy(&session.library_version),
        session.input_bytes,
        session.output_bytes,
        session.commands_processed,
    )
}

pub(super) fn flags_of(engine: &Engine, session: &Session) -> String {
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
        (session.imports, 'I'),
    ];
    let text: String = flags.iter().filter(|(set, _)| *set).map(|(_, letter)| letter).collect();
    if text.is_empty() { "N".into() } else { text }
}
