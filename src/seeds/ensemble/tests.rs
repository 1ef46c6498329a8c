use super::*;

/// A run of two epochs with half as many scored steps each.
pub fn run(seed: u64, accuracies: &[f64]) -> SeedRun {
    let half = accuracies.len().div_ceil(2);
    let record = |(at, &test_accuracy): (usize, &f64)| StepRecord {
        epoch: at / half + 1,
        batch: at % half + 1,
        step: at + 1,
        test_accuracy,
        ..StepRecord::default()
    };
    let mut confusion = ConfusionMatrix::new(2);
    confusion.add(0, 1, seed);
    SeedRun {
        seed,
        records: accuracies.iter().enumerate().map(record).collect(),
        confusion,
        seconds: 1.0,
    }
}

pub fn ensemble(curves: &[&[f64]]) -> Ensemble {
    let runs = (0..).zip(curves).map(|(seed, curve)| Ok(run(seed, curve)));
    Ensemble::gather(runs).unwrap()
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
    // Of four others the mean of the two in the middle.
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
    // 5 % of three values lies a tenth of the way from the first to the second.
    close(&band.low, &[0.11, 0.62]);
    close(&band.high, &[0.38, 0.89]);
    // Seed 0: the others' medians are 0.25 and 0.75; seed 1: 0.15, 0.85; seed 2: 0.3, 0.7.
    close(&ensemble.deviations(), &[0.05, 0.25, 0.2]);
    close(&tests::ensemble(&[&[0.5, 0.5]]).deviations(), &[0.0]);
}

#[test]
fn runs_are_sorted_and_their_matrices_added() {
    let runs = [run(5, &[0.5, 0.6]), run(2, &[0.1, 0.2])].map(Ok);
    let ensemble = Ensemble::gather(runs).unwrap();
    let seeds: Vec<u64> = ensemble.curves.iter().map(|curve| curve.seed).collect();
    assert_eq!((seeds, ensemble.confusion.count(0, 1)), (vec![2, 5], 7));
    assert_eq!(ensemble.epoch_ends().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn runs_that_do_not_belong_together_are_errors() {
    let gathered = |runs: Vec<SeedRun>| Ensemble::gather(runs.into_iter().map(Ok));
    let error = |runs| gathered(runs).unwrap_err().to_string();
    let first = || run(1, &[0.5, 0.6]);
    for (runs, expected) in [
        (vec![], "no run"),
        (vec![first(), first()], "seed 1 comes twice"),
        (vec![first(), run(2, &[0.5, 0.6, 0.7])], "seed 2"),
    ] {
        let error = error(runs);
        assert!(error.contains(expected), "{error}");
    }
}
