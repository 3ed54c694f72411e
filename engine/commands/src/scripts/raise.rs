//! Errors between Rust and Lua: how the server's functions raise them, how scripts see them, and what the
//! client is told of the one that ended a script.
//!
//! Scripts see errors in two forms, as Redis has it: what a server command or a `redis.*` function refuses
//! is a table with the error line in `err`; everything else is a string that begins with the place.

use std::fmt;

use mlua::{Error, Lua, MultiValue, Value};

/// An error that a function of the server raises in Lua.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Raised {
    /// A string; the place is put before it.
    Text(String),
    /// A string as it is, as Lua itself raises it where a function of C does what cannot be done.
    Bare(&'static str),
    /// A table whose `err` is this error line.
    Line(Vec<u8>),
}

impl Raised {
    pub fn text(text: impl Into<String>) -> Raised {
        Raised::Text(text.into())
    }

    pub fn line(line: &[u8]) -> Raised {
        Raised::Line(line.to_vec())
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Raised::Text(text) => f.write_str(text),
            Raised::Bare(text) => f.write_str(text),
            Raised::Line(line) => f.write_str(&String::from_utf8_lossy(line)),
        }
    }
}

impl std::error::Error for Raised {}

impl From<Raised> for Error {
    fn from(raised: Raised) -> Error {
        Error::external(raised)
    }
}

/// A place in a script.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// `@user_script`, or the text of a chunk that a script has compiled.
    source: String,
    /// The source as Lua's own messages show it.
    short: String,
    line: usize,
}

impl Place {
    /// In a script of one line there is one place, also when the stack has lost it: a function that the server has
    /// put before Lua's own, called as the last thing that a script does, takes the script's frame.
    fn only_one() -> Place {
        Place { source: "@user_script".into(), short: "user_script".into(), line: 1 }
    }
}

/// Why a script failed, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Failure {
    pub line: Vec<u8>,
    pub place: Option<Place>,
}

/// The name of the server's own Lua.
pub(crate) const OWN_SOURCE: &str = "=squall";
/// Frames of the stack that are looked at for a place in the script.
const FRAMES_MAX: usize = 16;

impl Failure {
    /// To be called where the error was raised, while its stack stands. `one_line`: whether all of the
    /// script is one.
    pub fn of(lua: &Lua, reason: Value, one_line: bool) -> Failure {
        let place = place(lua, one_line);
        let line = match with_place(lua, reason, place.as_ref()) {
            Value::Table(table) => match table.raw_get::<Value>("err") {
                Ok(Value::String(line)) => line.as_bytes().to_vec(),
                _ => b"ERR unknown error".to_vec(),
            },
            reason => [b"ERR ", text_of(&reason).as_slice()].concat(),
        };
        Failure { line, place }
    }

    /// An error without a stack: out of memory, or an error in the handling of another.
    pub fn without_place(reason: &Value) -> Failure {
        Failure { line: [b"ERR ", text_of(reason).as_slice()].concat(), place: None }
    }

    /// The error line that the client reads. `name` is the script's digest or the function's name.
    pub fn error_line(&self, name: &str) -> Vec<u8> {
        let mut line = self.line.clone();
        line.extend_from_slice(format!(" script: {name}").as_bytes());
        if let Some(place) = &self.place {
            line.extend_from_slice(format!(", on {}:{}.", place.source, place.line).as_bytes());
        }
        line
    }
}

/// What a script sees of an error that Rust or Lua raised.
pub(crate) fn plain(lua: &Lua, reason: Value, one_line: bool) -> mlua::Result<Value> {
    let place = match reason {
        Value::Error(_) => place(lua, one_line),
        _ => None,
    };
    Ok(with_place(lua, reason, place.as_ref()))
}

/// The message of an error of the compiler, or of mlua itself.
pub(crate) fn message(error: &Error) -> Vec<u8> {
    match error {
        Error::SyntaxError { message, .. } | Error::RuntimeError(message) | Error::MemoryError(message) => {
            message.clone().into_bytes()
        }
        Error::CallbackError { cause, .. } => message(cause),
        other => other.to_string().into_bytes(),
    }
}

/// The argument `index` as a number; raised as Lua's own functions raise it.
pub(crate) fn number_argument(_: &Lua, args: &MultiValue, index: usize, name: &str) -> mlua::Result<f64> {
    let number = match args.get(index) {
        Some(Value::Integer(number)) => Some(*number as f64),
        Some(Value::Number(number)) => Some(*number),
        Some(Value::String(text)) => number_of_text(&text.as_bytes()),
        _ => None,
    };
    number.ok_or_else(|| bad_argument(args, index, name, "number"))
}

/// The argument `index` as a string, which a number can stand for.
pub(crate) fn string_argument(args: &MultiValue, index: usize, name: &str) -> mlua::Result<Vec<u8>> {
    match args.get(index) {
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(Value::Integer(number)) => Ok(number.to_string().into_bytes()),
        Some(Value::Number(number)) => Ok(super::numbers::general(*number, 14).into_bytes()),
        _ => Err(bad_argument(args, index, name, "string")),
    }
}

pub(crate) fn bad_argument(args: &MultiValue, index: usize, name: &str, expected: &str) -> Error {
    let got = args.get(index).map_or("no value", |value| match value {
        Value::Integer(_) | Value::Number(_) => "number",
        Value::LightUserData(_) => "userdata",
        value => value.type_name(),
    });
    Raised::text(format!("bad argument #{} to '{name}' ({expected} expected, got {got})", index + 1)).into()
}

/// Text that Lua would take for a number.
pub(crate) fn number_of_text(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.trim();
    if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        return u64::from_str_radix(digits, 16).ok().map(|number| number as f64);
    }
    text.parse().ok()
}

/// What C makes of a number that it wants as an `int`: its fraction is cut off, then what 32 bits do not hold; what
/// 64 bits do not hold is 0.
pub(crate) fn as_integer(number: f64) -> i32 {
    let held = -(2f64.powi(63))..2f64.powi(63);
    if held.contains(&number) { number as i64 as i32 } else { 0 }
}

/// The innermost place that is in a script, and not in the server's own Lua; a script of one line has no other than one.
fn place(lua: &Lua, one_line: bool) -> Option<Place> {
    let found = (0..FRAMES_MAX).find_map(|level| {
        lua.inspect_stack(level, |frame| {
            let line = frame.current_line()?;
            let names = frame.source();
            let (source, short) = (names.source?.into_owned(), names.short_src?.into_owned());
            (source != OWN_SOURCE).then_some(Place { source, short, line })
        })
        .flatten()
    });
    found.or_else(|| one_line.then(Place::only_one))
}

fn with_place(lua: &Lua, reason: Value, place: Option<&Place>) -> Value {
    let at = |text: &[u8]| match place {
        Some(place) => [format!("{}:{}: ", place.short, place.line).as_bytes(), text].concat(),
        None => text.to_vec(),
    };
    match reason {
        Value::Error(error) => match error.downcast_ref::<Raised>() {
            Some(Raised::Line(line)) => error_table(lua, line).unwrap_or(Value::Nil),
            Some(Raised::Text(text)) => string(lua, &at(text.as_bytes())),
            Some(Raised::Bare(text)) => string(lua, text.as_bytes()),
            None => string(lua, &message(&error)),
        },
        // What Lua's own functions say when the server's Lua has called them on behalf of the script.
        Value::String(text) if text.as_bytes().starts_with(b"squall:") => {
            let bytes = text.as_bytes();
            let rest = bytes
                .splitn(3, |&byte| byte == b':')
                .nth(2)
                .map_or(&bytes[..], |rest| rest.trim_ascii_start());
            string(lua, &at(rest))
        }
        reason => reason,
    }
}

/// `{err = line}`
pub(crate) fn error_table(lua: &Lua, line: &[u8]) -> mlua::Result<Value> {
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("err", lua.create_string(line)?)?;
    Ok(Value::Table(table))
}

fn string(lua: &Lua, text: &[u8]) -> Value {
    lua.create_string(text).map_or(Value::Nil, Value::String)
}

fn text_of(reason: &Value) -> Vec<u8> {
    match reason {
        Value::String(text) => text.as_bytes().to_vec(),
        Value::Integer(number) => number.to_string().into_bytes(),
        Value::Number(number) => super::numbers::general(*number, 14).into_bytes(),
        Value::Error(error) => message(error),
        Value::Nil => b"nil".to_vec(),
        Value::Boolean(truth) => truth.to_string().into_bytes(),
        other => format!("(error object is a {} value)", other.type_name()).into_bytes(),
    }
}
