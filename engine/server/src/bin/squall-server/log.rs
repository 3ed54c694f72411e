//! The log, in the form that Redis's operators and their tools know:
//! `pid:role DD Mon YYYY HH:MM:SS.mmm level message`, in local time, on standard output or in `logfile`.
//! Lines travel as `tracing` events, so that what a library has to say appears among them.
#![allow(clippy::disallowed_methods, reason = "the log is the process's own file")]

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use squall_node::LogLevel;
use squall_server::LogLine;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sets up the log; fails now rather than at the first line. `path`: empty means standard output.
pub fn open(path: &str) -> Result<(), String> {
    if !path.is_empty() {
        log_file(path).map_err(|error| format!("can't open the log file '{path}': {error}"))?;
    }
    let path = path.to_owned();
    tracing_subscriber::fmt()
        .event_format(RedisForm { zone: TimeZone::system() })
        .with_max_level(Level::TRACE)
        .with_writer(move || sink(&path))
        .try_init()
        .map_err(|error| format!("the log cannot be set up: {error}"))
}

/// A line of the server's.
pub fn write(line: LogLine<'_>) {
    emit(line.level, line.role, line.at.unix_us, line.message);
}

/// A line of the process's own, before there is a server.
pub fn say(level: LogLevel, message: &str) {
    let now = u64::try_from(Timestamp::now().as_microsecond()).unwrap_or_default();
    emit(level, 'M', now, message);
}

fn emit(level: LogLevel, role: char, at_us: u64, message: &str) {
    let role = role.to_string();
    match level {
        LogLevel::Debug => tracing::trace!(role, at_us, "{message}"),
        LogLevel::Verbose => tracing::debug!(role, at_us, "{message}"),
        LogLevel::Notice => tracing::info!(role, at_us, "{message}"),
        LogLevel::Warning => tracing::warn!(role, at_us, "{message}"),
    }
}

/// Redis's form of an event. One without a role and a time is a library's.
struct RedisForm {
    zone: TimeZone,
}

/// The fields of an event that the form shows.
#[derive(Default)]
struct Fields {
    role: Option<String>,
    at_us: Option<u64>,
    message: String,
}

impl<S, N> FormatEvent<S, N> for RedisForm
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let told = fields.at_us.and_then(|us| i64::try_from(us).ok());
        let at = told.and_then(|us| Timestamp::from_microsecond(us).ok()).unwrap_or_else(Timestamp::now);
        let time = at.to_zoned(self.zone.clone()).strftime("%d %b %Y %H:%M:%S%.3f").to_string();
        let role = fields.role.as_deref().unwrap_or("X");
        let mark = match *event.metadata().level() {
            Level::TRACE => '.',
            Level::DEBUG => '-',
            Level::INFO => '*',
            Level::WARN | Level::ERROR => '#',
        };
        writeln!(writer, "{}:{role} {time} {mark} {}", std::process::id(), fields.message)
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "role" {
            self.role = Some(value.to_owned());
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "at_us" {
            self.at_us = Some(value);
        }
    }
}

/// Opened for each line, so that the file can be rotated under the server. Where it cannot be, nowhere is
/// left to complain to but standard output.
fn sink(path: &str) -> Box<dyn Write> {
    match path {
        "" => Box::new(io::stdout()),
        path => {
            log_file(path).map_or_else(|_| Box::new(io::stdout()) as Box<dyn Write>, |file| Box::new(file))
        }
    }
}

fn log_file(path: &str) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}
