//! Whether files of a dataset are whole, found out with the eyes of the server that would load them, and
//! without one: `--check-rdb` and `--check-aof`. The caller reads the files, a piece at a time.

use bytes::{Buf, BytesMut};
use squall_store::rdb::{LoadOptions, Loader, Loading};
use squall_store::recency::Recency;
use squall_store::{Keyspace, Partitioning};

use super::aof::{Item, Manifest, Scanned, Scanner};

/// No configuration has more databases; a file may use all of them.
const DATABASES_MAX: usize = 1 << 14;

/// One file being checked: an RDB file, commands, or the one followed by the other.
pub struct FileCheck {
    input: BytesMut,
    content: Content,
    read_bytes: u64,
    keys: u64,
    commands: u64,
    /// Where the transaction begins that is open, and the last place at which none is.
    unit: Option<u64>,
    /// Bytes from the front that are whole units.
    whole_bytes: u64,
    fault: Option<String>,
}

enum Content {
    Unknown,
    Dataset {
        loader: Box<Loader>,
        entries: Box<Keyspace>,
    },
    Commands(Box<Scanner>),
    /// An RDB file that is complete, where nothing may follow.
    Ended,
}

/// What a file is like.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileReport {
    pub keys: u64,
    pub commands: u64,
    pub size_bytes: u64,
    /// From the front, as far as it can be loaded.
    pub whole_bytes: u64,
    /// What is wrong behind that.
    pub fault: Option<String>,
}

/// What a file is checked as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileKind {
    Rdb,
    Log,
}

impl FileCheck {
    pub fn begin(kind: FileKind) -> FileCheck {
        let content = match kind {
            FileKind::Rdb => dataset(),
            FileKind::Log => Content::Unknown,
        };
        FileCheck {
            input: BytesMut::new(),
            content,
            read_bytes: 0,
            keys: 0,
            commands: 0,
            unit: None,
            whole_bytes: 0,
            fault: None,
        }
    }

    /// The next bytes of the file. False when more of it cannot tell more.
    pub fn take(&mut self, kind: FileKind, bytes: &[u8]) -> bool {
        self.read_bytes += bytes.len() as u64;
        if self.fault.is_none() {
            self.input.extend_from_slice(bytes);
            self.read_dataset(kind);
            self.read_commands();
        }
        self.fault.is_none()
    }

    /// The file ends. `size_bytes` is its whole length.
    pub fn finish(mut self, size_bytes: u64) -> FileReport {
        if self.fault.is_none() {
            self.fault = match &self.content {
                Content::Dataset { loader, .. } => Some(loader.truncated().to_string()),
                Content::Ended if !self.input.is_empty() => {
                    Some(format!("more follows the end at byte {}", self.whole_bytes))
                }
                _ if self.whole_bytes < size_bytes => {
                    let what = if self.unit.is_some() { "transaction" } else { "command" };
                    Some(format!("it ends within the {what} at byte {}", self.whole_bytes))
                }
                _ => None,
            };
        }
        FileReport {
            keys: self.keys,
            commands: self.commands,
            size_bytes,
            whole_bytes: self.whole_bytes,
            fault: self.fault,
        }
    }

    fn read_dataset(&mut self, kind: FileKind) {
        if matches!(self.content, Content::Unknown) && self.input.len() >= b"VALKEY".len() {
            let begins = self.input.starts_with(b"REDIS") || self.input.starts_with(b"VALKEY");
            self.content =
                if begins { dataset() } else { Content::Commands(Box::new(Scanner::starting_at(0))) };
        }
        let Content::Dataset { loader, entries } = &mut self.content else { return };
        match loader.feed(&mut self.input, entries) {
            Ok(Loading::NeedMore) => drop(entries.flush_all()),
            Ok(Loading::Done(loaded)) => {
                self.keys = loaded.keys;
                self.whole_bytes = loader.offset();
                self.content = match kind {
                    FileKind::Rdb => Content::Ended,
                    FileKind::Log => Content::Commands(Box::new(Scanner::starting_at(loader.offset()))),
                };
            }
            Err(error) => self.fault = Some(error.to_string()),
        }
    }

    fn read_commands(&mut self) {
        let Content::Commands(scanner) = &mut self.content else { return };
        let mut passed = 0;
        loop {
            let rest = &self.input[passed..];
            match scanner.look(rest) {
                Ok(Scanned::Incomplete) => break,
                Ok(Scanned::Item { item, len }) => {
                    if item == Item::Command {
                        self.commands += 1;
                        let name = scanner.args(rest).at(0);
                        if name.eq_ignore_ascii_case(b"multi") {
                            self.unit = Some(scanner.offset());
                        } else if name.eq_ignore_ascii_case(b"exec") {
                            self.unit = None;
                        }
                    }
                    scanner.pass(item, &rest[..len]);
                    passed += len;
                    if self.unit.is_none() {
                        self.whole_bytes = scanner.offset();
                    }
                }
                Err(damage) => {
                    // What does not match its checksum has been counted as whole.
                    self.whole_bytes = self.whole_bytes.min(damage.offset);
                    self.fault = Some(damage.to_string());
                    break;
                }
            }
        }
        self.input.advance(passed);
    }
}

/// The files that a manifest names, in order; an error says what is wrong with it.
pub fn files_of_manifest(text: &[u8]) -> Result<Vec<String>, String> {
    let manifest = Manifest::parse(text).map_err(|error| error.to_string())?;
    Ok(manifest.files().map(|file| file.name.clone()).collect())
}

fn dataset() -> Content {
    let options = LoadOptions { drop_expired_at: None, verify_checksum: true, recency: Recency::Untold };
    Content::Dataset {
        loader: Box::new(Loader::new(options)),
        entries: Box::new(Keyspace::new(DATABASES_MAX, 0, Partitioning::ByHash)),
    }
}
