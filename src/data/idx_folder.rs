//! Reads a set from the IDX files in a folder. The files have the names under which the MNIST family
//! is published, raw or gzip-compressed, with a dash or, as some unpackers write, a dot before `idx`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::array::Array;
use super::{Dataset, FILE_NAMES, LoadedDataset, Part, Published, ReadOptions, content, idx};

/// Reads a part of the set in `folder`. The class names are those of `published`, if given.
///
/// # Errors
/// When a file is missing or damaged, or a label has no class; the message names the file.
pub fn read(
    folder: &Path,
    published: Option<Published>,
    part: Part,
    options: &ReadOptions,
) -> Result<LoadedDataset> {
    ensure!(
        folder.exists(),
        "{}: no such folder; --data-dir takes the folder that holds the images",
        folder.display()
    );
    let [images, labels] = match part {
        Part::Train => [FILE_NAMES[0], FILE_NAMES[1]],
        Part::Test => [FILE_NAMES[2], FILE_NAMES[3]],
    }
    .map(|name| find(folder, name));
    let (images, labels) = (images?, labels?);
    let (size, pixels) = content::open_maybe_gzip(&images, |bytes| idx::read(bytes)?.images())?;
    let dataset = Dataset::new(
        size,
        pixels,
        content::open_maybe_gzip(&labels, read_labels)?,
    );
    let loaded = LoadedDataset {
        images: dataset
            .with_context(|| format!("{} and {}", images.display(), labels.display()))?,
        classes: published.map(Published::class_names).unwrap_or_default(),
        ..LoadedDataset::default()
    };
    let applied = options.apply(loaded);
    applied.with_context(|| labels.display().to_string())
}

fn read_labels(bytes: &mut dyn std::io::BufRead) -> Result<Vec<u8>> {
    idx::read(bytes).and_then(Array::labels)
}

/// Finds the file called `name` in `folder`: raw before gzip.
pub(crate) fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let raw = [name, &dotted];
    let names = raw
        .iter()
        .flat_map(|raw| [(*raw).to_owned(), format!("{raw}.gz")]);
    let mut paths = names.map(|name| folder.join(name));
    match paths.find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!("{}: neither {name} nor {name}.gz found", folder.display()),
    }
}
