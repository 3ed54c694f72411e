//! Faults that pick messages of the cluster bus by their kind, seen by a probe that listens where nodes do.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Endpoint, Host, Listener};
use squall_sim::{BusMessage, Fault, Faults, Process, SimHost, Span, World, WorldOptions, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const BUS_PORT: u16 = 16_379;
/// A frame of nothing but a header up to its kind.
const FRAME_BYTES: usize = 14;
const PING: u16 = 0;
const PONG: u16 = 1;
const FAIL: u16 = 3;

/// What was heard: the kind, and when, in milliseconds.
type Heard = Rc<RefCell<Vec<(u16, u64)>>>;

fn frame(kind: u16) -> Vec<u8> {
    let len = (FRAME_BYTES as u32).to_be_bytes();
    [b"RCmb", &len[..], &[0, 1, 0, 0], &kind.to_be_bytes()].concat()
}

async fn listen(host: SimHost, heard: Heard) {
    let everywhere = Endpoint::Tcp(Address { host: "*".to_owned(), port: BUS_PORT });
    let mut listener = host.listen(&everywhere, 511).await.expect("the port is free");
    while let Ok(mut stream) = listener.accept().await {
        let mut frame = [0; FRAME_BYTES];
        while stream.read_exact(&mut frame).await.is_ok() {
            let kind = u16::from_be_bytes([frame[12], frame[13]]);
            heard.borrow_mut().push((kind, host.now().mono.0 / 1_000_000));
        }
    }
}

/// Says a ping at 10 ms, a fail at 20 ms, a pong at 30 ms.
async fn talk(host: SimHost) {
    let server = Address { host: "server".to_owned(), port: BUS_PORT };
    let mut stream = host.connect(&server, None).await.expect("somebody listens");
    for (number, kind) in [PING, FAIL, PONG].into_iter().enumerate() {
        host.sleep_until(squall_sim::Mono(10_000_000 * (number as u64 + 1))).await;
        stream.write_all(&frame(kind)).await.expect("the connection stands");
    }
    std::future::pending::<()>().await;
}

fn heard_under(fault: Option<Fault>) -> Vec<(u16, u64)> {
    let body = async move |world: World| {
        let (server, client) = (world.add_machine("server"), world.add_machine("client"));
        let heard = Heard::default();
        let listening = Rc::clone(&heard);
        world.start(server, Rc::new(move |host| Box::pin(listen(host, Rc::clone(&listening))) as Process));
        if let Some(fault) = fault {
            Faults::of(&world).begin(&fault, None).expect("it can be done");
        }
        world.start(client, Rc::new(|host| Box::pin(talk(host)) as Process));
        world.sleep(Nanos::from_secs(1)).await;
        heard.borrow().clone()
    };
    run(1, WorldOptions::default(), body).unwrap_or_else(|failure| panic!("{failure}")).outcome
}

fn meddling(delay: Option<Span>) -> Option<Fault> {
    let names = |name: &str| vec![name.to_owned()];
    Some(Fault::Bus {
        from: names("client"),
        to: names("server"),
        messages: vec![BusMessage::Fail],
        delay,
        garbled: false,
    })
}

#[test]
fn one_kind_of_message_is_lost_or_late_and_the_others_are_not() {
    assert_eq!(heard_under(None), [(PING, 10), (FAIL, 20), (PONG, 30)]);
    assert_eq!(heard_under(meddling(None)), [(PING, 10), (PONG, 30)]);
    // What its sender says on the same connection comes after it.
    let late = heard_under(meddling(Some(Span::from_millis(100))));
    assert_eq!(late, [(PING, 10), (FAIL, 120), (PONG, 120)]);
}
