//! What a CI job keeps of runs: a folder for each failing seed (the report, the result, the scenario with the faults
//! that were drawn), and one JUnit file over all runs, which CI systems show as tests.

#![allow(clippy::disallowed_methods, reason = "results of runs go to real files, outside of any world")]

use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::catalog::Found;
use crate::report::Report;
use crate::stage::{RunOptions, play};

/// How one seed ended.
#[derive(Clone, Debug)]
pub struct Ended {
    pub scenario: String,
    pub seed: u64,
    pub seconds: f64,
    /// What went wrong, a line each; nothing where the run passed.
    pub failures: Vec<String>,
    pub panicked: bool,
}

impl Ended {
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    pub fn replay(&self) -> String {
        format!("squall run {} --seed {}", self.scenario, self.seed)
    }
}

/// Plays the failing run once more, with everything written down, and puts it into a folder below `directory`:
/// `trace.txt`, `report.html`, `result.json`, `scenario.toml`, `plan.toml`. Returns the folder.
pub fn keep(directory: &Path, found: &Found, ended: &Ended) -> io::Result<PathBuf> {
    let name = Path::new(&found.name).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let folder = directory.join(format!("{name}-seed-{}", ended.seed));
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("scenario.toml"), &found.text)?;
    let plan = found.scenario.plan(ended.seed);
    std::fs::write(folder.join("plan.toml"), toml::to_string(&plan).map_err(io::Error::other)?)?;
    let trace = Box::new(std::fs::File::create(folder.join("trace.txt"))?);
    let options = RunOptions { seed: ended.seed, picture: true, trace: Some(trace), ..RunOptions::default() };
    let result = match play(&found.name, &found.scenario, options) {
        Ok(report) => {
            let page = report.to_page().expect("a picture was asked for");
            std::fs::write(folder.join("report.html"), page)?;
            report.to_json(None)
        }
        Err(panic) => json!({
            "scenario": found.name, "seed": ended.seed, "passed": false, "panicked": true,
            "failures": [panic.message], "replay": ended.replay(),
        }),
    };
    std::fs::write(folder.join("result.json"), format!("{result:#}\n"))?;
    Ok(folder)
}

/// Writes a report as a page.
pub fn write_page(path: &Path, report: &Report) -> io::Result<()> {
    std::fs::write(path, report.to_page().expect("a picture was asked for"))
}

/// Writes a result, and the directory that it lies in where that is missing.
pub fn write_json(path: &Path, value: &serde_json::Value) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, format!("{value:#}\n"))
}

/// A JUnit file: a suite for each scenario, a case for each seed.
pub fn write_junit(path: &Path, runs: &[Ended]) -> io::Result<()> {
    std::fs::write(path, junit(runs))
}

fn junit(runs: &[Ended]) -> String {
    let failed = |runs: &[&Ended], panicked| {
        runs.iter().filter(|run| !run.passed() && run.panicked == panicked).count()
    };
    let mut names: Vec<&str> = runs.iter().map(|run| run.scenario.as_str()).collect();
    names.dedup();
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"squall\">\n");
    for name in names {
        let suite: Vec<&Ended> = runs.iter().filter(|run| run.scenario == name).collect();
        let seconds: f64 = suite.iter().map(|run| run.seconds).sum();
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{seconds:.3}\">",
            escaped(name),
            suite.len(),
            failed(&suite, false),
            failed(&suite, true),
        );
        for run in suite {
            write_case(&mut text, run);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn write_case(text: &mut String, run: &Ended) {
    let (name, seed, seconds) = (escaped(&run.scenario), run.seed, run.seconds);
    let _ = write!(text, "    <testcase classname=\"{name}\" name=\"seed {seed}\" time=\"{seconds:.3}\"");
    let Some(first) = run.failures.first() else {
        text.push_str("/>\n");
        return;
    };
    let element = if run.panicked { "error" } else { "failure" };
    let all = escaped(&run.failures.join("\n"));
    let _ = writeln!(
        text,
        ">\n      <{element} message=\"{}\">{all}\n{}</{element}>\n    </testcase>",
        escaped(first),
        escaped(&run.replay()),
    );
}

fn escaped(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    // XML has no way to write most control characters.
    plain.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn junit_tells_what_failed_and_how_to_repeat_it() {
        let run = |seed, failures: &[&str], panicked| Ended {
            scenario: "one & two".to_owned(),
            seed,
            seconds: 0.25,
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
            panicked,
        };
        let runs =
            [run(1, &[], false), run(2, &["lag is <3 s", "and \u{1}more"], false), run(3, &["boom"], true)];
        insta::assert_snapshot!(junit(&runs), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="squall">
          <testsuite name="one &amp; two" tests="3" failures="1" errors="1" time="0.750">
            <testcase classname="one &amp; two" name="seed 1" time="0.250"/>
            <testcase classname="one &amp; two" name="seed 2" time="0.250">
              <failure message="lag is &lt;3 s">lag is &lt;3 s
        and  more
        squall run one &amp; two --seed 2</failure>
            </testcase>
            <testcase classname="one &amp; two" name="seed 3" time="0.250">
              <error message="boom">boom
        squall run one &amp; two --seed 3</error>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }
}
