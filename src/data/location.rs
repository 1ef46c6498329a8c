//! Where a data set is, so exactly that a later command finds the same one.

use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::catalog::Published;
use super::folder::Folder;
use super::selection::Part;
use super::{Dataset, embedded, fetch};

/// Where a data set is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the program.
    Embedded,
    /// The files of a published set, which are fetched where they are missing.
    Published {
        /// Which set.
        set: Published,
        /// Where its files are; `None` means the user's cache.
        folder: Option<PathBuf>,
    },
    /// A folder of IDX files, whatever they are.
    Folder(PathBuf),
}

impl Location {
    /// The sets that have names of their own, each with what it is.
    #[must_use]
    pub fn named() -> [(&'static str, &'static str, Self); 4] {
        let published = |set: Published| {
            let location = Self::Published { set, folder: None };
            (set.name(), set.about(), location)
        };
        let about = "The first 10,000 images of MNIST's training file, part of the program";
        [
            (embedded::NAME, about, Self::Embedded),
            published(Published::Mnist),
            published(Published::FashionMnist),
            published(Published::Kmnist),
        ]
    }

    /// What a run that kept only a name, as early ones did, was trained on: a set of that name, else that folder.
    #[must_use]
    pub fn from_name(name: &str) -> Self {
        let mut named = Self::named().into_iter();
        let known = named.find(|(known, _, _)| *known == name);
        known.map_or_else(|| Self::Folder(name.into()), |(_, _, set)| set)
    }

    /// The same set with its files in `path`, which is any set's folder if this one is not a published set.
    #[must_use]
    pub fn moved(self, path: PathBuf) -> Self {
        match self {
            Self::Published { set, .. } => Self::Published {
                set,
                folder: Some(path),
            },
            Self::Embedded | Self::Folder(_) => Self::Folder(path),
        }
    }

    /// The same for a run to keep: seen from any folder, and as text, which most paths are and JSON needs.
    #[must_use]
    pub fn absolute(&self) -> Self {
        let absolute = |path: &Path| {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
            PathBuf::from(path.to_string_lossy().into_owned())
        };
        match self {
            Self::Embedded => Self::Embedded,
            Self::Published { set, folder } => Self::Published {
                set: *set,
                folder: folder.as_deref().map(absolute),
            },
            Self::Folder(path) => Self::Folder(absolute(path)),
        }
    }

    /// What people call the set: its name or its folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Embedded => embedded::NAME.to_owned(),
            Self::Published { set, .. } => set.name().to_owned(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    /// The names of so many classes, in the order of labels: those of a published set, else their numbers, which are the
    /// digits' names too.
    #[must_use]
    pub fn class_names(&self, classes: usize) -> Vec<String> {
        let known: &[&str] = match self {
            Self::Embedded | Self::Folder(_) => &[],
            Self::Published { set, .. } => &set.class_names(),
        };
        let name = |class: usize| {
            known
                .get(class)
                .map_or(class.to_string(), |&name| name.to_owned())
        };
        (0..classes).map(name).collect()
    }

    /// Reads the training or the test file, which must be there; every label is below `classes`.
    ///
    /// # Errors
    /// When the file is missing or not what its name says; the message names it.
    pub fn read(&self, part: Part, classes: usize) -> Result<Dataset> {
        match self {
            Self::Embedded => embedded::read(part, classes),
            Self::Published { set, folder } => {
                let path = fetch::folder_of(*set, folder.as_deref())?;
                Folder::open(&path)?.read(part, classes)
            }
            Self::Folder(path) => Folder::open(path)?.read(part, classes),
        }
    }
}
