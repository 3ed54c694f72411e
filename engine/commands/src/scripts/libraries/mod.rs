//! The libraries that scripts have beside Lua's own, written in Rust: JSON, MessagePack, C structures and
//! bits. Their functions, results and error texts are those of the Lua modules that Redis lends.

mod bits;
mod json;
mod json_decode;
mod json_encode;
mod msgpack;
mod msgpack_unpack;
mod struct_format;
mod structs;

pub(super) use bits::bits;
pub(super) use json::cjson;
pub(super) use msgpack::cmsgpack;
pub(super) use structs::structs;
