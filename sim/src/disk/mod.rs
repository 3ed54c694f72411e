//! A machine's disk as its processes use it: `squall_net::Disk` with latencies and faults. What a loss of power
//! spares is decided in [`store`].

mod fault;
mod store;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;

use bytes::Bytes;
use squall_clock::Nanos;
use squall_net::{Disk, DiskFile, OpenMode};

use crate::machine::MachineId;
use crate::world::World;

pub use fault::{DiskFault, DiskOp, TornTail};
pub(crate) use store::DiskState;
use store::{Inode, Turn};

#[derive(Clone)]
pub struct SimDisk {
    world: World,
    machine: MachineId,
}

/// An open file; it outlives its name.
#[derive(Clone)]
pub struct SimFile {
    disk: SimDisk,
    path: Rc<str>,
    inode: Rc<RefCell<Inode>>,
}

impl SimDisk {
    pub(crate) fn of(world: World, machine: MachineId) -> SimDisk {
        SimDisk { world, machine }
    }

    fn state(&self) -> Rc<RefCell<DiskState>> {
        Rc::clone(&self.world.state().machine(self.machine).disk)
    }

    /// Performs `change` now and reports it when the disk is done: after its latency, and after a stall.
    fn operate<T: 'static>(
        &self,
        op: DiskOp,
        path: &str,
        bytes: usize,
        change: impl FnOnce(&mut DiskState) -> io::Result<T> + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        let (disk, path) = (self.clone(), store::normalise(path));
        async move {
            let state = disk.state();
            let turn = state.borrow_mut().next_turn();
            if turn == Turn::Ignored {
                return std::future::pending().await;
            }
            let (outcome, done) = {
                let mut state = state.borrow_mut();
                let now = disk.world.now();
                // An append that fails may write a part: it is judged where it is carried out.
                let allowed = match op {
                    DiskOp::Append => Ok(()),
                    _ => state.faults.verdict(op, &path),
                };
                let outcome = allowed.and_then(|()| change(&mut state));
                (outcome, state.faults.done_at(op, bytes, now))
            };
            disk.trace(op, &path, bytes, outcome.as_ref().err());
            moving(&state).await;
            if done > disk.world.now() {
                disk.world.sleep_until(done).await;
            }
            turn.answer(outcome).await
        }
    }

    /// Like [`SimDisk::operate`], but the change happens at the end: what is made durable is durable only then.
    fn operate_late<T: 'static>(
        &self,
        op: DiskOp,
        path: &str,
        change: impl FnOnce(&mut DiskState) -> io::Result<T> + 'static,
    ) -> impl Future<Output = io::Result<T>> + 'static {
        let (disk, path) = (self.clone(), store::normalise(path));
        async move {
            let state = disk.state();
            let turn = state.borrow_mut().next_turn();
            if turn == Turn::Ignored {
                return std::future::pending().await;
            }
            let now = disk.world.now();
            let done = state.borrow().faults.done_at(op, 0, now);
            disk.world.sleep_until(done).await;
            moving(&state).await;
            let outcome = {
                let mut state = state.borrow_mut();
                state.faults.verdict(op, &path).and_then(|()| change(&mut state))
            };
            disk.trace(op, &path, 0, outcome.as_ref().err());
            turn.answer(outcome).await
        }
    }

    fn trace(&self, op: DiskOp, path: &str, bytes: usize, error: Option<&io::Error>) {
        let mut state = self.world.state();
        match error {
            None => state.mention(self.machine, format_args!("disk {op} {path} {bytes}b")),
            Some(error) => state.mention(self.machine, format_args!("disk {op} {path} {bytes}b: {error}")),
        }
    }
}

/// Returns when the disk does not stand still.
async fn moving(state: &RefCell<DiskState>) {
    poll_fn(|context| state.borrow_mut().poll_moving(context.waker())).await;
}

impl Turn {
    /// The outcome, or nothing, for ever.
    async fn answer<T>(self, outcome: io::Result<T>) -> io::Result<T> {
        match self {
            Turn::Answered => outcome,
            Turn::Unanswered | Turn::Ignored => std::future::pending().await,
        }
    }
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open(&self, path: &str, mode: OpenMode) -> impl Future<Output = io::Result<SimFile>> + 'static {
        let (disk, name) = (self.clone(), store::normalise(path));
        self.operate(DiskOp::Open, path, 0, move |state| {
            let inode = state.open(&name, mode)?;
            Ok(SimFile { disk, path: name.into(), inode })
        })
    }

    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let (source, target) = (store::normalise(from), store::normalise(to));
        self.operate(DiskOp::Rename, from, 0, move |state| state.rename(&source, &target))
    }

    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let name = store::normalise(path);
        self.operate(DiskOp::Remove, path, 0, move |state| state.remove(&name))
    }

    fn create_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let name = store::normalise(path);
        self.operate(DiskOp::CreateDir, path, 0, move |state| state.create_dir(&name))
    }

    fn list(&self, path: &str) -> impl Future<Output = io::Result<Vec<String>>> + 'static {
        let name = store::normalise(path);
        self.operate(DiskOp::List, path, 0, move |state| state.list(&name))
    }

    fn sync_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let name = store::normalise(path);
        self.operate_late(DiskOp::SyncDir, path, move |state| state.sync_dir(&name))
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        let inode = Rc::clone(&self.inode);
        self.disk.operate(DiskOp::Len, &self.path, 0, move |_| Ok(inode.borrow().len()))
    }

    fn read(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Bytes>> + 'static {
        let inode = Rc::clone(&self.inode);
        self.disk.operate(DiskOp::Read, &self.path, len, move |_| Ok(inode.borrow().read(offset, len)))
    }

    fn append(&self, data: Bytes) -> impl Future<Output = io::Result<()>> + 'static {
        let inode = Rc::clone(&self.inode);
        let (len, path) = (data.len(), Rc::clone(&self.path));
        self.disk.operate(DiskOp::Append, &self.path, len, move |state| {
            if let Err(failure) = state.faults.verdict(DiskOp::Append, &path) {
                let written = state.written_of_failing(data.len());
                inode.borrow_mut().append(&data[..written]);
                state.grow(written);
                return Err(failure);
            }
            let data = state.faults.as_kept(&path, data);
            let written = state.faults.room(data.len(), state.bytes_used());
            inode.borrow_mut().append(&data[..written]);
            state.grow(written);
            if written < data.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        })
    }

    fn truncate(&self, len: u64) -> impl Future<Output = io::Result<()>> + 'static {
        let inode = Rc::clone(&self.inode);
        self.disk.operate(DiskOp::Truncate, &self.path, 0, move |state| {
            let shrunk = inode.borrow_mut().truncate(len);
            state.shrink(shrunk);
            Ok(())
        })
    }

    fn sync(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let inode = Rc::clone(&self.inode);
        self.disk.operate_late(DiskOp::Sync, &self.path, move |state| {
            if !state.faults.lies_about_sync() {
                inode.borrow_mut().sync();
            }
            Ok(())
        })
    }
}

/// What a disk takes for one operation when nothing else is said.
pub(crate) fn usual_latency(op: DiskOp) -> Nanos {
    match op {
        DiskOp::Sync | DiskOp::SyncDir => Nanos::from_micros(500),
        // The page cache answers at once.
        _ => Nanos::ZERO,
    }
}
