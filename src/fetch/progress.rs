//! Progress of downloads on stderr: a bar per file on a terminal, elsewhere a line now and then.

use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use super::download::Event;
use crate::terminal::progress::Display;

const BYTES: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  [{wide_bar}]";

/// Between lines about the same file.
const INTERVAL: Duration = Duration::from_secs(10);

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
            display: Display::new(quiet, 0, BYTES),
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
        self.display.print_line(text);
    }
}
