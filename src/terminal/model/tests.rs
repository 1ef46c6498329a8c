//! Damaged weight files: opening one fails with one line that names it, or gives finite weights.
//! All damage is seeded, so failures repeat; `MANGLE_CASES` sets the number of cases.

use std::env;

use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use tempfile::tempdir;

use super::*;
use crate::learn::{Architecture, Init};

/// Opens a file with these bytes: the weights, or the error.
fn opened(folder: &Path, bytes: &[u8]) -> Result<Weights> {
    let file = folder.join("model.safetensors");
    // A new file each time: ext4 syncs when an old one is overwritten.
    let _ = fs::remove_file(&file);
    fs::write(&file, bytes).unwrap();
    open(&file, true).map(|model| model.weights)
}

fn article() -> Weights {
    Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap())
}

/// A safetensors file with this header.
fn with_header(header: &[u8], data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header, data].concat()
}

/// Changes one entry of a header: names, types, shapes, offsets.
fn damage_header(header: &mut Map<String, Value>, rng: &mut ChaCha8Rng) {
    const NAMES: [&str; 8] = [
        "",
        ".",
        "卷积.weight",
        "\u{1b}[31m",
        "a\nb",
        "0",
        "__metadata__",
        "_",
    ];
    let name = header.keys().choose(rng).unwrap().clone();
    let tensor = header.remove(&name).unwrap();
    let sizes = [0, 1, 3, 8, 10, 72, u64::MAX, 1 << 62];
    let size = *sizes.choose(rng).unwrap();
    match rng.random_range(0..7) {
        0 => {}
        1 => drop(header.insert((*NAMES.choose(rng).unwrap()).to_owned(), tensor)),
        2 => {
            // The same tensor under two names.
            header.insert("x.weight".to_owned(), tensor.clone());
            header.insert(name, tensor);
        }
        change => {
            let mut tensor = tensor;
            match change {
                3 => tensor["dtype"] = json!(["F16", "BF16", "F64", "I32", "U8", "X"].choose(rng)),
                4 => tensor["shape"] = json!([size]),
                5 => {
                    if let Some(shape) = tensor["shape"].as_array_mut()
                        && let Some(at) = (0..shape.len()).choose(rng)
                    {
                        shape[at] = json!(size);
                        shape.reverse();
                    }
                }
                _ => tensor["data_offsets"] = json!([size, size.wrapping_add(32)]),
            }
            header.insert(name, tensor);
        }
    }
}

#[test]
fn damaged_weight_files_are_refused_in_one_line_or_give_finite_weights() {
    let cases = env::var("MANGLE_CASES").map_or(10_000, |text| text.parse().unwrap());
    let folder = tempdir().unwrap();
    let original = article().to_safetensors().unwrap();
    let length = usize::try_from(u64::from_le_bytes(*original.first_chunk().unwrap())).unwrap();
    let (header, data) = original[8..].split_at(length);
    let header: Map<String, Value> = serde_json::from_slice(header).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut accepted = 0;
    for _ in 0..cases {
        let mut bytes = original.clone();
        if rng.random() {
            let mut header = header.clone();
            for _ in 0..rng.random_range(1..3) {
                damage_header(&mut header, &mut rng);
            }
            bytes = with_header(Value::from(header).to_string().as_bytes(), data);
        }
        for _ in 0..rng.random_range(0..3) {
            // Most often in the header.
            let reach = *[12, 8 + length, bytes.len()].choose(&mut rng).unwrap();
            let at = rng.random_range(0..reach.min(bytes.len()).max(1));
            let end = bytes.len().min(at + rng.random_range(1..40));
            match rng.random_range(0..5) {
                0 if at < end => bytes[at] ^= 1 << rng.random_range(0..8),
                1 if at < end => bytes[at] = rng.random(),
                2 if at < end => drop(bytes.drain(at..end)),
                3 if at < end => bytes.extend_from_within(at..end),
                _ => bytes.truncate(at),
            }
        }
        match opened(folder.path(), &bytes) {
            Ok(weights) => {
                accepted += 1;
                assert!(weights.values().iter().all(|value| value.is_finite()));
            }
            Err(error) => {
                let text = format!("{error:#}");
                let is_named = text.contains("model.safetensors: ");
                assert!(is_named && text.len() < 800, "{text}");
            }
        }
    }
    assert!(
        (1..cases).contains(&accepted),
        "{accepted} of {cases} were accepted"
    );
}

#[test]
fn a_header_of_640_bytes_is_not_taken_for_a_pickle() {
    let folder = tempdir().unwrap();
    let bytes = article().to_safetensors().unwrap();
    let length = usize::try_from(u64::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap();
    let (header, data) = bytes[8..].split_at(length);
    let mut header = header.to_vec();
    header.resize(640, b' ');
    let bytes = with_header(&header, data);
    assert!(bytes.starts_with(b"\x80\x02"));
    assert_eq!(opened(folder.path(), &bytes).unwrap(), article());
}

#[test]
fn the_largest_network_of_this_program_can_be_read() {
    let folder = tempdir().unwrap();
    let architecture = Architecture::new(vec![512], 256).unwrap();
    let zeros = vec![0.0; architecture.count()];
    let weights = Weights::from_values(zeros, &architecture).unwrap();
    let bytes = weights.to_safetensors().unwrap();
    assert_eq!(opened(folder.path(), &bytes).unwrap().classes(), 256);
}
