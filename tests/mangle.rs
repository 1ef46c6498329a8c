//! Damaged data files: whatever is in a folder, reading it gives a clear error or a valid data set.
//! Never a panic, and never memory for what a header claims and the file does not hold.
//!
//! Everything is seeded, so a failure can be repeated. `MANGLE_CASES` is the number of cases; the
//! weekly CI tries 100,000. Files of runs: src/train/tests.rs; pictures of any size:
//! src/photos/tests.rs.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::env;
use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use common::{gzip, idx};
use forms::{csv, npy, npz, png};
use image::{DynamicImage, GrayImage, ImageFormat};
use mnist_tch::data::{Location, Part, ReadOptions};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::tempdir;

/// Files, each of which is a set of its own, half of one (the first two), or a picture.
const NAMES: [&str; 8] = [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "mnist.npz",
    "train.csv",
    "train/0/damaged.png",
    "train/0/damaged.gif",
    "train/0/damaged.bmp",
    "train/0/damaged.tiff",
];
const COUNT: u32 = 3;

/// Such files, undamaged.
static GOOD: LazyLock<[Vec<u8>; 8]> = LazyLock::new(|| {
    let pixels: Vec<u8> = (0..=255).cycle().take(784 * 3).collect();
    let labels = [7, 0, 9];
    let arrays = [
        ("x_train".to_owned(), npy("|u1", "3, 28, 28", &pixels)),
        ("y_train".to_owned(), npy("|u1", "3,", &labels)),
    ];
    [
        idx(&[COUNT, 28, 28], &pixels),
        idx(&[COUNT], &labels),
        npz(&arrays),
        format!(
            "label,{}\n{}",
            "p,".repeat(783) + "p",
            csv(&pixels, &labels)
        )
        .into_bytes(),
        png(&pixels[..784], 28),
        picture(ImageFormat::Gif),
        picture(ImageFormat::Bmp),
        picture(ImageFormat::Tiff),
    ]
});

/// A picture of 28x28, which is read without being prepared.
fn picture(format: ImageFormat) -> Vec<u8> {
    let image = GrayImage::from_fn(28, 28, |x, y| [u8::try_from(x * y % 256).unwrap()].into());
    let mut bytes = Cursor::new(Vec::new());
    let image = DynamicImage::from(image).to_rgb8();
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Reads a good set with `bytes` in the place of one of its files; whether it is taken.
fn is_taken(folder: &Path, file: usize, bytes: &[u8]) -> bool {
    let is_packed = bytes.starts_with(&[0x1f, 0x8b]);
    let name = NAMES[file].to_owned() + if is_packed { ".gz" } else { "" };
    fs::create_dir_all(folder.join(&name).parent().unwrap()).unwrap();
    fs::write(folder.join(&name), bytes).unwrap();
    if file < 2 {
        fs::write(folder.join(NAMES[1 - file]), &GOOD[1 - file]).unwrap();
    }
    let set = Location::Folder(folder.into()).read(
        Part::Train,
        &ReadOptions::default(),
        mnist_tch::formats::read,
    );
    // Not only written over, for which ext4 would wait for the disk.
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::remove_file(&path)
            .or_else(|_| fs::remove_dir_all(&path))
            .unwrap();
    }
    let case = || format!("{name}: {}", bytes.escape_ascii());
    match &set {
        Ok(set) => {
            let (images, length) = (&set.images, GOOD[file].len());
            let is_whole = file > 1 || images.len() == 3 && (is_packed || bytes.len() == length);
            assert!(is_whole, "{}", case());
            assert_eq!(images.pixels().len(), 784 * images.len());
            assert!(images.labels().iter().all(|&label| label < 10));
        }
        Err(error) => {
            let text = format!("{error:#}");
            assert!(text.contains(&name), "{text}: {}", case());
            assert!(!text.contains('\n') && text.len() < 600, "{text}");
        }
    }
    set.is_ok()
}

/// A damaged file: which it is, and its bytes.
fn damaged(generator: &mut ChaCha8Rng) -> (usize, Vec<u8>) {
    let file = generator.random_range(0..NAMES.len());
    let mut bytes = match generator.random_range(0..8) {
        // Noise, of which some looks like a header.
        0 => noise(generator),
        1 => {
            let dims = generator.random_range(0..5);
            [&[0, 0, 8, dims][..], &noise(generator)].concat()
        }
        // Another file.
        2 => GOOD[(file + 1) % NAMES.len()].clone(),
        _ => GOOD[file].clone(),
    };
    // Of a packed one the content is damaged, the gzip around it, or both.
    let is_packed = generator.random();
    for _ in 0..generator.random_range(0..3) {
        damage(generator, &mut bytes);
    }
    if is_packed {
        bytes = gzip(&bytes);
        for _ in 0..generator.random_range(0..3) {
            damage(generator, &mut bytes);
        }
    }
    (file, bytes)
}

fn noise(generator: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = vec![0; generator.random_range(0..4_000)];
    generator.fill_bytes(&mut bytes);
    bytes
}

/// Changes, takes out, doubles or adds bytes, most often at the start, where the headers are.
fn damage(generator: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let length = bytes.len();
    let reach = *[20, length].choose(generator).unwrap();
    let at = generator.random_range(0..reach.clamp(1, length.max(1)));
    let end = length.min(at + generator.random_range(1..40));
    match generator.random_range(0..6) {
        0 if at < length => bytes[at] ^= 1 << generator.random_range(0..8),
        1 if at < length => bytes[at] = *[0, 1, 28, 0x7f, 0x80, 0xff].choose(generator).unwrap(),
        2 if at < length => drop(bytes.drain(at..end)),
        3 if at < length => bytes.extend_from_within(at..end),
        4 => bytes.truncate(at),
        _ => bytes.extend(noise(generator).iter().take(50)),
    }
}

#[test]
fn damaged_files_are_refused_in_words_or_valid() {
    let cases: usize = env::var("MANGLE_CASES").map_or(10_000, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut taken = [0; NAMES.len()];
    for _ in 0..cases {
        let (file, bytes) = damaged(&mut generator);
        taken[file] += usize::from(is_taken(folder.path(), file, &bytes));
    }
    let some = 1..cases / NAMES.len();
    assert!(taken.iter().all(|count| some.contains(count)), "{taken:?}");
}

/// The most address space that this process had, in MB; 0 where the system does not tell.
fn most_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mut words = status
        .split_whitespace()
        .skip_while(|&word| word != "VmPeak:");
    words
        .nth(1)
        .map_or(0, |number| number.parse::<usize>().unwrap() / 1_000)
}

#[test]
fn headers_take_no_memory_for_what_they_claim() {
    let (folder, before) = (tempdir().unwrap(), most_memory());
    for claim in [0, 1, COUNT, 1_000, 1_000_000, u32::MAX] {
        for (file, dims) in [(0, vec![claim, 28, 28]), (1, vec![claim])] {
            let header = idx(&dims, &[]);
            let zeros = [header.clone(), vec![0; 3_000_000]].concat();
            // Packs far better than any image; and many files in one.
            let many = [gzip(&header), gzip(&[]).repeat(1_000)].concat();
            for bytes in [gzip(&zeros), zeros, many] {
                assert!(!is_taken(folder.path(), file, &bytes));
            }
        }
    }
    // A million images are 784 MB.
    let taken = most_memory() - before;
    assert!(taken < 500, "{taken} MB of memory for files of 3 MB");
}
