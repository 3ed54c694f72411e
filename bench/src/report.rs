//! The figures as Markdown tables, each with the ratios of Squall to its peers.

use std::fmt::Write;

use crate::figures::{Comparison, Memory, Turn};
use crate::memory::{IDLE_CONNECTIONS, KEYS};

type Figure = fn(&Turn) -> f64;

pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (name, version) in &comparison.servers {
        text += &format!("- {name}: {version}\n");
    }
    let (rounds, clients) = (comparison.rounds, comparison.clients);
    text += &format!(
        "\nMedians of {rounds} rounds, {clients} clients. A ratio is Squall's figure over the peer's.\n"
    );
    let tables: [(&str, Figure); 5] = [
        ("Server CPU time per request, µs (less is better)", |turn| turn.cpu_us_per_request),
        ("Of that, outside the kernel, µs (means)", |turn| turn.user_us_per_request),
        ("Requests per second (more is better)", |turn| turn.requests_per_second),
        ("Latency p50, ms", |turn| turn.p50_ms),
        ("Latency p99, ms", |turn| turn.p99_ms),
    ];
    for (title, figure) in tables {
        heading(&mut text, title, &["test", "pipeline"], comparison);
        for row in &comparison.rows {
            let values: Vec<f64> = row.medians.iter().map(figure).collect();
            line(&mut text, &[row.test.clone(), row.pipeline.to_string()], &values);
        }
    }
    if !comparison.memory.is_empty() {
        heading(&mut text, "Memory, MB: growth of the resident set", &["what"], comparison);
        let idle: fn(&Memory) -> u64 = |memory| memory.idle_connections_bytes;
        let keys: fn(&Memory) -> u64 = |memory| memory.million_keys_bytes;
        let cases = [
            (format!("{IDLE_CONNECTIONS} idle connections"), idle),
            (format!("{KEYS} keys of 16 bytes with values of 32"), keys),
        ];
        for (what, bytes) in cases {
            let values: Vec<f64> = comparison.memory.iter().map(|one| bytes(one) as f64 / 1e6).collect();
            line(&mut text, &[what], &values);
        }
    }
    text
}

fn heading(text: &mut String, title: &str, labels: &[&str], comparison: &Comparison) {
    let names = comparison.servers.iter().map(|(name, _)| name.clone());
    let ratios = comparison.servers.iter().skip(1).map(|(name, _)| format!("ratio to {name}"));
    let columns: Vec<String> =
        labels.iter().map(|label| label.to_string()).chain(names).chain(ratios).collect();
    let rule: Vec<&str> = columns
        .iter()
        .enumerate()
        .map(|(index, _)| if index < labels.len() { "---" } else { "---:" })
        .collect();
    write!(text, "\n**{title}**\n\n| {} |\n| {} |\n", columns.join(" | "), rule.join(" | "))
        .expect("a string");
}

fn line(text: &mut String, labels: &[String], values: &[f64]) {
    let figures = values.iter().map(|&value| rounded(value));
    let ratios = values.iter().skip(1).map(|&peer| format!("{:.2}", values[0] / peer));
    let cells: Vec<String> = labels.iter().cloned().chain(figures).chain(ratios).collect();
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string");
}

/// Three significant digits are all that such a measurement can hold.
fn rounded(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::markdown;
    use crate::figures::{Comparison, Memory, Row, Turn};

    #[test]
    fn ratios_put_squall_over_its_peer() {
        let turn = |cpu| Turn {
            requests_per_second: 1e5,
            p50_ms: 0.25,
            p99_ms: 0.5,
            cpu_us_per_request: cpu,
            user_us_per_request: cpu / 2.0,
        };
        let memory = |bytes| Memory { idle_connections_bytes: bytes, million_keys_bytes: 10 * bytes };
        let comparison = Comparison {
            servers: vec![("squall".into(), "v=1".into()), ("redis-server".into(), "v=7".into())],
            rounds: 5,
            clients: 50,
            rows: vec![Row { test: "get".into(), pipeline: 16, medians: vec![turn(0.3), turn(0.6)] }],
            memory: vec![memory(5_000_000), memory(20_000_000)],
        };
        let text = markdown(&comparison);
        assert!(text.contains("| get | 16 | 0.300 | 0.600 | 0.50 |"), "{text}");
        assert!(text.contains("| 1000 idle connections | 5.00 | 20.0 | 0.25 |"), "{text}");
    }
}
