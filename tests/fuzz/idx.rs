//! libFuzzer against the IDX reader, plain and through gzip. The reader is taken as a file: it needs no libtorch,
//! which would have to be built a second time.

#![no_main]

use flate2::read::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/data/idx.rs"]
mod idx;

fuzz_target!(|bytes: &[u8]| {
    // What is accepted is all of the input, to the byte.
    if let Ok(images) = idx::read_images(bytes) {
        assert_eq!(16 + images.pixels.len(), bytes.len());
        let size = images.rows * images.columns;
        assert!(images.pixels.is_empty() || images.pixels.len() % size == 0);
    }
    if let Ok(labels) = idx::read_labels(bytes) {
        assert_eq!(8 + labels.len(), bytes.len());
    }
    let _ = idx::read_images(MultiGzDecoder::new(bytes));
    let _ = idx::read_labels(MultiGzDecoder::new(bytes));
});
