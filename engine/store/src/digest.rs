//! The digest that DEBUG DIGEST and DEBUG DIGEST-VALUE reply: a hash of the data that depends neither on
//! order nor on encoding, so that two servers can be compared.
//!
//! Two operations on twenty bytes: *adding* data (xor of its SHA-1) is commutative, *mixing* data (adding
//! it, then hashing the whole) is not.

use crate::entry::{Entry, Value};
use crate::keyspace::Keyspace;
use sha1::{Digest as _, Sha1};

/// Twenty bytes; all zero for no data.
pub type Digest = [u8; 20];

impl Keyspace {
    /// The digest of all databases.
    pub fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        for number in 0..self.databases() {
            let db = self.db(number);
            if db.is_empty() {
                continue;
            }
            mix(&mut digest, &(number as u32).to_be_bytes());
            for entry in db.iter() {
                let mut pair = Digest::default();
                mix(&mut pair, entry.key());
                mix_value(&mut pair, entry);
                add(&mut digest, &pair);
            }
        }
        digest
    }
}

impl Entry {
    /// The digest of the value and its expiry.
    pub fn digest(&self) -> Digest {
        let mut digest = Digest::default();
        mix_value(&mut digest, self);
        digest
    }
}

fn mix_value(digest: &mut Digest, entry: &Entry) {
    mix(digest, &(entry.kind() as u32).to_be_bytes());
    match entry.rich() {
        Some(Value::List(list)) => list.mix_into(digest),
        Some(Value::Set(set)) => set.mix_into(digest),
        Some(Value::Hash(hash)) => hash.mix_into(digest),
        Some(Value::Stream(stream)) => stream.mix_into(digest),
        Some(Value::ZSet(zset)) => zset.mix_into(digest),
        None | Some(Value::String(_)) => {
            let string = entry.string().expect("what is no collection is a string");
            mix(digest, string.as_bytes(&mut itoa::Buffer::new()));
        }
    }
    if entry.expire_at().is_some() {
        add(digest, b"!!expire!!");
    }
}

pub(crate) fn add(digest: &mut Digest, data: &[u8]) {
    let hash = Sha1::digest(data);
    digest.iter_mut().zip(hash).for_each(|(byte, hashed)| *byte ^= hashed);
}

pub(crate) fn mix(digest: &mut Digest, data: &[u8]) {
    add(digest, data);
    *digest = Sha1::digest(*digest).into();
}
