//! The directed paths between machines: which are cut, what each is like, and when a segment sent now arrives.
//! Cuts are counted, so that two faults may cut one path and each heals only its own cut. Time is an argument, so that
//! proxies between real processes can ask it, too.

use rand_chacha::ChaCha8Rng;
use squall_clock::{Mono, Nanos};

use crate::clock::round_up;
use crate::entropy::{below, chance, stream};
use crate::link::{LinkChange, LinkSettings};
use crate::machine::MachineId;

/// How long a byte takes to reach the machine that sent it.
const LOOPBACK_LATENCY: Nanos = Nanos::from_micros(10);

/// Every path between every two machines.
pub struct Paths {
    seed: u64,
    usual: LinkSettings,
    /// By sender, then by receiver.
    rows: Vec<Vec<Path>>,
}

struct Path {
    /// What it is like without any change.
    own: LinkSettings,
    /// The changes that have not been undone, in the order in which they came.
    changes: Vec<(u64, LinkChange)>,
    /// What follows from both.
    settings: LinkSettings,
    cuts: u32,
    /// So many proxies at its end hide where it begins.
    proxies: u32,
    /// When the sender's interface has sent all that was given to it.
    idle_from: Mono,
    rng: ChaCha8Rng,
}

impl Paths {
    /// No machines yet, and what the paths between those to come are like.
    pub fn with(seed: u64, usual: LinkSettings) -> Paths {
        Paths { seed, usual, rows: Vec::new() }
    }

    /// Adds the paths from and to one more machine.
    pub fn add_machine(&mut self) {
        let count = self.rows.len() + 1;
        self.rows.push(Vec::new());
        for from in 0..count {
            for to in self.rows[from].len()..count {
                let path = Path {
                    own: self.usual.clone(),
                    changes: Vec::new(),
                    settings: self.usual.clone(),
                    cuts: 0,
                    proxies: 0,
                    idle_from: Mono(0),
                    rng: stream(self.seed, "path", ((from as u64) << 32) | to as u64),
                };
                self.rows[from].push(path);
            }
        }
    }

    /// Cuts the path once more.
    pub fn cut(&mut self, from: MachineId, to: MachineId) {
        self.path(from, to).cuts += 1;
    }

    /// Takes one cut back.
    pub fn heal(&mut self, from: MachineId, to: MachineId) {
        let path = self.path(from, to);
        path.cuts = path.cuts.checked_sub(1).expect("a path is healed that was not cut");
    }

    /// Puts one more proxy at its end.
    pub fn put_proxy(&mut self, from: MachineId, to: MachineId) {
        self.path(from, to).proxies += 1;
    }

    /// Takes one proxy away.
    pub fn take_proxy_away(&mut self, from: MachineId, to: MachineId) {
        let path = self.path(from, to);
        path.proxies = path.proxies.checked_sub(1).expect("a proxy is taken away that was not put there");
    }

    /// Whether what is dialled over it seems to come from its end.
    pub fn is_proxied(&self, from: MachineId, to: MachineId) -> bool {
        self.rows[from.index()][to.index()].proxies > 0
    }

    /// Changes the path until `undo` is called with the same number: of several changes the latest that is left counts.
    pub fn change(&mut self, from: MachineId, to: MachineId, number: u64, change: &LinkChange) {
        let path = self.path(from, to);
        path.changes.push((number, change.clone()));
        path.settings.change(change);
    }

    /// What the path is like now.
    pub fn settings(&self, from: MachineId, to: MachineId) -> &LinkSettings {
        &self.rows[from.index()][to.index()].settings
    }

    /// Takes a change back.
    pub fn undo(&mut self, from: MachineId, to: MachineId, number: u64) {
        let path = self.path(from, to);
        path.changes.retain(|(other, _)| *other != number);
        path.settings = path.own.clone();
        path.changes.iter().for_each(|(_, change)| path.settings.change(change));
    }

    /// Whether nothing cuts it.
    pub fn is_open(&self, from: MachineId, to: MachineId) -> bool {
        self.rows[from.index()][to.index()].cuts == 0
    }

    /// When `bytes` sent at `now` arrive; nothing where the path is cut or the segment is lost.
    pub fn transit(&mut self, now: Mono, from: MachineId, to: MachineId, bytes: usize) -> Option<Mono> {
        if from == to {
            return Some(now + LOOPBACK_LATENCY);
        }
        let path = self.path(from, to);
        if path.cuts > 0 || chance(&mut path.rng, path.settings.loss) {
            return None;
        }
        let mut departs = now;
        if let Some(rate) = path.settings.bandwidth {
            let sending = Nanos(bytes as u64 * 1_000_000_000 / rate.bytes_per_second);
            departs = path.idle_from.max(now) + sending;
            path.idle_from = departs;
        }
        let latency = path.settings.latency.draw(&mut path.rng, now);
        Some(round_up(departs + latency.max(Nanos::from_micros(1))))
    }

    /// When an acknowledgement sent at `now` arrives; it takes no bandwidth and no draw.
    pub fn acknowledgement(&mut self, now: Mono, from: MachineId, to: MachineId) -> Option<Mono> {
        if from == to {
            return Some(now + LOOPBACK_LATENCY);
        }
        let path = self.path(from, to);
        let latency = path.settings.latency.typical(now);
        (path.cuts == 0).then(|| round_up(now + latency.max(Nanos::from_micros(1))))
    }

    /// How many of `len` bytes a read or write moves: fewer than all where the path's settings ask for short ones.
    pub fn moved(&mut self, from: MachineId, to: MachineId, len: usize) -> usize {
        let path = self.path(from, to);
        if len > 1 && chance(&mut path.rng, path.settings.short) {
            1 + below(&mut path.rng, len as u64 - 1) as usize
        } else {
            len
        }
    }

    fn path(&mut self, from: MachineId, to: MachineId) -> &mut Path {
        &mut self.rows[from.index()][to.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Latency;
    use crate::quantity::{Rate, Span};

    fn two_machines(change: LinkChange) -> Paths {
        let mut settings = LinkSettings::default();
        settings.change(&change);
        let mut paths = Paths::with(1, settings);
        paths.add_machine();
        paths.add_machine();
        paths
    }

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    #[test]
    fn bandwidth_is_shared_by_all_that_is_sent() {
        let mut paths = two_machines(LinkChange {
            latency: Some(Latency::Fixed(Span::from_micros(100))),
            bandwidth: Some(Rate { bytes_per_second: 1_000_000 }),
            ..Default::default()
        });
        assert_eq!(paths.transit(Mono(0), A, B, 1_000), Some(Mono(1_100_000)));
        assert_eq!(paths.transit(Mono(0), A, B, 1_000), Some(Mono(2_100_000)));
        assert_eq!(paths.transit(Mono(0), B, A, 1_000), Some(Mono(1_100_000)), "the other way is free");
        let later = Mono(5_000_000_000);
        assert_eq!(paths.transit(later, A, B, 0), Some(later + Nanos::from_micros(100)));
    }

    /// Whichever ends first, nothing of either is left when both have ended.
    #[test]
    fn changes_that_overlap_are_undone_one_by_one() {
        let mut paths = two_machines(LinkChange::default());
        let latency = |millis| LinkChange {
            latency: Some(Latency::Fixed(Span::from_millis(millis))),
            ..Default::default()
        };
        let latency_now = |paths: &Paths| paths.settings(A, B).latency.typical(Mono(0)).as_micros();
        paths.change(A, B, 1, &latency(50));
        paths.change(A, B, 2, &latency(90));
        paths.undo(A, B, 1);
        assert_eq!(latency_now(&paths), 90_000);
        paths.undo(A, B, 2);
        assert_eq!(latency_now(&paths), 250);
    }

    #[test]
    fn cuts_are_one_way_and_counted() {
        let mut paths = two_machines(LinkChange::default());
        paths.cut(A, B);
        paths.cut(A, B);
        assert!(!paths.is_open(A, B) && paths.is_open(B, A));
        assert_eq!(paths.transit(Mono(0), A, B, 1), None);
        paths.heal(A, B);
        assert!(!paths.is_open(A, B));
        paths.heal(A, B);
        assert!(paths.is_open(A, B));
    }

    #[test]
    fn the_share_of_lost_and_short_is_the_one_asked_for() {
        let mut paths = two_machines(LinkChange { loss: Some(0.25), short: Some(0.5), ..Default::default() });
        let lost = (0..4_000).filter(|_| paths.transit(Mono(0), A, B, 1).is_none()).count();
        assert!((900..1_100).contains(&lost), "{lost}");
        let short = (0..4_000).filter(|_| paths.moved(A, B, 100) < 100).count();
        assert!((1_850..2_150).contains(&short), "{short}");
        assert_eq!(paths.moved(A, B, 1), 1);
    }
}
