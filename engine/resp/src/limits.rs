//! What a peer may send before it is refused.

/// Limits on one request. They are given with each call of the parser, because they change when the peer
/// authenticates and when an operator reconfigures the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The longest argument (`proto-max-bulk-len`).
    pub bulk_bytes_max: u64,
    /// The most arguments of one request.
    pub multibulk_count_max: u32,
    /// The longest line without an end: an inline command, a count or a length.
    pub inline_bytes_max: usize,
    /// The most input that may wait for its end (`client-query-buffer-limit`). The reader enforces it: past
    /// it a peer is disconnected without a reply.
    pub query_buffer_bytes_max: u64,
    /// Whether the peer is known; decides only which error it reads.
    pub authenticated: bool,
}

impl Limits {
    /// The bounds for a peer that has not authenticated: enough for AUTH and HELLO, too little to fill memory.
    pub fn unauthenticated() -> Limits {
        Limits {
            bulk_bytes_max: 16_384,
            multibulk_count_max: 10,
            query_buffer_bytes_max: 1 << 20,
            authenticated: false,
            ..Limits::default()
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bulk_bytes_max: 512 << 20,
            multibulk_count_max: i32::MAX as u32,
            inline_bytes_max: 64 << 10,
            query_buffer_bytes_max: 1 << 30,
            authenticated: true,
        }
    }
}
