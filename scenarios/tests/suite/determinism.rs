//! One scenario and one seed give one trace: in two processes side by side, in a debug and in a release build, byte
//! for byte. Another seed gives another trace. And the production server has nothing of the simulator in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The binaries of a release build, made by the cargo that runs this test.
pub(crate) fn release_binaries() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let build = Command::new(env!("CARGO"))
            .args([
                "build",
                "--release",
                "--quiet",
                "-p",
                "squall-scenarios",
                "-p",
                "squall-server",
                "--bins",
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .expect("cargo can be run");
        assert!(build.success(), "the release build fails");
        // The binary of this build lies in <target>/<profile>/squall.
        let target = Path::new(env!("CARGO_BIN_EXE_squall")).ancestors().nth(2).expect("a target directory");
        target.join("release")
    })
}

/// The traces of several runs that go side by side, each in a process of its own.
fn traces(runs: &[(&Path, &str, &str)]) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().expect("a directory for the traces");
    let path = |number: usize| directory.path().join(number.to_string());
    let start = |(number, (binary, scenario, seed)): (usize, &(&Path, &str, &str))| {
        let mut command = Command::new(binary);
        command.args(["run", scenario, "--seed", seed, "--trace"]).arg(path(number));
        command.stdout(Stdio::null()).spawn().expect("squall can be run")
    };
    let children: Vec<_> = runs.iter().enumerate().map(start).collect();
    let read = |(number, mut child): (usize, std::process::Child)| {
        child.wait().expect("squall ends");
        #[allow(clippy::disallowed_methods, reason = "a test reads what a process wrote")]
        std::fs::read(path(number)).expect("squall wrote its trace")
    };
    children.into_iter().enumerate().map(read).collect()
}

#[test]
fn a_seed_gives_one_trace_in_any_process_and_profile() {
    let here = Path::new(env!("CARGO_BIN_EXE_squall"));
    let release = release_binaries().join("squall");
    for scenario in ["primary-partition", "crash-during-full-sync"] {
        let found = traces(&[
            (here, scenario, "7"),
            (release.as_path(), scenario, "7"),
            (release.as_path(), scenario, "7"),
            (here, scenario, "8"),
        ]);
        assert!(found[0].len() > 100_000, "{scenario} leaves a trace of {} bytes", found[0].len());
        for (other, what) in [(1, "a release build"), (2, "another process")] {
            if let Some(line) = first_difference(&found[0], &found[other]) {
                panic!("{scenario} differs in {what}: {line}");
            }
        }
        assert!(found[0] != found[3], "another seed gives the same trace");
    }
}

/// The first line in which two traces differ.
fn first_difference(one: &[u8], other: &[u8]) -> Option<String> {
    if one == other {
        return None;
    }
    let mut pairs = one.split(|byte| *byte == b'\n').zip(other.split(|byte| *byte == b'\n')).enumerate();
    let (number, (here, there)) = pairs.find(|(_, (here, there))| here != there)?;
    let text = String::from_utf8_lossy;
    Some(format!("line {}: {} / {}", number + 1, text(here), text(there)))
}

/// madsim gives its binaries functions of these names, which take the place of the C library's.
const OVERRIDDEN: &[&str] = &[
    "clock_gettime",
    "getentropy",
    "gethostname",
    "getrandom",
    "gettimeofday",
    "pthread_attr_init",
    "sched_getaffinity",
    "sysconf",
];

fn functions_defined_in(binary: &Path) -> Vec<String> {
    let output = Command::new("nm").arg("--defined-only").arg(binary).output().expect("nm can be run");
    assert!(output.status.success(), "nm cannot read {}", binary.display());
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let names = text.lines().filter_map(|line| line.split_whitespace().last().map(str::to_owned));
    names.collect()
}

#[test]
fn the_production_server_has_nothing_of_the_simulator_in_it() {
    let overridden = |binary: &Path| -> Vec<String> {
        let names = functions_defined_in(binary);
        names
            .into_iter()
            .filter(|name| OVERRIDDEN.contains(&name.as_str()) || name.contains("madsim"))
            .collect()
    };
    // The same look at a binary that has it, or the test could not fail.
    assert!(!overridden(Path::new(env!("CARGO_BIN_EXE_squall"))).is_empty());
    assert_eq!(overridden(&release_binaries().join("squall-server")), Vec::<String>::new());
}
