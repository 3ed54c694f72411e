//! What a play needs of the world that it is played in: time, machines that run programs, a place for remarks, and
//! the faults that befall machines and the paths between them. The simulated [`World`] offers all of it; a world of
//! real processes offers what can be had there, and whoever plays in it refuses the rest beforehand.
//!
//! Clients, workloads, fault plans and agents are written against [`Theatre`] and [`Resident`] alone, so that they are
//! the same in every world.

use std::future::Future;
use std::io;

use squall_clock::{Mono, Nanos};
use squall_net::{Address, Host};

use crate::bus::{BusMessage, Meddling, Vote};
use crate::connection::ConnId;
use crate::disk::DiskFault;
use crate::host::SimHost;
use crate::link::LinkChange;
use crate::machine::{MachineId, Program};
use crate::world::World;

/// The port that a server is known by in every scenario.
const SERVER_PORT: u16 = 6379;

/// A handle to a world; clones are handles to the same one.
pub trait Theatre: Clone + 'static {
    type Host: Resident<Theatre = Self>;

    /// What follows from chance follows from it, as far as it can in this world.
    fn seed(&self) -> u64;

    fn now(&self) -> Mono;

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static;

    fn sleep(&self, duration: Nanos) -> impl Future<Output = ()> + 'static {
        self.sleep_until(self.now() + duration)
    }

    /// Lets `act` happen at `at`.
    fn at(&self, at: Mono, act: impl FnOnce(&Self) + 'static);

    /// Writes down what happens all the time.
    fn note(&self, who: &str, what: std::fmt::Arguments<'_>);

    /// A note that belongs into a picture of the run, too.
    fn remark(&self, who: &str, what: std::fmt::Arguments<'_>);

    /// Adds a machine; it does nothing before it is started.
    fn add_machine(&self, name: &str) -> MachineId;

    /// Gives the machine its program and starts it.
    fn start(&self, id: MachineId, program: Program<Self::Host>);

    fn machine_name(&self, id: MachineId) -> String;

    fn machine_named(&self, name: &str) -> Option<MachineId>;

    fn machine_ids(&self) -> Vec<MachineId>;

    /// How often its program was started.
    fn starts(&self, id: MachineId) -> u32;

    /// Where the server on the machine of this name is reached, as its peers are told.
    fn address_of(&self, name: &str) -> Address {
        Address { host: name.to_owned(), port: SERVER_PORT }
    }

    /// Its address as a number, for what takes no names.
    fn ip_of(&self, name: &str) -> String {
        self.address_of(name).host
    }

    /// The name of the machine at an address, or of that name.
    fn machine_at(&self, host: &str) -> Option<String>;

    /// Nothing gets from `from` to `to`, and neither is told. Cuts add up: each needs a heal of its own.
    fn cut(&self, from: MachineId, to: MachineId);

    fn heal(&self, from: MachineId, to: MachineId);

    /// Changes the path one way; gives the number by which it is taken back.
    fn change_link(&self, from: MachineId, to: MachineId, change: &LinkChange) -> u64;

    fn undo_link_change(&self, from: MachineId, to: MachineId, number: u64);

    /// The connections that `dialler` has opened to `acceptor`.
    fn connections(&self, dialler: MachineId, acceptor: MachineId) -> Vec<ConnId>;

    fn reset_connection(&self, id: ConnId);

    /// From now on nothing that the dialler (or, where `answers` is set, the acceptor) sends on it arrives.
    fn mute_connection(&self, id: ConnId, answers: bool);

    /// From now on what `from` dials at `to` seems to come from the address of `to`. Proxies add up, as cuts do.
    fn put_proxy(&self, from: MachineId, to: MachineId);

    fn take_proxy_away(&self, from: MachineId, to: MachineId);

    /// From now on that is what becomes of such messages of the cluster bus; gives the number of the rule.
    fn meddle(&self, from: MachineId, to: MachineId, messages: &[BusMessage], meddling: Meddling) -> u64;

    fn stop_meddling(&self, number: u64);

    /// All votes that were sent over the cluster bus, where they can be seen.
    fn votes(&self) -> Vec<Vote> {
        Vec::new()
    }

    fn crash(&self, id: MachineId);

    fn restart(&self, id: MachineId);

    fn pause(&self, id: MachineId);

    fn resume(&self, id: MachineId);

    fn lose_power(&self, id: MachineId);

    fn replace_disk(&self, id: MachineId);

    fn readdress(&self, id: MachineId);

    fn set_disk_fault(&self, id: MachineId, fault: DiskFault);

    fn flip_bit(&self, id: MachineId, path: &str, offset: u64) -> io::Result<()>;

    fn jump_clock(&self, id: MachineId, by_us: i64);

    fn drift_clock(&self, id: MachineId, drift_ppm: i64);
}

/// The host of a machine that knows where it is.
pub trait Resident: Host {
    type Theatre: Theatre<Host = Self>;

    fn world(&self) -> &Self::Theatre;

    fn machine(&self) -> MachineId;

    fn name(&self) -> String {
        self.world().machine_name(self.machine())
    }
}

impl Resident for SimHost {
    type Theatre = World;

    fn world(&self) -> &World {
        self.world()
    }

    fn machine(&self) -> MachineId {
        self.machine()
    }
}

/// Every call goes to the world's own method of that name.
macro_rules! own {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) $(-> $result:ty)?;)*) => {$(
        fn $name(&self $(, $argument: $type)*) $(-> $result)? {
            World::$name(self $(, $argument)*)
        }
    )*};
}

impl Theatre for World {
    type Host = SimHost;

    fn sleep_until(&self, deadline: Mono) -> impl Future<Output = ()> + 'static {
        World::sleep_until(self, deadline)
    }

    fn at(&self, at: Mono, act: impl FnOnce(&World) + 'static) {
        World::at(self, at, act);
    }

    own! {
        fn seed(&self) -> u64;
        fn now(&self) -> Mono;
        fn note(&self, who: &str, what: std::fmt::Arguments<'_>);
        fn remark(&self, who: &str, what: std::fmt::Arguments<'_>);
        fn add_machine(&self, name: &str) -> MachineId;
        fn start(&self, id: MachineId, program: Program);
        fn machine_name(&self, id: MachineId) -> String;
        fn machine_named(&self, name: &str) -> Option<MachineId>;
        fn machine_ids(&self) -> Vec<MachineId>;
        fn machine_at(&self, host: &str) -> Option<String>;
        fn ip_of(&self, name: &str) -> String;
        fn votes(&self) -> Vec<Vote>;
        fn starts(&self, id: MachineId) -> u32;
        fn cut(&self, from: MachineId, to: MachineId);
        fn heal(&self, from: MachineId, to: MachineId);
        fn change_link(&self, from: MachineId, to: MachineId, change: &LinkChange) -> u64;
        fn undo_link_change(&self, from: MachineId, to: MachineId, number: u64);
        fn connections(&self, dialler: MachineId, acceptor: MachineId) -> Vec<ConnId>;
        fn reset_connection(&self, id: ConnId);
        fn mute_connection(&self, id: ConnId, answers: bool);
        fn put_proxy(&self, from: MachineId, to: MachineId);
        fn take_proxy_away(&self, from: MachineId, to: MachineId);
        fn meddle(&self, from: MachineId, to: MachineId, messages: &[BusMessage], meddling: Meddling) -> u64;
        fn stop_meddling(&self, number: u64);
        fn crash(&self, id: MachineId);
        fn restart(&self, id: MachineId);
        fn pause(&self, id: MachineId);
        fn resume(&self, id: MachineId);
        fn lose_power(&self, id: MachineId);
        fn replace_disk(&self, id: MachineId);
        fn readdress(&self, id: MachineId);
        fn set_disk_fault(&self, id: MachineId, fault: DiskFault);
        fn flip_bit(&self, id: MachineId, path: &str, offset: u64) -> io::Result<()>;
        fn jump_clock(&self, id: MachineId, by_us: i64);
        fn drift_clock(&self, id: MachineId, drift_ppm: i64);
    }
}
