//! The format strings of `struct`: which value comes next, in how many bytes, and how it is aligned.
//!
//! ```text
//! > <     big, little endian (native is little)     ! !n    align, to n bytes at most (8)
//! b B h H l L T   integers of 1, 2, 8, 8 bytes      i I in In   of 4 or n bytes
//! f d     float, double                             x       a byte of padding
//! s       a string that ends with zero              c cn    1 or n characters; c0: as many as the number before
//! ```

use super::super::raise::Raised;

/// Integers are at most so long.
const INTEGER_BYTES_MAX: usize = 32;
const ALIGNMENT_DEFAULT: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Item {
    Integer {
        bytes: usize,
        signed: bool,
    },
    Float,
    Double,
    ZeroTerminated,
    /// Zero: as many as a number says.
    Characters(usize),
    Padding,
}

impl Item {
    fn bytes(self) -> usize {
        match self {
            Item::Integer { bytes, .. } => bytes,
            Item::Float => 4,
            Item::Double => 8,
            Item::ZeroTerminated => 0,
            Item::Characters(count) => count,
            Item::Padding => 1,
        }
    }
}

/// One item of a format, where the bytes before it are `position` many.
pub(super) struct Placed {
    pub item: Item,
    pub bytes: usize,
    /// Bytes to be left out before it.
    pub alignment_gap: usize,
}

pub(super) struct Format<'a> {
    rest: &'a [u8],
    pub big_endian: bool,
    alignment_max: usize,
    /// Who reads it.
    function: &'static str,
}

impl<'a> Format<'a> {
    pub fn new(format: &'a [u8], function: &'static str) -> Format<'a> {
        Format { rest: format, big_endian: false, alignment_max: 1, function }
    }

    /// The next item; none at the end.
    pub fn next(&mut self, position: usize) -> mlua::Result<Option<Placed>> {
        loop {
            let Some((&letter, rest)) = self.rest.split_first() else { return Ok(None) };
            self.rest = rest;
            let item = match letter {
                b'b' | b'B' => Item::Integer { bytes: 1, signed: letter == b'b' },
                b'h' | b'H' => Item::Integer { bytes: 2, signed: letter == b'h' },
                b'l' | b'L' => Item::Integer { bytes: 8, signed: letter == b'l' },
                b'T' => Item::Integer { bytes: 8, signed: false },
                b'i' | b'I' => {
                    let bytes = self.number(4)?;
                    if bytes > INTEGER_BYTES_MAX {
                        let text =
                            format!("integral size {bytes} is larger than limit of {INTEGER_BYTES_MAX}");
                        return Err(Raised::text(text).into());
                    }
                    Item::Integer { bytes, signed: letter == b'i' }
                }
                b'f' => Item::Float,
                b'd' => Item::Double,
                b's' => Item::ZeroTerminated,
                b'c' => Item::Characters(self.number(1)?),
                b'x' => Item::Padding,
                b' ' => continue,
                b'<' | b'>' => {
                    self.big_endian = letter == b'>';
                    continue;
                }
                b'!' => {
                    self.alignment_max = self.number(ALIGNMENT_DEFAULT)?;
                    if !self.alignment_max.is_power_of_two() {
                        return Err(Raised::text("alignment is not a power of 2").into());
                    }
                    continue;
                }
                other => {
                    let text = format!(
                        "bad argument #1 to '{}' (invalid format option '{}')",
                        self.function,
                        char::from(other)
                    );
                    return Err(Raised::text(text).into());
                }
            };
            let bytes = item.bytes();
            let gap = match item {
                Item::Characters(_) | Item::ZeroTerminated => 0,
                _ => gap(position, bytes, self.alignment_max),
            };
            return Ok(Some(Placed { item, bytes, alignment_gap: gap }));
        }
    }

    /// The number at this place of the format, or what stands for none.
    fn number(&mut self, default: usize) -> mlua::Result<usize> {
        let digits = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return Ok(default);
        }
        let (text, rest) = self.rest.split_at(digits);
        self.rest = rest;
        let number = text.iter().try_fold(0usize, |number, digit| {
            number
                .checked_mul(10)?
                .checked_add(usize::from(digit - b'0'))
                .filter(|&number| number <= i32::MAX as usize)
        });
        number.ok_or_else(|| Raised::text("integral size overflow").into())
    }
}

fn gap(position: usize, bytes: usize, alignment_max: usize) -> usize {
    let alignment = bytes.min(alignment_max);
    if alignment <= 1 || !alignment.is_power_of_two() {
        return 0;
    }
    position.wrapping_neg() & (alignment - 1)
}
