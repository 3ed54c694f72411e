//! LOLWUT: a small drawing, different each time, and the version.

use rand_core::Rng;

use super::server;
use crate::table::{Argument, Category, Command, Flag};
use crate::{CommandResult, Context, REDIS_VERSION, SQUALL_VERSION};

pub(super) const LOLWUT: Command = server("lolwut", -1, lolwut, &[Flag::ReadOnly, Flag::Fast])
    .acl(&[Category::Read])
    .since("5.0.0")
    .summary("Draws something, and tells the version.")
    .arguments(&[Argument::integer("version").token("VERSION").optional()]);

const COLUMNS: usize = 40;
const ROWS: usize = 8;

/// A squall: wind across the page, stronger towards the middle, with rain in it.
fn lolwut(context: &mut Context<'_>) -> CommandResult {
    let mut text = String::new();
    for row in 0..ROWS {
        let strength = row.min(ROWS - 1 - row) as u64 + 1;
        for _ in 0..COLUMNS {
            let draw = context.engine.rng.next_u64() % 12;
            text.push(match draw {
                _ if draw < strength => '~',
                _ if draw < strength + 1 => '/',
                11 => '\'',
                _ => ' ',
            });
        }
        text.push('\n');
    }
    text.push_str(&format!("\nA squall passes. Redis ver. {REDIS_VERSION} (squall {SQUALL_VERSION})\n"));
    context.reply.verbatim("txt", &text);
    Ok(())
}
