//! Listening and dialling on real sockets: bind forms, backlog, socket files, name resolution.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener};

use super::stream::RealStream;
use super::tls::Encryption;
use crate::{Address, Endpoint, Listener};

/// A listening socket. Dropping it stops listening, and removes the file of a Unix socket.
pub struct RealListener {
    socket: ListeningSocket,
    endpoint: Endpoint,
}

enum ListeningSocket {
    Tcp(TcpListener),
    Tls(TcpListener, Encryption),
    Unix(UnixListener),
}

pub(super) async fn listen(
    endpoint: Endpoint,
    backlog: u32,
    encryption: Encryption,
) -> io::Result<RealListener> {
    match endpoint {
        Endpoint::Tcp(address) => {
            let (socket, address) = listen_tcp(address, backlog).await?;
            Ok(RealListener { socket: ListeningSocket::Tcp(socket), endpoint: Endpoint::Tcp(address) })
        }
        Endpoint::Tls(address) => {
            let (socket, address) = listen_tcp(address, backlog).await?;
            let socket = ListeningSocket::Tls(socket, encryption);
            Ok(RealListener { socket, endpoint: Endpoint::Tls(address) })
        }
        Endpoint::Unix { path, mode } => {
            let socket = bind_unix(&path, mode, backlog)?;
            Ok(RealListener {
                socket: ListeningSocket::Unix(socket),
                endpoint: Endpoint::Unix { path, mode },
            })
        }
    }
}

pub(super) async fn connect(address: Address, source: Option<String>) -> io::Result<RealStream> {
    RealStream::tcp(connect_tcp(&address, source).await?)
}

pub(super) async fn connect_secured(
    address: Address,
    source: Option<String>,
    encryption: Encryption,
) -> io::Result<RealStream> {
    let stream = connect_tcp(&address, source).await?;
    stream.set_nodelay(true)?;
    Ok(RealStream::tls(encryption.connect(&address.host, stream).await?))
}

async fn connect_tcp(address: &Address, source: Option<String>) -> io::Result<TcpStream> {
    let source = match source {
        Some(text) => Some(text.parse::<IpAddr>().map_err(io::Error::other)?),
        None => None,
    };
    let mut failure = None;
    for target in tokio::net::lookup_host((address.host.as_str(), address.port)).await? {
        // A source of the other family cannot reach this target; another one may fit.
        if source.is_some_and(|ip| ip.is_ipv4() != target.is_ipv4()) {
            continue;
        }
        match connect_one(target, source).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable)))
}

impl Listener for RealListener {
    type Stream = RealStream;

    async fn accept(&mut self) -> io::Result<RealStream> {
        match &self.socket {
            ListeningSocket::Tcp(socket) => {
                let (stream, _) = socket.accept().await?;
                RealStream::tcp(stream)
            }
            ListeningSocket::Tls(socket, encryption) => {
                let (stream, _) = socket.accept().await?;
                stream.set_nodelay(true)?;
                Ok(RealStream::tls(encryption.accept(stream)?))
            }
            ListeningSocket::Unix(socket) => {
                let (stream, _) = socket.accept().await?;
                Ok(RealStream::unix(stream))
            }
        }
    }

    fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl Drop for RealListener {
    fn drop(&mut self) {
        if let Endpoint::Unix { path, .. } = &self.endpoint {
            let _ = remove_socket_file(path);
        }
    }
}

async fn connect_one(target: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    match source {
        None => TcpStream::connect(target).await,
        Some(ip) => {
            let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.set_reuseaddr(true)?;
            socket.bind(SocketAddr::new(ip, 0))?;
            socket.connect(target).await
        }
    }
}

/// A listening socket, and its address with the port that it got.
async fn listen_tcp(address: Address, backlog: u32) -> io::Result<(TcpListener, Address)> {
    let wanted = resolve_bind(&address).await?;
    let socket = bind_tcp(wanted, backlog)?;
    let port = socket.local_addr()?.port();
    Ok((socket, Address { host: address.host, port }))
}

async fn resolve_bind(address: &Address) -> io::Result<SocketAddr> {
    let ip = match address.host.as_str() {
        "" | "*" => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        "::*" => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        host => match host.parse() {
            Ok(ip) => ip,
            Err(_) => return resolve_name(host, address.port).await,
        },
    };
    Ok(SocketAddr::new(ip, address.port))
}

async fn resolve_name(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut found = tokio::net::lookup_host((host, port)).await?;
    found.next().ok_or_else(|| io::Error::from(io::ErrorKind::AddrNotAvailable))
}

fn bind_tcp(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `*` and `::*` are two sockets on one port, so the second must not claim IPv4 too.
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(backlog_length(backlog))?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn bind_unix(path: &Path, mode: u32, backlog: u32) -> io::Result<UnixListener> {
    remove_socket_file(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&socket2::SockAddr::unix(path)?)?;
    if mode != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    socket.listen(backlog_length(backlog))?;
    socket.set_nonblocking(true)?;
    UnixListener::from_std(socket.into())
}

/// Removes what an earlier run left behind; never a file that is not a socket.
#[allow(clippy::disallowed_methods, reason = "a socket's file belongs to the network, not to the data")]
fn remove_socket_file(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(io::Error::new(io::ErrorKind::AlreadyExists, "the path exists and is not a socket")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn backlog_length(backlog: u32) -> i32 {
    i32::try_from(backlog).unwrap_or(i32::MAX)
}
