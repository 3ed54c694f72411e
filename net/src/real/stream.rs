//! A connected socket as one [`Stream`] type: TCP, plain or encrypted, or Unix.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use squall_clock::Nanos;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::tls::TlsSocket;
use crate::Stream;

/// How many unanswered probes make a peer dead.
const KEEPALIVE_PROBES: u32 = 3;

/// A connected socket. Requests and replies are small and each is awaited, so Nagle's delay is off.
pub struct RealStream(Socket);

enum Socket {
    Tcp(TcpStream),
    Tls(TlsSocket),
    Unix(UnixStream),
}

impl RealStream {
    pub(super) fn tcp(stream: TcpStream) -> io::Result<RealStream> {
        stream.set_nodelay(true)?;
        Ok(RealStream(Socket::Tcp(stream)))
    }

    pub(super) fn tls(stream: TlsSocket) -> RealStream {
        RealStream(Socket::Tls(stream))
    }

    pub(super) fn unix(stream: UnixStream) -> RealStream {
        RealStream(Socket::Unix(stream))
    }
}

impl Socket {
    /// The TCP connection, plain or encrypted (where that has not failed), or the Unix one.
    fn tcp(&self) -> Result<Option<&TcpStream>, &UnixStream> {
        match self {
            Socket::Tcp(stream) => Ok(Some(stream)),
            Socket::Tls(stream) => Ok(stream.tcp()),
            Socket::Unix(stream) => Err(stream),
        }
    }
}

impl Stream for RealStream {
    fn peer(&self) -> String {
        match self.0.tcp() {
            Ok(stream) => tcp_name(stream.map(TcpStream::peer_addr)),
            Err(stream) => unix_name(stream),
        }
    }

    fn local(&self) -> String {
        match self.0.tcp() {
            Ok(stream) => tcp_name(stream.map(TcpStream::local_addr)),
            Err(stream) => unix_name(stream),
        }
    }

    fn set_keepalive(&self, idle: Option<Nanos>) -> io::Result<()> {
        let Ok(Some(stream)) = self.0.tcp() else { return Ok(()) };
        let socket = SockRef::from(stream);
        let Some(idle) = idle else { return socket.set_keepalive(false) };
        let seconds = idle.as_secs().max(1);
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(seconds))
            .with_interval(Duration::from_secs((seconds / 3).max(1)))
            .with_retries(KEEPALIVE_PROBES);
        socket.set_tcp_keepalive(&keepalive)
    }
}

impl AsyncRead for RealStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Socket::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for RealStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Socket::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Socket::Unix(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.get_mut().0 {
            Socket::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Socket::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Only what is encrypted may have stayed here.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Socket::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Socket::Tcp(_) | Socket::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().0 {
            Socket::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Socket::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

fn tcp_name(address: Option<io::Result<SocketAddr>>) -> String {
    address.and_then(Result::ok).map_or_else(|| "?:0".to_owned(), |address| address.to_string())
}

/// A Unix client is known by the path of the server's socket, made absolute: its own side has no name.
fn unix_name(stream: &UnixStream) -> String {
    let named = [stream.local_addr(), stream.peer_addr()].into_iter().flatten();
    let path = named.filter_map(|address| std::path::absolute(address.as_pathname()?).ok()).next();
    format!("{}:0", path.unwrap_or_else(|| "/".into()).display())
}
