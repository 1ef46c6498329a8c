//! `mnist-tch fetch`: gets a published data set, or finds it there already. Training does the same by itself.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::download::ensure;
use super::source::Named;
use crate::data::catalog::Published;
use crate::data::embedded::NAME;
use crate::data::fetch::Mirror;

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
