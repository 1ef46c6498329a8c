//! Where the images of a command come from.

use std::path::PathBuf;

use anyhow::Result;

use crate::data::Split;
use crate::data::files::Files;
use crate::data::selection::{Part, Selection};

/// The files that the command line names.
#[derive(Debug, Clone)]
pub struct DataSet {
    /// The folder of the IDX files; `None` means the embedded images.
    pub data_dir: Option<PathBuf>,
    /// Number of classes, 2..=256.
    pub classes: usize,
}

impl DataSet {
    /// Finds the files.
    ///
    /// # Errors
    /// When there are none, or those of more than one set.
    pub fn open(&self) -> Result<Files> {
        Files::open(self.data_dir.as_deref())
    }
}

/// The images that the command line asks for.
#[derive(Debug, Clone)]
pub struct Source {
    /// The files.
    pub data_set: DataSet,
    /// The images to train on.
    pub train: Selection,
    /// The images to score.
    pub test: Selection,
}

impl Source {
    /// The training images of these files, and their test images.
    #[must_use]
    pub fn official(data_set: DataSet) -> Self {
        Self {
            data_set,
            train: Selection::all(Part::Train),
            test: Selection::all(Part::Test),
        }
    }

    /// Reads the images.
    ///
    /// # Errors
    /// When there are none, or fewer than asked for, or they are not what they should be.
    pub fn load(&self) -> Result<Split> {
        let files = self.data_set.open()?;
        Split::read(&files, self.data_set.classes, &self.train, &self.test)
    }
}
