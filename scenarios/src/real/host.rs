//! One machine of a real run, as the programs on it see it: this machine's clock, network and disk, behind the
//! addresses of the scenario. What a machine runs stands still while it is paused, and ends with it.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use squall_clock::{Mono, Nanos, Now};
use squall_net::real::{RealDisk, RealListener, RealStream};
use squall_net::{Address, Endpoint, Host};
use squall_sim::{MachineId, Resident, Theatre};

use super::world::RealWorld;

#[derive(Clone)]
pub(super) struct RealMachine {
    world: RealWorld,
    machine: MachineId,
}

/// A knock without an answer is repeated after this, and then after twice the time before it.
const KNOCK_FIRST: Nanos = Nanos::from_secs(1);

impl RealMachine {
    pub(super) fn of(world: &RealWorld, machine: MachineId) -> RealMachine {
        RealMachine { world: world.clone(), machine }
    }
}

impl Resident for RealMachine {
    type Theatre = RealWorld;

    fn world(&self) -> &RealWorld {
        &self.world
    }

    fn machine(&self) -> MachineId {
        self.machine
    }
}

impl Host for RealMachine {
    type Listener = RealListener;
    type Stream = RealStream;
    type Disk = RealDisk;

    fn now(&self) -> Now {
        self.world.host().now()
    }

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static {
        self.world.sleep_until(deadline)
    }

    fn listen(
        &self,
        endpoint: &Endpoint,
        backlog: u32,
    ) -> impl Future<Output = io::Result<RealListener>> + 'static {
        self.world.host().listen(endpoint, backlog)
    }

    /// From this machine's own address. The kernel would connect to a proxy at once; where the path is cut, nobody would
    /// have answered, so the connection waits as one without an answer does.
    fn connect(
        &self,
        address: &Address,
        _source: Option<&str>,
    ) -> impl Future<Output = io::Result<RealStream>> + 'static {
        let (world, from, address) = (self.world.clone(), self.machine, address.clone());
        async move {
            let to = world.machine_at(&address.host).and_then(|name| world.machine_named(&name));
            let mut wait = KNOCK_FIRST;
            while let Some(to) = to
                && !(world.reaches(from, to) && world.reaches(to, from))
            {
                world.sleep(wait).await;
                wait = Nanos(wait.0 * 2);
            }
            let source = world.ip(from).to_string();
            world.host().connect(&address, Some(&source)).await
        }
    }

    fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        let paced = Paced { host: self.clone(), task: Box::pin(task) };
        let handle = tokio::task::spawn_local(paced).abort_handle();
        self.world.adopt(self.machine, handle);
    }

    fn entropy(&self, buffer: &mut [u8]) {
        self.world.host().entropy(buffer);
    }

    fn disk(&self) -> &RealDisk {
        self.world.host().disk()
    }
}

/// A task that goes on only while its machine does.
struct Paced {
    host: RealMachine,
    task: Pin<Box<dyn Future<Output = ()>>>,
}

impl Future for Paced {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.host.world.stands_still(self.host.machine, context.waker()) {
            return Poll::Pending;
        }
        // The runtime would swallow a panic, and the run would wait for what never comes.
        let task = &mut self.task;
        match catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(context))) {
            Ok(polled) => polled,
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
                self.host.world.fell(format!("a task panicked: {}", text.unwrap_or_default()));
                Poll::Ready(())
            }
        }
    }
}
