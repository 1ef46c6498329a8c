//! `mnist-tch fetch`: gets a published data set, or finds it there already. Training does the same by itself.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::download::Download;
use super::source::Named;
use crate::data::catalog::Published;
use crate::data::embedded::NAME;
use crate::data::fetch::{self, Mirror, Patience, Request};

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data set.
    pub dataset: Named,
    /// Where its files go; `None` means the user's cache.
    pub data_dir: Option<PathBuf>,
    /// In place of the mirrors that are known.
    pub mirrors: Vec<Mirror>,
    /// Whether only errors are printed.
    pub quiet: bool,
}

/// Fetches what is missing and prints where it is.
///
/// # Errors
/// When a file cannot be had, or the folder holds another file under its name.
pub fn run(options: &Options) -> Result<()> {
    let Options {
        data_dir, quiet, ..
    } = options;
    let text = match options.dataset {
        Named::Embedded => format!("{NAME} is part of the program: nothing to fetch\n"),
        Named::Published(set) => {
            let (folder, fetched) = ensure(set, data_dir.as_deref(), &options.mirrors, *quiet)?;
            result_text(set, &folder, fetched)
        }
    };
    if *quiet { Ok(()) } else { super::print(&text) }
}

fn result_text(set: Published, folder: &Path, fetched: usize) -> String {
    let what = match fetched {
        0 => "all files were there already",
        1 => "1 file was fetched",
        _ => &format!("{fetched} files were fetched"),
    };
    format!(
        "{}: {what}, digests are right\n{}\n",
        set.title(),
        folder.display()
    )
}

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
