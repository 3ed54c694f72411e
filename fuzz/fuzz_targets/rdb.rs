//! A dataset from a disk or a primary, and a RESTORE payload: refused or loaded, never a panic. The loader
//! gets its bytes in two pieces; the first byte of the input says where they are cut.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use squall_store::rdb::{LoadOptions, Loader, Loading, restore};
use squall_store::recency::Recency;
use squall_store::{Keyspace, Limits, Partitioning};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let _ = restore(bytes, &Limits::seeded(1));
    let cut = usize::from(cut).min(bytes.len());
    let mut keyspace = Keyspace::new(2, 1, Partitioning::ByHash);
    let options = LoadOptions { drop_expired_at: None, verify_checksum: false, recency: Recency::Untold };
    let mut loader = Loader::new(options);
    let mut input = BytesMut::new();
    for piece in [&bytes[..cut], &bytes[cut..]] {
        input.extend_from_slice(piece);
        match loader.feed(&mut input, &mut keyspace) {
            Ok(Loading::NeedMore) => {}
            Ok(Loading::Done(_)) | Err(_) => return,
        }
    }
});
