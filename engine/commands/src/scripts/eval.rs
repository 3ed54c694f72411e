//! EVAL, EVALSHA, their read-only forms, and SCRIPT: the cache of scripts by digest.

use squall_resp::{Args, Protocol};

use super::vm::Purpose;
use super::{Digest, EVALUATED_MAX, Running, Script, Scripts, Spec, flags, keys_len};
use crate::engine::Engine;
use crate::generic::databases::is_flush_mode;
use crate::{CommandError, CommandResult, Context};

const NO_SCRIPT: CommandError =
    CommandError::Line(std::borrow::Cow::Borrowed("NOSCRIPT No matching script. Please use EVAL."));
pub(crate) const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. \
You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";
pub(crate) const NOT_BUSY: &str = "NOTBUSY No scripts in execution right now.";

impl Scripts {
    /// Makes a script known; the compiler's message where it is none.
    fn learn(&mut self, text: &[u8], kept: bool) -> Result<Digest, CommandError> {
        let digest = Digest::of(text);
        if let Some(script) = self.known.get_mut(&digest) {
            if kept && !script.kept {
                script.kept = true;
                self.evaluated.retain(|other| *other != digest);
            }
            return Ok(digest);
        }
        let (flags, code) = flags::read_shebang(text)?;
        let function = self.eval_vm().compile(&code, "@user_script").map_err(|message| {
            CommandError::Bytes([b"ERR Error compiling script (new function): ", message.as_slice()].concat())
        })?;
        self.known.insert(digest, Script { text: text.to_vec(), function, flags, kept });
        if !kept {
            self.evaluated.push_back(digest);
        }
        while self.evaluated.len() > EVALUATED_MAX {
            let oldest = self.evaluated.pop_front().expect("one at least");
            self.known.remove(&oldest);
            self.evicted += 1;
        }
        Ok(digest)
    }

    /// Forgets all scripts, and the machine with them.
    fn forget_all(&mut self) {
        self.known.clear();
        self.evaluated.clear();
        self.eval = None;
    }
}

pub(super) fn eval(context: &mut Context<'_>) -> CommandResult {
    let keys = keys_len(context, "ERR value is not an integer or out of range")?;
    let digest = context.engine.scripts.learn(context.arg(1), false)?;
    run(context, digest, keys)
}

pub(super) fn evalsha(context: &mut Context<'_>) -> CommandResult {
    let digest =
        Digest::parse(context.arg(1)).filter(|digest| context.engine.scripts.known.contains_key(digest));
    let digest = digest.ok_or(NO_SCRIPT)?;
    let keys = keys_len(context, "ERR value is not an integer or out of range")?;
    run(context, digest, keys)
}

fn run(context: &mut Context<'_>, digest: Digest, keys: usize) -> CommandResult {
    let read_only = context.arg(0).len() > 3 && context.arg(0).to_ascii_lowercase().ends_with(b"_ro");
    let flags = context.engine.scripts.known[&digest].flags.check(context.engine, read_only)?;
    let args = context.args.skip(3);
    let running =
        prepare(context.engine, digest, args.first(keys), args.skip(keys), context.session.protocol)?;
    let spec = Spec { purpose: Purpose::Eval, name: digest.to_string(), flags };
    let Context { engine, session, reply, args, server } = context;
    engine.begin_script(session, reply, *args, *server, spec, running)
}

/// The script with its KEYS and ARGV, which are globals.
fn prepare(
    engine: &mut Engine,
    digest: Digest,
    keys: Args<'_>,
    argv: Args<'_>,
    client: Protocol,
) -> Result<Running, CommandError> {
    let clock_s = engine.now.mono.since(engine.started.mono).as_micros() as f64 / 1e6;
    let scripts = &mut engine.scripts;
    let function = scripts.known[&digest].function.clone();
    let one_line = !scripts.known[&digest].text.contains(&b'\n');
    let vm = scripts.eval_vm();
    vm.exchange.one_line.set(one_line);
    let set = |name: &str, words: Args<'_>| vm.globals.raw_set(name, vm.list(words.iter())?);
    set("KEYS", keys)
        .and_then(|()| set("ARGV", argv))
        .map_err(|_| CommandError::line("ERR not enough memory for the script's arguments"))?;
    Ok(Running::new(vm, function, None, None, client, clock_s))
}

pub(super) fn load(context: &mut Context<'_>) -> CommandResult {
    let digest = context.engine.scripts.learn(context.arg(2), true)?;
    context.reply.bulk_str(&digest.to_string());
    Ok(())
}

pub(super) fn exists(context: &mut Context<'_>) -> CommandResult {
    context.reply.array(context.args.len() - 2);
    for text in context.args.iter().skip(2) {
        let known =
            Digest::parse(text).is_some_and(|digest| context.engine.scripts.known.contains_key(&digest));
        context.reply.integer(i64::from(known));
    }
    Ok(())
}

pub(super) fn show(context: &mut Context<'_>) -> CommandResult {
    let digest = Digest::parse(context.arg(2)).ok_or(NO_SCRIPT)?;
    let script = context.engine.scripts.known.get(&digest).ok_or(NO_SCRIPT)?;
    context.reply.bulk(&script.text);
    Ok(())
}

pub(super) fn flush(context: &mut Context<'_>) -> CommandResult {
    if !is_flush_mode(context.args.skip(2)) {
        return Err(CommandError::line("ERR SCRIPT FLUSH only support SYNC|ASYNC option"));
    }
    context.engine.scripts.forget_all();
    context.reply.ok();
    Ok(())
}

/// The next slice of the script is its last.
pub(super) fn kill(context: &mut Context<'_>) -> CommandResult {
    kill_running(context, Purpose::Eval, "ERR Script killed by user with SCRIPT KILL.")
}

pub(crate) fn kill_running(
    context: &mut Context<'_>,
    purpose: Purpose,
    reason: &'static str,
) -> CommandResult {
    let busy = context.engine.busy_error();
    let Some(run) = context.engine.scripts.run.as_mut() else {
        return Err(CommandError::line(NOT_BUSY));
    };
    if run.purpose != purpose {
        return Err(busy);
    }
    if run.wrote {
        return Err(CommandError::line(UNKILLABLE));
    }
    run.kill = Some(reason);
    context.reply.ok();
    Ok(())
}

/// There is no debugger: NO is what holds already.
pub(super) fn debug(context: &mut Context<'_>) -> CommandResult {
    let mode = context.arg(2).to_ascii_lowercase();
    match mode.as_slice() {
        b"no" => context.reply.ok(),
        b"yes" | b"sync" => {
            return Err(CommandError::line("ERR the Lua debugger is not part of this server"));
        }
        _ => return Err(CommandError::line("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
    Ok(())
}
