//! The page of a run: what it shows as data, and the data put into one self-contained file that works without a
//! network. How it looks and what a click does is in `page.css` and `page.js`; nothing there knows Rust.
//!
//! All times are microseconds since the scenario's beginning; what is many (operations, messages) is in columns.

mod states;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use squall_clock::Mono;
use squall_sim::{Action, Answer, Fault, FaultSpan, OpId, Operation, Outcome, Run};

use crate::evidence::Evidence;
use crate::file::Scenario;
use crate::measures::MEASURES;
use crate::report::Report;
use states::{StateSpan, states_of};

/// What the page draws, beside what the report says.
#[derive(Clone, Debug)]
pub(crate) struct Picture(Value);

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

impl Picture {
    pub(crate) fn of(scenario: &Scenario, run: &Run<Evidence>, report: &Report) -> Picture {
        let evidence = &run.outcome;
        let us = |at: Mono| micros(at, evidence.begin);
        let nodes: Vec<&str> = scenario.nodes.iter().map(|node| node.get_ref().name.as_str()).collect();
        let lanes: Vec<Value> = nodes
            .iter()
            .map(|name| json!({ "name": name, "states": spans(&states_of(name, run), evidence.begin) }))
            .collect();
        let clients: Vec<Value> = scenario
            .clients
            .iter()
            .flat_map(|group| {
                let group = group.get_ref();
                group.machines().map(|name| json!({ "name": name, "group": group.name }))
            })
            .collect();
        let lag: serde_json::Map<String, Value> = report
            .measures
            .lag
            .iter()
            .map(|(node, points)| {
                let rows =
                    points.iter().map(|point| json!([us(point.at), point.bytes, point.time.as_micros()]));
                (node.clone(), rows.collect())
            })
            .collect();
        let remarks = run.chronicle.remarks.iter();
        Picture(json!({
            "title": scenario.title,
            "about": scenario.about,
            "start": us(Mono(0)),
            "healed": us(evidence.healed),
            "stopped": us(evidence.stopped),
            "end": us(Mono(run.simulated.0)),
            "recovered": evidence.recovered.map(us),
            "nodes": lanes,
            "clients": clients,
            "operations": operations(evidence, report),
            "messages": messages(&nodes, run),
            "faults": evidence.faults.iter().map(|span| fault(span, evidence.begin)).collect::<Vec<_>>(),
            "remarks": remarks.map(|remark| json!([us(remark.at), remark.who, remark.text])).collect::<Vec<_>>(),
            "lag": lag,
            "left_out": run.chronicle.left_out,
        }))
    }

    /// The whole page.
    pub(crate) fn to_page(&self, report: &Report) -> String {
        let mut data = self.0.clone();
        data["name"] = json!(report.name);
        data["seed"] = json!(report.seed);
        data["server"] = json!(report.server.as_ref().map(|server| server.name.as_str()));
        data["passed"] = json!(report.passed());
        data["replay"] = json!(report.replay());
        data["trace"] = json!(format!("{:016x}", report.trace_hash));
        data["failures"] = report
            .failures
            .iter()
            .map(|failure| json!({ "text": failure.text, "proof": numbers(&failure.proof) }))
            .collect();
        data["measures"] = MEASURES
            .iter()
            .map(|measure| {
                let amount = report.measures.get(measure.name).to_string();
                json!({ "name": measure.name, "amount": amount, "meaning": measure.meaning })
            })
            .collect();
        let verdict = if report.passed() { "passed" } else { "FAILED" };
        let title = format!("{} (seed {}): {verdict}", report.name, report.seed);
        // A script ends at the first `</`, wherever it stands.
        let data = data.to_string().replace("</", "<\\/");
        PAGE.replace("{{title}}", &escaped(&title))
            .replace("{{style}}", STYLE)
            .replace("{{data}}", &data)
            .replace("{{script}}", SCRIPT)
    }
}

/// The operations in columns. What repeats (names, answers that are reasons) stands once, in a table.
fn operations(evidence: &Evidence, report: &Report) -> Value {
    let mut words = Words::default();
    let (mut client, mut node, mut key, mut action) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut from, mut took, mut outcome, mut answer) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for operation in &evidence.history {
        client.push(words.number(&operation.client));
        node.push(words.number(&operation.node));
        key.push(words.number(&operation.key));
        action.push(match operation.action {
            Action::Read => "read",
            Action::Write => "write",
            Action::Increment => "increment",
            Action::Append => "append",
            Action::Acquire => "acquire",
            Action::Release => "release",
            Action::Put => "put",
            Action::Pop => "pop",
            Action::Claim => "claim",
            Action::Confirm => "confirm",
            Action::Publish => "publish",
        });
        from.push(micros(operation.invoked, evidence.begin));
        took.push(operation.latency().map_or(-1, |latency| latency.as_micros() as i64));
        let (kind, text) = told(operation);
        outcome.push(kind);
        answer.push(words.number(&text));
    }
    let action: Vec<u32> = action.into_iter().map(|name| words.number(name)).collect();
    json!({
        "words": words.list,
        "client": client, "node": node, "key": key, "action": action,
        "from": from, "took": took, "outcome": outcome, "answer": answer,
        "lost": numbers(report.measures.proof("lost-writes")),
        "stale": numbers(report.measures.proof("stale-reads")),
        "risen": numbers(report.measures.proof("risen-writes")),
        "stuck": numbers(report.measures.proof("violated-keys")),
    })
}

/// 0 acknowledged, 1 refused, 2 unknown, 3 pending; and what the client was told.
fn told(operation: &Operation) -> (u8, String) {
    match &operation.outcome {
        Outcome::Done(Answer::Acknowledged) => (0, "acknowledged".to_owned()),
        Outcome::Done(Answer::Value(None)) => (0, "nothing there".to_owned()),
        Outcome::Done(Answer::Value(Some(value))) => (0, format!("the value of #{value}")),
        Outcome::Done(Answer::Count(count)) => (0, format!("count {count}")),
        Outcome::Done(Answer::Torn(one, other)) => (0, format!("torn: {one} and {other}")),
        Outcome::Done(Answer::Taken(None)) => (0, "nothing to take".to_owned()),
        Outcome::Done(Answer::Taken(Some(value))) => (0, format!("what #{value} put there")),
        Outcome::Refused(reason) => (1, reason.clone()),
        Outcome::Unknown(reason) => (2, reason.clone()),
        Outcome::Pending => (3, "never answered".to_owned()),
    }
}

/// What nodes said to each other; what clients asked is among the operations.
fn messages(nodes: &[&str], run: &Run<Evidence>) -> Value {
    let lanes: Vec<Option<usize>> = run
        .chronicle
        .machines
        .iter()
        .map(|machine| nodes.iter().position(|node| *node == machine.as_str()))
        .collect();
    let (mut from, mut to, mut sent) = (Vec::new(), Vec::new(), Vec::new());
    let (mut took, mut bytes, mut connection) = (Vec::new(), Vec::new(), Vec::new());
    for message in &run.chronicle.messages {
        let (Some(source), Some(target)) = (lanes[message.from.index()], lanes[message.to.index()]) else {
            continue;
        };
        from.push(source);
        to.push(target);
        sent.push(micros(message.sent, run.outcome.begin));
        took.push(message.received.since(message.sent).as_micros());
        bytes.push(message.bytes);
        connection.push(message.connection.0);
    }
    json!({ "from": from, "to": to, "sent": sent, "took": took, "bytes": bytes, "connection": connection })
}

fn fault(span: &FaultSpan, begin: Mono) -> Value {
    json!({
        "kind": kind_of(&span.fault),
        "text": span.fault.to_string(),
        "machines": span.machines,
        "from": micros(span.from, begin),
        "until": span.until.map(|until| micros(until, begin)),
    })
}

/// The name that the fault has in a scenario file.
fn kind_of(fault: &Fault) -> String {
    let value = serde_json::to_value(fault).unwrap_or_default();
    value["fault"].as_str().unwrap_or("fault").to_owned()
}

fn spans(states: &[StateSpan], begin: Mono) -> Vec<Value> {
    let span = |state: &StateSpan| {
        json!([micros(state.from, begin), micros(state.until, begin), state.kind, state.text])
    };
    states.iter().map(span).collect()
}

fn numbers(ids: &[OpId]) -> Vec<u64> {
    ids.iter().map(|id| id.0).collect()
}

fn micros(at: Mono, begin: Mono) -> i64 {
    (at.0 / 1_000) as i64 - (begin.0 / 1_000) as i64
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Texts by number, each once.
#[derive(Default)]
struct Words {
    list: Vec<String>,
    numbers: BTreeMap<String, u32>,
}

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(number) = self.numbers.get(word) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.list.push(word.to_owned());
        self.numbers.insert(word.to_owned(), number);
        number
    }
}
