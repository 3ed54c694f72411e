//! One run of a closed load against one server, and the CPU time that it cost the server: each of many connections
//! sends a batch of requests, and the next one when all are answered.
//!
//! It costs less than the server that it loads, so that it is the server that is busy all the time. One that has to
//! wait for its load goes to sleep between the batches, and what it costs to wake it up would count as the
//! requests' own.

mod replies;
mod requests;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::Failure;
use crate::interrupt::Interrupt;
use crate::launch::Server;
use crate::process;
use replies::ReplyCounter;
use requests::Batch;

/// The longest that a server may be silent.
const SILENCE_MAX: Timespec = Timespec { tv_sec: 10, tv_nsec: 0 };
const READ_BYTES: usize = 64 * 1024;
const EVENTS_MAX: usize = 64;

/// What is asked of a server.
pub struct Load<'a> {
    /// A word's `__rand_int__` stands for twelve digits: a number below a million, drawn for each request.
    pub command: &'a [&'a str],
    /// Requests in a batch.
    pub pipeline: u32,
    pub clients: u32,
    pub requests: u64,
}

/// What one run showed. The latencies are those of whole batches.
#[derive(Clone, Copy)]
pub struct Turn {
    pub requests_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_us_per_request: f64,
    /// The part of it outside the kernel.
    pub user_us_per_request: f64,
}

pub fn run(load: &Load<'_>, server: &Server, interrupt: &Interrupt) -> Result<Turn, Failure> {
    let mut run = Run::prepare(load, server.port())?;
    let (before, began) = (process::cpu_time(server.pid())?, Instant::now());
    run.proceed(interrupt)?;
    let (after, took) = (process::cpu_time(server.pid())?, began.elapsed());
    let requests = (run.latencies.len() * load.pipeline as usize) as f64;
    let us_per_request =
        |now: Duration, then: Duration| now.saturating_sub(then).as_secs_f64() * 1e6 / requests;
    run.latencies.sort_unstable();
    let quantile = |share: f64| {
        let index = ((run.latencies.len() - 1) as f64 * share).round() as usize;
        run.latencies[index].as_secs_f64() * 1e3
    };
    Ok(Turn {
        requests_per_second: requests / took.as_secs_f64(),
        p50_ms: quantile(0.5),
        p99_ms: quantile(0.99),
        cpu_us_per_request: us_per_request(after.total, before.total),
        user_us_per_request: us_per_request(after.user, before.user),
    })
}

/// A load on its way.
struct Run {
    clients: Vec<Client>,
    /// Tells which clients have been answered.
    epoll: OwnedFd,
    batch: Batch,
    /// Batches that are still to be sent.
    unsent: u64,
    /// Of the batches that have been answered.
    latencies: Vec<Duration>,
}

struct Client {
    stream: TcpStream,
    replies: ReplyCounter,
    /// Requests of the last batch that are not answered.
    unanswered: usize,
    sent_at: Instant,
}

impl Run {
    fn prepare(load: &Load<'_>, port: u16) -> Result<Run, Failure> {
        let batches = load.requests.div_ceil(u64::from(load.pipeline));
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut clients = Vec::new();
        for number in 0..u64::from(load.clients).min(batches) {
            let stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_nodelay(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(number), EventFlags::IN)?;
            let replies = ReplyCounter::default();
            clients.push(Client { stream, replies, unanswered: 0, sent_at: Instant::now() });
        }
        let batch = Batch::of(load.command, load.pipeline as usize);
        Ok(Run { clients, epoll, batch, unsent: batches, latencies: Vec::with_capacity(batches as usize) })
    }

    /// Until every batch is answered.
    fn proceed(&mut self, interrupt: &Interrupt) -> Result<(), Failure> {
        for client in &mut self.clients {
            client.send(&mut self.batch)?;
        }
        self.unsent -= self.clients.len() as u64;
        let (mut busy, mut bytes) = (self.clients.len(), vec![0; READ_BYTES]);
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_MAX);
        while busy > 0 {
            interrupt.check()?;
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&SILENCE_MAX)) {
                Ok(0) => return Err("the server does not answer any more".into()),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let client = &mut self.clients[event.data.u64() as usize];
                if !client.receive(&mut bytes)? {
                    continue;
                }
                self.latencies.push(client.sent_at.elapsed());
                match self.unsent.checked_sub(1) {
                    Some(left) => {
                        self.unsent = left;
                        client.send(&mut self.batch)?;
                    }
                    None => busy -= 1,
                }
            }
        }
        Ok(())
    }
}

impl Client {
    fn send(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        (self.unanswered, self.sent_at) = (batch.requests(), Instant::now());
        Ok(self.stream.write_all(batch.draw())?)
    }

    /// Takes in what has come; tells whether the batch is answered.
    fn receive(&mut self, bytes: &mut [u8]) -> Result<bool, Failure> {
        let count = self.stream.read(bytes)?;
        if count == 0 {
            return Err("the server closed a connection".into());
        }
        let replies = self.replies.count(&bytes[..count])?;
        self.unanswered = self.unanswered.checked_sub(replies).ok_or("more replies than requests")?;
        Ok(self.unanswered == 0)
    }
}
