//! Faults of one machine: its process, its disk, its clock.

use super::turns::by_turns;
use super::{Fault, Remedy};
use crate::disk::DiskFault;
use crate::machine::MachineId;
use crate::theatre::Theatre;

impl Fault {
    /// What befalls one machine.
    pub(super) fn befall<W: Theatre>(&self, world: &W, id: MachineId) -> Result<Option<Remedy<W>>, String> {
        match self {
            Fault::Crash { .. } => {
                world.crash(id);
                Ok(Some(Box::new(move |world| world.restart(id))))
            }
            Fault::Move { .. } => {
                world.crash(id);
                Ok(Some(Box::new(move |world| {
                    // The end of another fault may have started it meanwhile.
                    world.crash(id);
                    world.readdress(id);
                    world.restart(id);
                })))
            }
            Fault::Stutter { work, stall, .. } => {
                let stand_still = move |world: &W| -> Remedy<W> {
                    world.pause(id);
                    Box::new(move |world| world.resume(id))
                };
                Ok(Some(by_turns(world, stand_still, stall.0, work.0)))
            }
            Fault::PowerLoss { empty_disk, .. } => {
                world.lose_power(id);
                let empty_disk = *empty_disk;
                Ok(Some(Box::new(move |world| {
                    if empty_disk {
                        world.lose_power(id);
                        world.replace_disk(id);
                    }
                    world.restart(id);
                })))
            }
            Fault::Pause { .. } => {
                world.pause(id);
                Ok(Some(Box::new(move |world| world.resume(id))))
            }
            Fault::Disk { state, .. } => {
                world.set_disk_fault(id, state.clone());
                Ok(Some(Box::new(move |world| world.set_disk_fault(id, DiskFault::default()))))
            }
            Fault::FlipBit { path, offset, .. } => {
                // A file that is not there has no bit to flip: a drawn plan may well ask for one.
                if let Err(error) = world.flip_bit(id, path, *offset) {
                    world.note("*", format_args!("no bit flipped: {error}"));
                }
                Ok(None)
            }
            Fault::ClockJump { by_ms, .. } => {
                world.jump_clock(id, by_ms.saturating_mul(1_000));
                Ok(None)
            }
            Fault::ClockDrift { ppm, .. } => {
                world.drift_clock(id, *ppm);
                Ok(Some(Box::new(move |world| world.drift_clock(id, 0))))
            }
            _ => unreachable!("faults of the network are carried out above"),
        }
    }
}
