//! Real files. What may wait for the device runs on the runtime's blocking threads; an append is a plain
//! `write(2)` on the loop's own thread, because the page cache takes it. The order of operations on one
//! file is the caller's: each is awaited before the next.
#![allow(clippy::disallowed_methods, reason = "this is where real files are reached")]

use std::fs::{self, File, OpenOptions};
use std::future::Future;
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use rustix::fd::OwnedFd;
use rustix::fs::{Advice, Mode, OFlags, fadvise, fstat, open};

use crate::{Disk, DiskFile, OpenMode};

/// Of a file that goes, freed at a time: some hundredths of a millisecond of work.
const LET_GO_BYTES: NonZeroU64 = NonZeroU64::new(512 * 1024).expect("more than nothing");

/// The file system, seen from one directory.
#[derive(Clone)]
pub struct RealDisk {
    directory: Arc<PathBuf>,
}

/// An open file.
#[derive(Clone)]
pub struct RealFile {
    file: Arc<File>,
}

impl RealDisk {
    pub(super) fn new(directory: PathBuf) -> RealDisk {
        RealDisk { directory: Arc::new(directory) }
    }

    /// Runs `work`, which reads files below the directory that it gets, where it may wait.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let directory = self.directory.clone();
        blocking(move || work(&directory)).await
    }

    /// `path` as the process must name it; an absolute one stays as it is.
    fn resolve(&self, path: &str) -> PathBuf {
        self.directory.join(path)
    }
}

impl Disk for RealDisk {
    type File = RealFile;

    fn open(&self, path: &str, mode: OpenMode) -> impl Future<Output = io::Result<RealFile>> + 'static {
        let path = self.resolve(path);
        blocking(move || {
            let mut options = OpenOptions::new();
            options.read(true);
            if mode != OpenMode::Read {
                options.append(true).create(true);
            }
            let file = options.open(path)?;
            if mode == OpenMode::Truncate {
                file.set_len(0)?;
            }
            Ok(RealFile { file: Arc::new(file) })
        })
    }

    fn rename(&self, from: &str, to: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let (from, to) = (self.resolve(from), self.resolve(to));
        blocking(move || {
            let replaced = hold(&to);
            fs::rename(from, to)?;
            let_go(replaced);
            Ok(())
        })
    }

    fn remove(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let path = self.resolve(path);
        blocking(move || {
            let removed = hold(&path);
            fs::remove_file(path)?;
            let_go(removed);
            Ok(())
        })
    }

    fn create_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let path = self.resolve(path);
        blocking(move || match fs::create_dir(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            outcome => outcome,
        })
    }

    fn list(&self, path: &str) -> impl Future<Output = io::Result<Vec<String>>> + 'static {
        let path = self.resolve(path);
        blocking(move || {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        })
    }

    fn sync_dir(&self, path: &str) -> impl Future<Output = io::Result<()>> + 'static {
        let path = self.resolve(path);
        blocking(move || File::open(path)?.sync_all())
    }
}

impl DiskFile for RealFile {
    fn len(&self) -> impl Future<Output = io::Result<u64>> + 'static {
        let file = self.file.clone();
        blocking(move || Ok(file.metadata()?.len()))
    }

    fn read(&self, offset: u64, len: usize) -> impl Future<Output = io::Result<Bytes>> + 'static {
        let file = self.file.clone();
        blocking(move || {
            let mut buffer = vec![0; len];
            let mut filled = 0;
            while filled < buffer.len() {
                match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            buffer.truncate(filled);
            Ok(Bytes::from(buffer))
        })
    }

    fn append(&self, data: Bytes) -> impl Future<Output = io::Result<()>> + 'static {
        let file = self.file.clone();
        async move { (&*file).write_all(&data) }
    }

    fn truncate(&self, len: u64) -> impl Future<Output = io::Result<()>> + 'static {
        let file = self.file.clone();
        blocking(move || file.set_len(len))
    }

    fn sync(&self) -> impl Future<Output = io::Result<()>> + 'static {
        let file = self.file.clone();
        blocking(move || file.sync_data())
    }
}

/// Keeps a file that is about to lose its name, so that it does not go at once; nothing where there is none.
fn hold(path: &Path) -> Option<OwnedFd> {
    open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// Has a held file's place in the page cache freed a little at a time. With its last name all of it would be freed at
/// once, some milliseconds for a hundred megabytes, during which the loop's thread gets no time where both share a
/// core. Only the cache goes: who still reads the file, or has it under another name, finds it whole.
fn let_go(held: Option<OwnedFd>) {
    let Some(file) = held else { return };
    tokio::task::spawn_blocking(move || {
        let len = fstat(&file).map_or(0, |stat| stat.st_size as u64);
        for offset in (0..len).step_by(LET_GO_BYTES.get() as usize) {
            // Advice only: where it is not taken, the end of the file is as it would have been.
            let _ = fadvise(&file, offset, Some(LET_GO_BYTES), Advice::DontNeed);
            std::thread::yield_now();
        }
    });
}

/// Runs `work` where it may wait. A panic there is this program's own fault, so it goes on here.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(io::Error::other("the runtime is shutting down")),
        },
    }
}
