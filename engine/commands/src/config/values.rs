//! Parameters that are more than one word: save points, output buffer limits, lists.

use std::fmt::Write as _;

use super::kinds::{Kind, Words, parse_memory};

/// `save <seconds> <changes>`: snapshot after that long if so many writes happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SavePoint {
    pub seconds: u64,
    pub changes: u64,
}

/// Pairs of seconds and changes; `""` for none.
pub struct SavePoints;

impl Kind<Vec<SavePoint>> for SavePoints {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<Vec<SavePoint>, String> {
        const INVALID: &str = "Invalid save parameters";
        if !words.len().is_multiple_of(2) {
            return Err(INVALID.into());
        }
        let number = |word: &[u8], min: i64| {
            squall_store::parse_i64(word).filter(|&number| number >= min).ok_or(INVALID).map(|n| n as u64)
        };
        let pairs = words.chunks_exact(2);
        let point =
            |pair: &[&[u8]]| Ok(SavePoint { seconds: number(pair[0], 1)?, changes: number(pair[1], 0)? });
        pairs.map(point).collect()
    }

    fn show(&self, points: &Vec<SavePoint>) -> String {
        let words: Vec<String> =
            points.iter().map(|point| format!("{} {}", point.seconds, point.changes)).collect();
        words.join(" ")
    }
}

/// How much a client may leave unread: at once, or for too long. Zero means no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimit {
    pub hard_bytes_max: u64,
    pub soft_bytes_max: u64,
    pub soft_seconds_max: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub replica: OutputLimit,
    pub pubsub: OutputLimit,
}

impl OutputLimits {
    pub const DEFAULT: OutputLimits = OutputLimits {
        normal: OutputLimit { hard_bytes_max: 0, soft_bytes_max: 0, soft_seconds_max: 0 },
        replica: OutputLimit { hard_bytes_max: 256 << 20, soft_bytes_max: 64 << 20, soft_seconds_max: 60 },
        pubsub: OutputLimit { hard_bytes_max: 32 << 20, soft_bytes_max: 8 << 20, soft_seconds_max: 60 },
    };
}

/// Groups of `class hard soft seconds`. Classes that are not named keep what they had.
pub struct OutputLimitClasses;

impl Kind<OutputLimits> for OutputLimitClasses {
    const MANY_WORDS: bool = true;

    fn parse_onto(&self, limits: &mut OutputLimits, words: Words<'_>) -> Result<(), String> {
        if words.is_empty() || !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".into());
        }
        let mut changed = *limits;
        for group in words.chunks_exact(4) {
            let class = match group[0].to_ascii_lowercase().as_slice() {
                b"normal" => &mut changed.normal,
                b"slave" | b"replica" => &mut changed.replica,
                b"pubsub" => &mut changed.pubsub,
                _ => return Err("Invalid client class specified in buffer limit configuration.".into()),
            };
            let seconds = squall_store::parse_i64(group[3]).and_then(|seconds| u64::try_from(seconds).ok());
            let (Some(hard_bytes_max), Some(soft_bytes_max), Some(soft_seconds_max)) =
                (parse_memory(group[1]), parse_memory(group[2]), seconds)
            else {
                return Err(
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.".into()
                );
            };
            *class = OutputLimit { hard_bytes_max, soft_bytes_max, soft_seconds_max };
        }
        *limits = changed;
        Ok(())
    }

    fn parse(&self, words: Words<'_>) -> Result<OutputLimits, String> {
        let mut limits = OutputLimits::DEFAULT;
        self.parse_onto(&mut limits, words)?;
        Ok(limits)
    }

    fn show(&self, limits: &OutputLimits) -> String {
        let mut text = String::new();
        for (class, limit) in
            [("normal", limits.normal), ("slave", limits.replica), ("pubsub", limits.pubsub)]
        {
            let separator = if text.is_empty() { "" } else { " " };
            let OutputLimit { hard_bytes_max, soft_bytes_max, soft_seconds_max } = limit;
            let _ = write!(text, "{separator}{class} {hard_bytes_max} {soft_bytes_max} {soft_seconds_max}");
        }
        text
    }
}

/// Blank-separated words, such as addresses.
pub struct WordList;

impl Kind<Vec<String>> for WordList {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<Vec<String>, String> {
        let word =
            |word: &&[u8]| String::from_utf8(word.to_vec()).map_err(|_| "argument must be UTF-8".to_string());
        words.iter().map(word).collect()
    }

    fn show(&self, list: &Vec<String>) -> String {
        list.join(" ")
    }
}

/// A primary's address; none (`no one` or nothing) where this server is a primary.
pub struct PrimaryAddress;

impl Kind<Option<(String, u16)>> for PrimaryAddress {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<Option<(String, u16)>, String> {
        match words {
            [] => Ok(None),
            [no, one] if no.eq_ignore_ascii_case(b"no") && one.eq_ignore_ascii_case(b"one") => Ok(None),
            [host, port] => {
                let port = squall_store::parse_i64(port).and_then(|port| u16::try_from(port).ok());
                let port = port.filter(|&port| port != 0).ok_or("Invalid master port")?;
                let host = String::from_utf8(host.to_vec()).map_err(|_| "argument must be UTF-8")?;
                Ok(Some((host, port)))
            }
            _ => Err("wrong number of arguments".into()),
        }
    }

    fn show(&self, primary: &Option<(String, u16)>) -> String {
        primary.as_ref().map(|(host, port)| format!("{host} {port}")).unwrap_or_default()
    }
}

/// Which parts of a graceful shutdown a signal asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ShutdownWish {
    pub save: bool,
    pub no_save: bool,
    pub now: bool,
    pub force: bool,
    pub safe: bool,
    pub failover: bool,
}

pub struct ShutdownWords;

impl ShutdownWords {
    const NAMES: &str = "default, save, nosave, now, force, safe, failover";
}

impl Kind<ShutdownWish> for ShutdownWords {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<ShutdownWish, String> {
        let mut wish = ShutdownWish::default();
        for word in words {
            match word.to_ascii_lowercase().as_slice() {
                b"default" => {}
                b"save" => wish.save = true,
                b"nosave" => wish.no_save = true,
                b"now" => wish.now = true,
                b"force" => wish.force = true,
                b"safe" => wish.safe = true,
                b"failover" => wish.failover = true,
                _ => return Err(format!("argument(s) must be one of the following: {}", Self::NAMES)),
            }
        }
        if words.is_empty() || wish.save && wish.no_save {
            return Err("Invalid combination of options".into());
        }
        Ok(wish)
    }

    fn show(&self, wish: &ShutdownWish) -> String {
        let all = [
            (wish.save, "save"),
            (wish.no_save, "nosave"),
            (wish.now, "now"),
            (wish.force, "force"),
            (wish.safe, "safe"),
            (wish.failover, "failover"),
        ];
        let words: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        if words.is_empty() { "default".into() } else { words.join(" ") }
    }
}

/// Percentiles in per cent, written as short as they can be.
pub struct Percentiles;

impl Kind<Vec<f64>> for Percentiles {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<Vec<f64>, String> {
        let number = |word: &&[u8]| {
            let number: f64 = fast_float2::parse(word)
                .map_err(|_| "Invalid latency-tracking-info-percentiles parameters".to_string())?;
            if (0.0..=100.0).contains(&number) {
                Ok(number)
            } else {
                Err("latency-tracking-info-percentiles parameters should sit between [0.0,100.0]".into())
            }
        };
        words.iter().map(number).collect()
    }

    fn show(&self, percentiles: &Vec<f64>) -> String {
        let words: Vec<String> = percentiles.iter().map(f64::to_string).collect();
        words.join(" ")
    }
}

/// Three numbers for the kernel's out-of-memory choice: primary, replica, child.
pub struct OomScores;

impl Kind<[i32; 3]> for OomScores {
    const MANY_WORDS: bool = true;

    fn parse(&self, words: Words<'_>) -> Result<[i32; 3], String> {
        let [primary, replica, child] = words else { return Err("wrong number of arguments".into()) };
        let score = |word: &[u8]| {
            squall_store::parse_i64(word)
                .filter(|score| (-2000..=2000).contains(score))
                .map(|score| score as i32)
                .ok_or("Invalid oom-score-adj-values, elements must be between -2000 and 2000.".to_string())
        };
        Ok([score(primary)?, score(replica)?, score(child)?])
    }

    fn show(&self, scores: &[i32; 3]) -> String {
        format!("{} {} {}", scores[0], scores[1], scores[2])
    }
}
