//! The one place where libtorch's failures become this program's errors.
//!
//! tch's plain methods panic with a C++ backtrace, its `f_` forms return the same text as an error.
//! Within [`catch`] both end as one short line, with a hint where CUDA's words need one.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use anyhow::{Result, anyhow};
use tch::TchError;

thread_local! {
    /// True within [`catch`], where a panic of libtorch becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and turns a failure of libtorch, an error or a panic, into an error of one line. A
/// panic that is a fault of this program stays loud and says so.
pub(crate) fn catch<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    silence_libtorchs_panics();
    let outer = GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    let error = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(payload) => return Err(of_panic(&*payload)),
    };
    Err(match error.downcast_ref::<TchError>() {
        Some(error) => anyhow!(describe(&error.to_string())),
        None => error,
    })
}

/// A caught panic as an error.
pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> anyhow::Error {
    let text = text(payload);
    if is_libtorchs(text) {
        anyhow!(describe(text))
    } else {
        anyhow!("a fault in mnist-tch, please report it: {text}")
    }
}

fn silence_libtorchs_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud: Box<dyn Fn(&PanicHookInfo<'_>) + Send + Sync> = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !(GUARDED.get() && is_libtorchs(text(info.payload()))) {
                loud(info);
            }
        }));
    });
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let string = payload.downcast_ref::<String>().map(String::as_str);
    let string = string.or_else(|| payload.downcast_ref::<&str>().copied());
    string.unwrap_or("a panic without a message")
}

/// tch unwraps its own errors, which prints them with Debug.
fn is_libtorchs(panic: &str) -> bool {
    panic.contains("`Err` value: Torch(\"")
}

/// libtorch's message in one line, with what to do where that is known.
fn describe(message: &str) -> String {
    let line = first_line(message);
    match hint(&line) {
        // What follows the first sentence are numbers.
        Some(hint) => format!("{hint} ({})", line.split(". ").next().unwrap_or(&line)),
        None => format!("libtorch: {line}"),
    }
}

/// What CUDA's words mean, and what to do.
fn hint(line: &str) -> Option<&'static str> {
    let says = |part| line.contains(part);
    Some(if says("CUDA") && says("out of memory") {
        "the GPU's memory is full: see in nvidia-smi who uses it; fewer --channels or a smaller \
         --batch-size take less"
    } else if says("CUBLAS_STATUS_NOT_INITIALIZED") || says("CUBLAS_STATUS_ALLOC_FAILED") {
        "cuBLAS does not start, mostly because the GPU's memory is full: see what nvidia-smi shows"
    } else if says("busy or unavailable") {
        "another program has the GPU for itself (exclusive mode): see in nvidia-smi which"
    } else if says("cuDNN") || says("CUDNN") || says("unable to find an engine") {
        "cuDNN does not work: `mnist-tch devices` says which one is in use; take others out of \
         LD_LIBRARY_PATH"
    } else if says("driver version is insufficient") {
        "the driver is too old for this libtorch"
    } else if says("kernel image") {
        NO_MACHINE_CODE
    } else {
        return None;
    })
}

const NO_MACHINE_CODE: &str = concat!(
    "this libtorch has no code for the GPU's compute capability: PyTorch's wheels have it from ",
    env!("CUDA_MINIMUM_CAPABILITY"),
    " on (8.0 on arm64), and for nothing newer than themselves; docs/libtorch.md says how to use \
     another libtorch"
);

/// The first line of libtorch's message, without tch's wrapping and without the C++ backtrace.
fn first_line(message: &str) -> String {
    // Debug writes line ends as \n.
    let text = message.split("Torch(\"").last().unwrap_or(message);
    let text = text.trim_start_matches("Internal torch error: ");
    let first = text.lines().next().unwrap_or(text);
    let first = first.split("\\n").next().unwrap_or(first);
    first.trim().trim_end_matches("\")").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Tensor;

    #[test]
    fn libtorchs_panics_and_errors_are_one_line() {
        let tensor = || Tensor::from_slice(&[1.0, 2.0]);
        let panic = catch(|| Ok(tensor().reshape([3])));
        let error = catch(|| Ok(tensor().f_reshape([3])?));
        for outcome in [panic, error] {
            let text = outcome.unwrap_err().to_string();
            assert_eq!(text, "libtorch: shape '[3]' is invalid for input of size 2");
        }
    }

    #[test]
    fn cudas_words_come_with_what_to_do() {
        for (words, expected) in [
            (
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0",
                "memory is full: see in",
            ),
            (
                "CUDA error: no kernel image is available for execution",
                "7.5 on (8.0 on arm64)",
            ),
            (
                "CUDA error: unknown error",
                "libtorch: CUDA error: unknown error",
            ),
        ] {
            let error = TchError::Torch(format!("{words}\nframe #0"));
            let line = catch::<()>(|| Err(error.into())).unwrap_err().to_string();
            assert!(line.contains(expected) && !line.contains("GiB"), "{line}");
        }
    }

    #[test]
    fn our_own_errors_and_panics_are_not_blamed_on_libtorch() {
        let error = catch::<()>(|| Err(anyhow!("no image 7"))).unwrap_err();
        assert_eq!(error.to_string(), "no image 7");
        let panic = catch(|| Ok([1, 2][Vec::<u8>::new().len() + 2])).unwrap_err();
        let panic = panic.to_string();
        assert!(panic.starts_with("a fault in mnist-tch"), "{panic}");
    }
}
