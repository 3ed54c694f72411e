//! A seeded world for Squall: machines with links, disks and clocks of their own on one thread, faults that
//! can be printed and replayed, clients that keep a history, and checkers that judge it.
//!
//! madsim is the executor alone: its tasks, its seeded scheduling, the life and death of a node's tasks. Its
//! network, its files and its clock are not used; [`World`] has its own, and [`SimHost`] offers them to the
//! server's shell through `squall_net::Host`. One scenario and one seed give one trace, byte for byte.
//!
//! Read in this order: `world` (the loop that moves time), `machine`, `handshake`, `transport` and `connection`
//! (the network), `disk`, then `fault`, `history`, `workload` and [`checkers`].
//!
//! Code of any project runs here if it is generic over `Host`: `examples/lock_service.rs` shows a service and its
//! client that are not Squall's at all.
//!
//! Nothing that runs in a world may ask anyone but its host for time, randomness, bytes or tasks: a hash map of the
//! standard library, a thread, a sleep of tokio's would make two runs of one seed differ.
#![forbid(unsafe_code)]

#[cfg(not(madsim))]
compile_error!(
    "squall-sim needs `--cfg madsim`: .cargo/config.toml sets it, unless RUSTFLAGS is exported, which replaces it"
);

mod agenda;
mod bus;
mod caller;
pub mod checkers;
mod chronicle;
mod client;
mod clock;
mod cluster_client;
mod connection;
mod disk;
pub mod entropy;
mod fault;
mod handshake;
mod history;
mod host;
mod link;
mod machine;
mod paths;
mod quantity;
mod stream;
mod theatre;
mod topology;
mod trace;
mod transport;
mod workload;
mod world;

/// What code that runs in a world needs beside this crate.
pub use squall_clock::{Mono, Nanos};
pub use squall_net as net;

pub use bus::{BusMessage, Meddling, Vote};
pub use caller::Caller;
pub use chronicle::{Chronicle, Message, Remark, StatusChange};
pub use client::{CallError, Client, within};
pub use cluster_client::{ClusterClient, slot_of};
pub use connection::ConnId;
pub use disk::{DiskFault, DiskOp, SimDisk, SimFile, TornTail};
pub use fault::{Cast, Fault, FaultPlan, FaultSpan, FaultStep, Faults, PlanShape, Remedy, is_part};
pub use history::{Action, Answer, History, OpId, Operation, Outcome, Survivors};
pub use host::SimHost;
pub use link::{Bursts, Latency, LinkChange, LinkSettings, LogNormal, Uniform};
pub use machine::{MachineId, MachineStatus, Process, Program};
pub use paths::Paths;
pub use quantity::{Rate, Size, Span};
pub use stream::{SimListener, SimStream};
pub use theatre::{Resident, Theatre};
pub use trace::{TraceSink, TraceSummary};
pub use workload::{Confirmation, GROUP, Kind, Worker, Workload, ledger_entries, taken_by, twin_of};
pub use world::{Run, RunFailure, World, WorldOptions, run};
