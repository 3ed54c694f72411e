//! RESP2 and RESP3: requests in, replies out, and the client's side of both.
//!
//! This crate owns bytes and their framing, following the RESP specification and, for inline commands,
//! limits and the texts of protocol errors, what a running Redis 7.0 server answers. It knows no command:
//! what a request means is the business of `commands`.
//!
//! - [`RequestParser`] finds one request at a time in a read buffer, and yields slices of it ([`Args`]).
//! - [`Reply`] writes a reply of either protocol into an [`Output`], from which a shell writes to its peer.
//! - [`decode`] and [`encode_command`] are the client's side: links to other servers, and tests.
#![forbid(unsafe_code)]

mod args;
mod double;
mod encode;
mod inline;
mod limits;
mod output;
mod reply;
mod request;
mod value;

pub use args::{ArgRange, Args, ArgsIter, OwnedArgs};
pub use double::DoubleText;
pub use encode::encode_command;
pub use inline::{UnbalancedQuotes, split_line};
pub use limits::Limits;
pub use output::{OUTPUT_COPY_BYTES_MAX, Output};
pub use reply::{DeferredLength, Protocol, Reply};
pub use request::{Parsed, ProtocolError, RequestParser};
pub use value::{DecodeError, Value, decode};
