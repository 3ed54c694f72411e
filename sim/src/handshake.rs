//! How connections begin: names and addresses, listening, the three steps of a handshake with their refusals and
//! silences. Afterwards a connection belongs to [`crate::transport`].

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use squall_clock::Nanos;
use squall_net::{Address, Endpoint};

use crate::connection::{ConnId, Connection, End, Mark, Side};
use crate::machine::MachineId;
use crate::world::{State, World};

/// A knock without an answer is repeated after this, and then after twice the time before it.
const KNOCK_FIRST: Nanos = Nanos::from_secs(1);
/// After as many knocks the dialler gives up, 127 seconds in all, as Linux's `tcp_syn_retries` has it.
const KNOCKS_MAX: u32 = 7;
const EPHEMERAL_PORT_FIRST: u16 = 32_768;

/// A listening socket of a machine.
pub(crate) struct Listening {
    /// Tells this socket from an earlier one on the same port.
    pub(crate) serial: u64,
    only_local: bool,
    backlog: usize,
    established: VecDeque<ConnId>,
    waker: Option<Waker>,
}

enum Knock {
    Silence,
    Refused,
    Answered(ConnId),
}

impl World {
    pub(crate) async fn dial(self, from: MachineId, address: Address) -> io::Result<ConnId> {
        let (to, ip) = self.state().resolve(from, &address.host)?;
        let mut wait = KNOCK_FIRST;
        for _ in 0..KNOCKS_MAX {
            let sent = self.now();
            let arrives = to.and_then(|to| self.state().paths.transit(sent, from, to, 0));
            if let (Some(to), Some(arrives)) = (to, arrives) {
                self.sleep_until(arrives).await;
                let target = SocketAddrV4::new(ip, address.port);
                let (knock, answer) = {
                    let mut state = self.state();
                    let now = state.now;
                    (state.knock(from, to, target), state.paths.transit(now, to, from, 0))
                };
                let half_open = match knock {
                    Knock::Answered(id) => Some(HalfOpen { world: self.clone(), id: Some(id) }),
                    Knock::Refused | Knock::Silence => None,
                };
                if !matches!(knock, Knock::Silence)
                    && let Some(arrives) = answer
                {
                    self.sleep_until(arrives).await;
                    return match half_open {
                        Some(half_open) => Ok(half_open.establish()),
                        None => Err(io::ErrorKind::ConnectionRefused.into()),
                    };
                }
            }
            self.sleep_until(sent + wait).await;
            wait = Nanos(wait.0 * 2);
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

/// A connection of which the dialler has not heard yet: forgotten unless it is established.
struct HalfOpen {
    world: World,
    id: Option<ConnId>,
}

impl HalfOpen {
    fn establish(mut self) -> ConnId {
        let id = self.id.take().expect("it is established once");
        let mut state = self.world.state();
        if state.connections.contains_key(&id) {
            state.send(id, Side::Dialler, BytesMut::new(), Mark::Established);
        }
        id
    }
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        if let Some(id) = self.id {
            let mut state = self.world.state();
            state.forget(id, Side::Dialler);
            state.forget(id, Side::Acceptor);
        }
    }
}

impl State {
    /// The machine and the address behind a host name or IP literal; an address that nobody has is silence.
    fn resolve(&self, from: MachineId, host: &str) -> io::Result<(Option<MachineId>, Ipv4Addr)> {
        if host == "localhost" || host == "127.0.0.1" {
            return Ok((Some(from), Ipv4Addr::LOCALHOST));
        }
        if let Some(machine) = self.machines.iter().position(|machine| machine.name == host) {
            return Ok((Some(MachineId::at(machine)), self.machines[machine].ip));
        }
        let unknown = || io::Error::new(io::ErrorKind::NotFound, "Name or service not known");
        let ip: Ipv4Addr = host.parse().map_err(|_| unknown())?;
        let machine = self.machines.iter().position(|machine| machine.ip == ip).map(MachineId::at);
        Ok((machine, ip))
    }

    pub(crate) fn listen(
        &mut self,
        machine: MachineId,
        endpoint: &Endpoint,
        backlog: u32,
    ) -> io::Result<(Endpoint, u16, u64)> {
        let Endpoint::Tcp(address) = endpoint else {
            return Err(io::Error::new(io::ErrorKind::Unsupported, "no Unix sockets in a simulated world"));
        };
        self.listener_serial += 1;
        let serial = self.listener_serial;
        let owner = &mut self.machines[machine.index()];
        let only_local = match address.host.as_str() {
            "" | "*" | "0.0.0.0" | "::*" | "::" => false,
            "127.0.0.1" | "::1" | "localhost" => true,
            literal if literal == owner.name || literal.parse() == Ok(owner.ip) => false,
            _ => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        let port = if address.port == 0 { owner.ephemeral_port() } else { address.port };
        if owner.listening.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let listening = Listening {
            serial,
            only_local,
            backlog: backlog.max(1) as usize,
            established: VecDeque::new(),
            waker: None,
        };
        owner.listening.insert(port, listening);
        let name = self.machines[machine.index()].name.clone();
        self.trace.line(self.now, &name, format_args!("listen :{port}"));
        Ok((Endpoint::Tcp(Address { host: address.host.clone(), port }), port, serial))
    }

    /// What a knock meets at the machine that it reaches.
    fn knock(&mut self, from: MachineId, to: MachineId, target: SocketAddrV4) -> Knock {
        let (now, id) = (self.now, ConnId(self.next_connection));
        let seen = if self.paths.is_proxied(from, to) { to } else { from };
        let dialler = SocketAddrV4::new(
            if target.ip().is_loopback() { Ipv4Addr::LOCALHOST } else { self.machines[seen.index()].ip },
            self.machines[from.index()].ephemeral_port(),
        );
        let machine = &mut self.machines[to.index()];
        if !machine.has_power() {
            return Knock::Silence;
        }
        match machine.listening.get(&target.port()) {
            Some(listening) if listening.only_local && from != to => Knock::Refused,
            None => Knock::Refused,
            Some(listening) if listening.established.len() >= listening.backlog => Knock::Silence,
            Some(_) => {
                self.next_connection += 1;
                let (ours, theirs) = (End::at(from, dialler, now), End::at(to, target, now));
                self.connections.insert(id, Connection::between(ours, theirs));
                let name = &self.machines[to.index()].name;
                let peer = &self.machines[from.index()].name;
                self.trace.line(now, name, format_args!("knock #{} from {peer} {dialler}", id.0));
                Knock::Answered(id)
            }
        }
    }

    /// The last step of the handshake has reached the acceptor: its process may have the connection.
    pub(crate) fn establish(&mut self, id: ConnId) {
        let Some(connection) = self.connections.get(&id) else { return };
        let end = connection.end(Side::Acceptor);
        let (machine, port) = (end.machine, end.address.port());
        match self.machines[machine.index()].listening.get_mut(&port) {
            Some(listening) => {
                listening.established.push_back(id);
                if let Some(waker) = listening.waker.take() {
                    waker.wake();
                }
            }
            None => self.refuse(id),
        }
    }

    pub(crate) fn accept(
        &mut self,
        machine: MachineId,
        port: u16,
        serial: u64,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<ConnId>> {
        let listening = self.machines[machine.index()].listening.get_mut(&port);
        let Some(listening) = listening.filter(|listening| listening.serial == serial) else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        match listening.established.pop_front() {
            Some(id) => Poll::Ready(Ok(id)),
            None => {
                listening.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ends a listening socket; those who waited to be accepted are reset.
    pub(crate) fn stop_listening(&mut self, machine: MachineId, port: u16, serial: u64) {
        let sockets = &mut self.machines[machine.index()].listening;
        if sockets.get(&port).is_some_and(|listening| listening.serial == serial) {
            let listening = sockets.remove(&port).expect("it was there above");
            for id in listening.established {
                self.refuse(id);
            }
        }
    }

    fn refuse(&mut self, id: ConnId) {
        self.send_reset(id, Side::Dialler);
        self.forget(id, Side::Acceptor);
    }
}

impl crate::machine::Machine {
    /// The next port for an outgoing connection; the sequence starts again at its end.
    fn ephemeral_port(&mut self) -> u16 {
        self.last_port = self.last_port.checked_add(1).unwrap_or(EPHEMERAL_PORT_FIRST);
        self.last_port = self.last_port.max(EPHEMERAL_PORT_FIRST);
        self.last_port
    }
}
