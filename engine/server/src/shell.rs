//! What the tasks share: the node, the read buffer, and who is to be woken for what. Every call into the
//! node is a turn: it ends with the node's effects carried out and its next deadline known to the timer.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use bytes::BytesMut;
use squall_clock::{Mono, Nanos, Now};
use squall_net::{Address, Host, Stream};
use squall_node::{ClientId, Effect, LinkId, Node};

use crate::LogLine;
use crate::connection::{Connection, Party};
use crate::doorbell::{Doorbell, First, first_of};
use crate::encryption;
use crate::lanes::Lanes;
use crate::listening::Listening;
use crate::timer::Timer;

pub(crate) struct Shell<H: Host> {
    pub host: H,
    node: RefCell<Node>,
    /// When the last turn began.
    turned: Cell<Now>,
    /// Where every connection's input lands first; one that holds an incomplete request takes it along.
    pub scratch: RefCell<BytesMut>,
    clients: RefCell<BTreeMap<ClientId, Rc<Doorbell>>>,
    links: RefCell<BTreeMap<LinkId, Rc<Doorbell>>>,
    pub listening: Listening,
    pub lanes: Lanes<H>,
    pub timer: Timer,
    pause: Pause,
    exit: Exit,
    log: Box<dyn Fn(LogLine<'_>)>,
}

/// While it lasts, no task enters the node.
#[derive(Default)]
struct Pause {
    until: Cell<Option<Mono>>,
    waiting: RefCell<Vec<Rc<Doorbell>>>,
}

#[derive(Default)]
struct Exit {
    status: Cell<Option<i32>>,
    bell: Doorbell,
}

impl<H: Host> Shell<H> {
    pub fn new(host: H, node: Node, log: Box<dyn Fn(LogLine<'_>)>) -> Shell<H> {
        Shell {
            turned: Cell::new(host.now()),
            host,
            node: RefCell::new(node),
            scratch: RefCell::default(),
            clients: RefCell::default(),
            links: RefCell::default(),
            listening: Listening::default(),
            lanes: Lanes::default(),
            timer: Timer::default(),
            pause: Pause::default(),
            exit: Exit::default(),
            log,
        }
    }

    /// Starts the tasks that live as long as the server, and carries out the node's first effects.
    pub fn start(self: &Rc<Self>) {
        crate::lanes::start(self);
        self.host.spawn(crate::listening::run(self.clone()));
        self.host.spawn(crate::timer::run(self.clone()));
        self.turn(|_, _| ());
    }

    /// Calls the node, then carries out what it wants done.
    pub fn turn<R>(self: &Rc<Self>, act: impl FnOnce(&mut Node, Now) -> R) -> R {
        let (mut node, now) = self.enter();
        let outcome = act(&mut node, now);
        self.settle(&mut node, now);
        outcome
    }

    /// A turn that waits for the end of a pause first.
    pub async fn turn_when_served<R>(self: &Rc<Self>, act: impl FnOnce(&mut Node, Now) -> R) -> R {
        while self.is_paused() {
            let bell = Rc::new(Doorbell::default());
            self.resume_with(&bell);
            bell.heard().await;
        }
        self.turn(act)
    }

    /// Begins a turn of several calls; each group of them ends with `settle`.
    pub fn enter(&self) -> (std::cell::RefMut<'_, Node>, Now) {
        self.turned.set(self.host.now());
        self.enter_again()
    }

    /// Goes on with what the last turn has left to do: the clock is not read for it once more.
    pub fn enter_again(&self) -> (std::cell::RefMut<'_, Node>, Now) {
        (self.node.borrow_mut(), self.turned.get())
    }

    /// The node, for a look that changes nothing.
    pub fn look(&self) -> std::cell::Ref<'_, Node> {
        self.node.borrow()
    }

    /// Carries out the node's effects, and tells the timer when the node wants to be called.
    pub fn settle(self: &Rc<Self>, node: &mut Node, now: Now) {
        self.carry_out_effects(node, now);
        if let Some(deadline) = node.poll_timeout() {
            self.timer.wake_by(deadline);
        }
    }

    /// The first half of `settle`, for a turn that goes on.
    pub fn carry_out_effects(self: &Rc<Self>, node: &mut Node, now: Now) {
        while let Some(effect) = node.poll_effect() {
            self.carry_out(effect, now);
        }
    }

    pub fn inspect<R>(&self, look: impl FnOnce(&Node) -> R) -> R {
        look(&self.node.borrow())
    }

    pub async fn exited(&self) -> i32 {
        loop {
            if let Some(status) = self.exit.status.get() {
                return status;
            }
            self.exit.bell.heard().await;
        }
    }

    /// Whether tasks must stay out of the node: during a stall, and for ever after its end.
    pub fn is_paused(&self) -> bool {
        self.pause.until.get().is_some()
    }

    /// Rings `bell` when the pause is over.
    pub fn resume_with(&self, bell: &Rc<Doorbell>) {
        self.pause.waiting.borrow_mut().push(bell.clone());
    }

    /// A new connection from outside, served until either side closes it.
    pub fn open_client(self: &Rc<Self>, stream: H::Stream) {
        let bell = Rc::new(Doorbell::default());
        let (peer, local) = (stream.peer(), stream.local());
        let id = self.turn(|node, now| {
            let id = node.client_opened(peer, local, now);
            self.clients.borrow_mut().insert(id, bell.clone());
            id
        });
        self.host.spawn(Connection::new(self.clone(), Party::Client(id), bell, stream));
    }

    /// A connection from another node of the cluster.
    pub fn open_bus_link(self: &Rc<Self>, stream: H::Stream) {
        let (peer, local) = (stream.peer(), stream.local());
        self.open_link(stream, |node, now| node.link_accepted(&peer, &local, now));
    }

    /// A connection from who collects figures.
    pub fn open_metrics_link(self: &Rc<Self>, stream: H::Stream) {
        self.open_link(stream, |node, now| node.metrics_accepted(now));
    }

    fn open_link(self: &Rc<Self>, stream: H::Stream, accept: impl FnOnce(&mut Node, Now) -> LinkId) {
        let bell = Rc::new(Doorbell::default());
        let id = self.turn(|node, now| {
            let id = accept(node, now);
            self.links.borrow_mut().insert(id, bell.clone());
            id
        });
        self.host.spawn(Connection::new(self.clone(), Party::Link(id), bell, stream));
    }

    /// The connection has ended; the node learns it, unless it gave up the link itself.
    pub fn closed(self: &Rc<Self>, party: Party, reason: &str) {
        match party {
            Party::Client(id) => {
                self.clients.borrow_mut().remove(&id);
                self.turn(|node, now| node.client_closed(id, now));
            }
            Party::Link(id) => {
                if self.links.borrow_mut().remove(&id).is_some() {
                    self.turn(|node, now| node.link_closed(id, reason, now));
                }
            }
        }
    }

    fn carry_out(self: &Rc<Self>, effect: Effect, now: Now) {
        match effect {
            Effect::Listen(requests) => self.listening.request(requests),
            Effect::WakeClient(id) => {
                if let Some(bell) = self.clients.borrow().get(&id) {
                    bell.ring();
                }
            }
            Effect::CloseClient(id) => {
                if let Some(bell) = self.clients.borrow().get(&id) {
                    bell.close();
                }
            }
            Effect::Secure(config) => self.host.spawn(encryption::secure(self.clone(), config)),
            Effect::Connect { link, host, port, source, secured } => {
                let bell = Rc::new(Doorbell::default());
                self.links.borrow_mut().insert(link, bell.clone());
                let call = Call { address: Address { host, port }, source, secured };
                self.host.spawn(dial(self.clone(), link, bell, call));
            }
            Effect::WakeLink(id) => {
                if let Some(bell) = self.links.borrow().get(&id) {
                    bell.ring();
                }
            }
            Effect::CloseLink(id) => {
                if let Some(bell) = self.links.borrow_mut().remove(&id) {
                    bell.close();
                }
            }
            Effect::Disk(request) => self.lanes.request(request),
            Effect::Log { level, role, message } => {
                (self.log)(LogLine { at: now, role, level, message: &message });
            }
            Effect::Stall(duration) => self.stall(now, duration),
            Effect::Exit { status } => {
                self.pause.until.set(Some(Mono(u64::MAX)));
                self.exit.status.set(Some(status));
                self.exit.bell.ring();
            }
        }
    }

    fn stall(self: &Rc<Self>, now: Now, duration: Nanos) {
        let until = now.mono + duration;
        self.pause.until.set(Some(until));
        let shell = self.clone();
        self.host.spawn(async move {
            shell.host.sleep_until(until).await;
            // A longer pause may have begun meanwhile; its own task ends it.
            if shell.pause.until.get() == Some(until) {
                shell.pause.until.set(None);
                shell.pause.waiting.take().iter().for_each(|bell| bell.ring());
            }
        });
    }
}

/// Whom to dial, from where, and how.
struct Call {
    address: Address,
    source: Option<String>,
    secured: bool,
}

/// Connects a link, and serves it until either side closes it.
async fn dial<H: Host>(shell: Rc<Shell<H>>, link: LinkId, bell: Rc<Doorbell>, call: Call) {
    let connecting = async {
        let source = call.source.as_deref();
        match call.secured {
            true => shell.host.connect_secured(&call.address, source).await,
            false => shell.host.connect(&call.address, source).await,
        }
    };
    let outcome = match first_of(bell.heard_closing(), connecting).await {
        First::Left(()) => return,
        First::Right(outcome) => outcome,
    };
    match outcome {
        Ok(stream) => {
            let local = stream.local();
            shell.turn_when_served(|node, now| node.link_opened(link, local, now)).await;
            Connection::new(shell, Party::Link(link), bell, stream).await;
        }
        Err(error) => shell.closed(Party::Link(link), &error.to_string()),
    }
}
