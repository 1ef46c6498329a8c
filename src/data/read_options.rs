//! Options for reading a data set, and the result of reading it.

use std::ops::Not;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::array::MIN_WHITE;
use super::{CLASSES, Dataset, Preparation, SIDE};

/// Options for reading a data set. The default leaves the images unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// Which of several sets in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// The label column of a CSV file: its name, `first` or `last`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// How pictures in class folders are prepared; `None`: the class names decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prepare: Option<Preparation>,
    /// Swap rows and columns of every image.
    #[serde(skip_serializing_if = "Not::not")]
    pub transpose: bool,
    /// Invert every image, from dark on light to light on dark.
    #[serde(skip_serializing_if = "Not::not")]
    pub invert: bool,
    /// The classes.
    #[serde(skip)]
    pub classes: Classes,
}

/// The classes of a data set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Classes {
    /// The known classes of the set, else ten.
    #[default]
    Found,
    /// This number of classes.
    Number(usize),
    /// These class names, indexed by label; class folders are matched by name.
    Named(Vec<String>),
}

/// The images of one file of a data set, with metadata about the set.
#[derive(Debug, Default)]
pub struct LoadedDataset {
    /// The images.
    pub images: Dataset,
    /// Class names, indexed by label; every label has one.
    pub classes: Vec<String>,
    /// Name of the set within its folder, as for `--split`.
    pub split: Option<String>,
    /// What was done to pictures in class folders.
    pub pictures: Option<Pictures>,
    /// How pictures must be prepared to match the images; `None` means that the location
    /// decides ([`Location::preparation`](super::Location)).
    pub preparation: Option<Preparation>,
    /// Notes and warnings for the user, a line each.
    pub notes: Vec<String>,
}

/// Images without labels, such as the test file of a competition.
pub(crate) struct Unlabeled {
    /// The images; their labels are all 0.
    pub images: Dataset,
    /// The name of the id column, such as `ImageId`, and the id of each image, if the file has one.
    pub ids: Option<(String, Vec<String>)>,
    /// Notes and warnings for the user, a line each.
    pub notes: Vec<String>,
}

/// What was done to pictures in class folders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pictures {
    /// Number of pictures that were 28x28 already.
    pub as_they_are: usize,
    /// Number of pictures that were prepared.
    pub prepared: usize,
    /// Number of damaged pictures that were left out.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: usize,
    /// True if the 28x28 pictures were dark on light and have been inverted.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub inverted: bool,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl ReadOptions {
    /// Determines the class names, checks the labels, transforms the images and adds warnings.
    pub(crate) fn apply(&self, mut found: LoadedDataset) -> Result<LoadedDataset> {
        found.classes = self.classes.names(found.classes);
        found.images.check_labels(found.classes.len())?;
        let (images, notes) = self.change(found.images, found.preparation);
        found.images = images;
        found.notes.extend(notes);
        Ok(found)
    }

    /// Transposes and inverts images if requested, and scales pixels that are only 0 and 1 to
    /// 0-255. Also returns notes and warnings.
    pub(crate) fn change(
        &self,
        mut images: Dataset,
        preparation: Option<Preparation>,
    ) -> (Dataset, Vec<String>) {
        let mut notes = Vec::new();
        let pixels = images.pixels();
        if pixels.iter().all(|&pixel| pixel <= 1) && pixels.contains(&1) {
            images = images.map_images(|image| image.iter_mut().for_each(|pixel| *pixel *= 255));
            notes.push(
                "warning: no pixel exceeds 1, so 1 is taken as full ink and becomes 255; if these \
                 were fractions, rounding has destroyed them: save them as float32"
                    .to_owned(),
            );
        }
        if !images.is_empty()
            && images
                .pixels()
                .iter()
                .all(|&pixel| f64::from(pixel) < MIN_WHITE)
        {
            let text = "no pixel exceeds a quarter of full ink, which is 255: scale the images";
            notes.push(format!("warning: {text}"));
        }
        for (is_asked, change) in [
            (self.invert, invert as fn(&mut [u8])),
            (self.transpose, transpose),
        ] {
            if is_asked {
                images = images.map_images(change);
            }
        }
        // Photographs are not ink on paper.
        if preparation != Some(Preparation::Plain) && images.is_dark_on_light() {
            let text = "the images are dark on light, expected light on dark: use --invert";
            notes.push(format!("warning: {text}"));
        }
        (images, notes)
    }
}

/// Swaps ink and paper.
pub(crate) fn invert(image: &mut [u8]) {
    for pixel in image {
        *pixel = 255 - *pixel;
    }
}

/// Swaps rows and columns.
pub(crate) fn transpose(image: &mut [u8]) {
    for row in 0..SIDE {
        for column in 0..row {
            image.swap(row * SIDE + column, column * SIDE + row);
        }
    }
}

impl Classes {
    /// The class names: the `known` names of the set, or numbers.
    fn names(&self, mut known: Vec<String>) -> Vec<String> {
        let count = match self {
            Self::Found if known.is_empty() => CLASSES,
            Self::Found => known.len(),
            Self::Number(count) => *count,
            Self::Named(names) => names.len(),
        };
        known.truncate(count);
        known.extend((known.len()..count).map(|class| class.to_string()));
        known
    }
}
