//! The node's deadlines: one task, one pending sleep.

use std::cell::Cell;
use std::rc::Rc;

use squall_clock::Mono;
use squall_net::Host;

use crate::doorbell::{Doorbell, First, first_of};
use crate::shell::Shell;

#[derive(Default)]
pub(crate) struct Timer {
    /// When the sleep ends. A deadline that moves away does not re-arm it: waking early once is cheaper.
    armed: Cell<Option<Mono>>,
    bell: Doorbell,
}

impl Timer {
    /// Makes sure that the node is called by `deadline`.
    pub fn wake_by(&self, deadline: Mono) {
        if self.armed.get().is_none_or(|armed| deadline < armed) {
            self.armed.set(Some(deadline));
            self.bell.ring();
        }
    }
}

pub(crate) async fn run<H: Host>(shell: Rc<Shell<H>>) {
    let timer = &shell.timer;
    loop {
        let Some(armed) = timer.armed.get() else {
            timer.bell.heard().await;
            continue;
        };
        match first_of(timer.bell.heard(), shell.host.sleep_until(armed)).await {
            First::Left(()) => continue,
            First::Right(()) => timer.armed.set(None),
        }
        shell
            .turn_when_served(|node, now| {
                if node.poll_timeout().is_some_and(|deadline| deadline <= now.mono) {
                    node.timeout(now);
                }
            })
            .await;
        // The node may want to be called again at once, to go on with what it does in slices.
        shell.host.yield_now().await;
    }
}
