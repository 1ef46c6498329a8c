//! Images and labels in forms that people keep them in.

use std::io::{Cursor, Write};

use zip::write::FileOptions;

/// The bytes of an array as numpy saves it.
pub fn npy(descr: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\0v\0".as_slice(), header.as_bytes(), numbers].concat()
}

/// The bytes of an `.npz` file with arrays of these names.
pub fn npz(arrays: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in arrays {
        let name = format!("{name}.npy");
        archive.start_file(name, FileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Rows of a label and its pixels.
pub fn csv(images: &[u8], labels: &[u8]) -> String {
    let rows = images.chunks_exact(784).zip(labels).map(|(image, label)| {
        let pixels: Vec<String> = image.iter().map(ToString::to_string).collect();
        format!("{label},{}\n", pixels.join(","))
    });
    rows.collect()
}
