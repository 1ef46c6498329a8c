//! Where training runs: what the user asks for, and what that means on this machine.
//!
//! A device that is asked for by name is used or refused, never replaced. Only `auto` chooses. `nvidia` and `cuda` tell
//! what there is, and why not.

pub mod cuda;
pub mod nvidia;

use std::fmt;
use std::num::NonZeroUsize;
use std::str::FromStr;
use std::thread;

use anyhow::{Result, bail};

use super::libtorch;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Choice {
    /// The first GPU where CUDA is usable, else the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The GPU of this index, from 0.
    Cuda(usize),
    /// Apple's GPU.
    Mps,
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown =
            || "auto, cpu, cuda, cuda:N (a GPU's index, from 0) or mps is expected".to_owned();
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            "mps" => Ok(Self::Mps),
            _ => {
                let index = text.strip_prefix("cuda:").ok_or_else(unknown)?;
                let is_number = index.bytes().all(|byte| byte.is_ascii_digit());
                index
                    .parse()
                    .ok()
                    .filter(|_| is_number)
                    .map(Self::Cuda)
                    .ok_or_else(unknown)
            }
        }
    }
}

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device(tch::Device);

/// A device, and what the user should know about how it was chosen.
#[derive(Debug, Clone)]
pub struct Selection {
    /// The device.
    pub device: Device,
    /// Why `auto` took the CPU although there is an NVIDIA driver.
    pub note: Option<String>,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self(tch::Device::Cpu);

    /// Whether it is the CPU.
    #[must_use]
    pub fn is_cpu(self) -> bool {
        self.0 == tch::Device::Cpu
    }

    /// The device as tch names it.
    pub(super) fn tch(self) -> tch::Device {
        self.0
    }

    /// Steps whose numbers are read at once. A CPU has them at once; a GPU must not be waited for at every step.
    pub(super) fn steps_per_read(self) -> usize {
        if self.is_cpu() { 1 } else { 32 }
    }

    /// Settings that count for the whole process.
    pub(super) fn prepare(self) {
        if self.0.is_cuda() {
            // Shapes are the same at every step, so it pays to let cuDNN try which algorithm is fastest.
            tch::Cuda::cudnn_set_benchmark(true);
        }
        if self.is_cpu() {
            libtorch::keep_freed_memory();
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            tch::Device::Cpu => write!(f, "cpu"),
            tch::Device::Cuda(index) => write!(f, "cuda:{index}"),
            tch::Device::Mps => write!(f, "mps"),
            tch::Device::Vulkan => write!(f, "vulkan"),
        }
    }
}

/// The cores that this process may use, at least one.
#[must_use]
pub fn cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Finds the device that `choice` means.
///
/// # Errors
/// When a device was asked for by name and is not usable: the message says why, and what there is.
pub fn select(choice: Choice) -> Result<Selection> {
    let chosen = |device| Ok(Selection { device, note: None });
    match choice {
        Choice::Cpu => chosen(Device::CPU),
        Choice::Cuda(index) => {
            let facts = cuda::Facts::gather();
            if let Err(problem) = facts.check(index) {
                bail!(
                    "--device cuda: {problem}. Devices here: {}",
                    names(&available(&facts))
                );
            }
            chosen(Device(tch::Device::Cuda(index)))
        }
        Choice::Mps if tch::utils::has_mps() => chosen(Device(tch::Device::Mps)),
        Choice::Mps => {
            let here = names(&available(&cuda::Facts::gather()));
            bail!("--device mps: this needs macOS on Apple silicon. Devices here: {here}")
        }
        Choice::Auto if !nvidia::sees_driver() => chosen(Device::CPU),
        Choice::Auto => match cuda::Facts::gather().check(0) {
            Ok(()) => chosen(Device(tch::Device::Cuda(0))),
            Err(problem) => Ok(Selection {
                device: Device::CPU,
                note: Some(format!("using the CPU: {problem}")),
            }),
        },
    }
}

/// The devices that can be used.
#[must_use]
pub fn available(facts: &cuda::Facts) -> Vec<Device> {
    let gpus = (0..facts.gpus).map(|index| Device(tch::Device::Cuda(index)));
    let mps = tch::utils::has_mps().then_some(Device(tch::Device::Mps));
    std::iter::once(Device::CPU)
        .chain(gpus)
        .chain(mps)
        .collect()
}

/// Names for people: `cpu, cuda:0`.
#[must_use]
pub fn names(devices: &[Device]) -> String {
    devices
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_their_names() {
        for (text, choice) in [
            ("auto", Choice::Auto),
            ("cpu", Choice::Cpu),
            ("cuda", Choice::Cuda(0)),
            ("cuda:3", Choice::Cuda(3)),
            ("mps", Choice::Mps),
        ] {
            assert_eq!(text.parse(), Ok(choice));
        }
        for text in [
            "",
            "gpu",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:+1",
            "CPU",
            "cuda:99999999999999999999",
        ] {
            assert!(
                text.parse::<Choice>().unwrap_err().contains("cuda:N"),
                "{text}"
            );
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        let none = cuda::Facts {
            built: false,
            load_error: None,
            driver: None,
            gpus: 0,
            visible: None,
        };
        assert!(available(&none).contains(&Device::CPU));
        let two = cuda::Facts { gpus: 2, ..none };
        assert!(names(&available(&two)).starts_with("cpu, cuda:0, cuda:1"));
    }
}
