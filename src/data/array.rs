//! Numbers in several dimensions, as IDX and npz files keep them, and what images and labels are of
//! them.
//!
//! Nothing is believed: lengths are checked to the byte, and memory grows only with bytes that are
//! really there.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

/// The most data bytes one file may hold; the largest of the family, EMNIST by class, has 638 MB.
pub(crate) const MAX_BYTES: u64 = 1 << 30;
/// Columns of QMNIST's labels, of which the first is the digit and the others tell of the writer.
const QMNIST: usize = 8;

/// How a number is kept: `u`, `i`, `f` or `b` (a truth value) as numpy has it, and in how many
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub char, pub usize);

impl Kind {
    /// The numbers in these bytes, of each the least byte first; larger whole numbers than any
    /// pixel or label may be rounded.
    fn numbers(self, bytes: &[u8]) -> impl Iterator<Item = f64> {
        let each = bytes.chunks_exact(self.1);
        each.map(move |bytes| self.number(bytes))
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

/// So many numbers in each dimension, row by row.
#[derive(Debug, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    kind: Kind,
    /// Of each number the least byte first.
    bytes: Vec<u8>,
}

impl Array {
    /// Reads the numbers of this shape, which must be all that `source` holds.
    pub fn read(
        source: impl Read,
        shape: Vec<usize>,
        kind: Kind,
        is_big_endian: bool,
    ) -> Result<Self> {
        ensure!(
            (1..=4).contains(&shape.len()),
            "{} dimensions where images have 3 and labels 1",
            shape.len()
        );
        let sizes = shape.iter().chain([&kind.1]);
        let expected = sizes.fold(1_u64, |all, &size| all.saturating_mul(size as u64));
        ensure!(
            expected <= MAX_BYTES,
            "header claims {} = {expected} bytes of data; the most this program reads is \
             {MAX_BYTES}",
            shown(&shape)
        );
        // One byte more than promised, so that trailing bytes show; read as far as there are any.
        let (mut bytes, source) = (Vec::new(), source.take(expected + 1));
        let read = { source }.read_to_end(&mut bytes);
        read.context("cannot read the data")?;
        let found = bytes.len() as u64;
        ensure!(
            found >= expected,
            "truncated: the header promises {expected} bytes of data, only {found} are there"
        );
        ensure!(
            found == expected,
            "trailing bytes: the header promises {expected} bytes of data, more are there"
        );
        if is_big_endian && kind.1 > 1 {
            bytes.chunks_exact_mut(kind.1).for_each(<[u8]>::reverse);
        }
        Ok(Self { shape, kind, bytes })
    }

    /// Height and width of images, and their grey values 0 to 255, or fractions 0 to 1 made such.
    /// A dimension of 1 for the channel may be there, and images may be one row of pixels each.
    pub fn images(self) -> Result<([usize; 2], Vec<u8>)> {
        let sizes = self.shape.iter().skip(1).copied();
        let sizes: Vec<usize> = sizes.filter(|&size| size != 1).collect();
        let size = match sizes[..] {
            [rows, columns] => [rows, columns],
            [pixels] if pixels.isqrt().pow(2) == pixels => [pixels.isqrt(); 2],
            _ => bail!(
                "{} numbers where images are N x 28 x 28: are the image and the label file \
                 swapped, or the images in colour?",
                shown(&self.shape)
            ),
        };
        if self.kind == Kind('u', 1) {
            return Ok((size, self.bytes));
        }
        let numbers = || self.kind.numbers(&self.bytes);
        let is_share = !matches!(self.kind.0, 'u' | 'i') && numbers().all(|number| number <= 1.0);
        let scale = if is_share { 255.0 } else { 1.0 };
        let pixel = |number: f64| {
            whole((number * scale).round()).with_context(|| {
                format!("a pixel is {number}: grey values from 0 to 255 or from 0 to 1 are needed")
            })
        };
        Ok((size, numbers().map(pixel).collect::<Result<_>>()?))
    }

    /// Labels: a number each, or a row in which the label's place has the only 1, or QMNIST's rows.
    pub fn labels(self) -> Result<Vec<u8>> {
        let width = match self.shape[..] {
            [_] => 1,
            [_, width] if width > 0 => width,
            _ => bail!(
                "{} numbers where labels are a row of N: are the image and the label file swapped?",
                shown(&self.shape)
            ),
        };
        if self.kind == Kind('u', 1) && width == 1 {
            return Ok(self.bytes);
        }
        let rows = || self.bytes.chunks_exact(width * self.kind.1);
        let hot = |row: &[u8]| {
            let numbers = self.kind.numbers(row).enumerate();
            let mut marked = numbers.filter(|&(_, number)| number != 0.0);
            let (place, number) = marked.next()?;
            let is_hot = whole(number) == Some(1) && marked.next().is_none();
            u8::try_from(place).ok().filter(|_| is_hot)
        };
        if width > 1
            && let Some(labels) = rows().map(hot).collect()
        {
            return Ok(labels);
        }
        ensure!(
            width == 1 || width == QMNIST,
            "{} numbers where labels are a row of N, or N rows with a single 1",
            shown(&self.shape)
        );
        let first = |(place, row): (usize, &[u8])| {
            let number = self.kind.number(&row[..self.kind.1]);
            whole(number).with_context(|| {
                format!("label {number} at position {place} where labels go from 0 to 255")
            })
        };
        rows().enumerate().map(first).collect()
    }
}

/// The number as a byte, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is looked at first"
)]
pub(crate) fn whole(number: f64) -> Option<u8> {
    ((0.0..=255.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

fn shown(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sizes.join(" x ")
}
