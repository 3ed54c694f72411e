//! Where a command's keys stand among its words, and what it does to them: data that COMMAND shows, that
//! cluster routing and ACL rules follow, and that clients use to choose a node.

use squall_resp::Args;

/// What a command does to the key that a [`KeySpec`] finds; the names are those that COMMAND shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum KeyFlag {
    /// Read only; read and write; overwrite without reading; remove without reading.
    Ro,
    Rw,
    Ow,
    Rm,
    /// The value is returned or copied; changed by what it held; extended; removed.
    Access,
    Update,
    Insert,
    Delete,
    /// Not a key, though routed like one.
    NotKey,
    /// The spec does not find every key.
    Incomplete,
    /// The flags depend on the other arguments.
    VariableFlags,
}

impl KeyFlag {
    pub const ALL: [KeyFlag; 11] = [
        KeyFlag::Ro,
        KeyFlag::Rw,
        KeyFlag::Ow,
        KeyFlag::Rm,
        KeyFlag::Access,
        KeyFlag::Update,
        KeyFlag::Insert,
        KeyFlag::Delete,
        KeyFlag::NotKey,
        KeyFlag::Incomplete,
        KeyFlag::VariableFlags,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            KeyFlag::Ro => "RO",
            KeyFlag::Rw => "RW",
            KeyFlag::Ow => "OW",
            KeyFlag::Rm => "RM",
            KeyFlag::Access => "access",
            KeyFlag::Update => "update",
            KeyFlag::Insert => "insert",
            KeyFlag::Delete => "delete",
            KeyFlag::NotKey => "not_key",
            KeyFlag::Incomplete => "incomplete",
            KeyFlag::VariableFlags => "variable_flags",
        }
    }
}

/// A set of [`KeyFlag`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct KeyFlags(u16);

impl KeyFlags {
    pub const fn of(flags: &[KeyFlag]) -> KeyFlags {
        let mut bits = 0;
        let mut index = 0;
        while index < flags.len() {
            bits |= 1 << flags[index] as u8;
            index += 1;
        }
        KeyFlags(bits)
    }

    pub const fn has(self, flag: KeyFlag) -> bool {
        self.0 & (1 << flag as u8) != 0
    }

    pub fn iter(self) -> impl Iterator<Item = KeyFlag> {
        KeyFlag::ALL.into_iter().filter(move |&flag| self.has(flag))
    }
}

/// Where the search for keys begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BeginSearch {
    /// At a fixed word; the command's name is word 0.
    Index(usize),
    /// After the word `keyword`, looked for from `start_from` on; from the end backwards where negative.
    Keyword {
        keyword: &'static str,
        start_from: i32,
    },
    Unknown,
}

/// Which words from there on are keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FindKeys {
    /// Each `step`th word up to `last`, relative to the beginning; negative counts from the command's end,
    /// and there `limit` divides what is left (2: the first half).
    Range {
        last: i32,
        step: usize,
        limit: usize,
    },
    /// A word that tells how many keys follow. Indexes are relative to the beginning.
    Counted {
        count_index: usize,
        first: usize,
        step: usize,
    },
    Unknown,
}

/// One place where a command takes keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeySpec {
    pub begin: BeginSearch,
    pub find: FindKeys,
    pub flags: KeyFlags,
    pub notes: &'static str,
}

/// A key among a command's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FoundKey {
    pub index: usize,
    pub flags: KeyFlags,
}

impl KeySpec {
    pub const fn new(begin: BeginSearch, find: FindKeys, flags: &[KeyFlag]) -> KeySpec {
        KeySpec { begin, find, flags: KeyFlags::of(flags), notes: "" }
    }

    /// One key, at word `index`.
    pub const fn one(index: usize, flags: &[KeyFlag]) -> KeySpec {
        KeySpec::new(BeginSearch::Index(index), FindKeys::Range { last: 0, step: 1, limit: 0 }, flags)
    }

    /// All words from `first` to the end.
    pub const fn rest(first: usize, flags: &[KeyFlag]) -> KeySpec {
        KeySpec::every(first, 1, flags)
    }

    /// Each `step`th word from `first` to the end: 2 for `key value key value`.
    pub const fn every(first: usize, step: usize, flags: &[KeyFlag]) -> KeySpec {
        KeySpec::new(BeginSearch::Index(first), FindKeys::Range { last: -1, step, limit: 0 }, flags)
    }

    /// `numkeys key [key ...]` with the count at word `index`.
    pub const fn counted(index: usize, flags: &[KeyFlag]) -> KeySpec {
        let find = FindKeys::Counted { count_index: 0, first: 1, step: 1 };
        KeySpec::new(BeginSearch::Index(index), find, flags)
    }

    pub const fn unknown(flags: &[KeyFlag]) -> KeySpec {
        KeySpec::new(BeginSearch::Unknown, FindKeys::Unknown, flags)
    }

    pub const fn notes(mut self, notes: &'static str) -> KeySpec {
        self.notes = notes;
        self
    }

    /// True where the spec alone finds its keys, whatever the other words are.
    pub const fn is_complete(&self) -> bool {
        !matches!(self.begin, BeginSearch::Unknown)
            && !matches!(self.find, FindKeys::Unknown)
            && !self.flags.has(KeyFlag::Incomplete)
    }

    /// The classic triple (first, last, step) of COMMAND; a range from a fixed word has one.
    pub fn triple(&self) -> Option<(i64, i64, i64)> {
        match (self.begin, self.find) {
            (BeginSearch::Index(first), FindKeys::Range { last, step, .. }) => {
                let last = if last >= 0 { first as i64 + last as i64 } else { last as i64 };
                Some((first as i64, last, step as i64))
            }
            _ => None,
        }
    }

    /// Adds the keys that this spec finds in `args`; false where the words do not fit the spec.
    pub fn find(&self, args: Args<'_>, found: &mut Vec<FoundKey>) -> bool {
        let count = args.len();
        let Some(begin) = self.begin.position(args) else {
            // An optional part (a keyword) that is not there has no keys and is no mistake.
            return matches!(self.begin, BeginSearch::Keyword { .. });
        };
        let (first, last, step) = match self.find {
            FindKeys::Range { last, step, limit } => {
                let last = if last >= 0 {
                    begin + last as usize
                } else {
                    let Some(from_end) = count.checked_sub(last.unsigned_abs() as usize) else {
                        return false;
                    };
                    if limit > 1 {
                        begin + (from_end + 1).saturating_sub(begin) / limit - 1
                    } else {
                        from_end
                    }
                };
                (begin, last, step)
            }
            FindKeys::Counted { count_index, first, step } => {
                let keys = args.get(begin + count_index).and_then(squall_store::parse_i64);
                let Some(keys) = keys.filter(|&keys| keys > 0 && keys <= count as i64) else { return false };
                let first = begin + first;
                (first, first + (keys as usize - 1) * step, step)
            }
            FindKeys::Unknown => return true,
        };
        if first >= count || last >= count || last < first {
            return false;
        }
        found.extend((first..=last).step_by(step).map(|index| FoundKey { index, flags: self.flags }));
        true
    }
}

impl BeginSearch {
    fn position(self, args: Args<'_>) -> Option<usize> {
        match self {
            BeginSearch::Index(index) => (index < args.len()).then_some(index),
            BeginSearch::Keyword { keyword, start_from } => {
                let is_keyword = |index: &usize| args.at(*index).eq_ignore_ascii_case(keyword.as_bytes());
                let found = if start_from >= 0 {
                    (start_from as usize..args.len()).find(is_keyword)
                } else {
                    let from = args.len().checked_sub(start_from.unsigned_abs() as usize)?;
                    (1..=from).rev().find(is_keyword)
                };
                found.map(|index| index + 1).filter(|&index| index < args.len())
            }
            BeginSearch::Unknown => None,
        }
    }
}
