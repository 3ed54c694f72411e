//! What a stranger sends to the cluster bus: no bytes may make the decoder panic, and what it accepts and
//! what is written for that are the same message.
#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use squall_cluster::wire::{MESSAGE_BYTES_MAX, Message, decode, encode, frame_bytes};

fuzz_target!(|data: &[u8]| {
    let _ = frame_bytes(data, MESSAGE_BYTES_MAX);
    let mut framed = data.to_vec();
    if framed.len() >= 8 {
        let len = (framed.len() as u32).to_be_bytes();
        framed[4..8].copy_from_slice(&len);
    }
    if let Ok(Message::Full { header, body }) = decode(&Bytes::from(framed)) {
        let again = decode(&encode(&header, &body)).expect("what was accepted can be said");
        assert!(matches!(again, Message::Full { header: same, .. } if same.sender == header.sender));
    }
});
