//! What a reply says is what the peer reads, in both protocols, however it was queued and sent.

use std::io::IoSlice;

use bytes::Bytes;
use proptest::prelude::*;
use squall_resp::{Output, Protocol, Reply, Value, decode};

fn sent(output: &Output) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 1_024];
    let count = output.slices(&mut slices);
    slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect()
}

/// Writes `value`, its aggregates announced or counted afterwards.
fn write(reply: &mut Reply<'_>, value: &Value, deferred: bool) {
    match value {
        Value::Simple(text) => reply.simple(text),
        Value::Error(text) => reply.error(text),
        Value::Integer(number) => reply.integer(*number),
        Value::Bulk(bytes) => reply.bulk_bytes(bytes.clone()),
        Value::Null => reply.null(),
        Value::Double(number) => reply.double(*number),
        Value::Boolean(value) => reply.boolean(*value),
        Value::BigNumber(digits) => reply.big_number(digits.as_bytes()),
        Value::Verbatim { format, text } => reply.verbatim(format, text),
        Value::Push(elements) => {
            reply.push(elements.len());
            elements.iter().for_each(|element| write(reply, element, deferred));
        }
        Value::Array(elements) | Value::Set(elements) => {
            let set = matches!(value, Value::Set(_));
            let mark = match (set, deferred) {
                (false, false) => {
                    reply.array(elements.len());
                    None
                }
                (true, false) => {
                    reply.set(elements.len());
                    None
                }
                (false, true) => Some(reply.deferred_array()),
                (true, true) => Some(reply.deferred_set()),
            };
            elements.iter().for_each(|element| write(reply, element, deferred));
            mark.into_iter().for_each(|mark| reply.set_length(mark, elements.len()));
        }
        Value::Map(pairs) => {
            let mark = match deferred {
                false => {
                    reply.map(pairs.len());
                    None
                }
                true => Some(reply.deferred_map()),
            };
            for (key, value) in pairs {
                write(reply, key, deferred);
                write(reply, value, deferred);
            }
            mark.into_iter().for_each(|mark| reply.set_length(mark, pairs.len()));
        }
    }
}

/// What is left of a value for a peer that speaks RESP2.
fn in_resp2(value: &Value) -> Value {
    let all = |elements: &[Value]| Value::Array(elements.iter().map(in_resp2).collect());
    match value {
        Value::Array(elements) | Value::Set(elements) | Value::Push(elements) => all(elements),
        Value::Map(pairs) => {
            Value::Array(pairs.iter().flat_map(|(key, value)| [in_resp2(key), in_resp2(value)]).collect())
        }
        Value::Double(number) => Value::Bulk(squall_resp::DoubleText::of(*number).as_str().to_owned().into()),
        Value::Boolean(value) => Value::Integer(i64::from(*value)),
        Value::BigNumber(text) | Value::Verbatim { text, .. } => Value::Bulk(text.clone().into()),
        plain => plain.clone(),
    }
}

fn value() -> impl Strategy<Value = Value> {
    let line = "[ -~]{0,20}";
    let large =
        (any::<u8>(), 15_000..40_000usize).prop_map(|(byte, len)| Value::Bulk(vec![byte; len].into()));
    let leaf = prop_oneof![
        line.prop_map(Value::Simple),
        line.prop_map(Value::Error),
        any::<i64>().prop_map(Value::Integer),
        (-20..20i64).prop_map(Value::Integer),
        prop::collection::vec(any::<u8>(), 0..200).prop_map(|bytes| Value::Bulk(bytes.into())),
        large,
        Just(Value::Null),
        any::<f64>()
            .prop_filter("NaN differs from itself", |number| !number.is_nan())
            .prop_map(Value::Double),
        any::<bool>().prop_map(Value::Boolean),
        "-?[1-9][0-9]{0,40}".prop_map(Value::BigNumber),
        ("[a-z]{3}", "\\PC{0,20}").prop_map(|(format, text)| Value::Verbatim { format, text }),
    ];
    leaf.prop_recursive(4, 40, 12, |inner| {
        let many = prop::collection::vec(inner.clone(), 0..12);
        prop_oneof![
            many.clone().prop_map(Value::Array),
            many.clone().prop_map(Value::Set),
            many.prop_map(Value::Push),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::Map),
        ]
    })
}

#[derive(Clone, Debug)]
enum Step {
    Extend(Vec<u8>),
    Large(usize),
    Advance(prop::sample::Index),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Step::Extend),
        1 => (1_000..200_000usize).prop_map(|len| Step::Extend(vec![b'e'; len])),
        2 => (10_000..40_000usize).prop_map(Step::Large),
        4 => any::<prop::sample::Index>().prop_map(Step::Advance),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_reply_reads_as_it_was_meant(values in prop::collection::vec(value(), 1..4)) {
        for (protocol, deferred) in [
            (Protocol::Resp2, false), (Protocol::Resp2, true), (Protocol::Resp3, false), (Protocol::Resp3, true),
        ] {
            let mut output = Output::new();
            output.extend(b"before");
            output.advance(6);
            values.iter().for_each(|value| write(&mut Reply::new(&mut output, protocol), value, deferred));
            let bytes = sent(&output);
            prop_assert_eq!(bytes.len(), output.len());
            let mut rest = &bytes[..];
            for value in &values {
                let expected = if protocol == Protocol::Resp2 { in_resp2(value) } else { value.clone() };
                let (read, len) = decode(rest).unwrap().expect("the reply is whole");
                prop_assert_eq!(read, expected);
                rest = &rest[len..];
            }
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn a_part_of_a_reply_is_no_reply(value in value(), place in any::<prop::sample::Index>()) {
        let mut output = Output::new();
        write(&mut Reply::new(&mut output, Protocol::Resp3), &value, false);
        let bytes = sent(&output);
        prop_assert_eq!(decode(&bytes[..place.index(bytes.len())]), Ok(None));
    }

    #[test]
    fn no_reply_brings_the_reader_down(bytes in prop::collection::vec(prop_oneof![
        Just(b"*3\r\n".to_vec()), Just(b"%1\r\n".to_vec()), Just(b"$2\r\n".to_vec()), Just(b"|1\r\n".to_vec()), Just(b":1\r\n".to_vec()),
        Just(b"*4294967296\r\n".to_vec()), Just(b"=3\r\n".to_vec()), Just(b"\r\n".to_vec()), prop::collection::vec(any::<u8>(), 0..4),
    ], 0..200)) {
        let _ = decode(&bytes.concat());
    }

    #[test]
    fn an_output_sends_what_it_was_given(steps in prop::collection::vec(step(), 0..60)) {
        let (mut output, mut model) = (Output::new(), Vec::new());
        for step in steps {
            match step {
                Step::Extend(bytes) => {
                    output.extend(&bytes);
                    model.extend_from_slice(&bytes);
                }
                Step::Large(len) => {
                    output.push_bytes(Bytes::from(vec![b'l'; len]));
                    model.extend(std::iter::repeat_n(b'l', len));
                }
                Step::Advance(count) => {
                    let count = count.index(model.len() + 1);
                    output.advance(count);
                    model.drain(..count);
                }
                Step::Clear => {
                    output.clear();
                    model.clear();
                }
            }
            prop_assert_eq!(output.len(), model.len());
            prop_assert!(sent(&output) == model);
        }
    }
}

#[test]
fn an_error_is_one_line() {
    let mut output = Output::new();
    Reply::new(&mut output, Protocol::Resp2).error_bytes(b"ERR no \r\n\xff");
    assert_eq!(sent(&output), b"-ERR no   \xff\r\n");
}

#[test]
fn nesting_is_bounded() {
    assert!(decode(&b"*1\r\n".repeat(1_000)).is_err());
}

/// A value above the bound is sent from where it is.
#[test]
fn a_large_value_is_not_copied() {
    let value = Bytes::from(vec![b'v'; 1 << 20]);
    let mut output = Output::new();
    Reply::new(&mut output, Protocol::Resp2).bulk_bytes(value.clone());
    let mut slices = [IoSlice::new(&[]); 8];
    let count = output.slices(&mut slices);
    assert!(slices[..count].iter().any(|slice| slice.as_ptr() == value.as_ptr()));
}
