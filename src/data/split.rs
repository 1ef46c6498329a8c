//! What is trained on and what is tested on: two parts of a data set without an image in common.

use anyhow::{Result, ensure};
use sha2::{Digest, Sha256};

use super::{CLASSES, Dataset, ImageRange, Location, Part, hex};

/// The article's split of the images that are part of the program: 5,000 to train on and the 5,000
/// after them to test on.
///
/// # Errors
/// Only when the program itself is damaged.
pub fn mnist_10k() -> Result<Split> {
    let [train, test] = Part::ALL.map(ImageRange::all);
    Split::read(&Location::Embedded, CLASSES, train, test)
}

/// What is trained on and what is tested on.
#[derive(Debug, Clone)]
pub struct Split {
    /// Where the images come from, for people: a name or a folder.
    pub name: String,
    /// The names of the classes, in the order of labels; every label is below their number.
    pub classes: Vec<String>,
    /// The images the weights are fitted to.
    pub train: Dataset,
    /// The images the accuracy is measured on.
    pub test: Dataset,
}

impl Split {
    /// Takes `train` and `test` out of the set at `location`, which has so many `classes`. A file
    /// that neither names is not read.
    pub(crate) fn read(
        location: &Location,
        classes: usize,
        train: ImageRange,
        test: ImageRange,
    ) -> Result<Self> {
        let file = location.read(train.part, classes)?;
        let train_images = train.of(&file, "--train-range")?;
        let test_images = if train.part == test.part {
            let images = test.of(&file, "--test-range")?;
            let (one, other) = (train_images.range(), images.range());
            ensure!(
                one.start >= other.end || other.start >= one.end,
                "--test-range {test} has images in common with the training images, {}: choose \
                 others with --train-range or --test-range",
                ImageRange::taken(train.part, &train_images)
            );
            images
        } else {
            test.of(&location.read(test.part, classes)?, "--test-range")?
        };
        Ok(Self {
            name: location.name(),
            classes: location.class_names(classes),
            train: train_images,
            test: test_images,
        })
    }

    /// Keeps the first `train` training images and the first `test` test images.
    ///
    /// # Errors
    /// When there are fewer images than asked for.
    pub fn resized(self, train: Option<usize>, test: Option<usize>) -> Result<Self> {
        let train = self.train.slice(0..train.unwrap_or(self.train.len()))?;
        let test = self.test.slice(0..test.unwrap_or(self.test.len()))?;
        Ok(Self {
            train,
            test,
            ..self
        })
    }

    /// SHA-256, in hex, of training pixels, training labels, test pixels and test labels.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for set in [&self.train, &self.test] {
            hasher.update(set.pixels());
            hasher.update(set.labels());
        }
        hex(hasher.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(train: &str, test: &str) -> Result<Split> {
        let range = |text| ImageRange::parse(text, Part::Train).unwrap();
        Split::read(&Location::Embedded, 10, range(train), range(test))
    }

    #[test]
    fn either_set_can_come_from_either_file() {
        let split = read("test:10..30", "train:4990..5000").unwrap();
        let whole = mnist_10k().unwrap();
        assert_eq!(split.train.labels(), &whole.test.labels()[10..30]);
        assert_eq!(split.test.labels(), &whole.train.labels()[4_990..]);
        assert_eq!(
            (split.name.as_str(), split.classes.len()),
            ("mnist-10k", 10)
        );
        assert_ne!(split.sha256(), whole.sha256());
    }

    #[test]
    fn no_image_is_in_both() {
        for test in [
            "train:0..101",
            "train:199..300",
            "train:120..130",
            "train:0..5000",
        ] {
            let error = read("100..200", test).unwrap_err().to_string();
            let common = "has images in common with the training images, train:100..200";
            assert!(
                error.starts_with(&format!("--test-range {test} {common}")),
                "{error}"
            );
        }
        for test in ["0..100", "200..5000"] {
            read("100..200", test).unwrap();
        }
    }

    #[test]
    fn a_smaller_split_keeps_the_first_images() {
        let whole = mnist_10k().unwrap();
        let small = whole.clone().resized(Some(2), Some(1)).unwrap();
        assert_eq!(small.train.labels(), &whole.train.labels()[..2]);
        assert_eq!(small.test.labels(), &whole.test.labels()[..1]);
        assert!(whole.resized(Some(5_001), None).is_err());
    }
}
