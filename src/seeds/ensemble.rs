//! The statistics of many runs of the same job: their curves, the band of 90 % of them, and how far
//! each run lies from the others. It knows nothing of tch, files or figures.

use anyhow::{Result, ensure};

use super::runner::SeedRun;
use crate::learn::StepRecord;
use crate::report::to_f64;

/// The curves of several runs that were scored after the same steps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ensemble {
    /// The first run's records, for the epochs and numbers of the scored steps.
    pub steps: Vec<StepRecord>,
    /// In the order in which they were added.
    pub curves: Vec<Curve>,
}

/// The curve of one run.
#[derive(Debug, Clone)]
pub(crate) struct Curve {
    pub seed: u64,
    /// Test accuracy after each scored step, 0..=1.
    pub accuracies: Vec<f64>,
    /// Duration of the run on its thread.
    pub seconds: f64,
}

/// Quantiles of the runs' accuracies after each scored step: 5 %, 50 % and 95 %.
#[derive(Debug)]
pub(crate) struct Band {
    pub low: Vec<f64>,
    pub median: Vec<f64>,
    pub high: Vec<f64>,
}

impl Ensemble {
    /// Adds a run; only its curve is kept.
    ///
    /// # Errors
    /// When it was scored after other steps than the first run.
    pub(crate) fn add(&mut self, run: SeedRun) -> Result<()> {
        let seed = run.seed;
        let accuracies = run.records.iter().map(|record| record.test_accuracy);
        self.curves.push(Curve {
            seed,
            accuracies: accuracies.collect(),
            seconds: run.seconds,
        });
        if self.steps.is_empty() {
            self.steps = run.records;
            return Ok(());
        }
        let position = |record: &StepRecord| (record.epoch, record.step);
        let positions = run.records.iter().map(position);
        ensure!(
            positions.eq(self.steps.iter().map(position)),
            "seed {seed} was scored after other steps than the first run"
        );
        Ok(())
    }

    /// The runs up to their first `count` scored steps.
    pub(crate) fn truncated(&self, count: usize) -> Self {
        let mut first = self.clone();
        first.steps.truncate(count);
        for curve in &mut first.curves {
            curve.accuracies.truncate(count);
        }
        first
    }

    /// Indices of the last scored step of each epoch.
    pub(crate) fn epoch_ends(&self) -> impl Iterator<Item = usize> {
        let epoch = |index: usize| self.steps.get(index).map(|record| record.epoch);
        (0..self.steps.len()).filter(move |&index| epoch(index) != epoch(index + 1))
    }

    /// Quantiles of the runs, step by step.
    pub(crate) fn band(&self) -> Band {
        let steps = 0..self.steps.len();
        let sorted: Vec<Vec<f64>> = steps.map(|step| self.sorted(step)).collect();
        let line = |share| sorted.iter().map(move |values| quantile(values, share));
        let [low, median, high] = [0.05, 0.5, 0.95].map(|share| line(share).collect());
        Band { low, median, high }
    }

    /// The mean absolute distance of each run, over the steps, from the median of the *other*
    /// runs. There must be at least two runs.
    pub(crate) fn deviations(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.curves.len()];
        for step in 0..self.steps.len() {
            let sorted = self.sorted(step);
            for (sum, curve) in sums.iter_mut().zip(&self.curves) {
                let own = curve.accuracies[step];
                *sum += (own - median_without(&sorted, own)).abs();
            }
        }
        let steps = to_f64(self.steps.len());
        sums.into_iter().map(|sum| sum / steps).collect()
    }

    /// The accuracies of all runs after one scored step, ascending.
    fn sorted(&self, step: usize) -> Vec<f64> {
        let values = self.curves.iter().map(|curve| curve.accuracies[step]);
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }
}

/// Quantile of the ascending, non-empty `values` at `share` (0..=1), interpolated linearly: type 7
/// of Hyndman and Fan 1996, the default of R and `NumPy`.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let position = share * to_f64(values.len() - 1);
    let below = floor_to_usize(position);
    let above = (below + 1).min(values.len() - 1);
    values[below] + (values[above] - values[below]) * position.fract()
}

/// The median of the ascending `values`, at least two, without one that equals `own`.
fn median_without(values: &[f64], own: f64) -> f64 {
    let left_out = values.partition_point(|value| *value < own);
    let other = |index: usize| values[if index < left_out { index } else { index + 1 }];
    let count = values.len() - 1;
    f64::midpoint(other((count - 1) / 2), other(count / 2))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a list: from 0 to its length"
)]
fn floor_to_usize(position: f64) -> usize {
    position as usize
}

#[cfg(test)]
pub(crate) mod tests;
