//! A cable that can be pulled: forwards connections to a server until it is cut.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::Server;

pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    target: u16,
    plugged: bool,
    /// Both ends of all connections that were made; some may have closed since.
    streams: Vec<TcpStream>,
}

impl Proxy {
    pub fn to(server: &Server) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let state = Arc::new(Mutex::new(State { target: server.port(), plugged: true, streams: Vec::new() }));
        let shared = Arc::clone(&state);
        // The thread ends with the process: it waits for connections that nobody makes after the test.
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                connect(near, &shared);
            }
        });
        Proxy { port, state }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Breaks all connections, and every later one until [`plug`](Self::plug).
    pub fn cut(&self) {
        let mut state = self.state.lock().expect("the state");
        state.plugged = false;
        for stream in state.streams.drain(..) {
            // A connection that is already closed is cut enough.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn plug(&self) {
        self.state.lock().expect("the state").plugged = true;
    }

    /// Leads to another server from now on, as an address does that is given to another machine.
    pub fn lead_to(&self, server: &Server) {
        self.cut();
        self.state.lock().expect("the state").target = server.port();
        self.plug();
    }
}

fn connect(near: TcpStream, shared: &Mutex<State>) {
    let mut state = shared.lock().expect("the state");
    if !state.plugged {
        return;
    }
    let Ok(far) = TcpStream::connect(("127.0.0.1", state.target)) else { return };
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (from, to) = (from.try_clone().expect("a socket"), to.try_clone().expect("a socket"));
        thread::spawn(move || forward(from, to));
    }
    state.streams.extend([near, far]);
}

fn forward(mut from: TcpStream, mut to: TcpStream) {
    let mut chunk = [0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
