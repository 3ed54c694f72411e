//! What the simulated machines, links and disks do to a program that runs on them.

mod bus;
mod fault_effects;
mod faults;
mod machines;
mod network;
mod probe;
