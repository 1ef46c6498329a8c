//! `mnist-tch fetch`: gets a published data set, or finds it there already. Training does the same
//! by itself.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::images::{Mirrors, fetch_missing, set_name};
use crate::data::Location;

#[derive(Debug, Clone, Args)]
pub(crate) struct Options {
    /// The data set
    #[arg(value_name = "DATASET", value_parser = set_name())]
    dataset: Location,
    /// Folder for its four files [default: mnist-tch/DATASET in the user's cache folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    mirrors: Mirrors,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
}

/// Fetches what is missing and prints where it is.
pub(crate) fn run(options: &Options) -> Result<()> {
    let Location::Published { set, .. } = options.dataset else {
        let name = options.dataset.name();
        let text = format!("{name} is part of the program: nothing to fetch\n");
        return if options.quiet {
            Ok(())
        } else {
            super::print(&text)
        };
    };
    let folder = options.data_dir.clone();
    let location = Location::Published { set, folder };
    let fetched = fetch_missing(&location, &options.mirrors, options.quiet)?;
    if options.quiet {
        return Ok(());
    }
    let what = match fetched {
        0 => "all files were there already",
        1 => "1 file was fetched",
        _ => &format!("{fetched} files were fetched"),
    };
    let folder = set.folder(options.data_dir.as_deref())?;
    let (title, folder) = (set.facts().title, folder.display());
    super::print(&format!("{title}: {what}, digests are right\n{folder}\n"))
}
