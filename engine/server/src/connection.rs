//! One connection: a client's, or a link that this server dialled. In one poll it reads and gives the bytes to the
//! node; in the next, when the other connections that had input have done the same, it writes the answer: two
//! system calls for a batch of requests, and no other task is involved. Output that other turns produced is
//! announced by the connection's doorbell.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{BufMut, BytesMut};
use squall_clock::Now;
use squall_net::Host;
use squall_node::{ClientId, LinkId, Node};
use tokio::io::AsyncWrite;
use tokio_util::io::poll_read_buf;

use crate::doorbell::Doorbell;
use crate::shell::Shell;

/// The most that one read takes. A connection that fills it lets the others have their turn first.
const READ_BYTES_MAX: usize = 32 * 1024;
/// How much is read ahead from a client that must wait: reading on is how its end is noticed.
const HELD_INPUT_BYTES_MAX: usize = 64 * 1024;
/// After so much output the others have their turn, however fast the peer reads.
const WRITE_BYTES_MAX: usize = 1024 * 1024;
/// Slices handed to one write.
const WRITE_SLICES_MAX: usize = 16;

/// Whose connection it is.
#[derive(Clone, Copy)]
pub(crate) enum Party {
    Client(ClientId),
    Link(LinkId),
}

/// The task of one connection.
pub(crate) struct Connection<H: Host> {
    shell: Rc<Shell<H>>,
    party: Party,
    bell: Rc<Doorbell>,
    stream: H::Stream,
    /// Input that the node did not take yet; without storage while there is none.
    held: BytesMut,
    /// Whether the node takes input, as it said last.
    hungry: bool,
    /// Whether output may be waiting: the stream was full, or nobody looked yet.
    owing: bool,
}

/// When output is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sending {
    Now,
    /// When all connections that have input had their turn. A peer that serves many connections then finds all of
    /// its answers at once, instead of being woken up for each: waking it is what takes longest.
    WithOthers,
}

/// Why a poll of a connection stops.
enum Stop {
    /// Nothing to do until the stream or the doorbell wakes the task.
    Idle,
    Ended(String),
}

impl<H: Host> Connection<H> {
    pub fn new(shell: Rc<Shell<H>>, party: Party, bell: Rc<Doorbell>, stream: H::Stream) -> Connection<H> {
        Connection { shell, party, bell, stream, held: BytesMut::new(), hungry: true, owing: true }
    }

    fn proceed(&mut self, cx: &mut Context<'_>) -> Result<(), Stop> {
        self.bell.attend(cx);
        if self.shell.is_paused() {
            self.shell.resume_with(&self.bell);
            return Err(Stop::Idle);
        }
        if self.bell.answer() || self.owing {
            self.exchange_held(cx, Sending::Now)?;
        }
        loop {
            let owed = self.owing;
            if self.read(cx)? {
                // It took all that it may: the others come first.
                self.come_back(cx);
                return Ok(());
            }
            if self.owing && !owed {
                // The answers go out in the poll that was arranged, before the next read, which may find the end.
                return Ok(());
            }
        }
    }

    /// Arranges another poll, after the other tasks.
    fn come_back(&self, cx: &mut Context<'_>) {
        let _ = pin!(self.shell.host.yield_now()).poll(cx);
    }

    /// Reads once and passes on what came. Tells whether the read was as large as it may be.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, Stop> {
        if !self.hungry && self.held.len() >= HELD_INPUT_BYTES_MAX {
            return Err(Stop::Idle);
        }
        let shell = self.shell.clone();
        let mut scratch = shell.scratch.borrow_mut();
        let count = receive(&mut self.stream, cx, &mut scratch)?;
        // One that takes all of its turn is not waited for; nor has it reason to come back before its next turn.
        let sending = if count == READ_BYTES_MAX { Sending::Now } else { Sending::WithOthers };
        if self.hungry && self.held.is_empty() {
            let outcome = self.exchange(cx, &mut scratch, sending);
            if !scratch.is_empty() {
                self.hold(BytesMut::from(&scratch[..]));
                scratch.clear();
            }
            outcome?;
        } else {
            self.held.extend_from_slice(&scratch);
            scratch.clear();
            if self.hungry {
                self.exchange_held(cx, sending)?;
            }
        }
        Ok(count == READ_BYTES_MAX)
    }

    fn exchange_held(&mut self, cx: &mut Context<'_>, sending: Sending) -> Result<(), Stop> {
        let mut held = std::mem::take(&mut self.held);
        let outcome = self.exchange(cx, &mut held, sending);
        if !held.is_empty() {
            self.hold(held);
        }
        outcome
    }

    /// Keeps input that could not be used yet, in one allocation with what is known to follow.
    fn hold(&mut self, mut input: BytesMut) {
        input.reserve(self.party.bytes_wanted(&self.shell.look()));
        self.held = input;
    }

    /// Gives `input` to the node and sends its output, as often as sending makes room for more input.
    fn exchange(&mut self, cx: &mut Context<'_>, input: &mut BytesMut, sending: Sending) -> Result<(), Stop> {
        let shell = self.shell.clone();
        let (mut node, now) = if input.is_empty() { shell.enter_again() } else { shell.enter() };
        loop {
            if !input.is_empty() {
                self.party.data(&mut node, input, now);
            }
            shell.carry_out_effects(&mut node, now);
            self.check_open()?;
            if shell.is_paused() {
                self.owing = true;
                self.hungry = false;
                shell.resume_with(&self.bell);
                return Err(Stop::Idle);
            }
            let waited = !input.is_empty() && !self.party.wants_input(&node);
            let sent = match sending {
                Sending::Now => self.send(cx, &mut node, now),
                Sending::WithOthers => Ok(self.send_soon(cx, &node)),
            };
            shell.settle(&mut node, now);
            self.owing = sent?;
            self.check_open()?;
            self.hungry = self.party.wants_input(&node);
            if !(waited && self.hungry) {
                return Ok(());
            }
            if sending == Sending::WithOthers {
                self.owing = true;
                cx.waker().wake_by_ref();
                return Ok(());
            }
        }
    }

    /// Arranges a poll after those that are due already, if there is something to be sent; tells whether there is.
    fn send_soon(&self, cx: &Context<'_>, node: &Node) -> bool {
        let has_output = self.party.output_slices(node, &mut [IoSlice::new(&[])]) > 0;
        if has_output {
            cx.waker().wake_by_ref();
        }
        has_output
    }

    /// Sends output until there is none, or it is enough for one turn, or the stream is full; tells whether
    /// some may be left.
    fn send(&mut self, cx: &mut Context<'_>, node: &mut Node, now: Now) -> Result<bool, Stop> {
        let mut sent = 0;
        loop {
            if sent >= WRITE_BYTES_MAX {
                self.come_back(cx);
                return Ok(true);
            }
            let mut slices = [IoSlice::new(&[]); WRITE_SLICES_MAX];
            let filled = self.party.output_slices(node, &mut slices);
            let stream = Pin::new(&mut self.stream);
            let written = match &slices[..filled] {
                // Encryption may hold back what was sent, until there is room for it.
                [] => match stream.poll_flush(cx) {
                    Poll::Ready(Ok(())) => return Ok(false),
                    Poll::Ready(Err(error)) => return Err(ended(error)),
                    Poll::Pending => return Ok(true),
                },
                [one] => stream.poll_write(cx, one),
                several => stream.poll_write_vectored(cx, several),
            };
            match written {
                Poll::Ready(Ok(count)) if count > 0 => {
                    self.party.output_written(node, count, now);
                    sent += count;
                }
                Poll::Ready(Ok(_)) => return Err(ended(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Err(error)) => return Err(ended(error)),
                Poll::Pending => return Ok(true),
            }
        }
    }

    /// The node may have given the connection up.
    fn check_open(&self) -> Result<(), Stop> {
        if self.bell.is_closed() { Err(Stop::Ended("closed by this server".to_owned())) } else { Ok(()) }
    }
}

impl<H: Host> Future for Connection<H> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let connection = self.get_mut();
        match connection.proceed(cx) {
            Ok(()) | Err(Stop::Idle) => Poll::Pending,
            Err(Stop::Ended(reason)) => {
                connection.shell.closed(connection.party, &reason);
                Poll::Ready(())
            }
        }
    }
}

impl Party {
    fn data(self, node: &mut Node, input: &mut BytesMut, now: Now) {
        match self {
            Party::Client(id) => node.client_data(id, input, now),
            Party::Link(id) => node.link_data(id, input, now),
        }
    }

    fn bytes_wanted(self, node: &Node) -> usize {
        match self {
            Party::Client(id) => node.bytes_wanted(id),
            Party::Link(_) => 0,
        }
    }

    fn wants_input(self, node: &Node) -> bool {
        match self {
            Party::Client(id) => node.wants_input(id),
            Party::Link(_) => true,
        }
    }

    fn output_slices<'a>(self, node: &'a Node, slices: &mut [IoSlice<'a>]) -> usize {
        match self {
            Party::Client(id) => node.output_slices(id, slices),
            Party::Link(id) => node.link_output_slices(id, slices),
        }
    }

    fn output_written(self, node: &mut Node, count: usize, now: Now) {
        match self {
            Party::Client(id) => node.output_written(id, count, now),
            Party::Link(id) => node.link_output_written(id, count, now),
        }
    }
}

/// Appends what has arrived to `buffer`; the end of the stream and errors end the connection.
fn receive(
    stream: &mut (impl squall_net::Stream + ?Sized),
    cx: &mut Context<'_>,
    buffer: &mut BytesMut,
) -> Result<usize, Stop> {
    buffer.reserve(READ_BYTES_MAX);
    match poll_read_buf(Pin::new(stream), cx, &mut buffer.limit(READ_BYTES_MAX)) {
        Poll::Ready(Ok(0)) => Err(Stop::Ended("closed by the peer".to_owned())),
        Poll::Ready(Ok(count)) => Ok(count),
        Poll::Ready(Err(error)) => Err(ended(error)),
        Poll::Pending => Err(Stop::Idle),
    }
}

fn ended(error: io::Error) -> Stop {
    Stop::Ended(error.to_string())
}
