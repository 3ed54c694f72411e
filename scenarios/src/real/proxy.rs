//! The way of bytes through a proxy, in one direction of one connection. What is read is given an arrival by the same
//! model of paths that the simulator has (latency, bandwidth, loss, cuts), waits for it in a queue as long as the
//! path's window, and is written to the other side.
//!
//! A proxy ends TCP on both of its sides, so it has to do itself what the sender's kernel would do in the place of
//! each: what is lost is sent again after 200 ms, and then after twice the time before it; what was not acknowledged
//! takes room in the window.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::net::Shutdown;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use squall_clock::{Mono, Nanos};
use squall_sim::{ConnId, MachineId, Message, Theatre};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::world::RealWorld;

/// The first retransmission comes after this, each further one after twice the time before it.
const RETRANSMIT_FIRST: Nanos = Nanos::from_millis(200);
const RETRANSMIT_INTERVAL_MAX: Nanos = Nanos::from_secs(120);
/// After as many the sender's kernel gives up, as Linux's `tcp_retries2` has it.
const RETRANSMIT_ATTEMPTS_MAX: u32 = 15;
const SEGMENT_BYTES_MAX: usize = 16 << 10;

/// One direction of a connection.
pub(super) struct Pipe {
    pub(super) id: ConnId,
    pub(super) from: MachineId,
    pub(super) to: MachineId,
    source: Rc<TcpStream>,
    target: Rc<TcpStream>,
    queue: RefCell<VecDeque<Segment>>,
    /// Bytes in the queue, and those delivered whose acknowledgement could not travel.
    outstanding: Cell<usize>,
    unacknowledged: Cell<usize>,
    /// Nothing gets through any more, and nobody is told.
    pub(super) muted: Cell<bool>,
    /// Whom it leads to has lost its power since: what gets there is answered with a reset.
    pub(super) forgotten: Cell<bool>,
    arrived: Notify,
    room: Notify,
}

struct Segment {
    sent: Mono,
    /// Nothing where it was lost on its way.
    arrives: Option<Mono>,
    content: Content,
}

enum Content {
    Bytes(Bytes),
    /// No more bytes will come.
    Finished,
    /// The sender's kernel has given the connection up.
    Reset,
}

/// How a direction came to its end.
pub(super) enum End {
    Finished,
    Broken,
}

impl Pipe {
    pub(super) fn between(
        id: ConnId,
        (from, source): (MachineId, &Rc<TcpStream>),
        (to, target): (MachineId, &Rc<TcpStream>),
    ) -> Rc<Pipe> {
        Rc::new(Pipe {
            id,
            from,
            to,
            source: Rc::clone(source),
            target: Rc::clone(target),
            queue: RefCell::default(),
            outstanding: Cell::new(0),
            unacknowledged: Cell::new(0),
            muted: Cell::new(false),
            forgotten: Cell::new(false),
            arrived: Notify::new(),
            room: Notify::new(),
        })
    }

    /// Reads what the sender has to say, as far as the window allows, until it says no more.
    pub(super) async fn take_in(self: Rc<Self>, world: RealWorld) {
        let mut buffer = vec![0; SEGMENT_BYTES_MAX];
        loop {
            while self.outstanding.get() >= world.window(self.from, self.to) {
                self.room.notified().await;
            }
            let content = match read(&self.source, &mut buffer).await {
                Ok(0) => Content::Finished,
                Ok(len) => Content::Bytes(Bytes::copy_from_slice(&buffer[..len])),
                Err(_) => Content::Reset,
            };
            let is_last = !matches!(content, Content::Bytes(_));
            let (sent, len) = (world.now(), content.len());
            let arrives = world.transit(sent, self.from, self.to, len);
            self.outstanding.set(self.outstanding.get() + len);
            self.queue.borrow_mut().push_back(Segment { sent, arrives, content });
            self.arrived.notify_one();
            if is_last {
                return;
            }
        }
    }

    /// Hands over what arrives, until the end.
    pub(super) async fn hand_over(self: Rc<Self>, world: RealWorld) -> End {
        let mut recovering = false;
        loop {
            let segment = self.next().await;
            match self.travel(&world, &segment, recovering).await {
                Some(attempts) => recovering = attempts > 0,
                None => return End::Broken,
            }
            match &segment.content {
                Content::Finished => {
                    let _ = SockRef::from(&*self.target).shutdown(Shutdown::Write);
                    return End::Finished;
                }
                Content::Reset => return End::Broken,
                Content::Bytes(bytes) => {
                    if self.deliver(&world, bytes).await.is_err() {
                        return End::Broken;
                    }
                    world.chronicle(Message {
                        from: self.from,
                        to: self.to,
                        connection: self.id,
                        sent: segment.sent,
                        received: world.now(),
                        bytes: bytes.len() as u32,
                    });
                    self.acknowledge(&world, bytes.len());
                }
            }
        }
    }

    async fn next(&self) -> Segment {
        loop {
            if let Some(segment) = self.queue.borrow_mut().pop_front() {
                return segment;
            }
            self.arrived.notified().await;
        }
    }

    /// Waits until the segment has arrived, sent again as often as that takes; nothing where the sender gives up or
    /// learns that nobody knows of the connection.
    async fn travel(&self, world: &RealWorld, segment: &Segment, recovering: bool) -> Option<u32> {
        let (mut arrives, len) = (segment.arrives, segment.content.len());
        // What was lost behind something that has got through at last goes with it.
        if arrives.is_none() && recovering {
            arrives = world.transit(world.now(), self.from, self.to, len);
        }
        let mut wait = RETRANSMIT_FIRST;
        let mut again = segment.sent + wait;
        for attempt in 0..RETRANSMIT_ATTEMPTS_MAX {
            if let Some(arrives) = arrives {
                world.sleep_until(arrives).await;
                if !self.muted.get() && world.reaches(self.from, self.to) {
                    return (!self.forgotten.get()).then_some(attempt);
                }
            }
            world.sleep_until(again).await;
            wait = Nanos(wait.0 * 2).min(RETRANSMIT_INTERVAL_MAX);
            again = world.now() + wait;
            arrives = match self.muted.get() {
                true => None,
                false => world.transit(world.now(), self.from, self.to, len),
            };
        }
        None
    }

    /// Writes in pieces where the path is one of short reads and writes.
    async fn deliver(&self, world: &RealWorld, bytes: &Bytes) -> io::Result<()> {
        let mut left = &bytes[..];
        while !left.is_empty() {
            let piece = world.moved(self.from, self.to, left.len());
            write(&self.target, &left[..piece]).await?;
            left = &left[piece..];
            if !left.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Makes room for more, where the acknowledgement gets back.
    fn acknowledge(&self, world: &RealWorld, len: usize) {
        self.unacknowledged.set(self.unacknowledged.get() + len);
        if world.reaches(self.to, self.from) {
            let freed = self.unacknowledged.take();
            self.outstanding.set(self.outstanding.get() - freed);
            self.room.notify_one();
        }
    }

    /// An acknowledgement that could not travel may do so now.
    pub(super) fn look_again(&self, world: &RealWorld) {
        self.acknowledge(world, 0);
    }
}

impl Content {
    fn len(&self) -> usize {
        match self {
            Content::Bytes(bytes) => bytes.len(),
            Content::Finished | Content::Reset => 0,
        }
    }
}

/// From now on, closing it means a reset.
pub(super) fn close_by_reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

async fn read(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            outcome => return outcome,
        }
    }
}

async fn write(stream: &TcpStream, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        stream.writable().await?;
        match stream.try_write(data) {
            Ok(written) => data = &data[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
