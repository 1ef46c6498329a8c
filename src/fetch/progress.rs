//! Progress of downloads on stderr: a bar per file on a terminal, elsewhere occasional lines.

use std::time::{Duration, Instant};

use indicatif::HumanBytes;

use super::download::Event;
use crate::terminal::progress::Display;

const BYTES: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta} left  [{wide_bar}]";

/// Time between lines about the same file.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Shows the events of a download.
pub(crate) struct DownloadProgress {
    display: Display,
    /// Size of the current file, if the mirror sends it.
    total: Option<u64>,
    last_line: Instant,
}

impl DownloadProgress {
    /// A display that has received no events yet.
    pub(crate) fn new(quiet: bool) -> Self {
        Self {
            display: Display::new(quiet, 0, BYTES),
            total: None,
            last_line: Instant::now(),
        }
    }

    /// Shows an event.
    pub(crate) fn show(&mut self, event: &Event) {
        match event {
            Event::Waiting(folder) => {
                let folder = folder.display();
                self.print_line(&format!(
                    "waiting for a process that downloads into {folder}"
                ));
            }
            Event::Started(url, total) => {
                self.print_line(&format!("fetching {url}"));
                self.total = *total;
                self.display.bar.reset();
                self.display.bar.set_length(total.unwrap_or_default());
            }
            Event::Received(bytes) => {
                self.display.bar.set_position(*bytes);
                if self.last_line.elapsed() >= LOG_INTERVAL {
                    let total = self.total.map(|total| format!(" of {}", HumanBytes(total)));
                    let total = total.unwrap_or_default();
                    self.display
                        .line(&format!("  {}{total}", HumanBytes(*bytes)));
                    self.last_line = Instant::now();
                }
            }
            Event::Retrying {
                mirror,
                reason,
                next,
            } => self.print_line(&format!("note: {mirror}: {reason}; trying {next}")),
            Event::Finished(name, bytes) => {
                self.print_line(&format!("{name}: {}, checked", HumanBytes(*bytes)));
            }
        }
    }

    fn print_line(&mut self, text: &str) {
        self.last_line = Instant::now();
        self.display.print_line(text);
    }
}
