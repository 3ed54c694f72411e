//! Prometheus's text format, version 0.0.4
//! (https://prometheus.io/docs/instrumenting/exposition_formats/): a family with its heading, then its samples.
//!
//! ```text
//! # HELP redis_db_keys Keys in a database.
//! # TYPE redis_db_keys gauge
//! redis_db_keys{db="db0"} 3
//! ```

use std::fmt::{Display, Write};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    Summary,
}

#[derive(Default)]
pub(super) struct Exposition {
    text: String,
}

/// A family that has been announced: takes its samples.
pub(super) struct Family<'a> {
    text: &'a mut String,
    name: &'a str,
}

/// The names and values that tell a sample from others of its family.
pub(super) type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    /// Announces a family; each once.
    pub fn family<'a>(&'a mut self, name: &'a str, kind: Kind, help: &str) -> Family<'a> {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
            Kind::Summary => "summary",
        };
        put(&mut self.text, format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        Family { text: &mut self.text, name }
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

impl Family<'_> {
    pub fn sample(&mut self, labels: Labels<'_>, value: impl Display) {
        self.part("", labels, value);
    }

    /// A sample of a histogram or summary: `_bucket`, `_sum`, `_count`.
    pub fn part(&mut self, suffix: &str, labels: Labels<'_>, value: impl Display) {
        put(self.text, format_args!("{}{suffix}", self.name));
        for (index, (name, value)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            put(self.text, format_args!("{before}{name}=\"{}\"", escaped(value)));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        put(self.text, format_args!("{after} {value}\n"));
    }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn put(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what).expect("a string takes everything");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_may_hold_anything() {
        let mut exposition = Exposition::default();
        let mut family = exposition.family("redis_errors_total", Kind::Counter, "Errors.");
        family.sample(&[("err", "a\"b\\c\nd"), ("db", "db0")], 7);
        family.sample(&[], 1.5);
        assert_eq!(
            exposition.into_text(),
            "# HELP redis_errors_total Errors.\n# TYPE redis_errors_total counter\n\
             redis_errors_total{err=\"a\\\"b\\\\c\\nd\",db=\"db0\"} 7\nredis_errors_total 1.5\n"
        );
    }
}
