//! Labeled images, and slices that share their memory.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::{MAX_CLASSES, PIXELS, SIDE};

/// Sample size for guessing whether images are dark on light.
const SAMPLE: usize = 500;

/// Labeled images: 28x28 gray values from 0 to 255, with one label each. Clones and slices share
/// their memory.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Pixels of the whole file.
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u8>>,
    /// Images of the file in this slice.
    range: Range<usize>,
}

impl Dataset {
    /// Joins images of this size (height, width) and their labels.
    pub(crate) fn new(size: [usize; 2], pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self> {
        let [rows, columns] = size;
        ensure!(
            rows == SIDE && columns == SIDE,
            "images are {rows}x{columns}; the network takes {SIDE}x{SIDE}"
        );
        let count = pixels.len() / PIXELS;
        let labeled = labels.len();
        ensure!(count == labeled, "{count} images but {labeled} labels");
        Ok(Self::from_parts(pixels, labels))
    }

    fn from_parts(pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        Self {
            range: 0..labels.len(),
            pixels: Arc::new(pixels),
            labels: Arc::new(labels),
        }
    }

    /// Images without labels, 28x28 gray values each; every label is 0.
    pub(crate) fn unlabeled(pixels: Vec<u8>) -> Self {
        let labels = vec![0; pixels.len() / PIXELS];
        Self::from_parts(pixels, labels)
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// True if there are no images.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Gray values of all images: `len()` x 28 x 28, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels[self.range.start * PIXELS..self.range.end * PIXELS]
    }

    /// The label of every image.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels[self.range.clone()]
    }

    /// Position of these images in their file.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Returns a part of the images without copying them.
    ///
    /// # Errors
    /// If there are fewer images.
    pub fn slice(&self, range: Range<usize>) -> Result<Self> {
        let all = self.labels().get(range.clone());
        all.with_context(|| format!("images {range:?} of {}", self.len()))?;
        let start = self.range.start;
        Ok(Self {
            range: start + range.start..start + range.end,
            ..self.clone()
        })
    }

    /// Applies `change` to every image.
    pub(crate) fn map_images(mut self, change: impl FnMut(&mut [u8])) -> Self {
        let pixels = Arc::make_mut(&mut self.pixels);
        pixels.chunks_exact_mut(PIXELS).for_each(change);
        self
    }

    /// True if the edges of the images, usually paper, are light. Looks at a sample.
    pub(crate) fn is_dark_on_light(&self) -> bool {
        let step = self.len().div_ceil(SAMPLE).max(1);
        let (mut sum, mut count) = (0, 0);
        for image in self.pixels().chunks_exact(PIXELS).step_by(step) {
            for (index, &pixel) in image.iter().enumerate() {
                let (row, column) = (index / SIDE, index % SIDE);
                if row.min(column) == 0 || row.max(column) == SIDE - 1 {
                    sum += u64::from(pixel);
                    count += 1;
                }
            }
        }
        sum > 128 * count
    }

    /// Checks that more than one class occurs, unless there is a single image. `what` names the
    /// images.
    pub(crate) fn check_variety(&self, what: &str) -> Result<()> {
        ensure!(
            self.len() < 2 || occurring(&class_counts(self.labels())) > 1,
            "{what} holds {} images, all with the label {}: see with mnist-tch show whether the \
             labels are read correctly, or choose images of several classes",
            self.len(),
            self.labels()[0]
        );
        Ok(())
    }

    /// True if batches in file order hold far fewer classes than shuffled batches would.
    #[expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
    pub(crate) fn is_sorted_by_label(&self, batch_size: usize) -> bool {
        let counts = class_counts(self.labels());
        // Small batches hold few classes even when shuffled, so test with larger ones.
        let batch_size = batch_size.max(2 * occurring(&counts));
        let batches = self.labels().chunks_exact(batch_size);
        let is_absent = |&count: &usize| {
            let share = count as f64 / self.len() as f64;
            (1.0 - share).powf(batch_size as f64)
        };
        let expected: f64 = counts.iter().map(|count| 1.0 - is_absent(count)).sum();
        let found = batches.clone().map(|batch| occurring(&class_counts(batch)));
        let found = found.sum::<usize>() as f64;
        batches.len() > 1 && found < 0.6 * expected * batches.len() as f64
    }

    /// Checks that every label is below `classes`. The error names the first one that is not, and
    /// the number of classes that would fit.
    pub(crate) fn check_labels(&self, classes: usize) -> Result<()> {
        let labels = self.labels();
        let too_large = |&label: &u8| usize::from(label) >= classes;
        let Some(position) = labels.iter().position(too_large) else {
            return Ok(());
        };
        let (label, largest) = (labels[position], labels.iter().max());
        let enough = largest.map_or(classes, |&label| usize::from(label) + 1);
        bail!(
            "label {label} at position {position}, expected 0 to {}: use --classes {enough}",
            classes.saturating_sub(1)
        )
    }
}

/// The number of images of each class.
pub(crate) fn class_counts(labels: &[u8]) -> [usize; MAX_CLASSES] {
    let mut counts = [0; MAX_CLASSES];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    counts
}

/// The number of classes that occur.
fn occurring(counts: &[usize]) -> usize {
    counts.iter().filter(|&&count| count > 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(count: usize, size: [usize; 2], labels: usize) -> Result<Dataset> {
        let pixels = (0..=255).cycle().take(count * size[0] * size[1]);
        Dataset::new(size, pixels.collect(), (0..10).take(labels).collect())
    }

    #[test]
    fn other_sizes_and_counts_that_differ_are_errors() {
        for (count, size, labels, part) in [
            (3, [28, 28], 2, "3 images but 2 labels"),
            (1, [32, 32], 1, "images are 32x32; the network takes 28x28"),
            (0, [0, 28], 0, "images are 0x28"),
        ] {
            let error = set(count, size, labels).unwrap_err().to_string();
            assert!(error.starts_with(part), "{error}");
        }
    }

    #[test]
    fn slices_of_slices_are_parts_of_the_file() {
        let set = set(10, [28, 28], 10).unwrap();
        let part = set.slice(2..8).unwrap().slice(1..3).unwrap();
        assert_eq!((part.labels(), part.range()), (&[3, 4][..], 3..5));
        assert_eq!(part.pixels(), &set.pixels()[3 * PIXELS..5 * PIXELS]);
        assert!(set.slice(10..10).unwrap().is_empty());
        let error = set.slice(2..8).unwrap().slice(0..7).unwrap_err();
        assert_eq!(error.to_string(), "images 0..7 of 6");
    }
}
