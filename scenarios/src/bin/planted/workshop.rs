//! Where bugs are planted: a copy of the sources with a build directory of its own, so that the sources themselves
//! are never touched, and an interrupted trial leaves nothing behind that matters.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use squall_scenarios::planted::Planted;

pub struct Workshop {
    root: PathBuf,
    copy: PathBuf,
    build: PathBuf,
    release: bool,
}

/// What became of a search for a bug, and how much of the processor's time it took.
pub enum Verdict {
    Caught { by: String, after: Duration },
    Missed { after: Duration },
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// So many times as long as its patience in the processor's time a run may take in real time: one that blocks uses up
/// no processor, and the busiest machine leaves more than this share.
const WALL_FACTOR: u32 = 20;
const FAILED: i32 = 1;

impl Workshop {
    /// In the build directory of the workspace.
    pub fn open(root: &Path, release: bool) -> Result<Workshop, String> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let place = root.join(target).join("planted");
        Ok(Workshop {
            root: root.to_owned(),
            copy: place.join("sources"),
            build: place.join("build"),
            release,
        })
    }

    /// Makes the copy equal to the sources but for this bug, and builds it.
    pub fn plant(&self, planted: &Planted) -> Result<(), String> {
        self.copy_sources(&planted.planted_texts(&self.root)?)?;
        let mut command = Command::new("cargo");
        command.args(["build", "--quiet", "--package", "squall-scenarios", "--bin", "squall"]);
        if self.release {
            // What is built to be thrown away need not be as fast as it can be.
            command.arg("--release").env("CARGO_PROFILE_RELEASE_LTO", "off");
            command.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        }
        command.env("CARGO_INCREMENTAL", "1").env("CARGO_TARGET_DIR", &self.build).current_dir(&self.copy);
        match command.status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(format!("{} does not build", planted.name)),
            Err(error) => Err(format!("cargo: {error}")),
        }
    }

    /// Runs the planted `squall`, for so much of the processor's time at most; one that blocks is ended, too. Its findings
    /// go to its standard error, each with its seed.
    pub fn run(&self, words: &[&str], patience: Duration) -> Result<Verdict, String> {
        let profile = if self.release { "release" } else { "debug" };
        let squall = self.build.join(profile).join("squall");
        let mut command = Command::new(&squall);
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{}: {error}", squall.display()))?;
        let said = child.stderr.take().expect("it is piped");
        let reader = std::thread::spawn(move || std::io::read_to_string(said).unwrap_or_default());
        let (status, after) = wait(&mut child, patience).map_err(|error| error.to_string())?;
        let said = reader.join().unwrap_or_default();
        let first =
            said.lines().find(|line| line.starts_with("seed ")).map(|line| line.chars().take(160).collect());
        match (status, first) {
            (None, _) => Ok(Verdict::Caught { by: "it never ends".to_owned(), after }),
            (Some(0), _) => Ok(Verdict::Missed { after }),
            (Some(FAILED), Some(by)) => Ok(Verdict::Caught { by, after }),
            (Some(status), _) => Err(format!("squall {}: status {status}\n{said}", words.join(" "))),
        }
    }

    /// Files are written only where they differ, so that only what differs is compiled again.
    fn copy_sources(&self, bugged: &[(String, String)]) -> Result<(), String> {
        let fault = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
        let wanted = self.listed()?;
        let before = self.copy.join(".copied");
        let copied = std::fs::read_to_string(&before).unwrap_or_default();
        for gone in copied.lines().filter(|path| !wanted.contains(*path)) {
            let _ = std::fs::remove_file(self.copy.join(gone));
        }
        for path in &wanted {
            let (from, to) = (self.root.join(path), self.copy.join(path));
            let content = match bugged.iter().find(|(file, _)| file == path) {
                Some((_, text)) => text.as_bytes().to_vec(),
                None => std::fs::read(&from).map_err(|error| fault(&from, error))?,
            };
            if std::fs::read(&to).is_ok_and(|there| there == content) {
                continue;
            }
            let folder = to.parent().expect("it lies in the copy");
            std::fs::create_dir_all(folder).map_err(|error| fault(folder, error))?;
            std::fs::write(&to, content).map_err(|error| fault(&to, error))?;
        }
        let list: Vec<&str> = wanted.iter().map(String::as_str).collect();
        std::fs::write(&before, list.join("\n")).map_err(|error| fault(&before, error))
    }

    /// The files of the workspace that git knows, or would.
    fn listed(&self) -> Result<BTreeSet<String>, String> {
        let mut command = Command::new("git");
        command.args(["ls-files", "--cached", "--others", "--exclude-standard"]).current_dir(&self.root);
        let output = command.output().map_err(|error| format!("git: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let files = text.lines().map(str::to_owned).filter(|path| self.root.join(path).is_file());
        Ok(files.collect())
    }
}

/// The exit status, or nothing where the time was up and it had to be ended; and what of the processor's time it took.
/// A signal is a status, too.
fn wait(child: &mut Child, patience: Duration) -> std::io::Result<(Option<i32>, Duration)> {
    let begun = Instant::now();
    let mut spent = Duration::ZERO;
    loop {
        // Before it is asked whether it has ended: nobody tells the time of one that was waited for.
        spent = spent.max(cpu_time(child.id())?);
        if let Some(status) = child.try_wait()? {
            return Ok((Some(status.code().unwrap_or(-1)), spent));
        }
        if spent >= patience || begun.elapsed() >= patience * WALL_FACTOR {
            child.kill()?;
            child.wait()?;
            return Ok((None, spent));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a process has used of the processor, all its threads together, as Linux tells it.
fn cpu_time(process: u32) -> std::io::Result<Duration> {
    let told = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name, which comes second and in brackets, may have blanks in it.
    let behind_name = told.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        behind_name.split_whitespace().skip(11).take(2).filter_map(|word| word.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64))
}
