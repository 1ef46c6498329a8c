//! The numbers are PyTorch's: logits, losses, weights and accuracies against reference runs of
//! PyTorch 2.13, which `scripts/reference.sh parity` makes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{env, fs};

use mnist_tch::data::mnist_10k;
use mnist_tch::learn::{
    Architecture, Config, Device, DeviceChoice, Init, State, Step, Training, Weights, score,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

const HINT: &str = "if it is meant to be another job, change scripts/python/parity.py \
                    likewise, and run scripts/reference.sh parity";

/// The one that `MNIST_TCH_TEST_DEVICE` names, such as `cuda`; without TF32 (docs/libtorch.md).
fn device() -> Device {
    static DEVICE: LazyLock<Device> = LazyLock::new(|| {
        let name = env::var("MNIST_TCH_TEST_DEVICE").unwrap_or("cpu".to_owned());
        name.parse::<DeviceChoice>().unwrap().find().unwrap().0
    });
    *DEVICE
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/parity")
        .join(name)
}

fn weights(step: usize) -> Weights {
    let bytes = fs::read(fixture(&format!("weights_step{step}.safetensors"))).unwrap();
    Weights::from_safetensors(&bytes).unwrap().0
}

/// What PyTorch found, from the fixture `file`.
fn reference<T: DeserializeOwned>(file: &str, name: &str) -> T {
    let text = fs::read_to_string(fixture(file)).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(all[name].clone()).unwrap()
}

/// The first `steps` steps from `initial` weights, and the weights after them.
fn train(initial: Weights, steps: usize, eval_every: usize) -> (Vec<Step>, Weights) {
    let config = Config {
        epochs: NonZeroUsize::MIN,
        eval_every: Some(eval_every),
        ..Config::default()
    };
    let split = mnist_10k().unwrap();
    let images = steps * config.batch_size.get();
    let split = split.resized(Some(images), None).unwrap();
    let threads = NonZeroUsize::new(2).unwrap();
    let state = State::initial(initial);
    let mut training = Training::new(&config, &state, &split, device(), threads).unwrap();
    let records: Vec<Step> = training.by_ref().map(Result::unwrap).collect();
    assert_eq!(records.len(), steps);
    (records, training.state().unwrap().weights)
}

fn largest_difference(one: &Weights, other: &Weights) -> f32 {
    let pairs = one.values().iter().zip(other.values());
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// Logits of 16 test images within 1e-4, losses of ten steps within a thousandth.
fn begins_as_in_pytorch(initial: &Weights, file: &str) {
    let expected: Vec<Vec<f32>> = reference(file, "logits_test_first16");
    let test = mnist_10k().unwrap().resized(None, Some(16)).unwrap().test;
    let scores = score(initial, &test, device(), NonZeroUsize::MIN).unwrap();
    let logits = scores.logits;
    assert_eq!((logits.len(), expected.len()), (16, 16));
    for (ours, theirs) in logits.iter().flatten().zip(expected.iter().flatten()) {
        let is_close = (ours - theirs).abs() < 1e-4;
        assert!(is_close, "{file}: {ours} {theirs}: {HINT}");
    }
    let (steps, _) = train(initial.clone(), 10, 0);
    let expected: Vec<f64> = reference(file, "train_loss");
    for (step, expected) in steps.iter().zip(&expected[..10]) {
        let loss = f64::from(step.train_loss);
        let difference = (loss / expected - 1.0).abs();
        assert!(difference < 1e-3, "{file}: {step:?} {expected}: {HINT}");
    }
}

#[test]
fn logits_are_within_1e_4_and_losses_of_the_first_steps_within_a_thousandth() {
    begins_as_in_pytorch(&weights(0), "reference.json");
}

#[test]
fn so_they_are_at_other_widths_and_with_one_block_and_with_four() {
    for channels in [vec![4], vec![16, 32, 64], vec![4, 6, 8, 5]] {
        let widths: Vec<String> = channels.iter().map(usize::to_string).collect();
        let architecture = Architecture::new(channels, 10).unwrap();
        let initial = Weights::initial(Init::Flux, 7, &architecture);
        let file = format!("channels-{}.json", widths.join(","));
        begins_as_in_pytorch(&initial, &file);
    }
}

#[test]
fn weights_after_one_and_ten_steps_are_within_1e_4() {
    for steps in [1, 10] {
        let (_, ours) = train(weights(0), steps, 0);
        let difference = largest_difference(&ours, &weights(steps));
        assert!(difference < 1e-4, "{steps} steps: {difference}: {HINT}");
        // And training has changed them by much more than that.
        assert!(largest_difference(&ours, &weights(0)) > 1e-3);
    }
}

#[test]
fn each_accuracy_of_the_first_epoch_is_within_0_006() {
    let (steps, _) = train(weights(0), 50, 1);
    let expected: Vec<f64> = reference("reference.json", "test_accuracy");
    assert_eq!(expected.len(), 50);
    for (step, expected) in steps.iter().zip(expected) {
        let accuracy = step.record().unwrap().test_accuracy;
        let difference = (accuracy - expected).abs();
        assert!(difference < 0.006, "{step:?} {expected}: {HINT}");
    }
}
