//! The figures of a comparison: what one turn of a server measured, and medians over the turns.

use serde::Serialize;

/// What one run of redis-benchmark showed.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Turn {
    pub requests_per_second: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub cpu_us_per_request: f64,
    /// The part of it outside the kernel.
    pub user_us_per_request: f64,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    pub idle_connections_bytes: u64,
    pub million_keys_bytes: u64,
}

/// One test at one depth of pipelining: a median per server, in the order of `Comparison::servers`.
#[derive(Serialize)]
pub struct Row {
    pub test: String,
    pub pipeline: u32,
    pub medians: Vec<Turn>,
}

#[derive(Serialize)]
pub struct Comparison {
    /// Name and version; Squall stands first.
    pub servers: Vec<(String, String)>,
    pub rounds: usize,
    pub clients: u32,
    pub rows: Vec<Row>,
    /// Per server; empty when it was not asked for.
    pub memory: Vec<Memory>,
}

/// Each figure's median by itself; of the time outside the kernel the mean, because its clock ticks are too
/// coarse for one turn.
pub fn medians(turns: &[Turn]) -> Turn {
    Turn {
        requests_per_second: median(turns.iter().map(|turn| turn.requests_per_second)),
        p50_ms: median(turns.iter().map(|turn| turn.p50_ms)),
        p99_ms: median(turns.iter().map(|turn| turn.p99_ms)),
        cpu_us_per_request: median(turns.iter().map(|turn| turn.cpu_us_per_request)),
        user_us_per_request: turns.iter().map(|turn| turn.user_us_per_request).sum::<f64>()
            / turns.len() as f64,
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    assert!(!sorted.is_empty(), "a median needs at least one value");
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(median([9.0, 1.0, 5.0].into_iter()), 5.0);
        assert_eq!(median([9.0, 1.0, 5.0, 7.0].into_iter()), 6.0);
    }
}
