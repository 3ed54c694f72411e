//! A world of two machines, one of which echoes: what the tests of links, machines and disks ask.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use squall_clock::{Nanos, Now};
use squall_net::{Address, Endpoint, Host, Listener};
use squall_sim::{LinkSettings, MachineId, Process, Run, SimHost, SimStream, World, WorldOptions, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub struct Probe {
    pub world: World,
    pub server: MachineId,
    pub client: MachineId,
}

/// Runs `body` in a world with an echo server; a panic inside fails the test.
pub fn in_world(seed: u64, links: LinkSettings, body: impl AsyncFnOnce(Probe) + Send + 'static) -> Run<()> {
    let outcome = run(seed, WorldOptions { links, ..Default::default() }, async move |world: World| {
        let server = world.add_machine("server");
        let client = world.add_machine("client");
        world.start(server, Rc::new(|host| Box::pin(echo(host))));
        body(Probe { world, server, client }).await;
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"))
}

impl Probe {
    /// Runs `body` as the client machine's program, until it returns.
    pub async fn on_client(&self, body: impl AsyncFn(SimHost) + 'static) {
        let done = Rc::new(Cell::new(false));
        let (finished, body) = (Rc::clone(&done), Rc::new(body));
        let program = move |host| {
            let (finished, body) = (Rc::clone(&finished), Rc::clone(&body));
            Box::pin(async move {
                body(host).await;
                finished.set(true);
            }) as Process
        };
        self.world.start(self.client, Rc::new(program));
        while !done.get() {
            self.world.sleep(Nanos::from_millis(1)).await;
        }
    }
}

pub async fn connect(host: &SimHost) -> io::Result<SimStream> {
    host.connect(&Address { host: "server".to_owned(), port: 6379 }, None).await
}

pub async fn read_some(stream: &mut SimStream) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 4_096];
    let count = stream.read(&mut buffer).await?;
    buffer.truncate(count);
    Ok(buffer)
}

pub fn elapsed_us(host: &SimHost, start: Now) -> u64 {
    host.now().mono.since(start.mono).as_micros()
}

/// Sends back what it receives.
pub async fn echo(host: SimHost) {
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: 6379 });
    let mut listener = host.listen(&everywhere, 511).await.expect("the port is free");
    while let Ok(mut stream) = listener.accept().await {
        host.spawn(async move {
            while let Ok(received) = read_some(&mut stream).await {
                if received.is_empty() || stream.write_all(&received).await.is_err() {
                    break;
                }
            }
        });
    }
}
