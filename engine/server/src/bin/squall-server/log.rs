//! The log, in the form that Redis's operators and their tools know:
//! `pid:role DD Mon YYYY HH:MM:SS.mmm level message`, in local time, on standard output or in `logfile`.
#![allow(clippy::disallowed_methods, reason = "the log is the process's own file")]

use std::fs::{File, OpenOptions};
use std::io::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use squall_node::LogLevel;
use squall_server::LogLine;

pub struct Log {
    /// Empty: standard output.
    path: String,
    zone: TimeZone,
}

impl Log {
    /// Fails now rather than at the first line.
    pub fn open(path: &str) -> Result<Log, String> {
        let log = Log { path: path.to_owned(), zone: TimeZone::system() };
        if !path.is_empty() {
            log.file().map_err(|error| format!("can't open the log file '{path}': {error}"))?;
        }
        Ok(log)
    }

    /// A line of the server's.
    pub fn write(&self, line: LogLine<'_>) {
        let at = i64::try_from(line.at.unix_us).ok().and_then(|us| Timestamp::from_microsecond(us).ok());
        self.line(at.unwrap_or_default(), line.role, line.level, line.message);
    }

    /// A line of the process's own, before there is a server.
    pub fn say(&self, level: LogLevel, message: &str) {
        self.line(Timestamp::now(), 'M', level, message);
    }

    fn line(&self, at: Timestamp, role: char, level: LogLevel, message: &str) {
        let mark = match level {
            LogLevel::Debug => '.',
            LogLevel::Verbose => '-',
            LogLevel::Notice => '*',
            LogLevel::Warning => '#',
        };
        let time = at.to_zoned(self.zone.clone()).strftime("%d %b %Y %H:%M:%S%.3f").to_string();
        let text = format!("{}:{role} {time} {mark} {message}\n", std::process::id());
        // Nowhere is left to complain to.
        let _ = match self.path.as_str() {
            "" => std::io::stdout().write_all(text.as_bytes()),
            _ => self.file().and_then(|mut file| file.write_all(text.as_bytes())),
        };
    }

    /// Opened for each line, so that the file can be rotated under the server.
    fn file(&self) -> std::io::Result<File> {
        OpenOptions::new().append(true).create(true).open(&self.path)
    }
}
