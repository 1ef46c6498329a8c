//! Images and labels in the forms that people have.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat};
use tempfile::{TempDir, tempdir};
use zip::write::FileOptions;

use crate::common::{bars, gzip, idx, write_set};

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

/// A picture of `side`x`side` from the pixels of an image.
pub fn png(image: &[u8], side: u32) -> Vec<u8> {
    let image = GrayImage::from_raw(28, 28, image.into()).unwrap();
    let image = imageops::resize(&image, side, side, FilterType::Nearest);
    let mut png = Cursor::new(Vec::new());
    image.write_to(&mut png, ImageFormat::Png).unwrap();
    png.into_inner()
}

pub const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

pub fn inverted(images: &[u8]) -> Vec<u8> {
    images.iter().map(|pixel| 255 - pixel).collect()
}

pub fn count(labels: &[u8]) -> u32 {
    labels.len().try_into().unwrap()
}

/// IDX bytes of labels as MNIST has them.
pub fn plain(labels: &[u8]) -> Vec<u8> {
    idx(&[count(labels)], labels)
}

/// A set of three classes that a network learns in no time.
pub struct Set(pub TempDir);

impl Set {
    /// Written by `write`, which gets each part's name, images and labels.
    pub fn new(mut write: impl FnMut(&Self, &str, &[u8], &[u8])) -> Self {
        let set = Self(tempdir().unwrap());
        for (part, count) in [("train", 150), ("test", 30)] {
            let (images, labels) = bars(count, 3, 0);
            write(&set, part, &images, &labels);
        }
        set
    }

    /// IDX files with names made of `forms`, images of these sizes, and labels kept like that.
    pub fn idx(forms: &str, sizes: &[u32], labels: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        Self::new(|set, part, images, classes| {
            let images = idx(&[&[count(classes)], sizes].concat(), images);
            for form in forms.split(' ') {
                let form = form.replace("PART", &part.replace("test", "t10k"));
                let name = |kind, dims| form.replace("KIND", kind).replace("DIMS", dims);
                set.add(&name("images", "idx3"), &images);
                set.add(&name("labels", "idx1"), &labels(classes));
            }
        })
    }

    /// With MNIST's own names after a prefix, and every image changed.
    pub fn changed(prefix: &str, change: fn(&[u8]) -> Vec<u8>) -> Self {
        Self::new(|set, part, images, labels| {
            let prefix = format!("{prefix}{part}");
            write_set(set.path(), &prefix, &change(images), labels);
        })
    }

    /// Adds a file, as gzip where its name says so.
    pub fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let packed = name.ends_with("gz").then(|| gzip(bytes));
        fs::write(path, packed.as_deref().unwrap_or(bytes)).unwrap();
    }

    /// Adds pictures of `side`x`side`, `place`/CLASS/NUMBER.png, with class folders of these names.
    pub fn add_pictures(
        &self,
        place: &str,
        names: &[&str],
        side: u32,
        images: &[u8],
        labels: &[u8],
    ) {
        for (number, (image, &label)) in images.chunks_exact(784).zip(labels).enumerate() {
            let name = names[usize::from(label)];
            self.add(
                &format!("{place}/{name}/{number:03}.png"),
                &png(image, side),
            );
        }
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
