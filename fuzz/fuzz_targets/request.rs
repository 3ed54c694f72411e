//! What a client sends: no bytes may make the parser panic, and where they are cut must not matter. The
//! first byte of the input says where.
#![no_main]

use libfuzzer_sys::fuzz_target;
use squall_resp::{Limits, Parsed, RequestParser};

fuzz_target!(|data: &[u8]| {
    let Some((&cut, bytes)) = data.split_first() else { return };
    let cut = usize::from(cut).min(bytes.len());
    let limits = Limits::default();
    let mut at_once = RequestParser::new();
    let whole = at_once.parse(bytes, &limits);
    let mut in_pieces = RequestParser::new();
    let mut parsed = in_pieces.parse(&bytes[..cut], &limits);
    if parsed == Ok(Parsed::Incomplete) {
        parsed = in_pieces.parse(bytes, &limits);
    }
    assert_eq!(parsed, whole);
    if let Ok(Parsed::Command { .. }) = whole {
        let arguments = |parser: &RequestParser| -> Vec<Vec<u8>> {
            parser.args(bytes).iter().map(<[u8]>::to_vec).collect()
        };
        assert_eq!(arguments(&in_pieces), arguments(&at_once));
    }
});
