//! What is shown of a difference: requests as lines for redis-cli, replies as redis-cli shows them.

use std::fmt::Write as _;

use squall_resp::Value;

use crate::connection::value;
use crate::play::Difference;
use crate::sequence::{LISTENER, Sequence};

const WORD_BYTES_MAX: usize = 600;

/// A request as one types it into redis-cli.
pub fn request(words: &[Vec<u8>]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

/// A reply as redis-cli shows it, on as many lines as it takes.
pub fn reply(frame: &[u8]) -> String {
    // Which of the two kinds of nothing it is can make the difference.
    match frame {
        b"*-1\r\n" => "(nil) as an array".to_owned(),
        _ => shown(&value(frame), ""),
    }
}

/// The whole story, to be typed in again.
pub fn story(reference: &str, sequence: &Sequence, difference: &Difference) -> String {
    let mut story = String::new();
    for (name, setting) in &sequence.settings {
        let _ = writeln!(story, "  CONFIG SET {name} {setting}");
    }
    if sequence.hears_events {
        story.push_str("  CONFIG SET notify-keyspace-events KEA, and a client with PSUBSCRIBE __key*__:*\n");
    }
    let several = sequence.steps.iter().any(|step| step.client > 0);
    for (client, protocol) in sequence.protocols.iter().enumerate() {
        if *protocol == 3 && (client == 0 || sequence.steps.iter().any(|step| step.client == client)) {
            let _ =
                writeln!(story, "  {}HELLO 3", if several { format!("{client}> ") } else { String::new() });
        }
    }
    for step in &sequence.steps {
        let who = match (several, step.client) {
            (false, _) => String::new(),
            (true, LISTENER) => "listener> ".to_owned(),
            (true, client) => format!("{client}> "),
        };
        let _ = writeln!(story, "  {who}{}", request(&step.words));
    }
    let indented = |text: &str| text.replace('\n', "\n      ");
    let _ = writeln!(story, "  -- {}", indented(&difference.about));
    let _ = writeln!(story, "    {reference}:\n      {}", indented(&difference.theirs));
    let _ = write!(story, "    squall:\n      {}", indented(&difference.ours));
    story
}

fn quoted(word: &[u8]) -> String {
    let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"'\\".contains(byte);
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    let shown = &word[..word.len().min(WORD_BYTES_MAX)];
    let mut text = String::from("\"");
    for &byte in shown {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(byte)]),
            b'\n' => text.push_str("\\n"),
            b'\r' => text.push_str("\\r"),
            b' '..=b'~' => text.push(char::from(byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    text.push('"');
    if shown.len() < word.len() {
        let _ = write!(text, "... ({} bytes)", word.len());
    }
    text
}

fn shown(value: &Value, indent: &str) -> String {
    let list = |items: &mut dyn Iterator<Item = String>, empty: &str| {
        let lines: Vec<String> = items.enumerate().map(|(at, item)| format!("{}) {item}", at + 1)).collect();
        if lines.is_empty() { empty.to_owned() } else { lines.join(&format!("\n{indent}")) }
    };
    let deeper = format!("{indent}   ");
    match value {
        Value::Simple(text) => text.clone(),
        Value::Error(text) => format!("(error) {text}"),
        Value::Integer(number) => format!("(integer) {number}"),
        Value::Bulk(bytes) if bytes.is_empty() => "\"\"".to_owned(),
        Value::Bulk(bytes) => match quoted(bytes) {
            text if text.starts_with('"') => text,
            text => format!("\"{text}\""),
        },
        Value::Null => "(nil)".to_owned(),
        Value::Array(items) => list(&mut items.iter().map(|item| shown(item, &deeper)), "(empty array)"),
        Value::Set(items) => {
            list(&mut items.iter().map(|item| format!("~ {}", shown(item, &deeper))), "(empty set)")
        }
        Value::Push(items) => {
            list(&mut items.iter().map(|item| format!("> {}", shown(item, &deeper))), "(empty push)")
        }
        Value::Map(pairs) => list(
            &mut pairs
                .iter()
                .map(|(key, value)| format!("{} => {}", shown(key, &deeper), shown(value, &deeper))),
            "(empty hash)",
        ),
        Value::Double(number) => format!("(double) {number}"),
        Value::Boolean(truth) => format!("({truth})"),
        Value::BigNumber(digits) => format!("(big number) {digits}"),
        Value::Verbatim { format, text } => format!("{format}: {text:?}"),
    }
}
