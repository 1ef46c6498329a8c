//! What the files of MNIST-like sets are called, and the folders that people keep them in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::data::selection::Part;

/// Where files may be, seen from the folder that is named: in it, or where torchvision puts them.
const PLACES: [&str; 5] = ["", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw"];

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Images.
    Images,
    /// Their labels.
    Labels,
}

/// A file whose name says that it is one of a set.
#[derive(Debug)]
pub struct Found {
    /// Of which part of the set.
    pub part: Part,
    /// What it holds.
    pub kind: Kind,
    /// Where it is.
    pub path: PathBuf,
}

/// The sets in and below `folder`, by place and by what their files' names begin with, such as `MNIST/raw/` or `emnist-letters-`.
///
/// # Errors
/// When a folder cannot be read.
pub fn sets(folder: &Path) -> Result<BTreeMap<String, Vec<Found>>> {
    let mut sets: BTreeMap<String, Vec<Found>> = BTreeMap::new();
    for place in PLACES {
        let path = folder.join(place);
        if !path.is_dir() {
            continue;
        }
        let context = || format!("cannot read the folder {}", path.display());
        for entry in fs::read_dir(&path).with_context(context)? {
            let path = entry.with_context(context)?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            if let Some((set, part, kind)) = name.and_then(parse)
                && path.is_file()
            {
                let key = if place.is_empty() {
                    set.to_owned()
                } else {
                    format!("{place}/{set}")
                };
                let shown = if key.is_empty() { "./".to_owned() } else { key };
                sets.entry(shown)
                    .or_default()
                    .push(Found { part, kind, path });
            }
        }
    }
    // The order in which a folder lists its files is no order to rely on.
    for files in sets.values_mut() {
        files.sort_by(|one, other| one.path.cmp(&other.path));
    }
    Ok(sets)
}

/// The names, without `.gz`, under which a file may be there. The official ones come first.
fn raw_names(part: Part, kind: Kind) -> impl Iterator<Item = String> {
    let words: &[&str] = match part {
        Part::Train => &["train"],
        // EMNIST's word is the second one.
        Part::Test => &["t10k", "test"],
    };
    let (what, dims) = match kind {
        Kind::Images => ("images", "idx3"),
        Kind::Labels => ("labels", "idx1"),
    };
    let name = move |word, dot| format!("{word}-{what}{dot}{dims}-ubyte");
    words
        .iter()
        .flat_map(move |word| ["-", "."].map(|dot| name(*word, dot)))
}

/// The names that were looked for where one file is missing.
#[must_use]
pub fn of(part: Part, kind: Kind) -> Vec<String> {
    let names = raw_names(part, kind);
    names
        .flat_map(|name| [name.clone(), format!("{name}.gz")])
        .collect()
}

/// The names and places that were looked for where nothing was found.
#[must_use]
pub fn sought() -> String {
    let names = roles().filter_map(|(part, kind)| raw_names(part, kind).next());
    let names: Vec<String> = names.collect();
    format!(
        "{} (.idx for -idx and .gz at the end will do), there and in {}",
        names.join(", "),
        PLACES[1..].join(", ")
    )
}

fn roles() -> impl Iterator<Item = (Part, Kind)> {
    Part::ALL
        .into_iter()
        .flat_map(|part| [Kind::Images, Kind::Labels].map(|kind| (part, kind)))
}

/// What comes before the known part of a file's name (nothing, or a set's name and a hyphen), and what the name says.
fn parse(name: &str) -> Option<(&str, Part, Kind)> {
    let raw = name.strip_suffix(".gz").unwrap_or(name);
    roles().find_map(|(part, kind)| {
        let set = raw_names(part, kind).find_map(|known| raw.strip_suffix(known.as_str()))?;
        (set.is_empty() || set.ends_with('-')).then_some((set, part, kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_set_part_and_kind() {
        for (name, expected) in [
            (
                "train-images-idx3-ubyte",
                Some(("", Part::Train, Kind::Images)),
            ),
            (
                "t10k-labels.idx1-ubyte.gz",
                Some(("", Part::Test, Kind::Labels)),
            ),
            (
                "emnist-letters-test-images-idx3-ubyte.gz",
                Some(("emnist-letters-", Part::Test, Kind::Images)),
            ),
            ("train-images-idx1-ubyte", None),
            ("mytrain-images-idx3-ubyte", None),
            ("train-images-idx3-ubyte.zip", None),
            ("train-images-idx3-ubyte.gz.part", None),
            ("mnist-10k-images-idx3-ubyte.gz", None),
        ] {
            assert_eq!(parse(name), expected, "{name}");
        }
    }
}
