//! Damaged files of runs: whatever stands in one, reading it ends in one line that names it or in
//! numbers that a run can have. Everything is seeded, so a failure can be repeated; `MANGLE_CASES`
//! says how many cases are tried for each file.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::{env, fs};

use clap::Parser;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::tempdir;

use super::*;
use crate::cli::CommandLine;
use crate::data::hex;
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

/// Puts damaged forms of `body` into `file`, as `sealed` has it, and reads each: it has to be
/// refused in words, or to be taken.
pub(crate) fn mangle(
    file: &Path,
    body: &[u8],
    sealed: impl Fn(&[u8]) -> Vec<u8>,
    read: impl Fn() -> Result<()>,
) {
    let cases = env::var("MANGLE_CASES").map_or(10_000, |text| text.parse().unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    let good: Value = serde_json::from_slice(body).unwrap();
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut taken = 0;
    for _ in 0..cases {
        let mut bytes = body.to_vec();
        if generator.random() {
            let mut value = good.clone();
            damage(&mut value, &mut generator);
            bytes = value.to_string().into_bytes();
        } else {
            damage_bytes(&mut bytes, &mut generator);
        }
        // A new file each time: ext4 waits for the disk where an old one is written over.
        fs::remove_file(file).unwrap();
        fs::write(file, sealed(&bytes)).unwrap();
        let outcome = panic::catch_unwind(AssertUnwindSafe(&read));
        match outcome.unwrap_or_else(|_| panic!("with {}", bytes.escape_ascii())) {
            Ok(()) => taken += 1,
            Err(error) => {
                let text = format!("{error:#}");
                let is_named = text.contains(name) || text.starts_with("--resume: ");
                assert!(is_named && text.len() < 600, "{text}");
            }
        }
    }
    assert!((1..cases).contains(&taken), "{taken} of {cases} were taken");
}

/// What a value may be in place of what it was.
const OTHERS: &str = r#"null true 0 1 -1 0.5 1e300 2147483647 4294967295 18446744073709551615
    -9223372036854775808 "" "a\nb" "cpu" "test:3.." [] {} [[1]] [[1,2],[3,4]]"#;

/// Changes, takes out, doubles or moves something at a random place.
fn damage(value: &mut Value, generator: &mut ChaCha8Rng) {
    let goes_on = generator.random_ratio(19, 20);
    match value {
        Value::Array(items) if goes_on && !items.is_empty() => {
            let at = generator.random_range(0..items.len());
            match generator.random_range(0..20) {
                0 => drop(items.remove(at)),
                1 => items.push(items[at].clone()),
                2 => items.swap(0, at),
                _ => damage(&mut items[at], generator),
            }
        }
        Value::Object(fields) if goes_on => {
            let name = fields.keys().choose(generator).unwrap().clone();
            match generator.random_range(0..20) {
                0 => drop(fields.remove(&name)),
                _ => damage(&mut fields[&name], generator),
            }
        }
        other => {
            let number = other.as_f64().filter(|_| generator.random());
            let text = match number {
                Some(number) if generator.random() => (number * 10.0).to_string(),
                Some(number) => (number + 1.0).to_string(),
                None => OTHERS
                    .split_whitespace()
                    .choose(generator)
                    .unwrap()
                    .to_owned(),
            };
            *other = serde_json::from_str(&text).unwrap();
        }
    }
}

/// Changes, takes out, doubles or adds some bytes.
fn damage_bytes(bytes: &mut Vec<u8>, generator: &mut ChaCha8Rng) {
    let at = generator.random_range(0..bytes.len());
    let end = bytes.len().min(at + generator.random_range(1..40));
    match generator.random_range(0..8) {
        0 => bytes[at] ^= 1 << generator.random_range(0..8),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend_from_within(at..end),
        3 => bytes.truncate(at),
        // Most often another digit in the place of one.
        _ => {
            let mut digits = bytes.iter_mut().filter(|byte| byte.is_ascii_digit());
            let digit = digits.by_ref().choose(generator).unwrap();
            *digit = *b"0123456789-.e".choose(generator).unwrap();
        }
    }
}

#[test]
fn a_file_that_is_no_checkpoint_or_not_as_it_was_written_is_refused() {
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

/// Options that resume a run without asking anybody.
const RESUME: &str = "--resume d --device cpu --threads 1 -q";

#[test]
fn a_run_goes_on_from_a_damaged_checkpoint_only_where_it_can_have_been_there() {
    let folder = tempdir().unwrap();
    let run_dir = RunDir::open(folder.path()).unwrap();
    let (options, good) = (options(RESUME), stopped());
    let places = |history: &Checkpoint<RunMetadata>| {
        let rows = history.records.iter();
        let rows = rows.map(|row| (row.epoch, row.batch, row.step));
        let network = history.state.weights.architecture().clone();
        (rows.collect::<Vec<_>>(), history.state.step(), network)
    };
    let taken = Cell::new(0);
    let resume = || {
        let job = options.resume(&run_dir, &Sources::default())?;
        let Job {
            mut history,
            split,
            device,
            threads,
        } = job.unwrap();
        assert_eq!(places(&history), places(&good));
        assert!(history.about.training_seconds >= 0.0);
        history.about.data.name.clone_from(&good.about.data.name);
        assert_eq!(history.about.data, good.about.data);
        taken.set(taken.get() + 1);
        if taken.get() % 10 > 0 {
            return Ok(()); // It takes a millisecond to go on.
        }
        let training = Training::new(&history.config, &history.state, &split, device, threads);
        for error in training.unwrap().take(2).filter_map(Result::err) {
            assert!(format!("{error:#}").contains("smaller --lr"), "{error:#}");
        }
        Ok(())
    };
    let file = String::from_utf8(good.to_bytes().unwrap()).unwrap();
    let (head, body) = file.split_once('\n').unwrap();
    let digest = |bytes: &[u8]| hex(Sha256::digest(bytes));
    let sealed = |bytes: &[u8]| {
        let head = head.replace(&digest(body.as_bytes()), &digest(bytes));
        [head.as_bytes(), b"\n", bytes].concat()
    };
    let path = folder.path().join(run_dir::CHECKPOINT);
    fs::write(&path, &file).unwrap();
    resume().unwrap();
    mangle(&path, body.as_bytes(), sealed, resume);
}

#[test]
fn a_damaged_summary_gives_no_accuracy_and_no_images_that_its_run_cannot_have_had() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("run");
    let job = options(&format!("{JOB} --out {}", path.display()));
    run(&job, &Sources::default(), Instant::now()).unwrap();
    let options = options(RESUME);
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
    mangle(&file, &fs::read(&file).unwrap(), <[u8]>::to_vec, read);
}
