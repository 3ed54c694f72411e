//! Searching around a place: GEOSEARCH, GEOSEARCHSTORE, and GEORADIUS in its four forms.

use squall_store::ZSet;

use super::area::Area;
use super::place::Place;
use super::query::{Form, Order, Query, With};
use crate::sorted_sets::store;
use crate::{CommandResult, Context};

/// A member that lies in the area.
struct Found {
    member: Vec<u8>,
    score: f64,
    place: Place,
    distance_m: f64,
}

pub(super) fn geosearch(context: &mut Context<'_>) -> CommandResult {
    search(context, 1, Form::Search)
}

pub(super) fn geosearchstore(context: &mut Context<'_>) -> CommandResult {
    search(context, 2, Form::SearchStore)
}

pub(super) fn georadius(context: &mut Context<'_>) -> CommandResult {
    search(context, 1, Form::Radius { by_member: false, may_store: true })
}

pub(super) fn georadius_ro(context: &mut Context<'_>) -> CommandResult {
    search(context, 1, Form::Radius { by_member: false, may_store: false })
}

pub(super) fn georadiusbymember(context: &mut Context<'_>) -> CommandResult {
    search(context, 1, Form::Radius { by_member: true, may_store: true })
}

pub(super) fn georadiusbymember_ro(context: &mut Context<'_>) -> CommandResult {
    search(context, 1, Form::Radius { by_member: true, may_store: false })
}

fn search(context: &mut Context<'_>, source: usize, form: Form) -> CommandResult {
    let (db, key) = (context.session.db, context.arg(source));
    let zset = context.engine.read::<ZSet>(db, key)?;
    let query = Query::parse(context.args.at(0), context.args.skip(source), form, zset)?;
    let mut found = match (zset, &query.area) {
        (Some(zset), Some(area)) => find(zset, area, if query.any { query.count } else { 0 }),
        _ => Vec::new(),
    };
    if let Some(order) = query.order {
        found.sort_by(|one, other| match order {
            Order::NearestFirst => one.distance_m.total_cmp(&other.distance_m),
            Order::FarthestFirst => other.distance_m.total_cmp(&one.distance_m),
        });
    }
    if query.count > 0 {
        found.truncate(query.count);
    }
    match (form, query.target) {
        (Form::SearchStore, _) => store_found(context, context.arg(1), &query, found, "geosearchstore"),
        (_, Some(target)) => store_found(context, target, &query, found, "georadiusstore"),
        (_, None) => {
            reply_found(context, &found, &query);
            Ok(())
        }
    }
}

/// The members in an area, in the order of their scores; `enough` of them suffice, if that is not zero.
fn find(zset: &ZSet, area: &Area, enough: usize) -> Vec<Found> {
    let mut found = Vec::new();
    for scores in area.scores() {
        let start = zset.partition_point(|score, _| score < *scores.start() as f64);
        let end = zset.partition_point(|score, _| score <= *scores.end() as f64);
        for (member, score) in zset.range(start..end.max(start), false) {
            let place = Place::of_score(score);
            if let Some(distance_m) = area.distance_m(place) {
                found.push(Found { member: member.to_vec(), score, place, distance_m });
                if found.len() == enough {
                    return found;
                }
            }
        }
    }
    found
}

fn reply_found(context: &mut Context<'_>, found: &[Found], query: &Query<'_>) {
    let reply = &mut context.reply;
    let With { place, distance, hash } = query.with;
    let extras = [place, distance, hash].into_iter().filter(|wanted| *wanted).count();
    reply.array(found.len());
    for member in found {
        if extras > 0 {
            reply.array(1 + extras);
        }
        reply.bulk(&member.member);
        if distance {
            reply.bulk_str(&format!("{:.4}", member.distance_m / query.unit.0));
        }
        if hash {
            reply.integer(member.score as i64);
        }
        if place {
            reply.array(2);
            reply.double(member.place.longitude);
            reply.double(member.place.latitude);
        }
    }
}

fn store_found(
    context: &mut Context<'_>,
    target: &[u8],
    query: &Query<'_>,
    found: Vec<Found>,
    event: &str,
) -> CommandResult {
    let mut result = ZSet::default();
    let limits = context.engine.keyspace.limits();
    for member in &found {
        let score = if query.stores_distance { member.distance_m / query.unit.0 } else { member.score };
        result.insert(&member.member, score, limits);
    }
    if query.count > 0 && !found.is_empty() {
        // Which members are the first so many, another server may see otherwise.
        propagate(context, target, &result);
    }
    // Each member that is stored counts as a change.
    context.engine.dirty += found.len().saturating_sub(1) as u64;
    store(context, target, result, event)
}

/// Replicas receive what the key holds afterwards.
fn propagate(context: &mut Context<'_>, target: &[u8], result: &ZSet) {
    let pairs = result.iter().map(|(member, score)| (format!("{score:?}"), member.to_vec()));
    let pairs: Vec<(String, Vec<u8>)> = pairs.collect();
    let mut command: Vec<&[u8]> = vec![b"ZADD", target];
    command.extend(pairs.iter().flat_map(|(score, member)| [score.as_bytes(), &member[..]]));
    context.engine.propagation.replace(&[b"DEL", target]);
    context.engine.propagation.replace(&command);
}
