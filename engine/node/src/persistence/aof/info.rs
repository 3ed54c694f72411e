//! What INFO's persistence section says about the log.

use std::fmt::Write;

use squall_clock::Mono;

use super::AppendLog;
use super::writer::Writer;

impl AppendLog {
    /// What waits to be written.
    pub fn pending_bytes(&self) -> u64 {
        self.writer.as_ref().map_or(0, |writer| writer.pending_bytes() as u64)
    }

    /// Appends the lines that are there in any case.
    pub fn info(&self, text: &mut String, now: Mono) {
        let seconds = |value: Option<u64>| value.map_or("-1".to_owned(), |seconds| seconds.to_string());
        let running = self.rewrite.as_ref().map(|rewrite| now.since(rewrite.started).as_secs());
        let status = |ok: bool| if ok { "ok" } else { "err" }.to_owned();
        let lines: [(&str, String); 9] = [
            ("aof_enabled", u8::from(self.wanted).to_string()),
            ("aof_rewrite_in_progress", u8::from(self.rewrite.is_some()).to_string()),
            ("aof_rewrite_scheduled", u8::from(self.scheduled).to_string()),
            ("aof_last_rewrite_time_sec", seconds(self.facts.last_rewrite_seconds)),
            ("aof_current_rewrite_time_sec", seconds(running)),
            ("aof_last_bgrewrite_status", status(self.facts.last_rewrite_ok)),
            ("aof_rewrites", self.facts.rewrites.to_string()),
            ("aof_last_write_status", status(self.refusal().is_none())),
            ("aof_last_cow_size", "0".to_owned()),
        ];
        for (field, value) in lines {
            let _ = write!(text, "{field}:{value}\r\n");
        }
    }

    /// Appends the lines that are there while the log is on.
    pub fn info_of_writing(&self, text: &mut String) {
        if !self.wanted {
            return;
        }
        let of_writer = |fact: fn(&Writer) -> u64| self.writer.as_ref().map_or(0, fact);
        let lines = [
            ("aof_current_size", self.current_bytes()),
            ("aof_base_size", self.facts.base_bytes),
            ("aof_pending_rewrite", u64::from(self.is_beginning())),
            ("aof_buffer_length", self.pending_bytes()),
            ("aof_pending_bio_fsync", of_writer(|writer| u64::from(writer.sync_under_way()))),
            ("aof_delayed_fsync", of_writer(Writer::delayed_syncs)),
        ];
        for (field, value) in lines {
            let _ = write!(text, "{field}:{value}\r\n");
        }
    }
}
