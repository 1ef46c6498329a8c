//! Where the work is done: what the user asks for, what that means on this machine, and how a
//! device is used. `cuda` tells what there is of CUDA, and why not.
//!
//! A device that is asked for by name is used or refused, never replaced. Only `auto` chooses, and
//! never Apple's GPU, which nobody has tried yet.

pub(crate) mod cuda;
pub(crate) mod libtorch;
pub(crate) mod nvidia;
pub(crate) mod tch_errors;

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::str::FromStr;

use anyhow::{Result, anyhow, bail};

use self::cuda::Facts;

/// What `--device` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceChoice {
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

impl FromStr for DeviceChoice {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let index = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).map(Self::Cuda)
        };
        let choice = match text {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            "mps" => Some(Self::Mps),
            _ => text.strip_prefix("cuda:").and_then(index),
        };
        choice
            .ok_or_else(|| anyhow!("auto, cpu, cuda or cuda:N (a GPU's index, from 0) is expected"))
    }
}

impl DeviceChoice {
    /// The device that is meant, and a note where the user should know why `auto` took the CPU, or
    /// that another libtorch is loaded than the program was built with.
    ///
    /// A GPU counts only when it works, which is tried here. Call this before anything else that
    /// has libtorch do something: it can be told of CUDA only then.
    ///
    /// # Errors
    /// When a device was asked for by name and is not usable: the message says why, and what there
    /// is.
    pub fn find(self) -> Result<(Device, Option<String>)> {
        let mut notes = Vec::from_iter(libtorch::other_than_built_with());
        let device = match self {
            Self::Cpu => Device::CPU,
            Self::Cuda(index) => {
                let facts = Facts::gather();
                facts.usable(index).map_err(|problem| {
                    let others = list((0..facts.gpus).filter(|gpu| *gpu != index));
                    anyhow!("--device cuda: {problem}. Devices here: {others}")
                })?;
                Device::gpu(tch::Device::Cuda(index))
            }
            Self::Mps if tch::utils::has_mps() => {
                notes.push("nobody has tried mps yet: compare with --device cpu".to_owned());
                Device::gpu(tch::Device::Mps)
            }
            Self::Mps => bail!("--device mps: this needs macOS on Apple silicon: use --device cpu"),
            Self::Auto => {
                let facts = Facts::gather();
                match facts.usable(0) {
                    Ok(()) => Device::gpu(tch::Device::Cuda(0)),
                    Err(problem) => {
                        // Where there is no GPU nobody expects one to be used.
                        let why = facts.driver.map(|_| format!("using the CPU: {problem}"));
                        notes.extend(why);
                        Device::CPU
                    }
                }
            }
        };
        Ok((device, (!notes.is_empty()).then(|| notes.join("; "))))
    }
}

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    tch: tch::Device,
    /// Whether it is used as a CPU is: threads share small parts, and every number is there at
    /// once. Else it is given as much as possible at once and seldom waited for.
    as_cpu: bool,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self {
        tch: tch::Device::Cpu,
        as_cpu: true,
    };

    /// The CPU in the way in which a GPU is used.
    #[cfg(test)]
    pub(super) const CPU_AS_GPU: Self = Self::gpu(tch::Device::Cpu);

    const fn gpu(tch: tch::Device) -> Self {
        Self { tch, as_cpu: false }
    }

    /// Whether it is the CPU.
    pub fn is_cpu(self) -> bool {
        self.as_cpu
    }

    /// The device as tch names it.
    pub fn tch(self) -> tch::Device {
        self.tch
    }

    /// Whether images take oneDNN's own memory layout, in which the CPU works fastest.
    pub(super) fn has_onednn_layout(self) -> bool {
        // arm64 builds of oneDNN lack kernels for that layout.
        self.is_cpu() && cfg!(target_arch = "x86_64") && tch::utils::has_mkldnn()
    }

    /// Images scored in one forward pass: on a GPU all of a usual test set at once; on a CPU 250,
    /// where the cost of calling an operation no longer shows (measured: below 100 it does; from
    /// 125 to 1,000 times differ by a few percent only, and small chunks share better among
    /// threads).
    pub(super) fn chunk(self) -> usize {
        if self.is_cpu() { 250 } else { 10_000 }
    }

    /// Images of one part of a batch, so that several threads can share its gradient. It follows
    /// from the batch alone, so every number is the same for any number of threads: 50 to 125
    /// (measured to cost least an image), about eight parts in between, all nearly equal, and an
    /// even number of them, as most machines have of cores. A GPU takes the whole.
    pub(super) fn part(self, batch: usize) -> usize {
        if !self.is_cpu() {
            return batch;
        }
        let parts = batch.div_ceil(batch.div_ceil(8).clamp(50, 125));
        batch.div_ceil(parts - usize::from(parts > 1) * (parts % 2))
    }

    /// Steps whose numbers are read at once. A CPU has them at once; a GPU must not be waited for
    /// at every step.
    pub(super) fn steps_per_read(self) -> usize {
        if self.is_cpu() { 1 } else { 32 }
    }

    /// Threads that are of use out of `threads`: one is enough to keep a GPU busy.
    pub(super) fn threads(self, threads: NonZeroUsize) -> usize {
        if self.is_cpu() { threads.get() } else { 1 }
    }

    /// Settings for the whole process and for the calling thread.
    pub(super) fn prepare(self) {
        one_thread_per_operation();
        if self.is_cpu() {
            keep_freed_memory();
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tch {
            tch::Device::Cpu => write!(f, "cpu"),
            tch::Device::Cuda(index) => write!(f, "cuda:{index}"),
            tch::Device::Mps => write!(f, "mps"),
            tch::Device::Vulkan => write!(f, "vulkan"),
        }
    }
}

/// Makes the calling thread run every tensor operation by itself, without libtorch's own threads.
///
/// Those wait for each other after each operation, which costs most of the time where other
/// programs want the cores too; and sums would depend on their number.
pub fn one_thread_per_operation() {
    tch::set_num_threads(1);
}

/// Makes glibc keep memory that tensors give back, for the next ones. It would otherwise return
/// most of it to the system after each step of training and get it again page by page: a quarter
/// of the time where little is scored.
fn keep_freed_memory() {
    // glibc learns from what it sees: once a block of up to 32 MiB that had been mapped by itself
    // is freed, smaller ones come from the heap, of which twice that much may lie idle. The
    // block's pages are never touched.
    const LARGEST_THAT_COUNTS: usize = (32 << 20) - 8_192;
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        drop(black_box(Vec::<u8>::with_capacity(LARGEST_THAT_COUNTS)));
    }
}

/// The CPU and these GPUs, for people: `cpu, cuda:0`.
pub(crate) fn list(gpus: impl Iterator<Item = usize>) -> String {
    let gpus = gpus.map(|index| format!(", cuda:{index}"));
    std::iter::once("cpu".to_owned()).chain(gpus).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_from_their_names() {
        let names = ["auto", "cpu", "cuda", "cuda:3", "mps"];
        let read = names.map(|name| name.parse::<DeviceChoice>().unwrap());
        let (first, fourth) = (DeviceChoice::Cuda(0), DeviceChoice::Cuda(3));
        let (auto, cpu, mps) = (DeviceChoice::Auto, DeviceChoice::Cpu, DeviceChoice::Mps);
        assert_eq!(read, [auto, cpu, first, fourth, mps]);
    }
}
