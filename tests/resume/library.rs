//! The same without files: training that goes on from a state.

use std::num::NonZeroUsize;

use mnist_tch::data::mnist_10k;
use mnist_tch::learn::Device;
use mnist_tch::learn::State;
use mnist_tch::learn::Step;
use mnist_tch::learn::Training;
use mnist_tch::learn::Weights;
use mnist_tch::learn::{Architecture, Config};

/// The small job: three steps an epoch, the last one smaller, on the library itself.
fn training(config: &Config, state: &State, threads: usize) -> Training {
    let split = mnist_10k().unwrap().resized(Some(250), Some(300)).unwrap();
    let threads = NonZeroUsize::new(threads).unwrap();
    Training::new(config, state, &split, Device::CPU, threads).unwrap()
}

fn steps(training: &mut Training) -> Vec<Step> {
    training.map(Result::unwrap).collect()
}

#[test]
fn stopped_after_any_step_training_goes_on_with_the_same_numbers() {
    for shuffle in [false, true] {
        let config = Config {
            shuffle,
            ..Config::default()
        };
        let initial = State::initial(Weights::initial(
            config.init,
            0,
            &Architecture::article(10).unwrap(),
        ));
        let mut whole = training(&config, &initial, 2);
        let expected = steps(&mut whole);
        assert_eq!(expected.len(), 15);
        for (after, threads) in (0..15).zip([1, 2, 3].into_iter().cycle()) {
            let mut first = training(&config, &initial, threads);
            let mut made: Vec<Step> = first.by_ref().take(after).map(Result::unwrap).collect();
            first.stop();
            made.extend(steps(&mut first));
            let state = first.state().unwrap();
            assert_eq!(state.step(), made.len(), "what is made is yielded");
            let mut second = training(&config, &state, 2);
            made.extend(steps(&mut second));
            assert_eq!(made, expected, "stopped after step {after}");
            assert_eq!(second.state().unwrap(), whole.state().unwrap());
        }
    }
}

#[test]
fn a_state_that_is_kept_on_the_way_is_that_of_its_step() {
    let config = Config {
        checkpoint_every: 2,
        shuffle: true,
        ..Config::default()
    };
    let initial = State::initial(Weights::initial(
        config.init,
        0,
        &Architecture::article(10).unwrap(),
    ));
    let expected = steps(&mut training(&config, &initial, 3));
    let kept: Vec<&Step> = expected
        .iter()
        .filter(|step| step.state.is_some())
        .collect();
    let places: Vec<usize> = kept.iter().map(|step| step.step).collect();
    assert_eq!(places, [2, 3, 4, 6, 8, 9, 10, 12, 14, 15]);
    for step in kept {
        let state = step.state.as_ref().unwrap();
        assert_eq!(state.step(), step.step);
        assert_eq!(
            steps(&mut training(&config, state, 1)),
            expected[step.step..]
        );
    }
}
