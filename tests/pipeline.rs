//! The main job from end to end: the article's protocol, every file it leaves, and how they fit together.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;

use common::{mnist_tch, run_file, small_run};
use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{Device, Weights, score};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// Rows of a CSV file below its header, which must be `header`.
fn rows(folder: &TempDir, name: &str, header: &str) -> Vec<Vec<f64>> {
    let text = String::from_utf8(run_file(folder, name)).unwrap();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(header));
    let number = |cell: &str| cell.parse().unwrap();
    lines
        .map(|line| line.split(',').map(number).collect())
        .collect()
}

const ACCURACY: &str = "epoch,batch,step,train_loss,test_accuracy";
const CONFUSION: &str = "true_label,predicted_0,predicted_1,predicted_2,predicted_3,predicted_4,predicted_5,\
                         predicted_6,predicted_7,predicted_8,predicted_9";

fn summary(folder: &TempDir) -> Value {
    serde_json::from_slice(&run_file(folder, "summary.json")).unwrap()
}

/// Width and height, from a PNG's header.
fn png_size(bytes: &[u8]) -> (u32, u32) {
    assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    (number(16), number(20))
}

#[test]
fn the_articles_job_gives_its_250_rows_and_its_test_images() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), "--device cpu --out run --min-accuracy 0.9")
        .assert()
        .success();

    let steps = rows(&folder, "accuracy.csv", ACCURACY);
    assert_eq!(steps.len(), 250);
    for (index, row) in (0_u32..).zip(&steps) {
        assert_eq!(
            row[..3],
            [index / 50 + 1, index % 50 + 1, index + 1].map(f64::from)
        );
        assert!(row[3] > 0.0 && (0.0..=1.0).contains(&row[4]));
    }
    let confusion = rows(&folder, "confusion.csv", CONFUSION);
    let sums: Vec<f64> = confusion.iter().map(|row| row[1..].iter().sum()).collect();
    assert_eq!(
        sums,
        [522., 564., 503., 539., 445., 429., 513., 520., 482., 483.]
    );

    // One scoring loop: the matrix, the last row, the summary and the printed table are one number.
    let correct: f64 = (0..10).map(|class| confusion[class][class + 1]).sum();
    let last = steps[249][4];
    assert!((correct / 5_000.0 - last).abs() < 1e-9);
    assert_eq!(summary(&folder)["final_accuracy"], last);
    let printed = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert!(printed.contains(&format!("{last:.4}")), "{printed}");
}

#[test]
fn a_run_leaves_these_files_and_no_others() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let entries = fs::read_dir(folder.path().join("run")).unwrap();
    let names: BTreeSet<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = [
        "accuracy.csv",
        "accuracy.png",
        "confusion.csv",
        "confusion.png",
        "mistakes.png",
        "model.safetensors",
        "summary.json",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    assert_eq!(png_size(&run_file(&folder, "confusion.png")), (1000, 900));
    assert_eq!(png_size(&run_file(&folder, "accuracy.png")), (1200, 700));
}

#[test]
fn the_summary_is_enough_to_run_it_again() {
    let folder = tempdir().unwrap();
    let options = "--seed 5 --threads 2 --init kaiming --batch-size 50 --lr 1e-3 --shuffle \
                   --eval-every 4 --checkpoint-every 3 --augment 2";
    small_run(&folder, options);
    let summary = summary(&folder);
    let configuration = json!({
        "epochs": 2,
        "batch_size": 50,
        "learning_rate": 1e-3,
        "seed": 5,
        "init": "kaiming",
        "eval_every": 4,
        "shuffle": true,
        "checkpoint_every": 3,
        "augment": 2,
    });
    assert_eq!(summary["configuration"], configuration);
    assert_eq!(summary["device"], "cpu");
    assert_eq!(summary["threads"], 2);
    assert_eq!(summary["data"]["name"], "mnist-10k");
    assert_eq!(summary["data"]["train_range"], "train:0..300");
    assert_eq!(summary["data"]["test_range"], "test:0..200");
    assert_eq!(summary["data"]["sha256"].as_str().map(str::len), Some(64));
    assert!(summary["libtorch"].as_str().unwrap().starts_with("2."));
    // The start and two epochs.
    assert_eq!(summary["epochs"].as_array().map(Vec::len), Some(3));
    assert!(summary["timings"]["training_seconds"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_saved_weights_are_those_of_the_last_row() {
    let folder = tempdir().unwrap();
    small_run(&folder, "");
    let weights = Weights::from_safetensors(&run_file(&folder, "model.safetensors")).unwrap();
    let test = mnist_10k().unwrap().resized(None, Some(200)).unwrap().test;
    let scores = score(&weights, &test, Device::CPU, NonZeroUsize::MIN).unwrap();
    let logits = scores.logits;
    let best = |row: &Vec<f32>| {
        (0_u8..10).max_by(|&a, &b| row[usize::from(a)].total_cmp(&row[usize::from(b)]))
    };
    let correct = logits
        .iter()
        .zip(test.labels())
        .filter(|(row, label)| best(row) == Some(**label));
    let accuracy = f64::from(u32::try_from(correct.count()).unwrap()) / 200.0;
    let last = rows(&folder, "accuracy.csv", ACCURACY)[5][4];
    assert!((accuracy - last).abs() < 1e-9, "{accuracy} {last}");
}

#[test]
fn scores_come_as_often_as_asked_for_and_change_nothing_in_training() {
    let [every, second, end] = ["1", "2", "0"].map(|every| {
        let folder = tempdir().unwrap();
        small_run(&folder, &format!("--eval-every {every}"));
        let rows = rows(&folder, "accuracy.csv", ACCURACY).into_iter();
        let steps: Vec<f64> = rows.map(|row| row[2]).collect();
        (steps, run_file(&folder, "model.safetensors"))
    });
    assert_eq!(second.0, [2., 3., 4., 6.]);
    assert_eq!(end.0, [6.]);
    assert_eq!(every.1, end.1);
}
