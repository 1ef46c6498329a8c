//! Where the images of a command come from.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize, Serializer};

use super::download;
use crate::data::catalog::Published;
use crate::data::fetch::Mirror;
use crate::data::files::Files;
use crate::data::selection::{Part, Selection};
use crate::data::{Split, embedded};
use crate::learn::config::Config;
use crate::report::tables::summary::Data;

/// A data set that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The images that are part of the program.
    Embedded,
    /// One that is fetched where it is missing.
    Published(Published),
}

/// The files that the command line names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DataSet {
    /// The data set; `None` means what is in `data_dir`, else the embedded images.
    pub named: Option<Named>,
    /// The folder of the IDX files. Those of a published data set are fetched into it where they are missing; without
    /// one they are there, whatever they are.
    #[serde(serialize_with = "absolute")]
    pub data_dir: Option<PathBuf>,
    /// Where to fetch from, in place of the mirrors that are known.
    #[serde(skip)]
    pub mirrors: Vec<Mirror>,
    /// Number of classes, 2..=256.
    pub classes: usize,
}

impl DataSet {
    /// Finds the files; fetches what is missing of a published data set, and shows that unless `quiet`.
    ///
    /// # Errors
    /// When there are none, or those of more than one set, or they cannot be fetched.
    pub fn open(&self, quiet: bool) -> Result<Files> {
        let data_dir = self.data_dir.as_deref();
        match self.named {
            Some(Named::Published(set)) => {
                let (path, _) = download::ensure(set, data_dir, &self.mirrors, quiet)?;
                Files::published(set, &path)
            }
            Some(Named::Embedded) => {
                ensure!(
                    data_dir.is_none(),
                    "--data-dir: --dataset {} is part of the program; name another set, or leave one of the two out",
                    embedded::NAME
                );
                Ok(Files::Embedded)
            }
            None => Files::open(data_dir),
        }
    }
}

/// The images that the command line asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

    /// Reads the images; fetches what is missing of a published data set, and shows that unless `quiet`.
    ///
    /// # Errors
    /// When there are none, or fewer than asked for, or they are not what they should be, or cannot be fetched.
    pub fn load(&self, quiet: bool) -> Result<Split> {
        let files = self.data_set.open(quiet)?;
        Split::read(&files, self.data_set.classes, &self.train, &self.test)
    }

    /// Reads the images for a run of `config`.
    ///
    /// # Errors
    /// As those of [`Self::load`], and when there are fewer training images than a batch has.
    pub fn load_for(&self, config: &Config, quiet: bool) -> Result<Split> {
        let split = self.load(quiet)?;
        let (batch_size, images) = (config.batch_size.get(), split.train.len());
        ensure!(
            batch_size <= images,
            "--batch-size {batch_size} is more than the {images} training images"
        );
        Ok(split)
    }

    /// Which images `split`, read from here, holds.
    #[must_use]
    pub fn describe(&self, split: &Split) -> Data {
        Data {
            name: split.name.clone(),
            classes: split.classes.clone(),
            train_range: Selection::taken(self.train.part, &split.train),
            train_images: split.train.len(),
            test_range: Selection::taken(self.test.part, &split.test),
            test_images: split.test.len(),
            sha256: split.sha256(),
        }
    }
}

/// The folder for a checkpoint: seen from anywhere, and as text, which most paths are and JSON needs.
#[expect(clippy::ref_option, reason = "serde's form")]
fn absolute<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = path.as_ref().map(|path| {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        absolute.to_string_lossy().into_owned()
    });
    text.serialize(serializer)
}
