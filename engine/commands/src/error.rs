//! A client's mistakes, as values; the text that Redis gives for each is rendered here and nowhere else.

use std::borrow::Cow;
use std::fmt;

pub type CommandResult = Result<(), CommandError>;

/// Why a command was refused. `Display` is the error line without its leading `-`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CommandError {
    WrongType,
    Syntax,
    NotAnInteger,
    NotAFloat,
    OutOfRange,
    NoSuchKey,
    InvalidExpire {
        command: &'static str,
    },
    Arity {
        command: String,
    },
    /// Any other: the whole line, code word first (`ERR ...`, `NOAUTH ...`).
    Line(Cow<'static, str>),
    /// A line that repeats a client's bytes, which need not be UTF-8.
    Bytes(Vec<u8>),
}

impl CommandError {
    pub fn line(text: impl Into<Cow<'static, str>>) -> CommandError {
        CommandError::Line(text.into())
    }

    /// A container's subcommand with too many words, or too few, or none that is known.
    pub fn subcommand_shape(container: &str, subcommand: &[u8]) -> CommandError {
        let head: &[u8] = b"ERR unknown subcommand or wrong number of arguments for '";
        let tail = format!("'. Try {container} HELP.");
        CommandError::Bytes([head, subcommand, tail.as_bytes()].concat())
    }

    /// The error line without its leading `-`.
    pub fn text(&self) -> Cow<'_, [u8]> {
        match self {
            CommandError::WrongType => Cow::Borrowed(WRONG_TYPE.as_bytes()),
            CommandError::Line(text) => Cow::Borrowed(text.as_bytes()),
            CommandError::Bytes(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string().into_bytes()),
        }
    }
}

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::WrongType => f.write_str(WRONG_TYPE),
            CommandError::Syntax => f.write_str("ERR syntax error"),
            CommandError::NotAnInteger => f.write_str("ERR value is not an integer or out of range"),
            CommandError::NotAFloat => f.write_str("ERR value is not a valid float"),
            CommandError::OutOfRange => f.write_str("ERR index out of range"),
            CommandError::NoSuchKey => f.write_str("ERR no such key"),
            CommandError::InvalidExpire { command } => {
                write!(f, "ERR invalid expire time in '{command}' command")
            }
            CommandError::Arity { command } => {
                write!(f, "ERR wrong number of arguments for '{command}' command")
            }
            CommandError::Line(text) => f.write_str(text),
            CommandError::Bytes(text) => f.write_str(&String::from_utf8_lossy(text)),
        }
    }
}
