//! A simulated machine as the shell sees it: `squall_net::Host` over the world.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::rc::Rc;

use madsim::runtime::Handle;
use rand_core::Rng;
use squall_clock::{Mono, Now};
use squall_net::{Address, Endpoint, Host};

use crate::connection::Side;
use crate::disk::SimDisk;
use crate::machine::MachineId;
use crate::stream::{SimListener, SimStream};
use crate::world::World;

/// The host of one process: from a start of a machine to its end.
#[derive(Clone)]
pub struct SimHost {
    world: World,
    machine: MachineId,
    disk: SimDisk,
    spawned: Rc<Cell<u32>>,
}

/// The executor keeps a trace of each ended task until it is asked to count them.
const SPAWNS_BETWEEN_COUNTS: u32 = 1_024;

impl SimHost {
    pub(crate) fn of(world: &World, machine: MachineId) -> SimHost {
        let disk = SimDisk::of(world.clone(), machine);
        SimHost { world: world.clone(), machine, disk, spawned: Rc::new(Cell::new(0)) }
    }

    pub fn world(&self) -> &World {
        &self.world
    }

    pub fn machine(&self) -> MachineId {
        self.machine
    }

    pub fn name(&self) -> String {
        self.world.machine_name(self.machine)
    }
}

impl Host for SimHost {
    type Listener = SimListener;
    type Stream = SimStream;
    type Disk = SimDisk;

    fn now(&self) -> Now {
        let mut state = self.world.state();
        let now = state.now;
        state.machine(self.machine).clock.read(now)
    }

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static {
        self.world.sleep_until(deadline)
    }

    fn listen(
        &self,
        endpoint: &Endpoint,
        backlog: u32,
    ) -> impl Future<Output = io::Result<SimListener>> + 'static {
        let listening = self.world.state().listen(self.machine, endpoint, backlog);
        let (world, machine) = (self.world.clone(), self.machine);
        let listener =
            listening.map(|(endpoint, port, serial)| SimListener { world, machine, endpoint, port, serial });
        std::future::ready(listener)
    }

    /// `source` is accepted and has no effect: a machine has one address.
    fn connect(
        &self,
        address: &Address,
        _source: Option<&str>,
    ) -> impl Future<Output = io::Result<SimStream>> + 'static {
        let (world, machine, address) = (self.world.clone(), self.machine, address.clone());
        async move {
            let id = world.clone().dial(machine, address).await?;
            Ok(SimStream::of(world, id, Side::Dialler))
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        madsim::task::spawn_local(task);
        self.spawned.set(self.spawned.get() + 1);
        if self.spawned.get().is_multiple_of(SPAWNS_BETWEEN_COUNTS) {
            Handle::current().metrics().num_tasks();
        }
    }

    fn entropy(&self, buffer: &mut [u8]) {
        self.world.state().machine(self.machine).entropy.fill_bytes(buffer);
    }

    fn disk(&self) -> &SimDisk {
        &self.disk
    }
}
