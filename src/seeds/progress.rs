//! Progress of many runs on stderr: one bar for all of them on a terminal, elsewhere a line per
//! run.

use super::runner::SeedRun;
use crate::terminal::progress::{Display, STEPS};

/// Shows how many runs are complete, and the last accuracy.
pub(crate) struct SeedsProgress {
    display: Display,
    seeds: usize,
    complete: usize,
}

impl SeedsProgress {
    /// A display for `seeds` runs of `steps` steps each, with `missing` of them still to run.
    pub(crate) fn new(seeds: usize, missing: usize, steps: usize, quiet: bool) -> Self {
        let complete = seeds - missing;
        let display = Display::new(quiet, missing * steps, STEPS);
        let state = format!("{complete} of {seeds} seeds");
        if complete > 0 {
            display.line(&format!("{state} are complete"));
        }
        display.bar.set_message(state);
        Self {
            display,
            seeds,
            complete,
        }
    }

    /// Advances the bar by a step of one run.
    pub(crate) fn step(&self) {
        self.display.bar.inc(1);
    }

    /// Shows the result of a complete run.
    pub(crate) fn run(&mut self, run: &SeedRun) {
        self.complete += 1;
        let (seed, complete, seeds) = (run.seed, self.complete, self.seeds);
        let (accuracy, seconds) = (run.confusion.accuracy(), run.seconds);
        let state = format!("{complete} of {seeds} seeds  last accuracy {accuracy:.4}");
        self.display.bar.set_message(state);
        self.display.line(&format!(
            "seed {seed}  accuracy {accuracy:.4}  {seconds:.1} s  ({complete} of {seeds})"
        ));
    }
}
