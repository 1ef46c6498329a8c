//! Values as they are typed: numbers and their ranges. Each parser says what it expects; clap adds the option's name.

use std::num::NonZeroUsize;

use crate::data::fetch::Mirror;

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

/// Addresses with spaces between them. None at all is what a variable that is set to nothing says.
pub fn mirrors(text: &str) -> Result<Vec<Mirror>, String> {
    text.split_whitespace().map(str::parse).collect()
}
