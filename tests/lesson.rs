//! The fast path is the lesson, only faster: from the same initial weights both learn alike.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/lesson.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod lesson;

use std::num::NonZeroUsize;

use mnist_tch::data::{Split, mnist_10k};
use mnist_tch::learn::{Config, Device, State, Training, Weights};
use tch::Tensor;
use tch::nn::VarStore;

const HINT: &str = "change examples/lesson.rs as the program was changed";

/// The lesson's accuracy after each epoch, from these initial weights.
fn of_the_lesson(weights: &Weights, split: &Split) -> Vec<f64> {
    let store = VarStore::new(tch::Device::Cpu);
    let net = lesson::network(&store.root());
    let mut variables = store.variables();
    for (name, _, values) in weights.named() {
        let variable = variables.remove(&name);
        let same_size = |variable: &Tensor| variable.numel() == values.len();
        let Some(mut variable) = variable.filter(same_size) else {
            panic!("{HINT}");
        };
        let values = Tensor::from_slice(values).view_as(&variable);
        tch::no_grad(|| variable.copy_(&values));
    }
    assert!(variables.is_empty(), "{HINT}: {variables:?}");
    let mut accuracies = Vec::new();
    let keep = |_, accuracy| accuracies.push(accuracy);
    lesson::train(&net, &store, split, keep).unwrap();
    accuracies
}

/// The program's accuracy after each epoch, from these initial weights.
fn of_the_program(config: &Config, weights: &Weights, split: &Split) -> Vec<f64> {
    let state = State::initial(weights.clone());
    let training = Training::new(config, &state, split, Device::CPU, NonZeroUsize::MIN).unwrap();
    let scored = training.filter_map(|step| step.unwrap().record());
    scored.map(|record| record.test_accuracy).collect()
}

#[test]
fn accuracies_after_each_epoch_are_within_0_006() {
    // A whole epoch between two scores.
    let config = Config {
        eval_every: Some(50),
        ..Config::default()
    };
    let split = mnist_10k().unwrap();
    let weights = State::new(&config, 10).unwrap().weights;
    let program = of_the_program(&config, &weights, &split);
    let lesson = of_the_lesson(&weights, &split);
    assert_eq!((program.len(), lesson.len()), (5, 5));
    for (program, lesson) in program.iter().zip(&lesson) {
        let difference = (program - lesson).abs();
        assert!(difference < 0.006, "{program}, the lesson {lesson}: {HINT}");
    }
}
