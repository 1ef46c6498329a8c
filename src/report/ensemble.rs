//! Many runs of the same job, seed by seed: their curves, and what is usual among them.
//!
//! It owns the statistics over seeds. It knows records only: nothing of tch, of files or of pictures.

use anyhow::{Context, Result, ensure};

use super::numbers::real;
use crate::learn::record::{ConfusionMatrix, SeedRun, StepRecord};

/// Runs of the same steps, in the order of their seeds.
#[derive(Debug)]
pub struct Ensemble {
    /// The first run's records: which steps were scored, of which epochs.
    steps: Vec<StepRecord>,
    curves: Vec<Curve>,
    confusion: ConfusionMatrix,
}

/// One run's curve.
#[derive(Debug)]
pub struct Curve {
    /// The run's seed.
    pub seed: u64,
    /// Test accuracy after each scored step, 0..=1.
    pub accuracies: Vec<f64>,
    /// How long the run took on its thread.
    pub seconds: f64,
}

/// What is usual after each scored step.
#[derive(Debug)]
pub struct Band {
    /// 5 % of the runs lie below.
    pub low: Vec<f64>,
    /// Half of the runs lie below.
    pub median: Vec<f64>,
    /// 95 % of the runs lie below.
    pub high: Vec<f64>,
}

impl Ensemble {
    /// Takes `runs`, of which only the curves are kept.
    ///
    /// # Errors
    /// When there are none, a seed comes twice, or they did not score the same steps on the same number of classes.
    pub fn gather(runs: impl IntoIterator<Item = Result<SeedRun>>) -> Result<Self> {
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
        let twice = ensemble
            .curves
            .windows(2)
            .find(|pair| pair[0].seed == pair[1].seed);
        if let Some([curve, _]) = twice {
            anyhow::bail!("seed {} comes twice", curve.seed);
        }
        Ok(ensemble)
    }

    fn add(&mut self, run: &SeedRun) -> Result<()> {
        let place = |record: &StepRecord| (record.epoch, record.step);
        let same = run
            .records
            .iter()
            .map(place)
            .eq(self.steps.iter().map(place));
        ensure!(
            same,
            "seed {} was scored after other steps than the first run",
            run.seed
        );
        self.confusion.add_all(&run.confusion)?;
        self.curves.push(Curve {
            seed: run.seed,
            accuracies: run
                .records
                .iter()
                .map(|record| record.test_accuracy)
                .collect(),
            seconds: run.seconds,
        });
        Ok(())
    }

    /// The first run's records: which steps were scored, of which epochs.
    #[must_use]
    pub fn steps(&self) -> &[StepRecord] {
        &self.steps
    }

    /// One curve a run, in the order of seeds; at least one.
    #[must_use]
    pub fn curves(&self) -> &[Curve] {
        &self.curves
    }

    /// The sum of the runs' confusion matrices.
    #[must_use]
    pub fn confusion(&self) -> &ConfusionMatrix {
        &self.confusion
    }

    /// Places of the scored steps that ended an epoch, or were the last scored of one.
    pub fn epoch_ends(&self) -> impl Iterator<Item = usize> {
        let epoch = |place: usize| self.steps.get(place).map(|record| record.epoch);
        (0..self.steps.len()).filter(move |&place| epoch(place) != epoch(place + 1))
    }

    /// 5 %, 50 % and 95 % of the runs, step by step.
    #[must_use]
    pub fn band(&self) -> Band {
        let sorted: Vec<Vec<f64>> = (0..self.steps.len()).map(|at| self.sorted(at)).collect();
        let line = |share: f64| {
            sorted
                .iter()
                .map(|values| quantile(values, share))
                .collect()
        };
        Band {
            low: line(0.05),
            median: line(0.5),
            high: line(0.95),
        }
    }

    /// For each run its mean absolute distance, over the steps, from the median of the *other* runs; in the order
    /// of seeds. Of a single run there are no others: 0.
    #[must_use]
    pub fn deviations(&self) -> Vec<f64> {
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
        let steps = real(self.steps.len());
        sums.into_iter().map(|sum| sum / steps).collect()
    }

    /// The accuracies of all runs after one scored step, ascending.
    fn sorted(&self, at: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self
            .curves
            .iter()
            .map(|curve| curve.accuracies[at])
            .collect();
        values.sort_unstable_by(f64::total_cmp);
        values
    }
}

/// The value below which `share` (0..=1) of the ascending, non-empty `values` lie, linear between neighbours:
/// type 7 of Hyndman and Fan 1996, the default of R and `NumPy`.
#[must_use]
pub fn quantile(values: &[f64], share: f64) -> f64 {
    let place = share * real(values.len() - 1);
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
pub(super) mod tests {
    use super::*;

    /// A run of two epochs with half as many scored steps each.
    pub fn run(seed: u64, accuracies: &[f64]) -> SeedRun {
        let half = accuracies.len().div_ceil(2);
        let record = |(at, &test_accuracy): (usize, &f64)| StepRecord {
            epoch: at / half + 1,
            batch: at % half + 1,
            step: at + 1,
            train_loss: 1.0,
            test_accuracy,
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
        close(
            &[quantile(&[3.0], 0.95), quantile(&[1.0, 2.0], 0.5)],
            &[3.0, 1.5],
        );
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
        let seeds: Vec<u64> = ensemble.curves().iter().map(|curve| curve.seed).collect();
        assert_eq!((seeds, ensemble.confusion().count(0, 1)), (vec![2, 5], 7));
        assert_eq!(ensemble.epoch_ends().collect::<Vec<_>>(), [0, 1]);
    }

    #[test]
    fn runs_that_do_not_belong_together_are_errors() {
        let error = |runs: Vec<SeedRun>| {
            let gathered = Ensemble::gather(runs.into_iter().map(Ok));
            gathered.unwrap_err().to_string()
        };
        assert!(error(vec![]).contains("no run"));
        let twice = error(vec![run(1, &[0.5, 0.6]), run(1, &[0.5, 0.6])]);
        assert!(twice.contains("seed 1 comes twice"), "{twice}");
        let longer = error(vec![run(1, &[0.5, 0.6]), run(2, &[0.5, 0.6, 0.7])]);
        assert!(longer.contains("seed 2"), "{longer}");
    }
}
