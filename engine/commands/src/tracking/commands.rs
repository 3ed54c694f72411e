//! CLIENT TRACKING, CACHING, GETREDIR, TRACKINGINFO.

use bytes::Bytes;

use super::table::{Choice, Mode};
use crate::session::ClientId;
use crate::{CommandError, CommandResult, Context};

/// CLIENT TRACKING ON | OFF [REDIRECT id] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]
pub(crate) fn tracking(context: &mut Context<'_>) -> CommandResult {
    let on = match context.arg(2) {
        word if word.eq_ignore_ascii_case(b"on") => true,
        word if word.eq_ignore_ascii_case(b"off") => false,
        _ => return Err(CommandError::Syntax),
    };
    let mut mode = parse(context, on)?;
    let id = context.session.id;
    if !on {
        context.engine.tracking.forget(id);
        context.session.tracking = false;
        context.reply.ok();
        return Ok(());
    }
    if let Some(before) = context.engine.tracking.mode(id) {
        if before.prefixes.is_some() != mode.prefixes.is_some() {
            return Err(CommandError::line(
                "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if before.choice != mode.choice && before.choice != Choice::All && mode.choice != Choice::All {
            return Err(CommandError::line(
                "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then \
                 re-enabling it with a different mode.",
            ));
        }
        if let (Some(before), Some(prefixes)) = (&before.prefixes, &mut mode.prefixes) {
            refuse_overlap_with(before, prefixes)?;
            prefixes.splice(0..0, before.iter().cloned());
        }
    }
    if let Some(prefixes) = &mut mode.prefixes
        && prefixes.is_empty()
    {
        prefixes.push(Bytes::new());
    }
    if let Some(prefixes) = &mut mode.prefixes {
        prefixes.sort();
    }
    context.engine.tracking.set(id, mode);
    context.session.tracking = true;
    context.reply.ok();
    Ok(())
}

/// Reads the options. Whether they go together matters only where they are to be followed.
fn parse(context: &Context<'_>, followed: bool) -> Result<Mode, CommandError> {
    let args = context.args;
    let (mut mode, mut prefixes, mut broadcasts) = (Mode::default(), Vec::new(), false);
    let (mut opts_in, mut opts_out) = (false, false);
    let mut index = 3;
    while let Some(word) = args.get(index) {
        let more = index + 1 < args.len();
        match word.to_ascii_uppercase().as_slice() {
            b"REDIRECT" if more => {
                index += 1;
                if mode.redirect.is_some() {
                    return Err(CommandError::line(
                        "ERR A client can only redirect to a single other client",
                    ));
                }
                let target = ClientId(context.integer(index)? as u64);
                if !context.engine.clients.contains(target) {
                    return Err(CommandError::line("ERR The client ID you want redirect to does not exist"));
                }
                mode.redirect = Some(target);
            }
            b"PREFIX" if more => {
                index += 1;
                prefixes.push(Bytes::copy_from_slice(args.at(index)));
            }
            b"BCAST" => broadcasts = true,
            b"OPTIN" => opts_in = true,
            b"OPTOUT" => opts_out = true,
            b"NOLOOP" => mode.skips_own = true,
            _ => return Err(CommandError::Syntax),
        }
        index += 1;
    }
    if !followed {
        return Ok(mode);
    }
    if !prefixes.is_empty() && !broadcasts {
        return Err(CommandError::line("ERR PREFIX option requires BCAST mode to be enabled"));
    }
    if broadcasts && (opts_in || opts_out) {
        return Err(CommandError::line("ERR OPTIN and OPTOUT are not compatible with BCAST"));
    }
    if opts_in && opts_out {
        return Err(CommandError::line("ERR You can't specify both OPTIN mode and OPTOUT mode"));
    }
    refuse_overlap_within(&prefixes)?;
    mode.prefixes = broadcasts.then_some(prefixes);
    mode.choice = match (opts_in, opts_out) {
        (true, _) => Choice::OptIn,
        (_, true) => Choice::OptOut,
        _ => Choice::All,
    };
    Ok(mode)
}

fn overlap(one: &[u8], other: &[u8]) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

fn refuse_overlap_within(prefixes: &[Bytes]) -> CommandResult {
    for (index, one) in prefixes.iter().enumerate() {
        if let Some(other) = prefixes[index + 1..].iter().find(|other| overlap(one, other)) {
            return Err(overlapping(one, b"another provided", other));
        }
    }
    Ok(())
}

fn refuse_overlap_with(before: &[Bytes], prefixes: &[Bytes]) -> CommandResult {
    for one in prefixes {
        if let Some(other) = before.iter().find(|other| overlap(one, other)) {
            return Err(overlapping(one, b"an existing", other));
        }
    }
    Ok(())
}

fn overlapping(one: &[u8], which: &[u8], other: &[u8]) -> CommandError {
    let tail: &[u8] = b"'. Prefixes for a single client must not overlap.";
    CommandError::Bytes(
        [b"ERR Prefix '", one, b"' overlaps with ", which, b" prefix '", other, tail].concat(),
    )
}

/// CLIENT CACHING YES | NO
pub(crate) fn caching(context: &mut Context<'_>) -> CommandResult {
    let mode = context.engine.tracking.mode_mut(context.session.id);
    let Some(mode) = mode.filter(|mode| mode.choice != Choice::All) else {
        return Err(CommandError::line(
            "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        ));
    };
    let word = context.args.at(2);
    mode.caching = match mode.choice {
        Choice::OptIn if word.eq_ignore_ascii_case(b"yes") => Some(true),
        Choice::OptOut if word.eq_ignore_ascii_case(b"no") => Some(false),
        _ if word.eq_ignore_ascii_case(b"yes") => {
            return Err(CommandError::line(
                "ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.",
            ));
        }
        _ if word.eq_ignore_ascii_case(b"no") => {
            return Err(CommandError::line(
                "ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.",
            ));
        }
        _ => return Err(CommandError::Syntax),
    };
    context.reply.ok();
    Ok(())
}

pub(crate) fn getredir(context: &mut Context<'_>) -> CommandResult {
    context.reply.integer(redirection(context));
    Ok(())
}

pub(crate) fn trackinginfo(context: &mut Context<'_>) -> CommandResult {
    let mut flags = vec!["off"];
    let mut prefixes: &[Bytes] = &[];
    if let Some(mode) = context.engine.tracking.mode(context.session.id) {
        let said = [
            (true, "on"),
            (mode.prefixes.is_some(), "bcast"),
            (mode.choice == Choice::OptIn, "optin"),
            (mode.choice == Choice::OptIn && mode.caching == Some(true), "caching-yes"),
            (mode.choice == Choice::OptOut, "optout"),
            (mode.choice == Choice::OptOut && mode.caching == Some(false), "caching-no"),
            (mode.skips_own, "noloop"),
            (mode.redirect_is_broken, "broken_redirect"),
        ];
        flags = said.into_iter().filter(|(is, _)| *is).map(|(_, flag)| flag).collect();
        prefixes = mode.prefixes.as_deref().unwrap_or_default();
    }
    let redirection = redirection(context);
    let reply = &mut context.reply;
    reply.map(3);
    reply.bulk_str("flags");
    reply.set(flags.len());
    flags.into_iter().for_each(|flag| reply.bulk_str(flag));
    reply.bulk_str("redirect");
    reply.integer(redirection);
    reply.bulk_str("prefixes");
    reply.array(prefixes.len());
    prefixes.iter().for_each(|prefix| reply.bulk(prefix));
    Ok(())
}

/// The client that messages go to: zero for the client itself, -1 where there are none.
fn redirection(context: &Context<'_>) -> i64 {
    match context.engine.tracking.redirection(context.session.id) {
        None => -1,
        Some((target, _)) => target.map_or(0, |target| target.0 as i64),
    }
}
