//! Writing requests: what one server sends to another, what is appended to a log, what a test sends.

use bytes::{BufMut, BytesMut};

/// Appends one request: an array of bulk strings.
pub fn encode_command<'a>(out: &mut BytesMut, args: impl ExactSizeIterator<Item = &'a [u8]>) {
    header(out, b'*', args.len());
    for arg in args {
        out.reserve(arg.len() + 32);
        header(out, b'$', arg.len());
        out.put_slice(arg);
        out.put_slice(b"\r\n");
    }
}

fn header(out: &mut BytesMut, kind: u8, count: usize) {
    out.put_u8(kind);
    out.put_slice(itoa::Buffer::new().format(count).as_bytes());
    out.put_slice(b"\r\n");
}
