//! From bytes to checked images: the IDX reader, the embedded set, published sets, folders of files, what of them to train
//! and test on.
//!
//! It owns what a data set is (pixels as `u8`, 28x28, a label below the number of classes for each) and refuses
//! everything else with an error that names the file. It knows nothing of tensors or of training.

pub mod catalog;
pub mod embedded;
pub mod fetch;
pub mod folder;
pub mod idx;
pub mod location;
pub mod picture;
pub mod selection;

mod dataset;
mod split;

use std::fmt::Write;

pub use dataset::Dataset;
pub use split::{Split, mnist_10k};

/// Height and width of every image, in pixels.
pub const SIDE: usize = 28;
/// Pixels of one image.
pub const PIXELS: usize = SIDE * SIDE;
/// Number of classes of MNIST and its family (digits, clothes, kana), unless said otherwise.
pub const CLASSES: usize = 10;
/// The most classes there can be: labels are bytes.
pub const MOST_CLASSES: usize = 256;

/// A digest in hex.
pub(crate) fn hex(digest: impl AsRef<[u8]>) -> String {
    let digest = digest.as_ref();
    let mut text = String::with_capacity(2 * digest.len());
    for byte in digest {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
