//! Memory that a server takes for connections which do nothing, for keys, and for collections of each type.
//!
//! It is the resident set of a server started for the purpose, without the program's own pages: so what an allocator
//! wastes counts, and so do the one or two megabytes that a server takes before it holds anything. The growth alone
//! would flatter a server that takes much at its start, and uses it for the first entries.

use std::net::TcpStream;
use std::time::Duration;

use super::Comparison;
use crate::contents::{Kind, SMALL_ENTRIES, fill_large, fill_small, fill_strings};
use crate::figures::{Goal, Row, Table};
use crate::interrupt::Interrupt;
use crate::launch::Server;
use crate::{Failure, process};

const IDLE_CONNECTIONS: usize = 1_000;
const ENTRIES: usize = 1_000_000;
/// Long enough for a server to have given back the buffers of a connection that does nothing, and for its
/// allocator to have given back pages that it does not need: jemalloc takes ten seconds.
const SETTLING_TIME: Duration = Duration::from_secs(12);

/// Puts into a server what is to be measured; what must live until then is given back.
type Fill = Box<dyn Fn(&Server, &Interrupt) -> Result<Vec<TcpStream>, Failure>>;

pub fn measure(comparison: &Comparison<'_>) -> Result<Vec<Table>, Failure> {
    let mut rows = Vec::new();
    let (core, interrupt) = (comparison.options.server_core, &comparison.interrupt);
    for (what, fill, goal) in cases() {
        let start = |contender| Server::start(contender, core, interrupt);
        let servers: Vec<Server> = comparison.contenders.iter().map(start).collect::<Result<_, _>>()?;
        let fill = |server| fill(server, interrupt);
        let kept: Vec<_> = servers.iter().map(fill).collect::<Result<_, _>>()?;
        interrupt.sleep(SETTLING_TIME)?;
        let megabytes = |server: &Server| Ok(vec![process::resident_bytes(server.pid())? as f64 / 1e6]);
        let rounds: Vec<Vec<f64>> = servers.iter().map(megabytes).collect::<Result<_, Failure>>()?;
        drop(kept);
        eprintln!("memory of {what}: {rounds:.1?} MB");
        rows.push(Row::of(&[&what], &rounds).with_goal(goal));
    }
    let title = "Resident set with it, MB".to_owned();
    Ok(vec![Table { title, labels: vec!["what"], rows }])
}

fn cases() -> Vec<(String, Fill, Option<Goal>)> {
    let not_more = Some(Goal::RatioAtMost(1.0));
    let mut cases: Vec<(String, Fill, Option<Goal>)> = vec![
        (
            format!("{IDLE_CONNECTIONS} idle connections"),
            Box::new(|server, _| connect(server)),
            Some(Goal::AtMost(20.0)),
        ),
        (
            format!("{ENTRIES} keys of 16 bytes with values of 32"),
            Box::new(|server, interrupt| fill_strings(server, ENTRIES, interrupt).map(|()| Vec::new())),
            not_more,
        ),
    ];
    for kind in Kind::COLLECTIONS {
        let name = kind.name();
        cases.push((
            format!("{} keys, each a {name} of {SMALL_ENTRIES} entries", ENTRIES / SMALL_ENTRIES),
            Box::new(move |server, interrupt| {
                fill_small(server, kind, ENTRIES, interrupt).map(|()| Vec::new())
            }),
            not_more,
        ));
        cases.push((
            format!("one {name} of {ENTRIES} entries"),
            Box::new(move |server, interrupt| {
                fill_large(server, kind, ENTRIES, interrupt).map(|()| Vec::new())
            }),
            not_more,
        ));
    }
    cases
}

/// Each connection sends one PING, so that a server that allocates on first use is not flattered.
fn connect(server: &Server) -> Result<Vec<TcpStream>, Failure> {
    (0..IDLE_CONNECTIONS).map(|_| server.connect()).collect()
}
