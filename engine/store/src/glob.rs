//! Glob patterns as KEYS, SCAN, PSUBSCRIBE and CONFIG GET understand them: `*`, `?`, `[a-c]`, `[^x]`
//! and `\` for a literal, over bytes.
//!
//! A star that fails is retried one byte further; only the last star seen ever needs a retry, so the
//! time is bounded by pattern length times text length, whatever the pattern.

/// Whether the whole of `text` matches `pattern`. An empty text matches an empty pattern only, as in Redis: whoever
/// takes `*` for everything asks for that first.
pub fn glob_match(pattern: &[u8], text: &[u8]) -> bool {
    if text.is_empty() {
        return pattern.is_empty();
    }
    let (mut p, mut t) = (0, 0);
    // Where to resume when what follows the last star does not match: after the star, one byte further.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if pattern.get(p) == Some(&b'*') {
            p += 1;
            if p == pattern.len() {
                return true;
            }
            retry = Some((p, t));
            continue;
        }
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if t < text.len()
            && let Some(width) = match_one(&pattern[p..], text[t])
        {
            p += width;
            t += 1;
            continue;
        }
        match retry {
            Some((after_star, from)) if from < text.len() => {
                retry = Some((after_star, from + 1));
                (p, t) = (after_star, from + 1);
            }
            _ => return false,
        }
    }
}

/// How much of `pattern` one matching byte uses, or `None` if the byte does not match.
fn match_one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'[', set @ ..] => {
            let (matches, width) = match_set(set, byte);
            matches.then_some(1 + width)
        }
        [b'\\', literal, ..] => (*literal == byte).then_some(2),
        [literal, ..] => (*literal == byte).then_some(1),
    }
}

/// Whether the set that follows a `[` holds `byte`, and how long the set is with its `]`. A set that
/// is not closed ends with the pattern.
fn match_set(set: &[u8], byte: u8) -> (bool, usize) {
    let negated = set.first() == Some(&b'^');
    let mut at = usize::from(negated);
    let mut found = false;
    loop {
        match &set[at..] {
            [] => break,
            [b']', ..] => {
                at += 1;
                break;
            }
            [b'\\', literal, ..] => {
                found |= *literal == byte;
                at += 2;
            }
            [from, b'-', to, ..] => {
                let (low, high) = (from.min(to), from.max(to));
                found |= (low..=high).contains(&&byte);
                at += 3;
            }
            [literal, ..] => {
                found |= *literal == byte;
                at += 1;
            }
        }
    }
    (found != negated, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        glob_match(pattern.as_bytes(), text.as_bytes())
    }

    #[test]
    fn follows_the_documented_patterns() {
        assert!(matches("h?llo", "hxllo") && !matches("h?llo", "hllo"));
        assert!(matches("h*llo", "hllo") && matches("h*llo", "heeeello"));
        assert!(matches("h[ae]llo", "hallo") && !matches("h[ae]llo", "hillo"));
        assert!(matches("h[^e]llo", "hallo") && !matches("h[^e]llo", "hello"));
        assert!(matches("h[a-b]llo", "hbllo") && !matches("h[a-b]llo", "hcllo"));
        assert!(matches("h[b-a]llo", "hallo"));
        assert!(matches("a\\*b", "a*b") && !matches("a\\*b", "axb"));
        assert!(matches("", "") && !matches("", "a") && !matches("*", "") && matches("**", "abc"));
        assert!(matches("[a\\]]", "]") && !matches("[]", "a") && matches("[^]", "a"));
        assert!(matches("a*b*c", "a-b-b-c") && !matches("a*b*c", "a-b-b-"));
        assert!(matches("[a", "a") && !matches("a?", "a"));
    }

    #[test]
    fn many_stars_take_no_exponential_time() {
        let pattern = b"a*".repeat(500);
        let mut text = b"a".repeat(20_000);
        text.push(b'b');
        assert!(glob_match(&pattern, &text));
        let mut pattern = pattern;
        pattern.push(b'c');
        assert!(!glob_match(&pattern, &text));
    }

    /// The definition, without any cleverness, for a text that is not empty: a star matches nothing, or one byte and
    /// a star again.
    fn defined(pattern: &[u8], text: &[u8]) -> bool {
        match pattern {
            [] => text.is_empty(),
            [b'*', rest @ ..] => defined(rest, text) || (!text.is_empty() && defined(pattern, &text[1..])),
            _ => {
                !text.is_empty()
                    && match_one(pattern, text[0]).is_some_and(|width| defined(&pattern[width..], &text[1..]))
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?\\[\\]^\\\\-]{0,10}", text in "[ab\\]^-]{0,10}") {
            let expected = if text.is_empty() { pattern.is_empty() } else { defined(pattern.as_bytes(), text.as_bytes()) };
            prop_assert_eq!(matches(&pattern, &text), expected);
        }

        #[test]
        fn any_bytes_are_fine(pattern: Vec<u8>, text: Vec<u8>) {
            glob_match(&pattern, &text);
        }
    }
}
