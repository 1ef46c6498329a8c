//! Progress on stderr: a bar on a terminal, a line an epoch elsewhere, nothing when quiet.

use std::env;
use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::learn::record::{ConfusionMatrix, SeedRun, Step};
use crate::learn::schedule::Schedule;

/// Shows how a run gets on.
pub struct Progress {
    display: Display,
    epochs: usize,
    batches: usize,
    begun: Instant,
    images: usize,
    /// The last accuracy measured; most of a run's steps may have none of their own.
    accuracy: Option<f64>,
}

enum Display {
    Quiet,
    Lines,
    Bar(ProgressBar),
}

/// What progress is shown on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// Nothing: the user wants silence.
    Nowhere,
    /// Something that keeps what is written: a pipe, a file.
    Lines,
    /// A terminal that a bar can be drawn on.
    Terminal,
}

impl Medium {
    /// What stderr is.
    pub fn of_stderr(quiet: bool) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if quiet {
            Self::Nowhere
        } else if io::stderr().is_terminal() && !dumb {
            Self::Terminal
        } else {
            Self::Lines
        }
    }
}

impl Progress {
    /// A display for a run with this schedule.
    pub fn new(schedule: &Schedule, quiet: bool) -> Self {
        Self {
            display: Display::new(schedule.steps(), quiet),
            epochs: schedule.epochs(),
            batches: schedule.batches_per_epoch(),
            begun: Instant::now(),
            images: 0,
            accuracy: None,
        }
    }

    /// Shows one more step.
    pub fn step(&mut self, step: &Step) {
        let scored = step.confusion.as_ref();
        self.accuracy = scored.map(ConfusionMatrix::accuracy).or(self.accuracy);
        self.images += step.images;
        match &self.display {
            Display::Bar(bar) => {
                bar.set_message(self.text(step));
                bar.set_position(step.step as u64);
            }
            Display::Lines if step.batch == self.batches => {
                super::note(&format!("{} trained on", self.text(step)));
            }
            Display::Lines | Display::Quiet => {}
        }
    }

    /// Takes the bar away, so that what follows stands on a line of its own.
    pub fn finish(&self) {
        self.display.finish();
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate for people needs no more than 53 bits"
    )]
    fn text(&self, step: &Step) -> String {
        let accuracy = self
            .accuracy
            .map_or("-".to_owned(), |value| format!("{value:.4}"));
        let rate = self.images as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        format!(
            "epoch {}/{}  step {}  loss {:.4}  accuracy {accuracy}  {rate:.0} images/s",
            step.epoch, self.epochs, step.step, step.train_loss
        )
    }
}

/// Shows how a sweep over seeds gets on: one bar for all runs, elsewhere a line for each.
pub struct SweepProgress {
    display: Display,
    seeds: usize,
    complete: usize,
}

impl SweepProgress {
    /// A display for `seeds` runs of so many steps, of which only the `missing` ones have to be made.
    pub fn new(seeds: usize, missing: &[u64], steps: usize, quiet: bool) -> Self {
        let complete = seeds - missing.len();
        let progress = Self {
            display: Display::new(missing.len() * steps, quiet),
            seeds,
            complete,
        };
        match &progress.display {
            Display::Bar(bar) => bar.set_message(format!("{complete} of {seeds} seeds")),
            Display::Lines if complete > 0 => {
                super::note(&format!("{complete} of {seeds} seeds are there already"));
            }
            Display::Lines | Display::Quiet => {}
        }
        progress
    }

    /// One of the runs made a step.
    pub fn step(&self) {
        if let Display::Bar(bar) = &self.display {
            bar.inc(1);
        }
    }

    /// A run is complete.
    pub fn run(&mut self, run: &SeedRun) {
        self.complete += 1;
        let (seed, complete, seeds) = (run.seed, self.complete, self.seeds);
        let accuracy = run.confusion.accuracy();
        match &self.display {
            Display::Bar(bar) => bar.set_message(format!(
                "{complete} of {seeds} seeds  the last one: {accuracy:.4}"
            )),
            Display::Lines => super::note(&format!(
                "seed {seed}  accuracy {accuracy:.4}  {:.1} s  ({complete} of {seeds})",
                run.seconds
            )),
            Display::Quiet => {}
        }
    }

    /// Takes the bar away, so that what follows stands on a line of its own.
    pub fn finish(&self) {
        self.display.finish();
    }
}

impl Display {
    fn new(steps: usize, quiet: bool) -> Self {
        match Medium::of_stderr(quiet) {
            Medium::Nowhere => Self::Quiet,
            Medium::Lines => Self::Lines,
            Medium::Terminal => Self::Bar(bar(steps)),
        }
    }

    fn finish(&self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
    }
}

fn bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
    // All of it fits 80 columns; on a narrower terminal the words are cut, so that they never take a second line.
    let style = ProgressStyle::with_template("[{bar:7}] {percent:>3}% {wide_msg}");
    bar.with_style(style.map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.progress_chars("=> "),
    ))
}
