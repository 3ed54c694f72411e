//! The persistence section of INFO.

use std::fmt::Write;

use squall_commands::Engine;

use super::Persistence;
use super::save::SaveFor;
use crate::replication::Incoming;

impl Persistence {
    /// `incoming` is a primary's dataset that comes in now.
    pub fn info(&self, engine: &Engine, incoming: Option<Incoming>, text: &mut String) {
        let background = self.saving.as_ref().filter(|save| save.purpose == SaveFor::Background);
        let seconds = |value: Option<u64>| value.map_or("-1".to_string(), |seconds| seconds.to_string());
        let running = background.map(|save| engine.now.mono.since(save.started).as_secs());
        let status = if self.last_save_ok { "ok" } else { "err" };
        let lines: [(&str, String); 18] = [
            ("loading", u8::from(engine.loading).to_string()),
            ("async_loading", u8::from(incoming.is_some() && !engine.loading).to_string()),
            ("current_cow_peak", "0".to_string()),
            ("current_cow_size", "0".to_string()),
            ("current_cow_size_age", "0".to_string()),
            ("current_fork_perc", "0.00".to_string()),
            ("current_save_keys_processed", "0".to_string()),
            ("current_save_keys_total", "0".to_string()),
            ("rdb_changes_since_last_save", engine.dirty.to_string()),
            ("rdb_bgsave_in_progress", u8::from(background.is_some()).to_string()),
            ("rdb_last_save_time", (self.last_save.0 / 1_000).to_string()),
            ("rdb_last_bgsave_status", status.to_string()),
            ("rdb_last_bgsave_time_sec", seconds(self.last_save_seconds)),
            ("rdb_current_bgsave_time_sec", seconds(running)),
            ("rdb_saves", self.saves.to_string()),
            ("rdb_last_cow_size", "0".to_string()),
            ("rdb_last_load_keys_expired", self.last_load.1.to_string()),
            ("rdb_last_load_keys_loaded", self.last_load.0.to_string()),
        ];
        for (field, value) in lines {
            let _ = write!(text, "{field}:{value}\r\n");
        }
        self.log.info(text, engine.now.mono);
        text.push_str("module_fork_in_progress:0\r\nmodule_fork_last_cow_size:0\r\n");
        self.log.info_of_writing(text);
        if engine.loading || incoming.is_some() {
            self.info_of_loading(engine, incoming, text);
        }
    }

    fn info_of_loading(&self, engine: &Engine, incoming: Option<Incoming>, text: &mut String) {
        let of_log = self.log_loading.as_ref().map(|load| load.progress());
        let of_file = || self.loading.as_ref().map(|load| load.progress());
        let (since, read, size) = match incoming {
            Some(Incoming { since, received_bytes, length_bytes }) => {
                (since, received_bytes, length_bytes.unwrap_or(0))
            }
            None => {
                let (read, size) = of_log.or_else(of_file).unwrap_or((0, 0));
                (self.loading_since, read, size)
            }
        };
        let percent = if size == 0 { 0.0 } else { read as f64 * 100.0 / size as f64 };
        let elapsed = engine.now.unix_ms().0.saturating_sub(since.0) / 1_000;
        let eta = elapsed.saturating_mul(size.saturating_sub(read)).checked_div(read).unwrap_or(1);
        let _ = write!(text, "loading_start_time:{}\r\n", since.0 / 1_000);
        let _ = write!(text, "loading_total_bytes:{size}\r\nloading_rdb_used_mem:0\r\n");
        let _ = write!(text, "loading_loaded_bytes:{read}\r\nloading_loaded_perc:{percent:.2}\r\n");
        let _ = write!(text, "loading_eta_seconds:{eta}\r\n");
    }
}
