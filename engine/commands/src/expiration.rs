//! Expiry times as commands spell them (`EX 10`, `PXAT ...`, EXPIRE's argument), and what they mean now.

use squall_clock::UnixMs;
use squall_resp::Args;
use squall_store::parse_i64;

use crate::{CommandError, Context, Role};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unit {
    Seconds,
    Milliseconds,
}

/// A point in time as a client gave it. The number is read only when it is asked for: some commands look at
/// their key first.
#[derive(Clone, Copy, Debug)]
pub struct Deadline<'a> {
    pub text: &'a [u8],
    pub unit: Unit,
    /// Since 1970, not from now on.
    pub absolute: bool,
}

/// What becomes of a key's expiry time when its value is replaced.
#[derive(Clone, Copy, Default, Debug)]
pub enum Expiration<'a> {
    /// It goes.
    #[default]
    Clear,
    /// KEEPTTL.
    Keep,
    At(Deadline<'a>),
}

impl<'a> Deadline<'a> {
    /// `EX`, `PX`, `EXAT` or `PXAT` and the word behind it, if that is what stands at `index`.
    pub fn at(args: Args<'a>, index: usize) -> Option<Deadline<'a>> {
        const WORDS: [(&[u8], Unit, bool); 4] = [
            (b"EX", Unit::Seconds, false),
            (b"PX", Unit::Milliseconds, false),
            (b"EXAT", Unit::Seconds, true),
            (b"PXAT", Unit::Milliseconds, true),
        ];
        let word = args.get(index)?;
        let (_, unit, absolute) = WORDS.into_iter().find(|(name, _, _)| name.eq_ignore_ascii_case(word))?;
        Some(Deadline { text: args.get(index + 1)?, unit, absolute })
    }

    /// The time itself, for commands that refuse one that is not positive.
    pub fn resolve(self, now: UnixMs, command: &'static str) -> Result<UnixMs, CommandError> {
        if parse_i64(self.text).ok_or(CommandError::NotAnInteger)? <= 0 {
            return Err(CommandError::InvalidExpire { command });
        }
        let at = self.milliseconds(now, command)?;
        Ok(UnixMs(u64::try_from(at).expect("a positive time, perhaps counted from a positive one")))
    }

    /// The time in milliseconds since 1970; EXPIRE and its kin may give one before that.
    pub fn milliseconds(self, now: UnixMs, command: &'static str) -> Result<i64, CommandError> {
        let number = parse_i64(self.text).ok_or(CommandError::NotAnInteger)?;
        let scale = if self.unit == Unit::Seconds { 1_000 } else { 1 };
        let base = if self.absolute { 0 } else { now.0 as i64 };
        number
            .checked_mul(scale)
            .and_then(|scaled| scaled.checked_add(base))
            .ok_or(CommandError::InvalidExpire { command })
    }

    /// Whether two options name the same kind of time: only such may be repeated.
    pub fn is_alike(self, other: Deadline<'_>) -> bool {
        self.unit == other.unit && self.absolute == other.absolute
    }
}

impl Context<'_> {
    /// Whether a key that is given this expiry time is to be deleted instead. A replica waits for its
    /// primary's word, and what a primary or a log says is applied as it is.
    pub(crate) fn is_past(&self, at: i64) -> bool {
        at <= self.engine.now.unix_ms().0 as i64
            && self.engine.role == Role::Primary
            && !self.engine.loading
            && !self.engine.config.import_mode
            && !self.session.is_primary_link
    }

    /// The command that tells replicas of a key deleted because its time is past.
    pub(crate) fn expiry_verb(&self) -> &'static [u8] {
        if self.engine.config.lazyfree_lazy_expire { b"UNLINK" } else { b"DEL" }
    }
}
