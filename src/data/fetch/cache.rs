//! Where fetched files are kept: the user's cache folder.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use etcetera::BaseStrategy;

use crate::data::catalog::Published;

/// The folder of the set's files: in `data_dir` where torchvision has put them, else `data_dir` itself; without one
/// `mnist-tch/NAME` in the user's cache, which is `XDG_CACHE_HOME` or `~/.cache`, and on Windows the local application
/// data.
///
/// # Errors
/// When the user has no home folder.
pub fn folder_of(set: Published, data_dir: Option<&Path>) -> Result<PathBuf> {
    if let Some(path) = data_dir {
        let theirs = path.join(set.torchvision_folder());
        return Ok(if theirs.is_dir() {
            theirs
        } else {
            path.to_owned()
        });
    }
    let base = etcetera::choose_base_strategy()
        .context("no home folder, so no cache to fetch into: name a folder with --data-dir")?;
    Ok(base.cache_dir().join("mnist-tch").join(set.name()))
}
