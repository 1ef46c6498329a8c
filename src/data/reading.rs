//! How a set is to be read where its files do not say it, and what is then known of it.

use std::ops::Not;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{CLASSES, Dataset, SIDE};

/// How a set is to be read. The default is as it is found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
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
#[derive(Debug)]
pub struct Labelled {
    /// The images.
    pub images: Dataset,
    /// The names of the classes, in the order of labels; every label is below their number.
    pub classes: Vec<String>,
    /// The name of the set among those in its folder.
    pub split: Option<String>,
    /// What had to be done, where the set was one of pictures.
    pub pictures: Option<Pictures>,
    /// What the user should hear of: a line each.
    pub notes: Vec<String>,
    /// Where the labels come from, for errors.
    pub(super) labels_from: String,
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

impl Labelled {
    /// Labelled images of which nothing else is known but these classes, none if unknown.
    pub(super) fn new(images: Dataset, classes: Vec<String>, labels_from: String) -> Self {
        Self {
            images,
            classes,
            split: None,
            pictures: None,
            notes: Vec::new(),
            labels_from,
        }
    }
}

impl Reading {
    /// Changes the images as is asked, settles the classes, and says what is odd.
    pub(super) fn of(&self, mut found: Labelled) -> Result<Labelled> {
        found.classes = self.classes.names(found.classes);
        let checked = found.images.check_labels(found.classes.len());
        checked.with_context(|| found.labels_from.clone())?;
        if self.stretch {
            found.images = found.images.changed(stretch);
        }
        if self.invert {
            found.images = found.images.changed(invert);
        }
        if self.transpose {
            found.images = found.images.changed(transpose);
        }
        let pixels = found.images.pixels();
        let doubts = [
            (
                !pixels.is_empty() && pixels.iter().all(|&pixel| pixel <= 1),
                "no pixel exceeds 1, where full ink is 255: --stretch makes it so",
            ),
            (
                found.images.is_dark_on_light(),
                "the images are dark on light, where ink is high: --invert mends it",
            ),
        ];
        let doubts = doubts.into_iter().filter(|(is_so, _)| *is_so);
        found
            .notes
            .extend(doubts.map(|(_, text)| format!("warning: {text}")));
        Ok(found)
    }
}

/// Exchanges ink and paper.
pub(super) fn invert(image: &mut [u8]) {
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
pub(super) fn transpose(image: &mut [u8]) {
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
