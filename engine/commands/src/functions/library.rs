//! A library: its first line (`#!lua name=mylib`), its code, and the functions that the code registers while
//! it is loaded.

use std::collections::BTreeMap;

use bytes::Bytes;
use mlua::{Function, MultiValue, Table, Value};
use squall_resp::Protocol;

use crate::CommandError;
use crate::engine::Engine;
use crate::scripts::raise::Raised;
use crate::scripts::running::Step;
use crate::scripts::vm::{Answer, Ask, Exchange};
use crate::scripts::{Running, ScriptFlags};

pub(crate) struct Library {
    pub code: Bytes,
    pub functions: BTreeMap<Vec<u8>, LibraryFunction>,
}

pub(crate) struct LibraryFunction {
    pub callback: Function,
    pub flags: ScriptFlags,
    pub description: Option<Vec<u8>>,
}

/// The functions of a library that is being loaded.
pub(crate) type Draft = BTreeMap<Vec<u8>, LibraryFunction>;

/// How long the code of a library may take to register its functions: half a second, in slices.
const LOAD_SLICES_MAX: usize = 500;

impl Library {
    /// The function of this name, in any case.
    pub fn function(&self, name: &[u8]) -> Option<&LibraryFunction> {
        let exact = self.functions.get(name);
        exact.or_else(|| {
            let same = |known: &&Vec<u8>| known.eq_ignore_ascii_case(name);
            self.functions.keys().find(same).map(|known| &self.functions[known])
        })
    }

    /// Reads the first line of `code`: the library's name, and where the code behind it begins.
    pub fn read_name(code: &[u8]) -> Result<(Vec<u8>, usize), CommandError> {
        let first = code.strip_prefix(b"#!").ok_or(CommandError::line("ERR Missing library metadata"))?;
        let end = first.iter().position(|&byte| byte == b'\n');
        let end = end.ok_or(CommandError::line("ERR Invalid library metadata"))?;
        let mut words = first[..end].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let engine = words.next().unwrap_or_default();
        let mut name = None;
        for word in words {
            match word.strip_prefix(b"name=") {
                Some(_) if name.is_some() => {
                    return Err(CommandError::line(
                        "ERR Invalid metadata value, name argument was given multiple times",
                    ));
                }
                Some(value) => name = Some(value),
                None => {
                    return Err(CommandError::Bytes([b"ERR Invalid metadata value given: ", word].concat()));
                }
            }
        }
        let name = name.ok_or(CommandError::line("ERR Library name was not given"))?;
        if !is_name(name) {
            return Err(CommandError::line(BAD_NAME));
        }
        if !engine.eq_ignore_ascii_case(b"lua") {
            return Err(CommandError::Bytes([b"ERR Engine '", engine, b"' not found"].concat()));
        }
        Ok((name.to_vec(), 2 + end))
    }

    /// Runs the code of a library, which registers its functions. `code_at` is where it begins.
    pub fn load(engine: &mut Engine, code: &Bytes, code_at: usize) -> Result<Library, CommandError> {
        let vm = engine.scripts.libraries.vm();
        let main = vm.compile_library(&code[code_at..]).map_err(|message| {
            CommandError::Bytes([b"ERR Error compiling function: ", message.as_slice()].concat())
        })?;
        *vm.exchange.draft.borrow_mut() = Some(Draft::new());
        vm.set_loading(true);
        let mut running = Running::new(vm, main, None, None, Protocol::Resp2, 0.0);
        let (mut slices, mut answer) = (0, None);
        let ended = loop {
            match running.resume(answer.take()) {
                Step::Ended(ended) => break ended,
                Step::Asks(Ask::Pause) if slices == LOAD_SLICES_MAX => {
                    answer = Some(Answer::Kill("ERR FUNCTION LOAD timeout"));
                }
                // There is nobody to log to before the library exists.
                Step::Asks(_) => {
                    slices += 1;
                    answer = Some(Answer::GoOn);
                }
            }
        };
        let vm = engine.scripts.libraries.vm();
        running.retire(vm);
        vm.set_loading(false);
        let functions = vm.exchange.draft.borrow_mut().take().expect("nobody else takes the draft");
        if let Err(failure) = ended {
            return Err(CommandError::Bytes(
                [b"ERR Error registering functions: ", failure.line.as_slice()].concat(),
            ));
        }
        if functions.is_empty() {
            return Err(CommandError::line("ERR No functions registered"));
        }
        Ok(Library { code: code.clone(), functions })
    }
}

const BAD_NAME: &str = "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// `redis.register_function(name, callback)`, or with one table of named arguments.
pub(crate) fn register(exchange: &Exchange, args: &MultiValue) -> mlua::Result<()> {
    let refused = |line: &str| Err(Raised::line(line.as_bytes()).into());
    let mut draft = exchange.draft.borrow_mut();
    let Some(draft) = draft.as_mut() else {
        return refused("ERR redis.register_function can only be called on FUNCTION LOAD command");
    };
    let (name, function) = match (args.len(), args.front(), args.get(1)) {
        (1, Some(Value::Table(table)), _) => by_named_arguments(table)?,
        (1, ..) => {
            return refused(
                "ERR calling redis.register_function with a single argument is only applicable to Lua table \
                 (representing named arguments).",
            );
        }
        (2, Some(name), Some(callback)) => {
            let Some(name) = text(name) else {
                return refused("ERR first argument to redis.register_function must be a string");
            };
            let Value::Function(callback) = callback else {
                return refused("ERR second argument to redis.register_function must be a function");
            };
            let flags = ScriptFlags::default();
            (name, LibraryFunction { callback: callback.clone(), flags, description: None })
        }
        _ => return refused("ERR wrong number of arguments to redis.register_function"),
    };
    if !is_name(&name) {
        return refused(BAD_NAME);
    }
    if draft.contains_key(&name) {
        return refused("ERR Function already exists in the library");
    }
    draft.insert(name, function);
    Ok(())
}

fn by_named_arguments(table: &Table) -> mlua::Result<(Vec<u8>, LibraryFunction)> {
    let refused = |line: &str| Err(Raised::line(line.as_bytes()).into());
    let (mut name, mut callback, mut flags, mut description) = (None, None, ScriptFlags::default(), None);
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else {
            return refused("ERR unknown argument given to redis.register_function");
        };
        match &key.as_bytes()[..] {
            b"function_name" => match text(&value) {
                Some(given) => name = Some(given),
                None => {
                    return refused(
                        "ERR function_name argument given to redis.register_function must be a string",
                    );
                }
            },
            b"description" => match text(&value) {
                Some(given) => description = Some(given),
                None => {
                    return refused(
                        "ERR description argument given to redis.register_function must be a string",
                    );
                }
            },
            b"callback" => match value {
                Value::Function(given) => callback = Some(given),
                _ => {
                    return refused(
                        "ERR callback argument given to redis.register_function must be a function",
                    );
                }
            },
            b"flags" => match value {
                Value::Table(names) => flags = flags_of(&names)?,
                _ => {
                    return refused(
                        "ERR flags argument to redis.register_function must be a table representing function flags",
                    );
                }
            },
            _ => return refused("ERR unknown argument given to redis.register_function"),
        }
    }
    let Some(name) = name else {
        return refused("ERR redis.register_function must get a function name argument");
    };
    let Some(callback) = callback else {
        return refused("ERR redis.register_function must get a callback argument");
    };
    Ok((name, LibraryFunction { callback, flags, description }))
}

fn flags_of(names: &Table) -> mlua::Result<ScriptFlags> {
    let mut flags = ScriptFlags::default();
    for index in 1.. {
        let flag = match names.raw_get::<Value>(index)? {
            Value::Nil => break,
            Value::String(name) => ScriptFlags::by_name(&name.as_bytes()),
            _ => None,
        };
        match flag {
            Some(flag) => flags = flags.with(flag),
            None => return Err(Raised::line(b"ERR unknown flag given").into()),
        }
    }
    Ok(flags)
}

/// A string, or a number in its place.
fn text(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(text.as_bytes().to_vec()),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}
