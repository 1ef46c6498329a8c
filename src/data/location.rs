//! Where a data set is, so exactly that a later command finds the same one, and how it is read.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::{Dataset, LoadedDataset, PIXELS, Part, Preparation, Published, ReadOptions, idx};

/// Reads a part of the set in a folder, or in a file; of a published set where one is named.
///
/// The program hands it down: the core's own reads IDX files under their published names, the extra
/// `formats` reads every form that people keep a set in.
pub type FolderReader = fn(&Path, Option<Published>, Part, &ReadOptions) -> Result<LoadedDataset>;

/// Where a data set is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// In the program: the first 10,000 images of MNIST's training file, which are the article's.
    Embedded,
    /// The files of a published set, which are fetched where they are missing.
    Published {
        /// Which set.
        set: Published,
        /// Where its files are; `None` means the user's cache.
        folder: Option<PathBuf>,
    },
    /// A folder, or a file, with a set in any form.
    Folder(PathBuf),
}

impl Location {
    /// The sets that have names, each with what it is.
    pub(crate) fn named() -> [(&'static str, &'static str, Self); 4] {
        let about = "The first 10,000 images of MNIST's training file, part of the program";
        let [mnist, fashion, kmnist] = Published::ALL.map(|set| {
            let location = Self::Published { set, folder: None };
            (set.info().name, set.info().about, location)
        });
        [(EMBEDDED, about, Self::Embedded), mnist, fashion, kmnist]
    }

    /// The set that has this name, else a folder's.
    pub(crate) fn from_name(name: &str) -> Self {
        let known = Self::named().into_iter().find(|(known, ..)| *known == name);
        known.map_or_else(|| Self::Folder(name.into()), |(_, _, set)| set)
    }

    /// The same set with its files in `path`; any set's folder if this is not a published one.
    pub(crate) fn moved(self, path: PathBuf) -> Self {
        match self {
            Self::Published { set, .. } => {
                let folder = Some(path);
                Self::Published { set, folder }
            }
            Self::Embedded | Self::Folder(_) => Self::Folder(path),
        }
    }

    /// The same for a run to keep: seen from any folder, and as text, which most paths are and JSON
    /// needs.
    pub(crate) fn absolute(&self) -> Self {
        let (Self::Folder(path)
        | Self::Published {
            folder: Some(path), ..
        }) = self
        else {
            return self.clone();
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let text = path.to_string_lossy().into_owned();
        self.clone().moved(text.into())
    }

    /// How a picture has to be prepared to be like its images: as a digit, unless more is known.
    pub(crate) fn preparation(&self) -> Preparation {
        match self {
            Self::Published { set, .. } => set.info().preparation,
            Self::Embedded | Self::Folder(_) => Preparation::Digits,
        }
    }

    /// What people call the set: its name or its folder.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Embedded => EMBEDDED.to_owned(),
            Self::Published { set, .. } => set.info().name.to_owned(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    /// Reads the training or the test file, which must be there; folders by `read_folder`.
    ///
    /// # Errors
    /// When the file is missing or not what its name says, or a label has no class; the message
    /// names it.
    pub fn read(
        &self,
        part: Part,
        options: &ReadOptions,
        read_folder: FolderReader,
    ) -> Result<LoadedDataset> {
        match self {
            Self::Embedded => {
                let halves = HALVES.as_ref().ok();
                let halves = halves.context("the embedded images are damaged")?;
                let found = LoadedDataset {
                    images: halves[part as usize].clone(),
                    ..LoadedDataset::default()
                };
                options.apply(found).context(EMBEDDED)
            }
            Self::Published { set, folder } => {
                let folder = set.folder(folder.as_deref())?;
                read_folder(&folder, Some(*set), part, options)
            }
            Self::Folder(path) => read_folder(path, None, part, options),
        }
    }
}

/// The name of the set in the program.
const EMBEDDED: &str = "mnist-10k";
/// Images 0..5000 are this set's training file, 5000..10000 its test file.
const TRAIN: usize = 5_000;
// Provenance, licence (CC BY-SA 3.0) and digests stand in `data/README.md`.
const IMAGES: &[u8] = include_bytes!("../../data/mnist-10k-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/mnist-10k-labels-idx1-ubyte.gz");

/// Both halves, decompressed once.
static HALVES: LazyLock<Result<[Dataset; 2]>> = LazyLock::new(|| {
    let (size, mut pixels) = idx::read(GzDecoder::new(IMAGES))?.images()?;
    let mut labels = idx::read(GzDecoder::new(LABELS))?.labels()?;
    let (test_pixels, test_labels) = (pixels.split_off(TRAIN * PIXELS), labels.split_off(TRAIN));
    let half = |pixels, labels| Dataset::new(size, pixels, labels);
    Ok([half(pixels, labels)?, half(test_pixels, test_labels)?])
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist_10k;

    #[test]
    fn the_test_images_are_the_articles_and_the_digest_is_the_one_in_data_readme() {
        let split = mnist_10k().unwrap();
        let mut counts = [0; 10];
        for &label in split.test.labels() {
            counts[usize::from(label)] += 1;
        }
        // The row sums of the article's confusion matrix.
        assert_eq!(counts, [522, 564, 503, 539, 445, 429, 513, 520, 482, 483]);
        assert_eq!(split.train.len(), 5_000);
        let readme = include_str!("../../data/README.md");
        assert!(readme.contains(&split.sha256()), "{}", split.sha256());
    }

    #[test]
    fn a_location_is_kept_and_read_again_as_it_was_from_any_folder() {
        for (_, _, location) in Location::named() {
            assert_eq!(location.absolute(), location);
            assert_eq!(Location::from_name(&location.name()), location);
        }
        let here = std::env::current_dir().unwrap();
        for (location, path) in [
            (Location::Folder("mnist".into()), "mnist"),
            (Location::from_name("kmnist").moved("a/b".into()), "a/b"),
        ] {
            let json = serde_json::to_string(&location.absolute()).unwrap();
            let kept: Location = serde_json::from_str(&json).unwrap();
            assert_eq!(kept, location.moved(here.join(path)));
        }
    }
}
