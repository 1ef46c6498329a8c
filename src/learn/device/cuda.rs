//! CUDA: is it usable, and if not, why not.
//!
//! It owns the one piece of unsafe code, which loads libtorch's CUDA library. Linux linkers drop that library
//! from a program that calls nothing in it by name, and libtorch then says "no CUDA" without a word. Loading it at
//! run time, when CUDA is asked for, mends that; and a run on the CPU does not pay for it.

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use super::super::libtorch;
use super::nvidia;

/// The oldest driver that runs the CUDA libraries of `scripts/setup.sh --cuda`.
pub const MINIMUM_DRIVER: &str = env!("CUDA_MINIMUM_DRIVER");

const LIBRARY: &str = "libtorch_cuda.so";

/// What this machine has for CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
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

/// Why a GPU cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// libtorch was built without CUDA.
    NotBuilt,
    /// libtorch's CUDA library does not load, for the reason given.
    LibrariesMissing(String),
    /// No driver.
    NoDriver,
    /// The driver is older than [`MINIMUM_DRIVER`].
    DriverTooOld(String),
    /// A driver, but no GPU; with `CUDA_VISIBLE_DEVICES` where that is set.
    NoGpu(Option<String>),
    /// There are fewer GPUs than this index needs.
    NoSuchIndex {
        /// The GPU asked for, from 0.
        index: usize,
        /// The number of GPUs.
        gpus: usize,
    },
}

impl Facts {
    /// Looks at this machine. Loads libtorch's CUDA library if there is a driver to use it with.
    #[must_use]
    pub fn gather() -> Self {
        let folder = libtorch::folder();
        let library = folder
            .map(|folder| folder.join(LIBRARY))
            .filter(|path| path.is_file());
        let driver = nvidia::driver();
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

    /// Whether GPU `index` can be used.
    ///
    /// # Errors
    /// The first thing that is in the way, in the order in which a user would have to mend them.
    pub fn check(&self, index: usize) -> Result<(), Problem> {
        let Some(driver) = &self.driver else {
            return Err(Problem::NoDriver);
        };
        if !self.built {
            return Err(Problem::NotBuilt);
        }
        if self.gpus == 0 && nvidia::is_older(driver, MINIMUM_DRIVER) {
            return Err(Problem::DriverTooOld(driver.clone()));
        }
        if let Some(reason) = &self.load_error {
            return Err(Problem::LibrariesMissing(reason.clone()));
        }
        if self.gpus == 0 {
            return Err(Problem::NoGpu(self.visible.clone()));
        }
        if index >= self.gpus {
            return Err(Problem::NoSuchIndex {
                index,
                gpus: self.gpus,
            });
        }
        Ok(())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt => {
                write!(
                    f,
                    "this libtorch was built without CUDA: run scripts/setup.sh --cuda, or point LIBTORCH at a CUDA build"
                )
            }
            Self::LibrariesMissing(reason) => {
                write!(
                    f,
                    "libtorch's CUDA libraries are missing ({reason}): run scripts/setup.sh --cuda"
                )
            }
            Self::NoDriver => {
                write!(
                    f,
                    "there is no NVIDIA driver on this machine: install driver {MINIMUM_DRIVER} or newer"
                )
            }
            Self::DriverTooOld(found) => {
                write!(
                    f,
                    "the NVIDIA driver {found} is too old: install driver {MINIMUM_DRIVER} or newer"
                )
            }
            Self::NoGpu(None) => write!(
                f,
                "the NVIDIA driver shows no GPU: see what nvidia-smi says"
            ),
            Self::NoGpu(Some(visible)) => {
                write!(
                    f,
                    "the NVIDIA driver shows no GPU; CUDA_VISIBLE_DEVICES is set to '{visible}': unset it to see all"
                )
            }
            Self::NoSuchIndex { index, gpus: 1 } => {
                write!(f, "there is no GPU {index}: the only one is cuda:0")
            }
            Self::NoSuchIndex { index, gpus } => {
                write!(
                    f,
                    "there is no GPU {index}: the {gpus} GPUs are cuda:0 to cuda:{}",
                    gpus - 1
                )
            }
        }
    }
}

fn gpus() -> usize {
    libtorch::call(|| Ok(tch::Cuda::device_count()))
        .map_or(0, |count| usize::try_from(count).unwrap_or(0))
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
    // SAFETY: the file is libtorch's own, of the same folder and build as the libtorch_cpu.so that is loaded already;
    // its initialisers register CUDA with that and do nothing else. No symbol is taken from it, and it is never unloaded.
    let library = unsafe { libloading::Library::new(path) }?;
    std::mem::forget(library);
    Ok(())
}

/// The system's words for why a library does not load, which begin with the name of the file that is missing.
fn reason(error: &libloading::Error) -> String {
    let source = std::error::Error::source(error).map(ToString::to_string);
    let text = source.unwrap_or_else(|| error.to_string());
    // "libcudnn.so.9: cannot open shared object file: No such file or directory": two parts say enough.
    let parts: Vec<&str> = text.split(": ").take(2).collect();
    parts.join(": ")
}

#[cfg(test)]
mod tests;
