//! Reads numpy's `.npz` files, zip archives of an array a member, such as Keras's `mnist.npz`.
//!
//! A member, `.npy`, is described with numpy itself (`numpy.lib.format`): a magic number, a
//! version, the length of a header, the header as a Python dictionary of three known entries, the
//! numbers.

use std::io::{Read, Seek};

use anyhow::{Context, Result, bail, ensure};
use zip::ZipArchive;

use crate::data::array::{Array, Kind};

/// Far longer than any header.
const MAX_HEADER: u32 = 1 << 16;

/// The names of the arrays in an archive.
pub(super) fn names(archive: impl Read + Seek) -> Result<Vec<String>> {
    let archive = ZipArchive::new(archive).context("not an .npz file, or a damaged one")?;
    Ok(archive.file_names().map(str::to_owned).collect())
}

/// What `convert` makes of the array of this name.
pub(super) fn read<T>(
    archive: impl Read + Seek,
    name: &str,
    convert: impl FnOnce(Array) -> Result<T>,
) -> Result<T> {
    let work = || {
        let mut archive = ZipArchive::new(archive)?;
        let array = npy(archive.by_name(name)?)?;
        convert(array)
    };
    work().with_context(|| format!("array {name}"))
}

fn npy(mut source: impl Read) -> Result<Array> {
    let damaged = "the array ends within its header";
    let mut start = [0; 8];
    source.read_exact(&mut start).context(damaged)?;
    ensure!(start.starts_with(b"\x93NUMPY"), "not an array of numpy");
    // The length takes two bytes in version 1, four since then.
    let mut length = [0; 4];
    let bytes = if start[6] == 1 { 2 } else { 4 };
    source.read_exact(&mut length[..bytes]).context(damaged)?;
    let length = u32::from_le_bytes(length);
    ensure!(length <= MAX_HEADER, "a header of {length} bytes is none");
    let mut header = vec![0; length.try_into()?];
    source.read_exact(&mut header).context(damaged)?;
    let header = String::from_utf8_lossy(&header).replace(char::is_control, " ");
    let (shape, kind, is_big_endian) = parse(&header)?;
    Array::read(source, shape, kind, is_big_endian)
}

/// What a header says, such as `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28),
/// }`: shape, kind of numbers, and whether their first byte is the largest.
fn parse(header: &str) -> Result<(Vec<usize>, Kind, bool)> {
    let strange = || format!("a header as numpy does not write it: {header:.100}");
    let entry = |name: &str| {
        let found = header.split_once(&format!("'{name}':"));
        found
            .map(|(_, rest)| rest.trim_start())
            .with_context(strange)
    };
    let descr = entry("descr")?.split('\'').nth(1).with_context(strange)?;
    let kind = descr.trim_start_matches(['<', '>', '|', '=']);
    let (letter, size) = kind.split_at_checked(1).with_context(strange)?;
    let kind = match (letter, size.parse()) {
        ("u", Ok(size @ (1 | 2 | 4 | 8))) => Kind('u', size),
        ("i", Ok(size @ (1 | 2 | 4 | 8))) => Kind('i', size),
        ("f", Ok(size @ (4 | 8))) => Kind('f', size),
        ("b", Ok(size @ 1)) => Kind('b', size),
        _ => bail!("numbers of the kind {descr}: save the array with .astype(\"uint8\")"),
    };
    ensure!(
        entry("fortran_order")?.starts_with("False"),
        "the array is stored column by column: save np.ascontiguousarray of it"
    );
    let shape = entry("shape")?
        .strip_prefix('(')
        .and_then(|text| text.split_once(')'));
    let (shape, _) = shape.with_context(strange)?;
    let sizes = shape
        .split(',')
        .map(str::trim)
        .filter(|size| !size.is_empty());
    let shape = sizes.map(str::parse).collect::<Result<_, _>>();
    Ok((shape.with_context(strange)?, kind, descr.starts_with('>')))
}

// What headers say is tested where all forms are: tests/folders.rs.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_that_numpy_writes() {
        let read = |descr: &str, shape: &str| {
            let order = "'fortran_order': False";
            parse(&format!(
                "{{'descr': {descr}, {order}, 'shape': {shape}, }}  \n"
            ))
        };
        assert_eq!(
            read("'|u1'", "(3, 28, 28)").unwrap(),
            (vec![3, 28, 28], Kind('u', 1), false)
        );
        assert_eq!(
            read("'>f8'", "(3,)").unwrap(),
            (vec![3], Kind('f', 8), true)
        );
        for (descr, shape, part) in [
            ("'|O'", "(3,)", "numbers of the kind |O: save"),
            ("'<f2'", "(3,)", "numbers of the kind <f2"),
            ("[('a', '<i4')]", "(3,)", "numbers of the kind a"),
            ("'|u1'", "(3, -1)", "as numpy does not write it"),
            ("'|u1'", "3", "as numpy does not write it"),
        ] {
            let error = read(descr, shape).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }";
        let error = parse(fortran).unwrap_err().to_string();
        assert!(error.contains("np.ascontiguousarray"), "{error}");
    }
}
