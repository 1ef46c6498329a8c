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

/// Reads the dimensions and the data: three dimensions (images, rows, columns) of an image file, or
/// the one of a label file.
pub fn read<const DIMS: usize>(mut source: impl Read) -> Result<([usize; DIMS], Vec<u8>)> {
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

    #[test]
    fn reads_images_and_labels() {
        let images = read(idx(&[2, 1, 3], &[1, 2, 3, 4, 5, 6]).as_slice()).unwrap();
        assert_eq!(images, ([2, 1, 3], vec![1, 2, 3, 4, 5, 6]));
        let labels = read(idx(&[3], &[7, 0, 9]).as_slice()).unwrap();
        assert_eq!(labels, ([3], vec![7, 0, 9]));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let mut floats = idx(&[1, 1, 1], &[0, 0, 0, 0]);
        floats[2] = 0x0d;
        for (bytes, part) in [
            (idx(&[1, 1, 2], &[1, 2, 3]), "trailing bytes"),
            (b"<!DOCTYPE html>".into(), "starts with 3c 21 44 4f"),
            (floats, "element type 0x0d"),
            (
                idx(&[1, 1, 2], &[])[..15].to_vec(),
                "ends within its header",
            ),
            (idx(&[3], &[7, 0, 9]), "swapped"),
            (idx(&[u32::MAX; 3], &[]), "the most this program reads"),
            (idx(&[u32::MAX, 28, 28], &[0]), "4294967295 x 28 x 28"),
            // Below the limit, but not there: the buffer has grown with the ten bytes only.
            (idx(&[1_000_000, 28, 28], &[0; 10]), "only 10 are there"),
        ] {
            let error = format!("{:#}", read::<3>(bytes.as_slice()).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        let images = idx(&[1, 1, 1], &[0]);
        let error = format!("{:#}", read::<1>(images.as_slice()).unwrap_err());
        assert!(error.contains("labels need 1"), "{error}");
    }
}
