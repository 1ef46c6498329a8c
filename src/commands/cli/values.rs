//! Values as they are typed: numbers and their ranges. Each parser says what it expects; clap adds the option's name.

use std::num::NonZeroUsize;
use std::ops::Range;

use crate::commands::reproduce::Shard;

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
