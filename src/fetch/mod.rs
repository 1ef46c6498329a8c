//! `mnist-tch fetch` and `--dataset`: downloads published data sets and checks them.

mod download;
mod files;
mod progress;

use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result};
use clap::Args;

use self::download::{Download, mirror};
use self::progress::DownloadProgress;
use crate::data::{Location, Published};
use crate::terminal::images::{Mirrors, set_name};
use crate::terminal::print;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The data set
    #[arg(value_name = "DATASET", value_parser = set_name())]
    dataset: Location,
    /// Folder for the four files [default: mnist-tch/DATASET in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    mirrors: Mirrors,
    /// Print only errors
    #[arg(long, short)]
    quiet: bool,
}

/// Downloads the missing files and prints where they are.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Location::Published { set, .. } = options.dataset else {
        let name = options.dataset.name();
        let text = format!("{name} is part of the program: nothing to fetch\n");
        return if options.quiet { Ok(()) } else { print(&text) };
    };
    let folder = options.data_dir.clone();
    let mirrors = options.mirrors.urls();
    let fetched = fetch_missing(set, folder.as_deref(), &mirrors, options.quiet)?;
    if options.quiet {
        return Ok(());
    }
    let what = match fetched {
        0 => "all files exist",
        1 => "1 file fetched",
        _ => &format!("{fetched} files fetched"),
    };
    let folder = set.folder(options.data_dir.as_deref())?;
    let (title, folder) = (set.info().title, folder.display());
    print(&format!("{title}: {what}, digests checked\n{folder}\n"))
}

/// Downloads the files of `set` that are missing in `folder` (`None`: the cache) from `mirrors`
/// (empty: the public ones), and returns how many were downloaded.
pub(crate) fn fetch_missing(
    set: Published,
    folder: Option<&Path>,
    mirrors: &[String],
    quiet: bool,
) -> Result<usize> {
    let mirrors = if mirrors.is_empty() {
        files::mirrors(set).map(str::to_owned).into()
    } else {
        let checked = mirrors.iter().map(|url| mirror(url).map_err(Error::msg));
        checked.collect::<Result<Vec<_>>>().context("--mirror")?
    };
    let mut progress = DownloadProgress::new(quiet);
    let download = Download {
        files: &files::files(set),
        mirrors: &mirrors,
        folder: &set.folder(folder)?,
        replace: folder.is_none(),
        report: &mut |event| progress.show(&event),
    };
    download.run()
}
