//! The main job from end to end: the article's protocol, what its files hold, and how they fit.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;

use common::{SMALL, fails, printed, run_file, small_run};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// Rows of a CSV file below its header, which must be `header`.
fn rows(folder: &TempDir, name: &str, header: &str) -> Vec<Vec<f64>> {
    let text = String::from_utf8(run_file(folder, name)).unwrap();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let (first, rows) = text.split_once('\n').unwrap();
    assert_eq!(first, header, "say here which columns there are");
    let row = |line: &str| line.split(',').map(|cell| cell.parse().unwrap()).collect();
    rows.lines().map(row).collect()
}

const ACCURACY: &str = "epoch,batch,step,train_loss,test_accuracy";

fn summary(folder: &TempDir) -> Value {
    serde_json::from_slice(&run_file(folder, "summary.json")).unwrap()
}

#[test]
fn the_articles_job_gives_its_250_rows_and_its_test_images() {
    let folder = tempdir().unwrap();
    let line = "--device cpu --out run --min-accuracy 0.9";
    let printed = printed(folder.path(), line);
    let steps = rows(&folder, "accuracy.csv", ACCURACY);
    assert_eq!(steps.len(), 250);
    for (index, row) in (0_u32..).zip(&steps) {
        let place = [index / 50 + 1, index % 50 + 1, index + 1];
        assert_eq!(row[..3], place.map(f64::from));
        assert!(row[3] > 0.0 && (0.0..=1.0).contains(&row[4]));
    }
    let columns: Vec<_> = (0..10).map(|class| format!("predicted_{class}")).collect();
    let header = format!("true_label,{}", columns.join(","));
    let confusion = rows(&folder, "confusion.csv", &header);
    let sums: Vec<f64> = confusion.iter().map(|row| row[1..].iter().sum()).collect();
    let of_each = [522., 564., 503., 539., 445., 429., 513., 520., 482., 483.];
    assert_eq!(sums, of_each);

    // One scoring loop: the matrix, the last row, the summary and the printed table are one number.
    let correct: f64 = (0..10).map(|class| confusion[class][class + 1]).sum();
    let last = steps[249][4];
    assert!((correct / 5_000.0 - last).abs() < 1e-9);
    assert_eq!(summary(&folder)["final_accuracy"], last);
    assert!(printed.contains(&format!("{last:.4}")), "{printed}");
}

#[test]
fn the_summary_is_enough_to_run_it_again() {
    let folder = tempdir().unwrap();
    let options = "--seed 5 --threads 2 --init kaiming --batch-size 50 --lr 1e-3 --shuffle \
                   --eval-every 4 --checkpoint-every 3 --augment 2 --channels 4,8 --lr-final 1e-5 \
                   --keep best";
    small_run(&folder, options);
    let summary = summary(&folder);
    let configuration = json!({
        "channels": [4, 8],
        "epochs": 2,
        "batch_size": 50,
        "learning_rate": 1e-3,
        "final_learning_rate": 1e-5,
        "seed": 5,
        "init": "kaiming",
        "eval_every": 4,
        "shuffle": true,
        "checkpoint_every": 3,
        "augment": 2,
        "keep": "best",
    });
    let hint = "a new option belongs into this list, and into the options above";
    assert_eq!(summary["configuration"], configuration, "{hint}");
    assert_eq!(summary["device"], "cpu");
    assert_eq!(summary["threads"], 2);
    let data = &summary["data"];
    assert_eq!(data["name"], "mnist-10k");
    assert_eq!(data["train_range"], "train:0..300");
    assert_eq!(data["test_range"], "test:0..200");
    assert_eq!(data["sha256"].as_str().map(str::len), Some(64));
    assert!(summary["libtorch"].as_str().unwrap().starts_with("2."));
    // The start and two epochs.
    assert_eq!(summary["epochs"].as_array().map(Vec::len), Some(3));
    assert!(summary["timings"]["training_seconds"].as_f64().unwrap() > 0.0);
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

#[test]
fn the_best_weights_are_kept_and_others_can_begin_with_them() {
    let folder = tempdir().unwrap();
    // So large a rate that the last score is not the best one.
    small_run(&folder, "--keep best --lr 0.2 --channels 4,8");
    let scores = rows(&folder, "accuracy.csv", ACCURACY).into_iter();
    // The last of several is the greatest for max_by, and it is to be the first.
    let best = scores
        .rev()
        .max_by(|one, other| one[4].total_cmp(&other[4]));
    let (step, accuracy) = best.map(|row| (row[2], row[4])).unwrap();
    let kept = &summary(&folder)["best"];
    assert_eq!(kept["step"].as_f64(), Some(step));
    assert!(step < 6.0);
    assert_eq!(kept["test_accuracy"], accuracy);

    // They hardly move.
    let model = "run/best.safetensors";
    let line = format!("{SMALL} --from {model} --lr 1e-12 --eval-every 0 --out next");
    let text = printed(folder.path(), &line);
    let last = format!("{accuracy:.4}\n");
    assert!(text.contains(&last), "{accuracy}: {text}");
    let next = fs::read(folder.path().join("next/summary.json")).unwrap();
    let next: Value = serde_json::from_slice(&next).unwrap();
    assert_eq!(next["configuration"]["channels"], json!([4, 8]));
    let from = next["from"]["path"].as_str().unwrap();
    assert!(from.ends_with(model), "{from}");

    let missing = format!("{SMALL} --from no.safetensors");
    fails(folder.path(), &missing, &["--from: no.safetensors"]);
    let other = format!("{SMALL} --from {model} --classes 11");
    fails(folder.path(), &other, &["--from", "10 classes", "11"]);
}
