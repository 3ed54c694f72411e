//! What a picture of a run needs beside the clients' history: the messages between machines, what became of each
//! machine, and the remarks of those who live there. Kept only in a world that is asked for it, and bounded.

use squall_clock::Mono;

use crate::connection::ConnId;
use crate::machine::{MachineId, MachineStatus};

#[derive(Clone, Debug, Default)]
pub struct Chronicle {
    /// By number of the machine.
    pub machines: Vec<String>,
    pub messages: Vec<Message>,
    pub statuses: Vec<StatusChange>,
    pub remarks: Vec<Remark>,
    /// What came when enough had been written down.
    pub left_out: u64,
}

/// Bytes that one write of one end became, from when they were first sent until they were received.
#[derive(Clone, Copy, Debug)]
pub struct Message {
    pub from: MachineId,
    pub to: MachineId,
    pub connection: ConnId,
    pub sent: Mono,
    pub received: Mono,
    pub bytes: u32,
}

#[derive(Clone, Copy, Debug)]
pub struct StatusChange {
    pub at: Mono,
    pub machine: MachineId,
    pub status: MachineStatus,
}

/// A line that somebody on a machine, or the world itself (`*`), wanted to be known.
#[derive(Clone, Debug)]
pub struct Remark {
    pub at: Mono,
    pub who: String,
    pub text: String,
}

const MESSAGES_MAX: usize = 400_000;
const REMARKS_MAX: usize = 50_000;

impl Chronicle {
    pub fn message(&mut self, message: Message) {
        // What a machine says to itself crosses nothing.
        if message.from == message.to {
            return;
        }
        match self.messages.len() < MESSAGES_MAX {
            true => self.messages.push(message),
            false => self.left_out += 1,
        }
    }

    pub fn status(&mut self, at: Mono, machine: MachineId, status: MachineStatus) {
        self.statuses.push(StatusChange { at, machine, status });
    }

    pub fn remark(&mut self, at: Mono, who: &str, text: std::fmt::Arguments<'_>) {
        match self.remarks.len() < REMARKS_MAX {
            true => self.remarks.push(Remark { at, who: who.to_owned(), text: text.to_string() }),
            false => self.left_out += 1,
        }
    }
}
