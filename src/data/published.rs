//! The published data sets of the MNIST family: their names, classes and file names. Their download
//! mirrors are in the extra `fetch`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use etcetera::BaseStrategy;
use serde::{Deserialize, Serialize};

/// A published set of 60,000 training and 10,000 test images in ten classes, 28x28, gray.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Published {
    /// Handwritten digits, by Y. LeCun, C. Cortes and C. Burges.
    Mnist,
    /// Zalando's articles of clothing.
    FashionMnist,
    /// Kuzushiji-MNIST: cursive hiragana, by ROIS-DS CODH.
    Kmnist,
}

/// Description of a published set.
pub(crate) struct DatasetInfo {
    /// Name on the command line, and of the folder in the cache.
    pub name: &'static str,
    /// Official name, for display.
    pub title: &'static str,
    /// Contents and number of images, for `--help`.
    pub about: &'static str,
    /// Names of the classes 0 to 9, separated by ", ".
    classes: &'static str,
    /// How pictures must be prepared to match the images.
    pub preparation: Preparation,
}

/// How a picture is prepared to match the images that a model was trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preparation {
    /// Like MNIST's digits: each digit is cropped and scaled into a box of 20x20.
    #[default]
    Digits,
    /// The whole picture is scaled to 28x28 gray values, without any other change.
    Plain,
    /// Like KMNIST's characters: all ink is one character, which fills the image.
    Character,
    /// Like Fashion-MNIST's articles: everything that differs from the background fills the image
    /// and keeps its gray values.
    Article,
}

/// The four files of every set of the family, without `.gz`: training images, training labels,
/// test images, test labels.
pub(crate) const FILE_NAMES: [&str; 4] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
];

impl Published {
    pub(crate) const ALL: [Self; 3] = [Self::Mnist, Self::FashionMnist, Self::Kmnist];

    pub(crate) fn info(self) -> &'static DatasetInfo {
        &INFO[self as usize]
    }

    /// Names of the classes, in the order of labels.
    pub(crate) fn class_names(self) -> Vec<String> {
        let names = self.info().classes.split(", ");
        names.map(str::to_owned).collect()
    }

    /// The folder of its files: torchvision's subfolder of `data_dir` if it exists, else `data_dir`
    /// itself; without `data_dir`, `mnist-tch/NAME` in the user's cache, which is `XDG_CACHE_HOME`
    /// or `~/.cache`, and on Windows the local application data.
    pub(crate) fn folder(self, data_dir: Option<&Path>) -> Result<PathBuf> {
        let info = self.info();
        if let Some(path) = data_dir {
            let torchvision = path.join(info.title.replace('-', "")).join("raw");
            let found = Some(torchvision).filter(|folder| folder.is_dir());
            return Ok(found.unwrap_or_else(|| path.to_owned()));
        }
        let base = etcetera::choose_base_strategy()
            .context("no home folder, so no cache folder: name a folder with --data-dir")?;
        Ok(base.cache_dir().join("mnist-tch").join(info.name))
    }
}

/// Class names of an EMNIST set by its published name, such as `emnist-letters`, in the order of
/// labels; empty for its digits. `None` for any other set.
pub(crate) fn emnist_classes(set: &str) -> Option<Vec<String>> {
    const UPPER: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let (first, others) = match set.to_lowercase().strip_prefix("emnist-")? {
        "byclass" => (UPPER, "abcdefghijklmnopqrstuvwxyz"),
        // Lower-case letters that look like upper-case ones are merged with them.
        "bymerge" | "balanced" => (UPPER, "abdefghnqrt"),
        // The first letter has the label 1.
        "letters" => ("-", &UPPER[10..]),
        "digits" | "mnist" => ("", ""),
        _ => return None,
    };
    let all = first.chars().chain(others.chars());
    Some(all.map(String::from).collect())
}

/// In the order of [`Published::ALL`].
const INFO: [DatasetInfo; 3] = [
    DatasetInfo {
        name: "mnist",
        title: "MNIST",
        about: "Handwritten digits: 60,000 to train on, 10,000 to test on",
        classes: "0, 1, 2, 3, 4, 5, 6, 7, 8, 9",
        preparation: Preparation::Digits,
    },
    DatasetInfo {
        name: "fashion-mnist",
        title: "Fashion-MNIST",
        about: "Articles of clothing, the same numbers",
        classes: "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, \
                  Ankle boot",
        preparation: Preparation::Article,
    },
    DatasetInfo {
        name: "kmnist",
        title: "KMNIST",
        about: "Cursive hiragana, the same numbers",
        classes: "o, ki, su, tsu, na, ha, ma, ya, re, wo",
        preparation: Preparation::Character,
    },
];
