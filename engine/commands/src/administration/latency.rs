//! LATENCY: how long commands take, as histograms, and what took longer than the monitor's threshold. What is
//! computed has a length only under a shell that measures time, and none in a simulated world; what the disk is asked
//! for takes time in both.

use std::collections::{BTreeMap, VecDeque};

use squall_clock::{Nanos, Now};

use super::{ADMIN, PLAIN, server};
use crate::table::{Argument, Command, CommandId, Flag, Group, Row};
use crate::{CommandError, CommandResult, Config, Context, Engine, catalog};

const SPECIAL: &[&str] = &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"];

pub(super) const LATENCY: Command = Command::container("latency", SUBCOMMANDS)
    .group(Group::Server)
    .since("2.8.13")
    .summary("How long things take.");

const SUBCOMMANDS: &[Command] = &[
    server("doctor", 2, doctor, ADMIN)
        .since("2.8.13")
        .tips(SPECIAL)
        .summary("What the recorded delays may mean."),
    server("graph", 3, graph, ADMIN)
        .since("2.8.13")
        .tips(SPECIAL)
        .summary("The delays of one kind, as a picture.")
        .arguments(&[Argument::string("event")]),
    server("help", 2, catalog::help, PLAIN).since("2.8.13").summary("Tells what LATENCY can do."),
    server("histogram", -2, histogram, ADMIN)
        .since("7.0.0")
        .complexity("O(N) where N is the number of commands.")
        .tips(SPECIAL)
        .summary("How often commands took how long.")
        .arguments(&[Argument::string("command").optional().multiple()]),
    server("history", 3, history, ADMIN)
        .since("2.8.13")
        .tips(SPECIAL)
        .summary("The delays of one kind.")
        .arguments(&[Argument::string("event")]),
    server("latest", 2, latest, ADMIN)
        .since("2.8.13")
        .tips(SPECIAL)
        .summary("The latest delay of each kind."),
    server("reset", -2, reset, ADMIN)
        .since("2.8.13")
        .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
        .summary("Forgets delays, of some kinds or of all.")
        .arguments(&[Argument::string("event").optional().multiple()]),
];

/// The deletion of keys whose time has come.
pub const EXPIRE_CYCLE: &str = "expire-cycle";

/// Samples that are kept of each kind of delay.
const SAMPLES_MAX: usize = 160;
/// Powers of two of microseconds: up to about an hour.
const BUCKETS: usize = 32;

/// How often something took how long: bucket `i` counts what took less than 2^i microseconds.
#[derive(Clone, Default)]
pub struct Histogram {
    buckets: [u64; BUCKETS],
}

impl Histogram {
    fn record(&mut self, usec: u64) {
        let bucket = (u64::BITS - usec.leading_zeros()) as usize;
        self.buckets[bucket.min(BUCKETS - 1)] += 1;
    }

    /// An upper bound, in microseconds, of what `percent` of all calls took.
    pub fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.count() as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted.max(1)
        });
        1 << bucket.unwrap_or(0)
    }

    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The bounds, in microseconds, below which there are calls that are not below the one before, and how
    /// many are.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let filled = self.buckets.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.scan(0, |total, (bucket, count)| {
            *total += count;
            Some((1 << bucket, *total))
        })
    }
}

/// The latest delay of a kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delay {
    pub event: &'static str,
    pub last_second: u64,
    pub last_ms: u64,
    pub max_ms: u64,
}

/// The delays of one kind: when each was (in Unix seconds), and how many milliseconds it took.
#[derive(Clone, Default)]
struct Event {
    samples: VecDeque<(u64, u64)>,
    max_ms: u64,
}

/// Everything that was measured.
#[derive(Default)]
pub struct Latencies {
    /// By the row's number; none where the command has not been called.
    histograms: Vec<Option<Box<Histogram>>>,
    events: BTreeMap<&'static str, Event>,
}

impl Latencies {
    /// A command took so long.
    pub(crate) fn command_took(&mut self, usec: u64, row: &Row, config: &Config, now: Now) {
        if config.latency_tracking {
            self.histogram_mut(row.id).record(usec);
        }
        let threshold = config.latency_monitor_threshold_ms;
        if threshold != 0 && usec / 1000 >= threshold {
            let fast = row.command.flags.has(Flag::Fast);
            self.event(if fast { "fast-command" } else { "command" }, usec / 1000, now);
        }
    }

    #[inline]
    fn histogram_mut(&mut self, id: CommandId) -> &mut Histogram {
        let index = usize::from(id.0);
        if index >= self.histograms.len() {
            self.histograms.resize(index + 1, None);
        }
        self.histograms[index].get_or_insert_default()
    }

    /// Something took so long. Delays within one second count as one, the longest.
    pub fn event(&mut self, name: &'static str, ms: u64, now: Now) {
        let event = self.events.entry(name).or_default();
        event.max_ms = event.max_ms.max(ms);
        let second = now.unix_seconds();
        match event.samples.back_mut() {
            Some((last, longest)) if *last == second => *longest = ms.max(*longest),
            _ => event.samples.push_back((second, ms)),
        }
        if event.samples.len() > SAMPLES_MAX {
            event.samples.pop_front();
        }
    }

    pub fn delays(&self) -> impl Iterator<Item = Delay> {
        self.events.iter().map(|(event, delays)| {
            let (last_second, last_ms) = delays.samples.back().copied().unwrap_or_default();
            Delay { event, last_second, last_ms, max_ms: delays.max_ms }
        })
    }

    pub fn histograms(&self) -> impl Iterator<Item = (CommandId, &Histogram)> {
        let numbered = (0..).map(CommandId).zip(&self.histograms);
        numbered.filter_map(|(id, histogram)| Some((id, histogram.as_deref()?)))
    }

    /// `CONFIG RESETSTAT`.
    pub fn reset_histograms(&mut self) {
        self.histograms.clear();
    }
}

impl Engine {
    /// Does `work`, and remembers it as a delay where it took longer than the monitor's threshold.
    pub fn watch_delay<R>(&mut self, event: &'static str, work: impl FnOnce(&mut Engine) -> R) -> R {
        let Some(read) = self.environment.stopwatch else { return work(self) };
        let started = read();
        let outcome = work(self);
        let took = read().since(started);
        if event == EXPIRE_CYCLE {
            self.stats.expire_cycle_nanos += took.0;
        }
        self.note_delay(event, took);
        outcome
    }

    /// Something that the server does not do by itself has taken so long: it is remembered as a delay where that is
    /// longer than the monitor's threshold.
    pub fn note_delay(&mut self, event: &'static str, took: Nanos) {
        let threshold_ms = self.config.latency_monitor_threshold_ms;
        if threshold_ms != 0 && took.as_millis() >= threshold_ms {
            self.latencies.event(event, took.as_millis(), self.now);
        }
    }
}

fn histogram(context: &mut Context<'_>) -> CommandResult {
    let engine = &*context.engine;
    let asked = context.args.skip(2);
    let wanted = |id: CommandId| {
        let row = engine.table.row(id);
        let container = row.parent.map(|parent| engine.table.row(parent).full_name.as_bytes());
        asked.is_empty()
            || asked.iter().any(|name| {
                name.eq_ignore_ascii_case(row.full_name.as_bytes())
                    || container.is_some_and(|container| name.eq_ignore_ascii_case(container))
            })
    };
    let shown: Vec<_> = engine.latencies.histograms().filter(|(id, _)| wanted(*id)).collect();
    let reply = &mut context.reply;
    reply.map(shown.len());
    for (id, histogram) in shown {
        reply.bulk_str(&engine.table.row(id).full_name);
        reply.map(2);
        reply.bulk_str("calls");
        reply.integer(histogram.count() as i64);
        reply.bulk_str("histogram_usec");
        reply.map(histogram.cumulative().count());
        for (bound, count) in histogram.cumulative() {
            reply.integer(bound as i64);
            reply.integer(count as i64);
        }
    }
    Ok(())
}

fn latest(context: &mut Context<'_>) -> CommandResult {
    let (latencies, reply) = (&context.engine.latencies, &mut context.reply);
    reply.array(latencies.events.len());
    for delay in latencies.delays() {
        reply.array(4);
        reply.bulk_str(delay.event);
        reply.integer(delay.last_second as i64);
        reply.integer(delay.last_ms as i64);
        reply.integer(delay.max_ms as i64);
    }
    Ok(())
}

fn history(context: &mut Context<'_>) -> CommandResult {
    let name = context.arg(2).to_ascii_lowercase();
    let event = context.engine.latencies.events.iter().find(|(known, _)| known.as_bytes() == name);
    let samples = event.map(|(_, event)| event.samples.clone()).unwrap_or_default();
    context.reply.array(samples.len());
    for (second, ms) in samples {
        context.reply.array(2);
        context.reply.integer(second as i64);
        context.reply.integer(ms as i64);
    }
    Ok(())
}

fn graph(context: &mut Context<'_>) -> CommandResult {
    let name = context.arg(2).to_ascii_lowercase();
    let latencies = &context.engine.latencies;
    let Some((name, event)) = latencies.events.iter().find(|(known, _)| known.as_bytes() == name) else {
        let text = [b"ERR No samples available for event '", context.arg(2), b"'"].concat();
        return Err(CommandError::Bytes(text));
    };
    let text = picture(name, event, context.engine.now.unix_seconds());
    context.reply.verbatim("txt", &text);
    Ok(())
}

/// The samples as columns between the shortest and the longest, with how long ago each was below it.
fn picture(name: &str, event: &Event, now_seconds: u64) -> String {
    const ROWS: u64 = 4;
    const COLUMNS_MAX: usize = 80;
    let skipped = event.samples.len().saturating_sub(COLUMNS_MAX);
    let shown: Vec<(u64, u64)> = event.samples.iter().skip(skipped).copied().collect();
    let high = shown.iter().map(|(_, ms)| *ms).max().unwrap_or(0);
    let low = shown.iter().map(|(_, ms)| *ms).min().unwrap_or(0);
    let mut text = format!("{name} - high {high} ms, low {low} ms (all time high {} ms)\n", event.max_ms);
    text.push_str(&"-".repeat(COLUMNS_MAX));
    text.push('\n');
    // Each row can end a column at half of its height, or at all of it.
    let steps = ROWS * 2 - 1;
    let height = |ms: u64| ((ms - low) * steps).checked_div(high - low).unwrap_or(0);
    let columns = |text: &mut String, cell: &dyn Fn(u64, u64) -> char| {
        let line: String = shown.iter().map(|(second, ms)| cell(*second, *ms)).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    };
    for row in (0..ROWS).rev() {
        columns(&mut text, &|_, ms| match height(ms) {
            height if height / 2 > row => '|',
            height if height / 2 < row => ' ',
            height if height % 2 == 1 => '#',
            _ => '_',
        });
    }
    text.push('\n');
    let labels: Vec<String> =
        shown.iter().map(|(second, _)| ago(now_seconds.saturating_sub(*second))).collect();
    for line in 0..labels.iter().map(String::len).max().unwrap_or(0) {
        let cell = |label: &String| label.chars().nth(line).unwrap_or(' ');
        text.push_str(labels.iter().map(cell).collect::<String>().trim_end());
        text.push('\n');
    }
    text
}

/// `15s`, `3m`, `2h`, `9d`.
fn ago(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn reset(context: &mut Context<'_>) -> CommandResult {
    let names = context.args.skip(2);
    let events = &mut context.engine.latencies.events;
    let before = events.len();
    events.retain(|known, _| {
        !names.is_empty() && !names.iter().any(|name| name.eq_ignore_ascii_case(known.as_bytes()))
    });
    let forgotten = before - events.len();
    context.reply.integer(forgotten as i64);
    Ok(())
}

fn doctor(context: &mut Context<'_>) -> CommandResult {
    let engine = &*context.engine;
    let mut text = String::new();
    if engine.config.latency_monitor_threshold_ms == 0 {
        text.push_str(
            "Delays are not recorded. 'CONFIG SET latency-monitor-threshold <milliseconds>' starts it.\n",
        );
    } else if engine.latencies.events.is_empty() {
        text.push_str("Nothing has taken longer than latency-monitor-threshold.\n");
    }
    let mut advice = Vec::new();
    for (name, event) in &engine.latencies.events {
        let count = event.samples.len().max(1) as u64;
        let average = event.samples.iter().map(|(_, ms)| ms).sum::<u64>() / count;
        text.push_str(&format!(
            "{name}: {count} delays, {average} ms on average, {} ms at most.\n",
            event.max_ms
        ));
        advice.push(match *name {
            "command" | "fast-command" => "SLOWLOG GET shows which commands took so long.",
            "expire-cycle" => "Many keys expire at once: spread their times, or lower active-expire-effort.",
            "eviction-cycle" => "More is written than maxmemory holds: give it more room, or write less.",
            _ => "The disk is slow: look for what else uses it.",
        });
    }
    advice.dedup();
    advice.iter().for_each(|line| text.push_str(&format!("{line}\n")));
    context.reply.verbatim("txt", &text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_stands_between_the_shortest_and_the_longest_delay() {
        let samples = [(40, 100), (70, 400), (85, 800), (100, 450)].into_iter().collect();
        let text = picture("command", &Event { samples, max_ms: 900 }, 100);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "command - high 800 ms, low 100 ms (all time high 900 ms)");
        assert_eq!(lines[2..7], ["  #", "  |", " #|#", "_|||", ""]);
        assert_eq!(lines[7..], ["1310", "m05s", " ss"]);
    }
}
