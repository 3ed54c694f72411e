//! How a parameter's value is read and written: one kind for each way.

use super::choices::Choice;

/// A parameter's value as words: one, or several where the kind takes several.
pub type Words<'a> = &'a [&'a [u8]];

/// Reads and writes a `T` as redis.conf and CONFIG do. Errors are the text that CONFIG SET answers.
pub trait Kind<T> {
    /// CONFIG SET splits the value at blanks; a line of redis.conf may hold several words.
    const MANY_WORDS: bool = false;

    fn parse(&self, words: Words<'_>) -> Result<T, String>;

    fn show(&self, value: &T) -> String;

    /// For kinds whose words change a part of the value only.
    fn parse_onto(&self, value: &mut T, words: Words<'_>) -> Result<(), String> {
        *value = self.parse(words)?;
        Ok(())
    }
}

fn single<'a>(words: Words<'a>) -> Result<&'a [u8], String> {
    match words {
        [word] => Ok(word),
        _ => Err("wrong number of arguments".into()),
    }
}

pub struct YesNo;

impl Kind<bool> for YesNo {
    fn parse(&self, words: Words<'_>) -> Result<bool, String> {
        let word = single(words)?;
        match word {
            _ if word.eq_ignore_ascii_case(b"yes") => Ok(true),
            _ if word.eq_ignore_ascii_case(b"no") => Ok(false),
            _ => Err("argument must be 'yes' or 'no'".into()),
        }
    }

    fn show(&self, value: &bool) -> String {
        if *value { "yes" } else { "no" }.into()
    }
}

/// A whole number between two bounds; kept within narrower ones where `clamp` is given.
pub struct Integer {
    min: i64,
    max: i64,
    clamp: Option<(i64, i64)>,
}

impl Integer {
    pub const fn within(min: i64, max: i64) -> Integer {
        Integer { min, max, clamp: None }
    }

    /// Up to what fits a C `int`, as most of Redis's numbers.
    pub const fn from(min: i64) -> Integer {
        Integer::within(min, i32::MAX as i64)
    }

    pub const fn long_from(min: i64) -> Integer {
        Integer::within(min, i64::MAX)
    }

    pub const fn clamped(mut self, min: i64, max: i64) -> Integer {
        self.clamp = Some((min, max));
        self
    }
}

impl<T: TryFrom<i64> + TryInto<i64> + Copy> Kind<T> for Integer {
    fn parse(&self, words: Words<'_>) -> Result<T, String> {
        let number =
            squall_store::parse_i64(single(words)?).ok_or("argument couldn't be parsed into an integer")?;
        if number < self.min || number > self.max {
            return Err(format!("argument must be between {} and {} inclusive", self.min, self.max));
        }
        let number = self.clamp.map_or(number, |(min, max)| number.clamp(min, max));
        T::try_from(number).map_err(|_| "argument is out of range".into())
    }

    fn show(&self, value: &T) -> String {
        let number: i64 = (*value).try_into().unwrap_or(i64::MAX);
        number.to_string()
    }
}

/// File permissions, written in octal.
pub struct Octal;

impl Kind<u32> for Octal {
    fn parse(&self, words: Words<'_>) -> Result<u32, String> {
        let text = std::str::from_utf8(single(words)?).unwrap_or_default();
        let mode = u32::from_str_radix(text, 8).map_err(|_| "argument couldn't be parsed into an integer")?;
        if mode > 0o777 {
            return Err("argument must be between 0 and 777 inclusive".into());
        }
        Ok(mode)
    }

    fn show(&self, value: &u32) -> String {
        format!("{value:o}")
    }
}

/// A number of bytes, with units: `1k` is 1000, `1kb` is 1024.
pub struct Memory {
    min: u64,
    max: u64,
}

impl Memory {
    pub const fn any() -> Memory {
        Memory { min: 0, max: u64::MAX }
    }

    pub const fn from(min: u64) -> Memory {
        Memory { min, max: i64::MAX as u64 }
    }
}

impl Kind<u64> for Memory {
    fn parse(&self, words: Words<'_>) -> Result<u64, String> {
        let bytes = parse_memory(single(words)?).ok_or("argument must be a memory value")?;
        if bytes < self.min || bytes > self.max {
            return Err(format!("argument must be between {} and {} inclusive", self.min, self.max));
        }
        Ok(bytes)
    }

    fn show(&self, value: &u64) -> String {
        value.to_string()
    }
}

/// A number of bytes, or a share of `maxmemory`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemoryShare {
    Bytes(u64),
    Percent(u8),
}

impl MemoryShare {
    /// The bytes that it stands for; none where nothing is limited.
    pub fn bytes_of(self, whole: u64) -> Option<u64> {
        let bytes = match self {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => whole / 100 * u64::from(percent),
        };
        (bytes > 0).then_some(bytes)
    }
}

pub struct MemoryOrPercent;

impl Kind<MemoryShare> for MemoryOrPercent {
    fn parse(&self, words: Words<'_>) -> Result<MemoryShare, String> {
        const INVALID: &str = "argument must be a memory or percent value";
        let word = single(words)?;
        let Some(number) = word.strip_suffix(b"%") else {
            return parse_memory(word).map(MemoryShare::Bytes).ok_or(INVALID.into());
        };
        let percent = squall_store::parse_i64(number).filter(|&percent| percent >= 0).ok_or(INVALID)?;
        match u8::try_from(percent) {
            Ok(percent) if percent <= 100 => Ok(MemoryShare::Percent(percent)),
            _ => Err("percentage argument must be less or equal to 100".into()),
        }
    }

    fn show(&self, value: &MemoryShare) -> String {
        match value {
            MemoryShare::Bytes(bytes) => bytes.to_string(),
            MemoryShare::Percent(percent) => format!("{percent}%"),
        }
    }
}

/// `123`, `10mb`, `1G`.
pub fn parse_memory(word: &[u8]) -> Option<u64> {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let number: u64 = std::str::from_utf8(&word[..digits]).ok()?.parse().ok()?;
    let unit: u64 = match word[digits..].to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit)
}

/// Any text without a line's end.
pub struct Text;

impl Kind<String> for Text {
    fn parse(&self, words: Words<'_>) -> Result<String, String> {
        String::from_utf8(single(words)?.to_vec()).map_err(|_| "argument must be UTF-8".into())
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// The name of a file in the working directory.
pub struct FileName {
    /// What is said of a path where a name is wanted.
    pub refusal: &'static str,
}

impl Kind<String> for FileName {
    fn parse(&self, words: Words<'_>) -> Result<String, String> {
        let name = Text.parse(words)?;
        if name.contains('/') || name.is_empty() {
            return Err(self.refusal.into());
        }
        Ok(name)
    }

    fn show(&self, value: &String) -> String {
        value.clone()
    }
}

/// One of a [`Choice`]'s names.
pub struct OneOf;

impl<T: Choice> Kind<T> for OneOf {
    fn parse(&self, words: Words<'_>) -> Result<T, String> {
        let word = single(words)?;
        let found = T::ALL.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word));
        found.map(|(_, choice)| *choice).ok_or_else(|| {
            let names: Vec<&str> = T::ALL.iter().map(|(name, _)| *name).collect();
            format!("argument(s) must be one of the following: {}", names.join(", "))
        })
    }

    fn show(&self, value: &T) -> String {
        value.name().into()
    }
}
