//! Counting replies as they come in, with as little work as will do.

use memchr::memchr;
use squall_resp::decode;

use crate::Failure;

/// Counts the replies to one command sent over and over on one connection.
#[derive(Default)]
pub(super) struct ReplyCounter {
    /// The beginning of a reply whose end has not come.
    rest: Vec<u8>,
    /// How long a reply is that is an array. The data that is read does not change, so all of them are.
    array_bytes: Option<usize>,
}

impl ReplyCounter {
    /// How many replies end within `bytes`; an error reply is an error.
    pub fn count(&mut self, bytes: &[u8]) -> Result<usize, Failure> {
        if self.rest.is_empty() {
            let (count, seen) = self.count_whole(bytes)?;
            self.rest.extend_from_slice(&bytes[seen..]);
            return Ok(count);
        }
        let mut all = std::mem::take(&mut self.rest);
        all.extend_from_slice(bytes);
        let (count, seen) = self.count_whole(&all)?;
        all.drain(..seen);
        self.rest = all;
        Ok(count)
    }

    /// How many replies are there, and how long they are together.
    fn count_whole(&mut self, bytes: &[u8]) -> Result<(usize, usize), Failure> {
        let (mut count, mut seen) = (0, 0);
        while let Some(length) = self.reply_bytes(&bytes[seen..])? {
            if length > bytes.len() - seen {
                break;
            }
            seen += length;
            count += 1;
        }
        Ok((count, seen))
    }

    /// How long the reply is that begins here, so far as can be said.
    fn reply_bytes(&mut self, bytes: &[u8]) -> Result<Option<usize>, Failure> {
        let Some(end) = memchr(b'\n', bytes).map(|at| at + 1) else { return Ok(None) };
        let line = &bytes[..end];
        match line[0] {
            b'+' | b':' | b'_' => Ok(Some(end)),
            b'$' => Ok(Some(end + bulk_bytes(line)?)),
            b'*' if self.array_bytes.is_some() => Ok(self.array_bytes),
            b'*' => {
                let whole = decode(bytes).map_err(|error| format!("no reply: {error:?}"))?;
                self.array_bytes = whole.map(|(_, length)| length);
                Ok(self.array_bytes)
            }
            _ => Err(format!("the server answered {:?}", String::from_utf8_lossy(line)).into()),
        }
    }
}

/// How much follows the first line of a string.
fn bulk_bytes(line: &[u8]) -> Result<usize, Failure> {
    let text = std::str::from_utf8(line)?.trim_end();
    match text[1..].parse::<i64>() {
        Ok(-1) => Ok(0),
        Ok(length) if length >= 0 => Ok(length as usize + 2),
        _ => Err(format!("no length: {text:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::ReplyCounter;

    /// However the network cuts them.
    #[test]
    fn replies_are_counted_where_they_end() {
        for (reply, times) in [
            (&b"+OK\r\n"[..], 5),
            (b":12\r\n", 5),
            (b"$-1\r\n", 3),
            (b"$0\r\n\r\n", 3),
            (b"$5\r\n+a\r\nb\r\n", 4),
            (b"*2\r\n$1\r\na\r\n:5\r\n", 4),
        ] {
            let all = reply.repeat(times);
            for size in 1..=all.len() {
                let (mut counter, mut count, mut seen) = (ReplyCounter::default(), 0, 0);
                for piece in all.chunks(size) {
                    count += counter.count(piece).expect("they are replies");
                    seen += piece.len();
                    assert_eq!(count, seen / reply.len(), "in pieces of {size}");
                }
            }
        }
        let refused = ReplyCounter::default().count(b"+OK\r\n-ERR no\r\n").expect_err("an error reply");
        assert!(refused.to_string().contains("-ERR no"), "{refused}");
        assert!(ReplyCounter::default().count(b"$x\r\n").is_err());
    }
}
