//! Writes at a steady rate, whatever the server does meanwhile: each has its due time, and its latency counts
//! from there, so that a server that stops for a while is charged for everything that had to wait.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use squall_resp::encode_command;

use crate::Failure;

const CONNECTIONS: usize = 10;
const TICKS_PER_SECOND: u32 = 1_000;
const REPLY: &[u8] = b"+OK\r\n";

/// What goes on while a write is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Phase {
    /// Not counted.
    Apart = 0,
    Quiet = 1,
    Snapshot = 2,
}

/// How the one who watches tells the one who writes what goes on.
#[derive(Default)]
pub struct Control {
    phase: AtomicU8,
    stopped: AtomicBool,
}

impl Control {
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }
}

/// The latencies of the writes that were due in each phase.
#[derive(Default)]
pub struct Latencies {
    by_phase: [Vec<Duration>; 3],
}

impl Latencies {
    /// A share of 0.99 gives p99, 1 the longest; zero where nothing was written.
    pub fn quantile(&mut self, phase: Phase, share: f64) -> Duration {
        let sorted = &mut self.by_phase[phase as usize];
        sorted.sort_unstable();
        let last = sorted.len().saturating_sub(1);
        sorted.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
    }
}

/// Overwrites the strings that `contents` makes, `per_second` of them, until it is told to stop.
pub fn write_strings(port: u16, per_second: u32, keys: u64, control: &Control) -> Result<Latencies, Failure> {
    let mut lanes: Vec<Lane> = (0..CONNECTIONS).map(|_| Lane::connect(port)).collect::<Result<_, _>>()?;
    let per_tick = (per_second / TICKS_PER_SECOND) as usize;
    let (tick, mut due) = (Duration::from_secs(1) / TICKS_PER_SECOND, Instant::now());
    let (mut latencies, mut key) = (Latencies::default(), 0u64);
    while !control.stopped.load(Ordering::Relaxed) {
        let phase = control.phase.load(Ordering::Relaxed);
        while due <= Instant::now() {
            for n in 0..per_tick {
                // A step prime to the number of keys goes round all of them, in no order that matters.
                key = (key + 618_033) % keys;
                lanes[n * CONNECTIONS / per_tick].enqueue(key, due, phase);
            }
            due += tick;
        }
        for lane in &mut lanes {
            lane.send()?;
        }
        wait(&lanes, due.saturating_duration_since(Instant::now()))?;
        for lane in &mut lanes {
            lane.receive(&mut latencies)?;
        }
    }
    Ok(latencies)
}

/// Until a reply is there, or the time is over.
fn wait(lanes: &[Lane], time: Duration) -> io::Result<()> {
    let mut descriptors: Vec<PollFd<'_>> =
        lanes.iter().map(|lane| PollFd::new(&lane.stream, PollFlags::IN)).collect();
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(time.subsec_nanos()) };
    match poll(&mut descriptors, Some(&timeout)) {
        Err(rustix::io::Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

struct Lane {
    stream: TcpStream,
    unsent: BytesMut,
    /// When each unanswered request was due, and in which phase.
    unanswered: VecDeque<(Instant, u8)>,
    /// Bytes of a reply that is not whole.
    partial: usize,
}

impl Lane {
    fn connect(port: u16) -> io::Result<Lane> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Lane { stream, unsent: BytesMut::new(), unanswered: VecDeque::new(), partial: 0 })
    }

    fn enqueue(&mut self, key: u64, due: Instant, phase: u8) {
        let (name, value) = (format!("key:{key:012}"), format!("value:{key:026}"));
        encode_command(&mut self.unsent, [&b"SET"[..], name.as_bytes(), value.as_bytes()].into_iter());
        self.unanswered.push_back((due, phase));
    }

    fn send(&mut self) -> Result<(), Failure> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(count) => self.unsent.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn receive(&mut self, latencies: &mut Latencies) -> Result<(), Failure> {
        let mut bytes = [0; 16 * 1024];
        let count = match self.stream.read(&mut bytes) {
            Ok(0) => return Err("the server closed the connection".into()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let said = &bytes[..count];
        let expected = REPLY.iter().cycle().skip(self.partial);
        if !said.iter().zip(expected).all(|(byte, expected)| byte == expected) {
            return Err(format!("SET was answered with {}", String::from_utf8_lossy(said)).into());
        }
        let (now, whole) = (Instant::now(), (self.partial + count) / REPLY.len());
        self.partial = (self.partial + count) % REPLY.len();
        for (due, phase) in self.unanswered.drain(..whole) {
            latencies.by_phase[usize::from(phase)].push(now.saturating_duration_since(due));
        }
        Ok(())
    }
}
