//! Ctrl-C and SIGTERM: the first one is a request, the second ends the program at once.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What a shell adds to a signal's number to get the exit status.
const STATUS: i32 = 128;

/// Listens for the two signals.
pub struct Interrupt {
    /// The signal that came; 0: none.
    signal: Arc<AtomicUsize>,
}

impl Interrupt {
    /// From now on a first signal is kept for [`Self::signal`].
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen() -> Result<Self> {
        let (signal, again) = (Arc::default(), Arc::<AtomicBool>::default());
        for (number, value) in [(SIGINT, 2), (SIGTERM, 15)] {
            // In this order: what ends the program sees only what earlier signals have set.
            flag::register_conditional_shutdown(number, STATUS + number, Arc::clone(&again))
                .and_then(|_| flag::register(number, Arc::clone(&again)))
                .and_then(|_| flag::register_usize(number, Arc::clone(&signal), value))
                .context("cannot listen for Ctrl-C")?;
        }
        Ok(Self { signal })
    }

    /// The signal that came, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<Signal> {
        match self.signal.load(Ordering::Relaxed) {
            0 => None,
            2 => Some(Signal::CtrlC),
            _ => Some(Signal::Term),
        }
    }
}

/// Who asked the program to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT.
    CtrlC,
    /// SIGTERM.
    Term,
}

/// A run that was asked to stop, and did: not a failure, but no success either.
#[derive(Debug)]
pub struct Stopped {
    /// Who asked.
    pub signal: Signal,
    /// The last step made.
    pub step: usize,
    /// Steps of the whole run.
    pub steps: usize,
    /// Where it can go on.
    pub folder: PathBuf,
}

impl Stopped {
    /// The exit status that shells give to a program that ended so.
    #[must_use]
    pub fn status(&self) -> i32 {
        STATUS
            + match self.signal {
                Signal::CtrlC => SIGINT,
                Signal::Term => SIGTERM,
            }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by = match self.signal {
            Signal::CtrlC => "Ctrl-C",
            Signal::Term => "SIGTERM",
        };
        let (step, steps, folder) = (self.step, self.steps, self.folder.display());
        write!(
            f,
            "stopped by {by} after step {step} of {steps}; go on with: mnist-tch --resume {folder}"
        )
    }
}

impl std::error::Error for Stopped {}
