//! The words about trimming that XADD and XTRIM share: `MAXLEN | MINID [= | ~] threshold [LIMIT count]` and
//! `KEEPREF | DELREF | ACKED`.

use squall_resp::Args;
use squall_store::parse_i64;
use squall_store::stream::{Bound, References, Stream, StreamId, Trim};

use super::ids;
use crate::{CommandError, Config};

/// Without LIMIT, an approximate trim removes at most so many blocks' worth of entries.
const LIMIT_BLOCKS: u64 = 100;
const LIMIT_ENTRIES_DEFAULT: u64 = 10_000;
const LIMIT_ENTRIES_MAX: u64 = 1_000_000;

/// What the words say so far.
#[derive(Default)]
pub(super) struct Trimming {
    bound: Option<Bound>,
    approximate: bool,
    limit: Option<i64>,
    pub references: References,
    says_references: bool,
    /// The words that replicas must not read as they are: the `~`, and the threshold.
    approximate_at: usize,
    threshold_at: usize,
}

impl Trimming {
    /// Reads the option at `index`, and returns how many words it took; none where it is no such option.
    pub fn take(&mut self, args: Args<'_>, index: usize) -> Result<Option<usize>, CommandError> {
        let word = args.at(index).to_ascii_uppercase();
        let more = args.len() - 1 - index;
        match word.as_slice() {
            b"MAXLEN" | b"MINID" if more > 0 => self.take_bound(args, index, word == b"MAXLEN").map(Some),
            b"LIMIT" if more > 0 => {
                let limit = parse_i64(args.at(index + 1)).ok_or(CommandError::NotAnInteger)?;
                if limit < 0 {
                    return Err(CommandError::line("ERR The LIMIT argument must be >= 0."));
                }
                self.limit = Some(limit);
                Ok(Some(2))
            }
            _ => match references(&word) {
                Some(_) if self.says_references => Ok(None),
                Some(references) => {
                    (self.references, self.says_references) = (references, true);
                    Ok(Some(1))
                }
                None => Ok(None),
            },
        }
    }

    fn take_bound(&mut self, args: Args<'_>, index: usize, by_len: bool) -> Result<usize, CommandError> {
        if self.bound.is_some() {
            return Err(CommandError::line(
                "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
            ));
        }
        let has_sign = args.len() - 1 - index >= 2 && matches!(args.at(index + 1), b"~" | b"=");
        let at = index + 1 + usize::from(has_sign);
        if has_sign && args.at(index + 1) == b"~" {
            (self.approximate, self.approximate_at) = (true, index + 1);
        }
        self.threshold_at = at;
        self.bound = Some(match by_len {
            true => {
                let len = parse_i64(args.at(at)).ok_or(CommandError::NotAnInteger)?;
                let len = u64::try_from(len)
                    .map_err(|_| CommandError::line("ERR The MAXLEN argument must be >= 0."))?;
                Bound::Len(len)
            }
            false => Bound::Id(ids::parse(args.at(at), 0)?),
        });
        Ok(at + 1 - index)
    }

    /// What the words say, if they say that anything is to be trimmed. `obeys`: a primary's words, whose own
    /// limit was applied there.
    pub fn resolve(&self, config: &Config, obeys: bool) -> Result<Option<Trim>, CommandError> {
        let Some(bound) = self.bound else {
            return match self.limit {
                Some(1..) => Err(CommandError::line(
                    "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
                )),
                Some(_) if !obeys => Err(LIMIT_WITHOUT_APPROXIMATION),
                _ => Ok(None),
            };
        };
        let entries_max = match self.limit {
            _ if obeys => 0,
            Some(_) if !self.approximate => return Err(LIMIT_WITHOUT_APPROXIMATION),
            Some(limit) => limit as u64,
            None if self.approximate => match config.stream_node_max_entries.saturating_mul(LIMIT_BLOCKS) {
                0 => LIMIT_ENTRIES_DEFAULT,
                entries => entries.min(LIMIT_ENTRIES_MAX),
            },
            None => 0,
        };
        Ok(Some(Trim { bound, approximate: self.approximate, entries_max }))
    }

    /// The words for replicas, where they cannot be the same: which blocks there are is this server's own affair,
    /// so what an approximate trim has left is told exactly. `words` are changed in place.
    pub fn make_exact(&self, words: &mut [Vec<u8>], stream: &Stream) {
        if self.approximate {
            words[self.approximate_at] = b"=".to_vec();
            words[self.threshold_at] = match self.bound {
                // No entry is above the largest id: where none is left, none stays.
                Some(Bound::Id(_)) => {
                    stream.first().map_or(StreamId::MAX, |entry| entry.id).to_string().into_bytes()
                }
                _ => stream.len().to_string().into_bytes(),
            };
        }
    }

    pub fn is_approximate(&self) -> bool {
        self.approximate
    }
}

const LIMIT_WITHOUT_APPROXIMATION: CommandError = CommandError::Line(std::borrow::Cow::Borrowed(
    "ERR syntax error, LIMIT cannot be used without the special ~ option",
));

/// `KEEPREF`, `DELREF` or `ACKED`, in capitals.
pub(super) fn references(word: &[u8]) -> Option<References> {
    match word {
        b"KEEPREF" => Some(References::Keep),
        b"DELREF" => Some(References::Delete),
        b"ACKED" => Some(References::Acknowledged),
        _ => None,
    }
}
