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

/// Real programs.
const TOOLS: &str = "bash env sed grep awk mkdir mv rm cp cat head tail dirname sleep flock timeout \
                     sort cut paste tr mktemp kill";
/// Programs that `stub.sh` stands in for; others have to be added.
const STUBS: &str = "cargo rustc c++ python3 uname sw_vers getconf nvidia-smi sync mnist-tch";
const LINKED: &str = "scripts/common.sh scripts/setup.sh scripts/train.sh scripts/test.sh \
                      scripts/check.sh .ci/run Cargo.toml tests/setup/stub.sh";

fn original(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The value of `name` in `scripts/libtorch.versions`.
fn pinned(name: &str) -> String {
    let text = fs::read_to_string(original("scripts/libtorch.versions")).unwrap();
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|pair| pair.0 == name).unwrap().1.to_owned()
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(" ; ").filter(|part| !part.is_empty())
}

/// Asserts that `text` contains each phrase of a list, and no phrase that starts with `!`.
pub fn contains(text: &str, phrases: &str) {
    for phrase in list(phrases) {
        let found = text.contains(phrase.trim_start_matches('!'));
        assert!(found != phrase.starts_with('!'), "{phrase}: {text}");
    }
}

pub struct Machine(TempDir);

impl Machine {
    pub fn new() -> Self {
        let machine = Self(TempDir::new().unwrap());
        for folder in "scripts .ci tests/setup ../stubs ../tools ../log ../elsewhere".split(' ') {
            fs::create_dir_all(machine.path(folder)).unwrap();
        }
        // Links, because a file just written cannot be executed while another test forks.
        for file in LINKED.split(' ') {
            symlink(original(file), machine.path(file)).unwrap();
        }
        // A copy, because the scripts lock it.
        let versions = "scripts/libtorch.versions";
        fs::copy(original(versions), machine.path(versions)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS.split(' ') {
            let mut files = std::env::split_paths(&path).map(|folder| folder.join(tool));
            if let Some(program) = files.find(|file| file.is_file()) {
                symlink(program, machine.path("../tools").join(tool)).unwrap();
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

    pub fn remove(&self, program: &str) {
        for folder in ["../stubs", "../tools"] {
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

    /// A command line with a list of environment variables, run from another folder.
    pub fn command(&self, line: &str, variables: &str) -> Command {
        let programs = [self.path("../stubs"), self.path("../tools")];
        let mut words = line.split_whitespace();
        let mut command = Command::new(self.path(words.next().unwrap()));
        command
            .args(words)
            .current_dir(self.path("../elsewhere"))
            .env_clear()
            .env("PATH", std::env::join_paths(programs).unwrap())
            .env("STUB_LOG", self.path("../log"))
            .envs(list(variables).filter_map(|pair| pair.split_once('=')))
            .stdin(Stdio::null());
        command
    }

    /// Runs the set-up, which has to succeed and print these phrases.
    pub fn setup(&self, phrases: &str) {
        let output = self.command("scripts/setup.sh", "").output().unwrap();
        check(&output, phrases);
    }

    /// Starts a set-up in a process group of its own and waits until its download is half-way.
    pub fn start_setup(&self, option: &str) -> Child {
        let mut command = self.command(&format!("scripts/setup.sh {option}"), "STUB_INSTALL=wait");
        command.process_group(0).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        wait_until(&mut child, || self.path("../log/half-way").exists());
        child
    }

    /// Lets a download that is half-way go on; later ones do not stop.
    pub fn go_on(&self) {
        self.write("../log/go-on", "");
    }

    /// What is installed: `cpu`, `cuda` or nothing.
    pub fn installed(&self) -> &'static str {
        let marker = self.read("libtorch/made-by-setup");
        let version = format!("libtorch {} for ", pinned("LIBTORCH_VERSION"));
        let kinds = ["cpu", "cuda"].into_iter();
        let mut matching = kinds.filter(|kind| marker.starts_with(&format!("{version}{kind},")));
        assert!(!self.path("libtorch").exists() || self.path("libtorch/torch/lib").exists());
        matching.next().unwrap_or_default()
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
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let error = phrases.strip_prefix("error: ");
    let (status, phrases) = match phrases.strip_prefix("exit ") {
        Some(text) => text.split_once(" ; ").unwrap_or((text, "")),
        None if error.is_some() => ("1", error.unwrap_or_default()),
        None => ("0", phrases),
    };
    assert_eq!(output.status.code(), status.parse().ok(), "{out}{err}");
    contains(&err, phrases);
    if error.is_some() {
        let mut lines = err.lines().rev();
        assert!(lines.next().unwrap().starts_with("error: "), "{err}");
        let is_expected =
            |line: &str| line.starts_with("note: ") || line.starts_with("downloading");
        assert!(lines.all(is_expected), "{err}");
    }
}

/// Plays the rows of a table, each on a new machine or, after `then`, on that of the row before.
/// A row has lists in three columns:
///
/// 1. the command, `scripts/setup.sh` by default, its `--options`, environment variables, and
///    changes to the machine: `with PROGRAM`, `without PROGRAM`, `file NAME=TEXT`;
/// 2. phrases of stderr, as for [`check`];
/// 3. phrases of the stubs' calls, and `kept NAME` for files that are still there.
///
/// `@/` is the folder around the project, in which `own` is a libtorch and `elsewhere` is empty.
pub fn play(table: &str) {
    let (mut machine, mut files) = (Machine::new(), Vec::new());
    for row in table.lines().map(str::trim).filter(|row| !row.is_empty()) {
        println!("{row}");
        if !row.starts_with("then ") {
            (machine, files) = (Machine::new(), Vec::new());
        }
        let row = row
            .trim_start_matches("then ")
            .replace("@VERSION", &pinned("LIBTORCH_VERSION"))
            .replace("@RUNTIME", &pinned("CUDA_RUNTIME_VERSION"))
            .replace("@CUPTI", &pinned("CUDA_CUPTI_VERSION"))
            .replace("@/", &format!("{}/", machine.0.path().display()));
        let columns: Vec<&str> = row.split('|').map(str::trim).collect();
        let (mut command, mut variables) = ("scripts/setup.sh".to_owned(), Vec::new());
        for word in list(columns[0]) {
            match word.split_once(' ') {
                Some(("without", program)) => machine.remove(program),
                Some(("with", program)) => machine.add(program),
                Some(("file", file)) => {
                    let (name, text) = file.split_once('=').unwrap();
                    machine.write(name, text);
                    files.push(name.to_owned());
                }
                _ if word.starts_with("--") => command = format!("{command} {word}"),
                _ if word.starts_with(['s', '.']) => word.clone_into(&mut command),
                _ => variables.push(word),
            }
        }
        let (installed, before) = (machine.installed(), machine.calls().len());
        let output = machine.command(&command, &variables.join(" ; ")).output();
        let output = output.unwrap();
        check(&output, columns[1]);
        let mut calls = machine.calls().split_off(before);
        let kept = files.iter().filter(|name| machine.path(name).exists());
        calls.extend(kept.map(|name| format!("kept {name}\n")));
        contains(&calls, columns.get(2).unwrap_or(&""));

        // In every row: no leftovers; a failure changes nothing; the disk is synced before the
        // rename; stdout is for the program.
        assert!(!machine.path("libtorch.partial").exists());
        let err = String::from_utf8_lossy(&output.stderr);
        if err.contains("is ready") {
            assert_eq!(err.contains("downloading"), calls.contains("sync"));
            contains(&err, &format!("for {} is ready", machine.installed()));
        } else {
            assert_eq!(machine.installed(), installed);
        }
        assert!(output.stdout.is_empty() || calls.contains("program "));
    }
}
