//! Where the images of a command come from.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize, Serializer};

use super::fetch;
use crate::data::catalog::Published;
use crate::data::fetch::Mirror;
use crate::data::{Split, embedded, folder};

/// A data set that has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// The images that are part of the program.
    Embedded,
    /// One that is fetched where it is missing.
    Published(Published),
}

/// The images that the command line asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Source {
    /// The data set; `None` means what is in `data_dir`, else the embedded images.
    pub dataset: Option<Named>,
    /// The folder of the four IDX files. With a published data set they are fetched into it where they are missing;
    /// without one they are there, whatever they are.
    #[serde(serialize_with = "absolute")]
    pub data_dir: Option<PathBuf>,
    /// Where to fetch from, in place of the mirrors that are known.
    #[serde(skip)]
    pub mirrors: Vec<Mirror>,
    /// Use only the first training images.
    pub train_size: Option<usize>,
    /// Use only the first test images.
    pub test_size: Option<usize>,
}

impl Source {
    /// Reads the images; fetches what is missing of a published data set, and shows that unless `quiet`.
    ///
    /// # Errors
    /// When there are none, or fewer than asked for, or they are not what they should be, or cannot be fetched.
    pub fn load(&self, quiet: bool) -> Result<Split> {
        let data_dir = self.data_dir.as_deref();
        let split = match (self.dataset, data_dir) {
            (Some(Named::Published(set)), _) => {
                let (path, _) = fetch::ensure(set, data_dir, &self.mirrors, quiet)?;
                Split {
                    name: set.name().to_owned(),
                    ..folder::open(&path)?
                }
            }
            (None, Some(path)) => folder::open(path)?,
            (Some(Named::Embedded) | None, _) => {
                ensure!(
                    data_dir.is_none(),
                    "--data-dir: --dataset {} is part of the program; name another set, or leave one of the two out",
                    embedded::NAME
                );
                embedded::mnist_10k()?
            }
        };
        split.resized(self.train_size, self.test_size)
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
