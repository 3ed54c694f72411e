//! An append-only file and its manifest, as a disk, another server or a stranger left them: a server that starts on
//! them refuses them and leaves them as they are, or serves what they say; it never panics. The first byte of the
//! input says whether the manifest is the input's, too (up to its first NUL), and what may be cut off at the end.
#![no_main]

use std::collections::BTreeMap;
use std::io::ErrorKind;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use squall_clock::{Mono, Now};
use squall_node::check::{FileCheck, FileKind, files_of_manifest};
use squall_node::{
    Config, DiskDone, DiskError, DiskOp, DiskResult, Effect, Environment, FileId, Node, NodeOptions, OpenFor,
};

const MANIFEST: &[u8] = b"file appendonly.aof.1.incr.aof seq 1 type i\n";
const NOW: Now = Now { mono: Mono(1_000_000_000), unix_us: 1_700_000_000_000_000 };
/// A server that has not made up its mind after so many requests never does.
const REQUESTS_MAX: usize = 10_000;

#[derive(Default)]
struct Disk {
    files: BTreeMap<String, Vec<u8>>,
    open: BTreeMap<FileId, String>,
}

fuzz_target!(|data: &[u8]| {
    let Some((&choice, bytes)) = data.split_first() else { return };
    let nul = bytes.iter().position(|&byte| byte == 0).filter(|_| choice & 1 == 1);
    let (manifest, log) = nul.map_or((MANIFEST, bytes), |at| (&bytes[..at], &bytes[at + 1..]));
    let _ = files_of_manifest(manifest);
    let mut check = FileCheck::begin(FileKind::Log);
    check.take(FileKind::Log, log);
    check.finish(log.len() as u64);

    let mut disk = Disk::default();
    disk.files.insert("appendonlydir/appendonly.aof.manifest".to_owned(), manifest.to_vec());
    disk.files.insert("appendonlydir/appendonly.aof.1.incr.aof".to_owned(), log.to_vec());
    let before = disk.files.clone();
    let yes_or_no = |bit: u8| if choice & bit == 0 { "no" } else { "yes" };
    let corrupt = if choice & 4 == 0 { "0" } else { "64kb" };
    let words = ["--appendonly", "yes", "--aof-load-truncated", yes_or_no(2)];
    let words = words.into_iter().chain(["--aof-load-corrupt-tail-max-size", corrupt]).map(str::to_owned);
    if !disk.start(words.collect()) {
        assert_eq!(disk.files, before, "what is refused is left as it is");
    }
});

impl Disk {
    /// Starts a server on this disk; false where it ends instead.
    fn start(&mut self, words: Vec<String>) -> bool {
        let config = Config::from_command_line(&words, &mut |path| Err(format!("no file {path}")));
        let config = config.expect("the settings are right");
        let mut node = Node::new(NodeOptions { config, seed: [7; 32], environment: Environment::default() }, NOW);
        for _ in 0..REQUESTS_MAX {
            match node.poll_effect() {
                Some(Effect::Exit { .. }) => return false,
                Some(Effect::Disk(request)) => {
                    let done = DiskDone { ticket: request.ticket, result: self.perform(request.op) };
                    node.disk_done(done, NOW);
                }
                Some(_) => {}
                None if node.poll_timeout().is_some_and(|due| due <= NOW.mono) => node.timeout(NOW),
                None => return true,
            }
        }
        panic!("it neither starts nor ends");
    }

    fn perform(&mut self, op: DiskOp) -> Result<DiskResult, DiskError> {
        let missing = || DiskError { kind: ErrorKind::NotFound, message: "No such file".to_owned() };
        match op {
            DiskOp::Open { path, mode: OpenFor::Reading, .. } if !self.files.contains_key(&path) => {
                return Err(missing());
            }
            DiskOp::Open { file, path, mode } => {
                let content = self.files.entry(path.clone()).or_default();
                if mode == OpenFor::Replacing {
                    content.clear();
                }
                self.open.insert(file, path);
            }
            DiskOp::Len { file } => return Ok(DiskResult::Len(self.file(file).len() as u64)),
            DiskOp::Read { file, offset, len } => {
                let rest = self.file(file).get(offset as usize..).unwrap_or_default();
                return Ok(DiskResult::Bytes(Bytes::copy_from_slice(&rest[..len.min(rest.len())])));
            }
            DiskOp::Append { file, data } => self.file(file).extend_from_slice(&data),
            DiskOp::Truncate { file, len } => self.file(file).truncate(len as usize),
            DiskOp::Rename { from, to } => {
                let content = self.files.remove(&from).ok_or_else(missing)?;
                self.files.insert(to, content);
            }
            DiskOp::Remove { path } => _ = self.files.remove(&path).ok_or_else(missing)?,
            DiskOp::List { .. } => return Ok(DiskResult::Names(self.files.keys().cloned().collect())),
            DiskOp::Close { .. } | DiskOp::Sync { .. } | DiskOp::CreateDir { .. } | DiskOp::SyncDir { .. } => {}
        }
        Ok(DiskResult::Unit)
    }

    fn file(&mut self, file: FileId) -> &mut Vec<u8> {
        let path = self.open.get(&file).expect("the file is open");
        self.files.get_mut(path).expect("an open file exists")
    }
}
