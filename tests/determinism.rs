//! The same seed gives the same bytes, on any number of threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{run_file, small_run};
use tempfile::tempdir;

const NUMBERS: [&str; 3] = ["accuracy.csv", "confusion.csv", "model.safetensors"];

/// The files of numbers after a small run with these options.
fn numbers(options: &str) -> Vec<Vec<u8>> {
    let folder = tempdir().unwrap();
    small_run(&folder, options);
    NUMBERS.iter().map(|name| run_file(&folder, name)).collect()
}

#[test]
fn the_same_seed_twice_gives_the_same_bytes() {
    assert_eq!(numbers("--seed 3"), numbers("--seed 3"));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let all = "--shuffle --augment 2 --lr-final 0 --channels 16,32";
    for options in ["", all, "--batch-size 280 --eval-every 2"] {
        let [one, two, four] =
            ["1", "2", "4"].map(|n| numbers(&format!("{options} --threads {n}")));
        assert!(one == two && one == four, "{options}");
    }
}

#[test]
fn pictures_are_the_same_bytes_too() {
    let pictures = || {
        let folder = tempdir().unwrap();
        small_run(&folder, "");
        ["accuracy.png", "confusion.png"].map(|name| run_file(&folder, name))
    };
    assert_eq!(pictures(), pictures());
}

#[test]
fn seed_init_shuffling_and_rate_change_the_numbers() {
    let options = "|--seed 1|--init glorot|--shuffle|--lr 0.004|--lr-final 0|--augment 1";
    let options: Vec<&str> = options.split('|').collect();
    let models = options.iter().map(|options| numbers(options).remove(2));
    let models: Vec<_> = models.collect();
    for (position, model) in models.iter().enumerate() {
        assert!(!models[..position].contains(model), "{}", options[position]);
    }
}
