//! Which images of which file, such as the first 5,000 of the training file.

use std::fmt;
use std::ops::Range;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::Dataset;

/// One of the two files of a data set, which are two of images and labels each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The official training images.
    Train,
    /// The official test images.
    Test,
}

impl Part {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// The name in ranges: `train` or `test`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// A part of one file, written as `train:0..5000`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Selection {
    /// Which file.
    pub part: Part,
    /// The first image, from 0.
    pub start: usize,
    /// The image after the last one; `None` means all that there are.
    pub end: Option<usize>,
}

impl Selection {
    /// The whole of a file.
    #[must_use]
    pub fn all(part: Part) -> Self {
        Self {
            part,
            start: 0,
            end: None,
        }
    }

    /// Reads `A..B`, `..B`, `A..` or `..`, with `train:` or `test:` before it for another file than `part`.
    ///
    /// # Errors
    /// What is expected instead.
    pub fn parse(text: &str, part: Part) -> Result<Self, String> {
        let named = Part::ALL.into_iter().find_map(|part| {
            let range = text.strip_prefix(part.name())?.strip_prefix(':')?;
            Some((part, range))
        });
        let (part, range) = named.unwrap_or((part, text));
        let bounds = || {
            let (start, end) = range.split_once("..")?;
            let number = |text: &str| {
                text.bytes()
                    .all(|byte| byte.is_ascii_digit())
                    .then(|| text.parse().ok())?
            };
            let start = if start.is_empty() { 0 } else { number(start)? };
            let end = if end.is_empty() {
                None
            } else {
                Some(number(end)?)
            };
            Some((start, end))
        };
        let (start, end) =
            bounds().ok_or("a range such as 0..5000, ..5000 or train:5000..10000 is expected")?;
        if end.is_some_and(|end| end <= start) {
            return Err(
                "the range is empty: A..B takes the images from A up to but not including B"
                    .to_owned(),
            );
        }
        Ok(Self { part, start, end })
    }

    /// Which images of the file `part` these are.
    #[must_use]
    pub fn taken(part: Part, images: &Dataset) -> Self {
        let Range { start, end } = images.range();
        let end = Some(end);
        Self { part, start, end }
    }

    /// These images of `file`, at least one; `option` is what the user calls them.
    ///
    /// # Errors
    /// When the file has fewer.
    pub fn of(&self, file: &Dataset, option: &str) -> Result<Dataset> {
        let (length, name) = (file.len(), self.part.name());
        ensure!(length > 0, "the {name} file holds no image");
        let Range { start, end } = self.start..self.end.unwrap_or(length);
        ensure!(
            start < end.min(length) && end <= length,
            "{option} {self} is not within the {length} images of the {name} file"
        );
        file.slice(start..end)
    }
}

impl From<Selection> for String {
    fn from(selection: Selection) -> Self {
        selection.to_string()
    }
}

impl TryFrom<String> for Selection {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text, Part::Train)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}:{}..", self.part.name(), self.start)?;
        self.end.map_or(Ok(()), |end| write!(formatter, "{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{PIXELS, SIDE, idx};

    #[test]
    fn a_selection_is_taken_or_refused_by_the_options_name() {
        let images = idx::Images {
            rows: SIDE,
            columns: SIDE,
            pixels: vec![0; 5 * PIXELS],
        };
        let file = Dataset::new(images, (0..5).collect()).unwrap();
        let selection = |start, end| Selection {
            part: Part::Test,
            start,
            end,
        };
        let taken = |start, end| selection(start, end).of(&file, "--test-range");
        let middle = taken(1, Some(3)).unwrap();
        assert_eq!(middle.labels(), [1, 2]);
        assert_eq!(Selection::taken(Part::Test, &middle), selection(1, Some(3)));
        assert_eq!(taken(3, None).unwrap().labels(), [3, 4]);
        for (start, end, text) in [(0, Some(6), "0..6"), (5, None, "5.."), (7, Some(9), "7..9")] {
            let error = taken(start, end).unwrap_err().to_string();
            let expected =
                format!("--test-range test:{text} is not within the 5 images of the test file");
            assert_eq!(error, expected);
        }
        let nothing = file.slice(0..0).unwrap();
        let error = Selection::all(Part::Train).of(&nothing, "").unwrap_err();
        assert_eq!(error.to_string(), "the train file holds no image");
    }
}
