//! Reads numpy's arrays: `.npy` files, and `.npz` files, zip archives of them such as Keras's
//! `mnist.npz`.
//!
//! The format is described in numpy's `numpy.lib.format`: a magic number, a version, the length of
//! the header, the header as a Python dictionary with three known entries, the data.

use std::io::{Read, Seek};

use anyhow::{Context, Result, bail, ensure};
use zip::ZipArchive;

use crate::data::array::{Array, ElementType};

/// Maximum length of a header; real ones have about 100 bytes.
const MAX_HEADER: u32 = 1 << 16;

/// The shape, the element type, and whether the elements are big-endian.
type Header = (Vec<usize>, ElementType, bool);

/// Returns the names of the arrays in an archive, sorted.
pub(super) fn names(archive: impl Read + Seek) -> Result<Vec<String>> {
    let archive = ZipArchive::new(archive).context("not an .npz file, or a damaged one")?;
    let mut names: Vec<String> = archive.file_names().map(str::to_owned).collect();
    // arr_10 comes after arr_9.
    names.sort_by_key(|name| (name.len(), name.clone()));
    Ok(names)
}

/// Returns the shape of an array in an archive.
pub(super) fn shape(archive: impl Read + Seek, name: &str) -> Result<Vec<usize>> {
    let mut archive = ZipArchive::new(archive)?;
    let header = read_header(&mut archive.by_name(name)?);
    let (shape, ..) = header.with_context(|| format!("array {name}"))?;
    Ok(shape)
}

/// Reads an array in an archive and passes it to `convert`.
pub(super) fn read<T>(
    archive: impl Read + Seek,
    name: &str,
    convert: impl FnOnce(Array) -> Result<T>,
) -> Result<T> {
    let work = || {
        let mut archive = ZipArchive::new(archive)?;
        let array = read_npy(archive.by_name(name)?)?;
        convert(array)
    };
    work().with_context(|| format!("array {name}"))
}

/// Reads a `.npy` file.
pub(super) fn read_npy(mut source: impl Read) -> Result<Array> {
    let (shape, element, is_big_endian) = read_header(&mut source)?;
    Array::read(source, shape, element, is_big_endian)
}

fn read_header(source: &mut impl Read) -> Result<Header> {
    const TRUNCATED: &str = "the array ends within its header";
    let mut start = [0; 8];
    source.read_exact(&mut start).context(TRUNCATED)?;
    ensure!(start.starts_with(b"\x93NUMPY"), "not a NumPy array");
    // The length takes two bytes in version 1, four since then.
    let mut length = [0; 4];
    let bytes = if start[6] == 1 { 2 } else { 4 };
    source.read_exact(&mut length[..bytes]).context(TRUNCATED)?;
    let length = u32::from_le_bytes(length);
    ensure!(length <= MAX_HEADER, "invalid header length {length}");
    let mut header = vec![0; length.try_into()?];
    source.read_exact(&mut header).context(TRUNCATED)?;
    let header = String::from_utf8_lossy(&header).replace(char::is_control, " ");
    parse_header(&header)
}

/// Parses a header such as `{'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }`.
fn parse_header(header: &str) -> Result<Header> {
    let invalid = || format!("invalid header {header:.100}");
    let entry = |name: &str| {
        let found = header.split_once(&format!("'{name}':"));
        found
            .map(|(_, rest)| rest.trim_start())
            .with_context(invalid)
    };
    let descr = entry("descr")?.split('\'').nth(1).with_context(invalid)?;
    let element = descr.trim_start_matches(['<', '>', '|', '=']);
    let (letter, size) = element.split_at_checked(1).with_context(invalid)?;
    let element = match (letter, size.parse()) {
        ("u", Ok(size @ (1 | 2 | 4 | 8))) => ElementType('u', size),
        ("i", Ok(size @ (1 | 2 | 4 | 8))) => ElementType('i', size),
        ("f", Ok(size @ (4 | 8))) => ElementType('f', size),
        ("b", Ok(size @ 1)) => ElementType('b', size),
        // float32 holds pixels of either range, and labels, without loss.
        _ => bail!("unsupported element type {descr}: save the array with .astype(\"float32\")"),
    };
    ensure!(
        entry("fortran_order")?.starts_with("False"),
        "the array is stored column by column: save np.ascontiguousarray of it"
    );
    let shape = entry("shape")?
        .strip_prefix('(')
        .and_then(|text| text.split_once(')'));
    let (shape, _) = shape.with_context(invalid)?;
    let sizes = shape.split(',').map(str::trim);
    let sizes = sizes.filter(|size| !size.is_empty()).map(str::parse);
    let shape = sizes.collect::<Result<_, _>>().with_context(invalid)?;
    Ok((shape, element, descr.starts_with('>')))
}

// Arrays are tested with the other forms in tests/folders.rs.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_that_numpy_writes() {
        let read = |descr: &str, shape: &str| {
            let order = "'fortran_order': False";
            parse_header(&format!(
                "{{'descr': {descr}, {order}, 'shape': {shape}, }}  \n"
            ))
        };
        assert_eq!(
            read("'|u1'", "(3, 28, 28)").unwrap(),
            (vec![3, 28, 28], ElementType('u', 1), false)
        );
        assert_eq!(
            read("'>f8'", "(3,)").unwrap(),
            (vec![3], ElementType('f', 8), true)
        );
        for (descr, shape, part) in [
            ("'|O'", "(3,)", "unsupported element type |O: save"),
            (
                "'<f2'",
                "(3,)",
                "element type <f2: save the array with .astype(\"float32\")",
            ),
            ("[('a', '<i4')]", "(3,)", "unsupported element type a"),
            ("'|u1'", "(3, -1)", "invalid header"),
            ("'|u1'", "3", "invalid header"),
        ] {
            let error = read(descr, shape).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let fortran = "{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2), }";
        let error = parse_header(fortran).unwrap_err().to_string();
        assert!(error.contains("np.ascontiguousarray"), "{error}");
    }
}
