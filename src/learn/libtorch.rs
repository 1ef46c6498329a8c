//! The one place where libtorch's failures become this program's errors, and where libtorch itself is looked at.
//!
//! tch's plain methods panic with a C++ backtrace, its `f_` forms return the same text as an error. Within
//! [`call`] both end as one short line. It knows nothing of networks or devices.

use std::cell::Cell;
use std::hint::black_box;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::{Result, anyhow};
use tch::TchError;

/// The version of libtorch this program was built for.
pub const VERSION: &str = env!("LIBTORCH_VERSION");

thread_local! {
    /// Whether this thread is within [`call`], where a panic is an error in the making and not to be printed.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and turns its failure, an error or a panic, into one line.
///
/// # Errors
/// When `work` fails; the message is libtorch's own first line.
pub fn call<T>(work: impl FnOnce() -> Result<T, TchError>) -> Result<T> {
    silence_guarded_panics();
    let outer = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(anyhow!("libtorch: {}", shorten(&error.to_string()))),
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            Err(anyhow!(
                "libtorch: {}",
                shorten(text.unwrap_or("a failure without a message"))
            ))
        }
    }
}

/// Keeps panics within [`call`] off the terminal. Every other panic is a bug of ours and stays loud.
fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud: Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.get() {
                loud(info);
            }
        }));
    });
}

/// The first line of libtorch's message, without tch's wrapping and without the C++ backtrace.
fn shorten(message: &str) -> String {
    // An unwrapped error is printed with Debug, in which line ends are written as \n.
    let text = message.split("Torch(\"").last().unwrap_or(message);
    let text = text.trim_start_matches("Internal torch error: ");
    let first = text.lines().next().unwrap_or(text);
    let first = first.split("\\n").next().unwrap_or(first);
    first.trim().trim_end_matches("\")").to_owned()
}

/// Makes this thread run every tensor operation by itself, without libtorch's own threads.
///
/// Those wait for each other after each operation, which costs most of the time where other programs want the
/// cores too; and sums would depend on their number. The setting counts for the calling thread only.
pub fn one_thread_per_operation() {
    tch::set_num_threads(1);
}

/// Makes glibc keep memory that tensors give back, for the next ones. It would otherwise return most of it to the
/// system after each step of training and get it again page by page: a quarter of the time where little is scored.
pub fn keep_freed_memory() {
    // glibc learns from what it sees: once a block of up to 32 MiB that had been mapped by itself is freed, smaller
    // ones come from the heap, of which twice that much may lie idle. The block's pages are never touched.
    const LARGEST_THAT_COUNTS: usize = (32 << 20) - 8_192;
    if cfg!(all(target_os = "linux", target_env = "gnu")) {
        drop(black_box(Vec::<u8>::with_capacity(LARGEST_THAT_COUNTS)));
    }
}

/// Whether oneDNN's own memory layout can be used on the CPU.
#[must_use]
pub fn has_onednn_layout() -> bool {
    // arm64 builds of oneDNN lack kernels for that layout.
    cfg!(target_arch = "x86_64") && tch::utils::has_mkldnn()
}

/// The folder of the libtorch libraries that are loaded, where the system tells (Linux).
#[must_use]
pub fn folder() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    // A line is: addresses, permissions, offset, device, inode, path; the path may hold spaces.
    let path = maps
        .lines()
        .find(|line| line.contains("/libtorch_cpu."))
        .and_then(|line| line.find('/').map(|start| &line[start..]))?;
    Path::new(path).parent().map(Path::to_owned)
}

/// The version that the libtorch in `folder` gives itself, such as `2.13.0+cu130`.
#[must_use]
pub fn version_in(folder: &Path) -> Option<String> {
    let above = folder.parent()?;
    if let Ok(text) = std::fs::read_to_string(above.join("build-version")) {
        return text.lines().next().map(str::to_owned);
    }
    let text = std::fs::read_to_string(above.join("version.py")).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn panics_and_errors_within_a_call_are_one_line() {
        let tensor = || Tensor::from_slice(&[1.0, 2.0]);
        let panic = call(|| Ok(tensor().reshape([3])));
        let error = call(|| tensor().f_reshape([3]));
        for outcome in [panic, error] {
            let text = outcome.unwrap_err().to_string();
            assert_eq!(text, "libtorch: shape '[3]' is invalid for input of size 2");
        }
    }

    #[test]
    fn the_loaded_libtorch_is_the_one_built_for() {
        if cfg!(target_os = "linux") {
            tch::utils::has_openmp();
            let version = version_in(&folder().unwrap()).unwrap();
            assert_eq!(version.split('+').next(), Some(VERSION));
        }
    }
}
