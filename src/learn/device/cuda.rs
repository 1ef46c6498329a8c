//! CUDA: is there a GPU, and if not, why not.
//!
//! cudart answers itself how many GPUs there are, or why it cannot tell, before libtorch is asked:
//! libtorch would print a warning of its own. Whether a GPU computes is tried elsewhere
//! (`learn::probe`).
//!
//! Order matters: libtorch keeps for good what it finds when it is first asked for CUDA, and starts
//! the threads of its backward passes once. So a device is found before libtorch does anything.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;

use super::cuda_library::{self, Cudart, Failure, Gpu};
use super::libtorch;

/// The oldest driver that runs the CUDA libraries of `scripts/setup.sh --cuda`.
const MINIMUM_DRIVER: &str = env!("CUDA_MINIMUM_DRIVER");

const LIBRARY: &str = "libtorch_cuda.so";

/// NVIDIA's kernel module tells its version here; on WSL2 it is not there.
const DRIVER_FILE: &str = "/sys/module/nvidia/version";

/// What this machine and this libtorch have for CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CudaStatus {
    /// The NVIDIA driver, such as `580.95.05 (CUDA 13.0)`; `None` without one.
    pub driver: Option<String>,
    /// True if this libtorch has a CUDA library.
    pub built: bool,
    /// The GPUs in cudart's order; empty if there is a problem.
    pub gpus: Vec<Gpu>,
    /// False where this libtorch cannot be told to give the same bytes for the same seed.
    pub is_deterministic: bool,
    /// Why no GPU can be used.
    problem: Option<String>,
}

impl CudaStatus {
    /// Looks for CUDA on this machine. If there is a GPU, loads libtorch's CUDA library, 470 MB.
    pub(crate) fn detect() -> Self {
        let cudart = Cudart::find();
        let mut status = Self {
            driver: driver(cudart.as_ref()),
            built: library().is_some(),
            gpus: Vec::new(),
            is_deterministic: true,
            problem: None,
        };
        match status.find_gpus(cudart.as_ref()) {
            Ok(gpus) => status.gpus = gpus,
            Err(problem) => status.problem = Some(problem.to_string()),
        }
        status
    }

    /// The error is the first thing that is in the way, in the order in which a user would have to
    /// mend them.
    fn find_gpus(&mut self, cudart: Option<&Cudart>) -> Result<Vec<Gpu>> {
        let count = cudart.map(Cudart::device_count);
        if let (Some(Err(failure)), Some(driver)) = (&count, &self.driver) {
            bail!("{}", describe_failure(failure, driver));
        }
        ensure!(
            self.driver.is_some(),
            "there is no NVIDIA driver here: install driver {MINIMUM_DRIVER} or newer; \
             a container has to be given the GPU (--gpus all)"
        );
        let (Some(cudart), Some(path)) = (cudart, library()) else {
            bail!("{}", no_cuda_build());
        };
        cuda_library::load(&path).map_err(|error| anyhow!(missing_library(&error)))?;
        ensure!(
            tch::utils::has_cudart(),
            "libtorch was asked for CUDA before its CUDA library was loaded, and keeps to its \
             answer: find the device before all else"
        );
        self.is_deterministic = cuda_library::make_deterministic();
        let count = count.and_then(Result::ok).unwrap_or(0);
        let gpus = (0..count).map(|index| cudart.gpu(index));
        gpus.collect::<Result<_, _>>()
            .map_err(|failure| anyhow!("cudart does not describe its GPUs: {}", failure.text))
    }

    /// Makes sure that GPU `index` is there.
    ///
    /// # Errors
    /// What is in the way, and what to do.
    pub(crate) fn check(&self, index: usize) -> Result<&Gpu> {
        if let Some(problem) = &self.problem {
            bail!("{problem}");
        }
        self.gpus.get(index).with_context(|| {
            let seen = match self.gpus.len() {
                0 => "the NVIDIA driver shows no GPU: see what nvidia-smi says".to_owned(),
                1 => format!("there is no GPU {index}: the only one is cuda:0"),
                gpus => {
                    let last = gpus - 1;
                    format!("there is no GPU {index}: the {gpus} are cuda:0 to cuda:{last}")
                }
            };
            format!("{seen}{}", visibility())
        })
    }
}

/// The software and the GPU that a run used.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct GpuRecord {
    /// NVIDIA's name for it.
    name: String,
    /// The driver, and the newest CUDA that it runs.
    driver: String,
    /// The version of the CUDA runtime that libtorch was built with.
    cuda: String,
    cudnn: Option<String>,
}

impl GpuRecord {
    /// What can be told about GPU `index`, which is in use.
    pub(super) fn new(index: usize) -> Option<Self> {
        let cudart = Cudart::find()?;
        Some(Self {
            name: cudart.gpu(index).ok()?.name,
            driver: driver(Some(&cudart))?,
            cuda: version(tch::utils::version_cudart()),
            cudnn: cudnn().map(|(version, _)| version),
        })
    }
}

/// The cuDNN that is in use, once CUDA is: its version, such as 9.20.0, and the folders that its
/// parts come from, which is one unless somebody's `LD_LIBRARY_PATH` has mixed them.
pub(crate) fn cudnn() -> Option<(String, BTreeSet<PathBuf>)> {
    let number = cuda_library::cudnn_version(&library()?)?;
    let [major, minor, patch] = [number / 10_000, number / 100 % 100, number % 100];
    let folders = libtorch::folders_with("/libcudnn");
    Some((format!("{major}.{minor}.{patch}"), folders))
}

/// CUDA's 13000 as 13.0.
fn version(number: i64) -> String {
    format!("{}.{}", number / 1_000, number % 1_000 / 10)
}

fn library() -> Option<PathBuf> {
    let path = libtorch::folder()?.join(LIBRARY);
    path.is_file().then_some(path)
}

/// The driver's own version where the system tells it, and the newest CUDA that it runs.
fn driver(cudart: Option<&Cudart>) -> Option<String> {
    let release = fs::read_to_string(DRIVER_FILE).ok();
    let release = release.as_deref().map(str::trim);
    let cuda = match cudart {
        // A container that was given no GPU sees its host's /sys.
        Some(cudart) => Some(cudart.driver_version()?),
        None => None,
    };
    let cuda = cuda.map(|number| format!("CUDA {}", version(number.into())));
    match (release, cuda) {
        (Some(release), Some(cuda)) => Some(format!("{release} ({cuda})")),
        (None, Some(cuda)) => Some(format!("for {cuda}")),
        (release, None) => release.map(str::to_owned),
    }
}

/// Why cudart counts no GPU, in NVIDIA's words, and what to do about it.
fn describe_failure(Failure { code, text }: &Failure, driver: &str) -> String {
    let (what, hint) = match code {
        2 => (
            "memory is full",
            "see in nvidia-smi and free who uses it".to_owned(),
        ),
        3 => (
            "CUDA does not start",
            "see what nvidia-smi says; where it shows the GPU, reboot".to_owned(),
        ),
        35 => (
            "the NVIDIA driver is too old for this libtorch",
            format!("the driver here is {driver}: install {MINIMUM_DRIVER} or newer"),
        ),
        46 => (
            "another program has the GPU for itself (exclusive mode)",
            "see in nvidia-smi which".to_owned(),
        ),
        100 => (
            "the NVIDIA driver shows no GPU",
            format!("see what nvidia-smi says{}", visibility()),
        ),
        802 => (
            "the GPUs are not ready",
            "machines with NVSwitch need nvidia-fabricmanager of the driver's version: start it"
                .to_owned(),
        ),
        803 => (
            "the driver's parts are of different versions",
            "reboot, so that the installed driver is loaded".to_owned(),
        ),
        804 => (
            "NVIDIA's compatibility libraries do not work with this GPU",
            format!(
                "take them out of LD_LIBRARY_PATH, or install driver {MINIMUM_DRIVER} or newer"
            ),
        ),
        _ => (
            "the NVIDIA driver does not answer",
            "see what nvidia-smi and dmesg say; a reboot may help".to_owned(),
        ),
    };
    format!("{what} (CUDA error {code}: {text}): {hint}")
}

/// How the environment limits the GPUs that are seen, and what to do; empty where it does not.
fn visibility() -> String {
    let Ok(visible) = env::var("CUDA_VISIBLE_DEVICES") else {
        return String::new();
    };
    let hint = if env::var_os("SLURM_JOB_ID").is_some() {
        "Slurm sets it to the job's GPUs, ask for more with --gpus"
    } else {
        "unset it to see all"
    };
    format!("; CUDA_VISIBLE_DEVICES is set to '{visible}': {hint}")
}

fn no_cuda_build() -> String {
    let hint = if libtorch::is_beside_program() {
        "this release runs on the CPU only; for CUDA build from a clone, see docs/libtorch.md"
    } else {
        "run scripts/setup.sh --cuda, or build with a libtorch that has CUDA, see docs/libtorch.md"
    };
    format!("this libtorch was built without CUDA: {hint}")
}

fn missing_library(error: &libloading::Error) -> String {
    let hint = if libtorch::is_from_setup() {
        "run scripts/setup.sh --cuda"
    } else {
        "install the CUDA libraries that this libtorch needs"
    };
    let reason = reason(error);
    format!("libtorch's CUDA libraries are missing ({reason}): {hint}")
}

/// The system's words for why a library does not load: first the file that is missing, then why.
fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let text = source.unwrap_or_else(|| error.to_string());
    // "libcudnn.so.9: cannot open shared object file: No such file or directory": two parts say
    // enough.
    let parts: Vec<&str> = text.split(": ").take(2).collect();
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn status(gpus: usize) -> CudaStatus {
        let gpu = Gpu {
            name: "NVIDIA T4".to_owned(),
            memory_mib: 15_360,
            capability: "7.5".to_owned(),
        };
        CudaStatus {
            driver: Some("580.95.05 (CUDA 13.0)".to_owned()),
            built: true,
            gpus: vec![gpu; gpus],
            is_deterministic: true,
            problem: None,
        }
    }

    #[test]
    fn a_gpu_that_is_not_there_is_refused_with_those_that_are() {
        for (gpus, index, expected) in [
            (0, 0, "shows no GPU: see what nvidia-smi says"),
            (2, 2, "no GPU 2: the 2 are cuda:0 to cuda:1"),
            (1, 1, "no GPU 1: the only one is cuda:0"),
        ] {
            let error = status(gpus).check(index).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(status(2).check(1).is_ok());
    }

    #[test]
    fn versions_are_read_from_cudas_numbers() {
        assert_eq!(version(13_000), "13.0");
        assert_eq!(version(12_060), "12.6");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_that_does_not_load_says_which_file_is_missing() {
        let error = cuda_library::load(Path::new("/nowhere/libtorch_cuda.so")).unwrap_err();
        assert!(reason(&error).starts_with("/nowhere/libtorch_cuda.so: "));
    }
}
