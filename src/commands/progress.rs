//! Progress on stderr: a bar with the time left on a terminal, lines elsewhere, nothing when quiet.

use std::env;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::note;
use crate::data::download::Event;
use crate::learn::many_seeds::SeedRun;
use crate::learn::{ConfusionMatrix, Schedule, Step};

/// All of it fits 80 columns; on a narrower terminal the words are cut, so that they never take a second line.
const STEPS: &str = "[{bar:5}] {percent:>3}% {eta:>4} left  {wide_msg}";

const BYTES: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  [{wide_bar}]";

/// Between lines about the same file.
const INTERVAL: Duration = Duration::from_secs(10);

/// What progress is shown on. What is on a terminal goes away with the display.
enum Display {
    /// Nothing: the user wants silence.
    Quiet,
    /// Something that keeps what is written: a pipe, a file.
    Lines,
    /// A terminal that a bar can be drawn on.
    Bar(ProgressBar),
}

impl Display {
    /// What stderr is. A bar has `length` and goes by `template`.
    fn of_stderr(quiet: bool, length: Option<u64>, template: &str) -> Self {
        let dumb = env::var_os("TERM").is_none_or(|term| term == "dumb");
        if quiet {
            return Self::Quiet;
        }
        if dumb || !io::stderr().is_terminal() {
            return Self::Lines;
        }
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        Self::Bar(bar.with_style(style.progress_chars("=> ")))
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        if let Self::Bar(bar) = self {
            bar.finish_and_clear();
        }
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
        let display = Display::of_stderr(quiet, Some(schedule.steps() as u64), STEPS);
        if let Display::Bar(bar) = &display {
            bar.set_position(made as u64);
            bar.reset_eta();
        }
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
        let scored = step.confusion.as_ref();
        self.accuracy = scored.map(ConfusionMatrix::accuracy).or(self.accuracy);
        self.images += step.images;
        match &self.display {
            Display::Bar(bar) => {
                bar.set_message(self.text(step, ""));
                bar.set_position(step.step as u64);
            }
            Display::Lines if step.batch == self.batches => {
                let place = format!("  step {}", step.step);
                note(&format!("{} trained on", self.text(step, &place)));
            }
            Display::Lines | Display::Quiet => {}
        }
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate for people needs no more than 53 bits"
    )]
    fn text(&self, step: &Step, place: &str) -> String {
        let accuracy = self.accuracy;
        let accuracy = accuracy.map_or("-".to_owned(), |value| format!("{value:.4}"));
        let rate = self.images as f64 / self.begun.elapsed().as_secs_f64().max(1e-9);
        let (epoch, epochs, loss) = (step.epoch, self.epochs, step.train_loss);
        format!(
            "epoch {epoch}/{epochs}{place}  loss {loss:.4}  accuracy {accuracy}  {rate:.0} images/s"
        )
    }
}

/// How the runs of many seeds get on: one bar for all, elsewhere a line for each.
pub(crate) struct SeedsProgress {
    display: Display,
    seeds: usize,
    complete: usize,
}

impl SeedsProgress {
    /// A display for `seeds` runs of so many steps, of which only so many `missing` ones have to be made.
    pub fn new(seeds: usize, missing: usize, steps: usize, quiet: bool) -> Self {
        let complete = seeds - missing;
        let display = Display::of_stderr(quiet, Some((missing * steps) as u64), STEPS);
        match &display {
            Display::Bar(bar) => bar.set_message(format!("{complete} of {seeds} seeds")),
            Display::Lines if complete > 0 => {
                note(&format!("{complete} of {seeds} seeds are there already"));
            }
            Display::Lines | Display::Quiet => {}
        }
        Self {
            display,
            seeds,
            complete,
        }
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
        let (accuracy, seconds) = (run.confusion.accuracy(), run.seconds);
        match &self.display {
            Display::Bar(bar) => bar.set_message(format!(
                "{complete} of {seeds} seeds  the last one: {accuracy:.4}"
            )),
            Display::Lines => note(&format!(
                "seed {seed}  accuracy {accuracy:.4}  {seconds:.1} s  ({complete} of {seeds})"
            )),
            Display::Quiet => {}
        }
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
            display: Display::of_stderr(quiet, None, BYTES),
            total: None,
            said: Instant::now(),
        }
    }

    /// Shows what happens.
    pub fn show(&mut self, event: &Event) {
        match event {
            Event::Waiting(folder) => self.say(&format!(
                "waiting for another process that fetches into {}",
                folder.display()
            )),
            Event::Begun(url, total) => {
                self.say(&format!("fetching {url}"));
                self.total = *total;
                if let Display::Bar(bar) = &self.display {
                    bar.reset();
                    bar.set_length(total.unwrap_or_default());
                }
            }
            Event::Received(bytes) => self.receive(*bytes),
            Event::Next(mirror, reason, next) => {
                self.say(&format!("note: {mirror}: {reason}; trying {next}"));
            }
            Event::Finished(name, bytes) => {
                self.say(&format!("{name}: {}, checked", HumanBytes(*bytes)));
            }
        }
    }

    fn receive(&mut self, bytes: u64) {
        match &self.display {
            Display::Bar(bar) => bar.set_position(bytes),
            Display::Lines if self.said.elapsed() >= INTERVAL => {
                let of = self.total.map(|total| format!(" of {}", HumanBytes(total)));
                let of = of.unwrap_or_default();
                self.say(&format!("  {}{of}", HumanBytes(bytes)));
            }
            Display::Lines | Display::Quiet => {}
        }
    }

    /// A line of its own, in the place of the bar.
    fn say(&mut self, text: &str) {
        self.said = Instant::now();
        match &self.display {
            Display::Bar(bar) => {
                bar.finish_and_clear();
                note(text);
            }
            Display::Lines => note(text),
            Display::Quiet => {}
        }
    }
}
