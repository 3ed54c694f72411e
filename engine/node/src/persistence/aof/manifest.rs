//! The manifest: which files the append-only file consists of, in which order. Redis 7's format:
//!
//! ```text
//! manifest := line*
//! line     := "file" name "seq" number "type" kind (word word)* \n     or  # anything \n
//! kind     := "b" base, at most one | "i" increment | "h" history: replaced, to be removed
//! ```
//! The dataset is the base, then the increments in order of their numbers. The manifest is only ever
//! replaced as a whole, so the names in it are those of one moment; what it does not name is nobody's data.

use std::fmt;

use bytes::Bytes;
use squall_resp::{ArgRange, split_line};

/// What the manifest names.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Manifest {
    pub base: Option<LogFile>,
    pub increments: Vec<LogFile>,
    pub history: Vec<LogFile>,
}

/// One file, by its name within the directory of the append-only file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogFile {
    pub name: String,
    pub sequence: u64,
}

/// What is wrong with a manifest, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ManifestError {
    /// Counted from 1.
    pub line: usize,
    pub what: &'static str,
}

/// No line is longer.
const LINE_BYTES_MAX: usize = 1024;

impl Manifest {
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        let lines = text.strip_suffix(b"\n").unwrap_or(text).split(|&byte| byte == b'\n');
        for (index, line) in lines.enumerate() {
            let refuse = |what| ManifestError { line: index + 1, what };
            if line.first() != Some(&b'#') {
                manifest.take_line(line).map_err(refuse)?;
            }
        }
        if manifest.base.is_none() && manifest.increments.is_empty() {
            return Err(ManifestError { line: 1, what: "no file is named" });
        }
        Ok(manifest)
    }

    /// The text of the manifest.
    pub fn render(&self) -> Bytes {
        let mut text = String::new();
        let mut put = |file: &LogFile, kind: char| {
            text.push_str(&format!("file {} seq {} type {kind}\n", quoted(&file.name), file.sequence));
        };
        self.base.iter().for_each(|file| put(file, 'b'));
        self.history.iter().for_each(|file| put(file, 'h'));
        self.increments.iter().for_each(|file| put(file, 'i'));
        Bytes::from(text)
    }

    /// The files that hold the dataset, in order.
    pub fn files(&self) -> impl Iterator<Item = &LogFile> {
        self.base.iter().chain(&self.increments)
    }

    /// With one more increment.
    pub fn extended(&self, increment: LogFile) -> Manifest {
        let mut next = self.clone();
        next.increments.push(increment);
        next
    }

    /// With another base, which `increment` goes on from. All that was before is history.
    pub fn rebased(&self, base: LogFile, increment: Option<LogFile>) -> Manifest {
        let replaced = self.files().filter(|file| Some(*file) != increment.as_ref());
        let history = self.history.iter().chain(replaced).cloned().collect();
        Manifest { base: Some(base), increments: increment.into_iter().collect(), history }
    }

    pub fn without_history(&self) -> Manifest {
        Manifest { history: Vec::new(), ..self.clone() }
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), &'static str> {
        if line.len() > LINE_BYTES_MAX {
            return Err("the line is too long");
        }
        let words = words_of(line).ok_or("unbalanced quotes")?;
        if words.len() < 6 || !words.len().is_multiple_of(2) {
            return Err("a line consists of 'file', 'seq' and 'type', each with its value");
        }
        let (mut name, mut sequence, mut kind) = (None, None, None);
        for pair in words.chunks_exact(2) {
            let value = std::str::from_utf8(&pair[1]).map_err(|_| "it is not UTF-8")?;
            match pair[0].to_ascii_lowercase().as_slice() {
                b"file" if value.contains('/') || value.is_empty() => {
                    return Err("a file lies in the same directory");
                }
                b"file" => name = Some(value.to_owned()),
                b"seq" => sequence = value.parse::<u64>().ok().filter(|&number| number > 0),
                b"type" => kind = Some(value.to_owned()),
                // Later versions may say more.
                _ => {}
            }
        }
        let name = name.ok_or("there is no file name")?;
        let sequence = sequence.ok_or("there is no sequence number")?;
        self.add(LogFile { name, sequence }, kind.as_deref())
    }

    fn add(&mut self, file: LogFile, kind: Option<&str>) -> Result<(), &'static str> {
        let last = self.increments.last().map_or(0, |increment| increment.sequence);
        match kind {
            Some("b") if self.base.is_some() => return Err("there is a base already"),
            Some("b") => self.base = Some(file),
            Some("h") => self.history.push(file),
            Some("i") if file.sequence <= last => {
                return Err("the numbers of increments have to grow");
            }
            Some("i") => self.increments.push(file),
            _ => return Err("the type is none of 'b', 'i' and 'h'"),
        }
        Ok(())
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ManifestError {}

fn words_of(line: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut text, mut ranges) = (Vec::new(), Vec::new());
    split_line(line, &mut text, &mut ranges).ok()?;
    Some(
        ranges
            .iter()
            .map(|range: &ArgRange| text[range.start as usize..(range.start + range.len) as usize].to_vec())
            .collect(),
    )
}

/// A name as it stands in a line: in quotes where it would not be read as one word otherwise.
fn quoted(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'\\".contains(&byte);
    if name.bytes().all(plain) {
        return name.to_owned();
    }
    let mut text = String::from("\"");
    for byte in name.bytes() {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            byte if byte.is_ascii_graphic() || byte == b' ' => text.push(char::from(byte)),
            byte => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, String> {
        Manifest::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    /// What redis-server 7.0 writes after a rewrite.
    #[test]
    fn a_manifest_of_redis_is_read_and_written_back() {
        let text = "file appendonly.aof.2.base.rdb seq 2 type b\n\
                    file appendonly.aof.1.base.rdb seq 1 type h\n\
                    file appendonly.aof.1.incr.aof seq 1 type h\n\
                    file appendonly.aof.2.incr.aof seq 2 type i\n\
                    file appendonly.aof.3.incr.aof seq 3 type i\n";
        let manifest = parse(text).unwrap();
        assert_eq!(manifest.files().map(|file| file.sequence).collect::<Vec<_>>(), [2, 2, 3]);
        assert_eq!(manifest.render(), text);
        let noted = format!("# a note\n{}", text.replace("type i\n", "type i startoffset 77\n"));
        assert_eq!(parse(&noted).unwrap(), manifest);
        assert_eq!(parse(text.trim_end()).unwrap(), manifest);
    }

    #[test]
    fn names_with_blanks_are_quoted() {
        let name = "a \"b\\ \u{e9}".to_owned();
        let manifest = Manifest { base: Some(LogFile { name, sequence: 1 }), ..Manifest::default() };
        assert_eq!(Manifest::parse(&manifest.render()).unwrap(), manifest);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let good = "file a.1.base.rdb seq 1 type b\n";
        for (line, what) in [
            ("file b seq 2 type b", "line 2: there is a base already"),
            ("file ../b seq 2 type i", "line 2: a file lies in the same directory"),
            ("file b seq 0 type i", "line 2: there is no sequence number"),
            ("file b seq 1 type x", "line 2: the type is none of 'b', 'i' and 'h'"),
            ("file b seq 1", "line 2: a line consists of 'file', 'seq' and 'type', each with its value"),
            ("", "line 2: a line consists of 'file', 'seq' and 'type', each with its value"),
            ("file \"b seq 1 type i", "line 2: unbalanced quotes"),
        ] {
            assert_eq!(parse(&format!("{good}{line}\n")).unwrap_err(), what, "{line}");
        }
        assert_eq!(parse("# only this\n").unwrap_err(), "line 1: no file is named");
        let backwards = "file b seq 2 type i\nfile a seq 1 type i\n";
        assert_eq!(parse(backwards).unwrap_err(), "line 2: the numbers of increments have to grow");
    }

    #[test]
    fn a_rewrite_turns_what_was_into_history() {
        let file = |name: &str, sequence| LogFile { name: name.to_owned(), sequence };
        let begun = Manifest::default().rebased(file("base1", 1), Some(file("one", 1)));
        let rewritten = begun.extended(file("two", 2)).rebased(file("base2", 2), Some(file("two", 2)));
        assert_eq!(
            String::from_utf8_lossy(&rewritten.render()),
            "file base2 seq 2 type b\nfile base1 seq 1 type h\nfile one seq 1 type h\nfile two seq 2 type i\n"
        );
        assert_eq!(rewritten.without_history().files().count(), 2);
    }
}
