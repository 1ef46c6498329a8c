//! Damaged files: whatever stands in a folder, reading it gives a clear error or a valid data set.
//! Never a panic, and never memory for what a header claims and no file holds.
//!
//! Everything is exhaustive or seeded, so a failure can be repeated. `MANGLE_CASES` says how many
//! random cases are tried; the weekly CI tries 100,000.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stdout, reason = "the weekly CI shows the numbers")]
#![allow(unsafe_code, reason = "a global allocator cannot be written without")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::env;
use std::fs;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{gzip, idx};
use flate2::read::MultiGzDecoder;
use mnist_tch::data::{Location, Part};
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::{TempDir, tempdir};

/// The system's allocator, with the bytes that are in use and the most that were.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

fn taken(bytes: usize) {
    let in_use = IN_USE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(in_use, Ordering::Relaxed);
}

// SAFETY: everything is the system allocator's; the rest is counting.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        taken(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // The old bytes and the new ones are the same memory where the system lets a block grow.
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        taken(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What reading may take beside the mangled data: the other file, a buffer's first block of 64 KiB,
/// the decompressor, the file system's buffer, names and messages.
const OVERHEAD: usize = 250_000;

const COUNT: u32 = 3;

/// Names and bytes: images, labels.
fn good() -> [(String, Vec<u8>); 2] {
    let pixels: Vec<u8> = (0..=255).cycle().take(784 * 3).collect();
    let images = idx(&[COUNT, 28, 28], &pixels);
    let labels = idx(&[COUNT], &[7, 0, 9]);
    [("images-idx3", images), ("labels-idx1", labels)]
        .map(|(kind, bytes)| (format!("train-{kind}-ubyte"), bytes))
}

/// A folder with two good files, of which one at a time is mangled, and what became of it.
struct Lab {
    folder: TempDir,
    /// Names and bytes: images, labels.
    good: [(String, Vec<u8>); 2],
    cases: usize,
    accepted: usize,
    /// The most bytes in use beyond those of the mangled file's content, over all cases.
    most: usize,
}

impl Lab {
    fn new(packed: bool) -> Self {
        let mut good = good();
        if packed {
            good = good.map(|(name, bytes)| (format!("{name}.gz"), gzip(&bytes)));
        }
        let folder = tempdir().unwrap();
        for (name, bytes) in &good {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self {
            folder,
            good,
            cases: 0,
            accepted: 0,
            most: 0,
        }
    }

    /// Reads the folder with `bytes` in the place of the images (0) or of the labels (1).
    fn mangle(&mut self, file: usize, bytes: &[u8]) {
        let (name, good) = self.good[file].clone();
        let path = self.folder.path().join(&name);
        fs::write(&path, bytes).unwrap();
        self.read(&name, [16 + 3 * 784, 8 + 3][file], bytes);
        fs::write(&path, good).unwrap();
    }

    fn read(&mut self, name: &str, size: usize, bytes: &[u8]) {
        let there = content(bytes).len();
        let before = IN_USE.load(Ordering::Relaxed);
        MOST.store(before, Ordering::Relaxed);
        let outcome = Location::Folder(self.folder.path().into()).read(Part::Train, 10);
        let used = MOST.load(Ordering::Relaxed) - before;
        let case = format!("{name}, {}", shown(bytes));
        let limit = there + there / 8 + OVERHEAD;
        assert!(used <= limit, "{used} for {there}: {case}");
        self.most = self.most.max(used.saturating_sub(there));
        self.cases += 1;
        match outcome {
            Ok(dataset) => {
                self.accepted += 1;
                assert_eq!(there, size, "{case}");
                assert_eq!((dataset.len(), dataset.pixels().len()), (3, 3 * 784));
                assert!(dataset.labels().iter().all(|&label| label < 10));
            }
            Err(error) => {
                let text = format!("{error:#}");
                assert!(text.contains(name), "{text}: {case}");
                assert!(!text.contains('\n') && text.len() < 600, "{text}");
            }
        }
    }

    fn report(&self, what: &str) {
        let (cases, accepted, most) = (self.cases, self.accepted, self.most);
        println!("{what}: {cases} cases, {accepted} valid, at most {most} bytes beside the data");
        assert!(
            (1..cases).contains(&accepted),
            "a test that sees one side only"
        );
    }
}

/// What the bytes hold, out of gzip as far as that goes.
fn content(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut data = Vec::new();
    // A damaged file ends in an error after its good part.
    let _ = MultiGzDecoder::new(bytes)
        .take(1 << 24)
        .read_to_end(&mut data);
    data
}

/// Bytes for a message, from which the case can be built again.
fn shown(bytes: &[u8]) -> String {
    let hex = bytes.iter().take(200).map(|byte| format!("{byte:02x}"));
    let hex = hex.collect::<Vec<_>>().concat();
    format!("{} bytes: {hex}", bytes.len())
}

/// Every file cut short everywhere, and every byte of a header (and of gzip's trailer) with every
/// single bit flipped and with a few other values.
fn exhaustive(lab: &mut Lab) {
    for file in [0, 1] {
        let good = lab.good[file].1.clone();
        lab.mangle(file, &good);
        for length in 0..good.len() {
            lab.mangle(file, &good[..length]);
        }
        let ends = (0..good.len()).filter(|at| *at < 24 || *at + 9 > good.len());
        for at in ends {
            let byte = good[at];
            let flipped = (0..8).map(|bit| byte ^ (1 << bit));
            for other in flipped.chain([0, 1, 0x7f, 0xff]) {
                let mut bytes = good.clone();
                bytes[at] = other;
                lab.mangle(file, &bytes);
            }
        }
    }
}

/// One seeded case: which file, and its bytes.
fn random_case(generator: &mut ChaCha8Rng, good: &[(String, Vec<u8>); 2]) -> (usize, Vec<u8>) {
    let file = generator.random_range(0..2);
    let mut bytes = match generator.random_range(0..6) {
        // Noise, of which some looks like a header.
        0 => noise(generator),
        1 => {
            let dims = generator.random_range(0..5);
            [&[0, 0, 8, dims][..], &noise(generator)].concat()
        }
        // A good file around a mangled content, so that gzip itself is in order.
        2 => {
            let mut inner = self::good()[file].1.clone();
            damage(generator, &mut inner);
            gzip(&inner)
        }
        // The other file.
        3 => good[1 - file].1.clone(),
        _ => good[file].1.clone(),
    };
    for _ in 0..generator.random_range(0..4) {
        damage(generator, &mut bytes);
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

/// Packs far better than any image: three megabytes of zeros in three kilobytes, behind a header
/// that promises little or much.
fn bombs(lab: &mut Lab) {
    for promise in [0, 1, COUNT, 1_000, 1_000_000, u32::MAX] {
        for (file, dims) in [(0, vec![promise, 28, 28]), (1, vec![promise])] {
            let header = idx(&dims, &[]);
            let bomb = [header.clone(), vec![0; 3_000_000]].concat();
            lab.mangle(file, &gzip(&bomb));
            lab.mangle(file, &bomb);
            // Many files in one.
            lab.mangle(file, &[gzip(&header), gzip(&[]).repeat(1_000)].concat());
        }
    }
}

// One test, because the bytes in use are those of the whole process.
#[test]
fn mangled_files_are_refused_or_valid_and_take_no_more_memory_than_they_hold() {
    let cases: usize = env::var("MANGLE_CASES").map_or(3_000, |text| text.parse().unwrap());
    for packed in [false, true] {
        let what = if packed { "gzip" } else { "raw" };
        let mut lab = Lab::new(packed);
        exhaustive(&mut lab);
        bombs(&mut lab);
        lab.report(&format!("{what}, exhaustive"));
        let mut generator = ChaCha8Rng::seed_from_u64(u64::from(packed));
        let mut lab = Lab::new(packed);
        for _ in 0..cases.div_ceil(2) {
            let (file, bytes) = random_case(&mut generator, &lab.good);
            lab.mangle(file, &bytes);
        }
        lab.report(&format!("{what}, random"));
    }
}
