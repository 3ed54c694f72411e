//! SORT and SORT_RO: the elements of a list, a set or a sorted set in order, or what other keys hold about them.

use std::cmp::Ordering;

use squall_resp::Args;
use squall_store::{End, Hash, List, Set, ZSet, parse_i64};

use crate::config::EventClass;
use crate::float::parse_float;
use crate::strings::text_of;
use crate::table::{FoundKey, KeyFlag, KeyFlags};
use crate::{CommandError, CommandResult, Context};

/// What a client asks for.
#[derive(Default)]
struct Options<'a> {
    by: Option<&'a [u8]>,
    limit: Option<(i64, i64)>,
    get: Vec<&'a [u8]>,
    descending: bool,
    as_text: bool,
    destination: Option<&'a [u8]>,
}

/// The elements, and what kind of value they are from.
struct Elements {
    texts: Vec<Vec<u8>>,
    from_set: bool,
}

pub(super) fn sort(context: &mut Context<'_>) -> CommandResult {
    sort_elements(context, true)
}

pub(super) fn sort_ro(context: &mut Context<'_>) -> CommandResult {
    sort_elements(context, false)
}

/// The key that is sorted, and the one that is stored; those that patterns name cannot be known.
pub(super) fn keys_of_sort(args: Args<'_>) -> Option<Vec<FoundKey>> {
    let mut keys = vec![FoundKey { index: 1, flags: KeyFlags::of(&[KeyFlag::Ro, KeyFlag::Access]) }];
    let (mut at, mut destination) = (2, None);
    while let Some(word) = args.get(at) {
        let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
        if is(b"STORE") && at + 1 < args.len() {
            destination = Some(at + 1);
        }
        at += match () {
            () if is(b"LIMIT") => 3,
            () if is(b"GET") || is(b"BY") || is(b"STORE") => 2,
            () => 1,
        };
    }
    let flags = KeyFlags::of(&[KeyFlag::Ow, KeyFlag::Update]);
    keys.extend(destination.map(|index| FoundKey { index, flags }));
    Some(keys)
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>, may_store: bool) -> Result<Options<'a>, CommandError> {
        let mut options = Options::default();
        let mut at = 0;
        while let Some(word) = args.get(at) {
            let is = |name: &[u8]| word.eq_ignore_ascii_case(name);
            let value = args.get(at + 1);
            at += 1;
            if is(b"ASC") {
                options.descending = false;
            } else if is(b"DESC") {
                options.descending = true;
            } else if is(b"ALPHA") {
                options.as_text = true;
            } else if is(b"LIMIT") && args.len() > at + 1 {
                let number = |at| parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger);
                options.limit = Some((number(at)?, number(at + 1)?));
                at += 2;
            } else if let Some(value) = value.filter(|_| may_store && is(b"STORE")) {
                options.destination = Some(value);
                at += 1;
            } else if let Some(value) = value.filter(|_| is(b"BY")) {
                options.by = Some(value);
                at += 1;
            } else if let Some(value) = value.filter(|_| is(b"GET")) {
                options.get.push(value);
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(options)
    }

    /// Whether the elements stay in the order that they have.
    fn keeps_order(&self) -> bool {
        self.by.is_some_and(|pattern| !pattern.contains(&b'*'))
    }

    /// The part of `len` elements that is wanted.
    fn range(&self, len: usize) -> std::ops::Range<usize> {
        let Some((offset, count)) = self.limit else { return 0..len };
        let first = usize::try_from(offset).unwrap_or(0).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        first..first.saturating_add(count).min(len)
    }
}

fn sort_elements(context: &mut Context<'_>, may_store: bool) -> CommandResult {
    let mut options = Options::parse(context.args.skip(2), may_store)?;
    let foreign = options.get.iter().chain(&options.by).any(|pattern| pattern.contains(&b'*'));
    if foreign && context.engine.config.cluster_enabled {
        let option = if options.keeps_order() || options.by.is_none() { "GET" } else { "BY" };
        return Err(CommandError::line(format!(
            "ERR {option} option of SORT denied in cluster mode when keys formed by the pattern may be in \
             different slots."
        )));
    }
    let Elements { mut texts, from_set } = elements(context, context.arg(1))?;
    if options.keeps_order() && from_set && options.destination.is_some() {
        // A set has no order, and replicas are to store the same.
        (options.by, options.as_text) = (None, true);
    }
    let range = options.range(texts.len());
    match options.keeps_order() {
        // Those of a list and of a sorted set have an order, which may be asked for backwards.
        true if options.descending && !from_set => texts.reverse(),
        true => {}
        false => texts = in_order(context, texts, &options)?,
    }
    let results = looked_up(context, &texts[range], &options.get);
    match options.destination {
        Some(destination) => store(context, destination, results),
        None => {
            context.reply.array(results.len());
            for result in results {
                match result {
                    Some(text) => context.reply.bulk(&text),
                    None => context.reply.null(),
                }
            }
        }
    }
    Ok(())
}

fn elements(context: &mut Context<'_>, key: &[u8]) -> Result<Elements, CommandError> {
    let Some(entry) = context.engine.lookup_read(context.session.db, key) else {
        return Ok(Elements { texts: Vec::new(), from_set: false });
    };
    let (texts, from_set) = if let Some(list) = entry.collection::<List>() {
        (list.iter().map(|item| item.to_vec()).collect(), false)
    } else if let Some(set) = entry.collection::<Set>() {
        (set.iter().map(|item| item.to_vec()).collect(), true)
    } else if let Some(zset) = entry.collection::<ZSet>() {
        (zset.iter().map(|(item, _)| item.to_vec()).collect(), false)
    } else {
        return Err(CommandError::WrongType);
    };
    Ok(Elements { texts, from_set })
}

/// The elements in the order that is asked for.
fn in_order(
    context: &mut Context<'_>,
    texts: Vec<Vec<u8>>,
    options: &Options<'_>,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let turned = |order: Ordering| if options.descending { order.reverse() } else { order };
    let weights: Vec<Option<Vec<u8>>> = match options.by {
        Some(pattern) => texts.iter().map(|text| value_by(context, pattern, text)).collect(),
        None => texts.iter().cloned().map(Some).collect(),
    };
    if options.as_text {
        let mut pairs: Vec<(Option<Vec<u8>>, Vec<u8>)> = weights.into_iter().zip(texts).collect();
        // What weighs nothing comes first.
        pairs.sort_by(|(one, _), (other, _)| turned(one.cmp(other)));
        return Ok(pairs.into_iter().map(|(_, text)| text).collect());
    }
    let numbers = weights.iter().map(|weight| weight.as_deref().map_or(Some(0.0), number));
    let numbers: Option<Vec<f64>> = numbers.collect();
    let numbers =
        numbers.ok_or(CommandError::line("ERR One or more scores can't be converted into double"))?;
    let mut pairs: Vec<(f64, Vec<u8>)> = numbers.into_iter().zip(texts).collect();
    pairs.sort_by(|(one, text), (other, other_text)| {
        turned(one.partial_cmp(other).expect("no weight is NaN").then_with(|| text.cmp(other_text)))
    });
    Ok(pairs.into_iter().map(|(_, text)| text).collect())
}

/// A weight: blanks may stand before it, and nothing is zero.
fn number(text: &[u8]) -> Option<f64> {
    let text = text.split(|byte| *byte == 0).next().unwrap_or(&[]);
    match text.trim_ascii_start() {
        [] => text.is_empty().then_some(0.0),
        digits => parse_float(digits),
    }
}

/// For each element what GET asks for, or itself.
fn looked_up(context: &mut Context<'_>, texts: &[Vec<u8>], get: &[&[u8]]) -> Vec<Option<Vec<u8>>> {
    if get.is_empty() {
        return texts.iter().cloned().map(Some).collect();
    }
    let wanted = texts.iter().flat_map(|text| get.iter().map(move |pattern| (text, pattern)));
    wanted.map(|(text, pattern)| value_by(context, pattern, text)).collect()
}

/// What the key holds that `pattern` makes of an element; `#` is the element itself, and behind `->` stands the field
/// of a hash.
fn value_by(context: &mut Context<'_>, pattern: &[u8], element: &[u8]) -> Option<Vec<u8>> {
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let star = pattern.iter().position(|&byte| byte == b'*')?;
    let (head, tail) = (&pattern[..star], &pattern[star + 1..]);
    let arrow = tail.windows(2).position(|two| two == b"->").filter(|&at| at + 2 < tail.len());
    let (tail, field) = match arrow {
        Some(at) => (&tail[..at], Some(&tail[at + 2..])),
        None => (tail, None),
    };
    let (db, key) = (context.session.db, [head, element, tail].concat());
    match field {
        Some(field) => {
            let is_hash = context.engine.lookup_read(db, &key)?.collection::<Hash>().is_some();
            let hash = is_hash.then(|| context.engine.read_hash(db, &key))?;
            hash.ok().flatten()?.get(field).map(|value| value.to_vec())
        }
        None => {
            let entry = context.engine.lookup_read(db, &key)?;
            text_of(entry).ok().map(|text| text.to_bytes().to_vec())
        }
    }
}

fn store(context: &mut Context<'_>, destination: &[u8], results: Vec<Option<Vec<u8>>>) {
    let db = context.session.db;
    let mut list = List::default();
    for result in &results {
        list.push(End::Tail, result.as_deref().unwrap_or_default(), context.engine.keyspace.limits());
    }
    context.engine.store_result(db, destination, list, EventClass::List, "sortstore");
    context.engine.dirty += results.len().saturating_sub(1) as u64;
    context.reply.integer(results.len() as i64);
}
