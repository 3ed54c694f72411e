//! The file of users (`aclfile`): read before the node listens, so that nobody comes in before it is known who
//! may; read again by `ACL LOAD`, all of it or nothing; replaced by `ACL SAVE`.

use bytes::Bytes;
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};

use crate::effect::{DiskDone, Effect, Effects, Lane};
use crate::services::Services;
use crate::whole_file::{FileWork, Reading, Replacement};

/// What is being done with the file, and for whom.
pub(crate) struct AclFile {
    /// None: the node is starting.
    client: Option<ClientId>,
    work: FileWork,
}

impl AclFile {
    /// The first thing that a node with such a file does.
    pub fn starting(engine: &Engine, effects: &mut Effects) -> AclFile {
        let reading = Reading::begin(effects, Lane::Meta, &engine.config.aclfile);
        AclFile { client: None, work: FileWork::Reading(reading) }
    }

    pub fn owns(&self, ticket: u64) -> bool {
        self.work.owns(ticket)
    }
}

/// `ACL LOAD`.
pub(crate) fn load(engine: &mut Engine, services: &mut Services, session: &mut Session) -> CommandResult {
    refuse_second(services)?;
    let reading = Reading::begin(&mut services.effects, Lane::Meta, &engine.config.aclfile);
    begin(services, session, FileWork::Reading(reading));
    Ok(())
}

/// `ACL SAVE`.
pub(crate) fn save(engine: &mut Engine, services: &mut Services, session: &mut Session) -> CommandResult {
    refuse_second(services)?;
    let (path, text) = (engine.config.aclfile.clone(), Bytes::from(engine.acl.file_text()));
    let replacement = Replacement::begin(&mut services.effects, Lane::Meta, path, text);
    begin(services, session, FileWork::Replacing(replacement));
    Ok(())
}

fn refuse_second(services: &Services) -> CommandResult {
    match services.acl_file {
        Some(_) => Err(CommandError::line("ERR The ACL file is in use, try again later")),
        None => Ok(()),
    }
}

fn begin(services: &mut Services, session: &mut Session, work: FileWork) {
    session.blocked = Some(Blocked::Disk);
    services.acl_file = Some(AclFile { client: Some(session.id), work });
}

/// A disk operation is done: goes on, answers the session, or lets the node start.
pub(crate) fn advance(engine: &mut Engine, services: &mut Services, done: DiskDone) {
    let Some(mut file) = services.acl_file.take() else { return };
    let path = engine.config.aclfile.clone();
    let result = match &mut file.work {
        FileWork::Reading(reading) => match reading.advance(&mut services.effects, done) {
            None => return services.acl_file = Some(file),
            Some(Ok(text)) => engine.load_users(&path, &text),
            Some(Err(error)) => Err(format!("Error loading ACLs, opening file '{path}': {}", error.message)),
        },
        FileWork::Replacing(replacement) => match replacement.advance(&mut services.effects, done) {
            None => return services.acl_file = Some(file),
            Some(Ok(())) => Ok(Vec::new()),
            Some(Err(error)) => {
                services.effects.warning(format!("Saving ACL file '{path}': {}", error.message));
                Err("There was an error trying to save the ACLs. Please check the server logs for more information"
                    .to_owned())
            }
        },
    };
    match (file.client, result) {
        (Some(client), Ok(dismissed)) => {
            services.answer(engine, client, |reply| reply.ok());
            services.effects.extend(dismissed.into_iter().map(Effect::CloseClient));
        }
        (Some(client), Err(reason)) => {
            services.answer(engine, client, |reply| reply.error(&format!("ERR {reason}")));
        }
        (None, Ok(_)) => services.users_known(engine),
        (None, Err(reason)) => {
            services.effects.warning(format!("Aborting startup because of ACL errors: {reason}"));
            services.effects.push(Effect::Exit { status: 1 });
        }
    }
}
