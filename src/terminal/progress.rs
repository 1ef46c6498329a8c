//! Progress on stderr: a bar with the time left on a terminal, lines elsewhere, nothing when quiet.

use std::env;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;
use crate::learn::{ConfusionMatrix, Schedule, Step};

/// All of it fits 80 columns; on a narrower terminal the words are cut, so that they never take a
/// second line.
pub(crate) const STEPS: &str = "[{bar:5}] {percent:>3}% {eta:>4} left  {wide_msg}";

/// A bar where stderr is a terminal; elsewhere it is hidden, and lines are written.
pub(crate) struct Display {
    pub bar: ProgressBar,
    /// Whether the user wants silence.
    quiet: bool,
}

impl Display {
    /// What stderr is. A bar has `length` and goes by `template`.
    pub fn of_stderr(quiet: bool, length: usize, template: &str) -> Self {
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
    pub fn line(&self, text: &str) {
        if self.bar.is_hidden() {
            self.say(text);
        }
    }

    /// A line in the place of the bar.
    pub fn say(&self, text: &str) {
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
