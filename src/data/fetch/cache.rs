//! Where fetched files are kept: the user's cache folder.

use std::path::PathBuf;

use anyhow::{Context, Result};
use etcetera::BaseStrategy;

use crate::data::catalog::Published;

/// The folder of this set in the user's cache: `mnist-tch/NAME` in `XDG_CACHE_HOME` or in `~/.cache`; on Windows in
/// the local application data.
///
/// # Errors
/// When the user has no home folder.
pub fn cache_folder(set: Published) -> Result<PathBuf> {
    let base = etcetera::choose_base_strategy()
        .context("no home folder, so no cache to fetch into: name a folder with --data-dir")?;
    Ok(base.cache_dir().join("mnist-tch").join(set.name()))
}
