//! The figures as Markdown tables, each with the ratios of Squall to its peers and what they should be.

use std::fmt::Write;

use crate::figures::{Goal, Row, Table};

/// One part of the comparison; `servers` are their names, Squall's first.
pub fn markdown(tables: &[Table], servers: &[String]) -> String {
    let mut text = String::new();
    for table in tables {
        let has_goals = table.rows.iter().any(|row| row.goal.is_some());
        heading(&mut text, table, servers, has_goals);
        table.rows.iter().for_each(|row| line(&mut text, row, has_goals));
    }
    text
}

fn heading(text: &mut String, table: &Table, servers: &[String], has_goals: bool) {
    let labels = table.labels.iter().map(ToString::to_string);
    let ratios = servers.iter().skip(1).map(|name| format!("ratio to {name}"));
    let goals = has_goals.then(|| "goal".to_owned());
    let columns: Vec<String> = labels.chain(servers.iter().cloned()).chain(ratios).chain(goals).collect();
    let rule = |index| match index {
        index if index < table.labels.len() => "---",
        index if has_goals && index + 1 == columns.len() => "---",
        _ => "---:",
    };
    let rules: Vec<&str> = (0..columns.len()).map(rule).collect();
    write!(text, "\n**{}**\n\n| {} |\n| {} |\n", table.title, columns.join(" | "), rules.join(" | "))
        .expect("a string");
}

fn line(text: &mut String, row: &Row, has_goals: bool) {
    let values = row.values.iter().map(|&value| rounded(value));
    let ratios = row.ratios.iter().map(|ratio| format!("{ratio:.2}"));
    let goal = has_goals.then(|| goal_of(row));
    let cells: Vec<String> = row.labels.iter().cloned().chain(values).chain(ratios).chain(goal).collect();
    writeln!(text, "| {} |", cells.join(" | ")).expect("a string");
}

fn goal_of(row: &Row) -> String {
    let limit = match row.goal {
        None => return String::new(),
        Some(Goal::RatioAtMost(limit)) => format!("ratio at most {limit}"),
        Some(Goal::AtMost(limit)) => format!("at most {limit}"),
    };
    match row.verdict() {
        Some(true) => limit,
        _ => format!("{limit}: **missed**"),
    }
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
    use crate::figures::{Goal, Row, Table};

    #[test]
    fn a_row_shows_values_ratios_and_whether_its_goal_is_met() {
        let row = |goal| Row::of(&["get", "16"], &[vec![0.3], vec![0.6]]).with_goal(goal);
        let table = Table {
            title: "Time".to_owned(),
            labels: vec!["test", "pipeline"],
            rows: vec![row(Some(Goal::RatioAtMost(0.8))), row(Some(Goal::RatioAtMost(0.4))), row(None)],
        };
        let text = markdown(&[table], &["squall".to_owned(), "redis-server".to_owned()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[3..],
            [
                "| test | pipeline | squall | redis-server | ratio to redis-server | goal |",
                "| --- | --- | ---: | ---: | ---: | --- |",
                "| get | 16 | 0.300 | 0.600 | 0.50 | ratio at most 0.8 |",
                "| get | 16 | 0.300 | 0.600 | 0.50 | ratio at most 0.4: **missed** |",
                "| get | 16 | 0.300 | 0.600 | 0.50 |  |",
            ]
        );
    }
}
