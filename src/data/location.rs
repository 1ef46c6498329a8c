//! Where a data set is: embedded, published, or in a folder. A run records it, so that later
//! commands find the same set.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use anyhow::{Context, Result};
use flate2::read::GzDecoder;
use serde::{Deserialize, Serialize};

use super::{Dataset, LoadedDataset, PIXELS, Part, Preparation, Published, ReadOptions, idx};

/// Reads a part of the set in a folder or a file, which may be a published one.
///
/// The core's reader supports IDX files under their published names; the extra `formats` supports
/// the other formats.
pub type FolderReader = fn(&Path, Option<Published>, Part, &ReadOptions) -> Result<LoadedDataset>;

/// Where a data set is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Location {
    /// Part of the program: the first 10,000 images of MNIST's training file, as in the article.
    Embedded,
    /// A published set, which is downloaded if it is missing.
    Published {
        /// Which set.
        set: Published,
        /// The folder of its files; `None` means the user's cache.
        #[serde(with = "json_path::option")]
        folder: Option<PathBuf>,
    },
    /// A folder or file that holds a set in any supported format.
    Folder(#[serde(with = "json_path")] PathBuf),
}

impl Location {
    /// The named sets: name, description, location.
    pub(crate) fn named() -> [(&'static str, &'static str, Self); 4] {
        let about = "The first 10,000 images of MNIST's training file, part of the program";
        let [mnist, fashion, kmnist] = Published::ALL.map(|set| {
            let location = Self::Published { set, folder: None };
            (set.info().name, set.info().about, location)
        });
        [(EMBEDDED, about, Self::Embedded), mnist, fashion, kmnist]
    }

    /// Returns the set called `name`, or the folder.
    pub(crate) fn from_name(name: &str) -> Self {
        let known = Self::named().into_iter().find(|(known, ..)| *known == name);
        known.map_or_else(|| Self::Folder(name.into()), |(_, _, set)| set)
    }

    /// Returns the same published set with its files in `path`, or the folder `path`.
    pub(crate) fn moved(self, path: PathBuf) -> Self {
        match self {
            Self::Published { set, .. } => {
                let folder = Some(path);
                Self::Published { set, folder }
            }
            Self::Embedded | Self::Folder(_) => Self::Folder(path),
        }
    }

    /// Returns the location with an absolute path.
    pub(crate) fn absolute(&self) -> Self {
        let (Self::Folder(path)
        | Self::Published {
            folder: Some(path), ..
        }) = self
        else {
            return self.clone();
        };
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        self.clone().moved(path)
    }

    /// How pictures must be prepared to match its images: as digits by default.
    pub(crate) fn preparation(&self) -> Preparation {
        match self {
            Self::Published { set, .. } => set.info().preparation,
            Self::Embedded | Self::Folder(_) => Preparation::Digits,
        }
    }

    /// Name or folder of the set, for display.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Embedded => EMBEDDED.to_owned(),
            Self::Published { set, .. } => set.info().name.to_owned(),
            Self::Folder(path) => path.display().to_string(),
        }
    }

    /// Reads the training or the test file; folders with `read_folder`.
    ///
    /// # Errors
    /// If the file is missing or damaged, or a label is out of range; the message names the file.
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

/// Name of the embedded set.
const EMBEDDED: &str = "mnist-10k";
/// Number of training images; the others are the test images.
const TRAIN: usize = 5_000;
// Provenance, license (CC BY-SA 3.0) and digests: `data/README.md`.
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

/// Paths in JSON: a string, or serde's form of an `OsString` if the path is not UTF-8.
mod json_path {
    use std::ffi::OsString;
    use std::path::PathBuf;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum JsonPath {
        Text(String),
        Raw(OsString),
    }

    impl From<&PathBuf> for JsonPath {
        fn from(path: &PathBuf) -> Self {
            let text = path.to_str().map(|text| Self::Text(text.to_owned()));
            text.unwrap_or_else(|| Self::Raw(path.clone().into()))
        }
    }

    impl From<JsonPath> for PathBuf {
        fn from(path: JsonPath) -> Self {
            match path {
                JsonPath::Text(text) => text.into(),
                JsonPath::Raw(raw) => raw.into(),
            }
        }
    }

    pub fn serialize<S: Serializer>(path: &PathBuf, serializer: S) -> Result<S::Ok, S::Error> {
        JsonPath::from(path).serialize(serializer)
    }

    pub fn deserialize<'a, D: Deserializer<'a>>(deserializer: D) -> Result<PathBuf, D::Error> {
        JsonPath::deserialize(deserializer).map(PathBuf::from)
    }

    pub mod option {
        use super::{Deserialize, Deserializer, JsonPath, PathBuf, Serialize, Serializer};

        #[expect(clippy::ref_option, reason = "serde passes it so")]
        pub fn serialize<S: Serializer>(
            path: &Option<PathBuf>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            path.as_ref().map(JsonPath::from).serialize(serializer)
        }

        pub fn deserialize<'a, D: Deserializer<'a>>(
            deserializer: D,
        ) -> Result<Option<PathBuf>, D::Error> {
            let path = Option::<JsonPath>::deserialize(deserializer)?;
            Ok(path.map(PathBuf::from))
        }
    }
}

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

    #[cfg(unix)]
    #[test]
    fn a_folder_whose_name_is_no_utf_8_is_kept_and_found_again() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;

        let path = PathBuf::from(OsStr::from_bytes(b"/data/caf\xe9"));
        for location in [
            Location::Folder(path.clone()),
            Location::from_name("kmnist").moved(path.clone()),
        ] {
            let json = serde_json::to_string(&location.absolute()).unwrap();
            let kept: Location = serde_json::from_str(&json).unwrap();
            assert_eq!(kept, location, "{json}");
        }
    }
}
