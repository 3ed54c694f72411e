//! `squall study`: conducts one of the studies and says where its page lies.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use squall_scenarios::fleet::Stop;
use squall_scenarios::study::{STUDIES, conduct, find};

use crate::progress::Line;
use crate::{CANNOT_BE_PLAYED, FAILED, complain, say};

#[derive(Args)]
pub struct StudyArguments {
    /// Which question; without it, they are listed.
    name: Option<String>,
    /// Where tables, figures and page go.
    #[arg(long, value_name = "DIR", requires = "name")]
    out: Option<PathBuf>,
    /// How many seeds at each point.
    #[arg(long, default_value_t = 10)]
    seeds: u64,
    /// How many runs at a time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
}

pub fn run(arguments: StudyArguments) -> ExitCode {
    let Some(name) = arguments.name else {
        let width = STUDIES.iter().map(|study| study.name.len()).max().unwrap_or(0);
        STUDIES.iter().for_each(|study| say(&format!("{:width$}  {}\n", study.name, study.title)));
        return ExitCode::SUCCESS;
    };
    let Some(study) = find(&name) else {
        let known: Vec<&str> = STUDIES.iter().map(|study| study.name).collect();
        return complain(
            CANNOT_BE_PLAYED,
            &format!("there is no study `{name}`; there are {}", known.join(", ")),
        );
    };
    let stop = Stop::default();
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGINT, stop.flag()) {
        return complain(CANNOT_BE_PLAYED, &error);
    }
    let directory = arguments.out.unwrap_or_else(|| PathBuf::from(format!("study-{name}")));
    let mut line = Line::default();
    let findings = conduct(study, arguments.seeds.max(1), arguments.jobs, &stop, |done, total| {
        line.show(&format!("{name}: {done} of {total} runs"));
    });
    line.clear();
    if stop.is_asked() {
        return complain(CANNOT_BE_PLAYED, &"the study was interrupted: half of a curve would be none");
    }
    if let Err(error) = findings.write(&directory) {
        return complain(CANNOT_BE_PLAYED, &format!("{}: {error}", directory.display()));
    }
    say(&format!("{}\n", directory.join("index.html").display()));
    for broken in &findings.broken {
        eprintln!("squall: {broken}");
    }
    if findings.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(FAILED) }
}
