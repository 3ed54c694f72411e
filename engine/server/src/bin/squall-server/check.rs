//! `squall-server --check-rdb FILE` and `--check-aof [--fix] FILE|MANIFEST`: what a server would say to these
//! files, without one. `--fix` cuts off what cannot be loaded at the end of the last file; what it cuts off
//! is kept beside it.
#![allow(clippy::disallowed_methods, reason = "files are checked without a host")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use squall_node::check::{FileCheck, FileKind, FileReport, files_of_manifest};

const CHUNK_BYTES: usize = 1 << 20;

/// What is to be checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    pub kind: FileKind,
    pub path: PathBuf,
    pub fix: bool,
}

/// Says what it finds; true where all of it can be loaded, at least now.
pub fn run(task: &Task) -> Result<bool, String> {
    let files = match task.kind {
        FileKind::Rdb => vec![task.path.clone()],
        FileKind::Log => files_of_log(&task.path)?,
    };
    for (index, path) in files.iter().enumerate() {
        let complain = |error: io::Error| format!("{}: {error}", path.display());
        let report = check(task.kind, path).map_err(complain)?;
        println!("{}", told(path, &report));
        if report.fault.is_none() {
            continue;
        }
        // What follows was written later: without this it has nothing to follow.
        let later: Vec<&PathBuf> = files[index + 1..].iter().filter(|path| !is_empty(path)).collect();
        if let Some(later) = later.first() {
            println!(
                "{}: it is not the last file, {} follows. It can't be cut.",
                path.display(),
                later.display()
            );
            return Ok(false);
        }
        if !task.fix {
            return Ok(false);
        }
        let kept = cut(path, &report).map_err(complain)?;
        let cut_bytes = report.size_bytes - report.whole_bytes;
        println!("{}: cut off {cut_bytes} bytes, kept in {}", path.display(), kept.display());
    }
    Ok(true)
}

/// The files of a manifest, or the file itself.
fn files_of_log(path: &Path) -> Result<Vec<PathBuf>, String> {
    let complain = |what: String| format!("{}: {what}", path.display());
    let mut front = Vec::new();
    let file = File::open(path).map_err(|error| complain(error.to_string()))?;
    file.take(5).read_to_end(&mut front).map_err(|error| complain(error.to_string()))?;
    let is_manifest = front == b"file " || path.extension().is_some_and(|extension| extension == "manifest");
    if !is_manifest {
        return Ok(vec![path.to_owned()]);
    }
    let text = fs::read(path).map_err(|error| complain(error.to_string()))?;
    let names = files_of_manifest(&text).map_err(complain)?;
    println!("{}: names {} files", path.display(), names.len());
    Ok(names.iter().map(|name| path.with_file_name(name)).collect())
}

fn check(kind: FileKind, path: &Path) -> io::Result<FileReport> {
    let mut file = File::open(path)?;
    let size_bytes = file.metadata()?.len();
    let mut check = FileCheck::begin(kind);
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 || !check.take(kind, &chunk[..count]) {
            return Ok(check.finish(size_bytes));
        }
    }
}

fn told(path: &Path, report: &FileReport) -> String {
    let FileReport { keys, commands, size_bytes, whole_bytes, fault } = report;
    let held = match (*keys, *commands) {
        (keys, 0) => format!("{keys} keys"),
        (0, commands) => format!("{commands} commands"),
        (keys, commands) => format!("{keys} keys and {commands} commands"),
    };
    match fault {
        None => format!("{}: {held} in {size_bytes} bytes, whole", path.display()),
        Some(fault) => format!(
            "{}: {fault}. {held} can be loaded from the {whole_bytes} bytes before; {} bytes can't.",
            path.display(),
            size_bytes - whole_bytes
        ),
    }
}

fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|facts| facts.len() == 0)
}

/// Keeps the end of the file in another one, then cuts it off; both durably.
fn cut(path: &Path, report: &FileReport) -> io::Result<PathBuf> {
    let mut kept = path.as_os_str().to_owned();
    kept.push(format!(".cut-at-{}", report.whole_bytes));
    let kept = PathBuf::from(kept);
    let mut file = OpenOptions::new().read(true).write(true).open(path)?;
    file.seek(SeekFrom::Start(report.whole_bytes))?;
    let mut copy = File::create(&kept)?;
    io::copy(&mut file, &mut copy)?;
    copy.sync_all()?;
    file.set_len(report.whole_bytes)?;
    file.sync_all()?;
    Ok(kept)
}
