//! The shell around [`Node`](squall_node::Node): it moves bytes between the node and a
//! [`Host`](squall_net::Host)'s network, disk and clocks, and decides nothing. The same shell runs on real
//! sockets (the `squall-server` binary) and in a simulated world.
//!
//! Everything runs on one thread. A task for each connection reads, gives the bytes to the node and writes
//! its answer in the same poll ([`connection`]); beside these stand a task for each listener ([`listening`]),
//! one for each lane of disk operations ([`lanes`]) and one for the node's deadlines ([`timer`]). [`encryption`] tells the host what
//! the configuration says of it.
//! [`shell`] holds what they share and carries out the node's effects.
#![forbid(unsafe_code)]

mod connection;
mod doorbell;
mod encryption;
mod lanes;
mod listening;
mod shell;
mod timer;

use std::rc::Rc;

use squall_clock::Now;
use squall_net::Host;
pub use squall_node::{Config, Environment, LogLevel, Mark, Marks};
use squall_node::{Node, NodeOptions};

use shell::Shell;

/// What a server is started with.
pub struct ServerOptions {
    pub config: Config,
    pub environment: Environment,
    /// Gets each line of the log, in order.
    pub log: Box<dyn Fn(LogLine<'_>)>,
}

/// One line of the log. How it looks, and where it goes, is for the sink to say.
#[derive(Clone, Copy, Debug)]
pub struct LogLine<'a> {
    pub at: Now,
    /// `M` for a primary, `S` for a replica.
    pub role: char,
    pub level: LogLevel,
    pub message: &'a str,
}

/// A running server. Cloning gives another handle to the same one; it goes on when all are dropped.
pub struct Running<H: Host> {
    shell: Rc<Shell<H>>,
}

/// Starts a server on `host`. It listens and loads its dataset as soon as the host polls its tasks.
pub fn start<H: Host>(host: H, options: ServerOptions) -> Running<H> {
    let mut seed = [0; 32];
    host.entropy(&mut seed);
    let ServerOptions { config, environment, log } = options;
    let node = Node::new(NodeOptions { config, seed, environment }, host.now());
    let shell = Rc::new(Shell::new(host, node, log));
    shell.start();
    Running { shell }
}

impl<H: Host> Running<H> {
    /// Waits until the node has ended; gives the status of the process. Nothing is served after that.
    pub async fn exited(&self) -> i32 {
        self.shell.exited().await
    }

    /// Asks for an orderly end, as SIGTERM does; a server that is stalled hears it afterwards.
    pub async fn terminate(&self) {
        self.shell.turn_when_served(|node, now| node.terminate(now)).await;
    }

    /// The same, as SIGINT does.
    pub async fn interrupt(&self) {
        self.shell.turn_when_served(|node, now| node.interrupt(now)).await;
    }

    /// Refreshes the facts that INFO shows about the process.
    pub fn set_environment(&self, environment: Environment) {
        self.shell.turn(|node, _| node.set_environment(environment));
    }

    /// Looks at the node between two turns.
    pub fn inspect<R>(&self, look: impl FnOnce(&Node) -> R) -> R {
        self.shell.inspect(look)
    }
}

impl<H: Host> Clone for Running<H> {
    fn clone(&self) -> Running<H> {
        Running { shell: self.shell.clone() }
    }
}
