//! CLUSTER SYNCSLOTS: what the other end of a migration says to this node, as a client. Each word has one answer,
//! when there is one to give; APPLY has none, and one that fails ends the connection.

use squall_cluster::{MigrationLink, Words};
use squall_commands::session::Blocked;
use squall_commands::{ClientId, CommandError, CommandResult, Engine, Session};
use squall_resp::{Args, Limits, Output, Parsed, Reply, RequestParser};

use super::Place;
use crate::services::Services;

/// Who sends its slots here, or asks for some.
pub(super) struct Incoming {
    pub link: Option<MigrationLink>,
    applier: Applier,
}

/// Executes what a source sends.
struct Applier {
    session: Session,
    unwanted: Output,
}

impl Services {
    pub(in crate::cluster) fn sync_slots(
        &mut self,
        engine: &mut Engine,
        session: &mut Session,
        args: Args<'_>,
        reply: &mut Reply<'_>,
    ) -> CommandResult {
        let word = args.at(2).to_ascii_uppercase();
        match word.as_slice() {
            b"NOTE" => return self.read_note(engine, session, args),
            b"APPLY" => return self.apply_slots(engine, session, args),
            _ if session.is_primary_link || session.deny_blocking => return Err(CommandError::Syntax),
            _ => {}
        }
        let words: Vec<&[u8]> = args.iter().skip(2).collect();
        let words = Words::parse_request(&words).ok_or(CommandError::Syntax)?;
        let link = self.link_of_source(engine, session);
        self.mover().asking = Some(session.id);
        let membership = self.membership.as_mut().expect("the caller has looked");
        membership.machine().migration_said(link, words, engine.now);
        self.settle_cluster(engine);
        let mover = self.mover();
        mover.asking = None;
        match mover.answer.take() {
            Some(answer) => write_answer(&answer, reply),
            // It comes when there is one.
            None => session.blocked = Some(Blocked::Disk),
        }
        Ok(())
    }

    fn link_of_source(&mut self, engine: &mut Engine, session: &Session) -> MigrationLink {
        let known = self.mover().incoming.get(&session.id).and_then(|incoming| incoming.link);
        if let Some(link) = known {
            return link;
        }
        let membership = self.membership.as_mut().expect("the caller has looked");
        let link = membership.machine().migration_accepted();
        let mut applying = Session::primary_link(engine.clients.next_id(), session.peer.clone(), engine.now);
        applying.is_relayed = true;
        let applier = Applier { session: applying, unwanted: Output::new() };
        let mover = self.mover();
        mover.incoming.insert(session.id, Incoming { link: Some(link), applier });
        mover.places.insert(link, Place::Client(session.id));
        engine.propagation.watched = true;
        link
    }

    /// Commands of the source. They change this server as any client's would, for replicas and log too.
    fn apply_slots(&mut self, engine: &mut Engine, session: &mut Session, args: Args<'_>) -> CommandResult {
        engine.propagation.suppress();
        let Some(mut incoming) = self.mover().incoming.remove(&session.id) else {
            return Err(CommandError::line("ERR There is nothing of that kind under way"));
        };
        let applied = match incoming.link {
            Some(_) => incoming.applier.apply(engine, self, args.get(3).unwrap_or_default()),
            None => Err("the migration is over".to_owned()),
        };
        self.mover().incoming.insert(session.id, incoming);
        if let Err(reason) = applied {
            self.effects
                .warning(format!("What {} sends of its slots cannot be applied: {reason}", session.peer));
            session.close_after_reply = true;
            return Err(CommandError::line(format!("ERR {reason}")));
        }
        Ok(())
    }

    /// A client is gone that may have been a source.
    pub fn source_closed(&mut self, engine: &mut Engine, id: ClientId) {
        let Some(membership) = &mut self.membership else { return };
        let Some(incoming) = membership.mover.incoming.remove(&id) else { return };
        if let Some(link) = incoming.link {
            membership.mover.places.remove(&link);
            membership.machine().migration_closed(link, engine.now);
            self.settle_cluster(engine);
        }
    }
}

impl Applier {
    fn apply(&mut self, engine: &mut Engine, services: &mut Services, commands: &[u8]) -> Result<(), String> {
        let (mut parser, limits, mut rest) = (RequestParser::new(), Limits::default(), commands);
        while !rest.is_empty() {
            let Ok(Parsed::Command { consumed }) = parser.parse(rest, &limits) else {
                return Err("this is no sequence of commands".to_owned());
            };
            let args = parser.args(rest);
            if args.at(0).eq_ignore_ascii_case(b"cluster")
                || !engine.replay(&mut self.session, &mut self.unwanted, args, services)
            {
                return Err(format!("its command '{}' fails here", args.at(0).escape_ascii()));
            }
            rest = &rest[consumed..];
        }
        Ok(())
    }
}

pub(super) fn write_answer(words: &Words, reply: &mut Reply<'_>) {
    match words {
        Words::Refused(reason) => reply.error(reason),
        answer => reply.simple(&answer.to_words().join(" ")),
    }
}
