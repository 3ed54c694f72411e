//! What is wrong at the end of a file, and what is done about it.
//!
//! A loss of power leaves of what was not synced a beginning, zeros, garbage, or all of that with whole groups
//! behind it; of what was synced it takes nothing. Each group tells how much of the file was durable when it was
//! written (see `annotation`), so damage behind that is cut off with all that follows, where `aof-load-truncated`
//! allows it; damage before it is no power's doing, and is refused. Nothing of a damaged group stays.
//!
//! Where others wrote the file's end nobody tells how much was durable: a command or a transaction that breaks off
//! and zeros are cut off there, other bytes where there are no more of them than `aof-load-corrupt-tail-max-size`,
//! and nothing that whole commands follow. In no case is anything cut off that another file with content follows.

use super::super::scanner::{begins_with_whole_group, holds_whole_command, last_synced_bytes};
use super::*;

/// The rest of a damaged file, as it is read.
pub(super) struct Judging {
    ticket: u64,
    damage: Damage,
    /// Where it would be cut off, and from where on it is read: a group or a transaction goes as a whole.
    from: u64,
    /// A command that could not be executed: where its group is as it was written, that is the reason to fail.
    refusal: Option<String>,
}

impl Judging {
    pub fn owns(&self, ticket: u64) -> bool {
        self.ticket == ticket
    }
}

/// A longer rest is no torn end.
const TAIL_BYTES_MAX: u64 = 64 * 1024 * 1024;

impl LogLoad {
    /// The file ends within a command or a transaction of others, which begins at `unit`.
    pub(super) fn judge_truncated(&mut self, services: &mut Services, unit: u64) -> Option<LogLoaded> {
        let path = self.sources[self.current].path.clone();
        let what = format!("it ends within the command or transaction at byte {unit}");
        if !self.is_last_with_content() || holds_whole_command(&self.input) {
            return self.fail(&mut services.effects, &path, &format!("{what}, and more follows"));
        }
        if !self.replay.tail_limits().truncated {
            return self.fail(&mut services.effects, &path, &format!("{what}; {ADVICE}"));
        }
        services.effects.warning(format!(
            "{path}: {what}. Nothing of it is executed; it is cut off ({} bytes).",
            self.offset - unit
        ));
        self.replay.forget_unfinished();
        self.cut(services, unit, Then::OpenLast)
    }

    /// A command cannot be executed here. Within a group that may be because it is not what was written.
    pub(super) fn refuse(&mut self, services: &mut Services, reason: String) -> Option<LogLoaded> {
        let Some(offset) = self.replay.group_start() else {
            let path = self.sources[self.current].path.clone();
            return self.fail(&mut services.effects, &path, &reason);
        };
        let damage = Damage { offset, what: Fault::Checksum };
        self.judge(&mut services.effects, damage, Some(reason));
        None
    }

    /// Reads the rest of the file, to see what it is.
    pub(super) fn judge(&mut self, effects: &mut Effects, damage: Damage, refusal: Option<String>) {
        let starts = [Some(damage.offset), self.replay.group_start(), self.replay.unfinished()];
        let from = starts.into_iter().flatten().min().expect("the damage is somewhere");
        self.offset = from;
        self.input.clear();
        let ticket = self.ask_for_more(effects);
        self.stage = Stage::Judging(Judging { ticket, damage, from, refusal });
    }

    pub(super) fn judge_more(
        &mut self,
        services: &mut Services,
        judging: Judging,
        result: Result<DiskResult, DiskError>,
    ) -> Option<LogLoaded> {
        let data = match result {
            Ok(DiskResult::Bytes(data)) => data,
            Ok(other) => unreachable!("the disk answered {other:?} to a read"),
            Err(error) => {
                let path = self.sources[self.current].path.clone();
                return self.fail(&mut services.effects, &path, &error.message);
            }
        };
        self.offset += data.len() as u64;
        self.input.extend_from_slice(&data);
        if data.is_empty() || self.input.len() as u64 > TAIL_BYTES_MAX {
            return self.judge_rest(services, &judging);
        }
        let ticket = self.ask_for_more(&mut services.effects);
        self.stage = Stage::Judging(Judging { ticket, ..judging });
        None
    }

    /// The rest of the file is there, or as much of it as is looked at.
    fn judge_rest(&mut self, services: &mut Services, judging: &Judging) -> Option<LogLoaded> {
        let Judging { damage, from, refusal, .. } = judging;
        let path = self.sources[self.current].path.clone();
        let truncated = self.replay.tail_limits().truncated;
        let is_end = self.input.len() as u64 <= TAIL_BYTES_MAX && self.is_last_with_content();
        let is_unsynced = self.synced_bytes().map(|synced_bytes| synced_bytes <= damage.offset);
        let may_cut = is_end
            && match is_unsynced {
                Some(is_unsynced) => is_unsynced && (truncated || self.is_short_garbage(judging)),
                None => self.is_short_garbage(judging) || (truncated && self.is_zeros(judging)),
            };
        if let Some(reason) = refusal.as_ref().filter(|_| !may_cut || begins_with_whole_group(&self.input)) {
            return self.fail(&mut services.effects, &path, reason);
        }
        if !may_cut {
            let what = match is_unsynced {
                Some(false) => format!("{damage}, in what was durable"),
                _ => damage.to_string(),
            };
            return self.fail(&mut services.effects, &path, &format!("{what}; {ADVICE}"));
        }
        let cut = self.offset - from;
        services.effects.warning(format!("{path}: {damage}. The end of the file is cut off ({cut} bytes)."));
        // What has been executed of a damaged group must not stay.
        let then = if self.replay.group_start().is_some() || damage.what == Fault::Checksum {
            Then::Restart
        } else {
            Then::OpenLast
        };
        self.replay.forget_unfinished();
        self.cut(services, *from, then)
    }

    /// How much of the file was durable when the last group was written that is whole.
    fn synced_bytes(&self) -> Option<u64> {
        self.replay.synced_bytes().max(last_synced_bytes(&self.input))
    }

    /// Whether `aof-load-corrupt-tail-max-size` allows this.
    fn is_short_garbage(&self, judging: &Judging) -> bool {
        let damaged = self.damaged(judging);
        damaged.len() as u64 <= self.replay.tail_limits().corrupt_bytes_max && !holds_whole_command(damaged)
    }

    fn is_zeros(&self, judging: &Judging) -> bool {
        judging.damage.what == Fault::NoItem && self.damaged(judging).iter().all(|&byte| byte == 0)
    }

    fn damaged(&self, judging: &Judging) -> &[u8] {
        &self.input[((judging.damage.offset - judging.from) as usize).min(self.input.len())..]
    }

    /// Whether nothing that would be applied follows the current file.
    fn is_last_with_content(&self) -> bool {
        self.sources[self.current + 1..].iter().all(|source| source.size_bytes == 0)
    }

    fn cut(&mut self, services: &mut Services, len: u64, then: Then) -> Option<LogLoaded> {
        let effects = &mut services.effects;
        effects.mark(Mark::LogTailCut);
        let source = &mut self.sources[self.current];
        source.size_bytes = len;
        effects.disk(Lane::Load, DiskOp::Close { file: source.file });
        let (file, path) = (effects.next_file(), source.path.clone());
        let steps = [
            DiskOp::Open { file, path, mode: OpenFor::Appending },
            DiskOp::Truncate { file, len },
            DiskOp::Sync { file },
            DiskOp::Close { file },
        ];
        self.offset = len;
        self.take_steps(effects, steps, then);
        None
    }
}

const ADVICE: &str = "'squall-server --check-aof' shows more, and '--fix' cuts it off";
