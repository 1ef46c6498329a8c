//! Damaged files of runs: whatever stands in one, reading it ends in one line that names it or in
//! numbers that a run can have. Everything is seeded, so a failure can be repeated; `MANGLE_CASES`
//! says how many cases are tried for each file.

use std::panic::{self, AssertUnwindSafe};
use std::{env, fs};

use clap::Parser;
use rand::seq::{IndexedRandom, IteratorRandom};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use tempfile::tempdir;

use super::*;
use crate::commands::CommandLine;
use crate::learn::many_seeds::SeedRun;
use crate::report::ensemble::Ensemble;
use crate::report::seed_store::SeedStore;

/// Four steps on 20 images, each scored on 10 others.
const JOB: &str = "--device cpu --threads 1 --channels 1,1,1,1 --epochs 2 --batch-size 10 \
                   --train-range ..20 --test-range ..10 -q";

fn options(line: &str) -> Options {
    CommandLine::parse_from(format!("mnist-tch {line}").split_whitespace()).train
}

/// Reads damaged forms of a good file: each has to be refused in words, or to be taken.
fn mangle(file: &Path, read: impl Fn() -> Result<()>) {
    let cases = env::var("MANGLE_CASES").map_or(10_000, |text| text.parse().unwrap());
    let name = file.file_name().unwrap().to_str().unwrap();
    let good = fs::read(file).unwrap();
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    let mut taken = 0;
    for _ in 0..cases {
        let mut bytes = good.clone();
        damage(&mut bytes, &mut generator);
        // A new file each time: ext4 waits for the disk where an old one is written over.
        fs::remove_file(file).unwrap();
        fs::write(file, &bytes).unwrap();
        let outcome = panic::catch_unwind(AssertUnwindSafe(&read));
        match outcome.unwrap_or_else(|_| panic!("with {}", bytes.escape_ascii())) {
            Ok(()) => taken += 1,
            Err(error) => {
                let text = format!("{error:#}");
                assert!(text.contains(name) && text.len() < 600, "{text}");
            }
        }
    }
    assert!((1..cases).contains(&taken), "{taken} of {cases} were taken");
}

/// Changes, takes out, doubles or adds some bytes, or puts another value in the place of one.
fn damage(bytes: &mut Vec<u8>, generator: &mut ChaCha8Rng) {
    let at = generator.random_range(0..bytes.len());
    let end = bytes.len().min(at + generator.random_range(1..40));
    let digits = bytes.iter_mut().filter(|byte| byte.is_ascii_digit());
    match generator.random_range(0..9) {
        0 => bytes[at] ^= 1 << generator.random_range(0..8),
        1 => drop(bytes.drain(at..end)),
        2 => bytes.extend_from_within(at..end),
        3 => bytes.truncate(at),
        4 => {
            let others = r#"null true -1 1e300 18446744073709551615 "" "test:3.." [] {} [[1]]"#;
            let other = others.split(' ').choose(generator).unwrap();
            let starts = (0..bytes.len()).filter(|&place| b":[,".contains(&bytes[place]));
            let start = starts.choose(generator).unwrap() + 1;
            let length = bytes[start..].iter().position(|byte| b",]}".contains(byte));
            bytes.splice(start..start + length.unwrap(), other.bytes());
        }
        // Most often another digit in the place of one.
        _ => *digits.choose(generator).unwrap() = *b"0123456789-.e".choose(generator).unwrap(),
    }
}

/// The job, done.
fn complete() -> (tempfile::TempDir, RunDir) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("run");
    let job = options(&format!("{JOB} --out {}", path.display()));
    run(&job, Instant::now()).unwrap();
    (folder, RunDir::open(&path).unwrap())
}

#[test]
fn a_file_that_is_no_checkpoint_or_not_as_it_was_written_is_refused() {
    let (_folder, run_dir) = complete();
    let bytes = run_dir.read(run_dir::CHECKPOINT).unwrap().unwrap();
    let error = |bytes: &[u8]| {
        let error = Checkpoint::<About>::from_bytes(bytes).err().unwrap();
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
fn a_damaged_summary_gives_no_accuracy_and_no_images_that_its_run_cannot_have_had() {
    let (_folder, run_dir) = complete();
    let options = options("--resume d --mirror http://127.0.0.1:1 -q");
    let model = model::open(run_dir.path(), false).unwrap();
    let file = run_dir.path().join(run_dir::SUMMARY);
    mangle(&file, || {
        let bytes = fs::read(&file)?;
        options.already_complete(&run_dir, &bytes)?;
        let share = Recorded::from_bytes(&bytes)?.final_accuracy;
        assert!((0.0..=1.0).contains(&share));
        let images = model.images(&options.images.set, None)?.images;
        assert_eq!(images.len(), 10);
        Ok(())
    });
}

#[test]
fn a_damaged_run_of_a_seed_is_refused_or_one_of_many() {
    let (folder, run_dir) = complete();
    let store = SeedStore::open(&folder.path().join("seeds"), &json!({})).unwrap();
    let history = read_checkpoint(&run_dir).unwrap();
    let good = SeedRun {
        seed: 5,
        records: history.records,
        confusion: history.confusion.unwrap(),
        seconds: 0.5,
    };
    store.save(&good).unwrap();
    let file = folder.path().join("seeds/seeds/5.json");
    mangle(&file, || {
        let run = store.load(5)?;
        let mut other = run.clone();
        other.seed = 6;
        let ensemble = Ensemble::gather([Ok(run), Ok(other)]).unwrap();
        let mut values = ensemble.band().high.into_iter();
        assert!(values.all(|value| (0.0..=1.0).contains(&value)));
        Ok(())
    });
}
