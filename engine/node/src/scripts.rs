//! A script that goes on in slices. Between two of them the node looks after its links, timers and files,
//! but executes nobody's request; when others have waited for `busy-reply-threshold`, they are woken to be
//! told so. The stream from a primary waits, a snapshot is not begun in the middle, and a shutdown by signal
//! comes after the script.

use squall_commands::config::ShutdownWish;
use squall_commands::{Client, Engine};

use crate::effect::{Effect, LinkId};
use crate::services::Services;

/// What waits for the end of the script.
#[derive(Default)]
pub(crate) struct SlowScript {
    /// Its client, whose connection is gone: what the script has begun it ends for nobody.
    orphan: Option<Box<Client>>,
    /// The others have been woken to be told that the server is busy.
    told: bool,
    /// A link with input that was not looked at.
    link: Option<LinkId>,
    /// A signal to terminate has come.
    terminate: Option<ShutdownWish>,
}

impl Services {
    /// Runs the script's next slice, if it is due.
    pub fn advance_script(&mut self, engine: &mut Engine) {
        let due = engine.scripts.next_slice().is_some_and(|due| engine.now.mono >= due);
        let Some(id) = engine.scripts.parked_client().filter(|_| due) else { return };
        let orphan = self.slow_script.orphan.take();
        let is_orphan = orphan.is_some();
        let mut client =
            orphan.or_else(|| engine.clients.take(id)).expect("the client of a script is kept until its end");
        engine.advance_script(&mut client, self);
        let is_over = !engine.scripts.is_parked();
        if is_over {
            self.settle(engine, Some(&mut client.session));
        }
        match (is_orphan, is_over) {
            (true, true) => drop(client),
            (true, false) => self.slow_script.orphan = Some(client),
            (false, _) => engine.clients.put_back(client),
        }
        if is_over {
            self.script_is_over(engine);
        } else if engine.script_is_overdue() && !std::mem::replace(&mut self.slow_script.told, true) {
            self.effects.warning("A slow script is running: others are told that the server is busy");
            self.wake_everyone(engine);
        }
    }

    fn script_is_over(&mut self, engine: &mut Engine) {
        let SlowScript { link, terminate, .. } = std::mem::take(&mut self.slow_script);
        self.change_role(engine);
        self.wake_everyone(engine);
        self.effects.extend(link.map(Effect::WakeLink));
        if let Some(wish) = terminate {
            self.terminate(engine, wish);
        }
    }

    /// Whether nobody's request is looked at for now.
    pub fn is_held_by_script(&self, engine: &Engine) -> bool {
        engine.scripts.is_parked() && !engine.script_is_overdue()
    }

    /// The connection of a client is gone; the client stays, if the script is its own.
    pub fn keep_client_of_script(&mut self, engine: &mut Engine, id: squall_commands::ClientId) {
        if engine.scripts.parked_client() == Some(id) {
            self.slow_script.orphan = engine.clients.remove(id);
        }
    }

    /// The stream from the primary has to wait: its input is offered again after the script.
    pub fn holds_link_back(&mut self, engine: &Engine, id: LinkId) -> bool {
        if engine.scripts.is_parked() {
            self.slow_script.link = Some(id);
        }
        engine.scripts.is_parked()
    }

    /// The end of the node has to wait, too.
    pub fn holds_end_back(&mut self, engine: &Engine, wish: ShutdownWish) -> bool {
        let holds = engine.scripts.is_parked();
        self.slow_script.terminate = self.slow_script.terminate.or(holds.then_some(wish));
        holds
    }
}
