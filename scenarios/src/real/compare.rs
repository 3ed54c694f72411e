//! The same scenario in several worlds, side by side: what the simulator says, and what real servers do. Of several
//! runs of one world, the table shows the median and the range.

use std::fmt::{self, Write};

use serde_json::{Value, json};

use crate::measures::Amount;
use crate::report::Report;

/// The runs of one scenario in one world.
pub struct Column {
    /// `simulated`, or the server's name.
    pub title: String,
    pub reports: Vec<Report>,
}

/// All worlds, in the order in which they are shown.
pub struct Comparison {
    pub scenario: String,
    pub columns: Vec<Column>,
}

/// What is compared: a name, a unit, and how it follows from a run.
struct Line {
    name: &'static str,
    unit: &'static str,
    of: fn(&Report) -> Option<f64>,
}

const LINES: &[Line] = &[
    Line { name: "failover", unit: "s", of: |report| amount(report, "failover") },
    Line { name: "longest outage", unit: "s", of: |report| amount(report, "longest-outage") },
    Line { name: "recovery", unit: "s", of: |report| amount(report, "recovery") },
    Line { name: "acknowledged writes", unit: "", of: |report| amount(report, "acknowledged-writes") },
    Line { name: "lost writes", unit: "", of: |report| amount(report, "lost-writes") },
    Line { name: "lost-write window", unit: "s", of: |report| amount(report, "lost-window") },
    Line { name: "refused operations", unit: "", of: |report| amount(report, "refused-operations") },
    Line { name: "unknown outcomes", unit: "", of: |report| amount(report, "unknown-operations") },
    Line { name: "stale reads", unit: "%", of: stale_share },
    Line { name: "stalest read", unit: "s", of: |report| amount(report, "stalest-read") },
    Line { name: "mean lag", unit: "ms", of: mean_lag },
    Line { name: "peak lag", unit: "s", of: |report| amount(report, "peak-lag") },
    Line { name: "peak lag", unit: "kb", of: |report| Some(amount(report, "peak-lag-bytes")? / 1024.0) },
    Line { name: "full resyncs", unit: "", of: |report| amount(report, "full-resyncs") },
    Line { name: "partial resyncs", unit: "", of: |report| amount(report, "partial-resyncs") },
    Line { name: "refused resyncs", unit: "", of: |report| amount(report, "refused-partial-resyncs") },
];

impl Comparison {
    pub fn passed(&self) -> bool {
        self.columns.iter().flat_map(|column| &column.reports).all(Report::passed)
    }

    pub fn to_json(&self) -> Value {
        let columns = self.columns.iter().map(|column| {
            let lines: serde_json::Map<String, Value> = LINES
                .iter()
                .map(|line| (line.key(), column.reports.iter().map(|report| json!((line.of)(report))).collect()))
                .collect();
            let failures = column.reports.iter().flat_map(|report| &report.failures);
            let failures: Vec<&str> = failures.map(|failure| failure.text.as_str()).collect();
            json!({ "world": column.title, "runs": column.reports.len(), "measures": lines, "failures": failures })
        });
        json!({ "scenario": self.scenario, "passed": self.passed(), "worlds": columns.collect::<Value>() })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![self.columns.iter().map(Column::heading).collect::<Vec<_>>()];
        rows.extend(LINES.iter().map(|line| self.columns.iter().map(|column| column.cell(line)).collect()));
        rows.push(self.columns.iter().map(Column::verdict).collect());
        let names =
            [String::new()].into_iter().chain(LINES.iter().map(Line::label)).chain(["verdict".to_owned()]);
        let width = |column: usize| {
            rows.iter().map(|row: &Vec<String>| row[column].chars().count()).max().unwrap_or(0)
        };
        writeln!(f, "{} in {} worlds\n", self.scenario, self.columns.len())?;
        for (name, row) in names.zip(&rows) {
            let mut line = format!("  {name:<22}");
            for (column, cell) in row.iter().enumerate() {
                let _ = write!(line, "  {cell:>width$}", width = width(column));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        for column in &self.columns {
            let failures = column.reports.iter().flat_map(|report| &report.failures);
            let mut texts: Vec<&str> = failures.map(|failure| failure.text.as_str()).collect();
            texts.sort_unstable();
            texts.dedup();
            texts.iter().try_for_each(|text| write!(f, "\n  failed     {}: {text}", column.title))?;
        }
        Ok(())
    }
}

impl Column {
    fn heading(&self) -> String {
        match self.reports.len() {
            1 => self.title.clone(),
            runs => format!("{} ({runs} runs)", self.title),
        }
    }

    /// The median, and the range where there is one; what happened in no run is a dash.
    fn cell(&self, line: &Line) -> String {
        let mut values: Vec<f64> = self.reports.iter().filter_map(line.of).collect();
        values.sort_by(f64::total_cmp);
        match values.as_slice() {
            [] => "-".to_owned(),
            [only] => told(*only),
            [least, .., most] if told(*least) == told(*most) => told(*least),
            [least, .., most] => {
                format!("{} ({} to {})", told(values[values.len() / 2]), told(*least), told(*most))
            }
        }
    }

    fn verdict(&self) -> String {
        let passed = self.reports.iter().filter(|report| report.passed()).count();
        match self.reports.len() {
            1 if passed == 1 => "passed".to_owned(),
            1 => "FAILED".to_owned(),
            runs => format!("{passed} of {runs} passed"),
        }
    }
}

impl Line {
    fn label(&self) -> String {
        match self.unit {
            "" => self.name.to_owned(),
            unit => format!("{} ({unit})", self.name),
        }
    }

    /// For machines: `peak_lag_kb`.
    fn key(&self) -> String {
        let unit = if self.unit == "%" { "percent" } else { self.unit };
        let words = format!("{} {unit}", self.name.replace('-', " "));
        words.split_whitespace().collect::<Vec<_>>().join("_")
    }
}

/// As precise as it is worth.
fn told(value: f64) -> String {
    match value {
        value if value.fract() == 0.0 => format!("{value:.0}"),
        value if value >= 100.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.3}"),
    }
}

fn amount(report: &Report, measure: &str) -> Option<f64> {
    match report.measures.get(measure) {
        Amount::Time(time) => Some(time.0 as f64 / 1e9),
        other => other.number().map(|number| number as f64),
    }
}

fn stale_share(report: &Report) -> Option<f64> {
    let reads = amount(report, "reads").filter(|reads| *reads > 0.0)?;
    Some(amount(report, "stale-reads")? * 100.0 / reads)
}

/// Over all replicas and all looks at them.
fn mean_lag(report: &Report) -> Option<f64> {
    let lags: Vec<f64> =
        report.measures.lag.values().flatten().map(|point| point.time.0 as f64 / 1e6).collect();
    (!lags.is_empty()).then(|| lags.iter().sum::<f64>() / lags.len() as f64)
}
