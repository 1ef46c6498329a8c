//! Device selection: resolves `--device` on this machine, and tests that a GPU computes correctly.

use std::num::NonZeroUsize;

use anyhow::{Context, Result, anyhow, bail, ensure};

use super::batches::Config;
use super::checkpoint::State;
use super::device::cuda::CudaStatus;
use super::device::{Device, DeviceChoice, libtorch, list};
use super::training::Training;
use crate::data::{Dataset, PIXELS, SIDE, Split};

impl DeviceChoice {
    /// Selects the device. Also returns a note if `auto` fell back to the CPU, or if the loaded
    /// libtorch is not the one the program was built with.
    ///
    /// A GPU is usable only if a trial training step succeeds. Call this before any other use of
    /// libtorch, because its CUDA libraries can only be loaded before the first tensor exists.
    ///
    /// # Errors
    /// When an explicitly requested device is not usable. The message says why, and lists the
    /// available devices.
    pub fn find(self) -> Result<(Device, Option<String>)> {
        let mut notes = Vec::from_iter(libtorch::version_mismatch());
        let device = match self {
            Self::Cpu => Device::CPU,
            Self::Cuda(index) => {
                let status = CudaStatus::detect();
                let device = usable_gpu(&status, index).map_err(|problem| {
                    let others = list((0..status.gpus.len()).filter(|gpu| *gpu != index));
                    anyhow!("--device cuda: {problem:#}. Devices here: {others}")
                })?;
                notes.extend(chance_note(&status));
                device
            }
            Self::Mps if tch::utils::has_mps() => {
                notes.push("nobody has tried mps yet: compare with --device cpu".to_owned());
                Device::gpu(tch::Device::Mps)
            }
            Self::Mps => bail!("--device mps: this needs macOS on Apple silicon: use --device cpu"),
            Self::Auto => {
                let status = CudaStatus::detect();
                match usable_gpu(&status, 0) {
                    Ok(device) => {
                        notes.extend(chance_note(&status));
                        device
                    }
                    Err(problem) => {
                        // Without a GPU, falling back to the CPU needs no note.
                        let why = status.driver.map(|_| format!("using the CPU: {problem:#}"));
                        notes.extend(why);
                        Device::CPU
                    }
                }
            }
        };
        Ok((device, (!notes.is_empty()).then(|| notes.join("; "))))
    }
}

/// GPU `index`, if it exists and passes the trial step.
pub(crate) fn usable_gpu(status: &CudaStatus, index: usize) -> Result<Device> {
    let gpu = status.check(index)?;
    let device = Device::gpu(tch::Device::Cuda(index));
    probe(device).with_context(|| format!("{device} ({gpu}) does not work"))?;
    Ok(device)
}

fn chance_note(status: &CudaStatus) -> Option<String> {
    let note = "this libtorch cannot be told to add up in order: the same seed may give other \
                digits in every run";
    (!status.is_deterministic).then(|| note.to_owned())
}

/// Runs one training step and one scoring pass on a device, and compares its loss with the CPU's.
/// Missing libraries, incompatible kernels and a lack of memory only show in such a trial.
fn probe(device: Device) -> Result<()> {
    let (found, expected) = (first_loss(device)?, first_loss(Device::CPU)?);
    ensure!(
        // TF32, if it cannot be disabled, is accurate to three digits.
        (found - expected).abs() < 0.01,
        "it gives wrong numbers: a loss of {found} where the CPU has {expected}"
    );
    Ok(())
}

/// The article network's first loss on ten synthetic images.
fn first_loss(device: Device) -> Result<f32> {
    let pixels = (0..=u8::MAX).cycle().take(10 * PIXELS).collect();
    let images = Dataset::new([SIDE; 2], pixels, (0..10).collect())?;
    let split = Split {
        name: "probe".to_owned(),
        classes: (0..10).map(|class| class.to_string()).collect(),
        train: images.clone(),
        test: images,
        set: None,
        preparation: None,
        pictures: None,
        notes: Vec::new(),
    };
    let config = Config {
        epochs: NonZeroUsize::MIN,
        ..Config::default()
    };
    let state = State::new(&config, split.classes.len())?;
    let mut training = Training::new(&config, &state, &split, device, NonZeroUsize::MIN)?;
    let step = training.next().context("no training step was run")??;
    Ok(step.train_loss)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_computes_passes_the_probe() {
        probe(Device::CPU).unwrap();
        probe(Device::CPU_AS_GPU).unwrap();
    }
}
