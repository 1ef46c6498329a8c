//! Damaged files of runs: reading one fails with a line that names it, or gives values that a run
//! can have. All damage is seeded, so failures repeat; `MANGLE_CASES` sets the number of cases for
//! each file.

use std::panic::{self, AssertUnwindSafe};
use std::{env, fs};

use clap::Parser;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tempfile::tempdir;

use super::*;
use crate::cli::CommandLine;
use crate::learn::checkpoint::Best;
use crate::report::summary::Recorded;

/// Four steps on 20 images, each scored on 10 others.
const JOB: &str = "--device cpu --threads 1 --channels 1,1,1,1 --epochs 2 --batch-size 10 \
                   --train-range ..20 --test-range ..10 --checkpoint-every 1 \
                   --keep best -q";

fn options(line: &str) -> Options {
    CommandLine::parse_from(format!("mnist-tch {line}").split_whitespace()).train
}

/// The job after three of its steps.
pub(crate) fn stopped() -> Checkpoint<RunMetadata> {
    let Job {
        mut history,
        split,
        device,
        threads,
    } = options(JOB).start(&Sources::default()).unwrap();
    let training = Training::new(&history.config, &history.state, &split, device, threads);
    for step in training.unwrap().take(3).map(Result::unwrap) {
        let record = step.record().unwrap();
        if history.is_best(&record) {
            let (record, weights) = (record.clone(), step.weights.unwrap());
            history.best = Some(Best { record, weights });
        }
        history.records.push(record);
        (history.state, history.confusion) = (step.state.unwrap(), step.confusion);
    }
    history
}

/// Damages `file`, which holds JSON, in many ways and reads each result with `read`: it has to be
/// refused with an error that names the file, or accepted.
pub(crate) fn mangle(file: &Path, read: impl Fn() -> Result<()>) {
    let cases = env::var("MANGLE_CASES").map_or(10_000, |text| text.parse().unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    let original = fs::read(file).unwrap();
    let good: Value = serde_json::from_slice(&original).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut accepted = 0;
    for _ in 0..cases {
        let mut bytes = original.clone();
        if rng.random() {
            let mut value = good.clone();
            damage(&mut value, &mut rng);
            bytes = value.to_string().into_bytes();
        } else {
            damage_bytes(&mut bytes, &mut rng);
        }
        // A new file each time: ext4 syncs when an old one is overwritten.
        fs::remove_file(file).unwrap();
        fs::write(file, &bytes).unwrap();
        let outcome = panic::catch_unwind(AssertUnwindSafe(&read));
        match outcome.unwrap_or_else(|_| panic!("with {}", bytes.escape_ascii())) {
            Ok(()) => accepted += 1,
            Err(error) => {
                let text = format!("{error:#}");
                let is_named = text.contains(name)
                    || text.contains("the images of its run cannot be used")
                    || text.starts_with("--resume: ");
                assert!(is_named && text.len() < 600, "{text}");
            }
        }
    }
    assert!(
        (1..cases).contains(&accepted),
        "{accepted} of {cases} were accepted"
    );
}

/// Replacements for values.
const OTHERS: &str = r#"null true 0 1 -1 0.5 1e300 2147483647 4294967295 18446744073709551615
    -9223372036854775808 "" "a\nb" "cpu" "test:3.." [] {} [[1]] [[1,2],[3,4]]"#;

/// Changes, removes, duplicates or moves a random value.
fn damage(value: &mut Value, rng: &mut ChaCha8Rng) {
    let descend = rng.random_ratio(19, 20);
    match value {
        Value::Array(items) if descend && !items.is_empty() => {
            let at = rng.random_range(0..items.len());
            match rng.random_range(0..20) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.swap(0, at),
                _ => damage(&mut items[at], rng),
            }
        }
        Value::Object(fields) if descend => {
            let name = fields.keys().choose(rng).unwrap().clone();
            match rng.random_range(0..20) {
                0 => drop(fields.remove(&name)),
                _ => damage(&mut fields[&name], rng),
            }
        }
        other => {
            let number = other.as_f64().filter(|_| rng.random());
            let text = match number {
                Some(number) if rng.random() => (number * 10.0).to_string(),
                Some(number) => (number + 1.0).to_string(),
                None => OTHERS.split_whitespace().choose(rng).unwrap().to_owned(),
            };
            *other = serde_json::from_str(&text).unwrap();
        }
    }
}

/// Changes, removes or duplicates some bytes.
fn damage_bytes(bytes: &mut Vec<u8>, rng: &mut ChaCha8Rng) {
    let at = rng.random_range(0..bytes.len());
    let end = bytes.len().min(at + rng.random_range(1..40));
    match rng.random_range(0..8) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend_from_within(at..end),
        3 => bytes.truncate(at),
        // Most often another digit in the place of one.
        _ => {
            let mut digits = bytes.iter_mut().filter(|byte| byte.is_ascii_digit());
            let digit = digits.by_ref().choose(rng).unwrap();
            *digit = *b"0123456789-.e".choose(rng).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_not_a_checkpoint_or_is_damaged_is_refused() {
    let bytes = stopped().to_bytes().unwrap();
    let error = |bytes: &[u8]| {
        let error = Checkpoint::<RunMetadata>::from_bytes(bytes).unwrap_err();
        format!("{error:#}")
    };
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        error(&flipped);
        assert!(error(&bytes[..place]).starts_with("damaged"), "{place}");
    }
    assert!(error(b"<!DOCTYPE html>\n").starts_with("damaged, or not a checkpoint"));
    let text = String::from_utf8(bytes).unwrap();
    for (format, expected) in [
        ("mnist-tch checkpoint 999", "use the version that wrote it"),
        ("theirs", "not a checkpoint of mnist-tch"),
    ] {
        let (head, rest) = text.split_once(r#"","sha256"#).unwrap();
        let (start, _) = head.rsplit_once('"').unwrap();
        let other = format!(r#"{start}"{format}","sha256{rest}"#);
        assert!(error(other.as_bytes()).contains(expected), "{format}");
    }
}

#[test]
fn a_damaged_summary_gives_no_accuracy_and_no_images_that_its_run_cannot_have() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("run");
    let job = options(&format!("{JOB} --out {}", path.display()));
    run(&job, &Sources::default(), Instant::now()).unwrap();
    let options = options("--resume d --device cpu --threads 1 -q");
    let run_dir = RunDir::open(&path).unwrap();
    let model = model::open(&path, false).unwrap();
    let file = path.join(run_dir::SUMMARY);
    let read = || {
        let bytes = fs::read(&file)?;
        let resumed = options.report_complete(&run_dir, &bytes);
        let accuracy = Recorded::from_bytes(&bytes).map(|summary| summary.final_accuracy);
        assert_eq!(accuracy.is_ok(), resumed.is_ok());
        assert!(accuracy.is_ok_and(|share| (0.0..=1.0).contains(&share)) || resumed.is_err());
        let images = model
            .images(&options.images.set, None, &Sources::default())?
            .images;
        assert_eq!(images.len(), 10);
        resumed
    };
    mangle(&file, read);
}
