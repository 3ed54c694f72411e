//! nodes.conf on the disk: read once, then replaced as a whole each time that the machine wants it kept.

use std::io::ErrorKind;

use bytes::Bytes;

use crate::effect::{DiskDone, Effects, Lane};
use crate::whole_file::{Reading, Replacement};

pub(super) struct ConfFile {
    path: String,
    reading: Option<Reading>,
    writing: Option<(u64, Replacement)>,
}

pub(super) enum FileOutcome {
    Going,
    /// None: there is no file yet.
    Read(Option<String>),
    Unreadable(String),
    Written(u64),
    NotWritten(u64, String),
}

impl ConfFile {
    pub fn at(path: String) -> ConfFile {
        ConfFile { path, reading: None, writing: None }
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.owns(ticket))
            || self.writing.as_ref().is_some_and(|(_, writing)| writing.owns(ticket))
    }

    pub fn start_reading(&mut self, effects: &mut Effects) {
        self.reading = Some(Reading::begin(effects, Lane::Meta, &self.path));
    }

    /// Begins to replace the file. One text is written at a time.
    pub fn write(&mut self, effects: &mut Effects, generation: u64, text: String) {
        assert!(self.writing.is_none(), "one text is written at a time");
        let replacement = Replacement::begin(effects, Lane::Meta, self.path.clone(), Bytes::from(text));
        self.writing = Some((generation, replacement));
    }

    pub fn advance(&mut self, effects: &mut Effects, done: DiskDone) -> FileOutcome {
        if let Some(reading) = &mut self.reading {
            return match reading.advance(effects, done) {
                None => FileOutcome::Going,
                Some(result) => {
                    self.reading = None;
                    match result.map(|text| String::from_utf8(text.into())) {
                        Ok(Ok(text)) => FileOutcome::Read(Some(text)),
                        Ok(Err(_)) => FileOutcome::Unreadable("it is not text".to_owned()),
                        Err(error) if error.kind == ErrorKind::NotFound => FileOutcome::Read(None),
                        Err(error) => FileOutcome::Unreadable(error.message),
                    }
                }
            };
        }
        let Some((generation, writing)) = &mut self.writing else { return FileOutcome::Going };
        let generation = *generation;
        match writing.advance(effects, done) {
            None => FileOutcome::Going,
            Some(result) => {
                self.writing = None;
                match result {
                    Ok(()) => FileOutcome::Written(generation),
                    Err(error) => FileOutcome::NotWritten(generation, error.message),
                }
            }
        }
    }
}
