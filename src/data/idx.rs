//! Reads the IDX format of the MNIST family: a big-endian header, then unsigned bytes.
//!
//! The reader believes nothing: magic number, element type, number of dimensions and length are
//! checked to the byte, and memory grows only with bytes that are really there.
//!
//! The format, from Y. LeCun's MNIST page: two zero bytes, one byte for the element type (0x08 for
//! unsigned bytes), one for the number of dimensions, a big-endian `u32` per dimension, the data.

use std::io::Read;

use anyhow::{Context, Result, ensure};

/// The most data bytes one file may hold; the largest of the family, EMNIST by class, has 638 MB.
const MAX_BYTES: u64 = 1 << 30;

/// Bytes by which a buffer grows at least.
const BLOCK: usize = 1 << 16;
const UNSIGNED_BYTE: u8 = 0x08;

/// The images of one IDX file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Images {
    /// Height of every image, in pixels.
    pub rows: usize,
    /// Width of every image, in pixels.
    pub columns: usize,
    /// Grey values 0-255, image by image, row by row.
    pub pixels: Vec<u8>,
}

/// Reads an image file: three dimensions (images, rows, columns) of unsigned bytes.
pub fn read_images(source: impl Read) -> Result<Images> {
    let ([_, rows, columns], pixels) = read_array(source)?;
    let images = Images {
        rows,
        columns,
        pixels,
    };
    Ok(images)
}

/// Reads a label file: one dimension of unsigned bytes.
pub fn read_labels(source: impl Read) -> Result<Vec<u8>> {
    let ([_], labels) = read_array(source)?;
    Ok(labels)
}

fn read_array<const DIMS: usize>(mut source: impl Read) -> Result<([usize; DIMS], Vec<u8>)> {
    read_magic::<DIMS>(&mut source)?;
    let mut dims = [0; DIMS];
    let mut expected: u64 = 1;
    for dim in &mut dims {
        let size = u32::from_be_bytes(read_header(&mut source)?);
        *dim = size.try_into()?;
        expected = expected.saturating_mul(size.into());
    }
    ensure!(
        expected <= MAX_BYTES,
        "header claims {} = {expected} bytes of data; the most this program reads is {MAX_BYTES}",
        dims.map(|dim| dim.to_string()).join(" x ")
    );
    // One byte more than promised, so that trailing bytes show.
    let data = read_most(source, expected.saturating_add(1).try_into()?)?;
    let found = data.len() as u64;
    ensure!(
        found >= expected,
        "truncated: the header promises {expected} bytes of data, only {found} are there"
    );
    ensure!(
        found == expected,
        "trailing bytes: the header promises {expected} bytes of data, more are there"
    );
    Ok((dims, data))
}

/// The first `most` bytes of `source`, or all there are. The buffer follows what has been read: it
/// is never larger than that and an eighth more, plus [`BLOCK`], and never larger than `most`.
fn read_most(mut source: impl Read, most: usize) -> Result<Vec<u8>> {
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

fn read_magic<const DIMS: usize>(source: &mut impl Read) -> Result<()> {
    let magic = read_header(source)?;
    let [first, second, kind, dims] = magic;
    ensure!(
        [first, second] == [0, 0],
        "not an IDX file: it starts with {}, not with 00 00 08 {DIMS:02x}",
        magic.map(|byte| format!("{byte:02x}")).join(" ")
    );
    ensure!(
        kind == UNSIGNED_BYTE,
        "element type 0x{kind:02x} where 0x08 (unsigned bytes) is needed"
    );
    let what = if DIMS == 1 { "labels" } else { "images" };
    ensure!(
        usize::from(dims) == DIMS,
        "{dims} dimension(s) where {what} need {DIMS}: are the image and the label file swapped?"
    );
    Ok(())
}

/// Four bytes of the header.
fn read_header(source: &mut impl Read) -> Result<[u8; 4]> {
    let mut bytes = Vec::with_capacity(4);
    let read = source.take(4).read_to_end(&mut bytes);
    read.context("cannot read the header")?;
    let header = bytes.try_into().ok();
    header.context("the file is empty or ends within its header")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, u8::try_from(dims.len()).unwrap()];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn images_error(bytes: &[u8]) -> String {
        format!("{:#}", read_images(bytes).unwrap_err())
    }

    #[test]
    fn reads_images_and_labels() {
        let images = read_images(idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]).as_slice()).unwrap();
        assert_eq!((images.rows, images.columns), (1, 3));
        assert_eq!(images.pixels, [1, 2, 3, 4, 5, 6]);
        let labels = read_labels(idx(&[3], &[7, 0, 9]).as_slice()).unwrap();
        assert_eq!(labels, [7, 0, 9]);
    }

    #[test]
    fn every_truncation_is_an_error() {
        let whole = idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]);
        for length in 0..whole.len() {
            let error = images_error(&whole[..length]);
            let expected = if length < 16 {
                "ends within its header"
            } else {
                "truncated: the header promises 6 bytes"
            };
            assert!(error.contains(expected), "{length} bytes: {error}");
        }
    }

    #[test]
    fn a_trailing_byte_is_an_error() {
        let error = images_error(&idx(&[1, 1, 2], &[1, 2, 3]));
        assert!(error.contains("trailing bytes"), "{error}");
    }

    #[test]
    fn a_wrong_magic_number_is_shown() {
        let error = images_error(b"<!DOCTYPE html>");
        assert!(error.contains("starts with 3c 21 44 4f"), "{error}");
    }

    #[test]
    fn floats_are_refused() {
        let mut bytes = idx(&[1, 1, 1], &[0, 0, 0, 0]);
        bytes[2] = 0x0d;
        let error = images_error(&bytes);
        assert!(error.contains("element type 0x0d"), "{error}");
    }

    #[test]
    fn swapped_files_are_named_as_such() {
        let error = images_error(&idx(&[3], &[7, 0, 9]));
        assert!(error.contains("swapped"), "{error}");
        let error = format!(
            "{:#}",
            read_labels(idx(&[1, 1, 1], &[0]).as_slice()).unwrap_err()
        );
        assert!(error.contains("labels need 1"), "{error}");
    }

    #[test]
    fn the_buffer_follows_what_is_there() {
        let there = vec![7; 1_000_000];
        for most in [0, 1, 999_999, 1_000_000, 1_000_001, 1 << 30] {
            let data = read_most(there.as_slice(), most).unwrap();
            assert_eq!(data.len(), most.min(there.len()));
            let limit = data.len() + data.len() / 8 + BLOCK;
            assert!(
                data.capacity() <= most.min(limit),
                "{most}: {}",
                data.capacity()
            );
        }
    }

    #[test]
    fn a_header_that_claims_four_billion_images_costs_nothing() {
        let error = images_error(&idx(&[u32::MAX, 28, 28], &[0; 10]));
        assert!(error.contains("4294967295 x 28 x 28"), "{error}");
        // Below the limit, but not there: the buffer has grown with the ten bytes only.
        let error = images_error(&idx(&[1_000_000, 28, 28], &[0; 10]));
        assert!(error.contains("only 10 are there"), "{error}");
        let error = images_error(&idx(&[u32::MAX, u32::MAX, u32::MAX], &[]));
        assert!(error.contains("the most this program reads"), "{error}");
    }
}
