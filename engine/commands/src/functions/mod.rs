//! The family of functions: libraries of Lua functions that are part of the dataset. They are saved and
//! replicated with it, as their code.
//!
//! - `library`: what a library is, how its code is loaded and registers its functions;
//! - `store`: FUNCTION LOAD, DELETE, FLUSH, DUMP, RESTORE; `show`: LIST and STATS; this file: FCALL.

mod library;
mod show;
mod store;

pub(crate) use library::{Draft, register};
use library::{Library, LibraryFunction};
use squall_resp::Protocol;

use crate::engine::Engine;
use crate::scripts::vm::{Purpose, Vm};
use crate::scripts::{ARGUMENTS_TAIL, Running, Spec, keys_len, runs, runs_read_only};
use crate::table::{Argument, Category, Command, Flag, Group};
use crate::{CommandError, CommandResult, Context, catalog, scripts};

const FUNCTION: &[Argument] =
    &[Argument::string("function"), ARGUMENTS_TAIL[0], ARGUMENTS_TAIL[1], ARGUMENTS_TAIL[2]];

pub const ROWS: &[Command] = &[
    runs("fcall", fcall).since("7.0.0").summary("Calls a function.").arguments(FUNCTION),
    runs_read_only("fcall_ro", fcall)
        .since("7.0.0")
        .summary("Calls a function that does not write.")
        .arguments(FUNCTION),
    Command::container("function", SUBCOMMANDS)
        .group(Group::Scripting)
        .since("7.0.0")
        .summary("The libraries of functions."),
];

const fn function(name: &'static str, arity: i32, handler: crate::Handler) -> Command {
    Command::new(name, arity, handler)
        .group(Group::Scripting)
        .flags(&[Flag::NoScript])
        .acl(&[Category::Scripting])
        .since("7.0.0")
}

const WRITES: &[Flag] = &[Flag::NoScript, Flag::Write];
const ADDS: &[Flag] = &[Flag::NoScript, Flag::Write, Flag::DenyOom];
const ALL_SHARDS: &[&str] = &["request_policy:all_shards", "response_policy:all_succeeded"];

const SUBCOMMANDS: &[Command] = &[
    function("delete", 3, store::delete)
        .flags(WRITES)
        .tips(ALL_SHARDS)
        .summary("Deletes a library and its functions.")
        .arguments(&[Argument::string("library-name")]),
    function("dump", 2, store::dump)
        .complexity("O(N) where N is the number of functions.")
        .summary("All libraries as one payload."),
    function("flush", -2, store::flush)
        .flags(WRITES)
        .complexity("O(N) where N is the number of functions.")
        .tips(ALL_SHARDS)
        .summary("Deletes all libraries.")
        .arguments(&[Argument::one_of(
            "flush-type",
            &[Argument::word("async", "ASYNC"), Argument::word("sync", "SYNC")],
        )
        .optional()]),
    function("help", 2, catalog::help)
        .flags(&[Flag::Loading, Flag::Stale])
        .summary("Tells what FUNCTION can do."),
    function("kill", 2, kill)
        .flags(&[Flag::NoScript, Flag::AllowBusy])
        .tips(&["request_policy:all_shards", "response_policy:one_succeeded"])
        .summary("Ends the function that is running, if it has not written."),
    function("list", -2, show::list)
        .complexity("O(N) where N is the number of functions.")
        .tips(&["nondeterministic_output_order"])
        .summary("The libraries and their functions.")
        .arguments(&[
            Argument::string("library-name-pattern").token("LIBRARYNAME").optional(),
            Argument::word("withcode", "WITHCODE").optional(),
        ]),
    function("load", -3, store::load)
        .flags(ADDS)
        .complexity("O(1), on top of what loading the code takes.")
        .tips(ALL_SHARDS)
        .summary("Creates a library.")
        .arguments(&[Argument::word("replace", "REPLACE").optional(), Argument::string("function-code")]),
    function("restore", -3, store::restore)
        .flags(ADDS)
        .complexity("O(N) where N is the number of functions.")
        .tips(ALL_SHARDS)
        .summary("Creates the libraries of a payload.")
        .arguments(&[
            Argument::string("serialized-value"),
            Argument::one_of(
                "policy",
                &[
                    Argument::word("flush", "FLUSH"),
                    Argument::word("append", "APPEND"),
                    Argument::word("replace", "REPLACE"),
                ],
            )
            .optional(),
        ]),
    function("stats", 2, show::stats)
        .flags(&[Flag::NoScript, Flag::AllowBusy])
        .tips(&["nondeterministic_output", "request_policy:all_shards", "response_policy:special"])
        .summary("What is running, and what there is."),
];

/// All libraries, in the order of their names, and the machine that their functions live in.
#[derive(Default)]
pub(crate) struct Libraries {
    vm: Option<Vm>,
    by_name: std::collections::BTreeMap<Vec<u8>, Library>,
}

impl Libraries {
    pub fn vm(&mut self) -> &mut Vm {
        self.vm.get_or_insert_with(|| Vm::new(Purpose::Functions))
    }

    pub fn vm_bytes(&self) -> usize {
        self.vm.as_ref().map_or(0, Vm::used_bytes)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn functions(&self) -> usize {
        self.by_name.values().map(|library| library.functions.len()).sum()
    }

    pub fn text_bytes(&self) -> usize {
        self.by_name.values().map(|library| library.code.len()).sum()
    }

    /// The function of this name, in any case, which only one library can have.
    fn function(&self, name: &[u8]) -> Option<&LibraryFunction> {
        self.by_name.values().find_map(|library| library.function(name))
    }

    /// Forgets everything, the machine too.
    fn clear(&mut self) {
        self.by_name.clear();
        self.vm = None;
    }
}

impl Engine {
    /// The code of every library: what a snapshot carries of them.
    pub fn library_codes(&self) -> Vec<bytes::Bytes> {
        self.scripts.libraries.by_name.values().map(|library| library.code.clone()).collect()
    }

    /// Puts the libraries of a dataset that was read in place of those that there are. A library that cannot
    /// be loaded is an error of the dataset.
    pub fn replace_libraries(&mut self, codes: &[bytes::Bytes]) -> Result<(), String> {
        self.scripts.libraries.clear();
        for code in codes {
            store::add(self, code, true)
                .map_err(|error| String::from_utf8_lossy(&error.text()).into_owned())?;
        }
        Ok(())
    }
}

fn fcall(context: &mut Context<'_>) -> CommandResult {
    let read_only = context.arg(0).to_ascii_lowercase().ends_with(b"_ro");
    let name = context.arg(1);
    let function = context.engine.scripts.libraries.function(name);
    let function = function.ok_or(CommandError::line("ERR Function not found"))?;
    let (callback, declared) = (function.callback.clone(), function.flags);
    let keys = keys_len(context, "ERR Bad number of keys provided")?;
    let flags = declared.check(context.engine, read_only)?;
    let running = prepare(context, callback, keys)?;
    let spec = Spec { purpose: Purpose::Functions, name: String::from_utf8_lossy(name).into_owned(), flags };
    let Context { engine, session, reply, args, server } = context;
    engine.begin_script(session, reply, *args, *server, spec, running)
}

/// The function with its two arguments: the keys and the others.
fn prepare(
    context: &mut Context<'_>,
    callback: mlua::Function,
    keys: usize,
) -> Result<Running, CommandError> {
    let args = context.args.skip(3);
    let client: Protocol = context.session.protocol;
    let engine = &mut *context.engine;
    let clock_s = engine.now.mono.since(engine.started.mono).as_micros() as f64 / 1e6;
    let vm = engine.scripts.libraries.vm();
    let lists = vm
        .list(args.first(keys).iter())
        .and_then(|keys_list| Ok((keys_list, vm.list(args.skip(keys).iter())?)));
    let (keys, argv) =
        lists.map_err(|_| CommandError::line("ERR not enough memory for the function's arguments"))?;
    Ok(Running::new(vm, callback, Some(keys), Some(argv), client, clock_s))
}

fn kill(context: &mut Context<'_>) -> CommandResult {
    scripts::kill_running(context, Purpose::Functions, "ERR Script killed by user with FUNCTION KILL.")
}
