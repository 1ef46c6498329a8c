//! Which libtorch is loaded, and CUDA: is it usable, and if not, why not.
//!
//! It owns the one piece of unsafe code, which loads libtorch's CUDA library. Linux linkers drop
//! that library from a program that calls nothing in it by name, and libtorch then says "no CUDA"
//! without a word. Loading it at run time, when CUDA is asked for, mends that; and a run on the
//! CPU does not pay for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail, ensure};

use super::tch_errors;

/// The version of libtorch this program was built for.
const LIBTORCH_VERSION: &str = env!("LIBTORCH_VERSION");

/// The folder it is to be in; `$ORIGIN` stands for that of the program.
const LIBTORCH_FOLDER: &str = env!("LIBTORCH_FOLDER");

/// The oldest driver that runs the CUDA libraries of `scripts/setup.sh --cuda`.
const MINIMUM_DRIVER: &str = env!("CUDA_MINIMUM_DRIVER");

const LIBRARY: &str = "libtorch_cuda.so";

const DRIVER_FILE: &str = "/proc/driver/nvidia/version";

/// What this machine has for CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Whether this libtorch has a CUDA library.
    pub built: bool,
    /// Why libtorch's CUDA library does not load; `None` when it does, or was not tried.
    pub load_error: Option<String>,
    /// The NVIDIA driver's version.
    pub driver: Option<String>,
    /// GPUs that libtorch sees.
    pub gpus: usize,
    /// The environment variable `CUDA_VISIBLE_DEVICES`.
    pub visible: Option<String>,
}

impl Facts {
    /// Looks at this machine. Loads libtorch's CUDA library if there is a driver to use it with.
    pub(crate) fn gather() -> Self {
        let folder = libtorch_folder();
        let library = folder
            .map(|folder| folder.join(LIBRARY))
            .filter(|path| path.is_file());
        let driver = driver();
        let load = |path: &Path| driver.as_ref().and_then(|_| load(path).err());
        let load_error = library.as_deref().and_then(load);
        let usable = driver.is_some() && library.is_some() && load_error.is_none();
        Self {
            built: library.is_some(),
            load_error,
            driver,
            gpus: if usable { gpus() } else { 0 },
            visible: std::env::var("CUDA_VISIBLE_DEVICES").ok(),
        }
    }

    /// Whether GPU `index` can be used. The error is the first thing that is in the way, in the
    /// order in which a user would have to mend them.
    pub(crate) fn check(&self, index: usize) -> Result<()> {
        let Some(driver) = &self.driver else {
            bail!(
                "there is no NVIDIA driver on this machine: \
                 install driver {MINIMUM_DRIVER} or newer"
            );
        };
        ensure!(
            self.built,
            "this libtorch was built without CUDA: run scripts/setup.sh --cuda, \
             or point LIBTORCH at a CUDA build"
        );
        // A driver that works is not too old: compatibility packages let older ones run newer
        // libraries.
        ensure!(
            self.gpus > 0 || !is_older(driver, MINIMUM_DRIVER),
            "the NVIDIA driver {driver} is too old: install driver {MINIMUM_DRIVER} or newer"
        );
        if let Some(reason) = &self.load_error {
            bail!("libtorch's CUDA libraries are missing ({reason}): run scripts/setup.sh --cuda");
        }
        match (self.gpus, &self.visible) {
            (0, None) => bail!("the NVIDIA driver shows no GPU: see what nvidia-smi says"),
            (0, Some(visible)) => bail!(
                "the NVIDIA driver shows no GPU; CUDA_VISIBLE_DEVICES is set to '{visible}': \
                 unset it to see all"
            ),
            (1, _) if index > 0 => bail!("there is no GPU {index}: the only one is cuda:0"),
            (gpus, _) if index >= gpus => bail!(
                "there is no GPU {index}: the {gpus} GPUs are cuda:0 to cuda:{}",
                gpus - 1
            ),
            _ => Ok(()),
        }
    }
}

fn gpus() -> usize {
    tch_errors::call(|| Ok(usize::try_from(tch::Cuda::device_count())?)).unwrap_or(0)
}

/// Loads libtorch's CUDA library into the program, once and for good.
fn load(path: &Path) -> Result<(), String> {
    static LOADED: OnceLock<Result<(), String>> = OnceLock::new();
    let load = || load_library(path).map_err(|error| reason(&error));
    LOADED.get_or_init(load).clone()
}

#[expect(
    unsafe_code,
    reason = "loading a library runs its initialisers, whatever they are"
)]
fn load_library(path: &Path) -> Result<(), libloading::Error> {
    // SAFETY: the file is libtorch's own, of the same folder and build as the libtorch_cpu.so that
    // is loaded already; its initialisers register CUDA with that and do nothing else. No symbol
    // is taken from it, and it is never unloaded.
    let library = unsafe { libloading::Library::new(path) }?;
    std::mem::forget(library);
    Ok(())
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

/// Whether a driver seems to be there; costs nothing, unlike asking it.
pub(crate) fn sees_driver() -> bool {
    // /dev/dxg is how Windows lends its GPU to a Linux within it.
    Path::new(DRIVER_FILE).exists() || Path::new("/dev/dxg").exists()
}

/// Name and memory of each GPU, as the driver's own tool tells them.
pub(crate) fn gpu_names() -> Vec<String> {
    let text = nvidia_smi("index,name,memory.total").unwrap_or_default();
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// The driver's version, such as `580.95.05`; `None` where there is no driver.
fn driver() -> Option<String> {
    match fs::read_to_string(DRIVER_FILE) {
        Ok(text) => driver_version(&text).or(Some("of unknown version".to_owned())),
        Err(_) => nvidia_smi("driver_version")?
            .lines()
            .next()
            .map(|line| line.trim().to_owned()),
    }
}

/// Finds `580.95.05` in "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  ...".
fn driver_version(text: &str) -> Option<String> {
    let is_version =
        |word: &&str| word.contains('.') && word.split('.').all(|part| part.parse::<u32>().is_ok());
    let mut words = text.lines().next()?.split_whitespace();
    words.find(is_version).map(str::to_owned)
}

fn nvidia_smi(fields: &str) -> Option<String> {
    let arguments = [&format!("--query-gpu={fields}"), "--format=csv,noheader"];
    let output = Command::new("nvidia-smi").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then_some(text)
}

/// Compares the first numbers, which are what CUDA asks for: is 570.86 older than 580?
fn is_older(found: &str, wanted: &str) -> bool {
    let major = |version: &str| version.split('.').next()?.parse::<u32>().ok();
    matches!((major(found), major(wanted)), (Some(found), Some(wanted)) if found < wanted)
}

/// The folder of the libtorch libraries that are loaded, where the system tells (Linux).
pub(crate) fn libtorch_folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    // A line is: addresses, permissions, offset, device, inode, path; the path may hold spaces.
    let line = maps.lines().find(|line| line.contains("/libtorch_cpu."))?;
    let path = &line[line.find('/')?..];
    Path::new(path).parent().map(Path::to_owned)
}

/// What the loaded libtorch says of itself, such as `2.13.0+cu130`, else what the program was
/// built for.
pub(crate) fn libtorch_version() -> String {
    loaded_version().unwrap_or_else(|| LIBTORCH_VERSION.to_owned())
}

fn loaded_version() -> Option<String> {
    libtorch_folder().and_then(|folder| version_in(folder.parent()?))
}

/// Where the program is to find libtorch, if what is loaded comes from elsewhere.
pub(crate) fn expected_folder() -> Option<PathBuf> {
    let loaded = libtorch_folder()?;
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?.to_string_lossy();
    let expected = PathBuf::from(LIBTORCH_FOLDER.replace("$ORIGIN", &beside));
    let is_loaded = fs::canonicalize(&expected).is_ok_and(|folder| folder == loaded);
    (!is_loaded).then_some(expected)
}

/// What to tell the user where a libtorch of another version is loaded, or one from elsewhere whose
/// version nobody knows: its numbers may be others.
pub(crate) fn other_libtorch() -> Option<String> {
    let (folder, version) = (libtorch_folder()?, loaded_version());
    let release = version
        .as_deref()
        .and_then(|version| version.split('+').next());
    if release.map_or(expected_folder().is_none(), |it| it == LIBTORCH_VERSION) {
        return None;
    }
    let (found, folder) = (release.unwrap_or("of unknown version"), folder.display());
    Some(format!(
        "libtorch {found} in {folder} is loaded, and this program was built with \
         {LIBTORCH_VERSION}: see what LD_PRELOAD and LD_LIBRARY_PATH name, or build it again"
    ))
}

/// The version in `build-version` (libtorch as a zip) or `version.py` (a Python wheel).
fn version_in(folder: &Path) -> Option<String> {
    if let Ok(text) = std::fs::read_to_string(folder.join("build-version")) {
        return text.lines().next().map(str::to_owned);
    }
    let text = std::fs::read_to_string(folder.join("version.py")).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaded_libtorch_is_the_one_built_for() {
        tch::utils::has_openmp();
        let version = libtorch_version();
        assert_eq!(version.split('+').next(), Some(LIBTORCH_VERSION));
    }

    #[test]
    fn each_problem_names_its_cause() {
        let good = |gpus| Facts {
            built: true,
            load_error: None,
            driver: Some("580.95.05".to_owned()),
            gpus,
            visible: None,
        };
        let mut all = [(); 4].map(|()| good(0));
        all[0].driver = None;
        all[1].built = false;
        all[2].load_error = Some("libcudnn.so.9: cannot open".to_owned());
        all[3].visible = Some(String::new());
        let [no_driver, not_built, no_cudnn, hidden] = all;
        let old = |gpus| Facts {
            driver: Some("570.86".to_owned()),
            ..good(gpus)
        };
        for (facts, index, expected) in [
            (no_driver, 0, "no NVIDIA driver"),
            (not_built, 0, "built without CUDA"),
            (
                no_cudnn,
                0,
                "missing (libcudnn.so.9: cannot open): run scripts/setup.sh --cuda",
            ),
            (old(0), 0, "driver 570.86 is too old: install driver 580"),
            (good(0), 0, "shows no GPU: see what nvidia-smi says"),
            (hidden, 0, "CUDA_VISIBLE_DEVICES is set to ''"),
            (good(2), 2, "no GPU 2: the 2 GPUs are cuda:0 to cuda:1"),
            (good(1), 1, "no GPU 1: the only one is cuda:0"),
        ] {
            let error = facts.check(index).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(good(2).check(1).is_ok());
        // NVIDIA's compatibility packages let older drivers run newer libraries.
        assert!(old(2).check(0).is_ok());
    }

    #[test]
    fn driver_versions_are_found_and_compared() {
        let text =
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release\nGCC";
        assert_eq!(driver_version(text).as_deref(), Some("580.95.05"));
        assert_eq!(driver_version("nothing"), None);
        assert!(is_older("570.172.08", "580") && !is_older("580.65.06", "580"));
        assert!(!is_older("1000.1", "580") && !is_older("of unknown version", "580"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_that_does_not_load_says_which_file_is_missing() {
        let error = load_library(Path::new("/nowhere/libtorch_cuda.so")).unwrap_err();
        assert!(reason(&error).starts_with("/nowhere/libtorch_cuda.so: "));
    }
}
