//! nodes.conf: what redis-server 7.0 wrote is read, what is written is read again, and what is torn or does
//! not fit is refused with its line.

use proptest::prelude::*;
use squall_clock::{Mono, Now};
use squall_cluster::{Cluster, ConfError, Options, Slot};

const NOW: Now = Now { mono: Mono(1_000_000_000), unix_us: 1_700_000_000_000_000 };

/// Written by redis-server 7.0.15 in a cluster of four, after a hand-over.
const FROM_REDIS: &str = "\
466aee147dae48df20cbba1bf2ecbf821cdd9aa4 127.0.0.1:21603@31603 master - 0 1795409434412 3 connected 10001-16383
ddc752ae140ae9f912c5b066c7e2b957149fd926 127.0.0.1:21604@31604,alpha.example master - 0 1795409433961 5 connected 0-5000
b6e35e389e04668e69a7fe5dcd366f08b86b44b5 127.0.0.1:21602@31602 myself,master - 0 1795409433000 2 connected 5001-10000 [5001->-466aee147dae48df20cbba1bf2ecbf821cdd9aa4]
e950d638d2da61838e3e873e4fc0d113d6a3081e 127.0.0.1:21601@31601 slave ddc752ae140ae9f912c5b066c7e2b957149fd926 0 1795409434392 5 connected
vars currentEpoch 5 lastVoteEpoch 5
";

fn read(text: &str) -> Result<Cluster, ConfError> {
    Cluster::restore(Options::default(), [7; 32], text, NOW)
}

#[test]
fn what_redis_wrote_is_understood() {
    let cluster = read(FROM_REDIS).expect("a file of redis-server");
    assert_eq!((cluster.current_epoch().0, cluster.last_vote_epoch().0), (5, 5));
    assert_eq!(cluster.my_node().slots.to_string(), "5001-10000");
    let owner = cluster.owner(Slot::checked(0).unwrap()).expect("it is owned");
    assert_eq!(owner.hostname, "alpha.example");
    assert_eq!(cluster.replicas_of(owner.id).count(), 1);
    assert!(cluster.migrating_to(Slot::checked(5001).unwrap()).is_some());
    assert!(!cluster.is_ok(), "nobody has been heard yet");
}

/// A slot moves to a node that is forgotten meanwhile.
#[test]
fn a_slot_on_its_way_to_nobody_keeps_no_node_from_starting() {
    let mut cluster = read(FROM_REDIS).expect("a file of redis-server");
    let slot = Slot::checked(5001).unwrap();
    let target = cluster.migrating_to(slot).expect("it is on its way").id;
    cluster.forget(target, NOW).expect("it can be forgotten");
    let again = read(&cluster.conf_text()).expect("our own file");
    assert!(again.migrating_to(slot).is_none());
}

#[test]
fn what_is_written_is_read_again() {
    let cluster = read(FROM_REDIS).expect("a file of redis-server");
    let text = cluster.conf_text();
    let again = read(&text).expect("our own file");
    assert_eq!(again.conf_text(), text);
    assert!(text.contains("[5001->-466aee147dae48df20cbba1bf2ecbf821cdd9aa4]"), "{text}");
}

#[test]
fn a_file_that_does_not_fit_is_refused_with_its_line() {
    let refusal = |text: &str| read(text).err().expect("it is refused");
    assert_eq!(refusal(""), ConfError::Empty);
    assert_eq!(refusal("\n"), ConfError::Empty);
    let torn = FROM_REDIS.rsplit_once("vars").unwrap().0;
    assert_eq!(refusal(torn), ConfError::Torn);
    assert_eq!(refusal(&FROM_REDIS[..FROM_REDIS.len() - 1]), ConfError::Torn);
    let (lines, _) = FROM_REDIS.split_once(" [5001").unwrap();
    let vars = "\nvars currentEpoch 5 lastVoteEpoch 5\n";
    assert_eq!(refusal(&(lines.replace("myself,", "") + vars)), ConfError::NoMyself);
    assert_eq!(refusal(&FROM_REDIS.replace("0-5000", "0-5001")).to_string(), "line 3: a slot has two owners");
    let stranger = FROM_REDIS.replace("slave ddc752ae", "slave 00c752ae");
    assert_eq!(refusal(&stranger).to_string(), "line 4: its primary is not in the file");
    assert_eq!(refusal(&FROM_REDIS.replace("16383", "16384")).to_string(), "line 1: this is no slot");
}

proptest! {
    /// Whatever became of a file: an answer, never a panic.
    #[test]
    fn damaged_files_do_no_harm(
        cut in 0..FROM_REDIS.len(), at in 0..FROM_REDIS.len(), letter in "[ -~\n]",
    ) {
        let mut text = FROM_REDIS.to_owned();
        text.replace_range(at..at + 1, &letter);
        text.truncate(text.len() - cut / 4);
        if let Ok(cluster) = read(&text) {
            let written = cluster.conf_text();
            prop_assert_eq!(read(&written).expect("our own file").conf_text(), written);
        }
    }
}
