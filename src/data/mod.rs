//! From bytes to checked images: folders in any form that people keep a set in (IDX, npz, CSV,
//! pictures), published sets, what of them to train and test on, people's own pictures.
//!
//! It owns what a data set is (pixels as `u8`, 28x28, a label below the number of classes for each)
//! and refuses everything else with an error that names the file. It knows nothing of tensors or of
//! training.

mod array;
mod content;
mod csv_rows;
mod dataset;
pub(crate) mod download;
mod folder;
mod idx;
mod location;
mod npz;
pub(crate) mod picture;
mod pictures;
mod published;
mod reading;
mod sets;
mod split;
pub(crate) mod whole_file;

pub use dataset::Dataset;
pub use location::Location;
pub use published::Published;
pub use reading::{Classes, Labelled, Pictures, Reading};
pub(crate) use split::ImageRange;
pub use split::{Part, Split, mnist_10k};

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
    let digits = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    digits.collect::<Vec<_>>().concat()
}
