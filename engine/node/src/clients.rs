//! Connections: opening, requests in, replies out, and the limit on replies that a client does not read.
//! What a request means is the engine's business.

use std::io::IoSlice;

use bytes::{Buf, BytesMut};
use squall_commands::config::OutputLimit;
use squall_commands::{Blocked, Client, ClientId, Dispatched, Engine, LogLevel, Session};
use squall_resp::{Limits, Parsed, Reply};

use crate::admission;
use crate::effect::Effect;
use crate::persistence::LogPosition;
use crate::services::Services;

/// When the requests of one turn have made more of the stream, replication hears of it before the turn is over:
/// the next of them may have to wait.
const STREAM_BYTES_PER_TURN: usize = 64 * 1024;

/// A new connection, or a refusal: over `maxclients`, or a stranger in protected mode.
pub(crate) fn opened(engine: &mut Engine, services: &mut Services, peer: String, local: String) -> ClientId {
    let refusal = admission::refusal(engine, &peer);
    let session = engine.open_session(peer, local);
    let id = session.id;
    engine.clients.insert(session);
    if let Some(line) = refusal {
        let client = engine.clients.get_mut(id).expect("opened a line above");
        Reply::new(&mut client.output, client.session.protocol).error(line);
        engine.stats.connections_rejected += 1;
        client.session.close_after_reply = true;
        services.effects.push(Effect::WakeClient(id));
    }
    id
}

/// Executes every complete request of `input`, until the client has to wait or is to be closed.
pub(crate) fn data(engine: &mut Engine, services: &mut Services, id: ClientId, input: &mut BytesMut) {
    let Some(mut client) = engine.clients.take(id) else {
        input.clear();
        return;
    };
    let arrived = input.len();
    execute_requests(engine, services, &mut client, input);
    let consumed = (arrived - input.len()) as u64;
    engine.stats.reads_processed += 1;
    engine.stats.input_bytes += consumed;
    client.session.input_bytes += consumed;
    client.session.pending_input_bytes = input.len();
    client.session.last_interaction = engine.now.mono;
    services.settle(engine, Some(&mut client.session));
    close_if_over_limit(engine, services, &mut client);
    if client.session.close_after_reply && client.output.is_empty() {
        services.effects.push(Effect::CloseClient(id));
    }
    engine.clients.put_back(client);
    let limit = engine.config.maxmemory_clients.bytes_of(engine.config.maxmemory_bytes);
    if limit.is_some_and(|limit| engine.clients.counted_bytes() > limit) {
        evict(engine, services);
    }
}

pub(crate) fn closed(engine: &mut Engine, services: &mut Services, id: ClientId) {
    services.postponed.remove(&id);
    services.replication.client_closed(engine, &mut services.effects, id);
    services.source_closed(engine, id);
    engine.forget_client(id);
    services.keep_client_of_script(engine, id);
    engine.clients.remove(id);
}

pub(crate) fn wants_input(engine: &Engine, services: &Services, id: ClientId) -> bool {
    engine.clients.get(id).is_some_and(|client| may_execute(engine, services, &client.session))
}

pub(crate) fn bytes_wanted(engine: &Engine, id: ClientId) -> usize {
    engine.clients.get(id).map_or(0, |client| client.parser.bytes_wanted(client.session.pending_input_bytes))
}

pub(crate) fn output_slices<'a>(
    engine: &'a Engine,
    services: &'a Services,
    id: ClientId,
    slices: &mut [IoSlice<'a>],
) -> usize {
    let Some(client) = engine.clients.get(id) else { return 0 };
    if services.persistence.log.holds(LogPosition(client.session.log_position)) {
        return 0;
    }
    // What precedes the script in a transaction is sent with the rest of it.
    if client.session.blocked == Some(Blocked::Script) {
        return 0;
    }
    let filled = client.output.slices(slices);
    if filled == 0 && client.session.is_replica {
        return services.replication.output_slices(id, slices);
    }
    filled
}

pub(crate) fn output_written(engine: &mut Engine, services: &mut Services, id: ClientId, count: usize) {
    engine.stats.writes_processed += 1;
    engine.stats.output_bytes += count as u64;
    let Some(client) = engine.clients.get_mut(id) else { return };
    client.session.output_bytes += count as u64;
    let (is_replica, is_stream) = (client.session.is_replica, client.output.is_empty());
    if !is_replica || !is_stream {
        client.output.advance(count);
        let is_limited = engine.config.maxmemory_clients.bytes_of(engine.config.maxmemory_bytes).is_some();
        if is_limited && let Some(client) = engine.clients.take(id) {
            // What has left does not count any more.
            engine.clients.put_back(client);
        }
        let Some(client) = engine.clients.get_mut(id) else { return };
        if client.session.close_after_reply && client.output.is_empty() {
            services.effects.push(Effect::CloseClient(id));
        }
    }
    if is_replica {
        match is_stream {
            true => services.replication.output_written(engine, id, count),
            false => services.replication.dataset_written(engine, id, count),
        }
        // Writes may have waited for that.
        if !services.postponed.is_empty() {
            services.settle(engine, None);
        }
    }
}

/// `client-output-buffer-limit`: a client that asks, or listens, and does not read is dropped. What waits for
/// replicas is limited where it is kept.
pub(crate) fn close_if_over_limit(engine: &mut Engine, services: &mut Services, client: &mut Client) {
    if client.session.is_replica || client.session.close_after_reply {
        return;
    }
    let limits = engine.config.client_output_buffer_limit;
    let limit = if client.session.subscribed { limits.pubsub } else { limits.normal };
    let OutputLimit {
        hard_bytes_max: hard_bytes,
        soft_bytes_max: soft_bytes,
        soft_seconds_max: soft_seconds,
    } = limit;
    let pending = client.output.len() as u64;
    let session = &mut client.session;
    let (now, since) = (engine.now.mono, session.over_soft_limit_since);
    let over_soft = soft_bytes > 0 && pending > soft_bytes;
    session.over_soft_limit_since = over_soft.then(|| since.unwrap_or(now));
    let soft_expired =
        session.over_soft_limit_since.is_some_and(|since| now.since(since).as_secs() >= soft_seconds);
    if (hard_bytes > 0 && pending > hard_bytes) || soft_expired {
        services.effects.warning(format!(
            "Client id={} addr={} closed for overcoming of output buffer limits ({pending} bytes).",
            session.id.0, session.peer
        ));
        session.close_after_reply = true;
        engine.stats.output_buffer_disconnections += 1;
        services.effects.push(Effect::CloseClient(session.id));
    }
}

/// `maxmemory-clients`: while all buffers together take more, who holds the most is disconnected. Replicas,
/// primaries and those who said `CLIENT NO-EVICT ON` are spared.
pub(crate) fn evict(engine: &mut Engine, services: &mut Services) {
    let Some(limit) = engine.config.maxmemory_clients.bytes_of(engine.config.maxmemory_bytes) else { return };
    let mut held: Vec<(u64, ClientId)> = engine
        .clients
        .iter()
        .filter(|client| {
            !client.session.is_replica && !client.session.is_primary_link && !client.session.no_evict
        })
        .map(|client| (client.memory_bytes(), client.session.id))
        .collect();
    held.sort_unstable();
    let mut total: u64 = held.iter().map(|(bytes, _)| bytes).sum();
    while total > limit
        && let Some((bytes, id)) = held.pop()
    {
        total -= bytes;
        engine.stats.evicted_clients += 1;
        services
            .effects
            .warning(format!("Evicting client id={} for maxmemory-clients ({bytes} bytes)", id.0));
        services.effects.push(Effect::CloseClient(id));
    }
}

fn execute_requests(engine: &mut Engine, services: &mut Services, client: &mut Client, input: &mut BytesMut) {
    let mut limits = limits_of(engine, &client.session);
    let mut consumed_total = 0;
    let mut warmed = 0;
    while may_execute(engine, services, &client.session) {
        let rest = &input[consumed_total..];
        match client.parser.parse(rest, &limits) {
            Ok(Parsed::Incomplete) if rest.len() as u64 > limits.query_buffer_bytes_max => {
                close_talker(engine, services, client, rest.len());
                consumed_total = input.len();
            }
            Ok(Parsed::Incomplete) => break,
            Ok(Parsed::Empty { consumed }) => {
                consumed_total += consumed;
                services.replication.heard(engine.now.mono, client.session.id);
            }
            Ok(Parsed::Command { consumed }) => {
                if consumed < rest.len() && consumed_total >= warmed {
                    let (db, spared) = (client.session.db, &mut client.batches_spared);
                    let seen = services.lookahead.warm(engine, db, rest, &limits, spared);
                    warmed = consumed_total.saturating_add(seen);
                }
                let Client { session, parser, output, .. } = client;
                let (was_replica, unsent) = (session.is_replica, output.len());
                match engine.dispatch(session, output, parser.args(rest), services) {
                    Dispatched::Done => consumed_total += consumed,
                    Dispatched::Postponed => {
                        services.postponed.insert(client.session.id);
                    }
                }
                if was_replica && client.output.len() > unsent {
                    refuse_reply_to_replica(services, client);
                }
                services.change_role(engine);
                if engine.propagation.len() > STREAM_BYTES_PER_TURN {
                    services.settle(engine, Some(&mut client.session));
                }
                if client.session.authenticated != limits.authenticated {
                    limits = limits_of(engine, &client.session);
                }
            }
            Err(error) => {
                let text = [b"ERR Protocol error: ", &error.text()[..]].concat();
                Reply::new(&mut client.output, client.session.protocol).error_bytes(&text);
                services.effects.log(
                    LogLevel::Verbose,
                    format!("Protocol error ({error}) from client: addr={}", client.session.peer),
                );
                client.session.close_after_reply = true;
                consumed_total = input.len();
            }
        }
    }
    input.advance(consumed_total);
}

/// `client-query-buffer-limit`: no request is so long.
fn close_talker(engine: &mut Engine, services: &mut Services, client: &mut Client, pending: usize) {
    engine.stats.query_buffer_disconnections += 1;
    services.effects.warning(format!(
        "Client id={} addr={} closed for overcoming of the query buffer limit ({pending} bytes).",
        client.session.id.0, client.session.peer
    ));
    client.session.close_after_reply = true;
}

/// What a client may send in one request: little, until it has said who it is.
fn limits_of(engine: &Engine, session: &Session) -> Limits {
    match session.authenticated {
        true => Limits {
            bulk_bytes_max: engine.config.proto_bulk_bytes_max,
            query_buffer_bytes_max: engine.config.client_query_buffer_bytes_max,
            ..Limits::default()
        },
        false => Limits::unauthenticated(),
    }
}

/// A replica takes everything that it is sent for a part of the dataset or of the stream, so it cannot be
/// answered: one that asks for something is no replica, or has lost its place.
fn refuse_reply_to_replica(services: &mut Services, client: &mut Client) {
    services.effects.warning(format!(
        "Replica id={} addr={} sent a command that has a reply, disconnecting it",
        client.session.id.0, client.session.peer
    ));
    client.output.clear();
    client.session.close_after_reply = true;
}

/// Whether the session's next request may be looked at now.
fn may_execute(engine: &Engine, services: &Services, session: &Session) -> bool {
    session.blocked.is_none()
        && !services.is_held_by_script(engine)
        && !session.close_after_reply
        && (services.shutdown.is_none() || session.is_replica)
        && !services.postponed.contains(&session.id)
        && !services.persistence.log.holds(LogPosition(session.log_position))
}
