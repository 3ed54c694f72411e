//! What a replica says about itself, and asks for: the words of REPLCONF and PSYNC, read and checked.

use std::fmt;

use squall_resp::Args;

use crate::{Position, ReplId, ReplOffset};

/// An announced address longer than this is refused; Redis's own bound.
const ADDRESS_BYTES_MAX: usize = 256;

/// What PSYNC or SYNC asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// `SYNC`: the dataset and then the stream, without words about histories.
    Sync,
    /// `PSYNC`: to go on from a position, or a dataset when the replica has none (`? -1`) or names a
    /// history or a byte that cannot exist.
    Psync(Option<Position>),
}

/// One setting of a REPLCONF command; a command may hold several.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Setting {
    ListeningPort(u16),
    IpAddress(String),
    CapaEof,
    CapaPsync2,
    /// A capability or fact that makes no difference here.
    Other,
    RdbOnly(bool),
    /// Which parts of the dataset are wanted: true when keys are not among them.
    WithoutKeys(bool),
    /// Bytes applied, and bytes made durable; absent where the replica's words are no number.
    Ack {
        applied: Option<ReplOffset>,
        durable: Option<ReplOffset>,
    },
    GetAck,
}

/// A REPLCONF or PSYNC that cannot be understood. `Display` is the error reply, its code included.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReplconfError {
    Syntax,
    NotAnInteger,
    NotZeroOrOne,
    AddressTooLong {
        bytes: usize,
    },
    UnknownOption(String),
    UnknownFilter(String),
    /// A part of the dataset is only sent with `$EOF`.
    FilterNeedsEof,
}

impl Request {
    /// Reads the words of `SYNC` or `PSYNC <replid> <offset>`; the arity has been checked.
    pub fn parse(args: Args<'_>) -> Result<Request, ReplconfError> {
        if args.len() < 3 {
            return Ok(Request::Sync);
        }
        let next = integer(args.at(2)).ok_or(ReplconfError::NotAnInteger)?;
        let position = ReplId::parse(args.at(1))
            .zip(ReplOffset::before_byte(next))
            .map(|(id, offset)| Position { id, offset });
        Ok(Request::Psync(position))
    }
}

/// Reads `REPLCONF option value ...` and hands each setting to `apply`, up to the first that is wrong.
pub(super) fn read_settings(args: Args<'_>, mut apply: impl FnMut(Setting)) -> Result<(), ReplconfError> {
    if args.len().is_multiple_of(2) {
        return Err(ReplconfError::Syntax);
    }
    let mut at = 1;
    while at < args.len() {
        let (option, value) = (args.at(at), args.at(at + 1));
        at += 2;
        let setting = match option.to_ascii_lowercase().as_slice() {
            b"ack" => {
                let durable = args.get(at).filter(|word| word.eq_ignore_ascii_case(b"fack"));
                let durable = durable.and_then(|_| args.get(at + 1)).and_then(offset);
                apply(Setting::Ack { applied: offset(value), durable });
                return Ok(());
            }
            b"getack" => {
                apply(Setting::GetAck);
                return Ok(());
            }
            lowered => setting(lowered, option, value)?,
        };
        apply(setting);
    }
    Ok(())
}

fn setting(lowered: &[u8], option: &[u8], value: &[u8]) -> Result<Setting, ReplconfError> {
    Ok(match lowered {
        b"listening-port" => {
            let port = integer(value).and_then(|port| u16::try_from(port).ok());
            Setting::ListeningPort(port.ok_or(ReplconfError::NotAnInteger)?)
        }
        b"ip-address" if value.len() >= ADDRESS_BYTES_MAX => {
            return Err(ReplconfError::AddressTooLong { bytes: value.len() });
        }
        b"ip-address" => Setting::IpAddress(String::from_utf8_lossy(value).into_owned()),
        b"capa" if value.eq_ignore_ascii_case(b"eof") => Setting::CapaEof,
        b"capa" if value.eq_ignore_ascii_case(b"psync2") => Setting::CapaPsync2,
        b"capa" | b"version" => Setting::Other,
        b"rdb-only" => match integer(value).ok_or(ReplconfError::NotAnInteger)? {
            wanted @ (0 | 1) => Setting::RdbOnly(wanted == 1),
            _ => return Err(ReplconfError::NotZeroOrOne),
        },
        b"rdb-filter-only" => Setting::WithoutKeys(filter_leaves_out_keys(value)?),
        _ => return Err(ReplconfError::UnknownOption(String::from_utf8_lossy(option).into_owned())),
    })
}

/// The filter names what is wanted: nothing named means everything, `functions` means no keys.
fn filter_leaves_out_keys(value: &[u8]) -> Result<bool, ReplconfError> {
    let mut without_keys = false;
    for word in value.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        if !word.eq_ignore_ascii_case(b"functions") {
            return Err(ReplconfError::UnknownFilter(String::from_utf8_lossy(word).into_owned()));
        }
        without_keys = true;
    }
    Ok(without_keys)
}

fn offset(word: &[u8]) -> Option<ReplOffset> {
    integer(word).and_then(|offset| u64::try_from(offset).ok()).map(ReplOffset)
}

fn integer(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

impl fmt::Display for ReplconfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplconfError::Syntax => f.write_str("ERR syntax error"),
            ReplconfError::NotAnInteger => f.write_str("ERR value is not an integer or out of range"),
            ReplconfError::NotZeroOrOne => {
                f.write_str("ERR value is out of range, value must between 0 and 1")
            }
            ReplconfError::AddressTooLong { bytes } => {
                write!(f, "ERR REPLCONF ip-address provided by replica instance is too long: {bytes} bytes")
            }
            ReplconfError::UnknownOption(option) => write!(f, "ERR Unrecognized REPLCONF option: {option}"),
            ReplconfError::UnknownFilter(part) => {
                write!(f, "ERR Unsupported rdb-filter-only option: {part}")
            }
            ReplconfError::FilterNeedsEof => f.write_str("ERR Filtered replica requires EOF capability"),
        }
    }
}
