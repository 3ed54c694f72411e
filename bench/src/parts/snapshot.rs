//! What clients and the machine's memory feel of a snapshot: a million strings are overwritten at a steady
//! rate, without and with BGSAVE running.

use std::thread;
use std::time::Duration;

use super::Comparison;
use crate::contents::fill_strings;
use crate::conversation::Conversation;
use crate::figures::{Goal, Row, Table};
use crate::interrupt::Interrupt;
use crate::launch::{Contender, Server};
use crate::pace::{Control, Latencies, Phase, write_strings};
use crate::{Failure, process};

const KEYS: usize = 1_000_000;
const WRITES_PER_SECOND: u32 = 50_000;
const WARMING_TIME: Duration = Duration::from_secs(1);
const QUIET_TIME: Duration = Duration::from_secs(3);
/// Between a round's snapshots.
const BREATH: Duration = Duration::from_millis(500);
/// Snapshots under load, by whose writes the latencies of a round are counted.
const SNAPSHOTS: usize = 3;
const MEMORY_LOOK_INTERVAL: Duration = Duration::from_millis(20);

const FIGURES: [(&str, Option<Goal>); 7] = [
    ("p99 without a snapshot, ms", None),
    ("p99 during a snapshot, ms", None),
    ("p99 during over p99 without", Some(Goal::AtMost(2.0))),
    ("longest during a snapshot, ms", None),
    ("memory before, MB", None),
    ("highest memory during a snapshot, MB", None),
    ("highest memory over memory before", Some(Goal::AtMost(1.2))),
];

pub fn measure(comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
    let mut figures = FIGURES.map(|_| comparison.no_rounds());
    for round in 0..comparison.options.rounds {
        for turn in comparison.turns(round) {
            let contender = &comparison.contenders[turn];
            for (figure, values) in figures.iter_mut().zip(play(comparison, contender)?) {
                figure[turn].push(values);
            }
            let (round, rounds) = (round + 1, comparison.options.rounds);
            eprintln!("round {round} of {rounds}: snapshots of {} under load done", contender.name);
        }
    }
    let row = |((name, goal), rounds): (&(&str, Option<Goal>), &Vec<Vec<f64>>)| {
        Row::of(&[name], rounds).with_goal(*goal)
    };
    Ok(vec![Table {
        title: format!("Snapshots of {KEYS} strings under {WRITES_PER_SECOND} writes a second"),
        labels: vec!["figure"],
        rows: FIGURES.iter().zip(&figures).map(row).collect(),
    }])
}

fn play(comparison: &Comparison<'_>, contender: &Contender) -> Result<[f64; FIGURES.len()], Failure> {
    let interrupt = &comparison.interrupt;
    let server = Server::start(contender, comparison.options.server_core, interrupt)?;
    fill_strings(&server, KEYS, interrupt)?;
    let control = Control::default();
    let (watched, mut latencies) = thread::scope(|scope| {
        let writer = scope.spawn(|| write_strings(server.port(), WRITES_PER_SECOND, KEYS as u64, &control));
        let watched = watch(&server, &control, interrupt);
        control.stop();
        let written: Result<Latencies, Failure> = writer.join().expect("the writer does not panic");
        Ok::<_, Failure>((watched?, written?))
    })?;
    let (before, highest) = watched;
    let mut ms = |phase, share| latencies.quantile(phase, share).as_secs_f64() * 1e3;
    let (quiet, during, longest) =
        (ms(Phase::Quiet, 0.99), ms(Phase::Snapshot, 0.99), ms(Phase::Snapshot, 1.0));
    let megabytes = |bytes| bytes as f64 / 1e6;
    let (before, highest) = (megabytes(before), megabytes(highest));
    Ok([quiet, during, during / quiet, longest, before, highest, highest / before])
}

/// Has snapshots made while the writer writes. Gives the memory before the first, and the most during the last.
fn watch(server: &Server, control: &Control, interrupt: &Interrupt) -> Result<(u64, u64), Failure> {
    let mut conversation = Conversation::with(server.port())?;
    interrupt.sleep(WARMING_TIME)?;
    // Looking at memory holds a process up: latencies are not counted meanwhile.
    let before = process::family_bytes(server.pid())?;
    control.enter(Phase::Quiet);
    interrupt.sleep(QUIET_TIME)?;
    for _ in 0..SNAPSHOTS {
        control.enter(Phase::Snapshot);
        conversation.ask(&["BGSAVE"])?;
        conversation.await_info("persistence", "rdb_bgsave_in_progress", "0", interrupt)?;
        control.enter(Phase::Apart);
        interrupt.sleep(BREATH)?;
    }
    let mut highest = before;
    conversation.ask(&["BGSAVE"])?;
    while conversation.info("persistence", "rdb_bgsave_in_progress")? != "0" {
        highest = highest.max(process::family_bytes(server.pid())?);
        interrupt.sleep(MEMORY_LOOK_INTERVAL)?;
    }
    Ok((before, highest))
}
