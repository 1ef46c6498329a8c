//! How a set is to be read where its files do not say it, and what is then known of it.

use std::ops::Not;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{CLASSES, Dataset, Preparation, SIDE};

/// How a set is to be read. The default is as it is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReadOptions {
    /// Which of several sets in a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Images are turned upright that lie on their side, mirrored: rows become columns.
    #[serde(skip_serializing_if = "Not::not")]
    pub transpose: bool,
    /// Images that are dark on light become light on dark.
    #[serde(skip_serializing_if = "Not::not")]
    pub invert: bool,
    /// Pixels that are 0 or 1 become 0 or 255.
    #[serde(skip_serializing_if = "Not::not")]
    pub stretch: bool,
    /// Which classes there are.
    #[serde(skip)]
    pub classes: Classes,
}

/// Which classes a set has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Classes {
    /// Those it is known to have, else ten.
    #[default]
    Found,
    /// So many; labels go from 0 to one less.
    Number(usize),
    /// As many as these, in the order of labels; class folders are found by these names.
    Named(Vec<String>),
}

/// One file of a set, with what is known of the set.
#[derive(Debug, Default)]
pub struct LoadedDataset {
    /// The images.
    pub images: Dataset,
    /// The names of the classes, in the order of labels; every label is below their number.
    pub classes: Vec<String>,
    /// The name of the set among those in its folder.
    pub split: Option<String>,
    /// What had to be done, where the set was one of pictures.
    pub pictures: Option<Pictures>,
    /// How pictures have to be prepared to look like the images; `None` means that the location
    /// decides ([`Location::preparation`](super::Location)).
    pub preparation: Option<Preparation>,
    /// What the user should hear of: a line each.
    pub notes: Vec<String>,
}

/// Images without labels, such as the test file of a competition.
pub(crate) struct Unlabeled {
    /// The images; their labels are all 0.
    pub images: Dataset,
    /// The name of the id column, such as `ImageId`, and the id of each image, if the file has one.
    pub ids: Option<(String, Vec<String>)>,
}

/// How pictures became images.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pictures {
    /// 28x28 already.
    pub as_they_are: usize,
    /// Prepared as people's own pictures of digits are.
    pub prepared: usize,
    /// Whether those that were taken as they are were dark on light.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub inverted: bool,
}

impl ReadOptions {
    /// Settles the classes, changes the images as is asked, and says what is odd.
    pub(crate) fn apply(&self, mut found: LoadedDataset) -> Result<LoadedDataset> {
        found.classes = self.classes.names(found.classes);
        found.images.check_labels(found.classes.len())?;
        for (is_asked, change) in [
            (self.stretch, stretch as fn(&mut [u8])),
            (self.invert, invert),
            (self.transpose, transpose),
        ] {
            if is_asked {
                found.images = found.images.changed(change);
            }
        }
        let pixels = found.images.pixels();
        if !pixels.is_empty() && pixels.iter().all(|&pixel| pixel <= 1) {
            let text = "no pixel exceeds 1, where full ink is 255: --stretch makes it so";
            found.notes.push(format!("warning: {text}"));
        }
        if found.images.is_dark_on_light() {
            let text = "the images are dark on light, where ink is high: --invert mends it";
            found.notes.push(format!("warning: {text}"));
        }
        Ok(found)
    }
}

/// Exchanges ink and paper.
pub(crate) fn invert(image: &mut [u8]) {
    for pixel in image {
        *pixel = 255 - *pixel;
    }
}

/// Makes all that is not paper full ink.
fn stretch(image: &mut [u8]) {
    for pixel in image {
        *pixel = 255 * u8::from(*pixel > 0);
    }
}

/// Makes the rows of an image its columns.
pub(crate) fn transpose(image: &mut [u8]) {
    for row in 0..SIDE {
        for column in 0..row {
            image.swap(row * SIDE + column, column * SIDE + row);
        }
    }
}

impl Classes {
    /// The names of the classes of a set whose own names, if it has any, are `known`: as many as
    /// there are to be, numbers where there are no others.
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
