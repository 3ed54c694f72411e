//! The Lua machine that scripts run in: Lua 5.1 with the libraries that are safe to lend, the server's own
//! (`redis`, `cjson`, `cmsgpack`, `struct`, `bit`), and a memory limit.
//!
//! A script runs on a stack of its own (a stackful coroutine). Whatever it wants of the server it asks for by
//! leaving the question in [`Exchange`] and suspending; the engine answers and resumes it. So no script ever
//! holds the engine, and one that computes for long can be left alone between two slices: the hook, which
//! Lua calls after so many instructions, asks for a pause in the same way.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use corosensei::stack::DefaultStack;
use mlua::chunk::ChunkMode;
use mlua::{Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState};
use squall_resp::{OwnedArgs, Protocol};

use super::raise::{self, Failure, Raised};
use super::random::Random;
use super::{api, libraries, order, patterns};
use crate::functions::Draft;
use crate::server::LogLevel;

/// What the values of all scripts together may take.
pub(crate) const MEMORY_BYTES_MAX: usize = 256 << 20;
/// A slice of a script: about a millisecond of computing.
const INSTRUCTIONS_PER_SLICE: u32 = 100_000;
/// The stack of a script. Only what is touched takes memory. It has to hold two hundred nested calls
/// through C, values nested as deep as can be sent, and the recursion of a pattern of the longest kind.
const STACK_BYTES: usize = 16 << 20;
/// The longest pattern of `string.find` and its kin: each item may take a frame of the stack.
const PATTERN_BYTES_MAX: usize = 16 << 10;

/// What a script wants of the server.
pub(crate) enum Ask {
    /// `redis.call`: the reply is wanted in this protocol, the effects are to be recorded or not.
    Call {
        request: OwnedArgs,
        protocol: Protocol,
        recorded: bool,
    },
    /// `redis.acl_check_cmd`.
    Permission(OwnedArgs),
    Log(LogLevel, Vec<u8>),
    /// It has computed for a slice.
    Pause,
}

/// What the server says to it.
pub(crate) enum Answer {
    /// The reply to a call, as it would be sent.
    Reply(Vec<u8>),
    /// Whether the user may execute the command; none where there is no such command.
    Permission(Option<bool>),
    GoOn,
    /// The script is to end with this error.
    Kill(&'static str),
}

/// Where a script and the engine leave what they have to say to each other.
pub(crate) struct Exchange {
    pub ask: RefCell<Option<Ask>>,
    pub answer: RefCell<Option<Answer>>,
    /// Suspends the running script; none while nothing runs.
    pub gate: RefCell<Option<Function>>,
    /// Why the script ended, where it failed.
    pub failure: RefCell<Option<Failure>>,
    /// Whether the script of EVAL is one line.
    pub one_line: Cell<bool>,
    /// Set when the script has been told to end: nothing it does may prevent that.
    pub killed: Cell<Option<&'static str>>,
    /// `redis.setresp`.
    pub protocol: Cell<Protocol>,
    /// `redis.set_repl`: whether effects are recorded.
    pub recorded: Cell<bool>,
    pub random: Cell<Random>,
    /// The frozen clock, in seconds, for `os.clock`.
    pub clock_s: Cell<f64>,
    /// The library that is being loaded.
    pub draft: RefCell<Option<Draft>>,
}

impl Exchange {
    /// Leaves a question, suspends the script, and returns the answer.
    pub fn ask(&self, ask: Ask) -> mlua::Result<Answer> {
        if let Some(reason) = self.killed.get() {
            return Err(Raised::line(reason.as_bytes()).into());
        }
        *self.ask.borrow_mut() = Some(ask);
        let gate = self.gate.borrow().clone();
        // A coroutine of a finished script cannot run again: there is always someone to answer.
        let gate = gate.ok_or_else(|| Raised::line(b"ERR no script is running"))?;
        gate.call::<()>(())?;
        match self.answer.borrow_mut().take().expect("a resumed script has its answer") {
            Answer::Kill(reason) => {
                self.killed.set(Some(reason));
                Err(Raised::line(reason.as_bytes()).into())
            }
            answer => Ok(answer),
        }
    }

    /// The script has computed for a slice. Where none runs, nobody is kept waiting.
    pub fn pause(&self) -> mlua::Result<()> {
        let runs = self.gate.borrow().is_some();
        if runs { self.ask(Ask::Pause).map(drop) } else { Ok(()) }
    }
}

/// A machine, used by one script at a time.
pub(crate) struct Vm {
    pub lua: Lua,
    pub exchange: Rc<Exchange>,
    /// Runs a function so that its errors are understood: `run(f, keys, argv)`.
    pub run: Function,
    /// The table behind the globals: where KEYS and ARGV of EVAL are put.
    pub globals: Table,
    library_globals: Table,
    begin_loading: Function,
    end_loading: Function,
    tidy: Function,
    /// Kept from one script to the next.
    pub stack: Option<DefaultStack>,
}

/// Which of the two machines: their `redis` tables differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    Eval,
    Functions,
}

impl Vm {
    pub fn new(purpose: Purpose) -> Vm {
        Vm::try_new(purpose).expect("an empty machine has room for its libraries")
    }

    fn try_new(purpose: Purpose) -> mlua::Result<Vm> {
        let options = LuaOptions::new().catch_rust_panics(false);
        let libraries = StdLib::STRING | StdLib::TABLE | StdLib::MATH;
        let lua = Lua::new_with(libraries, options)?;
        let exchange = Rc::new(Exchange {
            ask: RefCell::new(None),
            answer: RefCell::new(None),
            gate: RefCell::new(None),
            failure: RefCell::new(None),
            one_line: Cell::new(false),
            killed: Cell::new(None),
            protocol: Cell::new(Protocol::Resp2),
            recorded: Cell::new(true),
            random: Cell::new(Random::START),
            clock_s: Cell::new(0.0),
            draft: RefCell::new(None),
        });
        let host = host_table(&lua, &exchange, purpose)?;
        let prelude: Table = lua
            .load(include_str!("prelude.lua"))
            .set_name(raise::OWN_SOURCE)
            .set_mode(ChunkMode::Text)
            .call(host)?;
        lua.set_globals(prelude.get("globals")?)?;
        let hooked = exchange.clone();
        let triggers = HookTriggers::new().every_nth_instruction(INSTRUCTIONS_PER_SLICE);
        lua.set_global_hook(triggers, move |_, _| hooked.pause().map(|()| VmState::Continue))?;
        let vm = Vm {
            run: prelude.get("run")?,
            globals: prelude.get("content")?,
            library_globals: prelude.get("library_globals")?,
            begin_loading: prelude.get("begin_loading")?,
            end_loading: prelude.get("end_loading")?,
            tidy: prelude.get("tidy")?,
            lua,
            exchange,
            stack: None,
        };
        vm.lua.set_memory_limit(MEMORY_BYTES_MAX)?;
        Ok(vm)
    }

    /// Compiles a script; the error is the compiler's own message.
    pub fn compile(&self, code: &[u8], name: &str) -> Result<Function, Vec<u8>> {
        self.lua
            .load(code)
            .set_name(name)
            .set_mode(ChunkMode::Text)
            .into_function()
            .map_err(|error| raise::message(&error))
    }

    /// Compiles a library of functions, which has globals of its own while it is loaded.
    pub fn compile_library(&self, code: &[u8]) -> Result<Function, Vec<u8>> {
        let function = self.compile(code, "@user_function")?;
        let set = function.set_environment(self.library_globals.clone());
        set.map_err(|error| raise::message(&error))?;
        Ok(function)
    }

    /// Whether the library's globals are those of loading.
    pub fn set_loading(&self, loading: bool) {
        let switch = if loading { &self.begin_loading } else { &self.end_loading };
        switch.call::<()>(()).expect("a table is given another metatable's field");
    }

    /// A stack to run on.
    pub fn take_stack(&mut self) -> DefaultStack {
        self.stack.take().unwrap_or_else(|| {
            DefaultStack::new(STACK_BYTES).expect("there is address space for a script's stack")
        })
    }

    /// After a script: what it left behind is cleared away, and garbage is collected again if it said not to.
    pub fn tidy(&self) {
        let _ = self.tidy.call::<()>(());
        self.lua.gc_restart();
    }

    /// A list of strings, as KEYS and ARGV are.
    pub fn list<'a>(&self, words: impl ExactSizeIterator<Item = &'a [u8]>) -> mlua::Result<Table> {
        let list = self.lua.create_table_with_capacity(words.len(), 0)?;
        for (index, word) in words.enumerate() {
            list.raw_set(index + 1, self.lua.create_string(word)?)?;
        }
        Ok(list)
    }

    pub fn used_bytes(&self) -> usize {
        self.lua.used_memory()
    }
}

/// What the prelude builds the sandbox from.
fn host_table(lua: &Lua, exchange: &Rc<Exchange>, purpose: Purpose) -> mlua::Result<Table> {
    let host = lua.create_table()?;
    host.set("null", Value::NULL)?;
    host.set("pattern_bytes_max", PATTERN_BYTES_MAX)?;
    host.set("no_order", order::NO_ORDER)?;
    let killed = exchange.clone();
    host.set(
        "plain",
        lua.create_function(move |lua, reason: Value| match killed.killed.get() {
            Some(line) => Err(Raised::line(line.as_bytes()).into()),
            None => raise::plain(lua, reason, killed.one_line.get()),
        })?,
    )?;
    let failed = exchange.clone();
    host.set(
        "handler",
        lua.create_function(move |lua, reason: Value| {
            *failed.failure.borrow_mut() = Some(Failure::of(lua, reason, failed.one_line.get()));
            Ok(())
        })?,
    )?;
    let searching = exchange.clone();
    host.set("search", lua.create_function(move |lua, words| patterns::search(lua, &searching, words))?)?;
    host.set("search_plain", lua.create_function(patterns::search_plain)?)?;
    let random = exchange.clone();
    host.set("random", lua.create_function(move |_, args: MultiValue| random_number(&random, &args))?)?;
    let seeded = exchange.clone();
    host.set(
        "randomseed",
        lua.create_function(move |lua, args: MultiValue| {
            let seed = raise::number_argument(lua, &args, 0, "randomseed")?;
            seeded.random.set(Random::of_seed(raise::as_integer(seed)));
            Ok(())
        })?,
    )?;
    let content = lua.create_table()?;
    content.set("redis", api::redis(lua, exchange, purpose)?)?;
    content.set("os", api::os(lua, exchange)?)?;
    content.set("cjson", libraries::cjson(lua)?)?;
    content.set("cmsgpack", libraries::cmsgpack(lua)?)?;
    content.set("struct", libraries::structs(lua)?)?;
    content.set("bit", libraries::bits(lua)?)?;
    host.set("libraries", content)?;
    host.set("loading", api::loading(lua, exchange)?)?;
    Ok(host)
}

/// `math.random`
fn random_number(exchange: &Exchange, args: &MultiValue) -> mlua::Result<f64> {
    let mut random = exchange.random.get();
    let fraction = random.fraction();
    exchange.random.set(random);
    let bound = |index: usize| {
        args.get(index).and_then(|value| match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Number(number) => Some(number.trunc()),
            _ => None,
        })
    };
    let between = |from: f64, to: f64| (fraction * (to - from + 1.0)).floor() + from;
    match (args.len(), bound(0), bound(1)) {
        (0, ..) => Ok(fraction),
        (1, Some(to), _) if to >= 1.0 => Ok(between(1.0, to)),
        (2, Some(from), Some(to)) if from <= to => Ok(between(from, to)),
        (1, Some(_), _) => Err(Raised::text("bad argument #1 to 'random' (interval is empty)").into()),
        (2, Some(_), Some(_)) => Err(Raised::text("bad argument #2 to 'random' (interval is empty)").into()),
        (1 | 2, ..) => Err(Raised::text("bad argument #1 to 'random' (number expected)").into()),
        _ => Err(Raised::text("wrong number of arguments").into()),
    }
}
