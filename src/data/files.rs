//! The training and the test file of a data set, wherever they are: in the program or in a folder.

use std::path::Path;

use anyhow::Result;

use super::catalog::Published;
use super::folder::Folder;
use super::selection::Part;
use super::{Dataset, embedded};

/// Where a data set's files are.
#[derive(Debug)]
pub enum Files {
    /// In the program.
    Embedded,
    /// In a folder.
    Folder(Folder),
    /// Those of a published set, in a folder.
    Published(Published, Folder),
}

impl Files {
    /// The files in `folder`, or those in the program.
    ///
    /// # Errors
    /// When the folder holds no data set, or more than one.
    pub fn open(folder: Option<&Path>) -> Result<Self> {
        folder.map_or(Ok(Self::Embedded), |path| {
            Folder::open(path).map(Self::Folder)
        })
    }

    /// The files of a published set, which are in `folder`.
    ///
    /// # Errors
    /// When they are not.
    pub fn published(set: Published, folder: &Path) -> Result<Self> {
        Folder::open(folder).map(|folder| Self::Published(set, folder))
    }

    /// What people call the set: its name or its folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Embedded => embedded::NAME.to_owned(),
            Self::Folder(folder) => folder.name(),
            Self::Published(set, _) => set.name().to_owned(),
        }
    }

    /// The names of so many classes, in the order of labels: those of a published set, else their numbers, which are the
    /// digits' names too.
    #[must_use]
    pub fn class_names(&self, classes: usize) -> Vec<String> {
        let known: &[&str] = match self {
            Self::Embedded | Self::Folder(_) => &[],
            Self::Published(set, _) => &set.class_names(),
        };
        let name = |class: usize| {
            known
                .get(class)
                .map_or(class.to_string(), |&name| name.to_owned())
        };
        (0..classes).map(name).collect()
    }

    /// Reads one of the files; every label is below `classes`.
    ///
    /// # Errors
    /// When the file is missing or not what its name says; the message names it.
    pub fn read(&self, part: Part, classes: usize) -> Result<Dataset> {
        match self {
            Self::Embedded => embedded::read(part, classes),
            Self::Folder(folder) | Self::Published(_, folder) => folder.read(part, classes),
        }
    }
}
