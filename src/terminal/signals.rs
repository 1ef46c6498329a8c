//! Signals that ask a run to stop: it saves a checkpoint and ends. A second Ctrl-C or SIGTERM ends
//! the program at once.

use std::fmt;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::flag;

/// Sent at the CPU time limit (`ulimit -t`); the same number on Linux and macOS.
const SIGXCPU: i32 = 24;

/// The signals that stop a run, with their names: Ctrl-C, `kill`, a closed terminal or SSH session,
/// Slurm's `--signal=USR1`, and a CPU time limit.
const SIGNALS: [(i32, &str); 5] = [
    (SIGINT, "Ctrl-C"),
    (SIGTERM, "SIGTERM"),
    (SIGHUP, "SIGHUP"),
    (SIGUSR1, "SIGUSR1"),
    (SIGXCPU, "SIGXCPU"),
];

/// A shell adds this to a signal's number to get the exit status.
const STATUS: i32 = 128;

/// Listens for the signals; holds the number of the first one, or 0.
pub(crate) struct Interrupt(Arc<AtomicUsize>);

impl Interrupt {
    /// Starts listening. Signals that the parent process had set to be ignored stay ignored, such
    /// as SIGHUP under `nohup`, and SIGINT in a script's background job.
    pub fn listen() -> Result<Self> {
        let (received, again) = (Arc::default(), Arc::<AtomicBool>::default());
        let ignored = ignored_signals();
        for (number, _) in SIGNALS {
            if ignored & (1 << (number - 1)) != 0 {
                continue;
            }
            let value = usize::try_from(number)?;
            // A closing terminal sends SIGHUP twice, so only these two force the end.
            let forces_exit = [SIGINT, SIGTERM].contains(&number);
            let register = || {
                if forces_exit {
                    // In this order: the shutdown must see only earlier signals.
                    let (exit, seen) = (Arc::clone(&again), Arc::clone(&again));
                    flag::register_conditional_shutdown(number, STATUS + number, exit)?;
                    flag::register(number, seen)?;
                }
                flag::register_usize(number, Arc::clone(&received), value)
            };
            register().context("cannot listen for signals")?;
        }
        Ok(Self(received))
    }

    /// The number of the signal that was received, if any.
    pub fn signal(&self) -> Option<i32> {
        let number = i32::try_from(self.0.load(Ordering::Relaxed)).ok();
        number.filter(|&number| number != 0)
    }
}

/// The signals that this process ignores, as a bit mask: bit 0 is signal 1. Only Linux reports it
/// without unsafe code; elsewhere no signal counts as ignored.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// A run that a signal stopped: neither a failure nor a success.
#[derive(Debug)]
pub struct Stopped {
    pub(crate) signal: i32,
    /// At which step it stopped, and how to resume it.
    pub(crate) hint: String,
}

impl Stopped {
    /// The exit status that shells give to a program ended by this signal.
    pub fn status(&self) -> i32 {
        STATUS + self.signal
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = SIGNALS.iter().find(|(number, _)| *number == self.signal);
        let name = known.map_or("a signal", |(_, name)| name);
        write!(f, "stopped by {name} {}", self.hint)
    }
}

impl std::error::Error for Stopped {}
