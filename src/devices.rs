//! `mnist-tch devices`: lists libtorch, the CUDA driver, GPUs and threads.

use std::fmt::Write;

use anyhow::Result;

use crate::learn::cuda::{self, CudaStatus};
use crate::learn::device::{list, on_terminate};
use crate::learn::probe::usable_gpu;
use crate::learn::{cores, libtorch};
use crate::terminal::{end_for_cpp, print};

/// Prints libtorch's version and path, its CUDA build, the driver, the GPUs, which of them work,
/// and the threads.
pub(crate) fn run() -> Result<()> {
    on_terminate(end_for_cpp);
    let status = CudaStatus::detect();
    // cuDNN loads its parts when they are used, so the GPUs are tried before its folder is printed.
    let tried = (0..status.gpus.len().max(1)).map(|gpu| usable_gpu(&status, gpu).map(|_| gpu));
    let (usable, unusable): (Vec<_>, Vec<_>) = tried.partition(Result::is_ok);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<12}{value}");
    };
    line("libtorch", &libtorch::version());
    if let Some(folder) = libtorch::folder() {
        line("path", &folder.display().to_string());
    }
    if let Some(folder) = libtorch::expected_folder() {
        line("built with", &folder.display().to_string());
    }
    line("CUDA build", if status.built { "yes" } else { "no" });
    let driver = status.driver.as_deref();
    line("driver", driver.unwrap_or("no NVIDIA driver"));
    for (index, gpu) in status.gpus.iter().enumerate() {
        line("GPU", &format!("cuda:{index}  {gpu}"));
    }
    if status.gpus.is_empty() {
        line("GPU", "none");
    } else if let Some((version, folders)) = cuda::cudnn() {
        for folder in folders {
            line("cuDNN", &format!("{version}  {}", folder.display()));
        }
    }
    line("threads", &cores().to_string());
    line("usable", &list(usable.into_iter().flatten()));
    let problems = unusable.into_iter().filter_map(Result::err);
    for problem in problems.filter(|_| status.driver.is_some()) {
        line("note", &format!("{problem:#}"));
    }
    if let Some(note) = libtorch::version_mismatch() {
        line("note", &note);
    }
    print(&text)
}
