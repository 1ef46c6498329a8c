//! The progress of a download on stderr: a bar in bytes on a terminal, lines elsewhere, nothing when quiet.

use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::Medium;
use crate::data::fetch::Event;

/// Between lines about the same file.
const INTERVAL: Duration = Duration::from_secs(10);

/// Shows how files come in.
pub struct Download {
    medium: Medium,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Download {
    /// A display that has nothing to show yet.
    pub fn new(quiet: bool) -> Self {
        Self {
            medium: Medium::of_stderr(quiet),
            bar: None,
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
            Event::Begun { url, start: 0 } => self.begin(&format!("fetching {url}")),
            Event::Begun { url, start } => {
                self.begin(&format!("fetching {url} from byte {start} on"));
            }
            Event::Received { bytes, total } => self.receive(*bytes, *total),
            Event::NextMirror { url, reason } => {
                self.say(&format!("note: {url}: {reason:#}; trying the next mirror"));
            }
            Event::Finished { name, bytes } => {
                self.say(&format!("{name}: {}, checked", HumanBytes(*bytes)));
            }
        }
    }

    /// Takes the bar away.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn begin(&mut self, text: &str) {
        self.say(text);
        if self.medium == Medium::Terminal {
            self.bar = Some(bar());
        }
    }

    fn receive(&mut self, bytes: u64, total: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(total) = total {
                bar.set_length(total);
            }
            bar.set_position(bytes);
        } else if self.said.elapsed() >= INTERVAL {
            let of = total.map_or(String::new(), |total| format!(" of {}", HumanBytes(total)));
            self.say(&format!("  {}{of}", HumanBytes(bytes)));
        }
    }

    /// A line of its own.
    fn say(&mut self, text: &str) {
        self.finish();
        self.said = Instant::now();
        if self.medium != Medium::Nowhere {
            super::note(text);
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{bytes}/{total_bytes}  {bytes_per_sec}  [{wide_bar}]");
    bar.with_style(style.map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.progress_chars("=> "),
    ))
}
