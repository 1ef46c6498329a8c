//! Progress of many runs on stderr: one bar for all of them on a terminal, elsewhere a line per run.

use super::runner::SeedRun;
use crate::terminal::progress::{Display, STEPS};

/// How the runs of many seeds get on: one bar for all, elsewhere a line for each.
pub(crate) struct SeedsProgress {
    display: Display,
    seeds: usize,
    complete: usize,
}

impl SeedsProgress {
    /// A display for `seeds` runs of so many steps, of which so many `missing` ones are to be made.
    pub fn new(seeds: usize, missing: usize, steps: usize, quiet: bool) -> Self {
        let complete = seeds - missing;
        let display = Display::new(quiet, missing * steps, STEPS);
        let state = format!("{complete} of {seeds} seeds");
        if complete > 0 {
            display.line(&format!("{state} are there already"));
        }
        display.bar.set_message(state);
        Self {
            display,
            seeds,
            complete,
        }
    }

    /// One of the runs made a step.
    pub fn step(&self) {
        self.display.bar.inc(1);
    }

    /// A run is complete.
    pub fn run(&mut self, run: &SeedRun) {
        self.complete += 1;
        let (seed, complete, seeds) = (run.seed, self.complete, self.seeds);
        let (accuracy, seconds) = (run.confusion.accuracy(), run.seconds);
        let last = format!("{complete} of {seeds} seeds  the last one: {accuracy:.4}");
        self.display.bar.set_message(last);
        let place = format!("{seconds:.1} s  ({complete} of {seeds})");
        let line = format!("seed {seed}  accuracy {accuracy:.4}  {place}");
        self.display.line(&line);
    }
}
