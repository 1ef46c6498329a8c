//! Progress on stderr: a bar with the time left on a terminal, lines elsewhere, nothing when quiet.

use std::env;
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

/// A bar where stderr is a terminal; elsewhere it is hidden, and lines are written.
struct Display {
    bar: ProgressBar,
    /// Whether the user wants silence.
    quiet: bool,
}

impl Display {
    /// What stderr is. A bar has `length` and goes by `template`.
    fn of_stderr(quiet: bool, length: usize, template: &str) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        let target = if quiet || dumb {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(Some(length as u64), target);
        let bar = bar.with_style(style.progress_chars("=> "));
        Self { bar, quiet }
    }

    /// A line where there is no bar.
    fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            self.say(text);
        }
    }

    /// A line in the place of the bar.
    fn say(&self, text: &str) {
        if !self.quiet {
            self.bar.finish_and_clear();
            note(text);
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
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
        display.bar.set_position(made as u64);
        display.bar.reset_eta();
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
        self.display.bar.set_message(format!("{epoch}  {state}"));
        self.display.bar.set_position(step.step as u64);
        if step.batch == self.batches {
            let step = step.step;
            let line = format!("{epoch}  step {step}  {state} trained on");
            self.display.line(&line);
        }
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
                self.display.bar.reset();
                self.display.bar.set_length(total.unwrap_or_default());
            }
            Event::Received(bytes) => {
                self.display.bar.set_position(*bytes);
                if self.said.elapsed() >= INTERVAL {
                    let of = self.total.map(|total| format!(" of {}", HumanBytes(total)));
                    let of = of.unwrap_or_default();
                    self.display.line(&format!("  {}{of}", HumanBytes(*bytes)));
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

    fn say(&mut self, text: &str) {
        self.said = Instant::now();
        self.display.say(text);
    }
}
