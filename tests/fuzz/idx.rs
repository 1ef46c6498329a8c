//! libFuzzer against the IDX reader, plain and through gzip. The reader is taken as a file: it
//! needs no libtorch, which would have to be built a second time.

#![no_main]

use flate2::read::MultiGzDecoder;
use libfuzzer_sys::fuzz_target;

#[allow(dead_code)]
#[path = "../../src/data/idx.rs"]
mod idx;

fuzz_target!(|bytes: &[u8]| {
    // What is accepted is all of the input, to the byte.
    if let Ok((dims, pixels)) = idx::read::<3>(bytes) {
        assert_eq!(16 + pixels.len(), bytes.len());
        assert_eq!(dims.iter().product::<usize>(), pixels.len());
    }
    if let Ok(([count], labels)) = idx::read(bytes) {
        assert_eq!(8 + labels.len(), bytes.len());
        assert_eq!(labels.len(), count);
    }
    let _ = idx::read::<3>(MultiGzDecoder::new(bytes));
    let _ = idx::read::<1>(MultiGzDecoder::new(bytes));
});
