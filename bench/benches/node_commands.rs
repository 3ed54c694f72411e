//! Commands through the whole node, from request bytes to reply bytes: what a server spends on a batch
//! beside the system calls.

use std::hint::black_box;
use std::io::{ErrorKind, IoSlice};

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_clock::{Mono, Now};
use squall_node::{
    ClientId, Config, DiskDone, DiskError, DiskOp, DiskResult, Effect, Environment, Node, NodeOptions,
};
use squall_resp::encode_command;

const NOW: Now = Now { mono: Mono(1_000_000_000), unix_us: 1_700_000_000_000_000 };
const KEYS: usize = 10_000;

/// A node with one client.
struct Session {
    node: Node,
    client: ClientId,
    input: BytesMut,
}

impl Session {
    fn open() -> Session {
        let options =
            NodeOptions { config: Config::default(), seed: [7; 32], environment: Environment::default() };
        let mut node = Node::new(options, NOW);
        while let Some(effect) = node.poll_effect() {
            if let Effect::Disk(request) = effect {
                node.disk_done(DiskDone { ticket: request.ticket, result: on_empty_disk(&request.op) }, NOW);
            }
        }
        let client = node.client_opened("127.0.0.1:50000".to_owned(), "127.0.0.1:6379".to_owned(), NOW);
        Session { node, client, input: BytesMut::new() }
    }

    /// Asks, and takes the answer; gives its length.
    fn exchange(&mut self, requests: &[u8]) -> usize {
        self.input.extend_from_slice(requests);
        self.node.client_data(self.client, &mut self.input, NOW);
        while let Some(effect) = self.node.poll_effect() {
            black_box(effect);
        }
        let mut taken = 0;
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let filled = self.node.output_slices(self.client, &mut slices);
            let len: usize = slices[..filled].iter().map(|slice| slice.len()).sum();
            if len == 0 {
                return taken;
            }
            taken += len;
            self.node.output_written(self.client, len, NOW);
        }
    }
}

/// There is no dataset to load.
fn on_empty_disk(op: &DiskOp) -> Result<DiskResult, DiskError> {
    match op {
        DiskOp::List { .. } => Ok(DiskResult::Names(Vec::new())),
        DiskOp::Open { .. } => {
            Err(DiskError { kind: ErrorKind::NotFound, message: "no such file".to_owned() })
        }
        _ => Ok(DiskResult::Unit),
    }
}

fn key(number: usize) -> String {
    format!("key:{number:012}")
}

/// `count` requests on different keys, one after another.
fn requests(count: usize, request: impl Fn(String) -> Vec<String>) -> BytesMut {
    let mut bytes = BytesMut::new();
    for number in 0..count {
        let words = request(key(number * 7919 % KEYS));
        encode_command(&mut bytes, words.iter().map(|word| word.as_bytes()));
    }
    bytes
}

fn node_commands(criterion: &mut Criterion) {
    let value = "v".repeat(32);
    let get = |key: String| vec!["GET".to_owned(), key];
    let set = |key: String| vec!["SET".to_owned(), key, value.clone()];
    let incr = |_: String| vec!["INCR".to_owned(), "counter".to_owned()];
    let mut session = Session::open();
    session.exchange(&requests(KEYS, set));
    assert_eq!(session.exchange(&requests(1, get)), b"$32\r\n".len() + 32 + 2, "the keys are there");
    let mut group = criterion.benchmark_group("through the node");
    for count in [1, 16] {
        group.throughput(Throughput::Elements(count as u64));
        for (name, batch) in
            [("get", requests(count, get)), ("set", requests(count, set)), ("incr", requests(count, incr))]
        {
            group.bench_function(format!("{name}, {count} at once"), |bencher| {
                bencher.iter(|| black_box(session.exchange(&batch)));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, node_commands);
criterion_main!(benches);
