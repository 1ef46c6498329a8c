//! Values as they are typed: numbers and their ranges. Each parser says what it expects; clap adds the option's name.

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;

use crate::commands::reproduce::Shard;
use crate::data::MOST_CLASSES;
use crate::data::fetch::Mirror;
use crate::data::selection::{Part, Selection};

/// A number of things: 1 to a million, so that no product of two of them leaves its range.
pub fn count(text: &str) -> Result<NonZeroUsize, String> {
    let number = text
        .parse::<usize>()
        .ok()
        .filter(|&number| number <= 1_000_000);
    number
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| "a whole number from 1 to 1000000 is expected".to_owned())
}

/// More threads than any machine has would only cost memory.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    count(text)
        .ok()
        .filter(|number| number.get() <= 1_024)
        .ok_or_else(|| "a whole number from 1 to 1024 is expected".to_owned())
}

/// A learning rate.
pub fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "a number above 0 is expected".to_owned())
}

/// A share of a whole.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "a number from 0 to 1 is expected, such as 0.9 for 90 %".to_owned())
}

/// Seeds A to B - 1.
pub fn seed_range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..");
    let range = ends.and_then(|(from, to)| Some(from.parse::<u64>().ok()?..to.parse().ok()?));
    range
        .filter(|range| !range.is_empty() && range.end - range.start <= 1_000_000)
        .ok_or_else(|| {
            "A..B with A below B, whole numbers from 0, at most a million seeds, is expected"
                .to_owned()
        })
}

/// Part I of N.
pub fn shard(text: &str) -> Result<Shard, String> {
    let numbers = text.split_once('/');
    let shard = numbers.and_then(|(part, of)| {
        let (part, of) = (part.parse().ok()?, of.parse().ok()?);
        Some(Shard { part, of })
    });
    shard
        .filter(|shard| (1..=shard.of).contains(&shard.part))
        .ok_or_else(|| "I/N with I from 1 to N is expected".to_owned())
}

/// Addresses with spaces between them. None at all is what a variable that is set to nothing says.
pub fn mirrors(text: &str) -> Result<Vec<Mirror>, String> {
    text.split_whitespace().map(str::parse).collect()
}

/// The name of a picture to write.
pub fn png(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    let is_png = path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    is_png
        .then_some(path)
        .ok_or_else(|| "a file name that ends in .png is expected".to_owned())
}

/// A number of classes.
pub fn classes(text: &str) -> Result<usize, String> {
    let number = text.parse::<usize>().ok();
    number
        .filter(|number| (2..=MOST_CLASSES).contains(number))
        .ok_or_else(|| format!("a whole number from 2 to {MOST_CLASSES} is expected"))
}

/// Images to train on: of the training file unless said.
pub fn train_range(text: &str) -> Result<Selection, String> {
    Selection::parse(text, Part::Train)
}

/// Images to score: of the test file unless said.
pub fn test_range(text: &str) -> Result<Selection, String> {
    Selection::parse(text, Part::Test)
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(test_range(text).unwrap().to_string(), shown, "{text}");
        }
        assert_eq!(train_range("1..").unwrap().to_string(), "train:1..");
    }

    #[test]
    fn other_ranges_are_refused() {
        for text in [
            "",
            "5",
            "1-5",
            "1...5",
            "-1..5",
            "+1..5",
            "1..=5",
            "a..b",
            "1..2..3",
            "1.5..2",
            "valid:1..5",
            "train",
            "train:",
            "Train:0..1",
            "0..99999999999999999999",
            " 1..2",
        ] {
            let error = train_range(text).unwrap_err();
            assert!(error.starts_with("a range such as"), "{text}: {error}");
        }
        for text in ["5..5", "6..5", "..0", "test:7..1"] {
            let error = train_range(text).unwrap_err();
            assert!(error.starts_with("the range is empty"), "{text}: {error}");
        }
    }
}
