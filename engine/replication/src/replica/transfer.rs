//! A dataset on its way in: the line that says how it is framed, its bytes, its end.
//!
//! ```text
//! $<length>\r\n<length bytes>            then at once the stream
//! $EOF:<40 bytes>\r\n<bytes><40 bytes>   then nothing until we have acknowledged
//! ```

use bytes::{Bytes, BytesMut};
use memchr::memmem;

use super::handshake::{shown, take_line};
use crate::Position;

const MARK_BYTES: usize = 40;

#[derive(Debug)]
pub(super) struct Transfer {
    position: Position,
    reading: Reading,
    received_bytes: u64,
    length_bytes: Option<u64>,
}

#[derive(Debug)]
enum Reading {
    Header,
    Length {
        left: u64,
    },
    Marked {
        mark: [u8; MARK_BYTES],
    },
    /// All is there, and not loaded yet. What follows is the stream's.
    Complete,
}

#[derive(Debug)]
pub(super) enum Found {
    Header { length_bytes: Option<u64> },
    Bytes(Bytes),
    End,
}

impl Transfer {
    pub(super) fn of(position: Position) -> Transfer {
        Transfer { position, reading: Reading::Header, received_bytes: 0, length_bytes: None }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    pub(super) fn progress(&self) -> (u64, Option<u64>) {
        (self.received_bytes, self.length_bytes)
    }

    /// The next thing in `input`, if enough of it is there. An error ends the connection.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> Result<Option<Found>, String> {
        match self.reading {
            Reading::Header => self.read_header(input),
            Reading::Length { left: 0 } => Ok(self.complete()),
            Reading::Length { left } => {
                let len = input.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                self.reading = Reading::Length { left: left - len as u64 };
                Ok(self.take(input, len))
            }
            Reading::Marked { mark } => match memmem::find(input, &mark) {
                Some(0) => {
                    let _mark = input.split_to(MARK_BYTES);
                    Ok(self.complete())
                }
                Some(len) => Ok(self.take(input, len)),
                // The last bytes may be the beginning of the mark.
                None => {
                    let len = input.len().saturating_sub(MARK_BYTES - 1);
                    Ok(self.take(input, len))
                }
            },
            Reading::Complete => Ok(None),
        }
    }

    fn read_header(&mut self, input: &mut BytesMut) -> Result<Option<Found>, String> {
        let Some(line) = take_line(input)? else { return Ok(None) };
        let strange = || format!("it answered {} instead of a dataset", shown(&line));
        let frame = line.strip_prefix(b"$").ok_or_else(strange)?;
        self.reading = match frame.strip_prefix(b"EOF:") {
            Some(mark) => Reading::Marked { mark: mark.try_into().map_err(|_| strange())? },
            None => {
                let length = std::str::from_utf8(frame).ok().and_then(|digits| digits.parse().ok());
                self.length_bytes = Some(length.ok_or_else(strange)?);
                Reading::Length { left: length.unwrap_or_default() }
            }
        };
        Ok(Some(Found::Header { length_bytes: self.length_bytes }))
    }

    fn take(&mut self, input: &mut BytesMut, len: usize) -> Option<Found> {
        self.received_bytes += len as u64;
        (len > 0).then(|| Found::Bytes(input.split_to(len).freeze()))
    }

    fn complete(&mut self) -> Option<Found> {
        self.reading = Reading::Complete;
        Some(Found::End)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ReplId, ReplOffset};

    /// Reads `wire` in pieces of `piece` bytes: the dataset, and what was left for the stream.
    fn read_in_pieces(wire: &[u8], piece: usize) -> Result<(Vec<u8>, Vec<u8>), String> {
        let position = Position { id: ReplId::from_random([1; 20]), offset: ReplOffset(5) };
        let (mut transfer, mut input) = (Transfer::of(position), BytesMut::new());
        let (mut dataset, mut ended) = (Vec::new(), false);
        for bytes in wire.chunks(piece) {
            input.extend_from_slice(bytes);
            while let Some(found) = transfer.read(&mut input)? {
                match found {
                    Found::Header { .. } => {}
                    Found::Bytes(bytes) => dataset.extend_from_slice(&bytes),
                    Found::End => ended = true,
                }
            }
        }
        assert!(ended, "the dataset is complete");
        assert_eq!(transfer.progress().0, dataset.len() as u64);
        Ok((dataset, input.to_vec()))
    }

    #[test]
    fn both_frames_are_read_in_pieces_of_any_size() {
        let mark = "fedcba9876543210".repeat(3)[..40].to_owned();
        // The dataset holds parts of its own mark, also right before it.
        let dataset = format!("{}-{mark_part}{}", &mark[..39], "data\r\n", mark_part = &mark[..16]);
        let marked = format!("\n\n$EOF:{mark}\r\n{dataset}{mark}");
        let counted = format!("\n${}\r\n{dataset}*1\r\n", dataset.len());
        for piece in 1..marked.len() {
            assert_eq!(read_in_pieces(marked.as_bytes(), piece), Ok((dataset.clone().into(), vec![])));
            assert_eq!(
                read_in_pieces(counted.as_bytes(), piece),
                Ok((dataset.clone().into(), b"*1\r\n".to_vec()))
            );
        }
        assert_eq!(read_in_pieces(b"$0\r\n", 1), Ok((vec![], vec![])));
    }

    #[test]
    fn other_headers_are_refused() {
        for header in ["+OK\r\n", "$x\r\n", "$-1\r\n", "$EOF:short\r\n", "-LOADING\r\n"] {
            assert!(read_in_pieces(header.as_bytes(), 3).is_err(), "{header}");
        }
    }
}
