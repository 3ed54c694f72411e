//! Lua's patterns, after section 5.4.1 of its manual: what `string.find` and its kin match with where Lua's own matcher,
//! which nothing interrupts, might not come to an end. This one takes the same steps back, and asks for a pause after
//! so many of them: a script that is lost in a pattern can be left alone between two slices, and killed.
//!
//! Which patterns are left to Lua, and what is made of a match, is `prelude.lua`'s.

use std::ops::Range;

use mlua::{IntoLua, Lua, LuaString, MultiValue, Value};

use super::raise::Raised;
use super::vm::Exchange;

/// So many steps are about a millisecond.
const STEPS_PER_SLICE: u32 = 200_000;
const CAPTURES_MAX: usize = 32;

/// Where a pattern has been found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Match {
    pub range: Range<usize>,
    pub captures: Vec<Capture>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Capture {
    Text(Range<usize>),
    /// `()`: where it stands.
    Position(usize),
}

/// Looks for a pattern from `start` on. `anchors`: a `^` at its beginning binds it to there, as it does for all but
/// `gmatch`. `pause` is called now and then, and ends the search with its error.
pub(super) fn find(
    subject: &[u8],
    pattern: &[u8],
    start: usize,
    anchors: bool,
    pause: &mut dyn FnMut() -> mlua::Result<()>,
) -> mlua::Result<Option<Match>> {
    // A pattern is a text of C: it ends before its first NUL.
    let pattern = pattern.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_anchored = anchors && pattern.first() == Some(&b'^');
    let mut matcher = Matcher { subject, pattern, captures: Vec::new(), steps: 0, pause };
    let starts = if is_anchored { start..=start } else { start..=subject.len() };
    for start in starts {
        matcher.captures.clear();
        if let Some(end) = matcher.matches(start, usize::from(is_anchored))? {
            return Ok(Some(Match { range: start..end, captures: matcher.captured()? }));
        }
    }
    Ok(None)
}

/// `search(subject, pattern, start, anchors)` for the prelude: where the match begins and ends, and what it captured;
/// places count from 1.
pub(super) fn search(
    lua: &Lua,
    exchange: &Exchange,
    (subject, pattern, start, anchors): (LuaString, LuaString, usize, bool),
) -> mlua::Result<MultiValue> {
    let (bytes, pattern) = (subject.as_bytes(), pattern.as_bytes());
    let Some(found) = find(&bytes, &pattern, start - 1, anchors, &mut || exchange.pause())? else {
        return Ok(MultiValue::from_iter([Value::Nil]));
    };
    let mut values = vec![(found.range.start + 1).into_lua(lua)?, found.range.end.into_lua(lua)?];
    for capture in found.captures {
        values.push(match capture {
            Capture::Text(range) => Value::String(lua.create_string(&bytes[range])?),
            Capture::Position(at) => (at + 1).into_lua(lua)?,
        });
    }
    Ok(MultiValue::from_iter(values))
}

/// `search_plain(subject, text, start)` for the prelude: where the text is found as it is. However long it is, that takes
/// no more steps than there are bytes.
pub(super) fn search_plain(
    lua: &Lua,
    (subject, text, start): (LuaString, LuaString, usize),
) -> mlua::Result<MultiValue> {
    let (subject, text) = (subject.as_bytes(), text.as_bytes());
    Ok(match memchr::memmem::find(&subject[start - 1..], &text) {
        Some(at) => {
            MultiValue::from_iter([(start + at).into_lua(lua)?, (start + at + text.len() - 1).into_lua(lua)?])
        }
        None => MultiValue::from_iter([Value::Nil]),
    })
}

struct Matcher<'a> {
    subject: &'a [u8],
    pattern: &'a [u8],
    captures: Vec<Open>,
    steps: u32,
    pause: &'a mut dyn FnMut() -> mlua::Result<()>,
}

/// A capture while the match goes on.
#[derive(Clone, Copy)]
struct Open {
    start: usize,
    extent: Extent,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Unfinished,
    Position,
    Bytes(usize),
}

/// The end of a match, if there is one.
type Found = mlua::Result<Option<usize>>;

impl Matcher<'_> {
    /// Whether the subject at `s` begins with what the pattern says from `p` on.
    fn matches(&mut self, mut s: usize, mut p: usize) -> Found {
        loop {
            self.step()?;
            let Some(&first) = self.pattern.get(p) else { return Ok(Some(s)) };
            let second = self.pattern.get(p + 1).copied();
            match (first, second) {
                (b'(', Some(b')')) => return self.open(s, p + 2, Extent::Position),
                (b'(', _) => return self.open(s, p + 1, Extent::Unfinished),
                (b')', _) => return self.close(s, p + 1),
                (b'$', None) => return Ok((s == self.subject.len()).then_some(s)),
                (b'%', Some(b'b')) => match self.balanced(s, p + 2)? {
                    Some(end) => (s, p) = (end, p + 4),
                    None => return Ok(None),
                },
                (b'%', Some(b'f')) => match self.frontier(s, p + 2)? {
                    Some(end) => p = end,
                    None => return Ok(None),
                },
                (b'%', Some(digit @ b'0'..=b'9')) => match self.repeated(s, digit)? {
                    Some(end) => (s, p) = (end, p + 2),
                    None => return Ok(None),
                },
                _ => {
                    let end = self.item_end(p)?;
                    let is_here = self.is_at(s, p, end);
                    match self.pattern.get(end) {
                        Some(b'*') => return self.longest(s, p, end),
                        Some(b'+') if is_here => return self.longest(s + 1, p, end),
                        Some(b'+') => return Ok(None),
                        Some(b'-') => return self.shortest(s, p, end),
                        Some(b'?') => {
                            if is_here && let Some(found) = self.matches(s + 1, end + 1)? {
                                return Ok(Some(found));
                            }
                            p = end + 1;
                        }
                        _ if is_here => (s, p) = (s + 1, end),
                        _ => return Ok(None),
                    }
                }
            }
        }
    }

    fn step(&mut self) -> mlua::Result<()> {
        self.steps += 1;
        if self.steps == STEPS_PER_SLICE {
            self.steps = 0;
            (self.pause)()?;
        }
        Ok(())
    }

    fn longest(&mut self, s: usize, p: usize, end: usize) -> Found {
        let mut count = 0;
        while self.is_at(s + count, p, end) {
            count += 1;
            self.step()?;
        }
        loop {
            if let Some(found) = self.matches(s + count, end + 1)? {
                return Ok(Some(found));
            }
            match count.checked_sub(1) {
                Some(fewer) => count = fewer,
                None => return Ok(None),
            }
        }
    }

    fn shortest(&mut self, mut s: usize, p: usize, end: usize) -> Found {
        loop {
            if let Some(found) = self.matches(s, end + 1)? {
                return Ok(Some(found));
            }
            if !self.is_at(s, p, end) {
                return Ok(None);
            }
            s += 1;
        }
    }

    fn open(&mut self, s: usize, p: usize, extent: Extent) -> Found {
        if self.captures.len() == CAPTURES_MAX {
            return Err(Raised::text("too many captures").into());
        }
        let before = self.captures.len();
        self.captures.push(Open { start: s, extent });
        let found = self.matches(s, p)?;
        if found.is_none() {
            self.captures.truncate(before);
        }
        Ok(found)
    }

    fn close(&mut self, s: usize, p: usize) -> Found {
        let innermost = self.captures.iter().rposition(|open| open.extent == Extent::Unfinished);
        let innermost = innermost.ok_or_else(|| Raised::text("invalid pattern capture"))?;
        self.captures[innermost].extent = Extent::Bytes(s - self.captures[innermost].start);
        let found = self.matches(s, p)?;
        if found.is_none() {
            self.captures[innermost].extent = Extent::Unfinished;
        }
        Ok(found)
    }

    /// `%bxy`, whose two letters are at `p`.
    fn balanced(&mut self, s: usize, p: usize) -> Found {
        let Some(&[opening, closing]) = self.pattern.get(p..p + 2) else {
            return Err(Raised::text("unbalanced pattern").into());
        };
        if self.subject.get(s) != Some(&opening) {
            return Ok(None);
        }
        let mut depth = 1;
        for at in s + 1..self.subject.len() {
            self.step()?;
            if self.subject[at] == closing {
                depth -= 1;
                if depth == 0 {
                    return Ok(Some(at + 1));
                }
            } else if self.subject[at] == opening {
                depth += 1;
            }
        }
        Ok(None)
    }

    /// `%f[set]`, whose set is at `p`; the end of the set. Both ends of the subject are NULs to it.
    fn frontier(&mut self, s: usize, p: usize) -> Found {
        if self.pattern.get(p) != Some(&b'[') {
            return Err(Raised::text("missing '[' after '%f' in pattern").into());
        }
        let end = self.item_end(p)?;
        let byte = |at: Option<usize>| at.and_then(|at| self.subject.get(at)).copied().unwrap_or(0);
        let is_frontier =
            !self.is_in_set(byte(s.checked_sub(1)), p, end) && self.is_in_set(byte(Some(s)), p, end);
        Ok(is_frontier.then_some(end))
    }

    /// `%1`: what was captured, once more.
    fn repeated(&mut self, s: usize, digit: u8) -> Found {
        let open =
            usize::from(digit).checked_sub(usize::from(b'1')).and_then(|index| self.captures.get(index));
        match open {
            Some(&Open { start, extent: Extent::Bytes(len) }) => {
                let is_here = self.subject[s..].starts_with(&self.subject[start..start + len]);
                Ok(is_here.then_some(s + len))
            }
            Some(Open { extent: Extent::Position, .. }) => Ok(None),
            _ => Err(Raised::text("invalid capture index").into()),
        }
    }

    /// The end of the single item at `p`: a letter, a class, a set.
    fn item_end(&self, p: usize) -> mlua::Result<usize> {
        match self.pattern[p] {
            b'%' if p + 1 == self.pattern.len() => {
                Err(Raised::text("malformed pattern (ends with '%')").into())
            }
            b'%' => Ok(p + 2),
            b'[' => {
                let mut at = p + 1 + usize::from(self.pattern.get(p + 1) == Some(&b'^'));
                loop {
                    let Some(&byte) = self.pattern.get(at) else {
                        return Err(Raised::text("malformed pattern (missing ']')").into());
                    };
                    at += 1;
                    if byte == b'%' && at < self.pattern.len() {
                        at += 1;
                    }
                    if self.pattern.get(at) == Some(&b']') {
                        return Ok(at + 1);
                    }
                }
            }
            _ => Ok(p + 1),
        }
    }

    /// Whether the subject has the item, which is at `p..end`, at `s`.
    fn is_at(&self, s: usize, p: usize, end: usize) -> bool {
        let Some(&byte) = self.subject.get(s) else { return false };
        match self.pattern[p] {
            b'.' => true,
            b'%' => is_in_class(byte, self.pattern[p + 1]),
            b'[' => self.is_in_set(byte, p, end),
            letter => letter == byte,
        }
    }

    fn is_in_set(&self, byte: u8, p: usize, end: usize) -> bool {
        let is_negated = self.pattern[p + 1] == b'^';
        let mut set = &self.pattern[p + 1 + usize::from(is_negated)..end - 1];
        loop {
            let (is_member, len) = match set {
                [] => return is_negated,
                [b'%', class, ..] => (is_in_class(byte, *class), 2),
                [first, b'-', last, ..] => ((*first..=*last).contains(&byte), 3),
                [letter, ..] => (*letter == byte, 1),
            };
            if is_member {
                return !is_negated;
            }
            set = &set[len..];
        }
    }

    fn captured(&self) -> mlua::Result<Vec<Capture>> {
        let capture = |open: &Open| match open.extent {
            Extent::Bytes(len) => Ok(Capture::Text(open.start..open.start + len)),
            Extent::Position => Ok(Capture::Position(open.start)),
            Extent::Unfinished => Err(Raised::text("unfinished capture").into()),
        };
        self.captures.iter().map(capture).collect()
    }
}

/// `%a` and so on; in capitals what is not in it. Any other letter stands for itself.
fn is_in_class(byte: u8, class: u8) -> bool {
    let is_in = match class.to_ascii_lowercase() {
        b'a' => byte.is_ascii_alphabetic(),
        b'c' => byte.is_ascii_control(),
        b'd' => byte.is_ascii_digit(),
        b'l' => byte.is_ascii_lowercase(),
        b'p' => byte.is_ascii_punctuation(),
        b's' => matches!(byte, b' ' | 9..=13),
        b'u' => byte.is_ascii_uppercase(),
        b'w' => byte.is_ascii_alphanumeric(),
        b'x' => byte.is_ascii_hexdigit(),
        b'z' => byte == 0,
        _ => return class == byte,
    };
    is_in != class.is_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use mlua::{Lua, MultiValue, Value};
    use proptest::prelude::*;

    use super::*;

    /// What Lua's own matcher says, in the same words.
    fn by_lua(lua: &Lua, subject: &[u8], pattern: &[u8], start: usize) -> Result<Option<Match>, String> {
        let find: mlua::Function = lua.load("return string.find").eval().expect("Lua has it");
        let words =
            (lua.create_string(subject).expect("room"), lua.create_string(pattern).expect("room"), start + 1);
        let values = match find.call::<MultiValue>(words) {
            Ok(values) => values.into_vec(),
            Err(error) => return Err(error.to_string()),
        };
        let number = |value: &Value| match value {
            Value::Integer(number) => *number as usize,
            Value::Number(number) => *number as usize,
            other => panic!("no number: {other:?}"),
        };
        if values[0].is_nil() {
            return Ok(None);
        }
        let text = |value: &Value| match value {
            Value::String(text) => format!("{:?}", text.as_bytes().to_vec()),
            position => format!("at {}", number(position)),
        };
        let shown: Vec<String> = values[2..].iter().map(text).collect();
        let range = number(&values[0]) - 1..number(&values[1]);
        SHOWN.with(|kept| *kept.borrow_mut() = shown);
        Ok(Some(Match { range, captures: Vec::new() }))
    }

    thread_local! {
        static SHOWN: std::cell::RefCell<Vec<String>> = const { std::cell::RefCell::new(Vec::new()) };
    }

    fn pattern() -> impl Strategy<Value = Vec<u8>> {
        let parts = prop::sample::select(vec![
            "a", "b", ".", "%a", "%D", "[ab]", "[^a]", "[a-c]", "[%w_]", "%1", "%2", "%b()", "%f[%w]", "(",
            ")", "()", "*", "+", "-", "?", "^", "$", "%", "[", "]", "%%", "\0", "[]a]", "[a-]", "%z", "%S",
            "x",
        ]);
        prop::collection::vec(parts, 0..7).prop_map(|parts| parts.concat().into_bytes())
    }

    fn subject() -> impl Strategy<Value = Vec<u8>> {
        let letters = prop::sample::select(b"aaabbc( )_1\0x".to_vec());
        prop::collection::vec(letters, 0..10)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn finds_what_lua_finds(subject in subject(), pattern in pattern(), start in 0..4usize) {
            let lua = Lua::new();
            let start = start.min(subject.len());
            let ours = find(&subject, &pattern, start, true, &mut || Ok(()));
            // Without any of these letters, Lua does not look at the rest of the pattern.
            let seen = pattern.split(|byte| *byte == 0).next().unwrap_or_default();
            if !seen.iter().any(|byte| b"^$*+?.([%-".contains(byte)) {
                return Ok(());
            }
            match (by_lua(&lua, &subject, &pattern, start), ours) {
                (Ok(None), Ok(None)) => {}
                (Ok(Some(theirs)), Ok(Some(ours))) => {
                    prop_assert_eq!(theirs.range, ours.range);
                    let text = |capture: &Capture| match capture {
                        Capture::Text(range) => format!("{:?}", &subject[range.clone()]),
                        Capture::Position(at) => format!("at {}", at + 1),
                    };
                    let ours: Vec<String> = ours.captures.iter().map(text).collect();
                    prop_assert_eq!(SHOWN.with(|kept| kept.borrow().clone()), ours);
                }
                (Err(theirs), Err(ours)) => {
                    let ours = ours.to_string();
                    prop_assert!(theirs.contains(&ours), "Lua says {theirs}, we say {ours}");
                }
                (theirs, ours) => prop_assert!(false, "Lua finds {theirs:?}, we find {ours:?}"),
            }
        }
    }

    #[test]
    fn a_pattern_that_never_ends_can_be_ended() {
        let (subject, pattern) = ([b'a'; 60], "a*".repeat(30) + "b");
        let mut pauses = 0;
        let found = find(&subject, pattern.as_bytes(), 0, true, &mut || {
            pauses += 1;
            if pauses < 3 { Ok(()) } else { Err(Raised::text("enough").into()) }
        });
        assert!(found.is_err() && pauses == 3);
    }
}
