//! The training and the test file of a data set, wherever they are: in the program or in a folder.

use std::path::Path;

use anyhow::Result;

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

    /// What people call the set: its name or its folder.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Embedded => embedded::NAME.to_owned(),
            Self::Folder(folder) => folder.name(),
        }
    }

    /// The names of so many classes, in the order of labels: their numbers, which are the digits' names too.
    #[must_use]
    pub fn class_names(&self, classes: usize) -> Vec<String> {
        match self {
            Self::Embedded | Self::Folder(_) => {
                (0..classes).map(|class| class.to_string()).collect()
            }
        }
    }

    /// Reads one of the files; every label is below `classes`.
    ///
    /// # Errors
    /// When the file is missing or not what its name says; the message names it.
    pub fn read(&self, part: Part, classes: usize) -> Result<Dataset> {
        match self {
            Self::Embedded => embedded::read(part, classes),
            Self::Folder(folder) => folder.read(part, classes),
        }
    }
}
