//! A project folder of the test's own, with stubs for the programs that the scripts call.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

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

/// What stubs were called with, a line each: NAME ARGUMENT ..., with a tab after each.
pub const LOG: &str = "../log/calls";

fn original(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// What `scripts/libtorch.versions` says.
pub fn pinned(name: &str) -> String {
    let text = fs::read_to_string(original("scripts/libtorch.versions")).unwrap();
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|pair| pair.0 == name).unwrap().1.to_owned()
}

/// The parts of a list.
pub fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(" ; ").filter(|part| !part.is_empty())
}

/// The text holds each phrase of the list, and none of those with a ! before it.
pub fn holds(text: &str, phrases: &str) {
    for phrase in list(phrases) {
        let there = text.contains(phrase.trim_start_matches('!'));
        assert!(there != phrase.starts_with('!'), "{phrase}: {text}");
    }
}

pub struct Project(pub TempDir);

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
        STUBS.split(' ').for_each(|program| project.add(program));
        project.write("../own/lib/libtorch.so", "");
        project
    }

    /// `stub.sh` plays one more program.
    pub fn add(&self, program: &str) {
        let stub = self.path("../stubs").join(program);
        symlink(original("tests/setup/stub.sh"), stub).unwrap();
    }

    /// The machine lacks a program, whichever of the two it is in.
    pub fn remove(&self, program: &str) {
        for folder in ["../stubs", "../tools"] {
            let _ = fs::remove_file(self.path(folder).join(program));
        }
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

    /// A script and its options, called from another folder, with a list of settings.
    pub fn command(&self, line: &str, settings: &str) -> Command {
        let programs = [self.path("../stubs"), self.path("../tools")];
        let mut words = line.split_whitespace();
        let mut command = Command::new(self.path(words.next().unwrap()));
        command
            .args(words)
            .current_dir(self.path("../elsewhere"))
            .env_clear()
            .env("PATH", std::env::join_paths(programs).unwrap())
            .env("HOME", self.path("../home"))
            .env("STUB_LOG", self.path("../log"))
            .envs(list(settings).filter_map(|pair| pair.split_once('=')))
            .stdin(Stdio::null());
        command
    }

    pub fn setup(&self, phrases: &str) {
        let output = self.command("scripts/setup.sh", "").output();
        check(&output.unwrap(), phrases);
    }

    /// Starts a set-up in a process group of its own, and waits until its installer stops half-way.
    pub fn setup_stopped_half_way(&self, option: &str, settings: &str) -> Child {
        let mut command = self.command(&format!("scripts/setup.sh {option}"), settings);
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

    /// The set that the project's libtorch is marked to be, where it is whole.
    pub fn installed(&self) -> Option<&'static str> {
        let marker = self.read("libtorch/made-by-setup");
        let set = marker.strip_prefix(&format!("libtorch {} ", pinned("LIBTORCH_VERSION")))?;
        let is_whole = self.path("libtorch/torch/lib/libtorch_cpu.so").is_file();
        let is_cuda = set.starts_with("cuda set ");
        is_whole.then_some(if is_cuda { "CUDA set" } else { "CPU set" })
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

/// What a script that ended as the phrases, the second column of a table, say, said on stderr. An
/// error is one line; nothing but notes and the word on what it was at may stand before it.
pub fn check(output: &Output, phrases: &str) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    let is_error = phrases.starts_with("error: ");
    let (status, phrases) = match phrases.strip_prefix("exit ") {
        Some(text) => text.split_once(" ; ").unwrap_or((text, "")),
        None => (if is_error { "1" } else { "0" }, phrases),
    };
    assert_eq!(output.status.code(), status.parse().ok(), "{out}{err}");
    holds(&err, phrases);
    if is_error {
        let mut lines = err.lines().rev();
        assert!(lines.next().unwrap().starts_with("error: "), "{err}");
        let expected = |line: &str| line.starts_with("note: ") || line.starts_with("fetching ");
        assert!(lines.all(expected), "{err}");
    }
    err.into_owned()
}
