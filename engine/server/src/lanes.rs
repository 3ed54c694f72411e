//! The node's disk operations: a task for each lane, which runs the lane's operations one after another.
//! The lanes share the open files.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::rc::Rc;

use squall_net::{Disk, DiskFile, Host, OpenMode};
use squall_node::{DiskDone, DiskError, DiskOp, DiskRequest, DiskResult, FileId, Lane, OpenFor};

use crate::doorbell::Doorbell;
use crate::shell::Shell;

type File<H> = <<H as Host>::Disk as Disk>::File;

pub(crate) struct Lanes<H: Host> {
    queues: BTreeMap<Lane, Queue>,
    files: RefCell<BTreeMap<FileId, File<H>>>,
}

#[derive(Default)]
struct Queue {
    requests: RefCell<VecDeque<DiskRequest>>,
    bell: Doorbell,
}

impl<H: Host> Default for Lanes<H> {
    fn default() -> Lanes<H> {
        let lanes = [Lane::Load, Lane::Snapshot, Lane::SnapshotSync, Lane::Log, Lane::LogSync, Lane::Meta];
        let queues = lanes.into_iter().map(|lane| (lane, Queue::default())).collect();
        Lanes { queues, files: RefCell::default() }
    }
}

impl<H: Host> Lanes<H> {
    pub fn request(&self, request: DiskRequest) {
        let queue = &self.queues[&request.lane];
        queue.requests.borrow_mut().push_back(request);
        queue.bell.ring();
    }

    fn file(&self, id: FileId) -> io::Result<File<H>> {
        let open = self.files.borrow().get(&id).cloned();
        open.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the file is not open"))
    }
}

pub(crate) fn start<H: Host>(shell: &Rc<Shell<H>>) {
    for lane in shell.lanes.queues.keys() {
        shell.host.spawn(run(shell.clone(), *lane));
    }
}

async fn run<H: Host>(shell: Rc<Shell<H>>, lane: Lane) {
    let queue = &shell.lanes.queues[&lane];
    loop {
        let request = queue.requests.borrow_mut().pop_front();
        let Some(DiskRequest { ticket, op, .. }) = request else {
            queue.bell.heard().await;
            continue;
        };
        let result = perform(&shell.host, &shell.lanes, op)
            .await
            .map_err(|error| DiskError { kind: error.kind(), message: error.to_string() });
        shell.turn_when_served(|node, now| node.disk_done(DiskDone { ticket, result }, now)).await;
        // An operation may be done at once, and the node may go on with the next one: not at the cost of the rest.
        shell.host.yield_now().await;
    }
}

async fn perform<H: Host>(host: &H, lanes: &Lanes<H>, op: DiskOp) -> io::Result<DiskResult> {
    let disk = host.disk();
    match op {
        DiskOp::Open { file, path, mode } => {
            let mode = match mode {
                OpenFor::Reading => OpenMode::Read,
                OpenFor::Appending => OpenMode::Append,
                OpenFor::Replacing => OpenMode::Truncate,
            };
            let opened = disk.open(&path, mode).await?;
            lanes.files.borrow_mut().insert(file, opened);
        }
        DiskOp::Len { file } => return Ok(DiskResult::Len(lanes.file(file)?.len().await?)),
        DiskOp::Read { file, offset, len } => {
            return Ok(DiskResult::Bytes(lanes.file(file)?.read(offset, len).await?));
        }
        DiskOp::Append { file, data } => lanes.file(file)?.append(data).await?,
        DiskOp::Truncate { file, len } => lanes.file(file)?.truncate(len).await?,
        DiskOp::Sync { file } => lanes.file(file)?.sync().await?,
        DiskOp::Close { file } => {
            lanes.files.borrow_mut().remove(&file);
        }
        DiskOp::Rename { from, to } => disk.rename(&from, &to).await?,
        DiskOp::Remove { path } => disk.remove(&path).await?,
        DiskOp::List { path } => return Ok(DiskResult::Names(disk.list(&path).await?)),
        DiskOp::CreateDir { path } => disk.create_dir(&path).await?,
        DiskOp::SyncDir { path } => disk.sync_dir(&path).await?,
    }
    Ok(DiskResult::Unit)
}
