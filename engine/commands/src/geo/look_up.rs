//! What is asked of single members: GEOPOS, GEOHASH, GEODIST.

use squall_store::ZSet;

use super::Unit;
use super::place::Place;
use crate::{CommandError, CommandResult, Context};

pub(super) fn geopos(context: &mut Context<'_>) -> CommandResult {
    let (key, members) = (context.arg(1), context.args.skip(2));
    let zset = context.engine.read::<ZSet>(context.session.db, key)?;
    context.reply.array(members.len());
    for member in members {
        match place_of(zset, member) {
            Some(place) => {
                context.reply.array(2);
                context.reply.double(place.longitude);
                context.reply.double(place.latitude);
            }
            None => context.reply.null_array(),
        }
    }
    Ok(())
}

pub(super) fn geohash(context: &mut Context<'_>) -> CommandResult {
    let (key, members) = (context.arg(1), context.args.skip(2));
    let zset = context.engine.read::<ZSet>(context.session.db, key)?;
    context.reply.array(members.len());
    for member in members {
        match place_of(zset, member) {
            Some(place) => context.reply.bulk_str(&place.geohash()),
            None => context.reply.null(),
        }
    }
    Ok(())
}

pub(super) fn geodist(context: &mut Context<'_>) -> CommandResult {
    let unit = match context.args.len() {
        4 => Unit(1.0),
        5 => Unit::parse(context.arg(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let (key, one, other) = (context.arg(1), context.arg(2), context.arg(3));
    let zset = context.engine.read::<ZSet>(context.session.db, key)?;
    match place_of(zset, one).zip(place_of(zset, other)) {
        Some((one, other)) => context.reply.bulk_str(&format!("{:.4}", one.distance_m(other) / unit.0)),
        None => context.reply.null(),
    }
    Ok(())
}

fn place_of(zset: Option<&ZSet>, member: &[u8]) -> Option<Place> {
    zset?.score(member).map(Place::of_score)
}
