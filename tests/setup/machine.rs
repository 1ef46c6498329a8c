//! A machine for the scripts: the project in a folder of its own, stubs in place of pip, uv, cargo
//! and every other program whose answer matters, and nothing else of the real machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

const REAL_PROGRAMS: &str = "bash env sed grep awk mkdir mv rm cp cat head tail dirname sleep \
                             flock timeout sort cut paste tr mktemp";
const STUBS: &str = "cargo rustc c++ python3 uname sw_vers getconf nvidia-smi sync mnist-tch";
const FILES: &str = "scripts/common.sh scripts/setup.sh scripts/train.sh scripts/test.sh \
                     scripts/check.sh .ci/run Cargo.toml tests/setup/stub.sh";

fn original(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Asserts that `text` contains each phrase of a list, and no phrase that starts with `!`.
pub fn contains(text: &str, phrases: &str) {
    for phrase in phrases.split(" ; ") {
        let found = text.contains(phrase.trim_start_matches('!'));
        assert!(found != phrase.starts_with('!'), "{phrase}: {text}");
    }
}

pub struct Machine(TempDir);

impl Machine {
    pub fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for folder in "scripts .ci tests/setup ../stubs ../real ../log ../elsewhere".split(' ') {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        // Links, because a file just written cannot be executed while another test forks.
        for file in FILES.split(' ') {
            symlink(original(file), machine.path(file)).unwrap();
        }
        // A copy, because the scripts lock it.
        let versions = "scripts/libtorch.versions";
        fs::copy(original(versions), machine.path(versions)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for name in REAL_PROGRAMS.split(' ') {
            let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
            if let Some(program) = files.find(|file| file.is_file()) {
                symlink(program, machine.path("../real").join(name)).unwrap();
            }
        }
        STUBS.split(' ').for_each(|program| machine.add(program));
        machine.write("../own/lib/libtorch.so", "");
        machine
    }

    /// Adds a stub of this program.
    fn add(&self, program: &str) {
        let stub = self.path("../stubs").join(program);
        symlink(original("tests/setup/stub.sh"), stub).unwrap();
    }

    fn remove(&self, program: &str) {
        for folder in ["../stubs", "../real"] {
            let _ = fs::remove_file(self.path(folder).join(program));
        }
    }

    /// A path relative to the project, whose own folder has a space in its name.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join("my project").join(relative)
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_default()
    }

    pub fn write(&self, relative: &str, text: &str) {
        let file = self.path(relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// The calls of stubs so far.
    pub fn calls(&self) -> String {
        self.read("../log/calls")
    }

    /// A command line, run from another folder.
    pub fn command(&self, line: &str) -> Command {
        let programs = [self.path("../stubs"), self.path("../real")];
        let mut words = line.split_whitespace();
        let mut command = Command::new(self.path(words.next().unwrap()));
        command.args(words).current_dir(self.path("../elsewhere"));
        command.env_clear().env("STUB_LOG", self.path("../log"));
        command.env("PATH", std::env::join_paths(programs).unwrap());
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Starts a set-up in a process group of its own and waits until its download is half-way. The
    /// file `../log/go-on` lets the download go on.
    pub fn start_setup(&self, option: &str) -> Child {
        let mut command = self.command(&format!("scripts/setup.sh {option}"));
        let mut child = command
            .env("STUB_INSTALL", "wait")
            .process_group(0)
            .spawn()
            .unwrap();
        wait_until(&mut child, || self.path("../log/half-way").exists());
        child
    }

    /// Which libtorch is installed: `cpu`, `cuda` or none.
    pub fn installed(&self) -> String {
        let marker = self.read("libtorch/made-by-setup");
        let kind = marker.strip_prefix(concat!("libtorch ", env!("LIBTORCH_VERSION"), " for "));
        kind.and_then(|kind| kind.split_once(','))
            .unwrap_or_default()
            .0
            .to_owned()
    }
}

/// Waits for a condition that has to become true while the process runs.
pub fn wait_until(process: &mut Child, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        let status = process.try_wait().unwrap();
        assert!(status.is_none() || condition(), "ended early: {status:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "timed out");
        sleep(Duration::from_millis(10));
    }
}

/// Checks the exit status and stderr. `phrases` may start with `exit N`; with `error: ` it expects
/// exit status 1 and one error line, after notes and progress.
pub fn check(output: &Output, phrases: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    let (status, phrases) = match phrases.split_once(' ') {
        Some(("error:", phrases)) => ("1", phrases),
        Some(("exit", rest)) => rest.split_once(" ; ").unwrap_or((rest, "")),
        _ => ("0", phrases),
    };
    assert_eq!(output.status.code(), status.parse().ok(), "{text}");
    contains(&text, phrases);
    if status == "1" {
        let mut lines = text.lines().rev();
        assert!(
            lines.next().is_some_and(|line| line.starts_with("error: ")),
            "{text}"
        );
        let is_expected =
            |line: &str| line.starts_with("note: ") || line.starts_with("downloading");
        assert!(lines.all(is_expected), "{text}");
    }
}

/// Plays the rows of a table, each on a new machine or, after `then`, on that of the row before.
/// A row has lists in three columns:
///
/// 1. the command, `scripts/setup.sh` by default, its `--options`, environment variables, and
///    changes to the machine: `with PROGRAM`, `without PROGRAM`, `file NAME=TEXT`;
/// 2. phrases of stderr, as for [`check`];
/// 3. phrases of the calls that stubs got.
///
/// `@/` is the folder around the project, in which `own` is a libtorch and `elsewhere` is empty.
pub fn play(table: &str) {
    let mut machine = Machine::new();
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        println!("{row}");
        if !row.starts_with("then ") {
            machine = Machine::new();
        }
        let around = format!("{}/", machine.0.path().display());
        let row = row
            .replace("@VERSION", env!("LIBTORCH_VERSION"))
            .replace("@/", &around);
        let columns: Vec<&str> = row
            .trim_start_matches("then ")
            .split('|')
            .map(str::trim)
            .collect();
        let (mut line, mut variables) = ("scripts/setup.sh".to_owned(), Vec::new());
        for word in columns[0].split(" ; ") {
            match word.split_once(' ') {
                Some(("without", program)) => machine.remove(program),
                Some(("with", program)) => machine.add(program),
                Some(("file", file)) => {
                    let (name, text) = file.split_once('=').unwrap();
                    machine.write(name, text);
                }
                _ if word.starts_with("--") => line = format!("{line} {word}"),
                _ if word.starts_with(['s', '.']) => word.clone_into(&mut line),
                _ => variables.extend(word.split_once('=')),
            }
        }
        let (installed, before) = (machine.installed(), machine.calls().len());
        let output = machine.command(&line).envs(variables).output().unwrap();
        check(&output, columns[1]);
        let calls = machine.calls().split_off(before);
        contains(&calls, columns.get(2).unwrap_or(&""));

        // In every row: no leftovers; a failure changes nothing; the disk is synced before the
        // rename, which leaves nothing of the old folder; stdout is for the program.
        assert!(!machine.path("libtorch.partial").exists());
        let text = String::from_utf8_lossy(&output.stderr);
        let is_new = text.contains("downloading") && text.contains("is ready");
        assert_eq!(is_new, calls.contains("sync"), "{calls}");
        assert!(!is_new || !machine.path("libtorch/old").exists());
        assert!(is_new || machine.installed() == installed);
        assert!(output.stdout.is_empty() || calls.contains("program "));
    }
}
