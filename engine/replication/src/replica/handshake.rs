//! The words before the stream, one answer at a time. Answers are lines; a lone newline between them is a
//! primary saying that it lives.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use squall_resp::encode_command;

use super::ReplicaOptions;
use crate::{Position, ReplId, ReplOffset};

/// No answer of a handshake is longer; whoever sends more is not a primary.
pub(super) const LINE_BYTES_MAX: usize = 4096;

/// What the primary has still to answer.
#[derive(Debug)]
pub(super) struct Handshake {
    expected: VecDeque<Question>,
}

#[derive(Debug)]
enum Question {
    Ping,
    Auth,
    /// `REPLCONF`, and which option.
    Replconf(&'static str),
    Psync {
        with_position: bool,
        take_over: bool,
    },
}

/// What an answer means.
#[derive(Debug)]
pub(super) enum Answer {
    /// The primary lives and may be told who we are.
    Alive,
    /// It has taken note of one thing about us, and was the last to be asked for if `last`. It need not
    /// know every option of REPLCONF.
    Noted {
        remark: Option<String>,
        last: bool,
    },
    FullResync(Position),
    Continue(Option<ReplId>),
    /// It does not want to be a primary, and says why.
    Declined(String),
}

impl Handshake {
    pub(super) fn begin() -> Handshake {
        Handshake { expected: VecDeque::from([Question::Ping]) }
    }

    /// All that is said before PSYNC, at once; the answers come in the same order.
    pub(super) fn introduce(&mut self, options: &ReplicaOptions) -> Bytes {
        let mut bytes = BytesMut::new();
        let mut say = |question, words: &[&[u8]]| {
            encode_command(&mut bytes, words.iter().copied());
            self.expected.push_back(question);
        };
        match (&options.user, &options.password) {
            (_, None) => {}
            (None, Some(password)) => say(Question::Auth, &[b"AUTH", password.as_bytes()]),
            (Some(user), Some(password)) => {
                say(Question::Auth, &[b"AUTH", user.as_bytes(), password.as_bytes()])
            }
        }
        let port = options.listening_port.to_string();
        say(Question::Replconf("listening-port"), &[b"REPLCONF", b"listening-port", port.as_bytes()]);
        if let Some(host) = &options.announced_host {
            say(Question::Replconf("ip-address"), &[b"REPLCONF", b"ip-address", host.as_bytes()]);
        }
        say(Question::Replconf("capa"), &[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"]);
        say(Question::Replconf("version"), &[b"REPLCONF", b"version", options.version.as_bytes()]);
        bytes.freeze()
    }

    pub(super) fn expect_psync(&mut self, with_position: bool, take_over: bool) {
        self.expected.push_back(Question::Psync { with_position, take_over });
    }

    /// The next answer in `input`, if it is complete. An error ends the connection.
    pub(super) fn read(&mut self, input: &mut BytesMut) -> Result<Option<Answer>, String> {
        let Some(line) = take_line(input)? else { return Ok(None) };
        let question =
            self.expected.pop_front().ok_or_else(|| format!("it said {} unasked", shown(&line)))?;
        let answer = match question {
            Question::Ping => answer_to_ping(&line)?,
            Question::Psync { take_over: true, .. } if line.starts_with(b"-") => {
                Answer::Declined(shown(&line))
            }
            Question::Psync { with_position, .. } => answer_to_psync(&line, with_position)?,
            Question::Auth if line.starts_with(b"-") => {
                return Err(format!("it answered {} to AUTH", shown(&line)));
            }
            Question::Auth => Answer::Noted { remark: None, last: self.expected.is_empty() },
            Question::Replconf(option) => {
                let refused = line.starts_with(b"-");
                let remark = refused.then(|| format!("the primary does not know {option}: {}", shown(&line)));
                Answer::Noted { remark, last: self.expected.is_empty() }
            }
        };
        Ok(Some(answer))
    }
}

/// Takes one line without its end, past any empty ones; nothing while it is incomplete.
pub(super) fn take_line(input: &mut BytesMut) -> Result<Option<Bytes>, String> {
    loop {
        let Some(end) = input.iter().take(LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
            return match input.len() >= LINE_BYTES_MAX {
                true => Err(format!("it sent {LINE_BYTES_MAX} bytes without the end of a line")),
                false => Ok(None),
            };
        };
        let mut line = input.split_to(end + 1);
        line.truncate(end);
        if line.ends_with(b"\r") {
            line.truncate(end - 1);
        }
        if !line.is_empty() {
            return Ok(Some(line.freeze()));
        }
    }
}

/// A line from the primary as it may stand in a log.
pub(super) fn shown(line: &[u8]) -> String {
    const SHOWN_BYTES_MAX: usize = 120;
    format!("\"{}\"", line[..line.len().min(SHOWN_BYTES_MAX)].escape_ascii())
}

/// A primary that wants a password, or does not let this user ping, is alive all the same.
fn answer_to_ping(line: &[u8]) -> Result<Answer, String> {
    let lives = [&b"+"[..], b"-NOAUTH", b"-NOPERM", b"-ERR operation not permitted"];
    match lives.iter().any(|start| line.starts_with(start)) {
        true => Ok(Answer::Alive),
        false => Err(format!("it answered {} to PING", shown(line))),
    }
}

fn answer_to_psync(line: &[u8], with_position: bool) -> Result<Answer, String> {
    let strange = || format!("it answered {} to PSYNC", shown(line));
    let mut words = line.split(|byte| *byte == b' ');
    match words.next() {
        Some(b"+FULLRESYNC") => {
            let id = words.next().and_then(ReplId::parse);
            let offset = words.next().and_then(read_offset);
            let (id, offset) = id.zip(offset).ok_or_else(strange)?;
            Ok(Answer::FullResync(Position { id, offset }))
        }
        Some(b"+CONTINUE") if with_position => match words.next() {
            None => Ok(Answer::Continue(None)),
            Some(id) => Ok(Answer::Continue(Some(ReplId::parse(id).ok_or_else(strange)?))),
        },
        _ => Err(strange()),
    }
}

/// Offsets are signed where they are read, which leaves room to count on from any of them.
fn read_offset(word: &[u8]) -> Option<ReplOffset> {
    let offset: i64 = std::str::from_utf8(word).ok()?.parse().ok()?;
    u64::try_from(offset).ok().map(ReplOffset)
}

#[cfg(test)]
mod tests {
    use squall_clock::Nanos;

    use super::*;

    fn options(user: Option<&str>, password: Option<&str>) -> ReplicaOptions {
        ReplicaOptions {
            host: "primary".to_owned(),
            port: 6379,
            user: user.map(str::to_owned),
            password: password.map(str::to_owned),
            listening_port: 6380,
            announced_host: Some("10.0.0.7".to_owned()),
            version: "8.2.1".to_owned(),
            timeout: Nanos::from_secs(60),
        }
    }

    /// Goes through a handshake with these answers: what it ends in.
    fn answered(options: &ReplicaOptions, answers: &str, with_position: bool) -> Result<Answer, String> {
        let mut handshake = Handshake::begin();
        let mut input = BytesMut::from(answers);
        loop {
            match handshake.read(&mut input)?.expect("the answers are complete") {
                Answer::Alive => _ = handshake.introduce(options),
                Answer::Noted { last: true, .. } => handshake.expect_psync(with_position, false),
                Answer::Noted { last: false, .. } => {}
                answer => return Ok(answer),
            }
        }
    }

    #[test]
    fn an_introduction_says_who_we_are() {
        let said = |user, password| {
            let bytes = Handshake::begin().introduce(&options(user, password));
            let words: Vec<_> = bytes.split(|byte| b"\r\n".contains(byte)).collect();
            let words = words
                .iter()
                .map(|word| String::from_utf8_lossy(word))
                .filter(|word| !word.is_empty() && !word.starts_with(['*', '$']));
            words.collect::<Vec<_>>().join(" ")
        };
        let rest = "REPLCONF listening-port 6380 REPLCONF ip-address 10.0.0.7 REPLCONF capa eof capa psync2 \
                    REPLCONF version 8.2.1";
        assert_eq!(said(None, None), rest);
        assert_eq!(said(None, Some("secret")), format!("AUTH secret {rest}"));
        assert_eq!(said(Some("me"), Some("secret")), format!("AUTH me secret {rest}"));
        assert_eq!(said(Some("me"), None), rest);
    }

    #[test]
    fn answers_lead_on_or_end_the_connection() {
        let id = "ab".repeat(20);
        let plain = options(None, None);
        let full =
            format!("+PONG\r\n+OK\r\n+OK\r\n-ERR no eof\r\n-ERR no version\r\n\n\n+FULLRESYNC {id} 12\r\n");
        let position =
            Position { id: ReplId::parse(id.as_bytes()).expect("forty digits"), offset: ReplOffset(12) };
        assert!(matches!(answered(&plain, &full, false), Ok(Answer::FullResync(at)) if at == position));

        let introduced = "-NOAUTH Authentication required.\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n";
        let secret = options(None, Some("secret"));
        let go_on = |answer: &str| answered(&secret, &format!("{introduced}{answer}\r\n"), true);
        assert!(matches!(go_on("+CONTINUE"), Ok(Answer::Continue(None))));
        assert!(
            matches!(go_on(&format!("+CONTINUE {id}")), Ok(Answer::Continue(Some(other))) if other == position.id)
        );
        for refusal in
            ["-NOMASTERLINK no", "-LOADING", "-ERR", "+OK", "+CONTINUE x", "+FULLRESYNC", "garbage"]
        {
            assert!(go_on(refusal).is_err(), "{refusal}");
        }
        assert!(
            answered(&secret, &format!("{introduced}+CONTINUE\r\n"), false).is_err(),
            "nothing to continue"
        );
        let wrong = "+PONG\r\n-WRONGPASS invalid username-password pair\r\n";
        let reason = answered(&secret, wrong, false).expect_err("the password is wrong");
        assert!(reason.contains("WRONGPASS"), "{reason}");
        assert!(answered(&plain, "-ERR unknown command\r\n", false).is_err(), "it cannot even ping");
    }
}
