//! Listeners: brings what is listened on in line with the node's wish, and accepts.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Endpoint, Host, Listener, Stream};
use squall_node::{ListenPlace, ListenRequest, Serves};

use crate::doorbell::{Doorbell, First, first_of};
use crate::shell::Shell;

/// How long a listener rests after an accept that failed, for want of file descriptors as a rule.
const ACCEPT_RETRY: Nanos = Nanos::from_millis(100);

#[derive(Default)]
pub(crate) struct Listening {
    wishes: RefCell<VecDeque<Vec<ListenRequest>>>,
    open: RefCell<BTreeMap<Endpoint, Rc<Open>>>,
    /// Rung by a new wish, and by each listener that has closed.
    bell: Doorbell,
}

/// A listener that has a task.
struct Open {
    request: RefCell<ListenRequest>,
    bell: Doorbell,
}

impl Listening {
    pub fn request(&self, wish: Vec<ListenRequest>) {
        self.wishes.borrow_mut().push_back(wish);
        self.bell.ring();
    }
}

pub(crate) async fn run<H: Host>(shell: Rc<Shell<H>>) {
    loop {
        let wish = shell.listening.wishes.borrow_mut().pop_front();
        match wish {
            Some(wish) => fulfil(&shell, wish).await,
            None => shell.listening.bell.heard().await,
        }
    }
}

/// Closes what is not wished any more, waits until that is gone, then opens what is missing: a new
/// listener may want the port of an old one.
async fn fulfil<H: Host>(shell: &Rc<Shell<H>>, wish: Vec<ListenRequest>) {
    let listening = &shell.listening;
    let wished: Vec<(Endpoint, ListenRequest)> =
        wish.into_iter().map(|request| (endpoint(&request.place), request)).collect();
    let is_wished = |open: &Endpoint| wished.iter().any(|(endpoint, _)| endpoint == open);
    for (endpoint, open) in &*listening.open.borrow() {
        if !is_wished(endpoint) {
            open.bell.close();
        }
    }
    while listening.open.borrow().keys().any(|endpoint| !is_wished(endpoint)) {
        listening.bell.heard().await;
    }
    for (endpoint, request) in wished {
        let open = listening.open.borrow().get(&endpoint).cloned();
        match open {
            Some(open) => *open.request.borrow_mut() = request,
            None => listen(shell, endpoint, request).await,
        }
    }
}

async fn listen<H: Host>(shell: &Rc<Shell<H>>, endpoint: Endpoint, request: ListenRequest) {
    match shell.host.listen(&endpoint, request.backlog).await {
        Ok(listener) => {
            let open = Rc::new(Open { request: RefCell::new(request), bell: Doorbell::default() });
            shell.listening.open.borrow_mut().insert(endpoint.clone(), open.clone());
            shell.host.spawn(accept_all(shell.clone(), endpoint, open, listener));
        }
        Err(error) => {
            let reason = error.to_string();
            shell.turn_when_served(|node, now| node.listen_failed(&request, &reason, now)).await;
        }
    }
}

async fn accept_all<H: Host>(
    shell: Rc<Shell<H>>,
    endpoint: Endpoint,
    open: Rc<Open>,
    mut listener: H::Listener,
) {
    while !open.bell.is_closed() {
        match first_of(open.bell.heard(), listener.accept()).await {
            First::Left(()) => {}
            First::Right(Ok(stream)) => {
                // A stream that cannot be set up is one that is already gone; reading will tell.
                let _ = stream.set_keepalive(open.request.borrow().keepalive);
                let serves = open.request.borrow().serves;
                match serves {
                    Serves::Clients => shell.open_client(stream),
                    Serves::Bus => shell.open_bus_link(stream),
                    Serves::Metrics => shell.open_metrics_link(stream),
                }
            }
            First::Right(Err(error)) => {
                let reason = error.to_string();
                shell.turn_when_served(|node, now| node.accept_failed(&reason, now)).await;
                let rested = shell.host.now().mono + ACCEPT_RETRY;
                first_of(open.bell.heard(), shell.host.sleep_until(rested)).await;
            }
        }
    }
    drop(listener);
    shell.listening.open.borrow_mut().remove(&endpoint);
    shell.listening.bell.ring();
}

fn endpoint(place: &ListenPlace) -> Endpoint {
    match place {
        ListenPlace::Tcp { host, port, secured } => {
            let address = Address { host: host.clone(), port: *port };
            if *secured { Endpoint::Tls(address) } else { Endpoint::Tcp(address) }
        }
        ListenPlace::Unix { path, mode } => Endpoint::Unix { path: PathBuf::from(path), mode: *mode },
    }
}
