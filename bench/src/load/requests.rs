//! The batches of requests that a load consists of.

use bytes::BytesMut;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use squall_resp::encode_command;

/// What stands for a random number, as for redis-benchmark.
const PLACEHOLDER: &str = "__rand_int__";
/// Among how many numbers is drawn; they are written with as many digits as the placeholder has letters.
const NUMBERS: u32 = 1_000_000;

/// The same command many times, each with random numbers of its own.
pub(super) struct Batch {
    bytes: Vec<u8>,
    requests: usize,
    /// Where the last digits of the numbers are.
    ends: Vec<usize>,
    rng: ChaCha8Rng,
}

impl Batch {
    pub fn of(command: &[&str], requests: usize) -> Batch {
        let mut bytes = BytesMut::new();
        for _ in 0..requests {
            encode_command(&mut bytes, command.iter().map(|word| word.as_bytes()));
        }
        let text = String::from_utf8(bytes.to_vec()).expect("words are text");
        let ends = text.match_indices(PLACEHOLDER).map(|(at, _)| at + PLACEHOLDER.len()).collect();
        let bytes = text.replace(PLACEHOLDER, &"0".repeat(PLACEHOLDER.len())).into_bytes();
        Batch { bytes, requests, ends, rng: ChaCha8Rng::seed_from_u64(1) }
    }

    pub fn requests(&self) -> usize {
        self.requests
    }

    /// Draws all numbers anew, and gives what is to be sent.
    pub fn draw(&mut self) -> &[u8] {
        for &end in &self.ends {
            // As good as even: the range is a small part of all numbers.
            let mut number = self.rng.next_u64() % u64::from(NUMBERS);
            for digit in self.bytes[..end].iter_mut().rev().take(NUMBERS.ilog10() as usize) {
                *digit = b'0' + (number % 10) as u8;
                number /= 10;
            }
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_of_a_batch_has_its_own_numbers() {
        let mut batch = Batch::of(&["SET", "key:__rand_int__", "v"], 2);
        let mut seen: Vec<String> = Vec::new();
        for _ in 0..2 {
            let text = String::from_utf8(batch.draw().to_vec()).expect("it is text");
            assert_eq!(text.matches("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000").count(), 2, "{text:?}");
            seen.extend(text.split("key:").skip(1).map(|rest| rest[..12].to_owned()));
        }
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
        assert_eq!(Batch::of(&["PING"], 3).draw(), b"*1\r\n$4\r\nPING\r\n".repeat(3));
    }
}
