//! The tables `redis` (also called `server`) and `os` of a script: how it speaks to the server.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};
use squall_resp::{OwnedArgs, Protocol};

use super::raise::{self, Raised};
use super::vm::{Answer, Ask, Exchange, Purpose};
use super::{lua_value, numbers};
use crate::REDIS_VERSION;
use crate::functions;
use crate::server::LogLevel;

/// `redis.LOG_*`
const LOG_LEVELS: [(&str, LogLevel); 4] = [
    ("LOG_DEBUG", LogLevel::Debug),
    ("LOG_VERBOSE", LogLevel::Verbose),
    ("LOG_NOTICE", LogLevel::Notice),
    ("LOG_WARNING", LogLevel::Warning),
];
const REPL_AOF: i64 = 1;
const REPL_REPLICA: i64 = 2;
const REPL_ALL: i64 = REPL_AOF | REPL_REPLICA;

/// The `redis` table of running scripts.
pub(crate) fn redis(lua: &Lua, exchange: &Rc<Exchange>, purpose: Purpose) -> mlua::Result<Table> {
    let redis = with_constants(lua, exchange)?;
    let (raising, returning) = (exchange.clone(), exchange.clone());
    redis.set("call", lua.create_function(move |lua, args| call(lua, &raising, &args, true))?)?;
    redis.set("pcall", lua.create_function(move |lua, args| call(lua, &returning, &args, false))?)?;
    redis.set("error_reply", lua.create_function(error_reply)?)?;
    redis.set("status_reply", lua.create_function(status_reply)?)?;
    redis.set("sha1hex", lua.create_function(sha1hex)?)?;
    let speaking = exchange.clone();
    redis.set("setresp", lua.create_function(move |_, args| set_protocol(&speaking, &args))?)?;
    let recording = exchange.clone();
    redis.set("set_repl", lua.create_function(move |_, args| set_recording(&recording, &args))?)?;
    for (name, bits) in [
        ("REPL_NONE", 0),
        ("REPL_AOF", REPL_AOF),
        ("REPL_SLAVE", REPL_REPLICA),
        ("REPL_REPLICA", REPL_REPLICA),
        ("REPL_ALL", REPL_ALL),
    ] {
        redis.set(name, bits)?;
    }
    let asking = exchange.clone();
    redis
        .set("acl_check_cmd", lua.create_function(move |lua, args| check_permission(lua, &asking, &args))?)?;
    if purpose == Purpose::Eval {
        redis.set("replicate_commands", lua.create_function(|_, ()| Ok(true))?)?;
        // There is no debugger to stop in.
        redis.set("breakpoint", lua.create_function(|_, ()| Ok(false))?)?;
        redis.set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    }
    Ok(redis)
}

/// The `redis` table while a library of functions is loaded.
pub(crate) fn loading(lua: &Lua, exchange: &Rc<Exchange>) -> mlua::Result<Table> {
    let redis = with_constants(lua, exchange)?;
    let registering = exchange.clone();
    let register = move |_: &Lua, args: MultiValue| functions::register(&registering, &args);
    redis.set("register_function", lua.create_function(register)?)?;
    Ok(redis)
}

/// `os.clock`, of which scripts have always had the use: the time as it stands still for them.
pub(crate) fn os(lua: &Lua, exchange: &Rc<Exchange>) -> mlua::Result<Table> {
    let os = lua.create_table()?;
    let clock = exchange.clone();
    os.set("clock", lua.create_function(move |_, ()| Ok(clock.clock_s.get()))?)?;
    Ok(os)
}

fn with_constants(lua: &Lua, exchange: &Rc<Exchange>) -> mlua::Result<Table> {
    let redis = lua.create_table()?;
    let logging = exchange.clone();
    redis.set("log", lua.create_function(move |_, args| log(&logging, &args))?)?;
    for (number, (name, _)) in LOG_LEVELS.iter().enumerate() {
        redis.set(*name, number)?;
    }
    redis.set("REDIS_VERSION", REDIS_VERSION)?;
    redis.set("REDIS_VERSION_NUM", version_number())?;
    Ok(redis)
}

/// `0x00MMmmpp`
fn version_number() -> u32 {
    REDIS_VERSION.split('.').fold(0, |number, part| number << 8 | part.parse::<u32>().unwrap_or(0))
}

/// `redis.call` and `redis.pcall`: the second gives an error back instead of raising it.
fn call(lua: &Lua, exchange: &Exchange, args: &MultiValue, raises: bool) -> mlua::Result<Value> {
    let refuse = |line: &[u8]| match raises {
        true => Err(Raised::line(line).into()),
        false => raise::error_table(lua, line),
    };
    let request = match request(args) {
        Ok(request) => request,
        Err(line) => return refuse(line),
    };
    let protocol = exchange.protocol.get();
    let recorded = exchange.recorded.get();
    let Answer::Reply(reply) = exchange.ask(Ask::Call { request, protocol, recorded })? else {
        unreachable!("a call is answered by a reply")
    };
    if raises && let Some(line) = reply.strip_prefix(b"-") {
        return refuse(line.strip_suffix(b"\r\n").unwrap_or(line));
    }
    lua_value::of_reply(lua, &reply)
}

/// The words of a command: strings and numbers, nothing else.
fn request(args: &MultiValue) -> Result<OwnedArgs, &'static [u8]> {
    if args.is_empty() {
        return Err(b"ERR Please specify at least one argument for this redis lib call");
    }
    let mut words = Vec::with_capacity(args.len());
    for arg in args {
        words.push(match arg {
            Value::String(text) => text.as_bytes().to_vec(),
            Value::Integer(number) => numbers::argument(*number as f64).into_bytes(),
            Value::Number(number) => numbers::argument(*number).into_bytes(),
            _ => return Err(b"ERR Lua redis lib command arguments must be strings or integers"),
        });
    }
    let total: usize = words.iter().map(Vec::len).sum();
    if u32::try_from(total).is_err() {
        return Err(b"ERR Lua redis lib command arguments are too long");
    }
    let slices: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    Ok(OwnedArgs::from_slices(&slices))
}

/// `redis.error_reply(text)`: a text without a code is given the code `ERR`. Line ends around the rest are dropped.
fn error_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Value> {
    let Some(text) = single_string(&args) else {
        return raise::error_table(lua, b"ERR wrong number or type of arguments");
    };
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    let (code, mut rest) = match text.iter().position(|byte| *byte == b' ') {
        Some(blank) => (&text[..blank], &text[blank + 1..]),
        None => (b"ERR".as_slice(), text),
    };
    while let [b'\r' | b'\n', inner @ ..] | [inner @ .., b'\r' | b'\n'] = rest {
        rest = inner;
    }
    raise::error_table(lua, &[code, b" ", rest].concat())
}

fn status_reply(lua: &Lua, args: MultiValue) -> mlua::Result<Value> {
    let Some(text) = single_string(&args) else {
        return raise::error_table(lua, b"ERR wrong number or type of arguments");
    };
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("ok", lua.create_string(text)?)?;
    Ok(Value::Table(table))
}

fn single_string(args: &MultiValue) -> Option<Vec<u8>> {
    match args.front() {
        Some(Value::String(text)) if args.len() == 1 => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

fn sha1hex(_: &Lua, args: MultiValue) -> mlua::Result<String> {
    if args.len() != 1 {
        return Err(Raised::line(b"ERR wrong number of arguments").into());
    }
    let text = raise::string_argument(&args, 0, "sha1hex").unwrap_or_default();
    Ok(super::Digest::of(&text).to_string())
}

/// `redis.log(level, text, ...)`
fn log(exchange: &Exchange, args: &MultiValue) -> mlua::Result<()> {
    if args.len() < 2 {
        return Err(Raised::line(b"ERR redis.log() requires two arguments or more.").into());
    }
    let number = match args.front() {
        Some(Value::Integer(number)) => *number,
        Some(Value::Number(number)) => *number as i64,
        _ => return Err(Raised::line(b"ERR First argument must be a number (log level).").into()),
    };
    let level = usize::try_from(number).ok().and_then(|number| LOG_LEVELS.get(number));
    let Some((_, level)) = level else {
        return Err(Raised::line(b"ERR Invalid debug level.").into());
    };
    let texts: Vec<Vec<u8>> =
        (1..args.len()).filter_map(|index| raise::string_argument(args, index, "log").ok()).collect();
    exchange.ask(Ask::Log(*level, texts.join(&b' ')))?;
    Ok(())
}

fn set_protocol(exchange: &Exchange, args: &MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(Raised::line(b"ERR redis.setresp() requires one argument.").into());
    }
    match args.front() {
        Some(Value::Integer(2)) => exchange.protocol.set(Protocol::Resp2),
        Some(Value::Integer(3)) => exchange.protocol.set(Protocol::Resp3),
        _ => return Err(Raised::line(b"ERR RESP version must be 2 or 3.").into()),
    }
    Ok(())
}

/// `redis.set_repl(flags)`. Replicas and the append-only file read one stream here: effects are in it, or not.
fn set_recording(exchange: &Exchange, args: &MultiValue) -> mlua::Result<()> {
    if args.len() != 1 {
        return Err(Raised::line(b"ERR redis.set_repl() requires one argument.").into());
    }
    match args.front() {
        Some(Value::Integer(flags)) if flags & !REPL_ALL == 0 => exchange.recorded.set(*flags != 0),
        _ => {
            return Err(Raised::line(
                b"ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            )
            .into());
        }
    }
    Ok(())
}

/// `redis.acl_check_cmd(command, ...)`
fn check_permission(_: &Lua, exchange: &Exchange, args: &MultiValue) -> mlua::Result<bool> {
    let request = match args.is_empty() {
        true => {
            Err(b"ERR Please specify at least one argument for this redis.acl_check_cmd() call".as_slice())
        }
        false => request(args).map_err(|_| {
            b"ERR redis.acl_check_cmd() command arguments must be strings or integers".as_slice()
        }),
    };
    let request = request.map_err(Raised::line)?;
    match exchange.ask(Ask::Permission(request))? {
        Answer::Permission(Some(allowed)) => Ok(allowed),
        Answer::Permission(None) => {
            Err(Raised::line(b"ERR Invalid command passed to redis.acl_check_cmd()").into())
        }
        _ => unreachable!("a question of permission is answered as one"),
    }
}
