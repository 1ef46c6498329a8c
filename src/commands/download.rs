//! Getting a published data set, with its progress on stderr: a bar in bytes on a terminal, lines elsewhere, nothing when
//! quiet.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::progress::Medium;
use crate::data::catalog::Published;
use crate::data::fetch::{self, Event, Mirror, Patience, Request};

/// Between lines about the same file.
const INTERVAL: Duration = Duration::from_secs(10);

/// Makes sure that the files of `set` are in `data_dir` (or below it, where torchvision has put them), else in the
/// user's cache. Returns the folder and how many files had to be fetched.
///
/// # Errors
/// When a file cannot be had, or the folder holds another file under its name.
pub(super) fn ensure(
    set: Published,
    data_dir: Option<&Path>,
    mirrors: &[Mirror],
    quiet: bool,
) -> Result<(PathBuf, usize)> {
    let folder = match data_dir {
        Some(path) => Some(path.join(set.torchvision_folder()))
            .filter(|theirs| theirs.is_dir())
            .unwrap_or_else(|| path.to_owned()),
        None => fetch::cache_folder(set)?,
    };
    let known: Vec<Mirror> = set
        .mirrors()
        .iter()
        .filter_map(|text| text.parse().ok())
        .collect();
    let request = Request {
        files: &set.files(),
        mirrors: if mirrors.is_empty() { &known } else { mirrors },
        folder: &folder,
        replace: data_dir.is_none(),
        patience: Patience::default(),
    };
    let mut download = Download::new(quiet);
    let fetched = fetch::fetch(&request, &mut |event| download.show(&event));
    download.finish();
    Ok((folder.clone(), fetched?))
}

/// Shows how files come in.
struct Download {
    medium: Medium,
    bar: Option<ProgressBar>,
    said: Instant,
}

impl Download {
    /// A display that has nothing to show yet.
    fn new(quiet: bool) -> Self {
        Self {
            medium: Medium::of_stderr(quiet),
            bar: None,
            said: Instant::now(),
        }
    }

    /// Shows what happens.
    fn show(&mut self, event: &Event) {
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
    fn finish(&mut self) {
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
