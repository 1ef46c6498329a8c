//! Progress on stderr: a bar with the time left on a terminal, lines elsewhere, nothing when quiet.

use std::env;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;
use crate::learn::{ConfusionMatrix, Schedule, Step};

/// Fits 80 columns; on a narrower terminal the message is cut, so that the bar never wraps.
pub(crate) const STEPS: &str = "[{bar:5}] {percent:>3}% {eta:>4} left  {wide_msg}";

/// A progress bar if stderr is a terminal, else lines.
pub(crate) struct Display {
    pub bar: ProgressBar,
    quiet: bool,
}

impl Display {
    /// A display on stderr; a bar has this length and template.
    pub fn new(quiet: bool, length: usize, template: &str) -> Self {
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

    /// Prints a line if there is no bar.
    pub fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            self.print_line(text);
        }
    }

    /// Removes the bar and prints a line.
    pub fn print_line(&self, text: &str) {
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

/// Time between lines in a log while an epoch lasts.
const LOG_INTERVAL: Duration = Duration::from_secs(30);

/// Progress of a run: a bar, or in a log a line per epoch and at least every half minute.
pub(crate) struct RunProgress {
    display: Display,
    epochs: usize,
    batches: usize,
    started: Instant,
    last_line: Instant,
    images: usize,
    /// The last measured accuracy; not every step is scored.
    accuracy: Option<f64>,
}

impl RunProgress {
    /// Progress of a run with this schedule, resumed after `steps_done` steps.
    pub fn new(schedule: &Schedule, steps_done: usize, quiet: bool) -> Self {
        let display = Display::new(quiet, schedule.steps(), STEPS);
        display.bar.set_position(steps_done as u64);
        display.bar.reset_eta();
        Self {
            display,
            epochs: schedule.epochs(),
            batches: schedule.batches_per_epoch(),
            started: Instant::now(),
            last_line: Instant::now(),
            images: 0,
            accuracy: None,
        }
    }

    /// Shows a finished step.
    pub fn step(&mut self, step: &Step) {
        let scored = step.confusion.as_ref().map(ConfusionMatrix::accuracy);
        self.accuracy = scored.or(self.accuracy);
        self.images += step.images;
        let accuracy = self.accuracy.map(|value| format!("{value:.4}"));
        let accuracy = accuracy.unwrap_or("-".to_owned());
        let rate = self.images as f64 / self.started.elapsed().as_secs_f64().max(1e-9);
        let epoch = format!("epoch {}/{}", step.epoch, self.epochs);
        let loss = step.train_loss;
        let state = format!("loss {loss:.4}  accuracy {accuracy}  {rate:.0} images/s");
        self.display.bar.set_message(format!("{epoch}  {state}"));
        self.display.bar.set_position(step.step as u64);
        if step.batch == self.batches || self.last_line.elapsed() >= LOG_INTERVAL {
            self.last_line = Instant::now();
            let step = step.step;
            let line = format!("{epoch}  step {step}  {state} trained on");
            self.display.line(&line);
        }
    }
}
