//! LoadedDataset images, and parts of them that share their memory.

use std::ops::Range;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};

use super::{PIXELS, SIDE};

/// So many images show what all are like.
const SAMPLE: usize = 500;

/// LoadedDataset images: `len()` times 28x28 grey values 0-255 with a label each. Copies and slices
/// share their memory.
#[derive(Debug, Clone, Default)]
pub struct Dataset {
    /// Those of the whole file.
    pixels: Arc<Vec<u8>>,
    labels: Arc<Vec<u8>>,
    /// Which images of the file.
    range: Range<usize>,
}

impl Dataset {
    /// Puts images of this size and their labels together.
    pub(crate) fn new(size: [usize; 2], pixels: Vec<u8>, labels: Vec<u8>) -> Result<Self> {
        let [rows, columns] = size;
        ensure!(
            rows == SIDE && columns == SIDE,
            "images are {rows}x{columns}; the network takes {SIDE}x{SIDE}"
        );
        let count = pixels.len() / PIXELS;
        let labelled = labels.len();
        ensure!(count == labelled, "{count} images but {labelled} labels");
        Ok(Self::whole(pixels, labels))
    }

    fn whole(pixels: Vec<u8>, labels: Vec<u8>) -> Self {
        Self {
            range: 0..labels.len(),
            pixels: Arc::new(pixels),
            labels: Arc::new(labels),
        }
    }

    /// Images whose classes nobody knows, such as people's own pictures: `pixels` are 28x28 grey
    /// values each, and the labels are all 0 and mean nothing.
    pub(crate) fn unlabelled(pixels: Vec<u8>) -> Self {
        let labels = vec![0; pixels.len() / PIXELS];
        Self::whole(pixels, labels)
    }

    /// Number of images.
    #[must_use]
    pub fn len(&self) -> usize {
        self.range.len()
    }

    /// Whether there is no image at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.range.is_empty()
    }

    /// Grey values 0-255 of all images: `len()` x 28 x 28, row by row.
    #[must_use]
    pub fn pixels(&self) -> &[u8] {
        &self.pixels[self.range.start * PIXELS..self.range.end * PIXELS]
    }

    /// The label of every image.
    #[must_use]
    pub fn labels(&self) -> &[u8] {
        &self.labels[self.range.clone()]
    }

    /// Where these images stand in the file they come from.
    pub(crate) fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// The images `range` of these; nothing is copied.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn slice(&self, range: Range<usize>) -> Result<Self> {
        let all = self.labels().get(range.clone());
        all.with_context(|| format!("images {range:?} of {}", self.len()))?;
        let start = self.range.start;
        Ok(Self {
            range: start + range.start..start + range.end,
            ..self.clone()
        })
    }

    /// The same with every image changed.
    pub(crate) fn changed(mut self, change: impl FnMut(&mut [u8])) -> Self {
        let pixels = Arc::make_mut(&mut self.pixels);
        pixels.chunks_exact_mut(PIXELS).for_each(change);
        self
    }

    /// Whether what is at the images' edges, paper as a rule, is light. Some hundred of the images
    /// are looked at.
    pub(crate) fn is_dark_on_light(&self) -> bool {
        let step = self.len().div_ceil(SAMPLE).max(1);
        let (mut sum, mut count) = (0, 0);
        for image in self.pixels().chunks_exact(PIXELS).step_by(step) {
            for (place, &pixel) in image.iter().enumerate() {
                let (row, column) = (place / SIDE, place % SIDE);
                if row.min(column) == 0 || row.max(column) == SIDE - 1 {
                    sum += u64::from(pixel);
                    count += 1;
                }
            }
        }
        sum > 128 * count
    }

    /// Makes sure that every label is below `classes`; the error has the first one that is not,
    /// and the number of classes that takes all of them.
    pub(crate) fn check_labels(&self, classes: usize) -> Result<()> {
        let labels = self.labels();
        let too_large = |&label: &u8| usize::from(label) >= classes;
        let Some(position) = labels.iter().position(too_large) else {
            return Ok(());
        };
        let (label, largest) = (labels[position], labels.iter().max());
        let enough = largest.map_or(classes, |&label| usize::from(label) + 1);
        bail!(
            "label {label} at position {position} where labels go from 0 to {}; --classes {enough} \
             takes all that are there",
            classes.saturating_sub(1)
        )
    }
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
