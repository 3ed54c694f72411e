//! Ranges as clients write them, by rank, by score and by text, and the ranks that they are.

use std::ops::Range;

use squall_store::{ZSet, parse_i64};

use crate::CommandError;
use crate::float::parse_bound;

/// What a range is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Rank,
    Score,
    Text,
}

/// A range whose ends have been read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Bounds<'a> {
    /// Both ends included, negative ones counted from the end of the set.
    Ranks(i64, i64),
    Scores(ScoreBound, ScoreBound),
    Texts(TextBound<'a>, TextBound<'a>),
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct ScoreBound {
    score: f64,
    excluded: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TextBound<'a> {
    BeforeAll,
    BehindAll,
    Included(&'a [u8]),
    Excluded(&'a [u8]),
}

impl<'a> Bounds<'a> {
    pub fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Bounds<'a>, CommandError> {
        let integer = |text| parse_i64(text).ok_or(CommandError::NotAnInteger);
        Ok(match by {
            By::Rank => Bounds::Ranks(integer(min)?, integer(max)?),
            By::Score => Bounds::Scores(ScoreBound::parse(min)?, ScoreBound::parse(max)?),
            By::Text => Bounds::Texts(TextBound::parse(min)?, TextBound::parse(max)?),
        })
    }

    /// The ranks that lie between. Where `backwards`, ranks are counted from the greatest score on.
    pub fn ranks(self, zset: &ZSet, backwards: bool) -> Range<usize> {
        let len = zset.len();
        match self {
            Bounds::Ranks(start, end) => {
                let from_end = |index: i64| if index < 0 { index.saturating_add(len as i64) } else { index };
                let start = (from_end(start).max(0) as usize).min(len);
                let end = (from_end(end).saturating_add(1).max(0) as usize).clamp(start, len);
                if backwards { len - end..len - start } else { start..end }
            }
            Bounds::Scores(min, max) => {
                let start = zset.partition_point(|score, _| match min.excluded {
                    true => score <= min.score,
                    false => score < min.score,
                });
                let end = zset.partition_point(|score, _| match max.excluded {
                    true => score < max.score,
                    false => score <= max.score,
                });
                start..end.max(start)
            }
            Bounds::Texts(min, max) => {
                let start = match min {
                    TextBound::BeforeAll => 0,
                    TextBound::BehindAll => len,
                    TextBound::Included(text) => zset.partition_point(|_, member| member < text),
                    TextBound::Excluded(text) => zset.partition_point(|_, member| member <= text),
                };
                let end = match max {
                    TextBound::BeforeAll => 0,
                    TextBound::BehindAll => len,
                    TextBound::Included(text) => zset.partition_point(|_, member| member <= text),
                    TextBound::Excluded(text) => zset.partition_point(|_, member| member < text),
                };
                start..end.max(start)
            }
        }
    }
}

impl ScoreBound {
    fn parse(text: &[u8]) -> Result<ScoreBound, CommandError> {
        let (excluded, number) = match text {
            [b'(', number @ ..] => (true, number),
            number => (false, number),
        };
        let score = parse_bound(number).ok_or(CommandError::line("ERR min or max is not a float"))?;
        Ok(ScoreBound { score, excluded })
    }
}

impl<'a> TextBound<'a> {
    fn parse(text: &'a [u8]) -> Result<TextBound<'a>, CommandError> {
        match text {
            b"-" => Ok(TextBound::BeforeAll),
            b"+" => Ok(TextBound::BehindAll),
            [b'[', text @ ..] => Ok(TextBound::Included(text)),
            [b'(', text @ ..] => Ok(TextBound::Excluded(text)),
            _ => Err(CommandError::line("ERR min or max not valid string range item")),
        }
    }
}
