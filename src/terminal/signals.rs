//! Ctrl-C and SIGTERM: the first one is a request, the second ends the program at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell adds to a signal's number to get the exit status.
const STATUS: i32 = 128;

/// Listens for the two signals; holds the number of the one that came, or 0.
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// From now on a first signal is kept for [`Self::signal`].
    pub fn listen() -> Result<Self> {
        let (signal, again) = (Arc::default(), Arc::<AtomicBool>::default());
        for number in [SIGINT, SIGTERM] {
            let value = usize::try_from(number)?;
            // In this order: what ends the program sees only what earlier signals have set.
            flag::register_conditional_shutdown(number, STATUS + number, Arc::clone(&again))
                .and_then(|_| flag::register(number, Arc::clone(&again)))
                .and_then(|_| flag::register_usize(number, Arc::clone(&signal), value))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(Self(signal))
    }

    /// The number of the signal that came, if one did.
    pub fn signal(&self) -> Option<i32> {
        let number = i32::try_from(self.0.load(Ordering::Relaxed)).ok();
        number.filter(|&number| number != 0)
    }
}

/// A run that a signal asked to stop, and that did: not a failure, but no success either.
#[derive(Debug)]
pub struct Stopped {
    pub(crate) signal: i32,
    /// At which step, and how to go on.
    pub(crate) place: String,
}

impl Stopped {
    /// The exit status that shells give to a program that ended so.
    pub fn status(&self) -> i32 {
        STATUS + self.signal
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_key = self.signal == SIGINT;
        let by = if is_key { "Ctrl-C" } else { "SIGTERM" };
        write!(f, "stopped by {by} {}", self.place)
    }
}

impl std::error::Error for Stopped {}
