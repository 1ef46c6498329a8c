//! Arrays of numbers from IDX and NumPy files, and their conversion to images and labels.
//!
//! Headers are not trusted: lengths are checked to the byte, and memory grows only with the bytes
//! actually read.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use super::PIXELS;

/// Maximum size of the data in one file; the largest file of the family, EMNIST ByClass, has
/// 638 MB.
pub(crate) const MAX_BYTES: u64 = 1 << 30;
/// In images scaled to 0-255, the brightest pixel is at least this bright.
pub(crate) const MIN_WHITE: f64 = 64.0;
/// Columns of QMNIST's labels: the digit, then metadata about its writer.
const QMNIST_COLUMNS: usize = 8;

/// The type of the elements: `u`, `i`, `f` or `b` (boolean) as in NumPy, and the size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElementType(pub char, pub usize);

impl ElementType {
    /// The numbers in little-endian `bytes`. Integers beyond 2^53 are rounded; no pixel or label is
    /// that large.
    fn numbers(self, bytes: &[u8]) -> impl Iterator<Item = f64> + Clone {
        let elements = bytes.chunks_exact(self.1);
        elements.map(move |bytes| self.number(bytes))
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "see above"
    )]
    fn number(self, bytes: &[u8]) -> f64 {
        let bits = bytes.iter().rev();
        let bits = bits.fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        let unused = 64 - 8 * bytes.len();
        match self {
            Self('f', 4) => f64::from(f32::from_le_bytes(bytes.try_into().unwrap_or_default())),
            Self('f', _) => f64::from_bits(bits),
            Self('i', _) => ((bits << unused) as i64 >> unused) as f64,
            _ => bits as f64,
        }
    }
}

/// An array of up to four dimensions in row-major order.
#[derive(Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    element: ElementType,
    /// The elements, each little-endian.
    bytes: Vec<u8>,
}

impl Array {
    /// Reads the elements; `source` must end after them.
    pub fn read(
        source: impl Read,
        shape: Vec<usize>,
        element: ElementType,
        is_big_endian: bool,
    ) -> Result<Self> {
        ensure!(
            (1..=4).contains(&shape.len()),
            "{} dimensions; images have 3 and labels 1",
            shape.len()
        );
        let sizes = shape.iter().chain([&element.1]);
        let expected = sizes.fold(1_u64, |all, &size| all.saturating_mul(size as u64));
        ensure!(
            expected <= MAX_BYTES,
            "the header claims {} elements, {expected} bytes of data; the maximum is {MAX_BYTES}",
            format_shape(&shape)
        );
        // Reading one extra byte detects trailing bytes.
        let mut bytes = Vec::new();
        let mut source = source.take(expected + 1);
        source
            .read_to_end(&mut bytes)
            .context("cannot read the data")?;
        let found = bytes.len() as u64;
        ensure!(
            found >= expected,
            "truncated: the header promises {expected} bytes of data, only {found} are there"
        );
        ensure!(
            found == expected,
            "trailing bytes: the header promises {expected} bytes of data, more are there"
        );
        if is_big_endian && element.1 > 1 {
            bytes.chunks_exact_mut(element.1).for_each(<[u8]>::reverse);
        }
        Ok(Self {
            shape,
            element,
            bytes,
        })
    }

    /// Height, width and pixels of the images; fractions are scaled to 0-255. Accepts a channel
    /// dimension of 1, and flattened images.
    pub fn images(self) -> Result<([usize; 2], Vec<u8>)> {
        let sizes = self.shape.iter().skip(1).copied();
        let sizes: Vec<usize> = sizes.filter(|&size| size != 1).collect();
        let size = match sizes[..] {
            [rows, columns] => [rows, columns],
            [pixels] if pixels.isqrt().pow(2) == pixels => [pixels.isqrt(); 2],
            _ => bail!(
                "{} numbers where images are N x 28 x 28: are the image and the label file \
                 swapped, or the images in color?",
                format_shape(&self.shape)
            ),
        };
        let pixels = match self.element {
            ElementType('u', 1) => self.bytes,
            ElementType(letter, _) => {
                gray_values(self.element.numbers(&self.bytes), !"ui".contains(letter))?
            }
        };
        Ok((size, pixels))
    }

    /// Labels: a row of numbers, one-hot rows, or QMNIST's rows.
    pub fn labels(self) -> Result<Vec<u8>> {
        let width = match self.shape[..] {
            [_] => 1,
            [_, width] if width > 0 => width,
            _ => bail!(
                "{} numbers where labels are a row of N: are the image and the label file swapped?",
                format_shape(&self.shape)
            ),
        };
        if self.element == ElementType('u', 1) && width == 1 {
            return Ok(self.bytes);
        }
        let rows = || self.bytes.chunks_exact(width * self.element.1);
        let hot = |row: &[u8]| {
            let numbers = self.element.numbers(row).enumerate();
            let mut marked = numbers.filter(|&(_, number)| number != 0.0);
            let (label, number) = marked.next()?;
            let is_hot = round_to_u8(number) == Some(1) && marked.next().is_none();
            u8::try_from(label).ok().filter(|_| is_hot)
        };
        if width > 1
            && let Some(labels) = rows().map(hot).collect()
        {
            return Ok(labels);
        }
        ensure!(
            width == 1 || width == QMNIST_COLUMNS,
            "{} numbers where labels are a row of N, or N one-hot rows",
            format_shape(&self.shape)
        );
        let first = |(position, row): (usize, &[u8])| {
            let number = self.element.number(&row[..self.element.1]);
            round_to_u8(number).with_context(|| {
                format!("label {number} at position {position}, expected 0 to 255")
            })
        };
        rows().enumerate().map(first).collect()
    }
}

/// True if an array of this shape holds images of 28x28 pixels.
pub(crate) fn holds_images(shape: &[usize]) -> bool {
    shape.len() > 1 && shape[1..].iter().product::<usize>() == PIXELS
}

/// Pixels from 0 to 255, rounded. With `may_be_fractions`, values from 0 to 1 are scaled up.
pub(crate) fn gray_values(
    numbers: impl Iterator<Item = f64> + Clone,
    may_be_fractions: bool,
) -> Result<Vec<u8>> {
    const EXPECTED: &str = "expected 0 to 255 or 0 to 1";
    let max = numbers.clone().fold(0.0, f64::max);
    let has_fraction = || numbers.clone().any(|number| number.fract() != 0.0);
    ensure!(
        !(may_be_fractions && max > 1.0 && max < MIN_WHITE && has_fraction()),
        "pixels are fractions up to {max}, {EXPECTED}: undo their normalization"
    );
    let scale = if may_be_fractions && max <= 1.0 {
        255.0
    } else {
        1.0
    };
    let pixel = |number: f64| {
        let byte = round_to_u8((number * scale).round()).filter(|_| number >= 0.0);
        byte.with_context(|| format!("a pixel is {number}, {EXPECTED}"))
    };
    numbers.map(pixel).collect()
}

/// The number as a byte; `None` if it is not a whole number from 0 to 255.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked"
)]
pub(crate) fn round_to_u8(number: f64) -> Option<u8> {
    ((0.0..=255.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

fn format_shape(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sizes.join(" x ")
}
