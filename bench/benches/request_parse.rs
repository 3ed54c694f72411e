//! The request parser alone: what every byte from a client costs before anything is done with it.
//!
//! One iteration reads a batch of requests from one buffer, as a connection does after one read.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use squall_resp::{Limits, Parsed, RequestParser};

const BATCH: u64 = 16;

fn request_parse(criterion: &mut Criterion) {
    let cases = [
        ("ping, inline", "PING\r\n".to_owned()),
        ("get", "*2\r\n$3\r\nGET\r\n$16\r\nkey:000000000001\r\n".to_owned()),
        (
            "set of 32 bytes",
            format!("*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$32\r\n{}\r\n", "x".repeat(32)),
        ),
        ("mset of 10 keys", format!("*21\r\n$4\r\nMSET\r\n{}", "$5\r\nkey:1\r\n$3\r\nxxx\r\n".repeat(10))),
        ("set of 64 KiB", format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$65536\r\n{}\r\n", "x".repeat(65_536))),
    ];
    let mut group = criterion.benchmark_group("request parse");
    group.throughput(Throughput::Elements(BATCH));
    for (name, request) in cases {
        let input = request.repeat(BATCH as usize).into_bytes();
        group.bench_function(name, |bencher| {
            let mut parser = RequestParser::new();
            bencher.iter(|| {
                assert_eq!(parse_all(&mut parser, black_box(&input)), BATCH);
            });
        });
    }
    group.finish();
}

fn parse_all(parser: &mut RequestParser, input: &[u8]) -> u64 {
    let limits = Limits::default();
    let mut rest = input;
    let mut requests = 0;
    while let Ok(Parsed::Command { consumed }) = parser.parse(rest, &limits) {
        black_box(parser.args(rest));
        rest = &rest[consumed..];
        requests += 1;
    }
    requests
}

criterion_group!(benches, request_parse);
criterion_main!(benches);
