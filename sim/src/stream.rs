//! A process's handles to its sockets: what the shell reads from, writes to and accepts on.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use squall_clock::Nanos;
use squall_net::{Endpoint, Listener, Stream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::connection::{ConnId, Side};
use crate::machine::MachineId;
use crate::world::World;

/// One end of a connection. Dropping it closes that end.
pub struct SimStream {
    world: World,
    id: ConnId,
    side: Side,
    peer: String,
    local: String,
}

/// A listening socket. Dropping it resets those that wait to be accepted.
pub struct SimListener {
    pub(crate) world: World,
    pub(crate) machine: MachineId,
    pub(crate) endpoint: Endpoint,
    pub(crate) port: u16,
    pub(crate) serial: u64,
}

impl SimStream {
    pub(crate) fn of(world: World, id: ConnId, side: Side) -> SimStream {
        let addresses = world.state().connections.get(&id).map(|connection| {
            (connection.end(side.other()).address.to_string(), connection.end(side).address.to_string())
        });
        let (peer, local) = addresses.unwrap_or_default();
        SimStream { world, id, side, peer, local }
    }

    pub fn id(&self) -> ConnId {
        self.id
    }
}

impl Stream for SimStream {
    fn peer(&self) -> String {
        self.peer.clone()
    }

    fn local(&self) -> String {
        self.local.clone()
    }

    fn set_keepalive(&self, idle: Option<Nanos>) -> io::Result<()> {
        self.world.state().set_keepalive(self.id, self.side, idle);
        Ok(())
    }
}

impl AsyncRead for SimStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.world.state().read(self.id, self.side, buffer, context)
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        self.world.state().write(self.id, self.side, data, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut state = self.world.state();
        let mut written = 0;
        for slice in slices.iter().filter(|slice| !slice.is_empty()) {
            match state.write(self.id, self.side, slice, context) {
                Poll::Ready(Ok(count)) => {
                    written += count;
                    if count < slice.len() {
                        break;
                    }
                }
                Poll::Ready(Err(_)) | Poll::Pending if written > 0 => break,
                nothing => return nothing,
            }
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.state().finish(self.id, self.side);
        Poll::Ready(Ok(()))
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.world.state().close(self.id, self.side);
    }
}

impl Listener for SimListener {
    type Stream = SimStream;

    fn accept(&mut self) -> impl Future<Output = io::Result<SimStream>> {
        poll_fn(|context| {
            let accepted = self.world.state().accept(self.machine, self.port, self.serial, context);
            accepted.map_ok(|id| SimStream::of(self.world.clone(), id, Side::Acceptor))
        })
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.world.state().stop_listening(self.machine, self.port, self.serial);
    }
}
