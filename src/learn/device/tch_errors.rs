//! The one place where libtorch's failures become this program's errors.
//!
//! tch's plain methods panic with a C++ backtrace, its `f_` forms return the same text as an error.
//! Within [`call`] both end as one short line.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

use anyhow::{Result, anyhow};
use tch::TchError;

thread_local! {
    /// Whether this thread is within [`call`], where libtorch's panic is an error in the making.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work` and turns libtorch's failure in it, an error or a panic, into one line: its own
/// first. A panic that is a fault of this program stays loud and says so.
pub(crate) fn call<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
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
        Some(error) => anyhow!("libtorch: {}", first_line(&error.to_string())),
        None => error,
    })
}

/// A caught panic as an error.
pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> anyhow::Error {
    let text = text(payload);
    if is_libtorchs(text) {
        anyhow!("libtorch: {}", first_line(text))
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
        let panic = call(|| Ok(tensor().reshape([3])));
        let error = call(|| Ok(tensor().f_reshape([3])?));
        for outcome in [panic, error] {
            let text = outcome.unwrap_err().to_string();
            assert_eq!(text, "libtorch: shape '[3]' is invalid for input of size 2");
        }
    }

    #[test]
    fn our_own_errors_and_panics_are_not_blamed_on_libtorch() {
        let error = call::<()>(|| Err(anyhow!("no image 7"))).unwrap_err();
        assert_eq!(error.to_string(), "no image 7");
        let panic = call(|| Ok([1, 2][Vec::<u8>::new().len() + 2])).unwrap_err();
        let panic = panic.to_string();
        assert!(panic.starts_with("a fault in mnist-tch"), "{panic}");
    }
}
