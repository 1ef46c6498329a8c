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

/// Where the real scripts are.
fn original(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// Where the real program of that name is, on a machine that has it.
fn real_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// The real python3, where this machine has one: on the PATH there may be a script that needs more.
pub fn real_python() -> Option<String> {
    let ask = ["-c", "import fcntl, sys; print(sys.executable)"];
    let output = Command::new("python3").args(ask).output().ok()?;
    let path = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| path.trim().to_owned())
}

/// What `scripts/libtorch.versions` says.
pub fn pinned(name: &str) -> String {
    let text = fs::read_to_string(original("scripts/libtorch.versions")).unwrap();
    let mut pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs.find(|pair| pair.0 == name).unwrap().1.to_owned()
}

pub struct Project {
    folder: TempDir,
}

impl Project {
    /// Scripts and stubs are links: what was just written may not run while another test forks.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let project = Self { folder };
        for folder in ["stubs", "tools", "home", "log", "elsewhere"] {
            fs::create_dir(project.folder.path().join(folder)).unwrap();
        }
        for folder in ["scripts", ".ci", "tests/setup"] {
            fs::create_dir_all(project.path(folder)).unwrap();
        }
        for file in LINKED.split(' ') {
            symlink(original(file), project.path(file)).unwrap();
        }
        // A copy, as the scripts lock it.
        let versions = "scripts/libtorch.versions";
        fs::copy(original(versions), project.path(versions)).unwrap();
        for tool in TOOLS.split(' ') {
            if let Some(program) = real_program(tool) {
                symlink(program, project.folder.path().join("tools").join(tool)).unwrap();
            }
        }
        STUBS.split(' ').fold(project, Self::with)
    }

    /// The same project where `stub.sh` plays one more program.
    pub fn with(self, program: &str) -> Self {
        symlink(original("tests/setup/stub.sh"), self.stub(program)).unwrap();
        self
    }

    /// The same project on a machine that lacks a program.
    pub fn without(self, program: &str) -> Self {
        for file in [self.stub(program), self.path("../tools").join(program)] {
            // Most programs are in one of the two.
            let _ = fs::remove_file(file);
        }
        self
    }

    /// Where the program of that name is looked for first.
    pub fn stub(&self, program: &str) -> PathBuf {
        self.folder.path().join("stubs").join(program)
    }

    /// A path in the project, whose own name has a space in it.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join("my project").join(relative)
    }

    /// A folder outside of the project, which the scripts are called from.
    pub fn elsewhere(&self) -> PathBuf {
        self.folder.path().join("elsewhere")
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

    pub fn command(&self, script: &str, words: &str) -> Command {
        let folder = self.folder.path();
        let path = [folder.join("stubs"), folder.join("tools")];
        let mut command = Command::new(self.path(script));
        command
            .args(words.split_whitespace())
            .current_dir(self.elsewhere())
            .env_clear()
            .env("PATH", std::env::join_paths(path).unwrap())
            .env("HOME", folder.join("home"))
            .env("STUB_LOG", folder.join("log"))
            .stdin(Stdio::null());
        command
    }

    pub fn run(&self, script: &str, words: &str, settings: &[(&str, &str)]) -> Said {
        let mut command = self.command(script, words);
        Said::new(&command.envs(settings.iter().copied()).output().unwrap())
    }

    pub fn setup(&self, words: &str, settings: &[(&str, &str)]) -> Said {
        self.run("scripts/setup.sh", words, settings)
    }

    /// Starts a set-up in a process group of its own, and waits until its installer stops half-way.
    pub fn setup_stopped_half_way(&self, words: &str, settings: &[(&str, &str)]) -> Child {
        let mut command = self.command("scripts/setup.sh", words);
        command.env("STUB_INSTALL", "wait").process_group(0);
        command.envs(settings.iter().copied());
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
    pub fn succeeded(&self, phrases: &[&str]) {
        assert_eq!(self.code, Some(0), "{self:?}");
        assert!(self.out.is_empty(), "stdout is for results: {self:?}");
        self.holds(phrases);
    }

    /// It failed with one line that starts with `error: ` and holds each of the phrases. Nothing
    /// else but notes and the word on what it was at may stand before it.
    pub fn failed(&self, phrases: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.out.is_empty(), "stdout is for results: {self:?}");
        let mut lines = self.err.lines().rev();
        assert!(lines.next().unwrap().starts_with("error: "), "{self:?}");
        let expected = |line: &str| line.starts_with("note: ") || line.starts_with("fetching ");
        assert!(lines.all(expected), "{self:?}");
        self.holds(phrases);
    }

    fn holds(&self, phrases: &[&str]) {
        for phrase in phrases {
            assert!(self.err.contains(phrase), "no '{phrase}' in {self:?}");
        }
    }
}
