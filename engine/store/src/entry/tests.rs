//! Every way in which an entry's block changes, small enough for Miri:
//! `cargo +nightly miri test -p squall-store --lib entry::`.

use super::*;
use bytes::Bytes;

/// A value of each form, and of sizes around the steps of the block.
fn values() -> Vec<Value> {
    let text = |len: usize| Value::String(StringValue::whole(Bytes::from(vec![b'v'; len])));
    vec![
        Value::String(StringValue::Int(-5)),
        text(0),
        text(3),
        text(4),
        text(33),
        text(INLINE_BYTES_MAX),
        text(INLINE_BYTES_MAX + 1),
        Value::String(StringValue::Buffer(b"changed in place".to_vec())),
    ]
}

fn create(key: &[u8], value: Value, expire_at: Option<UnixMs>) -> Entry {
    with_content(value, |content| Entry::create(key, content, expire_at))
}

fn assert_is(entry: &Entry, key: &[u8], value: &Value, expire_at: Option<UnixMs>) {
    assert_eq!(entry.key(), key);
    assert_eq!(&entry.duplicate_value(), value);
    assert_eq!(entry.expire_at(), expire_at);
    assert_eq!(entry.encoding(), value.encoding());
    assert_eq!(entry.access(), 77);
    assert!(entry.memory_bytes() >= key.len());
}

#[test]
fn any_value_replaces_any_other() {
    for key in [&b""[..], b"k", b"key:4", &[b'k'; 300]] {
        for expire_at in [None, Some(UnixMs(u64::MAX - 1))] {
            for before in values() {
                for after in values() {
                    let mut entry = create(key, before.clone(), expire_at);
                    entry.touch(77);
                    assert_is(&entry, key, &before, expire_at);
                    let was_rich = entry.rich().is_some();
                    let old = with_content(after.clone(), |content| entry.set_content(content));
                    assert_eq!(old.as_ref(), was_rich.then_some(&before));
                    assert_is(&entry, key, &after, expire_at);
                }
            }
        }
    }
}

#[test]
fn only_what_fits_overwrites() {
    for expire_at in [None, Some(UnixMs(9))] {
        for before in values() {
            for after in values() {
                let mut entry = create(b"some key", before.clone(), expire_at);
                entry.touch(77);
                let bytes = create(b"some key", after.clone(), expire_at).block_bytes();
                let rich = |value: &Value| create(b"", value.clone(), None).rich().is_some();
                let fits = bytes == entry.block_bytes() && !rich(&before) && !rich(&after);
                let overwritten = with_content(after.clone(), |content| entry.overwrite(content).is_ok());
                assert_eq!(overwritten, fits);
                assert_is(&entry, b"some key", if fits { &after } else { &before }, expire_at);
            }
        }
    }
}

#[test]
fn an_expiry_time_comes_and_goes_with_any_value() {
    for key in [&b""[..], b"key", &[b'k'; 20]] {
        for value in values() {
            let mut entry = create(key, value.clone(), None);
            entry.touch(77);
            for at in [Some(3), Some(u64::MAX), None, None, Some(0), None] {
                entry.set_expire_at(at.map(UnixMs));
                assert_is(&entry, key, &value, at.map(UnixMs));
            }
        }
    }
}

#[test]
fn strings_are_changed_in_place() {
    for value in values() {
        let mut entry = create(b"key", value.clone(), Some(UnixMs(5)));
        let mut expected = entry.string().unwrap().to_bytes().to_vec();
        for _ in 0..3 {
            entry.append(b"tail");
            expected.extend_from_slice(b"tail");
            entry.set_range(expected.len() + 2, b"patch");
            expected.extend_from_slice(b"\0\0patch");
            entry.set_range(1, b"!");
            expected[1] = b'!';
            assert_eq!(entry.string().unwrap().to_bytes(), expected);
        }
        assert_eq!(entry.encoding(), "raw");
    }
}

#[test]
fn a_removed_value_outlives_its_entry() {
    for value in values() {
        let removed = Removed(create(b"key", value.clone(), Some(UnixMs(5))));
        assert_eq!((removed.key(), removed.expire_at()), (&b"key"[..], Some(UnixMs(5))));
        assert_eq!(removed.into_value(), value);
        drop(Removed(create(b"key", value, None)));
    }
}
