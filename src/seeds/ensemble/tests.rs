use super::*;
use crate::learn::ConfusionMatrix;

/// A run of two epochs with half of the scored steps each.
pub fn run(seed: u64, accuracies: &[f64]) -> SeedRun {
    let half = accuracies.len().div_ceil(2);
    let record = |(at, &test_accuracy): (usize, &f64)| StepRecord {
        epoch: at / half + 1,
        batch: at % half + 1,
        step: at + 1,
        test_accuracy,
        ..StepRecord::default()
    };
    SeedRun {
        seed,
        records: accuracies.iter().enumerate().map(record).collect(),
        confusion: ConfusionMatrix::new(2),
        seconds: 1.0,
    }
}

pub fn ensemble(curves: &[&[f64]]) -> Ensemble {
    let mut ensemble = Ensemble::default();
    for (seed, curve) in (0..).zip(curves) {
        ensemble.add(run(seed, curve)).unwrap();
    }
    ensemble
}

fn close(found: &[f64], expected: &[f64]) {
    let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
    let same = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(same, "{found:?}, expected {expected:?}");
}

#[test]
fn quantiles_are_those_of_numpy() {
    // numpy.quantile([1, 2, 4, 8, 16], [0, 0.05, 0.25, 0.5, 0.9, 0.95, 1])
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    let found = [0.0, 0.05, 0.25, 0.5, 0.9, 0.95, 1.0].map(|share| quantile(&values, share));
    close(&found, &[1.0, 1.2, 2.0, 4.0, 12.8, 14.4, 16.0]);
    close(&[quantile(&[3.0], 0.95)], &[3.0]);
}

#[test]
fn the_median_without_one_value_is_that_of_the_others() {
    let odd = [0.1, 0.2, 0.5, 0.7, 0.9];
    // The median of four others is the mean of the two in the middle.
    let found = odd.map(|own| median_without(&odd, own));
    close(&found, &[0.6, 0.6, 0.45, 0.35, 0.35]);
    let even = [0.1, 0.2, 0.2, 0.9];
    close(&even.map(|own| median_without(&even, own)), &[0.2; 4]);
    close(&[median_without(&[0.1, 0.4], 0.1)], &[0.4]);
}

#[test]
fn bands_and_deviations_worked_out_by_hand() {
    let ensemble = ensemble(&[&[0.2, 0.8], &[0.4, 0.6], &[0.1, 0.9]]);
    let band = ensemble.band();
    close(&band.median, &[0.2, 0.8]);
    // The 5 % quantile of three values is a tenth of the way from the first to the second.
    close(&band.low, &[0.11, 0.62]);
    close(&band.high, &[0.38, 0.89]);
    // Seed 0: the others' medians are 0.25 and 0.75; seed 1: 0.15, 0.85; seed 2: 0.3, 0.7.
    close(&ensemble.deviations(), &[0.05, 0.25, 0.2]);
}

#[test]
fn a_run_of_other_steps_is_refused() {
    let mut ensemble = ensemble(&[&[0.5, 0.6]]);
    assert_eq!(ensemble.epoch_ends().collect::<Vec<_>>(), [0, 1]);
    let error = ensemble.add(run(2, &[0.5, 0.6, 0.7])).unwrap_err();
    assert!(
        error.to_string().starts_with("seed 2 was scored"),
        "{error}"
    );
}
