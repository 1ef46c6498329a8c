//! The same seed gives the same bytes, on any number of threads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use common::{run_file, small_run};
use tempfile::tempdir;

/// Numbers and pictures of a small run with these options; the weights are the first.
fn files(options: &str) -> Vec<Vec<u8>> {
    let folder = tempdir().unwrap();
    small_run(&folder, options);
    let names = "model.safetensors accuracy.csv confusion.csv accuracy.png confusion.png";
    let files = names.split(' ').map(|name| run_file(&folder, name));
    files.collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let all = "--shuffle --augment 2 --lr-final 0 --channels 16,32";
    for options in ["", all, "--batch-size 280 --eval-every 2"] {
        let [one, two, four] = ["1", "2", "4"].map(|n| files(&format!("{options} --threads {n}")));
        let hint = "parts have to follow from the batch, what is random from seed, epoch and image";
        assert!(one == two && one == four, "{options}: {hint}");
    }
}

#[test]
fn seed_init_shuffling_and_rate_change_the_numbers() {
    let options = "|--seed 1|--init glorot|--shuffle|--lr 0.004|--lr-final 0|--augment 1";
    let options: Vec<&str> = options.split('|').collect();
    let models = options.iter().map(|options| files(options).remove(0));
    let models: Vec<_> = models.collect();
    for (position, model) in models.iter().enumerate() {
        assert!(!models[..position].contains(model), "{}", options[position]);
    }
}
