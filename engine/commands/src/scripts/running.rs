//! A script on its own stack: it is resumed, and comes back with a question or at its end.

use std::rc::Rc;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult};
use mlua::{Function, Table, Value};
use squall_resp::Protocol;

use super::raise::{self, Failure};
use super::reply_of::{self, Reader};
use super::vm::{Answer, Ask, Exchange, Vm};

/// What a script ended with: its reply, or why it has none.
pub(crate) type Ended = Result<Vec<u8>, Failure>;

/// A script that has begun and not ended.
pub(crate) struct Running {
    coroutine: Option<Coroutine<(), (), Ended, DefaultStack>>,
    exchange: Rc<Exchange>,
}

/// Where a script stands when it comes back.
pub(crate) enum Step {
    Asks(Ask),
    Ended(Ended),
}

/// What a script does when a library is killed with its machine.
const GONE: &str = "ERR the server has no more use for the script";

impl Running {
    /// Prepares `function` to be run; the client reads its reply in `client`'s protocol.
    pub fn new(
        vm: &mut Vm,
        function: Function,
        keys: Option<Table>,
        argv: Option<Table>,
        client: Protocol,
        clock_s: f64,
    ) -> Running {
        let exchange = vm.exchange.clone();
        exchange.killed.set(None);
        exchange.protocol.set(Protocol::Resp2);
        exchange.recorded.set(true);
        exchange.clock_s.set(clock_s);
        *exchange.failure.borrow_mut() = None;
        let (lua, run, shared) = (vm.lua.clone(), vm.run.clone(), exchange.clone());
        let body = move |yielder: &corosensei::Yielder<(), ()>, ()| -> Ended {
            let result = lua.scope(|scope| {
                let gate = scope.create_function(|_, ()| {
                    yielder.suspend(());
                    Ok(())
                })?;
                *shared.gate.borrow_mut() = Some(gate);
                let result = run.call::<(bool, Value)>((function, keys, argv));
                *shared.gate.borrow_mut() = None;
                result
            });
            let failed = |error: &mlua::Error| Failure {
                line: [b"ERR ", raise::message(error).as_slice()].concat(),
                place: None,
            };
            match result {
                Ok((true, value)) => {
                    let reader = Reader { client, script: shared.protocol.get() };
                    reply_of::value(&lua, &value, reader).map_err(|error| failed(&error))
                }
                Ok((false, reason)) => {
                    let known = shared.failure.borrow_mut().take();
                    Err(known.unwrap_or_else(|| Failure::without_place(&reason)))
                }
                Err(error) => Err(failed(&error)),
            }
        };
        Running { coroutine: Some(Coroutine::with_stack(vm.take_stack(), body)), exchange }
    }

    /// Goes on with the script; `answer` is to what it asked last, none at its beginning.
    pub fn resume(&mut self, answer: Option<Answer>) -> Step {
        *self.exchange.answer.borrow_mut() = answer;
        match self.coroutine.as_mut().expect("a script that has not ended").resume(()) {
            CoroutineResult::Yield(()) => Step::Asks(
                self.exchange.ask.borrow_mut().take().expect("a suspended script asks for something"),
            ),
            CoroutineResult::Return(ended) => Step::Ended(ended),
        }
    }

    /// Gives the stack back for the next script.
    pub fn retire(mut self, vm: &mut Vm) {
        let coroutine = self.coroutine.take().expect("a script is retired once");
        vm.stack = Some(coroutine.into_stack());
        vm.tidy();
    }
}

impl Drop for Running {
    /// A stack with Lua's frames on it cannot just be dropped: the script is told to end.
    fn drop(&mut self) {
        if self.coroutine.as_ref().is_some_and(|coroutine| coroutine.started() && !coroutine.done()) {
            self.exchange.killed.set(Some(GONE));
            while let Step::Asks(_) = self.resume(Some(Answer::Kill(GONE))) {}
        }
    }
}
