//! What a server answers: no bytes may make the decoder panic, and a value is never longer than its bytes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_resp::decode;

fuzz_target!(|data: &[u8]| {
    let mut rest = data;
    while let Ok(Some((_, used))) = decode(rest) {
        assert!(used > 0 && used <= rest.len());
        rest = &rest[used..];
    }
});
