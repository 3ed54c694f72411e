//! A study as one page that can be printed: the question, the method, each figure with its numbers.

use std::fmt::Write;

use super::{Estimate, Findings};

const STYLE: &str = include_str!("page.css");

/// The page; `figures` are (sweep, outcome, SVG).
pub(super) fn of(findings: &Findings, figures: &[(usize, usize, String)]) -> String {
    let study = findings.study;
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><link rel=\"icon\" href=\"data:,\"><title>{0}</title>\n\
         <style>{STYLE}</style></head>\n<body><main>\n<p class=\"eyebrow\">Squall · study <code>{1}</code></p>\n\
         <h1>{0}</h1>\n<p class=\"lead\">{2}</p>\n\
         <p>Each point is the mean over {3} seeds; its bar is the 95 % confidence interval (Student's distribution). \
         Simulated time and seeded chance: <code>squall study {1} --seeds {3}</code> gives these numbers again, on any \
         machine. The tables are in <code>points.csv</code>, every single run in <code>runs.csv</code>.</p>\n",
        escaped(study.title),
        study.name,
        escaped(study.method),
        findings.seeds,
    );
    for (number, (sweep, outcome, svg)) in figures.iter().enumerate() {
        let (axis, measured) = (findings.sweeps[*sweep].axis, &study.outcomes[*outcome]);
        let _ = write!(
            text,
            "<figure>\n{svg}\n<figcaption><b>Figure {}.</b> {} by {}.</figcaption>\n{}</figure>\n",
            number + 1,
            escaped(&capitalised(measured.axis)),
            escaped(axis),
            table(findings, *sweep, *outcome),
        );
    }
    if !findings.broken.is_empty() {
        text.push_str("<h2>Runs that did not go as they should</h2>\n<ul>\n");
        findings.broken.iter().take(50).for_each(|line| {
            let _ = writeln!(text, "<li>{}</li>", escaped(line));
        });
        text.push_str("</ul>\n");
    }
    text.push_str("</main></body></html>\n");
    text
}

fn table(findings: &Findings, sweep: usize, outcome: usize) -> String {
    let parameter = &findings.sweeps[sweep];
    let mut text = format!(
        "<details><summary>Numbers</summary><table><tr><th>{}</th><th>mean</th><th>95 % interval</th><th>least</th>\
         <th>most</th></tr>\n",
        escaped(parameter.axis)
    );
    for (number, point) in parameter.points.iter().enumerate() {
        let Some(estimate) = findings.estimate(sweep, number, outcome) else { continue };
        let Estimate { mean, half_width, least, most, .. } = estimate;
        let series = if point.series.is_empty() { String::new() } else { format!(" ({})", point.series) };
        let _ = writeln!(
            text,
            "<tr><td>{}{series}</td><td>{mean:.3}</td><td>± {half_width:.3}</td><td>{least:.3}</td><td>{most:.3}</td></tr>",
            point.x
        );
    }
    text.push_str("</table></details>\n");
    text
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
