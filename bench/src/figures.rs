//! The figures of a comparison: tables of medians, ratios and goals.
//!
//! Each figure is taken several times, in rounds in which the servers take turns. Its value is the median of
//! its rounds; a ratio is the median of the rounds' ratios, so that what disturbs one round disturbs both its
//! sides.

use serde::Serialize;

/// One kind of figure, for several cases and every server.
#[derive(Serialize)]
pub struct Table {
    pub title: String,
    /// What the leading columns say.
    pub labels: Vec<&'static str>,
    pub rows: Vec<Row>,
}

/// One case.
#[derive(Serialize)]
pub struct Row {
    pub labels: Vec<String>,
    /// A value per server; Squall stands first.
    pub values: Vec<f64>,
    /// Squall's figure over each peer's.
    pub ratios: Vec<f64>,
    pub goal: Option<Goal>,
}

/// What a row should show.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub enum Goal {
    /// Squall's figure is at most so much of each peer's.
    RatioAtMost(f64),
    /// Squall's figure is at most this, whatever the peers' are.
    AtMost(f64),
}

impl Row {
    /// From the figures of all rounds, by server.
    pub fn of(labels: &[&str], rounds: &[Vec<f64>]) -> Row {
        let ratios =
            rounds[1..].iter().map(|peer| median(rounds[0].iter().zip(peer).map(|(own, other)| own / other)));
        Row {
            labels: labels.iter().map(ToString::to_string).collect(),
            values: rounds.iter().map(|values| median(values.iter().copied())).collect(),
            ratios: ratios.collect(),
            goal: None,
        }
    }

    pub fn with_goal(self, goal: Option<Goal>) -> Row {
        Row { goal, ..self }
    }

    /// Whether the goal is met, where there is one.
    pub fn verdict(&self) -> Option<bool> {
        Some(match self.goal? {
            Goal::RatioAtMost(limit) => self.ratios.iter().all(|&ratio| ratio <= limit),
            Goal::AtMost(limit) => self.values[0] <= limit,
        })
    }
}

pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.collect();
    assert!(!sorted.is_empty(), "a median needs at least one value");
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::{Goal, Row, median};

    #[test]
    fn the_median_of_an_even_number_of_values_lies_between_the_middle_two() {
        assert_eq!(median([9.0, 1.0, 5.0].into_iter()), 5.0);
        assert_eq!(median([9.0, 1.0, 5.0, 7.0].into_iter()), 6.0);
    }

    #[test]
    fn a_ratio_compares_figures_of_the_same_round() {
        // The second round was disturbed: twice the time for both.
        let row = Row::of(&["get"], &[vec![2.0, 4.0, 2.0], vec![4.0, 8.0, 3.9]]);
        assert_eq!((&row.values[..], &row.ratios[..]), (&[2.0, 4.0][..], &[0.5][..]));
    }

    #[test]
    fn a_goal_is_missed_by_the_worst_ratio_or_by_the_own_value() {
        let row = |goal| Row::of(&[], &[vec![3.0], vec![4.0], vec![2.0]]).with_goal(goal);
        assert_eq!(row(None).verdict(), None);
        assert_eq!(row(Some(Goal::RatioAtMost(1.0))).verdict(), Some(false));
        assert_eq!(row(Some(Goal::RatioAtMost(1.5))).verdict(), Some(true));
        assert_eq!(row(Some(Goal::AtMost(2.0))).verdict(), Some(false));
    }
}
