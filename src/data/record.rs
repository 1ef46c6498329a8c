//! The record of a run's images: their source, the options for reading them, and the ranges used.
//! Other commands use it to load the same images.

use serde::{Deserialize, Serialize};

use super::{Classes, ImageRange, Location, Part, Pictures, Preparation, ReadOptions, Split};

/// Which images a run was trained and scored on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DataRecord {
    /// A data set's name, or a folder.
    pub name: String,
    /// Where it is.
    pub location: Location,
    /// Options it was read with.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reading: ReadOptions,
    /// What was done to pictures in class folders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pictures: Option<Pictures>,
    /// How pictures must be prepared to match these images.
    #[serde(default)]
    pub preparation: Preparation,
    /// The names of the classes, in the order of labels.
    pub classes: Vec<String>,
    /// The images that were trained on, such as `train:0..5000`.
    pub train_range: ImageRange,
    pub train_images: usize,
    /// The images that were scored, such as `test:0..5000`.
    pub test_range: ImageRange,
    pub test_images: usize,
    /// SHA-256 of training pixels, training labels, test pixels and test labels.
    pub sha256: String,
}

impl DataRecord {
    /// The record of `split`, whose training and test images come from `parts` of the set at
    /// `location`.
    pub(crate) fn new(
        split: &Split,
        location: &Location,
        options: &ReadOptions,
        [train, test]: [Part; 2],
    ) -> Self {
        Self {
            name: split.name.clone(),
            location: location.absolute(),
            reading: ReadOptions {
                // Other sets may be added to the folder later.
                split: split.set.clone(),
                classes: Classes::Found,
                // Recorded in `preparation`, even if it was inferred from the class names.
                prepare: None,
                ..options.clone()
            },
            pictures: split.pictures,
            preparation: split.preparation.unwrap_or_else(|| location.preparation()),
            classes: split.classes.clone(),
            train_range: ImageRange::covering(train, &split.train),
            train_images: split.train.len(),
            test_range: ImageRange::covering(test, &split.test),
            test_images: split.test.len(),
            sha256: split.sha256(),
        }
    }

    /// Options for reading the set again, with the same classes and the same preparation.
    pub(crate) fn read_options(&self) -> ReadOptions {
        ReadOptions {
            classes: Classes::Named(self.classes.clone()),
            prepare: Some(self.preparation),
            ..self.reading.clone()
        }
    }
}

fn is_default(reading: &ReadOptions) -> bool {
    *reading == ReadOptions::default()
}
