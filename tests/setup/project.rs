//! A project folder of the test's own, with stubs for the programs that the scripts call. Lists of
//! settings (`NAME=VALUE`) and of phrases are one text each, with ` ; ` between them.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A machine with a GPU.
pub const DRIVER: &str = "STUB_DRIVER=580.65.06";
/// The programs that scripts and stubs may use as they are. Nothing else of the machine is found.
const TOOLS: &str = "bash env sed grep awk mkdir mv rm cp cat head tail dirname sleep flock \
                     timeout";
/// The files of the project that the scripts run or read.
const LINKED: &str = "scripts/common.sh scripts/setup.sh scripts/train.sh scripts/test.sh \
                      scripts/check.sh .ci/run Cargo.toml tests/setup/stub.sh";
/// The programs that `stub.sh` plays unless a test takes one away. Others have to be asked for.
const STUBS: &str = "cargo rustc c++ python3 uname sw_vers getconf df nvidia-smi sync mnist-tch";
/// The folders of a project, and beside it what else there is of the machine.
const FOLDERS: &str = "scripts .ci tests/setup ../stubs ../tools ../log ../elsewhere \
                       ../home/.cargo/bin";

/// The parts of a list.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(" ; ").filter(|part| !part.is_empty())
}

fn original(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// What `scripts/libtorch.versions` says.
pub fn pinned(name: &str) -> String {
    let text = fs::read_to_string(original("scripts/libtorch.versions")).unwrap();
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|pair| pair.0 == name).unwrap().1.to_owned()
}

pub struct Project(TempDir);

impl Project {
    /// Scripts and stubs are links: what was just written may not run while another test forks.
    pub fn new() -> Self {
        let project = Self(TempDir::new().unwrap());
        for folder in FOLDERS.split(' ') {
            fs::create_dir_all(project.path(folder)).unwrap();
        }
        for file in LINKED.split(' ') {
            symlink(original(file), project.path(file)).unwrap();
        }
        // A copy, as the scripts lock it.
        let versions = "scripts/libtorch.versions";
        fs::copy(original(versions), project.path(versions)).unwrap();
        let path = std::env::var_os("PATH").unwrap();
        for tool in TOOLS.split(' ') {
            let mut files = std::env::split_paths(&path).map(|folder| folder.join(tool));
            if let Some(program) = files.find(|file| file.is_file()) {
                symlink(program, project.path("../tools").join(tool)).unwrap();
            }
        }
        STUBS.split(' ').fold(project, Self::with)
    }

    /// The same project where `stub.sh` plays one more program.
    pub fn with(self, program: &str) -> Self {
        symlink(
            original("tests/setup/stub.sh"),
            self.path("../stubs").join(program),
        )
        .unwrap();
        self
    }

    /// The same project on a machine that lacks a program.
    pub fn without(self, program: &str) -> Self {
        // Most programs are in one of the two.
        for folder in ["../stubs", "../tools"] {
            let _ = fs::remove_file(self.path(folder).join(program));
        }
        self
    }

    /// A path in the project, whose own name has a space in it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join("my project").join(relative)
    }

    pub fn read(&self, relative: &str) -> String {
        fs::read_to_string(self.path(relative)).unwrap_or_default()
    }

    /// Writes a file and the folders above it.
    pub fn write(&self, relative: &str, text: &str) {
        let file = self.path(relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A script, called from another folder.
    pub fn command(&self, script: &str, words: &str, settings: &str) -> Command {
        let programs = [self.path("../stubs"), self.path("../tools")];
        let mut command = Command::new(self.path(script));
        command
            .args(words.split_whitespace())
            .current_dir(self.path("../elsewhere"))
            .env_clear()
            .env("PATH", std::env::join_paths(programs).unwrap())
            .env("HOME", self.path("../home"))
            .env("STUB_LOG", self.path("../log"))
            .envs(list(settings).filter_map(|pair| pair.split_once('=')))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, script: &str, words: &str, settings: &str) -> Said {
        Said::new(&self.command(script, words, settings).output().unwrap())
    }

    pub fn setup(&self, words: &str, settings: &str) -> Said {
        self.run("scripts/setup.sh", words, settings)
    }

    /// Starts a set-up in a process group of its own, and waits until its installer stops half-way.
    pub fn setup_stopped_half_way(&self, words: &str, settings: &str) -> Child {
        let mut command = self.command("scripts/setup.sh", words, settings);
        command.env("STUB_INSTALL", "wait").process_group(0);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let half_way = || self.path("../log/half-way").exists();
        wait_until(&mut child, "the installer is half-way", half_way);
        child
    }

    /// Lets the installer that stopped half-way go on; later ones do not stop.
    pub fn go_on(&self) {
        self.write("../log/go-on", "");
    }

    /// The arguments of each call of a stub, in order.
    pub fn calls(&self, program: &str) -> Vec<Vec<String>> {
        let text = self.read(&format!("../log/{program}"));
        let words = |line: &str| line.split_terminator('\t').map(str::to_owned).collect();
        text.lines().map(words).collect()
    }

    /// The set that the project's libtorch is marked to be, such as "cpu set", where it is whole.
    pub fn installed(&self) -> Option<String> {
        let marker = self.read("libtorch/made-by-setup");
        let set = marker.strip_prefix(&format!("libtorch {} ", pinned("LIBTORCH_VERSION")))?;
        assert!(self.path("libtorch/torch/lib/libtorch_cpu.so").is_file());
        Some(set.split(' ').take(2).collect::<Vec<_>>().join(" "))
    }

    /// Whether there is a libtorch, or something that could be taken for one or is in the way.
    pub fn has_remains(&self) -> bool {
        self.path("libtorch").exists() || self.path("libtorch.partial").exists()
    }
}

/// Waits for something that has to happen before the program ends.
pub fn wait_until(program: &mut Child, what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        let ended = program.try_wait().unwrap();
        assert!(ended.is_none() || done(), "never: {what}; {ended:?}");
        assert!(start.elapsed() < Duration::from_secs(60), "never: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// How a script ended and what it said.
#[derive(Debug)]
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Said {
    pub fn new(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// It ended well, and stderr holds each of the phrases.
    pub fn succeeded(&self, phrases: &str) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.out.is_empty(), "stdout is for results: {self:?}");
        holds(&self.err, phrases);
    }

    /// It failed with one line that starts with `error: ` and holds each of the phrases. Nothing
    /// else but notes and the word on what it was at may stand before it.
    pub fn failed(&self, phrases: &str) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.out.is_empty(), "stdout is for results: {self:?}");
        let mut lines = self.err.lines().rev();
        assert!(lines.next().unwrap().starts_with("error: "), "{self:?}");
        let expected = |line: &str| line.starts_with("note: ") || line.starts_with("fetching ");
        assert!(lines.all(expected), "{self:?}");
        holds(&self.err, phrases);
    }
}

/// The text holds each of these phrases, and none of those with a ! before it.
pub fn holds(text: &str, phrases: &str) {
    for phrase in list(phrases) {
        let there = text.contains(phrase.trim_start_matches('!'));
        assert!(there != phrase.starts_with('!'), "{phrase}: {text}");
    }
}
