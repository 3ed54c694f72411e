//! Requests come out as they went in, however the bytes are cut, and no bytes bring the parser down.

use bytes::BytesMut;
use proptest::prelude::*;
use squall_resp::{Limits, OwnedArgs, Parsed, ProtocolError, RequestParser, encode_command};

type Request = Vec<Vec<u8>>;

/// Feeds `chunks` as a reader would: each is appended to what is not consumed yet.
fn feed(chunks: &[&[u8]]) -> (Vec<Request>, Option<ProtocolError>) {
    let (mut parser, mut buffer, mut requests) = (RequestParser::new(), Vec::new(), Vec::new());
    for chunk in chunks {
        buffer.extend_from_slice(chunk);
        let mut consumed_total = 0;
        loop {
            let rest = &buffer[consumed_total..];
            match parser.parse(rest, &Limits::default()) {
                Ok(Parsed::Incomplete) => break,
                Ok(Parsed::Empty { consumed }) => consumed_total += consumed,
                Ok(Parsed::Command { consumed }) => {
                    let args = parser.args(rest);
                    assert_eq!(
                        OwnedArgs::from_args(args).as_args().iter().collect::<Vec<_>>(),
                        Vec::from_iter(args)
                    );
                    requests.push(args.iter().map(<[u8]>::to_vec).collect());
                    consumed_total += consumed;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
        buffer.drain(..consumed_total);
    }
    (requests, None)
}

fn cut<'a>(bytes: &'a [u8], places: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<usize> = places.iter().map(|place| place.index(bytes.len() + 1)).collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn as_line(request: &Request) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, arg) in request.iter().enumerate() {
        line.extend_from_slice(if index == 0 { b"" } else { b" \t" });
        match index % 3 {
            0 if !arg.is_empty() && arg.iter().all(u8::is_ascii_alphanumeric) => line.extend_from_slice(arg),
            1 if !arg.iter().any(|byte| matches!(byte, b'\'' | b'\\' | b'\n')) => {
                line.extend([b"'", &arg[..], b"'"].concat());
            }
            _ => {
                line.push(b'"');
                arg.iter().for_each(|byte| line.extend(format!("\\x{byte:02x}").into_bytes()));
                line.push(b'"');
            }
        }
    }
    line.extend_from_slice(b"\r\n");
    line
}

fn request() -> impl Strategy<Value = Request> {
    let small = prop::collection::vec(any::<u8>(), 0..12);
    let large = (any::<u8>(), 90..3_000usize).prop_map(|(byte, len)| vec![byte; len]);
    let word = "[a-zA-Z]{1,9}".prop_map(String::into_bytes);
    prop::collection::vec(prop_oneof![3 => small, 1 => large, 3 => word], 1..8)
}

#[derive(Clone, Debug)]
enum Sent {
    Array(Request),
    Line(Request),
    Nothing(&'static [u8]),
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        4 => request().prop_map(Sent::Array),
        2 => request().prop_map(Sent::Line),
        1 => prop::sample::select(vec![&b"\r\n"[..], b"\n", b"*0\r\n", b"*-1\r\n", b"  \r\n"]).prop_map(Sent::Nothing),
    ]
}

/// Bytes that often look like the protocol.
fn noise() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            &b"*1\r\n"[..],
            b"*3\r\n",
            b"*12\r\n",
            b"*-1\r\n",
            b"*0",
            b"*x\r\n",
            b"$4\r\n",
            b"$0\r\n",
            b"$10\r\n",
            b"$100\r\n",
            b"$-1\r\n",
            b"$04\r\n",
            b"$99999999999999999999\r\n",
            b"PING",
            b"\r\n",
            b"\r",
            b"\n",
            b"\"",
            b"'",
            b"\\x4",
            b" ",
        ])
        .prop_map(<[u8]>::to_vec),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn requests_arrive_whole(all in prop::collection::vec(sent(), 0..12), places in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let mut bytes = BytesMut::new();
        let mut expected = Vec::new();
        for item in all {
            match item {
                Sent::Array(request) => {
                    encode_command(&mut bytes, request.iter().map(Vec::as_slice));
                    expected.push(request);
                }
                Sent::Line(request) => {
                    bytes.extend_from_slice(&as_line(&request));
                    expected.push(request);
                }
                Sent::Nothing(nothing) => bytes.extend_from_slice(nothing),
            }
        }
        prop_assert_eq!(feed(&cut(&bytes, &places)), (expected, None));
    }

    #[test]
    fn cuts_change_nothing(bytes in noise(), places in prop::collection::vec(any::<prop::sample::Index>(), 0..8)) {
        let whole = feed(&[&bytes]);
        prop_assert_eq!(&feed(&cut(&bytes, &places)), &whole);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(feed(&single), whole);
    }
}

/// What a running Redis 7.0 answers to each of these, after `ERR Protocol error: `.
#[test]
fn errors_are_those_of_redis() {
    let known = Limits::default();
    let unknown = Limits::unauthenticated();
    let long = "1".repeat(65_537);
    for (limits, bytes, text) in [
        (known, "*x\r\n", "invalid multibulk length"),
        (known, "*\r\n", "invalid multibulk length"),
        (known, "*01\r\n", "invalid multibulk length"),
        (known, "*+1\r\n", "invalid multibulk length"),
        (known, "*2147483648\r\n", "invalid multibulk length"),
        (known, "*1\n$4\r\nPING\r\n", "invalid multibulk length"),
        (known, "*1\r\n\r\n", "expected '$', got '\r'"),
        (known, "*1\r\n:1\r\n", "expected '$', got ':'"),
        (known, "*1\r\n$-1\r\n", "invalid bulk length"),
        (known, "*1\r\n$\r\n", "invalid bulk length"),
        (known, "*1\r\n$04\r\n", "invalid bulk length"),
        (known, "*1\r\n$536870913\r\n", "invalid bulk length"),
        (known, "*1\r\n$18446744073709551617\r\n", "invalid bulk length"),
        (known, &format!("*{long}"), "too big mbulk count string"),
        (known, &format!("*1\r\n${long}"), "too big bulk count string"),
        (known, &long, "too big inline request"),
        (known, "PING \"a\r\n", "unbalanced quotes in request"),
        (known, "PING 'a'b\r\n", "unbalanced quotes in request"),
        (known, "PING \"a\\\r\n", "unbalanced quotes in request"),
        (unknown, "*11\r\n", "unauthenticated multibulk length"),
        (unknown, "*2147483648\r\n", "invalid multibulk length"),
        (unknown, "*1\r\n$16385\r\n", "unauthenticated bulk length"),
        (unknown, "*1\r\n$536870913\r\n", "invalid bulk length"),
    ] {
        let error = RequestParser::new().parse(bytes.as_bytes(), &limits).expect_err(bytes);
        assert_eq!(error.to_string(), text);
    }
    for (limits, bytes) in
        [(known, "*2147483647\r\n"), (known, "*1\r\n$536870912\r\n"), (unknown, "*1\r\n$16384\r\n")]
    {
        assert_eq!(RequestParser::new().parse(bytes.as_bytes(), &limits), Ok(Parsed::Incomplete));
    }
}

#[test]
fn lines_are_split_as_redis_splits_them() {
    for (line, args) in [
        ("a\x0bb \x0b c", &["a\x0bb", "c"][..]),
        (r#"a"b c" d"#, &["ab c", "d"]),
        (r#""\x41\n\r\t\b\a\q\\\"\xZZ" ''"#, &["A\n\r\t\x08\x07q\\\"xZZ", ""]),
        (r#"'a\'b\n'"#, &["a'b\\n"]),
        ("a\rb", &["a", "b"]),
    ] {
        let (requests, error) = feed(&[line.as_bytes(), b"\r\n"]);
        assert_eq!(error, None);
        assert_eq!(requests, [args.iter().map(|arg| arg.as_bytes().to_vec()).collect::<Vec<_>>()]);
    }
}

/// A reader that is told how much is missing can receive a large value without growing its buffer step by step.
#[test]
fn a_large_argument_says_what_it_wants() {
    let mut parser = RequestParser::new();
    let start = b"*2\r\n$3\r\nGET\r\n$100000\r\nabc";
    assert_eq!(parser.parse(start, &Limits::default()), Ok(Parsed::Incomplete));
    assert_eq!(parser.bytes_wanted(start.len()), 100_000 + 2 - 3);
}
