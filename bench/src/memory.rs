//! Memory that a server takes for connections which do nothing, and for a million small keys.
//!
//! Both are the growth of the process's resident set, so that what an allocator wastes counts, and both
//! are taken in a server started for the purpose: pages that earlier load left behind would hide the growth.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Failure;
use crate::figures::Memory;
use crate::interrupt::Interrupt;
use crate::launch::{Contender, Server};
use crate::process;

pub const IDLE_CONNECTIONS: usize = 1_000;
pub const KEYS: usize = 1_000_000;
/// Long enough for a server to have given back the buffers of a connection that does nothing.
const SETTLING_TIME: Duration = Duration::from_secs(5);
const KEYS_PER_BATCH: usize = 1_000;

pub fn measure(contender: &Contender, core: usize, interrupt: &Interrupt) -> Result<Memory, Failure> {
    Ok(Memory {
        idle_connections_bytes: idle_connections(contender, core, interrupt)?,
        million_keys_bytes: million_keys(contender, core, interrupt)?,
    })
}

/// Each connection sends one PING, so that a server that allocates on first use is not flattered.
fn idle_connections(contender: &Contender, core: usize, interrupt: &Interrupt) -> Result<u64, Failure> {
    let server = Server::start(contender, core, interrupt)?;
    interrupt.sleep(Duration::from_secs(1))?;
    let before = process::resident_bytes(server.pid())?;
    let connections: Vec<TcpStream> =
        (0..IDLE_CONNECTIONS).map(|_| server.connect()).collect::<Result<_, _>>()?;
    interrupt.sleep(SETTLING_TIME)?;
    let after = process::resident_bytes(server.pid())?;
    drop(connections);
    Ok(after.saturating_sub(before))
}

/// Keys of 16 bytes, values of 32.
fn million_keys(contender: &Contender, core: usize, interrupt: &Interrupt) -> Result<u64, Failure> {
    let server = Server::start(contender, core, interrupt)?;
    let mut stream = server.connect()?;
    interrupt.sleep(Duration::from_secs(1))?;
    let before = process::resident_bytes(server.pid())?;
    let mut replies = vec![0; KEYS_PER_BATCH * b"+OK\r\n".len()];
    for batch in 0..KEYS / KEYS_PER_BATCH {
        interrupt.check()?;
        let mut requests = Vec::new();
        for key in batch * KEYS_PER_BATCH..(batch + 1) * KEYS_PER_BATCH {
            write!(requests, "*3\r\n$3\r\nSET\r\n$16\r\nkey:{key:012}\r\n$32\r\nvalue:{key:026}\r\n")?;
        }
        stream.write_all(&requests)?;
        stream.read_exact(&mut replies)?;
        if !replies.starts_with(b"+OK\r\n") {
            return Err(format!("SET was answered with {}", String::from_utf8_lossy(&replies)).into());
        }
    }
    interrupt.sleep(SETTLING_TIME)?;
    Ok(process::resident_bytes(server.pid())?.saturating_sub(before))
}
