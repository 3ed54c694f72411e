//! The network between the machines of a run: a proxy before each server, at the address that everybody is told. Who
//! calls is known by the address that they call from, so every path between two machines has its own faults, both ways
//! apart.
//!
//! ```text
//! client 127.9.0.12 --> [ proxy of a, 127.9.0.1:21001 ] --> server a, 127.9.0.1:22001
//! server b 127.9.0.2 ->          one pair of pipes for each connection
//! ```
//!
//! A server whose process has ended has no proxy either: connections to it are refused, as its kernel would refuse them.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use squall_clock::Nanos;
use squall_sim::{ConnId, MachineId, Theatre};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::AbortHandle;

use super::proxy::{End, Pipe, close_by_reset};
use super::world::RealWorld;
use crate::formation::BUS_PORT_STEP;

/// A knock without an answer is repeated after this, and then after twice the time before it.
const KNOCK_FIRST: Nanos = Nanos::from_secs(1);
/// After as many knocks the dialler gives up, as Linux's `tcp_syn_retries` has it.
const KNOCKS_MAX: u32 = 7;
/// Segments as they are on Ethernet. On loopback they are as large as 64 kb, and kernels keep megabytes for them, in
/// which much would be on its way that a network's window would hold back.
const SEGMENT_BYTES: u32 = 1_460;
const RECEIVE_BUFFER_BYTES: usize = 32 << 10;
const BACKLOG: i32 = 511;

/// A connection through a proxy.
pub(super) struct Connection {
    pub(super) dialler: MachineId,
    pub(super) acceptor: MachineId,
    ends: [Rc<TcpStream>; 2],
    /// From the dialler, and from the acceptor.
    pub(super) pipes: [Rc<Pipe>; 2],
    tasks: RefCell<Vec<AbortHandle>>,
    /// How many of its directions have ended.
    finished: Cell<u32>,
}

impl Connection {
    /// Both ends hear of a reset.
    pub(super) fn reset(&self) {
        self.ends.iter().for_each(|end| close_by_reset(end));
    }

    /// One direction has ended; says whether both have.
    pub(super) fn finish(&self) -> bool {
        self.finished.set(self.finished.get() + 1);
        self.finished.get() == 2
    }

    fn stop(&self) {
        self.tasks.borrow_mut().drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Opens the proxy of a machine: for clients, and for the bus of a cluster.
pub(super) fn open(world: &RealWorld, machine: MachineId) -> io::Result<Vec<AbortHandle>> {
    let place = world.place(machine);
    let mut doors = Vec::new();
    for step in [0, BUS_PORT_STEP] {
        let listener = listen(SocketAddr::new(IpAddr::V4(place.ip), place.port + step))?;
        let behind = SocketAddr::new(IpAddr::V4(place.ip), place.behind + step);
        let world = world.clone();
        doors.push(tokio::task::spawn_local(welcome(world, machine, listener, behind)).abort_handle());
    }
    Ok(doors)
}

/// A port that is free on this address, and so is the one for the bus above it.
pub(super) fn free_port(ip: Ipv4Addr, mut draw: impl FnMut() -> u16) -> io::Result<u16> {
    const ATTEMPTS: u32 = 1_000;
    let is_free = |port: u16| listen(SocketAddr::new(IpAddr::V4(ip), port)).is_ok();
    for _ in 0..ATTEMPTS {
        let port = draw();
        if is_free(port) && is_free(port + BUS_PORT_STEP) {
            return Ok(port);
        }
    }
    Err(io::Error::other(format!("no free port on {ip}")))
}

/// Says what is wrong where 127.0.0.1 is the only address of the loopback.
pub(super) fn check_loopback() -> io::Result<()> {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 254, 0, 1)), 0);
    listen(address).map(drop).map_err(|error| {
        io::Error::other(format!("each machine needs an address in 127.0.0.0/8, as Linux has them: {error}"))
    })
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    shape(SockRef::from(&socket))?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

fn shape(socket: SockRef<'_>) -> io::Result<()> {
    socket.set_tcp_mss(SEGMENT_BYTES)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)
}

async fn welcome(world: RealWorld, machine: MachineId, listener: TcpListener, behind: SocketAddr) {
    loop {
        let Ok((stream, caller)) = listener.accept().await else { return };
        // A machine that is off answers nobody; who waits in its backlog finds that out as from silence.
        while !world.has_power(machine) {
            world.sleep(Nanos::from_millis(10)).await;
        }
        // Strangers, such as a person with redis-cli, come as from the machine itself: nothing holds them up.
        let from = world.machine_with(caller.ip()).unwrap_or(machine);
        tokio::task::spawn_local(connect_through(world.clone(), from, machine, stream, behind));
    }
}

async fn connect_through(
    world: RealWorld,
    from: MachineId,
    to: MachineId,
    near: TcpStream,
    behind: SocketAddr,
) {
    match dial(&world, from, to, behind).await {
        Ok(far) => join(&world, (from, near), (to, far)),
        Err(_) => close_by_reset(&near),
    }
}

/// The handshake with the server behind the proxy, over the path from the dialler to it and back.
async fn dial(
    world: &RealWorld,
    from: MachineId,
    to: MachineId,
    behind: SocketAddr,
) -> io::Result<TcpStream> {
    let mut wait = KNOCK_FIRST;
    for _ in 0..KNOCKS_MAX {
        let sent = world.now();
        if let Some(arrives) = world.transit(sent, from, to, 0) {
            world.sleep_until(arrives).await;
            let socket = TcpSocket::new_v4()?;
            shape(SockRef::from(&socket))?;
            socket.bind(SocketAddr::new(IpAddr::V4(world.ip(from)), 0))?;
            let knocked = socket.connect(behind).await;
            if let Some(answer) = world.transit(world.now(), to, from, 0) {
                world.sleep_until(answer).await;
                return knocked;
            }
        }
        world.sleep_until(sent + wait).await;
        wait = Nanos(wait.0 * 2);
    }
    Err(io::ErrorKind::TimedOut.into())
}

fn join(world: &RealWorld, (from, near): (MachineId, TcpStream), (to, far): (MachineId, TcpStream)) {
    for stream in [&near, &far] {
        let _ = stream.set_nodelay(true);
    }
    let (near, far) = (Rc::new(near), Rc::new(far));
    let id = world.next_connection();
    let there = Pipe::between(id, (from, &near), (to, &far));
    let back = Pipe::between(id, (to, &far), (from, &near));
    let connection = Connection {
        dialler: from,
        acceptor: to,
        ends: [near, far],
        pipes: [Rc::clone(&there), Rc::clone(&back)],
        tasks: RefCell::default(),
        finished: Cell::new(0),
    };
    // Each direction has one who takes in and one who hands over; all of them end with the connection.
    for pipe in [there, back] {
        let taker = tokio::task::spawn_local(Rc::clone(&pipe).take_in(world.clone()));
        let carrier = tokio::task::spawn_local(carry(world.clone(), id, pipe));
        connection.tasks.borrow_mut().extend([taker.abort_handle(), carrier.abort_handle()]);
    }
    world.keep(id, connection);
}

/// Until this direction has ended; the connection is over with the second one, or with the first that breaks.
async fn carry(world: RealWorld, id: ConnId, pipe: Rc<Pipe>) {
    match pipe.hand_over(world.clone()).await {
        End::Broken => world.reset(id),
        End::Finished => world.finish(id),
    }
}
