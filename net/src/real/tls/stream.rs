//! An encrypted connection. One that was accepted agrees with its client while the connection is served, so
//! that nobody waits for a slow one; it has [`HANDSHAKE_MAX`] for that. One that is dialled has agreed before
//! it is given out.

use std::future::Future;
use std::io::{self, IoSlice, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::Sleep;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{Accept, TlsAcceptor, TlsConnector, TlsStream};

/// How long the two sides may take to agree.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);

pub(in crate::real) struct TlsSocket(State);

enum State {
    Agreeing(Box<Agreeing>),
    Open(Box<TlsStream<TcpStream>>),
    /// They did not agree, which was said.
    Failed,
}

struct Agreeing {
    handshake: Accept<TcpStream>,
    deadline: Pin<Box<Sleep>>,
}

impl TlsSocket {
    pub fn accept(acceptor: TlsAcceptor, stream: TcpStream) -> TlsSocket {
        let deadline = Box::pin(tokio::time::sleep(HANDSHAKE_MAX));
        TlsSocket(State::Agreeing(Box::new(Agreeing { handshake: acceptor.accept(stream), deadline })))
    }

    pub async fn connect(connector: TlsConnector, host: &str, stream: TcpStream) -> io::Result<TlsSocket> {
        let name = match ServerName::try_from(host.to_owned()) {
            Ok(name) => name,
            Err(_) => ServerName::from(stream.peer_addr()?.ip()),
        };
        match tokio::time::timeout(HANDSHAKE_MAX, connector.connect(name, stream)).await {
            Ok(agreed) => Ok(TlsSocket(State::Open(Box::new(TlsStream::from(agreed?))))),
            Err(_) => Err(too_slow()),
        }
    }

    /// The connection below; none where it has failed.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match &self.0 {
            State::Agreeing(agreeing) => agreeing.handshake.get_ref(),
            State::Open(stream) => Some(stream.get_ref().0),
            State::Failed => None,
        }
    }

    /// The agreed connection, as soon as there is one.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut TlsStream<TcpStream>>>> {
        if let State::Agreeing(agreeing) = &mut self.0 {
            let outcome = match Pin::new(&mut agreeing.handshake).poll(cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => {
                    ready!(agreeing.deadline.as_mut().poll(cx));
                    Err(too_slow())
                }
            };
            match outcome {
                Ok(stream) => self.0 = State::Open(Box::new(TlsStream::from(stream))),
                Err(error) => {
                    self.0 = State::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        match &mut self.0 {
            State::Open(stream) => Poll::Ready(Ok(Pin::new(stream))),
            _ => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl AsyncRead for TlsSocket {
    /// Fills the buffer from as many records as have come: each holds 16 KiB at most.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut stream = ready!(self.get_mut().poll_open(cx))?;
        let before = buf.filled().len();
        while buf.remaining() > 0 {
            let filled = buf.filled().len();
            let outcome = stream.as_mut().poll_read(cx, buf);
            let grown = buf.filled().len() > filled;
            match outcome {
                Poll::Ready(Ok(())) if grown => {}
                // What ends the stream will be told again.
                _ if filled > before => break,
                outcome => return outcome,
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_open(cx))?.poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.get_mut().poll_open(cx))?.poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_open(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.get_mut().poll_open(cx))?.poll_shutdown(cx)
    }
}

impl Drop for TlsSocket {
    /// Says goodbye where that needs no waiting: a peer that hears nothing takes the end for an attack.
    fn drop(&mut self) {
        let State::Open(stream) = &mut self.0 else { return };
        match &mut **stream {
            TlsStream::Server(stream) => {
                let (socket, session) = stream.get_mut();
                session.send_close_notify();
                while session.wants_write() && session.write_tls(&mut WithoutWaiting(socket)).is_ok() {}
            }
            TlsStream::Client(stream) => {
                let (socket, session) = stream.get_mut();
                session.send_close_notify();
                while session.wants_write() && session.write_tls(&mut WithoutWaiting(socket)).is_ok() {}
            }
        }
    }
}

struct WithoutWaiting<'a>(&'a TcpStream);

impl Write for WithoutWaiting<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.0.try_write(buf) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            outcome => outcome,
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the TLS handshake took too long")
}
