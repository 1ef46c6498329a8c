//! Builds the null GPU and runs the program on it.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;
use tempfile::{TempDir, tempdir};

use crate::common::{error_line, mnist_tch, printed};

/// How the program names the null GPU.
pub const NAME: &str = "Null GPU, 81920 MiB, compute capability 9.0";

/// How often each function was called, and what else `nullgpu.c` counts.
pub type Report = BTreeMap<String, u64>;

/// A machine with a null GPU. Each test has a folder of its own for its runs.
#[derive(Clone)]
pub struct NullGpu {
    machine: &'static Machine,
    folder: std::sync::Arc<TempDir>,
    variables: Vec<(String, String)>,
}

/// What all tests share.
struct Machine {
    libraries: TempDir,
    /// The folder of the libtorch that the program was built with.
    libtorch: PathBuf,
    /// The loss that the program's probe expects of a GPU.
    loss: String,
}

impl NullGpu {
    /// `None`, with a word, where there is no CUDA library to run on it.
    pub fn new() -> Option<Self> {
        static MACHINE: OnceLock<Option<Machine>> = OnceLock::new();
        Some(Self {
            machine: MACHINE.get_or_init(Machine::new).as_ref()?,
            folder: tempdir().unwrap().into(),
            variables: Vec::new(),
        })
    }

    /// The same with an environment variable more.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.variables.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same on a copy of libtorch with a cuDNN of its own, while parts of another are in the
    /// library path; and the folders of both.
    pub fn with_set_and_foreign_cudnn(&self) -> (Self, PathBuf, PathBuf) {
        let libraries = &self.machine.libraries;
        let [lib, own, foreign] = ["torch/lib", "nvidia/cudnn/lib", "foreign"].map(|name| {
            let folder = self.folder().join(name);
            fs::create_dir_all(&folder).unwrap();
            folder
        });
        for name in ["libtorch_cpu.so", "libtorch_cuda.so"] {
            let (from, to) = (self.machine.libtorch.join(name), lib.join(name));
            // A link if that can be: the files are large.
            let copy = |_| fs::copy(&from, &to).map(drop);
            fs::hard_link(&from, &to).or_else(copy).unwrap();
        }
        for name in [
            "libc10.so",
            "libc10_cuda.so",
            "libtorch_nvshmem.so",
            "libgomp.so.1",
        ] {
            symlink(self.machine.libtorch.join(name), lib.join(name)).unwrap();
        }
        let runtime = self.machine.libtorch.join("../../nvidia/cu13");
        symlink(runtime, self.folder().join("nvidia/cu13")).unwrap();
        let version = self.machine.libtorch.with_file_name("version.py");
        fs::copy(version, lib.with_file_name("version.py")).unwrap();
        for (folder, names) in [
            (&own, &["graph", "ops", "cnn"][..]),
            (&foreign, &["graph", "ops"]),
        ] {
            for name in names {
                let file = format!("libcudnn_{name}.so.9");
                libraries.compile(&file, Path::new("/dev/null"), &[]);
                fs::rename(libraries.path().join(&file), folder.join(&file)).unwrap();
            }
        }
        // libtorch_cuda.so finds it by its own path, before that of the environment.
        let main = "libcudnn.so.9";
        if libraries.path().join(main).exists() {
            fs::copy(libraries.path().join(main), own.join(main)).unwrap();
        }
        let preload = [
            libraries.path().join("libcuda.so.1"),
            lib.join("libtorch_cpu.so"),
        ];
        let preload = preload.map(|path| path.display().to_string()).join(":");
        let path = format!("{}:{}", foreign.display(), libraries.path().display());
        let other = self
            .with("LD_PRELOAD", &preload)
            .with("LD_LIBRARY_PATH", &path);
        (other, own, foreign)
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The program with the words of `line` as its arguments.
    pub fn command(&self, line: &str) -> assert_cmd::Command {
        let mut command = self.machine.libraries.on(self.folder.path(), line);
        command.env("NULLGPU_LOSS", &self.machine.loss);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.timeout(Duration::from_secs(300));
        command
    }

    /// What it prints when all goes well, with nothing said beside it.
    pub fn printed(&self, line: &str) -> String {
        let output = self.command(line).assert().success();
        String::from_utf8(output.get_output().stdout.clone()).unwrap()
    }

    /// What it did when all went well, and how many seconds it took.
    pub fn report(&self, line: &str) -> (Report, f64) {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = self.folder().join(format!("report-{number}"));
        let begun = Instant::now();
        self.with("NULLGPU_REPORT", path.to_str().unwrap())
            .printed(line);
        let seconds = begun.elapsed().as_secs_f64();
        let text = fs::read_to_string(path).unwrap();
        let entry = |line: &str| {
            let (count, name) = line.split_once(' ').unwrap();
            (name.to_owned(), count.parse().unwrap())
        };
        (text.lines().map(entry).collect(), seconds)
    }

    pub fn run_file(&self, name: &str) -> String {
        fs::read_to_string(self.folder().join("run").join(name)).unwrap()
    }
}

impl Machine {
    fn new() -> Option<Self> {
        let libraries = tempdir().unwrap();
        let devices = printed(libraries.path(), "devices");
        let folder = devices.lines().find_map(|line| line.strip_prefix("path "));
        let folder = PathBuf::from(folder.unwrap().trim());
        // The runtime's headers, which the wheel of the CUDA runtime has too.
        let headers = folder.join("../../nvidia/cu13/include");
        for path in [
            folder.join("libtorch_cuda.so"),
            headers.join("driver_types.h"),
        ] {
            if !path.exists() {
                eprintln!("skipped: the null GPU needs {}", path.display());
                return None;
            }
        }
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cuda");
        // libtorch asks for the driver by this name.
        let flags = [&source.join("include"), &headers].map(|it| format!("-I{}", it.display()));
        libraries.compile("libcuda.so.1", &source.join("nullgpu.c"), &flags);
        // The program itself names each library that is missing.
        let missing = Regex::new(r"libraries are missing \((lib[^:]+): cannot open").unwrap();
        let loss = Regex::new(r"a loss of 1 where the CPU has ([\d.]+)").unwrap();
        loop {
            let mut command = libraries.on(libraries.path(), "--device cuda");
            let error = error_line(command.env("NULLGPU_LOSS", "1"), 1);
            if let Some(found) = missing.captures(&error) {
                let null_gpu = libraries.path().join("libcuda.so.1");
                let flags = ["-Wl,--no-as-needed", null_gpu.to_str().unwrap()];
                libraries.compile(&found[1], Path::new("/dev/null"), &flags.map(str::to_owned));
            } else {
                let found = loss.captures(&error);
                let loss = found.unwrap_or_else(|| panic!("{error}"))[1].to_owned();
                return Some(Self {
                    libraries,
                    libtorch: folder,
                    loss,
                });
            }
        }
    }
}

/// A folder of libraries.
trait Libraries {
    fn compile(&self, name: &str, source: &Path, flags: &[String]);
    fn on(&self, folder: &Path, line: &str) -> assert_cmd::Command;
}

impl Libraries for TempDir {
    /// Makes the shared library `name` of a C file.
    fn compile(&self, name: &str, source: &Path, flags: &[String]) {
        let mut command = Command::new("c++");
        command
            .current_dir(self.path())
            .args(["-x", "c", "-std=gnu11", "-O1", "-Wall", "-Wextra"]);
        command.args([
            "-shared",
            "-fPIC",
            "-o",
            name,
            &format!("-Wl,-soname,{name}"),
        ]);
        command.arg(source).args(["-x", "none"]).args(flags);
        assert!(command.status().unwrap().success(), "{name}");
    }

    /// The program in `folder`, with these libraries for NVIDIA's.
    fn on(&self, folder: &Path, line: &str) -> assert_cmd::Command {
        let mut command = mnist_tch(folder, line);
        command.env("LD_PRELOAD", self.path().join("libcuda.so.1"));
        command.env("LD_LIBRARY_PATH", self.path());
        for variable in ["CUDA_VISIBLE_DEVICES", "LD_BIND_NOW", "SLURM_JOB_ID"] {
            command.env_remove(variable);
        }
        command
    }
}
