//! Progress on stderr: a bar with the time left on a terminal, lines elsewhere, nothing when quiet.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;
use crate::data::download::Event;
use crate::learn::many_seeds::SeedRun;
use crate::learn::{ConfusionMatrix, Schedule, Step};

/// All of it fits 80 columns; on a narrower terminal the words are cut, so that they never take a
/// second line.
const STEPS: &str = "[{bar:5}] {percent:>3}% {eta:>4} left  {wide_msg}";
const BYTES: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  [{wide_bar}]";

/// Between lines about the same file.
const INTERVAL: Duration = Duration::from_secs(10);

/// What progress is shown on.
enum Display {
    /// Nothing: the user wants silence.
    Quiet,
    /// Something that keeps what is written: a pipe, a file.
    Lines,
    /// A terminal. The bar goes away with the display.
    Bar(ProgressBar),
}

impl Display {
    /// What stderr is. A bar has `length` and goes by `template`.
    fn of_stderr(quiet: bool, length: usize, template: &str) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if quiet {
            return Self::Quiet;
        }
        if dumb || !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        Self::Bar(bar.with_style(style.progress_chars("=> ")))
    }

    /// Changes the bar, or says `line` where there is none.
    fn show(&self, change: impl FnOnce(&ProgressBar), line: impl FnOnce() -> Option<String>) {
        match self {
            Self::Quiet => {}
            Self::Lines => {
                if let Some(line) = line() {
                    note(&line);
                }
            }
            Self::Bar(bar) => change(bar),
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.show(ProgressBar::finish_and_clear, || None);
    }
}

/// How a run gets on: elsewhere than on a terminal a line an epoch.
pub(crate) struct RunProgress {
    display: Display,
    epochs: usize,
    batches: usize,
    begun: Instant,
    images: usize,
    /// The last accuracy measured; most of a run's steps may have none of their own.
    accuracy: Option<f64>,
}

impl RunProgress {
    /// A display for a run with this schedule, of which some steps may have been `made` before.
    pub fn new(schedule: &Schedule, made: usize, quiet: bool) -> Self {
        let display = Display::of_stderr(quiet, schedule.steps(), STEPS);
        let begin = |bar: &ProgressBar| {
            bar.set_position(made as u64);
            bar.reset_eta();
        };
        display.show(begin, || None);
        Self {
            display,
            epochs: schedule.epochs(),
            batches: schedule.batches_per_epoch(),
            begun: Instant::now(),
            images: 0,
            accuracy: None,
        }
    }

    /// Shows one more step.
    pub fn step(&mut self, step: &Step) {
        let scored = step.confusion.as_ref().map(ConfusionMatrix::accuracy);
        self.accuracy = scored.or(self.accuracy);
        self.images += step.images;
        let accuracy = self.accuracy.map(|value| format!("{value:.4}"));
        let accuracy = accuracy.unwrap_or("-".to_owned());
        let rate = self.images as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let epoch = format!("epoch {}/{}", step.epoch, self.epochs);
        let loss = step.train_loss;
        let state = format!("loss {loss:.4}  accuracy {accuracy}  {rate:.0} images/s");
        let number = step.step;
        let change = |bar: &ProgressBar| {
            bar.set_message(format!("{epoch}  {state}"));
            bar.set_position(number as u64);
        };
        let line = || format!("{epoch}  step {number}  {state} trained on");
        let is_last = step.batch == self.batches;
        self.display.show(change, || is_last.then(line));
    }
}

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
        let display = Display::of_stderr(quiet, missing * steps, STEPS);
        let state = format!("{complete} of {seeds} seeds");
        let line = || (complete > 0).then(|| format!("{state} are there already"));
        display.show(|bar| bar.set_message(state.clone()), line);
        Self {
            display,
            seeds,
            complete,
        }
    }

    /// One of the runs made a step.
    pub fn step(&self) {
        self.display.show(|bar| bar.inc(1), || None);
    }

    /// A run is complete.
    pub fn run(&mut self, run: &SeedRun) {
        self.complete += 1;
        let (seed, complete, seeds) = (run.seed, self.complete, self.seeds);
        let (accuracy, seconds) = (run.confusion.accuracy(), run.seconds);
        let last = format!("{complete} of {seeds} seeds  the last one: {accuracy:.4}");
        let line =
            format!("seed {seed}  accuracy {accuracy:.4}  {seconds:.1} s  ({complete} of {seeds})");
        self.display
            .show(|bar| bar.set_message(last), || Some(line));
    }
}

/// How files come in: a bar for each, elsewhere a line now and then.
pub(crate) struct DownloadProgress {
    display: Display,
    /// Bytes of the file that is coming in, where the mirror says it.
    total: Option<u64>,
    said: Instant,
}

impl DownloadProgress {
    /// A display that has nothing to show yet.
    pub fn new(quiet: bool) -> Self {
        Self {
            display: Display::of_stderr(quiet, 0, BYTES),
            total: None,
            said: Instant::now(),
        }
    }

    /// Shows what happens.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Waiting(folder) => {
                let folder = folder.display();
                let what = "waiting for another process that fetches into";
                self.say(&format!("{what} {folder}"));
            }
            Event::Begun(url, total) => {
                self.say(&format!("fetching {url}"));
                self.total = *total;
                let begin = |bar: &ProgressBar| {
                    bar.reset();
                    bar.set_length(total.unwrap_or_default());
                };
                self.display.show(begin, || None);
            }
            Event::Received(bytes) => {
                let line = || {
                    let of = self.total.map(|total| format!(" of {}", HumanBytes(total)));
                    let of = of.unwrap_or_default();
                    format!("  {}{of}", HumanBytes(*bytes))
                };
                let is_due = self.said.elapsed() >= INTERVAL;
                let line = || is_due.then(line);
                self.display.show(|bar| bar.set_position(*bytes), line);
                if is_due {
                    self.said = Instant::now();
                }
            }
            Event::Next(mirror, reason, next) => {
                self.say(&format!("note: {mirror}: {reason}; trying {next}"));
            }
            Event::Finished(name, bytes) => {
                self.say(&format!("{name}: {}, checked", HumanBytes(*bytes)));
            }
        }
    }

    /// A line of its own, in the place of the bar.
    fn say(&mut self, text: &str) {
        self.said = Instant::now();
        let change = |bar: &ProgressBar| {
            bar.finish_and_clear();
            note(text);
        };
        self.display.show(change, || Some(text.to_owned()));
    }
}
