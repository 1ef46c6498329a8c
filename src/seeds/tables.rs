//! The CSV files of many seeds.

use anyhow::Result;

use super::ensemble::Ensemble;
use crate::report::tables::{numbered, table};

/// `curves.csv`: the accuracy of every seed after every scored step.
pub(crate) fn curves_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let rows = ensemble.curves.iter().flat_map(|curve| {
        let steps = ensemble.steps.iter().map(|record| record.step);
        let points = steps.zip(&curve.accuracies);
        points.map(|(step, accuracy)| (curve.seed, step, accuracy))
    });
    table(["seed", "step", "test_accuracy"], rows)
}

/// `seeds.csv`: the accuracy of every seed at each epoch's end.
pub(crate) fn seeds_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let ends: Vec<usize> = ensemble.epoch_ends().collect();
    let epochs = ends.iter().map(|&end| ensemble.steps[end].epoch);
    let header = numbered(&["seed"], "epoch_", epochs);
    let rows = ensemble.curves.iter().map(|curve| {
        let accuracies: Vec<f64> = ends.iter().map(|&end| curve.accuracies[end]).collect();
        (curve.seed, accuracies)
    });
    table(header, rows)
}

/// `timings.csv`: how long every seed took on its thread. A file of its own, because all others are
/// the same bytes whenever the same seeds are run.
pub(crate) fn timings_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let curves = ensemble.curves.iter();
    let rows = curves.map(|curve| (curve.seed, format!("{:.3}", curve.seconds)));
    table(["seed", "seconds"], rows)
}
