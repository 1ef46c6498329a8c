//! The numbers are PyTorch's: logits, losses, weights and accuracies against a reference run of PyTorch 2.13.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{Config, Device, State, Step, Training, Weights, score};
use serde::de::DeserializeOwned;
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/parity")
        .join(name)
}

fn weights(step: usize) -> Weights {
    let bytes = fs::read(fixture(&format!("weights_step{step}.safetensors"))).unwrap();
    Weights::from_safetensors(&bytes).unwrap()
}

fn reference<T: DeserializeOwned>(name: &str) -> T {
    let text = fs::read_to_string(fixture("reference.json")).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

/// The first `steps` steps from PyTorch's initial weights, and the weights after them.
fn train(steps: usize, eval_every: usize) -> (Vec<Step>, Weights) {
    let config = Config {
        epochs: NonZeroUsize::MIN,
        eval_every: Some(eval_every),
        ..Config::default()
    };
    let split = mnist_10k().unwrap();
    let images = steps * config.batch_size.get();
    let split = split.resized(Some(images), None).unwrap();
    let threads = NonZeroUsize::new(2).unwrap();
    let mut training = Training::new(
        &config,
        &State::initial(weights(0)),
        &split,
        Device::CPU,
        threads,
    )
    .unwrap();
    let records: Vec<Step> = training.by_ref().map(Result::unwrap).collect();
    assert_eq!(records.len(), steps);
    (records, training.state().unwrap().weights)
}

fn largest_difference(one: &Weights, other: &Weights) -> f32 {
    let pairs = one.values().iter().zip(other.values());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn logits_are_within_1e_4() {
    let expected: Vec<Vec<f32>> = reference("logits_test_first16");
    let test = mnist_10k().unwrap().resized(None, Some(16)).unwrap().test;
    let scores = score(&weights(0), &test, Device::CPU, NonZeroUsize::MIN).unwrap();
    let logits = scores.logits;
    assert_eq!(logits.len(), 16);
    for (ours, theirs) in logits.iter().flatten().zip(expected.iter().flatten()) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
}

#[test]
fn weights_after_one_and_ten_steps_are_within_1e_4() {
    for steps in [1, 10] {
        let (_, ours) = train(steps, 0);
        let difference = largest_difference(&ours, &weights(steps));
        assert!(difference < 1e-4, "{steps} steps: {difference}");
        // And training has changed them by much more than that.
        assert!(largest_difference(&ours, &weights(0)) > 1e-3);
    }
}

#[test]
fn losses_of_the_first_steps_are_within_a_thousandth() {
    let (steps, _) = train(10, 0);
    for (step, expected) in steps.iter().zip(reference::<Vec<f64>>("train_loss")) {
        let loss = f64::from(step.train_loss);
        assert!((loss / expected - 1.0).abs() < 1e-3, "{step:?} {expected}");
    }
}

#[test]
fn each_accuracy_of_the_first_epoch_is_within_0_006() {
    let (steps, _) = train(50, 1);
    let expected: Vec<f64> = reference("test_accuracy");
    assert_eq!(expected.len(), 50);
    for (step, expected) in steps.iter().zip(expected) {
        let accuracy = step.record().unwrap().test_accuracy;
        let difference = (accuracy - expected).abs();
        assert!(
            difference < 0.006,
            "step {}: {accuracy} {expected}",
            step.step
        );
    }
}
