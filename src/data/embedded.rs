//! The 10,000 images that are part of the program: the first of MNIST's training file.
//!
//! They are the article's data: 0..5000 to train on, 5000..10000 to test on. Provenance, licence
//! (CC BY-SA 3.0) and digests stand in `data/README.md`.

use anyhow::{Context, Result};
use flate2::read::GzDecoder;

use super::{Dataset, Split, idx};

/// The name this set has in summaries.
pub const NAME: &str = "mnist-10k";

const TRAIN: usize = 5_000;
const IMAGES: &[u8] = include_bytes!("../../data/mnist-10k-images-idx3-ubyte.gz");
const LABELS: &[u8] = include_bytes!("../../data/mnist-10k-labels-idx1-ubyte.gz");

/// The article's split of the embedded images: 5,000 to train on and the 5,000 after them to test on.
///
/// # Errors
/// Only when the program itself is damaged.
pub fn mnist_10k() -> Result<Split> {
    let read = || {
        let images = idx::read_images(GzDecoder::new(IMAGES))?;
        let labels = idx::read_labels(GzDecoder::new(LABELS))?;
        Dataset::new(images, labels)
    };
    let all = read().context("the embedded images are damaged")?;
    Ok(Split {
        name: NAME.to_owned(),
        train: all.slice(0..TRAIN),
        test: all.slice(TRAIN..all.len()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
