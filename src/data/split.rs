//! The split of a data set into training and test images: ranges of its files that do not overlap.

use std::fmt;
use std::ops::Range;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::dataset::class_counts;
use super::{
    Dataset, FolderReader, Location, Pictures, Preparation, ReadOptions, hex, idx_folder,
    list_first,
};

/// The article's split of the embedded images: 5,000 training images and 5,000 test images.
///
/// # Errors
/// Only if the program itself is damaged.
pub fn mnist_10k() -> Result<Split> {
    let [train, test] = Part::ALL.map(ImageRange::all);
    let options = ReadOptions::default();
    Split::read(&Location::Embedded, &options, train, test, idx_folder::read)
}

/// Training and test images of a data set.
#[derive(Debug, Clone)]
pub struct Split {
    /// Name or folder of the data set, for display.
    pub name: String,
    /// Class names, indexed by label; every label has one.
    pub classes: Vec<String>,
    /// The images the weights are fitted to.
    pub train: Dataset,
    /// The images the accuracy is measured on.
    pub test: Dataset,
    /// Name of the set within its folder, as for `--split`.
    pub(crate) set: Option<String>,
    /// What was done to the pictures of both files.
    pub(crate) pictures: Option<Pictures>,
    /// How pictures must be prepared to match the images; `None`: the location decides.
    pub(crate) preparation: Option<Preparation>,
    /// Notes and warnings for the user, a line each.
    pub(crate) notes: Vec<String>,
}

impl Split {
    /// Reads the images `train` and `test` of the set at `location`. A file that
    /// neither range refers to is not read.
    pub(crate) fn read(
        location: &Location,
        options: &ReadOptions,
        train: ImageRange,
        test: ImageRange,
        read_folder: FolderReader,
    ) -> Result<Self> {
        let mut file = location.read(train.part, options, read_folder)?;
        let train_images = train.select(&file.images, "--train-range")?;
        if train.part != test.part {
            let other = location.read(test.part, options, read_folder)?;
            file.images = other.images;
            for note in other.notes {
                if !file.notes.contains(&note) {
                    file.notes.push(note);
                }
            }
            if let (Some(all), Some(others)) = (&mut file.pictures, other.pictures) {
                all.as_they_are += others.as_they_are;
                all.prepared += others.prepared;
                all.skipped += others.skipped;
            }
        }
        let test_images = test.select(&file.images, "--test-range")?;
        let (one, other) = (train_images.range(), test_images.range());
        ensure!(
            train.part != test.part || one.start >= other.end || other.start >= one.end,
            "--test-range {test} has images in common with the training images, {}: choose others \
             with --train-range or --test-range",
            ImageRange::covering(train.part, &train_images)
        );
        file.notes
            .extend(unseen_classes(&train_images, &test_images, &file.classes));
        Ok(Self {
            name: location.name(),
            classes: file.classes,
            train: train_images,
            test: test_images,
            set: file.split,
            pictures: file.pictures,
            preparation: file.preparation,
            notes: file.notes,
        })
    }

    /// Keeps the first `train` training images and the first `test` test images.
    ///
    /// # Errors
    /// If there are fewer images than asked for.
    pub fn resized(mut self, train: Option<usize>, test: Option<usize>) -> Result<Self> {
        self.train = self.train.slice(0..train.unwrap_or(self.train.len()))?;
        self.test = self.test.slice(0..test.unwrap_or(self.test.len()))?;
        Ok(self)
    }

    /// SHA-256, in hex, of training pixels, training labels, test pixels and test labels.
    #[must_use]
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        for set in [&self.train, &self.test] {
            hasher.update(set.pixels());
            hasher.update(set.labels());
        }
        hex(hasher.finalize())
    }
}

/// The training or the test file of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The official training images.
    Train,
    /// The official test images.
    Test,
}

impl Part {
    /// Both parts.
    pub const ALL: [Self; 2] = [Self::Train, Self::Test];

    /// Name of the part in ranges.
    fn name(self) -> &'static str {
        ["train", "test"][self as usize]
    }
}

/// A part of one file, written as `train:0..5000`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageRange {
    pub part: Part,
    pub start: usize,
    /// End of the range, exclusive; `None` means the end of the file.
    pub end: Option<usize>,
}

impl ImageRange {
    /// All images of a file.
    pub(crate) fn all(part: Part) -> Self {
        let (start, end) = (0, None);
        Self { part, start, end }
    }

    /// Parses `A..B`, `..B`, `A..` or `..`, optionally prefixed with `train:` or `test:`;
    /// without a prefix, the range refers to `part`.
    pub(crate) fn parse(text: &str, part: Part) -> Result<Self, String> {
        let (part, range) = match text.split_once(':') {
            Some(("train", range)) => (Part::Train, range),
            Some(("test", range)) => (Part::Test, range),
            _ => (part, text),
        };
        let number = |text: &str| match text {
            "" => Some(None),
            // `parse` would accept a plus sign.
            _ if text.starts_with('+') => None,
            _ => text.parse().ok().map(Some),
        };
        let ends = range.split_once("..");
        let ends = ends.and_then(|(start, end)| Some((number(start)?.unwrap_or(0), number(end)?)));
        let (start, end) =
            ends.ok_or("expected a range such as 0..5000, ..5000 or train:5000..10000")?;
        if end.is_some_and(|end| end <= start) {
            let text = "the range is empty: A..B takes the images from A up to but not including B";
            return Err(text.to_owned());
        }
        Ok(Self { part, start, end })
    }

    /// The range of these images in the file `part`.
    pub(crate) fn covering(part: Part, images: &Dataset) -> Self {
        let Range { start, end } = images.range();
        let end = Some(end);
        Self { part, start, end }
    }

    /// Selects the images of this range, at least one, from `file`. Errors name the `option` of the
    /// range.
    pub(crate) fn select_any(&self, file: &Dataset, option: &str) -> Result<Dataset> {
        let (length, name) = (file.len(), self.part.name());
        ensure!(length > 0, "the {name} file holds no images");
        let Range { start, end } = self.start..self.end.unwrap_or(length);
        ensure!(
            start < end.min(length) && end <= length,
            "{option} {self} is not within the {length} images of the {name} file"
        );
        file.slice(start..end)
    }

    /// Like [`Self::select_any`], but requires more than one class, as training and scoring do.
    pub(crate) fn select(&self, file: &Dataset, option: &str) -> Result<Dataset> {
        let images = self.select_any(file, option)?;
        images.check_variety(&format!("{option} {}", Self::covering(self.part, &images)))?;
        Ok(images)
    }
}

/// A warning if classes of the test images do not occur in the training images.
fn unseen_classes(train: &Dataset, test: &Dataset, names: &[String]) -> Option<String> {
    let [trained, tested] = [train, test].map(|set| class_counts(set.labels()));
    let is_unseen = |label: &usize| tested[*label] > 0 && trained[*label] == 0;
    let unseen: Vec<&str> = (0..names.len())
        .filter(is_unseen)
        .map(|label| names[label].as_str())
        .collect();
    (!unseen.is_empty()).then(|| {
        format!(
            "warning: the training images hold none of the test classes {}: choose both \
             with --train-range and --test-range",
            list_first(&unseen)
        )
    })
}

impl From<ImageRange> for String {
    fn from(range: ImageRange) -> Self {
        range.to_string()
    }
}

impl TryFrom<String> for ImageRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text, Part::Train)
    }
}

impl fmt::Display for ImageRange {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "{}:{}..", self.part.name(), self.start)?;
        self.end.map_or(Ok(()), |end| write!(formatter, "{end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(train: &str, test: &str) -> Result<Split> {
        let range = |text| ImageRange::parse(text, Part::Train).unwrap();
        Split::read(
            &Location::Embedded,
            &ReadOptions::default(),
            range(train),
            range(test),
            idx_folder::read,
        )
    }

    #[test]
    fn either_set_can_come_from_either_file() {
        let split = read("test:10..30", "train:4990..5000").unwrap();
        let whole = mnist_10k().unwrap();
        assert_eq!(split.train.labels(), &whole.test.labels()[10..30]);
        assert_eq!(split.test.labels(), &whole.train.labels()[4_990..]);
        assert_eq!(
            (split.name.as_str(), split.classes.len()),
            ("mnist-10k", 10)
        );
        assert_ne!(split.sha256(), whole.sha256());
    }

    #[test]
    fn no_image_is_in_both() {
        for test in [
            "train:0..101",
            "train:199..300",
            "train:120..130",
            "train:0..5000",
        ] {
            let error = read("100..200", test).unwrap_err().to_string();
            let common = "has images in common with the training images, train:100..200";
            assert!(
                error.starts_with(&format!("--test-range {test} {common}")),
                "{error}"
            );
        }
        for test in ["0..100", "200..5000"] {
            read("100..200", test).unwrap();
        }
    }

    #[test]
    fn a_smaller_split_keeps_the_first_images() {
        let whole = mnist_10k().unwrap();
        let small = whole.clone().resized(Some(2), Some(1)).unwrap();
        assert_eq!(small.train.labels(), &whole.train.labels()[..2]);
        assert_eq!(small.test.labels(), &whole.test.labels()[..1]);
        assert!(whole.resized(Some(5_001), None).is_err());
    }

    #[test]
    fn ranges_are_read_and_shown_alike() {
        for (text, shown) in [
            ("0..5000", "test:0..5000"),
            ("..5000", "test:0..5000"),
            ("5000..", "test:5000.."),
            ("..", "test:0.."),
            ("train:5000..10000", "train:5000..10000"),
            ("test:1..2", "test:1..2"),
        ] {
            let range = ImageRange::parse(text, Part::Test).unwrap();
            assert_eq!(range.to_string(), shown, "{text}");
            assert_eq!(ImageRange::parse(shown, Part::Train), Ok(range));
        }
    }

    #[test]
    fn other_ranges_are_refused() {
        let wrong = "|5|1-5|1...5|-1..5|+1..5|1..=5|a..b|1..2..3|1.5..2|valid:1..5|train|train:|\
                     Train:0..1|0..99999999999999999999| 1..2";
        for text in wrong.split('|') {
            let error = ImageRange::parse(text, Part::Train).unwrap_err();
            assert!(
                error.starts_with("expected a range such as"),
                "{text}: {error}"
            );
        }
        for text in ["5..5", "6..5", "..0", "test:7..1"] {
            let error = ImageRange::parse(text, Part::Train).unwrap_err();
            assert!(error.starts_with("the range is empty"), "{text}: {error}");
        }
    }

    #[test]
    fn a_range_is_taken_or_refused_by_the_options_name() {
        let file = Dataset::unlabeled(vec![0; 5 * crate::data::PIXELS]);
        let taken = |text| {
            let range = ImageRange::parse(text, Part::Test).unwrap();
            let images = range.select_any(&file, "--test-range");
            images.map(|images| ImageRange::covering(Part::Test, &images).to_string())
        };
        assert_eq!(taken("1..3").unwrap(), "test:1..3");
        assert_eq!(taken("3..").unwrap(), "test:3..5");
        for text in ["test:0..6", "test:5..", "test:7..9"] {
            let error = taken(text).unwrap_err().to_string();
            let end = "is not within the 5 images of the test file";
            assert_eq!(error, format!("--test-range {text} {end}"));
        }
        let nothing = file.slice(0..0).unwrap();
        let error = ImageRange::all(Part::Train)
            .select_any(&nothing, "")
            .unwrap_err();
        assert_eq!(error.to_string(), "the train file holds no images");
    }
}
