//! The machines of a world and what can befall them: a process is started, killed, paused; power is lost with
//! what the disk had not made durable; a disk is replaced; a wall clock jumps.
//!
//! Three layers, each of which can fail alone: the process (its tasks), the kernel (sockets, page cache), the disk.
//! A crash takes the process and its kernel closes the sockets. A pause takes neither: the kernel goes on accepting
//! bytes until the windows are full. A loss of power takes process and kernel at once, and nobody is told.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Waker;

use madsim::runtime::Handle;
use madsim::task::NodeId;
use rand_chacha::ChaCha8Rng;
use send_wrapper::SendWrapper;

use crate::clock::WallClock;
use crate::connection::{ConnId, Connection, EndState, Side};
use crate::disk::{DiskFault, DiskState};
use crate::entropy::stream;
use crate::handshake::Listening;
use crate::host::SimHost;
use crate::world::{State, World};

/// Machines are numbered in the order in which they were added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct MachineId(pub(crate) u32);

/// One run of a program.
pub type Process = Pin<Box<dyn Future<Output = ()>>>;

/// What a machine runs: called at each start with the machine's host, it runs until its process ends.
pub type Program<H = SimHost> = Rc<dyn Fn(H) -> Process>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MachineStatus {
    /// Without power: silent.
    Off,
    /// The kernel runs, the process does not: connections are refused.
    Idle,
    Running,
    Paused,
}

pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) status: MachineStatus,
    /// Counts the starts, so that what an ended process left behind is not taken for its successor's.
    pub(crate) start: u32,
    pub(crate) clock: WallClock,
    pub(crate) disk: Rc<RefCell<DiskState>>,
    pub(crate) entropy: ChaCha8Rng,
    pub(crate) listening: BTreeMap<u16, Listening>,
    pub(crate) last_port: u16,
    program: Option<Program>,
    node: NodeId,
}

impl MachineId {
    /// The machine that is the `index`-th to have been added.
    pub fn at(index: usize) -> MachineId {
        MachineId(u32::try_from(index).expect("a world has fewer machines than that"))
    }

    /// Its number among the machines of its world.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl Machine {
    pub(crate) fn has_power(&self) -> bool {
        self.status != MachineStatus::Off
    }

    /// Gives up what refers back to the world.
    pub(crate) fn retire(&mut self) -> Option<Program> {
        self.program.take()
    }
}

impl World {
    /// Adds a machine called `name` at an address of its own; it does nothing before it is started.
    pub fn add_machine(&self, name: &str) -> MachineId {
        let id = MachineId::at(self.state().machines.len());
        let world = SendWrapper::new(self.downgrade());
        // The executor starts the first task whenever it builds or restarts a node, so it asks for the program then.
        let init = move || {
            let running = World::upgrade(&world).and_then(|world| world.program_of(id));
            async move {
                if let Some((world, program, start)) = running {
                    program.await;
                    world.process_ended(id, start);
                }
            }
        };
        let node = Handle::current().create_node().name(name).init(init).build().id();
        let mut state = self.state();
        let [high, low] = (id.0 as u16 + 1).to_be_bytes();
        let machine = Machine {
            name: name.to_owned(),
            ip: Ipv4Addr::new(10, 0, high, low),
            status: MachineStatus::Idle,
            start: 0,
            clock: WallClock::default(),
            disk: Rc::new(RefCell::new(DiskState::empty(state.seed, u64::from(id.0)))),
            entropy: stream(state.seed, "entropy", u64::from(id.0)),
            listening: BTreeMap::new(),
            last_port: 0,
            program: None,
            node,
        };
        state.machines.push(machine);
        state.paths.add_machine();
        id
    }

    /// Gives the machine its program and starts it.
    pub fn start(&self, id: MachineId, program: Program) {
        self.state().machine(id).program = Some(program);
        self.restart(id);
    }

    /// Starts the machine's program again, after a crash or a loss of power.
    pub fn restart(&self, id: MachineId) {
        let node = {
            let mut state = self.state();
            let machine = state.machine(id);
            if matches!(machine.status, MachineStatus::Running | MachineStatus::Paused) {
                return;
            }
            machine.start += 1;
            machine.disk.borrow_mut().speak_again();
            let (node, start) = (machine.node, machine.start);
            state.set_status(id, MachineStatus::Running);
            state.say(id, format_args!("start {start}"));
            node
        };
        Handle::current().restart(node);
    }

    /// Ends the process at once; its kernel closes its sockets, and its page cache stays.
    pub fn crash(&self, id: MachineId) {
        if self.end_process(id, MachineStatus::Idle, "crash") {
            self.state().close_sockets(id);
        }
    }

    /// Ends process and kernel at once: peers are told nothing, and what was not durable is lost.
    pub fn lose_power(&self, id: MachineId) {
        if self.end_process(id, MachineStatus::Off, "power loss") {
            let mut state = self.state();
            state.forget_sockets(id);
            let disk = Rc::clone(&state.machine(id).disk);
            for loss in disk.borrow_mut().lose_power() {
                state.say(id, format_args!("lost {loss}"));
            }
        }
    }

    /// Stops the process between two of its steps; its kernel goes on.
    pub fn pause(&self, id: MachineId) {
        self.switch(id, MachineStatus::Running, MachineStatus::Paused, "pause");
    }

    pub fn resume(&self, id: MachineId) {
        self.switch(id, MachineStatus::Paused, MachineStatus::Running, "resume");
    }

    /// Replaces the disk by an empty one; for a machine whose process has ended.
    pub fn replace_disk(&self, id: MachineId) {
        let mut state = self.state();
        let empty = DiskState::empty(state.seed, u64::from(id.0));
        *state.machine(id).disk.borrow_mut() = empty;
        state.say(id, format_args!("empty disk"));
    }

    /// Gives the machine an address that nobody has had; for one whose process has ended.
    pub fn readdress(&self, id: MachineId) {
        let mut state = self.state();
        let machine = state.machine(id);
        let [_, generation, high, low] = machine.ip.octets();
        machine.ip = Ipv4Addr::new(10, generation.wrapping_add(1), high, low);
        let ip = machine.ip;
        state.say(id, format_args!("address {ip}"));
    }

    pub fn address(&self, id: MachineId) -> Ipv4Addr {
        self.state().machine(id).ip
    }

    /// What is wrong with the disk from now on; the default mends it.
    pub fn set_disk_fault(&self, id: MachineId, fault: DiskFault) {
        let waiting = {
            let mut state = self.state();
            state.say(id, format_args!("disk fault {fault:?}"));
            state.machine(id).disk.borrow_mut().set_fault(fault)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// How many operations the machine's disk has been asked for.
    pub fn disk_operations(&self, id: MachineId) -> u64 {
        self.state().machine(id).disk.borrow().operations()
    }

    /// From the operation with this number on the disk answers nobody, until the machine starts again: a
    /// process that loses its power then has promised nothing that depends on it. The first one may still be
    /// carried out.
    pub fn silence_disk(&self, id: MachineId, from: u64, carried_out: bool) {
        self.state().machine(id).disk.borrow_mut().fall_silent(from, carried_out);
    }

    /// Whether the operation has come from which on the disk answers nobody.
    pub fn disk_is_silent(&self, id: MachineId) -> bool {
        self.state().machine(id).disk.borrow().is_silent()
    }

    /// Inverts one bit of a file at rest.
    pub fn flip_bit(&self, id: MachineId, path: &str, offset: u64) -> io::Result<()> {
        let mut state = self.state();
        state.say(id, format_args!("bit flip in {path} at {offset}"));
        state.machine(id).disk.borrow_mut().flip_bit(path, offset)
    }

    pub fn jump_clock(&self, id: MachineId, by_us: i64) {
        let mut state = self.state();
        let now = state.now;
        state.machine(id).clock.jump(now, by_us);
        state.say(id, format_args!("clock jumps {by_us}us"));
    }

    pub fn drift_clock(&self, id: MachineId, drift_ppm: i64) {
        let mut state = self.state();
        let now = state.now;
        state.machine(id).clock.set_drift(now, drift_ppm);
        state.say(id, format_args!("clock drifts {drift_ppm}ppm"));
    }

    pub fn status(&self, id: MachineId) -> MachineStatus {
        self.state().machine(id).status
    }

    /// How often its program was started.
    pub fn starts(&self, id: MachineId) -> u32 {
        self.state().machine(id).start
    }

    pub fn machine_name(&self, id: MachineId) -> String {
        self.state().machine(id).name.clone()
    }

    pub fn machine_named(&self, name: &str) -> Option<MachineId> {
        self.state().machines.iter().position(|machine| machine.name == name).map(MachineId::at)
    }

    /// The name of the machine at an address, or of that name.
    pub fn machine_at(&self, host: &str) -> Option<String> {
        let state = self.state();
        let ip = host.parse::<Ipv4Addr>().ok();
        let here = |machine: &&Machine| machine.name == host || Some(machine.ip) == ip;
        state.machines.iter().find(here).map(|machine| machine.name.clone())
    }

    /// The address of the machine of that name.
    pub fn ip_of(&self, name: &str) -> String {
        self.machine_named(name).map_or_else(|| name.to_owned(), |id| self.address(id).to_string())
    }

    /// Puts a file on the machine's disk, durably, as an installer would before the first start.
    pub fn place_file(&self, id: MachineId, path: &str, content: &[u8]) {
        let mut state = self.state();
        state.machine(id).disk.borrow_mut().place(path, content);
    }

    pub fn machine_ids(&self) -> Vec<MachineId> {
        (0..self.state().machines.len()).map(MachineId::at).collect()
    }

    pub(crate) fn kill_tasks(&self, id: MachineId) {
        let node = self.state().machine(id).node;
        Handle::current().kill(node);
    }

    fn program_of(&self, id: MachineId) -> Option<(World, Process, u32)> {
        let (program, start) = {
            let mut state = self.state();
            // Not there yet: the executor starts a node as soon as it builds it.
            let machine = state.machines.get_mut(id.index())?;
            (machine.program.clone()?, machine.start)
        };
        Some((self.clone(), program(SimHost::of(self, id)), start))
    }

    /// The program has returned: its process is over.
    fn process_ended(&self, id: MachineId, start: u32) {
        let mut state = self.state();
        if state.machine(id).start == start && state.machine(id).status == MachineStatus::Running {
            state.set_status(id, MachineStatus::Idle);
            state.say(id, format_args!("exit"));
            state.close_sockets(id);
        }
    }

    fn end_process(&self, id: MachineId, status: MachineStatus, how: &str) -> bool {
        {
            let mut state = self.state();
            let current = state.machine(id).status;
            if current == MachineStatus::Off || current == status {
                return false;
            }
            state.set_status(id, status);
            state.say(id, format_args!("{how}"));
        }
        self.kill_tasks(id);
        true
    }

    fn switch(&self, id: MachineId, from: MachineStatus, to: MachineStatus, how: &str) {
        let node = {
            let mut state = self.state();
            if state.machine(id).status != from {
                return;
            }
            state.set_status(id, to);
            state.say(id, format_args!("{how}"));
            state.machine(id).node
        };
        match to {
            MachineStatus::Paused => Handle::current().pause(node),
            _ => Handle::current().resume(node),
        }
    }
}

impl State {
    pub(crate) fn machine(&mut self, id: MachineId) -> &mut Machine {
        &mut self.machines[id.index()]
    }

    /// What befell a machine: a line of the trace, and of the chronicle where one is kept.
    pub(crate) fn say(&mut self, id: MachineId, what: std::fmt::Arguments<'_>) {
        self.mention(id, what);
        let State { chronicle, machines, now, .. } = self;
        if let Some(chronicle) = chronicle {
            chronicle.remark(*now, &machines[id.index()].name, what);
        }
    }

    /// A line of the trace about a machine, for what happens all the time.
    pub(crate) fn mention(&mut self, id: MachineId, what: std::fmt::Arguments<'_>) {
        let State { trace, machines, now, .. } = self;
        trace.line(*now, &machines[id.index()].name, what);
    }

    fn set_status(&mut self, id: MachineId, status: MachineStatus) {
        self.machine(id).status = status;
        let now = self.now;
        if let Some(chronicle) = &mut self.chronicle {
            chronicle.status(now, id, status);
        }
    }

    /// What the kernel does when a process ends: it closes what the process had open.
    fn close_sockets(&mut self, id: MachineId) {
        self.machine(id).listening.clear();
        for (connection, side) in self.sockets_of(id) {
            self.close(connection, side);
        }
    }

    fn forget_sockets(&mut self, id: MachineId) {
        self.machine(id).listening.clear();
        for (connection, side) in self.sockets_of(id) {
            self.forget(connection, side);
        }
    }

    fn sockets_of(&self, id: MachineId) -> Vec<(ConnId, Side)> {
        let ends = |connection: &Connection, side: Side| {
            let end = connection.end(side);
            end.machine == id && end.state != EndState::Forgotten
        };
        let sides = self.connections.iter().flat_map(|(conn, connection)| {
            Side::BOTH.into_iter().filter(|&side| ends(connection, side)).map(|side| (*conn, side))
        });
        sides.collect()
    }
}
