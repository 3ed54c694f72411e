//! A world of real processes on this machine's loopback: each machine of a scenario has an address of its own, servers
//! are processes behind proxies, clients and agents are tasks of this program. It offers what plays need of a world,
//! as far as real processes allow; what they do not allow has been refused before it is made.

use std::cell::{RefCell, RefMut};
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use squall_clock::{Mono, Nanos};
use squall_net::real::RealHost;
use squall_net::{Address, Host};
use squall_sim::{
    BusMessage, Chronicle, ConnId, DiskFault, LinkChange, LinkSettings, MachineId, MachineStatus, Meddling,
    Message, Paths, Program, Theatre,
};
use tokio::task::AbortHandle;

use super::host::RealMachine;
use super::network::{self, Connection, free_port};
use super::process::{Processes, last_words};
use super::server::{Place, ServerProgram};

/// A handle to the world; clones are handles to the same one.
#[derive(Clone)]
pub(super) struct RealWorld(Rc<Shared>);

struct Shared {
    host: RealHost,
    seed: u64,
    server: ServerProgram,
    processes: Processes,
    /// Below it every server has a directory.
    root: PathBuf,
    progress: Option<Arc<AtomicU64>>,
    state: RefCell<State>,
}

struct State {
    /// The machines that will run servers.
    servers: Vec<String>,
    machines: Vec<Machine>,
    paths: Paths,
    connections: BTreeMap<ConnId, Connection>,
    last_connection: u64,
    link_changes: u64,
    chronicle: Chronicle,
    /// What ended the run early.
    fallen: Option<String>,
}

struct Machine {
    name: String,
    /// For servers; clients have an address only.
    place: Place,
    is_server: bool,
    status: MachineStatus,
    start: u32,
    program: Option<Program<RealMachine>>,
    tasks: Vec<AbortHandle>,
    /// The open doors of its proxy.
    doors: Vec<AbortHandle>,
    /// What waits while the machine is paused.
    waiting: Vec<std::task::Waker>,
}

/// Ports are drawn from here; those for the bus of a cluster lie above.
const PORT_FIRST: u16 = 20_000;
const PORTS: u16 = 9_000;
/// How often a server's process is looked at for whether it has ended by itself.
const LOOK_AFTER_PROCESS_EVERY: Nanos = Nanos::from_millis(20);

/// What a world of real processes is made of.
pub(super) struct Making<'a> {
    pub(super) seed: u64,
    pub(super) server: &'a ServerProgram,
    pub(super) processes: &'a Processes,
    pub(super) root: &'a Path,
    pub(super) links: &'a LinkSettings,
    pub(super) servers: Vec<String>,
    pub(super) progress: Option<Arc<AtomicU64>>,
}

impl RealWorld {
    /// A world on this machine, which has to have many addresses on its loopback, as Linux does.
    pub(super) fn on(host: &RealHost, making: Making<'_>) -> io::Result<RealWorld> {
        network::check_loopback()?;
        let Making { seed, server, processes, root, links, servers, progress } = making;
        let state = State {
            servers,
            machines: Vec::new(),
            paths: Paths::with(seed, links.clone()),
            connections: BTreeMap::new(),
            last_connection: 0,
            link_changes: 0,
            chronicle: Chronicle::default(),
            fallen: None,
        };
        Ok(RealWorld(Rc::new(Shared {
            host: host.clone(),
            seed,
            server: server.clone(),
            processes: processes.clone(),
            root: root.to_owned(),
            progress,
            state: RefCell::new(state),
        })))
    }

    pub(super) fn host(&self) -> &RealHost {
        &self.0.host
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.state.borrow_mut()
    }

    pub(super) fn place(&self, id: MachineId) -> Place {
        self.state().machine(id).place.clone()
    }

    pub(super) fn ip(&self, id: MachineId) -> Ipv4Addr {
        self.state().machine(id).place.ip
    }

    /// Where the files of a machine's server lie.
    pub(super) fn directory(&self, id: MachineId) -> PathBuf {
        self.0.root.join(id.index().to_string())
    }

    pub(super) fn machine_with(&self, ip: IpAddr) -> Option<MachineId> {
        let state = self.state();
        state.machines.iter().position(|machine| IpAddr::V4(machine.place.ip) == ip).map(MachineId::at)
    }

    pub(super) fn status(&self, id: MachineId) -> MachineStatus {
        self.state().machine(id).status
    }

    pub(super) fn has_power(&self, id: MachineId) -> bool {
        self.status(id) != MachineStatus::Off
    }

    /// Whether a segment that gets to the end of the path now is heard there.
    pub(super) fn reaches(&self, from: MachineId, to: MachineId) -> bool {
        self.has_power(to) && self.state().paths.is_open(from, to)
    }

    pub(super) fn transit(&self, now: Mono, from: MachineId, to: MachineId, bytes: usize) -> Option<Mono> {
        self.state().paths.transit(now, from, to, bytes)
    }

    pub(super) fn moved(&self, from: MachineId, to: MachineId, len: usize) -> usize {
        self.state().paths.moved(from, to, len)
    }

    pub(super) fn window(&self, from: MachineId, to: MachineId) -> usize {
        self.state().paths.settings(from, to).window.0 as usize
    }

    pub(super) fn chronicle(&self, message: Message) {
        self.state().chronicle.message(message);
    }

    pub(super) fn next_connection(&self) -> ConnId {
        let mut state = self.state();
        state.last_connection += 1;
        ConnId(state.last_connection)
    }

    pub(super) fn keep(&self, id: ConnId, connection: Connection) {
        self.state().connections.insert(id, connection);
    }

    /// One direction has ended; with the second one, so has the connection.
    pub(super) fn finish(&self, id: ConnId) {
        let mut state = self.state();
        let is_over = state.connections.get(&id).is_some_and(Connection::finish);
        let over = if is_over { state.connections.remove(&id) } else { None };
        drop(state);
        drop(over);
    }

    pub(super) fn reset(&self, id: ConnId) {
        let connection = self.state().connections.remove(&id);
        if let Some(connection) = connection {
            connection.reset();
        }
    }

    /// Keeps a task of a machine's process, which ends with it.
    pub(super) fn adopt(&self, id: MachineId, task: AbortHandle) {
        let mut state = self.state();
        let tasks = &mut state.machine(id).tasks;
        tasks.retain(|task| !task.is_finished());
        tasks.push(task);
    }

    /// Whether the machine stands still; if so, `waker` is woken when it goes on.
    pub(super) fn stands_still(&self, id: MachineId, waker: &std::task::Waker) -> bool {
        let mut state = self.state();
        let machine = state.machine(id);
        let paused = machine.status == MachineStatus::Paused;
        if paused {
            machine.waiting.push(waker.clone());
        }
        paused
    }

    /// Starts the machine's server and completes when its process has ended by itself.
    pub(super) async fn run_server(&self, id: MachineId) {
        let (directory, name) = (self.directory(id), self.machine_name(id));
        if let Err(error) = self.0.processes.start(id, &self.0.server.path, &directory) {
            self.fell(format!("{} cannot be started: {error}", self.0.server.path.display()));
            return;
        }
        let status: ExitStatus = loop {
            if let Some(status) = self.0.processes.ended(id) {
                break status;
            }
            self.sleep(LOOK_AFTER_PROCESS_EVERY).await;
        };
        self.remark(&name, format_args!("the process ended: {status}"));
        if !status.success() {
            self.fell(format!("the server of {name} ended: {status}\n    {}", last_words(&directory)));
        }
    }

    /// Something ended badly that is not part of the scenario: the run is over.
    pub(super) fn fell(&self, what: String) {
        self.state().fallen.get_or_insert(what);
    }

    pub(super) fn fallen(&self) -> Option<String> {
        self.state().fallen.clone()
    }

    /// Everything that a picture of the run needs.
    pub(super) fn take_chronicle(&self) -> Chronicle {
        let mut state = self.state();
        let mut chronicle = std::mem::take(&mut state.chronicle);
        chronicle.machines = state.machines.iter().map(|machine| machine.name.clone()).collect();
        chronicle
    }

    /// Ends everything that holds this world, so that nothing of it is left.
    pub(super) fn end(&self) {
        for id in self.machine_ids() {
            self.crash(id);
        }
        let mut state = self.state();
        let connections = std::mem::take(&mut state.connections);
        let programs: Vec<_> = state.machines.iter_mut().map(|machine| machine.program.take()).collect();
        drop(state);
        // What is dropped may reach for the state, so it is dropped after the state has been let go.
        drop((connections, programs));
    }

    fn set_status(&self, id: MachineId, status: MachineStatus) {
        let now = self.now();
        let mut state = self.state();
        state.machine(id).status = status;
        state.chronicle.status(now, id, status);
    }

    /// Ends the machine's process and closes its proxy, or leaves it open and silent where the power is gone.
    fn end_process(&self, id: MachineId, status: MachineStatus, how: &str) {
        if matches!(self.status(id), MachineStatus::Idle | MachineStatus::Off) {
            return;
        }
        self.set_status(id, status);
        self.remark(&self.machine_name(id), format_args!("{how}"));
        let tasks = std::mem::take(&mut self.state().machine(id).tasks);
        tasks.into_iter().for_each(|task| task.abort());
        if status == MachineStatus::Idle {
            self.close_doors(id);
        }
        self.0.processes.kill(id);
    }

    fn close_doors(&self, id: MachineId) {
        let doors = std::mem::take(&mut self.state().machine(id).doors);
        doors.into_iter().for_each(|door| door.abort());
    }

    fn process_ended(&self, id: MachineId, start: u32) {
        let is_current = self.starts(id) == start && self.status(id) == MachineStatus::Running;
        if is_current {
            self.set_status(id, MachineStatus::Idle);
            self.close_doors(id);
        }
    }

    fn switch(&self, id: MachineId, (from, to): (MachineStatus, MachineStatus), signal: Signal, how: &str) {
        if self.status(id) != from {
            return;
        }
        self.set_status(id, to);
        self.remark(&self.machine_name(id), format_args!("{how}"));
        self.0.processes.signal(id, signal);
        let waiting = std::mem::take(&mut self.state().machine(id).waiting);
        waiting.into_iter().for_each(std::task::Waker::wake);
    }
}

impl State {
    fn machine(&mut self, id: MachineId) -> &mut Machine {
        &mut self.machines[id.index()]
    }
}

impl Theatre for RealWorld {
    type Host = RealMachine;

    fn seed(&self) -> u64 {
        self.0.seed
    }

    fn now(&self) -> Mono {
        let now = self.host().now().mono;
        if let Some(progress) = &self.0.progress {
            progress.store(now.0, Ordering::Relaxed);
        }
        now
    }

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static {
        self.host().sleep_until(deadline)
    }

    fn at(&self, at: Mono, act: impl FnOnce(&RealWorld) + 'static) {
        let world = self.clone();
        self.host().spawn(async move {
            world.sleep_until(at).await;
            act(&world);
        });
    }

    /// A real run leaves no trace of everything: it could not be repeated by it.
    fn note(&self, _who: &str, _what: fmt::Arguments<'_>) {}

    fn remark(&self, who: &str, what: fmt::Arguments<'_>) {
        let now = self.now();
        self.state().chronicle.remark(now, who, what);
    }

    fn add_machine(&self, name: &str) -> MachineId {
        let index = self.state().machines.len();
        let number = u16::try_from(index + 1).expect("a scenario has fewer machines than that");
        let [high, low] = number.to_be_bytes();
        let network = 1 + self.draw() as u8 % 254;
        // One run's machines share a network, so that a list of connections can be read.
        let network = self.state().machines.first().map_or(network, |first| first.place.ip.octets()[1]);
        let ip = Ipv4Addr::new(127, network, high, low);
        let is_server = self.state().servers.iter().any(|server| server == name);
        let port = || {
            free_port(ip, || PORT_FIRST + self.draw() % PORTS).expect("an address of its own has free ports")
        };
        let (port, behind) = if is_server { (port(), port()) } else { (0, 0) };
        assert!(!is_server || port != behind, "two draws of one port");
        let machine = Machine {
            name: name.to_owned(),
            place: Place { ip, port, behind },
            is_server,
            status: MachineStatus::Idle,
            start: 0,
            program: None,
            tasks: Vec::new(),
            doors: Vec::new(),
            waiting: Vec::new(),
        };
        let mut state = self.state();
        state.machines.push(machine);
        state.paths.add_machine();
        MachineId::at(index)
    }

    fn start(&self, id: MachineId, program: Program<RealMachine>) {
        self.state().machine(id).program = Some(program);
        self.restart(id);
    }

    fn machine_name(&self, id: MachineId) -> String {
        self.state().machine(id).name.clone()
    }

    fn machine_named(&self, name: &str) -> Option<MachineId> {
        self.state().machines.iter().position(|machine| machine.name == name).map(MachineId::at)
    }

    fn machine_at(&self, host: &str) -> Option<String> {
        let state = self.state();
        let here = |machine: &&Machine| machine.name == host || machine.place.ip.to_string() == host;
        state.machines.iter().find(here).map(|machine| machine.name.clone())
    }

    fn machine_ids(&self) -> Vec<MachineId> {
        (0..self.state().machines.len()).map(MachineId::at).collect()
    }

    fn starts(&self, id: MachineId) -> u32 {
        self.state().machine(id).start
    }

    fn address_of(&self, name: &str) -> Address {
        let id = self.machine_named(name).expect("the scenario has been checked");
        let Place { ip, port, .. } = self.place(id);
        Address { host: ip.to_string(), port }
    }

    fn cut(&self, from: MachineId, to: MachineId) {
        self.state().paths.cut(from, to);
    }

    fn heal(&self, from: MachineId, to: MachineId) {
        self.state().paths.heal(from, to);
        let pipes: Vec<_> =
            self.state().connections.values().flat_map(|connection| connection.pipes.clone()).collect();
        pipes.iter().for_each(|pipe| pipe.look_again(self));
    }

    fn change_link(&self, from: MachineId, to: MachineId, change: &LinkChange) -> u64 {
        let mut state = self.state();
        state.link_changes += 1;
        let number = state.link_changes;
        state.paths.change(from, to, number, change);
        number
    }

    fn undo_link_change(&self, from: MachineId, to: MachineId, number: u64) {
        self.state().paths.undo(from, to, number);
    }

    fn connections(&self, dialler: MachineId, acceptor: MachineId) -> Vec<ConnId> {
        let state = self.state();
        let between =
            |connection: &Connection| connection.dialler == dialler && connection.acceptor == acceptor;
        state.connections.iter().filter(|(_, connection)| between(connection)).map(|(id, _)| *id).collect()
    }

    fn reset_connection(&self, id: ConnId) {
        self.reset(id);
    }

    fn mute_connection(&self, id: ConnId, answers: bool) {
        if let Some(connection) = self.state().connections.get(&id) {
            connection.pipes[usize::from(answers)].muted.set(true);
        }
    }

    fn put_proxy(&self, _: MachineId, _: MachineId) {
        unreachable!("proxies have been refused")
    }

    fn take_proxy_away(&self, _: MachineId, _: MachineId) {
        unreachable!("proxies have been refused")
    }

    fn meddle(&self, _: MachineId, _: MachineId, _: &[BusMessage], _: Meddling) -> u64 {
        unreachable!("faults of the bus have been refused")
    }

    fn stop_meddling(&self, _: u64) {
        unreachable!("faults of the bus have been refused")
    }

    fn crash(&self, id: MachineId) {
        self.end_process(id, MachineStatus::Idle, "killed");
    }

    fn restart(&self, id: MachineId) {
        if matches!(self.status(id), MachineStatus::Running | MachineStatus::Paused) {
            return;
        }
        let Some(program) = self.state().machine(id).program.clone() else { return };
        self.state().machine(id).start += 1;
        let start = self.starts(id);
        self.set_status(id, MachineStatus::Running);
        self.remark(&self.machine_name(id), format_args!("start {start}"));
        let is_closed = self.state().machine(id).doors.is_empty();
        if self.state().machine(id).is_server && is_closed {
            match network::open(self, id) {
                Ok(doors) => self.state().machine(id).doors = doors,
                Err(error) => self.fell(format!("the proxy of {}: {error}", self.machine_name(id))),
            }
        }
        let host = RealMachine::of(self, id);
        let (world, process) = (self.clone(), program(host.clone()));
        host.spawn(async move {
            process.await;
            world.process_ended(id, start);
        });
    }

    fn pause(&self, id: MachineId) {
        self.switch(id, (MachineStatus::Running, MachineStatus::Paused), Signal::STOP, "paused");
    }

    fn resume(&self, id: MachineId) {
        self.switch(id, (MachineStatus::Paused, MachineStatus::Running), Signal::CONT, "goes on");
    }

    fn lose_power(&self, id: MachineId) {
        // Its kernel has closed nothing: its peers are told nothing, until they ask it once it is back.
        for pipe in self.state().connections.values().flat_map(|connection| &connection.pipes) {
            pipe.muted.set(pipe.muted.get() || pipe.from == id);
            pipe.forgotten.set(pipe.forgotten.get() || pipe.to == id);
        }
        self.end_process(id, MachineStatus::Off, "without power");
    }

    #[allow(clippy::disallowed_methods, reason = "the disk of a server is a directory here")]
    fn replace_disk(&self, id: MachineId) {
        let directory = self.directory(id);
        let emptied = std::fs::remove_dir_all(&directory).and_then(|()| std::fs::create_dir(&directory));
        if let Err(error) = emptied {
            self.fell(format!("{}: {error}", directory.display()));
        }
    }

    fn readdress(&self, _: MachineId) {
        unreachable!("moves have been refused")
    }

    fn set_disk_fault(&self, _: MachineId, _: DiskFault) {
        unreachable!("faults of the disk have been refused")
    }

    #[allow(clippy::disallowed_methods, reason = "the disk of a server is a directory here")]
    fn flip_bit(&self, id: MachineId, path: &str, offset: u64) -> io::Result<()> {
        let file = self.directory(id).join(path);
        let mut bytes = std::fs::read(&file)?;
        let byte = usize::try_from(offset / 8).ok().and_then(|place| bytes.get_mut(place));
        *byte.ok_or(io::ErrorKind::UnexpectedEof)? ^= 1 << (offset % 8);
        std::fs::write(&file, bytes)
    }

    fn jump_clock(&self, _: MachineId, _: i64) {
        unreachable!("faults of the clock have been refused")
    }

    fn drift_clock(&self, _: MachineId, _: i64) {
        unreachable!("faults of the clock have been refused")
    }
}

impl RealWorld {
    /// Ports and networks are drawn anew for each run: nothing else that runs here has to make room.
    fn draw(&self) -> u16 {
        let mut bytes = [0; 2];
        self.host().entropy(&mut bytes);
        u16::from_le_bytes(bytes)
    }
}
