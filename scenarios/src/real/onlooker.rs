//! What each process of a cluster says of it, read again and again from its own machine, so that it is known at any
//! moment who plays which part. A simulated node can be looked at; a real one has to be asked.

use std::cell::RefCell;
use std::rc::Rc;

use squall_clock::Nanos;
use squall_net::{Address, Host};
use squall_sim::{Client, Resident};

use super::host::RealMachine;
use crate::agent::text_of;
use crate::cast::Troupe;

/// As old as what is known may be, beside the time that an answer takes.
const ASK_EVERY: Nanos = Nanos::from_millis(20);
const TIMEOUT: Nanos = Nanos::from_millis(500);

/// Stands beside a process for as long as that runs.
pub(super) struct Onlooker {
    node: String,
    troupe: Troupe,
}

/// CLUSTER INFO and CLUSTER NODES.
type Texts = Rc<RefCell<Option<(String, String)>>>;

impl Onlooker {
    /// Beside the process of this machine, which is reached `here`; where there is no cluster, there is nothing to see.
    pub(super) fn at(host: &RealMachine, here: Address, troupe: &Troupe) -> Option<Onlooker> {
        if !troupe.is_clustered() {
            return None;
        }
        let texts = Texts::default();
        let known = Rc::clone(&texts);
        troupe.enter(host.name(), Rc::new(move || known.borrow().clone()));
        host.spawn(ask(host.clone(), here, texts));
        Some(Onlooker { node: host.name(), troupe: troupe.clone() })
    }
}

impl Drop for Onlooker {
    fn drop(&mut self) {
        self.troupe.leave(&self.node);
    }
}

/// A process that is stopped, or too busy to answer, is still what it was.
async fn ask(host: RealMachine, here: Address, texts: Texts) {
    let mut client = Client::to(&host, vec![here], TIMEOUT);
    loop {
        let replies = client.pipeline(&[&[b"CLUSTER", b"INFO"], &[b"CLUSTER", b"NODES"]]).await;
        let told: Option<Vec<String>> = replies.unwrap_or_default().into_iter().map(text_of).collect();
        if let Some([info, nodes]) = told.as_deref() {
            *texts.borrow_mut() = Some((info.clone(), nodes.clone()));
        }
        host.sleep_until(host.now().mono + ASK_EVERY).await;
    }
}
