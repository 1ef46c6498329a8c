//! CUDA: is it usable, and if not, why not.
//!
//! It owns the one piece of unsafe code, which loads libtorch's CUDA library. Linux linkers drop
//! that library from a program that calls nothing in it by name, and libtorch then says "no CUDA"
//! without a word. Loading it at run time, when CUDA is asked for, mends that; and a run on the
//! CPU does not pay for it.
//!
//! Order matters: libtorch keeps for good what it finds when it is first asked for CUDA, and starts
//! the threads of its backward passes once. So a device is found before libtorch does anything.

use std::path::Path;

use anyhow::{Result, anyhow, bail, ensure};
use tch::{Kind, Tensor};

use super::{libtorch, nvidia, tch_errors};

/// The oldest driver that runs the CUDA libraries of `scripts/setup.sh --cuda`.
const MINIMUM_DRIVER: &str = env!("CUDA_MINIMUM_DRIVER");

const LIBRARY: &str = "libtorch_cuda.so";

/// What this machine has for CUDA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The NVIDIA driver's version.
    pub driver: Option<String>,
    /// Whether this libtorch has a CUDA library.
    pub built: bool,
    /// Whether it is the project's own, whose minimum is known.
    from_setup: bool,
    /// Why libtorch's CUDA library cannot be used; `None` when it can, or was not tried.
    load_error: Option<String>,
    /// GPUs that libtorch sees.
    pub gpus: usize,
    /// The environment variable `CUDA_VISIBLE_DEVICES`.
    visible: Option<String>,
}

impl Facts {
    /// Looks at this machine. Loads libtorch's CUDA library, 470 MB, where it can be of use.
    pub(crate) fn gather() -> Self {
        let library = libtorch::folder().map(|folder| folder.join(LIBRARY));
        let library = library.filter(|path| path.is_file());
        let mut facts = Self {
            driver: nvidia::driver(),
            built: library.is_some(),
            from_setup: libtorch::is_from_setup(),
            load_error: None,
            gpus: 0,
            visible: std::env::var("CUDA_VISIBLE_DEVICES").ok(),
        };
        if let Some(path) = library.filter(|_| facts.check_system().is_ok()) {
            facts.load_error = load(&path).err().map(|problem| problem.to_string());
            if facts.load_error.is_none() {
                facts.gpus = count();
            }
        }
        facts
    }

    /// Whether GPU `index` can be used: it is there, and it computes.
    pub(crate) fn usable(&self, index: usize) -> Result<()> {
        self.check(index)?;
        probe(tch::Device::Cuda(index)).map_err(|error| {
            let name = nvidia::gpus(self.gpus).into_iter().nth(index);
            let name = name.map_or(String::new(), |name| format!(" ({name})"));
            anyhow!(
                "cuda:{index}{name} does not work: {}",
                explained(&error.to_string())
            )
        })
    }

    /// Whether GPU `index` is there. The error is the first thing that is in the way, in the order
    /// in which a user would have to mend them.
    fn check(&self, index: usize) -> Result<()> {
        self.check_system()?;
        if let Some(problem) = &self.load_error {
            bail!("{problem}");
        }
        if index < self.gpus {
            return Ok(());
        }
        let seen = match self.gpus {
            0 => "the NVIDIA driver shows no GPU: see what nvidia-smi says".to_owned(),
            1 => format!("there is no GPU {index}: the only one is cuda:0"),
            gpus => format!(
                "there is no GPU {index}: the {gpus} are cuda:0 to cuda:{}",
                gpus - 1
            ),
        };
        match &self.visible {
            None => bail!("{seen}"),
            Some(visible) => {
                bail!("{seen}; CUDA_VISIBLE_DEVICES is set to '{visible}': unset it to see all")
            }
        }
    }

    /// Whether libtorch's CUDA library is worth its loading.
    fn check_system(&self) -> Result<()> {
        let Some(driver) = &self.driver else {
            bail!(
                "there is no NVIDIA driver here: install driver {MINIMUM_DRIVER} or newer; \
                 a container has to be given the GPU (--gpus all)"
            );
        };
        ensure!(
            self.built,
            "this libtorch was built without CUDA: run scripts/setup.sh --cuda, \
             or point LIBTORCH at a CUDA build"
        );
        ensure!(
            !(self.from_setup && nvidia::is_older(driver, MINIMUM_DRIVER)),
            "the NVIDIA driver {driver} is too old: install driver {MINIMUM_DRIVER} or newer"
        );
        Ok(())
    }
}

fn count() -> usize {
    tch_errors::call(|| Ok(usize::try_from(tch::Cuda::device_count())?)).unwrap_or(0)
}

/// Makes a device do what training does: a convolution and its gradient, read back. Libraries that
/// are missing and machine code that does not fit show only then.
fn probe(device: tch::Device) -> Result<()> {
    let gradient = tch_errors::call(|| {
        let images = Tensor::f_ones([1, 1, 4, 4], (Kind::Float, device))?;
        let weights = Tensor::f_ones([1, 1, 3, 3], (Kind::Float, device))?;
        let weights = weights.f_set_requires_grad(true)?;
        let maps = images.f_conv2d::<Tensor>(&weights, None, [1, 1], [0, 0], [1, 1], 1)?;
        let sum = maps.f_sum(Kind::Float)?;
        let gradient = Tensor::f_run_backward(&[sum], &[weights], false, false)?;
        Ok(Vec::<f32>::try_from(gradient[0].f_reshape([-1])?)?)
    })?;
    // Each weight meets the four places of the image where the filter fits.
    ensure!(gradient == [4.0; 9], "it gives wrong numbers: {gradient:?}");
    Ok(())
}

/// What libtorch's words about a GPU that does not work mean, and the words.
fn explained(words: &str) -> String {
    // What follows the first sentence are numbers.
    let words = words.split(". ").next().unwrap_or(words);
    let say = |part| words.contains(part);
    let meaning = if say("out of memory") {
        "its memory is full, see what nvidia-smi shows"
    } else if say("busy or unavailable") {
        "another program has it for itself (exclusive mode), see what nvidia-smi shows"
    } else if say("cuDNN") || say("CUDNN") {
        "cuDNN is missing or of another version, run scripts/setup.sh --cuda"
    } else if say("driver version is insufficient") {
        "the driver is too old for this libtorch"
    } else if say("kernel image") {
        concat!(
            "this libtorch has no code for its compute capability, that of scripts/setup.sh for ",
            env!("CUDA_MINIMUM_CAPABILITY"),
            " and newer; docs/libtorch.md says how to use another"
        )
    } else {
        return words.to_owned();
    };
    format!("{meaning} ({words})")
}

/// Loads libtorch's CUDA library into the program, for good.
fn load(path: &Path) -> Result<()> {
    load_library(path).map_err(|error| {
        let reason = reason(&error);
        anyhow!("libtorch's CUDA libraries are missing ({reason}): run scripts/setup.sh --cuda")
    })?;
    ensure!(
        tch::utils::has_cudart(),
        "libtorch was asked for CUDA before its CUDA library was loaded, and keeps to its answer: \
         find the device before all else"
    );
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_names_its_cause() {
        let with = |gpus, change: fn(&mut Facts)| {
            let mut facts = Facts {
                built: true,
                from_setup: true,
                load_error: None,
                driver: Some("580.95.05".to_owned()),
                gpus,
                visible: None,
            };
            change(&mut facts);
            facts
        };
        let good = |gpus| with(gpus, |_| {});
        let no_driver = with(0, |facts| facts.driver = None);
        let not_built = with(0, |facts| facts.built = false);
        let old = with(0, |facts| facts.driver = Some("570.86".to_owned()));
        let hidden = with(0, |facts| facts.visible = Some(String::new()));
        let only_one = with(1, |facts| facts.visible = Some("1".to_owned()));
        let (from_setup, gpus) = (false, 1);
        let of_the_user = Facts {
            from_setup,
            gpus,
            ..old.clone()
        };
        for (facts, index, expected) in [
            (no_driver, 0, "no NVIDIA driver"),
            (not_built, 0, "built without CUDA"),
            (old, 0, "driver 570.86 is too old: install driver 580"),
            (good(0), 0, "shows no GPU: see what nvidia-smi says"),
            (hidden, 0, "CUDA_VISIBLE_DEVICES is set to ''"),
            (good(2), 2, "no GPU 2: the 2 are cuda:0 to cuda:1"),
            (good(1), 1, "no GPU 1: the only one is cuda:0"),
            (only_one, 9, "cuda:0; CUDA_VISIBLE_DEVICES is set to '1'"),
        ] {
            let error = facts.check(index).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert!(good(2).check(1).is_ok());
        // Whether a libtorch of the user's runs with this driver, only the probe can tell.
        assert!(of_the_user.check(0).is_ok());
    }

    #[test]
    fn a_device_that_works_passes_the_probe() {
        probe(tch::Device::Cpu).unwrap();
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_library_that_does_not_load_says_which_file_is_missing() {
        let error = load_library(Path::new("/nowhere/libtorch_cuda.so")).unwrap_err();
        assert!(reason(&error).starts_with("/nowhere/libtorch_cuda.so: "));
    }
}
