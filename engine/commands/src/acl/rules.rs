//! ACL rules: the words of `ACL SETUSER`, of `user` lines and of ACL files, and how a user is shown as such
//! words. The specification is Redis's documentation of ACL rules.

use super::Acl;
use super::user::{KeyPattern, Selector, User};
use crate::table::{Category, Row, Table};

/// What is wrong with a rule.
pub(super) type Refusal = &'static str;

const SYNTAX: Refusal = "Syntax error";
const UNKNOWN: Refusal = "Unknown command or category name in ACL";
const AFTER_ALL_KEYS: Refusal = "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does \
not have any effect. Try 'resetkeys' to start with an empty list of patterns";
const AFTER_ALL_CHANNELS: Refusal = "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and \
does not have any effect. Try 'resetchannels' to start with an empty list of channels";
const BAD_HASH: Refusal =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters";
const NO_PASSWORD: Refusal = "The password you are trying to remove from the user does not exist";
const ALREADY_ALLOWED: Refusal = "Allowing first-arg of a subcommand is not supported";

impl User {
    /// Applies one rule.
    pub fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), Refusal> {
        let lower = rule.to_ascii_lowercase();
        match lower.as_slice() {
            b"on" => self.enabled = true,
            b"off" => self.enabled = false,
            b"nopass" => {
                self.nopass = true;
                self.passwords.clear();
            }
            b"resetpass" => {
                self.nopass = false;
                self.passwords.clear();
            }
            b"sanitize-payload" => self.sanitize_payload = Some(true),
            b"skip-sanitize-payload" => self.sanitize_payload = Some(false),
            b"clearselectors" => self.selectors.clear(),
            b"reset" => *self = User { sanitize_payload: Some(true), ..User::fresh(all_channels) },
            _ => return self.apply_other(rule),
        }
        Ok(())
    }

    fn apply_other(&mut self, rule: &[u8]) -> Result<(), Refusal> {
        match rule {
            [b'>', password @ ..] => self.add_password(Acl::hash(password)),
            [b'<', password @ ..] => return self.remove_password(&Acl::hash(password)),
            [b'#', hash @ ..] => self.add_password(valid_hash(hash)?),
            [b'!', hash @ ..] => return self.remove_password(&valid_hash(hash)?),
            [b'(', inner @ .., b')'] => {
                let mut selector = Selector::none();
                for word in inner.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()) {
                    selector.apply(word)?;
                }
                self.selectors.push(selector);
            }
            _ => return self.root.apply(rule),
        }
        Ok(())
    }

    fn add_password(&mut self, hash: String) {
        self.nopass = false;
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
    }

    fn remove_password(&mut self, hash: &str) -> Result<(), Refusal> {
        let place = self.passwords.iter().position(|known| known == hash).ok_or(NO_PASSWORD)?;
        self.passwords.remove(place);
        Ok(())
    }

    /// The flags, as GETUSER shows them.
    pub fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.enabled { "on" } else { "off" }];
        if self.nopass {
            flags.push("nopass");
        }
        match self.sanitize_payload {
            Some(true) => flags.push("sanitize-payload"),
            Some(false) => flags.push("skip-sanitize-payload"),
            None => {}
        }
        flags
    }

    /// The rules that make this user, as ACL LIST shows them.
    pub fn describe(&self) -> Vec<u8> {
        let mut text = self.flags().join(" ").into_bytes();
        for hash in &self.passwords {
            text.extend(format!(" #{hash}").as_bytes());
        }
        text.push(b' ');
        text.extend(self.root.describe());
        for selector in &self.selectors {
            text.extend([b" (".as_slice(), &selector.describe(), b")"].concat());
        }
        text
    }
}

impl Selector {
    /// Applies one rule about commands, keys or channels.
    fn apply(&mut self, rule: &[u8]) -> Result<(), Refusal> {
        let lower = rule.to_ascii_lowercase();
        match lower.as_slice() {
            b"allcommands" | b"+@all" => self.allow_all_commands(),
            b"nocommands" | b"-@all" => self.deny_all_commands(),
            b"allkeys" => self.keys = vec![all_keys()],
            b"resetkeys" => self.keys.clear(),
            b"allchannels" => self.channels = vec![b"*".to_vec()],
            b"resetchannels" => self.channels.clear(),
            _ => return self.apply_pattern(rule, &lower),
        }
        Ok(())
    }

    fn apply_pattern(&mut self, rule: &[u8], lower: &[u8]) -> Result<(), Refusal> {
        match rule {
            [b'~', pattern @ ..] => self.add_keys(pattern, true, true),
            [b'%', rest @ ..] => {
                let end = rest.iter().position(|&byte| byte == b'~').ok_or(SYNTAX)?;
                let kinds = rest[..end].to_ascii_uppercase();
                if kinds.is_empty() || kinds.iter().any(|kind| !matches!(kind, b'R' | b'W')) {
                    return Err(SYNTAX);
                }
                self.add_keys(&rest[end + 1..], kinds.contains(&b'R'), kinds.contains(&b'W'))
            }
            [b'&', pattern @ ..] => self.add_channels(pattern),
            [b'+', b'@', ..] | [b'-', b'@', ..] => self.apply_category(lower),
            [b'+', ..] | [b'-', ..] => self.apply_command(lower),
            _ => Err(SYNTAX),
        }
    }

    fn add_keys(&mut self, pattern: &[u8], read: bool, write: bool) -> Result<(), Refusal> {
        let added = KeyPattern { pattern: pattern.to_vec(), read, write };
        if has_blanks(pattern) {
            return Err(SYNTAX);
        }
        if self.keys.contains(&all_keys()) && added != all_keys() {
            return Err(AFTER_ALL_KEYS);
        }
        match self.keys.iter_mut().find(|known| known.pattern == pattern) {
            Some(known) => (known.read, known.write) = (known.read || read, known.write || write),
            None if added == all_keys() => self.keys = vec![added],
            None => self.keys.push(added),
        }
        Ok(())
    }

    fn add_channels(&mut self, pattern: &[u8]) -> Result<(), Refusal> {
        if has_blanks(pattern) {
            return Err(SYNTAX);
        }
        let has_all = self.channels.iter().any(|known| known == b"*");
        if has_all && pattern != b"*" {
            return Err(AFTER_ALL_CHANNELS);
        }
        if pattern == b"*" {
            self.channels.clear();
        }
        if !self.channels.iter().any(|known| known == pattern) {
            self.channels.push(pattern.to_vec());
        }
        Ok(())
    }

    fn apply_category(&mut self, rule: &[u8]) -> Result<(), Refusal> {
        let category = Category::by_name(&rule[2..]).ok_or(UNKNOWN)?;
        let allowed = rule[0] == b'+';
        for row in Table::shared().rows() {
            if row.command.all_categories().has(category) {
                self.set_row_alone(row, allowed);
            }
        }
        self.note(&format!("@{}", category.name()), allowed);
        Ok(())
    }

    fn apply_command(&mut self, rule: &[u8]) -> Result<(), Refusal> {
        let (allowed, name) = (rule[0] == b'+', &rule[1..]);
        let table = Table::shared();
        let text = String::from_utf8_lossy(name).into_owned();
        if let Some(row) = table.by_full_name(name) {
            self.set(row, allowed);
            self.note(&text, allowed);
            return Ok(());
        }
        // `+select|0`: one first argument of a command that has no subcommands.
        let bar = name.iter().position(|&byte| byte == b'|').ok_or(UNKNOWN)?;
        let (command, argument) = (&name[..bar], &name[bar + 1..]);
        let row = table.command(command).filter(|row| !row.is_container()).ok_or(UNKNOWN)?;
        if argument.is_empty() || argument.contains(&b'|') {
            return Err(if argument.is_empty() { SYNTAX } else { ALREADY_ALLOWED });
        }
        if !allowed {
            return Err(UNKNOWN);
        }
        self.allow_first_argument(row, argument);
        self.note(&text, allowed);
        Ok(())
    }

    /// A subcommand has categories of its own: its container's do not decide on it.
    fn set_row_alone(&mut self, row: &Row, allowed: bool) {
        if !row.is_container() {
            self.set(row, allowed);
        }
    }

    /// Remembers how the rule is shown; earlier rules on the same thing, or on parts of it, say nothing more.
    fn note(&mut self, name: &str, allowed: bool) {
        let part = format!("{name}|");
        let base = self.rules.remove(0);
        self.rules.retain(|rule| rule[1..] != *name && !rule[1..].starts_with(&part));
        self.rules.insert(0, base);
        let sign = if allowed { '+' } else { '-' };
        self.rules.push(format!("{sign}{name}"));
    }

    /// The keys as rules.
    pub fn keys_text(&self) -> Vec<u8> {
        let rules: Vec<Vec<u8>> = self
            .keys
            .iter()
            .map(|key| {
                let sign: &[u8] = match (key.read, key.write) {
                    (true, false) => b"%R~",
                    (false, true) => b"%W~",
                    _ => b"~",
                };
                [sign, &key.pattern].concat()
            })
            .collect();
        rules.join(&b' ')
    }

    pub fn channels_text(&self) -> Vec<u8> {
        let rules: Vec<Vec<u8>> = self.channels.iter().map(|name| [b"&", name.as_slice()].concat()).collect();
        rules.join(&b' ')
    }

    fn describe(&self) -> Vec<u8> {
        let mut words = Vec::new();
        if !self.keys.is_empty() {
            words.push(self.keys_text());
        }
        let all_channels = self.channels.iter().any(|name| name == b"*");
        if !all_channels {
            words.push(b"resetchannels".to_vec());
        }
        if !self.channels.is_empty() {
            words.push(self.channels_text());
        }
        words.push(self.rules.join(" ").into_bytes());
        words.join(&b' ')
    }
}

/// Puts words between parentheses together again: a selector is one rule. An error is the selector's
/// beginning, where it has no end.
pub(super) fn gather<'a>(words: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Vec<u8>>, Vec<u8>> {
    let mut rules: Vec<Vec<u8>> = Vec::new();
    let mut open: Option<&[u8]> = None;
    for word in words {
        match (open, rules.last_mut()) {
            (Some(_), Some(selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(word);
            }
            _ => rules.push(word.to_vec()),
        }
        let rule = rules.last().expect("just added");
        let is_open = rule.starts_with(b"(") && !rule.ends_with(b")");
        open = is_open.then_some(open.unwrap_or(word));
    }
    open.map_or(Ok(rules), |start| Err(start.to_vec()))
}

fn all_keys() -> KeyPattern {
    KeyPattern { pattern: b"*".to_vec(), read: true, write: true }
}

fn has_blanks(pattern: &[u8]) -> bool {
    pattern.iter().any(|byte| byte.is_ascii_whitespace() || *byte == 0)
}

fn valid_hash(hash: &[u8]) -> Result<String, Refusal> {
    let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let right = hash.len() == 64 && hash.iter().all(is_digit);
    if right { Ok(String::from_utf8_lossy(hash).into_owned()) } else { Err(BAD_HASH) }
}
