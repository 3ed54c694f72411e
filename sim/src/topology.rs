//! Faults of the network between machines that are there already: paths cut and healed one way at a time, links
//! changed, connections reset or struck dumb one by one.

use crate::connection::{ConnId, Side};
use crate::link::LinkChange;
use crate::machine::MachineId;
use crate::world::World;

impl World {
    /// Nothing gets from `from` to `to`, and neither is told. Cuts add up: each needs a heal of its own.
    pub fn cut(&self, from: MachineId, to: MachineId) {
        let mut state = self.state();
        state.paths.cut(from, to);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("cut to {target}"));
    }

    /// From now on what `from` dials at `to` seems to come from the address of `to`.
    pub fn put_proxy(&self, from: MachineId, to: MachineId) {
        let mut state = self.state();
        state.paths.put_proxy(from, to);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("proxied to {target}"));
    }

    pub fn take_proxy_away(&self, from: MachineId, to: MachineId) {
        let mut state = self.state();
        state.paths.take_proxy_away(from, to);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("no longer proxied to {target}"));
    }

    pub fn heal(&self, from: MachineId, to: MachineId) {
        let mut state = self.state();
        state.paths.heal(from, to);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("heal to {target}"));
    }

    /// Changes the path one way; gives the number by which [`World::undo_link_change`] takes it back.
    pub fn change_link(&self, from: MachineId, to: MachineId, change: &LinkChange) -> u64 {
        let mut state = self.state();
        state.link_changes += 1;
        let number = state.link_changes;
        state.paths.change(from, to, number, change);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("link to {target} {change:?}"));
        number
    }

    pub fn undo_link_change(&self, from: MachineId, to: MachineId, number: u64) {
        let mut state = self.state();
        state.paths.undo(from, to, number);
        let target = state.machine(to).name.clone();
        state.say(from, format_args!("link to {target} as before"));
    }

    /// The connections that `dialler` has opened to `acceptor`.
    pub fn connections(&self, dialler: MachineId, acceptor: MachineId) -> Vec<ConnId> {
        let state = self.state();
        let between = state.connections.iter().filter(|(_, connection)| {
            connection.end(Side::Dialler).machine == dialler
                && connection.end(Side::Acceptor).machine == acceptor
        });
        between.map(|(id, _)| *id).collect()
    }

    /// Both ends are told at once that the connection is reset, as by a firewall that forgot about it.
    pub fn reset_connection(&self, id: ConnId) {
        let mut state = self.state();
        for side in Side::BOTH {
            state.reset_arrives(id, side);
        }
    }

    /// From now on nothing that the dialler (or, where `answers` is set, the acceptor) sends on this connection
    /// arrives, while others between the same machines work. Neither end is told.
    pub fn mute_connection(&self, id: ConnId, answers: bool) {
        let mut state = self.state();
        let side = if answers { Side::Acceptor } else { Side::Dialler };
        let Some(connection) = state.connections.get_mut(&id) else { return };
        connection.pipe(side).muted = true;
        let machine = connection.end(side).machine;
        state.say(machine, format_args!("mute #{}", id.0));
    }
}
