//! Where the work is done: the CPU or a GPU, and how each is used.
//!
//! A device that is asked for by name is used or refused, never replaced. Only `auto` chooses, and
//! never Apple's GPU, which nobody has tried yet. `cuda` says what there is of CUDA and why not,
//! `cuda_library` talks to NVIDIA's libraries, `libtorch` says which libtorch is loaded, and
//! `tch_errors` turns libtorch's failures into errors of one line.

pub(crate) mod cuda;
mod cuda_library;
pub(crate) mod libtorch;
pub(crate) mod tch_errors;

use std::fmt;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::str::FromStr;

use anyhow::{Result, anyhow};
use tch::Tensor;

use self::cuda::GpuRecord;
pub(crate) use self::cuda_library::on_terminate;

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

/// Memory for the output of one layer while a GPU scores; two to three are there at a time.
const MAX_LAYER_BYTES: usize = 256 << 20;

/// A device that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device {
    tch: tch::Device,
    /// True if threads share small parts and every number is there at once. Otherwise it is given
    /// as much as possible at once and seldom waited for.
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

    pub(super) const fn gpu(tch: tch::Device) -> Self {
        Self { tch, as_cpu: false }
    }

    /// True for the CPU.
    pub fn is_cpu(self) -> bool {
        self.as_cpu
    }

    /// The device as tch names it.
    pub fn tch(self) -> tch::Device {
        self.tch
    }

    /// What a summary says about the GPU; `None` for the CPU.
    pub(crate) fn gpu_record(self) -> Option<GpuRecord> {
        match self.tch {
            tch::Device::Cuda(index) => GpuRecord::new(index),
            _ => None,
        }
    }

    /// `host`, a tensor on the CPU, on the device. A GPU copies it in its own time: from pinned
    /// memory, because a copy of more than 64 KB from ordinary memory waits for all kernels before
    /// it.
    pub(super) fn upload(self, host: &Tensor) -> Result<Tensor> {
        if !self.tch.is_cuda() {
            return Ok(host.f_to_device(self.tch)?);
        }
        let pinned = host.f_internal_pin_memory(self.tch)?;
        Ok(pinned.f_internal_to_copy((host.f_kind()?, self.tch), true)?)
    }

    /// True if images take oneDNN's own memory layout, in which the CPU works fastest.
    pub(super) fn has_onednn_layout(self) -> bool {
        // arm64 builds of oneDNN lack kernels for that layout.
        self.is_cpu() && cfg!(target_arch = "x86_64") && tch::utils::has_mkldnn()
    }

    /// Images scored in one forward pass, whose largest layer takes `image_bytes` each.
    ///
    /// On a CPU 250, where the cost of calling an operation no longer shows (measured: below 100 it
    /// does; from 125 to 1,000 times differ by a few percent only, and small chunks share better
    /// among threads). On a GPU all of a usual test set at once, as far as memory allows.
    pub(super) fn chunk(self, image_bytes: usize) -> usize {
        if self.is_cpu() {
            250
        } else {
            (MAX_LAYER_BYTES / image_bytes).clamp(1, 10_000)
        }
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
    // is freed, smaller ones come from the heap, which may keep twice that much idle. The
    // block's pages are never touched.
    const MMAP_THRESHOLD_MAX: usize = (32 << 20) - 8_192;
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        drop(black_box(Vec::<u8>::with_capacity(MMAP_THRESHOLD_MAX)));
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
