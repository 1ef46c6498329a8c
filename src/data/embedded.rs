//! The 10,000 images that are part of the program: the first of MNIST's training file.
//!
//! They are the article's data: 0..5000 to train on, which is this set's training file, and 5000..10000 to test on,
//! its test file. Provenance, licence (CC BY-SA 3.0) and digests stand in `data/README.md`.

use std::sync::LazyLock;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use super::selection::Part;
use super::{Dataset, PIXELS, idx};

/// The name this set has in summaries.
pub const NAME: &str = "mnist-10k";

const TRAIN: usize = 5_000;
const IMAGES: &[u8] = include_bytes!("../../data/mnist-10k-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/mnist-10k-labels-idx1-ubyte.gz");

/// Both halves, decompressed once.
static HALVES: LazyLock<Result<[Dataset; 2]>> = LazyLock::new(|| {
    let mut images = idx::read_images(GzDecoder::new(IMAGES))?;
    let mut labels = idx::read_labels(GzDecoder::new(LABELS))?;
    ensure!(labels.len() == 2 * TRAIN && images.pixels.len() == 2 * TRAIN * PIXELS);
    let test_labels = labels.split_off(TRAIN);
    let test_images = idx::Images {
        pixels: images.pixels.split_off(TRAIN * PIXELS),
        ..images
    };
    Ok([
        Dataset::new(images, labels)?,
        Dataset::new(test_images, test_labels)?,
    ])
});

/// One of the two halves.
///
/// # Errors
/// When a label is not below `classes`, or the program itself is damaged.
pub fn read(part: Part, classes: usize) -> Result<Dataset> {
    let halves = HALVES.as_ref().ok();
    let [train, test] = halves.context("the embedded images are damaged")?;
    let half = match part {
        Part::Train => train,
        Part::Test => test,
    };
    half.check_labels(classes).context(NAME)?;
    Ok(half.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::mnist_10k;

    #[test]
    fn the_test_images_are_the_articles() {
        let split = mnist_10k().unwrap();
        assert_eq!((split.train.len(), split.test.len()), (5_000, 5_000));
        let mut counts = [0; 10];
        for &label in split.test.labels() {
            counts[usize::from(label)] += 1;
        }
        // The row sums of the article's confusion matrix.
        assert_eq!(counts, [522, 564, 503, 539, 445, 429, 513, 520, 482, 483]);
    }

    #[test]
    fn the_digest_is_the_one_in_data_readme() {
        let digest = mnist_10k().unwrap().sha256();
        let readme = include_str!("../../data/README.md");
        assert!(
            readme.contains(&digest),
            "{digest} is not in data/README.md"
        );
    }

    #[test]
    fn too_few_classes_are_no_damage() {
        let error = read(Part::Train, 7).unwrap_err();
        let text = format!("{error:#}");
        assert!(
            text.starts_with("mnist-10k: label ") && text.contains("--classes 10"),
            "{text}"
        );
    }
}
