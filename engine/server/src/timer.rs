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
    /// Whether it has to be told of an earlier deadline. Awake it finds that itself, when the others have had their
    /// turn: one that rang for itself would come before them.
    asleep: Cell<bool>,
    bell: Doorbell,
}

impl Timer {
    /// Makes sure that the node is called by `deadline`.
    pub fn wake_by(&self, deadline: Mono) {
        if self.armed.get().is_none_or(|armed| deadline < armed) {
            self.armed.set(Some(deadline));
            if self.asleep.get() {
                self.bell.ring();
            }
        }
    }

    /// Sleeps until the deadline that is known now; false when it was woken before, for an earlier one.
    async fn sleep<H: Host>(&self, host: &H) -> bool {
        self.asleep.set(true);
        let is_due = match self.armed.get() {
            Some(armed) => {
                matches!(first_of(self.bell.heard(), host.sleep_until(armed)).await, First::Right(()))
            }
            None => {
                self.bell.heard().await;
                false
            }
        };
        self.asleep.set(false);
        is_due
    }
}

pub(crate) async fn run<H: Host>(shell: Rc<Shell<H>>) {
    let timer = &shell.timer;
    loop {
        if !timer.sleep(&shell.host).await {
            continue;
        }
        timer.armed.set(None);
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
