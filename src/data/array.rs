//! Numbers in several dimensions, as IDX and npz files keep them, and what images and labels are of
//! them.
//!
//! Nothing is believed: lengths are checked to the byte, and memory grows only with bytes that are
//! really there.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

/// The most data bytes one file may hold; the largest of the family, EMNIST by class, has 638 MB.
pub(super) const MAX_BYTES: u64 = 1 << 30;
/// Bytes by which a buffer grows at least.
const BLOCK: usize = 1 << 16;
/// Columns of QMNIST's labels, of which the first is the digit and the others tell of the writer.
const QMNIST: usize = 8;

/// How a number is kept: `u`, `i`, `f` or `b` (a truth value) as numpy has it, and in how many
/// bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind(pub char, pub usize);

impl Kind {
    /// The number in these bytes, the least one first; larger whole numbers than any pixel or label
    /// may be rounded.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_wrap,
        reason = "see above"
    )]
    fn number(self, bytes: &[u8]) -> f64 {
        let bits = bytes
            .iter()
            .rev()
            .fold(0, |bits, &byte| bits << 8 | u64::from(byte));
        let unused = 64 - 8 * u32::try_from(self.1).unwrap_or(8);
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
        let count = shape.len();
        ensure!(
            (1..=4).contains(&count),
            "{count} dimensions where images have 3 and labels 1"
        );
        let sizes = shape.iter().chain([&kind.1]);
        let expected = sizes.fold(1_u64, |all, &size| all.saturating_mul(size as u64));
        ensure!(
            expected <= MAX_BYTES,
            "header claims {} = {expected} bytes of data; the most this program reads is \
             {MAX_BYTES}",
            shown(&shape)
        );
        // One byte more than promised, so that trailing bytes show.
        let mut bytes = read_most(source, usize::try_from(expected)? + 1)?;
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
        let is_share = !matches!(self.kind.0, 'u' | 'i') && self.numbers().all(|x| x <= 1.0);
        let scale = if is_share { 255.0 } else { 1.0 };
        let pixel = |number: f64| {
            whole((number * scale).round()).with_context(|| {
                format!("a pixel is {number}: grey values from 0 to 255 or from 0 to 1 are needed")
            })
        };
        Ok((size, self.numbers().map(pixel).collect::<Result<_>>()?))
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
        if self.kind.1 == 1 && width == 1 && self.kind.0 == 'u' {
            return Ok(self.bytes);
        }
        let rows = || self.bytes.chunks_exact(width * self.kind.1);
        let hot = |row: &[u8]| {
            let numbers = row
                .chunks_exact(self.kind.1)
                .map(|bytes| self.kind.number(bytes));
            let mut marked = numbers.enumerate().filter(|&(_, number)| number != 0.0);
            let (place, number) = marked.next()?;
            (whole(number) == Some(1) && marked.next().is_none()).then_some(place)
        };
        let first = |(place, row): (usize, &[u8])| {
            let number = self.kind.number(&row[..self.kind.1]);
            whole(number).with_context(|| {
                format!("label {number} at position {place} where labels go from 0 to 255")
            })
        };
        if width > 1
            && let Some(places) = rows().map(hot).collect::<Option<Vec<usize>>>()
        {
            let labels = places.into_iter().map(u8::try_from);
            return labels
                .collect::<Result<_, _>>()
                .context("a label is above 255");
        }
        ensure!(
            width == 1 || width == QMNIST,
            "{} numbers where labels are a row of N, or N rows with a single 1",
            shown(&self.shape)
        );
        rows().enumerate().map(first).collect()
    }

    fn numbers(&self) -> impl Iterator<Item = f64> {
        let numbers = self.bytes.chunks_exact(self.kind.1);
        numbers.map(|bytes| self.kind.number(bytes))
    }
}

/// The number as a byte, if it is one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is looked at first"
)]
pub(super) fn whole(number: f64) -> Option<u8> {
    ((0.0..=255.0).contains(&number) && number.fract() == 0.0).then_some(number as u8)
}

fn shown(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(ToString::to_string).collect();
    sizes.join(" x ")
}

/// The first `most` bytes of `source`, or all there are. The buffer follows what has been read: it
/// is never larger than that and an eighth more, plus [`BLOCK`], and never larger than `most`.
pub(super) fn read_most(mut source: impl Read, most: usize) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    while data.len() < most {
        let step = (data.len() / 8).max(BLOCK).min(most - data.len());
        data.try_reserve_exact(step)
            .with_context(|| format!("no memory for {most} bytes"))?;
        let limited = source.by_ref().take(step as u64);
        let read = { limited }.read_to_end(&mut data);
        if read.context("cannot read the data")? < step {
            break;
        }
    }
    Ok(data)
}
