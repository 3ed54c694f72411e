//! The replication backlog: what each write costs a primary beyond the write itself.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_replication::{Backlog, ReplOffset};

const LIMIT_BYTES: u64 = 1 << 20;

fn backlog_append(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("backlog append");
    for (name, len) in [("set of 32 bytes", 70), ("batch of 16 sets", 1_120), ("value of 1 MiB", 1 << 20)] {
        let bytes = Bytes::from(vec![b'x'; len]);
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(name, |bencher| {
            let mut backlog = Backlog::new(ReplOffset(1), LIMIT_BYTES);
            bencher.iter(|| {
                backlog.append(black_box(bytes.clone()));
                backlog.trim(None);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, backlog_append);
criterion_main!(benches);
