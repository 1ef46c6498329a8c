//! The files derived from the runs of a folder: tables, figures and the verdict. The same runs give
//! the same bytes, except in `timings.csv`.

use std::ops::Range;

use anyhow::{Context, Result};

use super::band::band;
use super::ensemble::Ensemble;
use super::reference::Reference;
use super::store::{self, SeedStore};
use super::verdict::Verdict;
use crate::learn::ConfusionMatrix;
use crate::report::figures::confusion;
use crate::report::json;
use crate::report::run_dir::CONFUSION_PNG;
use crate::report::tables::{numbered, table};
use crate::terminal::file_list;

/// Writes the results of `seeds`, whose runs are all in `store`, and returns what to print. A run
/// that `reference` is the curve of counts in the tables, but not in the verdict.
pub(crate) fn write(
    store: &SeedStore,
    seeds: Range<u64>,
    reference: &Reference,
    init: &str,
    classes: &[String],
) -> Result<String> {
    let mut ensemble = Ensemble::default();
    let mut matrix = ConfusionMatrix::new(classes.len());
    let mut left_out = None;
    for seed in seeds {
        let run = store.load(seed)?;
        let added = matrix.add_all(&run.confusion);
        added.with_context(|| format!("seed {seed}"))?;
        if reference.is_curve_of(&run.records) {
            left_out = Some(seed);
        }
        ensemble.add(run)?;
    }
    // The verdict marks the other files as complete: it is removed first and written last.
    let folder = &store.folder;
    folder.remove(store::VERDICT)?;
    let heatmap = confusion::heatmap(&matrix, ensemble.curves.len(), classes)?;
    folder.write(store::CURVES_CSV, &curves_csv(&ensemble)?)?;
    folder.write(store::SEEDS_CSV, &seeds_csv(&ensemble)?)?;
    folder.write(store::TIMINGS_CSV, &timings_csv(&ensemble)?)?;
    folder.write(CONFUSION_PNG, &heatmap)?;
    ensemble.curves.retain(|curve| Some(curve.seed) != left_out);
    if ensemble.curves.len() < 2 {
        folder.remove(store::BAND_PNG)?;
        let without = [store::VERDICT, store::BAND_PNG];
        let files = store::FILES
            .into_iter()
            .filter(|name| !without.contains(name));
        let files: Vec<&str> = files.collect();
        let own = left_out.map_or(String::new(), |seed| {
            format!(": {} is the curve of seed {seed}", reference.name)
        });
        return Ok(format!(
            "no verdict, which needs at least two seeds{own}\n\n{}",
            file_list(folder.path(), &files)
        ));
    }
    let mut verdict = Verdict::compare(&ensemble, reference, init)?;
    verdict.left_out = left_out;
    let band = band(&ensemble, reference, &verdict)?;
    folder.write(store::BAND_PNG, &band)?;
    folder.write(store::VERDICT, json(&verdict)?.as_bytes())?;
    Ok(format!(
        "{}\n{}",
        verdict.text(),
        file_list(folder.path(), &store::FILES)
    ))
}

fn curves_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let rows = ensemble.curves.iter().flat_map(|curve| {
        let steps = ensemble.steps.iter().map(|record| record.step);
        let points = steps.zip(&curve.accuracies);
        points.map(|(step, accuracy)| (curve.seed, step, accuracy))
    });
    table(["seed", "step", "test_accuracy"], rows)
}

fn seeds_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let ends: Vec<usize> = ensemble.epoch_ends().collect();
    let epochs = ends.iter().map(|&end| ensemble.steps[end].epoch);
    let header = numbered(&["seed"], "epoch_", epochs);
    let rows = ensemble.curves.iter().map(|curve| {
        let accuracies: Vec<f64> = ends.iter().map(|&end| curve.accuracies[end]).collect();
        (curve.seed, accuracies)
    });
    table(header, rows)
}

fn timings_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let curves = ensemble.curves.iter();
    let rows = curves.map(|curve| (curve.seed, format!("{:.3}", curve.seconds)));
    table(["seed", "seconds"], rows)
}
