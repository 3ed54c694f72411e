//! Squall beside Debian's redis-server, the same number of sequences of each family. Whoever changes a command sees here
//! what redis-server says to it; `squall-oracle --help` tells how to play more, and against which servers.

use squall_oracle::family::Family;
use squall_oracle::play::Duel;
use squall_oracle::sequence::{Sequence, Step};
use squall_oracle::server::Place;
use squall_oracle::{show, shrink};

fn duel(parameters: [&[&str]; 2]) -> Option<Duel> {
    let parameters = parameters.map(|words| words.iter().map(|word| (*word).to_owned()).collect());
    match Duel::start(Place::Program("redis-server".into()), Place::Here, parameters) {
        Ok(duel) => Some(duel),
        Err(error) => {
            println!("skipped: redis-server does not start here: {error}");
            None
        }
    }
}

/// The sequences of each family that every change is judged by.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;

fn compare(families: &[&str]) {
    let Some(mut duel) = duel([&[], &[]]) else { return };
    for name in families {
        let family = Family::by_name(name).expect("it is one of the families");
        for seed in SEEDS {
            let sequence = Sequence::draw(family, seed, &duel.reference);
            if let Some(found) = duel.play(&sequence).expect("both servers run") {
                let (sequence, found) = shrink::shrink(&mut duel, sequence, found).expect("both servers run");
                let story = show::story(&duel.reference.name, &sequence, &found);
                panic!("{name}, seed {seed}:\n{story}");
            }
        }
    }
}

#[test]
fn strings_and_bits() {
    compare(&["strings", "bitmaps", "hyperloglogs"]);
}

#[test]
fn lists_and_sets() {
    compare(&["lists", "sets"]);
}

#[test]
fn sorted_sets_and_places() {
    compare(&["sorted-sets", "geo"]);
}

#[test]
fn hashes_and_streams() {
    compare(&["hashes", "streams"]);
}

#[test]
fn scripts() {
    compare(&["scripts"]);
}

#[test]
fn listeners_and_connections() {
    compare(&["pubsub", "connection"]);
}

#[test]
fn keys_of_all_kinds() {
    compare(&["keys", "everything"]);
}

/// A server that takes shorter strings only is found out, and the story of it is short.
#[test]
fn a_difference_is_found_and_made_short() {
    let Some(mut duel) = duel([&["--proto-max-bulk-len", "1mb"], &[]]) else { return };
    let words = |line: &str| line.split(' ').map(|word| word.as_bytes().to_vec()).collect::<Vec<_>>();
    let mut steps: Vec<Step> = ["SET a 1", "LPUSH l x y z", "MULTI", "INCR a", "EXEC", "HSET h f v g w"]
        .map(|line| Step { client: 0, words: words(line) })
        .to_vec();
    steps.push(Step { client: 1, words: words("SETRANGE s2 2000000 x") });
    steps.push(Step { client: 0, words: words("GET a") });
    let sequence = Sequence {
        protocols: [3, 2, 2],
        hears_events: true,
        settings: vec![("hll-sparse-max-bytes", "200")],
        steps,
    };
    let found = duel.play(&sequence).expect("both run").expect("only one of them takes so long a string");
    let (sequence, found) = shrink::shrink(&mut duel, sequence, found).expect("both run");
    assert_eq!(sequence.steps.len(), 1);
    let story = show::story("redis-server", &sequence, &found);
    assert_eq!(
        story,
        "  SETRANGE s2 2000000 x\n  -- SETRANGE s2 2000000 x\n    redis-server:\n      (error) ERR string exceeds \
         maximum allowed size (proto-max-bulk-len)\n    squall:\n      (integer) 2000001"
    );
}
