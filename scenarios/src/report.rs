//! The verdict on a run and how it is told: a few lines for people, JSON for machines. Nothing in a report
//! depends on the machine that made it; what does (how fast it went) is [`Wall`].

use std::fmt::{self, Write};

use serde_json::{Value, json};
use squall_clock::Nanos;
use squall_server::{Mark, Marks};
use squall_sim::checkers::{Divergence, ImpossibleOffset};
use squall_sim::{OpId, Run};

use crate::evidence::Evidence;
use crate::file::Scenario;
use crate::measures::{Amount, Measures, Seconds};
use crate::picture::Picture;
use crate::real::ServerProgram;

/// A machine that wants all of them reads the page's data.
const PROOF_SHOWN_MAX: usize = 20;

/// How much a report tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Telling {
    #[default]
    All,
    /// Whether the run failed, and how; nothing else is measured.
    Verdict,
}

/// Measures that are zero in every run, whatever the scenario expects, and what is said where one is not.
const NEVER: [(&str, &str); 4] = [
    ("torn-transactions", "transactions or scripts were seen half done"),
    ("risen-writes", "writes are there that were refused, or are there too often"),
    ("repeated-messages", "messages were heard twice over one connection"),
    ("reordered-messages", "messages were heard after later ones of the same node"),
];

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Report {
    pub name: String,
    pub title: String,
    pub seed: u64,
    pub measures: Measures,
    /// The turns that any of the nodes has taken.
    pub marks: Marks,
    /// What went against the scenario's expectations, or against what must always hold.
    pub failures: Vec<Failure>,
    pub operations: u64,
    pub events: u64,
    pub simulated: Nanos,
    pub trace_lines: u64,
    pub trace_hash: u64,
    /// The program that real processes ran; none in a simulated world.
    pub server: Option<ServerProgram>,
    /// Marks that the scenario is about and that could not be seen: those of real processes are their own.
    pub unseen: Vec<String>,
    /// What a page shows of the run, where it was asked for.
    pub(crate) picture: Option<Picture>,
    lag: Option<LagTable>,
}

/// Something that went against the scenario, in words, and the operations that prove it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    pub text: String,
    pub proof: Vec<OpId>,
}

/// The lag of one replica at even steps.
#[derive(Clone, Debug)]
struct LagTable {
    node: String,
    /// Since the beginning: seconds, bytes, milliseconds.
    rows: Vec<(u64, u64, u64)>,
}

/// How long the run took where it was made.
#[derive(Clone, Copy, Debug)]
pub struct Wall {
    pub elapsed: Nanos,
}

impl Report {
    pub(crate) fn of(
        name: &str,
        scenario: &Scenario,
        seed: u64,
        run: &Run<Evidence>,
        telling: Telling,
    ) -> Report {
        let evidence = &run.outcome;
        let expected = |measure: &str| {
            scenario.expectations.iter().any(|expectation| expectation.get_ref().measure == measure)
        };
        let decides = |measure: &str| NEVER.iter().any(|(never, _)| *never == measure) || expected(measure);
        let measures = Measures::of(evidence, |measure| telling == Telling::All || decides(measure));
        let mut failures: Vec<Failure> = evidence.stuck.iter().cloned().map(Failure::of).collect();
        failures.extend(broken_promises(&measures));
        failures.extend(missed(scenario, evidence.marks));
        failures.extend(unmet(scenario, &measures));
        let lag = scenario.observe.lag_of.as_ref().map(|node| LagTable {
            node: node.clone(),
            rows: lag_rows(&measures, node, scenario.observe.lag_step.0),
        });
        Report {
            name: name.to_owned(),
            title: scenario.title.clone(),
            seed,
            measures,
            marks: evidence.marks,
            failures,
            operations: evidence.history.len() as u64,
            events: run.events,
            simulated: run.simulated,
            trace_lines: run.trace.lines,
            trace_hash: run.trace.hash,
            lag,
            server: None,
            unseen: Vec::new(),
            picture: None,
        }
    }

    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// One self-contained page with the picture of the run, where it was asked for.
    pub fn to_page(&self) -> Option<String> {
        self.picture.as_ref().map(|picture| picture.to_page(self))
    }

    /// The one command that plays it again.
    pub fn replay(&self) -> String {
        match &self.server {
            None => format!("squall run {} --seed {}", self.name, self.seed),
            Some(server) => {
                format!("squall real {} --seed {} --server {}", self.name, self.seed, server.path.display())
            }
        }
    }

    pub fn to_json(&self, wall: Option<Wall>) -> Value {
        let number = |amount: Amount| match amount {
            Amount::Count(count) | Amount::Bytes(count) => json!(count),
            Amount::Time(time) => json!(time.0 as f64 / 1e9),
            Amount::Never => Value::Null,
        };
        let measures: serde_json::Map<_, _> =
            self.measures.all().map(|(name, amount)| (name.to_owned(), number(amount))).collect();
        let lag: serde_json::Map<_, _> = self
            .measures
            .lag
            .iter()
            .map(|(node, points)| {
                let rows = points.iter().map(|point| {
                    let since = point.at.since(self.measures.begin).0 as f64 / 1e9;
                    json!([since, point.bytes, point.time.0 as f64 / 1e9])
                });
                (node.clone(), rows.collect())
            })
            .collect();
        let mut report = json!({
            "scenario": self.name,
            "seed": self.seed,
            "passed": self.passed(),
            "failures": self.failures.iter().map(|failure| failure.text.as_str()).collect::<Vec<_>>(),
            "proofs": self.failures.iter().map(Failure::first_of_proof).collect::<Vec<_>>(),
            "measures": measures,
            "marks": self.marks.iter().map(Mark::name).collect::<Vec<_>>(),
            "cluster": self.measures.polity.to_json(),
            "lag": { "columns": ["seconds", "bytes", "seconds_behind"], "nodes": lag },
            "replay": self.replay(),
        });
        let seconds = self.simulated.0 as f64 / 1e9;
        if let Some(server) = &self.server {
            report["server"] = json!(server.name);
            report["not_judged"] = json!(self.unseen);
            report["seconds"] = json!(seconds);
            return report;
        }
        report["events"] = json!(self.events);
        report["simulated_seconds"] = json!(seconds);
        report["trace"] = json!({ "lines": self.trace_lines, "hash": format!("{:016x}", self.trace_hash) });
        if let Some(wall) = wall {
            report["wall_seconds"] = json!(wall.elapsed.0 as f64 / 1e9);
            report["simulated_seconds_per_wall_second"] = json!(wall.speed(self));
        }
        report
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        match &self.server {
            None => writeln!(f, "{} (seed {}): {verdict}", self.name, self.seed)?,
            Some(server) => writeln!(f, "{} with {}: {verdict}", self.name, server.name)?,
        }
        writeln!(f, "{}", self.title)?;
        writeln!(f)?;
        for (label, text) in self.rows() {
            writeln!(f, "  {label:<10} {text}")?;
        }
        if let Some(table) = &self.lag {
            write!(f, "{table}")?;
        }
        if !self.failures.is_empty() {
            writeln!(f)?;
        }
        for failure in &self.failures {
            writeln!(f, "  failed     {}", failure.text)?;
        }
        writeln!(f, "\n  replay     {}", self.replay())
    }
}

impl Report {
    fn rows(&self) -> Vec<(&'static str, String)> {
        let get = |name| self.measures.get(name);
        let any = |name: &str| self.measures.get(name).number().is_some_and(|number| number > 0);
        let mut rows = Vec::new();
        let mut writes = format!("{} acknowledged, {} lost", get("acknowledged-writes"), get("lost-writes"));
        if let Some((first, last)) = self.measures.lost_between {
            let _ = write!(writes, ", acknowledged from {} to {}", Seconds(first), Seconds(last));
            let _ = write!(writes, " (a window of {})", get("lost-window"));
        }
        rows.push(("writes", writes));
        let (refused, unknown) = (get("refused-operations"), get("unknown-operations"));
        rows.push(("unserved", format!("{refused} operations refused, {unknown} of unknown outcome")));
        if any("reads") {
            let mut reads = format!("{}, {} stale", get("reads"), get("stale-reads"));
            if any("stale-reads") {
                let _ = write!(reads, ", the stalest by {}", get("stalest-read"));
            }
            rows.push(("reads", reads));
        }
        if any("deliveries") {
            let (delivered, again) = (get("deliveries"), get("repeated-claims"));
            let (twice, missing) = (get("repeated-deliveries"), get("missing-deliveries"));
            rows.push((
                "queues",
                format!(
                    "{delivered} delivered, {twice} popped twice, {again} claimed again, {missing} missing"
                ),
            ));
        }
        if any("heard-messages") {
            rows.push(("channels", format!("{} messages heard", get("heard-messages"))));
        }
        if let Some(outage) = self.measures.outage.as_ref().filter(|outage| outage.length().as_secs() > 0) {
            let from = Seconds(outage.from.since(self.measures.begin));
            rows.push((
                "outage",
                format!("{} at most, for {} from {from}", get("longest-outage"), outage.client),
            ));
        }
        if get("failover") != Amount::Never {
            let failover = get("failover");
            rows.push((
                "failover",
                format!("{failover} from the first fault to the promoted node's first write"),
            ));
        }
        rows.push((
            "recovery",
            format!("{} from the heal until all agreed and a write went through", get("recovery")),
        ));
        let resyncs =
            ["full-resyncs", "partial-resyncs", "refused-partial-resyncs", "interrupted-full-resyncs"];
        if resyncs.into_iter().any(any) {
            let [full, partial, refused, interrupted] = resyncs.map(get);
            rows.push((
                "resyncs",
                format!("{full} full, {partial} partial, {refused} refused, {interrupted} interrupted"),
            ));
        }
        rows.extend(self.measures.polity.told());
        rows.push(("lag", format!("{} at most, {} at most", get("peak-lag"), get("peak-lag-bytes"))));
        if !self.unseen.is_empty() {
            let marks = self.unseen.join(", ");
            rows.push((
                "not judged",
                format!("whether a node reached {marks}: a real process does not tell"),
            ));
        }
        if self.server.is_some() {
            rows.push(("played", format!("{} with real processes on loopback", Seconds(self.simulated))));
            return rows;
        }
        rows.push(("events", format!("{} in {} simulated", self.events, Seconds(self.simulated))));
        rows.push(("trace", format!("{:016x} ({} lines)", self.trace_hash, self.trace_lines)));
        rows
    }
}

impl Failure {
    fn of(text: String) -> Failure {
        Failure { text, proof: Vec::new() }
    }

    /// The numbers of the most telling operations.
    fn first_of_proof(&self) -> Vec<u64> {
        self.proof.iter().take(PROOF_SHOWN_MAX).map(|id| id.0).collect()
    }
}

impl Wall {
    /// Simulated seconds a second.
    pub fn speed(&self, report: &Report) -> f64 {
        report.simulated.0 as f64 / self.elapsed.0.max(1) as f64
    }
}

impl fmt::Display for LagTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n  lag of {}:  at s     bytes behind    ms behind", self.node)?;
        for (second, bytes, millis) in &self.rows {
            writeln!(f, "  {:>16} {bytes:>16} {millis:>12}", second)?;
        }
        Ok(())
    }
}

/// What must hold in every run, whatever the scenario expects.
fn broken_promises(measures: &Measures) -> Vec<Failure> {
    let diverging = measures.diverging.iter().map(|Divergence { one, other }| {
        format!(
            "{} and {} hold different data at offset {} of history {}",
            one.node, other.node, one.offset, one.replid
        )
    });
    let impossible = measures.impossible.iter().map(|ImpossibleOffset { earlier, later }| {
        format!(
            "{} stood at offset {} of history {} after {}, and {} at {} of it only after {}",
            earlier.node,
            earlier.offset,
            earlier.replid,
            Seconds(earlier.answered.since(measures.begin)),
            later.node,
            later.offset,
            Seconds(later.at.since(measures.begin)),
        )
    });
    let mut broken: Vec<Failure> = diverging.chain(impossible).map(Failure::of).collect();
    broken.extend(measures.polity.broken().cloned().map(Failure::of));
    for (measure, what) in NEVER {
        let amount = measures.get(measure);
        if amount != Amount::Count(0) {
            let (text, proof) = (format!("{amount} {what}"), measures.proof(measure).to_vec());
            broken.push(Failure { text, proof });
        }
    }
    broken
}

/// The marks that the scenario is about and that no node has reached.
fn missed(scenario: &Scenario, marks: Marks) -> Vec<Failure> {
    let reached = |name: &&String| marks.iter().any(|mark| mark.name() == name.as_str());
    let missed = scenario.reaches.iter().filter(|name| !reached(name));
    missed.map(|name| Failure::of(format!("no node reached `{name}`, which this is about"))).collect()
}

fn unmet(scenario: &Scenario, measures: &Measures) -> Vec<Failure> {
    let mut unmet = Vec::new();
    let mut fail =
        |measure: &str, text| unmet.push(Failure { text, proof: measures.proof(measure).to_vec() });
    for expectation in scenario.expectations.iter().map(toml::Spanned::get_ref) {
        let amount = measures.get(&expectation.measure);
        let bound = |bound: &crate::file::Bound| bound.amount().expect("the scenario has been checked");
        let (least, most) =
            (expectation.at_least.as_ref().map(bound), expectation.at_most.as_ref().map(bound));
        let number = amount.number();
        if let Some(least) = least.filter(|least| number.is_none_or(|number| number < *least)) {
            let text =
                format!("{} is {amount}; at least {} expected", expectation.measure, amount.like(least));
            fail(&expectation.measure, text);
        }
        if let Some(most) = most.filter(|most| number.is_none_or(|number| number > *most)) {
            let text = format!("{} is {amount}; at most {} expected", expectation.measure, amount.like(most));
            fail(&expectation.measure, text);
        }
    }
    unmet
}

/// The worst of each step.
fn lag_rows(measures: &Measures, node: &str, step: Nanos) -> Vec<(u64, u64, u64)> {
    let mut rows: Vec<(u64, u64, u64)> = Vec::new();
    for point in measures.lag.get(node).into_iter().flatten() {
        let second = (point.at.since(measures.begin).0 / step.0) * step.as_secs();
        let worst = (second, point.bytes, point.time.as_millis());
        match rows.last_mut() {
            Some(row) if row.0 == second => *row = (second, row.1.max(worst.1), row.2.max(worst.2)),
            _ => rows.push(worst),
        }
    }
    rows
}
