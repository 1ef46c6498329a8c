//! Reads the IDX format of the MNIST family: a big-endian header, then the numbers.
//!
//! The format, from Y. LeCun's MNIST page: two zero bytes, one byte for the element type (0x08 for
//! unsigned bytes), one for the number of dimensions, a big-endian `u32` per dimension, the data.

use std::io::Read;

use anyhow::{Context, Result, bail, ensure};

use super::array::{Array, ElementType};

/// Parses an IDX file.
pub fn read(mut source: impl Read) -> Result<Array> {
    let magic = read_header(&mut source)?;
    let [first, second, element, dims] = magic;
    ensure!(
        [first, second] == [0, 0],
        "not an IDX file: it starts with {}, expected 00 00 08 and the number of dimensions",
        magic.map(|byte| format!("{byte:02x}")).join(" ")
    );
    let element = match element {
        0x08 => ElementType('u', 1),
        0x09 => ElementType('i', 1),
        0x0b => ElementType('i', 2),
        0x0c => ElementType('i', 4),
        0x0d => ElementType('f', 4),
        0x0e => ElementType('f', 8),
        _ => bail!("invalid element type 0x{element:02x}; 0x08 stands for unsigned bytes"),
    };
    let size = |_| Ok(u32::from_be_bytes(read_header(&mut source)?).try_into()?);
    let shape = (0..dims).map(size).collect::<Result<_>>()?;
    Array::read(source, shape, element, true)
}

/// Reads four bytes of the header.
fn read_header(source: &mut impl Read) -> Result<[u8; 4]> {
    let mut bytes = Vec::with_capacity(4);
    let read = source.take(4).read_to_end(&mut bytes);
    read.context("cannot read the header")?;
    let header = bytes.try_into().ok();
    header.context("the file is empty or ends within its header")
}

// What files may hold is tested for all forms in tests/folders.rs.
#[cfg(test)]
mod tests {
    use super::*;

    fn idx(kind: u8, dims: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, kind, u8::try_from(dims.len()).unwrap()];
        bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    fn images(bytes: &[u8]) -> Result<([usize; 2], Vec<u8>)> {
        read(bytes)?.images()
    }

    fn labels(bytes: &[u8]) -> Result<Vec<u8>> {
        read(bytes)?.labels()
    }

    #[test]
    fn images_are_read_with_a_channel_or_without_and_as_shares_of_full_ink() {
        for dims in [[1, 2, 2].as_slice(), &[1, 1, 2, 2], &[1, 2, 2, 1], &[1, 4]] {
            let read = images(&idx(8, dims, &[1, 2, 3, 4])).unwrap();
            assert_eq!(read, ([2, 2], vec![1, 2, 3, 4]), "{dims:?}");
        }
        let shares: Vec<u8> = [0.0_f32, 0.5, 1.0, 0.2].map(f32::to_be_bytes).concat();
        let (_, read) = images(&idx(0x0d, &[1, 2, 2], &shares)).unwrap();
        assert_eq!(read, [0, 128, 255, 51]);
    }

    #[test]
    fn labels_are_numbers_or_rows_with_a_single_1_or_qmnists() {
        assert_eq!(labels(&idx(8, &[3], &[7, 0, 9])).unwrap(), [7, 0, 9]);
        assert_eq!(labels(&idx(8, &[3, 1], &[7, 0, 9])).unwrap(), [7, 0, 9]);
        let hot = idx(8, &[2, 3], &[0, 0, 1, 1, 0, 0]);
        assert_eq!(labels(&hot).unwrap(), [2, 0]);
        let rows = [[5, 0, 2, 1, 0, 0, 0, 0], [255, 4, 1, 3, 0, 0, 0, 0]];
        let rows = rows
            .as_flattened()
            .iter()
            .flat_map(|n: &i32| n.to_be_bytes());
        let qmnist = idx(0x0c, &[2, 8], &rows.collect::<Vec<_>>());
        assert_eq!(labels(&qmnist).unwrap(), [5, 255]);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        for (bytes, part) in [
            (idx(8, &[1, 1, 2], &[1, 2, 3]), "trailing bytes"),
            (b"IDX?".into(), "starts with 49 44 58 3f"),
            (idx(10, &[1, 1, 1], &[0]), "invalid element type 0x0a"),
            (
                idx(8, &[1, 1, 2], &[])[..15].to_vec(),
                "ends within its header",
            ),
            (idx(8, &[3], &[7, 0, 9]), "swapped"),
            (idx(8, &[1, 2, 2, 3], &[0; 12]), "1 x 2 x 2 x 3 numbers"),
            (idx(0x0b, &[1, 2, 2], &[1; 8]), "a pixel is 257"),
            (idx(8, &[u32::MAX; 3], &[]), "the maximum is"),
            (idx(8, &[u32::MAX, 28, 28], &[0]), "4294967295 x 28 x 28"),
            // Below the limit, but not there: the buffer has grown with the ten bytes only.
            (idx(8, &[1_000_000, 28, 28], &[0; 10]), "only 10 are there"),
        ] {
            let error = format!("{:#}", images(&bytes).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
        for (bytes, part) in [
            (idx(8, &[1, 2, 2], &[0; 4]), "swapped"),
            (idx(8, &[2, 2], &[0, 1, 1, 1]), "N one-hot rows"),
            (idx(9, &[2], &[0, 255]), "label -1 at position 1"),
        ] {
            let error = format!("{:#}", labels(&bytes).unwrap_err());
            assert!(error.contains(part), "{error}");
        }
    }
}
