//! The fast path is the lesson, only faster: from the same initial weights both learn alike.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/lesson.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod lesson;

use std::num::NonZeroUsize;

use mnist_tch::data::{Split, mnist_10k};
use mnist_tch::learn::{Architecture, Config, Device, State, Training, Weights};
use tch::Tensor;
use tch::nn::VarStore;

/// The lesson's accuracy after each epoch, from these initial weights.
fn of_the_lesson(weights: &Weights, split: &Split) -> Vec<f64> {
    let store = VarStore::new(tch::Device::Cpu);
    let net = lesson::network(&store.root());
    let mut variables = store.variables();
    for (name, _, values) in weights.named() {
        let mut variable = variables.remove(&name).unwrap();
        let values = Tensor::from_slice(values).view_as(&variable);
        tch::no_grad(|| variable.copy_(&values));
    }
    assert!(variables.is_empty(), "only the lesson has {variables:?}");
    let mut accuracies = Vec::new();
    let keep = |_, accuracy| accuracies.push(accuracy);
    lesson::train(&net, &store, split, keep).unwrap();
    accuracies
}

/// The program's accuracy after each epoch, from these initial weights.
fn of_the_program(config: &Config, weights: &Weights, split: &Split) -> Vec<f64> {
    let threads = NonZeroUsize::new(2).unwrap();
    let training = Training::new(
        config,
        &State::initial(weights.clone()),
        split,
        Device::CPU,
        threads,
    )
    .unwrap();
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
    let weights = Weights::initial(
        config.init,
        config.seed,
        &Architecture::article(10).unwrap(),
    );
    let program = of_the_program(&config, &weights, &split);
    let lesson = of_the_lesson(&weights, &split);
    assert_eq!((program.len(), lesson.len()), (5, 5));
    for (program, lesson) in program.iter().zip(&lesson) {
        let difference = (program - lesson).abs();
        let hint = "change examples/lesson.rs as the program was changed";
        assert!(difference < 0.006, "{program}, the lesson {lesson}: {hint}");
    }
}
