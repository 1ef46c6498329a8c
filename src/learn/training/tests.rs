use super::*;
use crate::data::mnist_10k;

#[test]
fn after_an_error_there_is_no_other_step() {
    let split = mnist_10k().unwrap();
    let split = split.resized(Some(300), Some(300)).unwrap();
    let config = Config {
        learning_rate: 1e38,
        ..Config::default()
    };
    let weights = Weights::initial(config.init, 0, 10);
    for threads in [1, 3] {
        let threads = NonZeroUsize::new(threads).unwrap();
        let run = Training::new(&config, &weights, &split, Device::CPU, threads).unwrap();
        let steps: Vec<Result<Step>> = run.collect();
        assert!(
            steps.len() >= 2 && steps.len() < 15,
            "{} steps",
            steps.len()
        );
        let errors = steps.iter().filter(|step| step.is_err()).count();
        assert!(errors == 1 && steps.last().unwrap().is_err());
    }
}

#[test]
fn the_state_can_be_read() {
    let split = mnist_10k().unwrap();
    let split = split.resized(Some(300), Some(50)).unwrap();
    let config = Config::default();
    let weights = Weights::initial(config.init, 0, 10);
    let threads = NonZeroUsize::MIN;
    let mut run = Training::new(&config, &weights, &split, Device::CPU, threads).unwrap();
    assert_eq!(run.by_ref().count(), 15);
    let state = run.state().unwrap();
    assert_eq!(state.step(), 15);
    assert_eq!(state.optimizer.first_moment.len(), Weights::count(10));
    let mut moments = state.optimizer.second_moment.iter();
    assert!(moments.any(|&moment| moment > 0.0));
    assert_ne!(state.weights, weights);
}
