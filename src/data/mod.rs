//! From bytes to checked digits: the IDX reader, the embedded set, folders of files, train and test.
//!
//! It owns what a data set is (pixels as `u8`, labels below the number of classes, 28x28) and refuses
//! everything else with an error that names the file. It knows nothing of tensors or of training.

pub mod embedded;
pub mod folder;
pub mod idx;
pub mod picture;

use std::fmt::Write;
use std::ops::Range;

use anyhow::{Result, bail, ensure};
use sha2::{Digest, Sha256};

/// Height and width of every image, in pixels.
pub const SIDE: usize = 28;
/// Pixels of one image.
pub const PIXELS: usize = SIDE * SIDE;
/// Number of classes of the MNIST family: digits, clothes, kana.
pub const CLASSES: usize = 10;

/// Labelled images: `len()` times 28x28 grey values 0-255, each with a label below [`CLASSES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dataset {
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Dataset {
    /// Puts images and labels together.
    ///
    /// # Errors
    /// When the images are not 28x28, the counts differ, or a label is not below [`CLASSES`].
    pub fn new(images: idx::Images, labels: Vec<u8>) -> Result<Self> {
        let idx::Images {
            rows,
            columns,
            pixels,
        } = images;
        ensure!(
            rows == SIDE && columns == SIDE,
            "images are {rows}x{columns}; the network takes {SIDE}x{SIDE}"
        );
        let count = pixels.len() / PIXELS;
        ensure!(
            count == labels.len(),
            "{count} images but {} labels",
            labels.len()
        );
        if let Some(position) = labels
            .iter()
            .position(|&label| usize::from(label) >= CLASSES)
        {
            bail!(
                "label {} at position {position}; labels go from 0 to {}",
                labels[position],
                CLASSES - 1
            );
        }
        Ok(Self { pixels, labels })
    }

    /// Images whose classes nobody knows, such as people's own pictures: `pixels` are 28x28 grey values each, and
    /// the labels are all 0 and mean nothing.
    #[must_use]
    pub fn unlabelled(pixels: Vec<u8>) -> Self {
        let labels = vec![0; pixels.len() / PIXELS];
        Self { pixels, labels }
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there is no image at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Grey values 0-255 of all images: `len()` x 28 x 28, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The label of every image.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// A copy of the images `range`; the caller keeps the range within `len()`.
    fn slice(&self, range: Range<usize>) -> Self {
        Self {
            pixels: self.pixels[range.start * PIXELS..range.end * PIXELS].to_vec(),
            labels: self.labels[range].to_vec(),
        }
    }

    /// The first `size` images; all of them without a size.
    fn first(mut self, size: Option<usize>, option: &str) -> Result<Self> {
        if let Some(size) = size {
            ensure!(
                size <= self.len(),
                "{option} {size} is more than the {} images there are",
                self.len()
            );
            self.pixels.truncate(size * PIXELS);
            self.labels.truncate(size);
        }
        ensure!(!self.is_empty(), "there is no image to use");
        Ok(self)
    }
}

/// What is trained on and what is tested on.
#[derive(Debug, Clone)]
pub struct Split {
    /// Where the images come from, for people: a name or a folder.
    pub name: String,
    /// The images the weights are fitted to.
    pub train: Dataset,
    /// The images the accuracy is measured on.
    pub test: Dataset,
}

impl Split {
    /// Keeps the first `train` training images and the first `test` test images.
    ///
    /// # Errors
    /// When there are fewer images than asked for, or none.
    pub fn resized(self, train: Option<usize>, test: Option<usize>) -> Result<Self> {
        Ok(Self {
            name: self.name,
            train: self.train.first(train, "--train-size")?,
            test: self.test.first(test, "--test-size")?,
        })
    }

    /// SHA-256, in hex, of training pixels, training labels, test pixels and test labels, in that order.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for set in [&self.train, &self.test] {
            hasher.update(&set.pixels);
            hasher.update(&set.labels);
        }
        let digits = hasher.finalize();
        let mut text = String::with_capacity(2 * digits.len());
        for byte in digits {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images(count: usize, rows: usize, columns: usize) -> idx::Images {
        idx::Images {
            rows,
            columns,
            pixels: vec![0; count * rows * columns],
        }
    }

    #[test]
    fn counts_that_differ_are_an_error() {
        let error = Dataset::new(images(3, 28, 28), vec![0, 1]).unwrap_err();
        assert_eq!(error.to_string(), "3 images but 2 labels");
    }

    #[test]
    fn a_label_out_of_range_is_found_by_position() {
        let error = Dataset::new(images(3, 28, 28), vec![0, 9, 10]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label 10 at position 2; labels go from 0 to 9"
        );
    }

    #[test]
    fn other_image_sizes_are_an_error() {
        let error = Dataset::new(images(1, 32, 32), vec![0]).unwrap_err();
        assert!(error.to_string().contains("32x32"), "{error}");
        let error = Dataset::new(images(0, 0, 28), vec![]).unwrap_err();
        assert!(error.to_string().contains("0x28"), "{error}");
    }

    #[test]
    fn sizes_past_the_end_and_empty_sets_are_errors() {
        let set = Dataset::new(images(3, 28, 28), vec![0, 1, 2]).unwrap();
        let split = Split {
            name: "tiny".into(),
            train: set.clone(),
            test: set,
        };
        let error = split.clone().resized(Some(4), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--train-size 4 is more than the 3 images there are"
        );
        let smaller = split.clone().resized(Some(2), Some(1)).unwrap();
        assert_eq!((smaller.train.len(), smaller.test.len()), (2, 1));
        assert_eq!(smaller.train.pixels().len(), 2 * PIXELS);
        let error = split.resized(None, Some(0)).unwrap_err();
        assert_eq!(error.to_string(), "there is no image to use");
    }
}
