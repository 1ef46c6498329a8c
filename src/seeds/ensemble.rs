//! Many runs of the same job, seed by seed: their curves, and what is usual among them.
//!
//! It owns the statistics over seeds. It knows records only: nothing of tch, of files or of
//! pictures.

use anyhow::{Context, Result, ensure};

use super::runner::SeedRun;
use crate::learn::{ConfusionMatrix, StepRecord};
use crate::report::to_f64;

/// Runs of the same steps, in the order of their seeds.
#[derive(Debug, Clone)]
pub(crate) struct Ensemble {
    /// The first run's records: which steps were scored, of which epochs.
    pub steps: Vec<StepRecord>,
    /// One a run, in the order of seeds; at least one.
    pub curves: Vec<Curve>,
    /// The sum of the runs' confusion matrices.
    pub confusion: ConfusionMatrix,
}

/// One run's curve.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub seed: u64,
    /// Test accuracy after each scored step, 0..=1.
    pub accuracies: Vec<f64>,
    /// How long the run took on its thread.
    pub seconds: f64,
}

/// What is usual after each scored step: below it lie 5, 50 and 95 % of the runs.
#[derive(Debug)]
pub(crate) struct Band {
    pub low: Vec<f64>,
    pub median: Vec<f64>,
    pub high: Vec<f64>,
}

impl Ensemble {
    /// Takes `runs`, of which only the curves are kept.
    pub(crate) fn gather(runs: impl IntoIterator<Item = Result<SeedRun>>) -> Result<Self> {
        let mut runs = runs.into_iter();
        let first = runs.next().context("there is no run")??;
        let mut ensemble = Self {
            steps: first.records.clone(),
            curves: Vec::new(),
            confusion: ConfusionMatrix::new(first.confusion.classes()),
        };
        ensemble.add(&first)?;
        for run in runs {
            ensemble.add(&run?)?;
        }
        ensemble.curves.sort_by_key(|curve| curve.seed);
        for pair in ensemble.curves.windows(2) {
            let seed = pair[0].seed;
            ensure!(seed != pair[1].seed, "seed {seed} comes twice");
        }
        Ok(ensemble)
    }

    fn add(&mut self, run: &SeedRun) -> Result<()> {
        let place = |record: &StepRecord| (record.epoch, record.step);
        let (records, seed) = (run.records.iter(), run.seed);
        let same = records.clone().map(place).eq(self.steps.iter().map(place));
        ensure!(
            same,
            "seed {seed} was scored after other steps than the first run"
        );
        let added = self.confusion.add_all(&run.confusion);
        added.with_context(|| format!("seed {seed}"))?;
        self.curves.push(Curve {
            seed,
            accuracies: records.map(|record| record.test_accuracy).collect(),
            seconds: run.seconds,
        });
        Ok(())
    }

    /// The runs as far as their first `count` scored steps.
    pub(crate) fn first(&self, count: usize) -> Self {
        let mut first = self.clone();
        first.steps.truncate(count);
        for curve in &mut first.curves {
            curve.accuracies.truncate(count);
        }
        first
    }

    /// Places of the scored steps that ended an epoch, or were the last scored of one.
    pub(crate) fn epoch_ends(&self) -> impl Iterator<Item = usize> {
        let epoch = |place: usize| self.steps.get(place).map(|record| record.epoch);
        (0..self.steps.len()).filter(move |&place| epoch(place) != epoch(place + 1))
    }

    /// 5 %, 50 % and 95 % of the runs, step by step.
    pub(crate) fn band(&self) -> Band {
        let sorted: Vec<Vec<f64>> = (0..self.steps.len()).map(|at| self.sorted(at)).collect();
        let line = |share| sorted.iter().map(move |values| quantile(values, share));
        let [low, median, high] = [0.05, 0.5, 0.95].map(|share| line(share).collect());
        Band { low, median, high }
    }

    /// For each run its mean absolute distance, over the steps, from the median of the *other*
    /// runs; in the order of seeds. Of a single run there are no others: 0.
    pub(crate) fn deviations(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.curves.len()];
        if let [_] = self.curves[..] {
            return sums;
        }
        for at in 0..self.steps.len() {
            let sorted = self.sorted(at);
            for (sum, curve) in sums.iter_mut().zip(&self.curves) {
                let own = curve.accuracies[at];
                *sum += (own - median_without(&sorted, own)).abs();
            }
        }
        let steps = to_f64(self.steps.len());
        sums.into_iter().map(|sum| sum / steps).collect()
    }

    /// The accuracies of all runs after one scored step, ascending.
    fn sorted(&self, at: usize) -> Vec<f64> {
        let values = self.curves.iter().map(|curve| curve.accuracies[at]);
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }
}

/// The value below which `share` (0..=1) of the ascending, non-empty `values` lie, linear between
/// neighbours: type 7 of Hyndman and Fan 1996, the default of R and `NumPy`.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let place = share * to_f64(values.len() - 1);
    let below = whole(place);
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * place.fract()
}

/// The median of the ascending `values`, at least two, without one that equals `own`.
fn median_without(values: &[f64], own: f64) -> f64 {
    let left_out = values.partition_point(|value| *value < own);
    let rest = |place: usize| values[if place < left_out { place } else { place + 1 }];
    let count = values.len() - 1;
    f64::midpoint(rest((count - 1) / 2), rest(count / 2))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list: from 0 to its length"
)]
fn whole(place: f64) -> usize {
    place as usize
}

#[cfg(test)]
pub(crate) mod tests;
