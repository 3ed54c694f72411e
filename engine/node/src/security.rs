//! Encryption (TLS), as far as a node is concerned: certificates are read before anybody is listened to, and
//! again when CONFIG SET names them: the change is carried out when they have been read, and only then. What
//! a certificate is, and what is done with it, the host knows.

use squall_commands::administration::config::ConfigChange;
use squall_commands::config::Config;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};

use crate::effect::{Effect, Effects};
use crate::services::Services;

/// Whom the certificates are read for.
pub(crate) enum Securing {
    /// The node is starting.
    Start,
    Client {
        client: ClientId,
        change: ConfigChange,
    },
}

impl Securing {
    pub fn start(engine: &Engine, effects: &mut Effects) -> Securing {
        let config = &engine.config;
        if !config.tls_dh_params_file.is_empty() {
            effects.warning("tls-dh-params-file is not used: keys are exchanged over elliptic curves only");
        }
        effects.push(Effect::Secure(Box::new(config.clone())));
        Securing::Start
    }
}

/// `CONFIG SET tls-...`: the session is answered when the certificates have been read.
pub(crate) fn begin(
    services: &mut Services,
    session: &mut Session,
    wanted: Config,
    change: ConfigChange,
) -> CommandResult {
    if services.securing.is_some() {
        return Err(CommandError::line(
            "ERR CONFIG SET failed - certificates are just being read, try again",
        ));
    }
    session.blocked = Some(Blocked::Disk);
    services.effects.push(Effect::Secure(Box::new(wanted)));
    services.securing = Some(Securing::Client { client: session.id, change });
    Ok(())
}

pub(crate) fn secured(engine: &mut Engine, services: &mut Services, outcome: Result<(), String>) {
    match (services.securing.take(), outcome) {
        (None, _) => {}
        (Some(Securing::Start), Ok(())) => services.listen_and_load(engine),
        (Some(Securing::Start), Err(reason)) => {
            services.effects.warning(format!("Failed to configure TLS: {reason}"));
            services.effects.push(Effect::Exit { status: 1 });
        }
        (Some(Securing::Client { client, change }), Ok(())) => {
            match change.carry_out(engine, services) {
                Ok(()) => services.answer(engine, client, |reply| reply.ok()),
                Err(error) => {
                    services.answer(engine, client, |reply| reply.error_bytes(&error.text()));
                }
            }
            services.effects.notice("Certificates have been read; new connections use them");
        }
        (Some(Securing::Client { client, change }), Err(reason)) => {
            services.effects.warning(format!("Failed to configure TLS: {reason}"));
            let subject = change.subject();
            let line = format!("ERR CONFIG SET failed (possibly related to argument '{subject}') - {reason}");
            services.answer(engine, client, |reply| reply.error(&line));
        }
    }
}
