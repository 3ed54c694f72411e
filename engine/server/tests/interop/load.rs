//! Writes without end: a thread that changes strings of all kinds in two databases until it is stopped.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use squall_resp::{decode, encode_command};

use crate::harness::{PATIENCE, Server, eventually};

const COMMANDS_PER_BATCH: u64 = 20;
/// Between batches, so that the servers under test keep some of the machine for their other work.
const BREATH: Duration = Duration::from_millis(1);
const KEYS: u64 = 500;

pub struct WriteLoad {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl WriteLoad {
    /// Writes to the server until [`stop`](Self::stop), or until the connection breaks.
    pub fn start(server: &Server, seed: u64) -> WriteLoad {
        let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, counter) = (Arc::clone(&stop), Arc::clone(&answered));
        let stream = TcpStream::connect(("127.0.0.1", server.port())).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let thread = thread::spawn(move || write_until(stream, seed, &stopped, &counter));
        WriteLoad { stop, answered, thread: Some(thread) }
    }

    /// Waits until this many more commands were answered.
    pub fn advance(&self, commands: u64) {
        let target = self.answered.load(Ordering::Relaxed) + commands;
        eventually("more writes are answered", || self.answered.load(Ordering::Relaxed) >= target);
    }

    pub fn stop(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("a thread").join().expect("the load found nothing wrong");
    }
}

impl Drop for WriteLoad {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn write_until(mut stream: TcpStream, seed: u64, stop: &AtomicBool, answered: &AtomicU64) {
    let mut dice = Dice(seed);
    let mut received = BytesMut::new();
    while !stop.load(Ordering::Relaxed) {
        let mut requests = BytesMut::new();
        let mut count = 0;
        while count < COMMANDS_PER_BATCH {
            count += write_commands(&mut requests, &mut dice);
        }
        if stream.write_all(&requests).is_err() {
            return;
        }
        thread::sleep(BREATH);
        for _ in 0..count {
            match await_reply(&mut stream, &mut received) {
                Some(()) => answered.fetch_add(1, Ordering::Relaxed),
                None => return,
            };
        }
    }
}

fn await_reply(stream: &mut TcpStream, received: &mut BytesMut) -> Option<()> {
    loop {
        if let Some((_, len)) = decode(received).expect("a reply") {
            received.advance(len);
            return Some(());
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
        }
    }
}

/// Adds one write, or a transaction of some, to the batch; returns how many replies will come.
fn write_commands(requests: &mut BytesMut, dice: &mut Dice) -> u64 {
    let mut say = |words: &[&str]| encode_command(requests, words.iter().map(|word| word.as_bytes()));
    let (key, other) = (format!("key:{}", dice.below(KEYS)), format!("key:{}", dice.below(KEYS)));
    let (key, other) = (key.as_str(), other.as_str());
    let counter = format!("counter:{}", dice.below(20));
    let number = dice.below(1_000_000).to_string();
    let value = "v".repeat(dice.below(200) as usize) + &number;
    let lifetime_ms = (1 + dice.below(4_000)).to_string();
    match dice.below(20) {
        0..=3 => say(&["SET", key, &value]),
        4 => say(&["SET", key, &value, "PX", &lifetime_ms]),
        5 => say(&["SET", key, &number, "KEEPTTL", "GET"]),
        6 => say(&["INCRBY", &counter, &number]),
        7 => say(&["INCRBYFLOAT", &format!("float:{number}"), "10.25"]),
        8 => say(&["APPEND", key, &number]),
        9 => say(&["SETRANGE", key, "5", &number]),
        10 => say(&["DEL", key, other]),
        11 => say(&["MSET", key, &value, other, &number]),
        12 => say(&["PEXPIRE", key, &lifetime_ms]),
        13 => say(&["PERSIST", key]),
        14 => say(&["RENAME", key, other]),
        15 => say(&["COPY", key, other, "REPLACE"]),
        16 => say(&["GETEX", key, "EX", "100"]),
        17 => say(&["SELECT", if dice.below(2) == 0 { "0" } else { "1" }]),
        18 if dice.below(10) == 0 => say(&["SET", key, &"large ".repeat(dice.below(8_000) as usize)]),
        18 => say(&["SETEX", key, "1000", &number]),
        _ => {
            say(&["MULTI"]);
            say(&["INCR", &counter]);
            say(&["SET", key, &value]);
            say(&["GETDEL", other]);
            say(&["EXEC"]);
            return 5;
        }
    }
    1
}

/// A small generator (splitmix64), so that a load can be repeated by its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound
    }
}
