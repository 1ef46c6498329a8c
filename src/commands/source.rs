//! Where the images of a command come from.

use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize, Serializer};

use crate::data::{Split, embedded, folder};

/// The images that the command line asks for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Source {
    /// The folder of the four IDX files; `None` means the embedded images.
    #[serde(serialize_with = "absolute")]
    pub data_dir: Option<PathBuf>,
    /// Use only the first training images.
    pub train_size: Option<usize>,
    /// Use only the first test images.
    pub test_size: Option<usize>,
}

impl Source {
    /// Reads the images.
    ///
    /// # Errors
    /// When there are none, or fewer than asked for, or they are not what they should be.
    pub fn load(&self) -> Result<Split> {
        let split = match &self.data_dir {
            Some(path) => folder::open(path)?,
            None => embedded::mnist_10k()?,
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
