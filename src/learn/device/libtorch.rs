//! Which libtorch is loaded, and whether it is the one this program was built with.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The version of libtorch this program was built for.
const VERSION: &str = env!("LIBTORCH_VERSION");

/// The folder it is to be in; `$ORIGIN` stands for that of the program.
const FOLDER: &str = env!("LIBTORCH_FOLDER");

/// Several ask for it at every start.
static LOADED: LazyLock<Option<PathBuf>> =
    LazyLock::new(|| folders_with("/libtorch_cpu.").into_iter().next());

/// The folders of the files in this process's memory whose paths contain `part`, where the system
/// tells (Linux).
pub(super) fn folders_with(part: &str) -> BTreeSet<PathBuf> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // A line is: addresses, permissions, offset, device, inode, path; the path may hold spaces.
    let lines = maps.lines().filter(|line| line.contains(part));
    let folder = |line: &str| Some(Path::new(&line[line.find('/')?..]).parent()?.to_owned());
    lines.filter_map(folder).collect()
}

/// The folder of the libtorch libraries that are loaded, where the system tells (Linux).
pub(crate) fn folder() -> Option<&'static Path> {
    LOADED.as_deref()
}

/// True if the program was built to find its libtorch beside itself, as a release is.
pub(super) fn is_beside_program() -> bool {
    FOLDER.starts_with("$ORIGIN")
}

/// True if `scripts/setup.sh` made the one that is loaded.
pub(super) fn is_from_setup() -> bool {
    let root = folder().and_then(|folder| folder.parent()?.parent());
    root.is_some_and(|root| root.join("made-by-setup").exists())
}

/// What the loaded libtorch says of itself, such as `2.13.0+cu130`, else what the program was
/// built for.
pub(crate) fn version() -> String {
    loaded_version().unwrap_or_else(|| VERSION.to_owned())
}

fn loaded_version() -> Option<String> {
    folder().and_then(|folder| version_in(folder.parent()?))
}

/// Where the program is to find libtorch, if what is loaded comes from elsewhere.
pub(crate) fn expected_folder() -> Option<PathBuf> {
    let loaded = folder()?;
    let program = std::env::current_exe().ok()?;
    let beside = program.parent()?.to_string_lossy();
    let expected = PathBuf::from(FOLDER.replace("$ORIGIN", &beside));
    let is_loaded = fs::canonicalize(&expected).is_ok_and(|folder| folder == loaded);
    (!is_loaded).then_some(expected)
}

/// What to tell the user where a libtorch of another version is loaded, or one from elsewhere whose
/// version nobody knows: its numbers may be others.
pub(crate) fn version_mismatch() -> Option<String> {
    let (folder, version) = (folder()?, loaded_version());
    let release = version
        .as_deref()
        .and_then(|version| version.split('+').next());
    if release.map_or(expected_folder().is_none(), |it| it == VERSION) {
        return None;
    }
    let (found, folder) = (release.unwrap_or("of unknown version"), folder.display());
    Some(format!(
        "libtorch {found} in {folder} is loaded, and this program was built with \
         {VERSION}: see what LD_PRELOAD and LD_LIBRARY_PATH name, or build it again"
    ))
}

/// The version in `build-version` (libtorch as a zip) or `version.py` (a Python wheel).
fn version_in(folder: &Path) -> Option<String> {
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return text.lines().next().map(str::to_owned);
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim_matches(['\'', '"']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loaded_libtorch_is_the_one_built_for() {
        tch::utils::has_openmp();
        assert_eq!(version().split('+').next(), Some(VERSION));
    }
}
