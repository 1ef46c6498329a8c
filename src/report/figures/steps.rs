//! The run behind a curve: checked records, the span of steps, the epochs' ends.
//!
//! It owns what the records say. It knows no pixels, no tch, no files and no terminals.

use crate::learn::StepRecord;
use crate::report::numbers::{real, tick_step};
use anyhow::{Context, Result, ensure};

/// The scored steps of a run: at least one, steps ascending, accuracies in 0..=1.
pub struct Steps<'r> {
    records: &'r [StepRecord],
    /// The step before the first epoch in the records.
    first: usize,
    last: &'r StepRecord,
}

/// One epoch of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    /// From 1.
    pub number: usize,
    /// The last step before the epoch, 0 for the first epoch of a run.
    pub before: usize,
    /// The last step of the epoch, or of the records.
    pub last: usize,
}

impl<'r> Steps<'r> {
    /// Checks `records`.
    ///
    /// # Errors
    /// If there are none, if steps, epochs and batches do not fit together (see [`StepRecord`]),
    /// or if an accuracy is not in 0..=1.
    pub fn of(records: &'r [StepRecord]) -> Result<Self> {
        let nothing = "no step was scored, so there is no accuracy curve to draw";
        let (first, last) = records.first().zip(records.last()).context(nothing)?;
        for record in records {
            let (step, batch, accuracy) = (record.step, record.batch, record.test_accuracy);
            ensure!(
                (0.0..=1.0).contains(&accuracy),
                "accuracy {accuracy} after step {step} is not in 0..=1"
            );
            ensure!(
                (1..=step).contains(&batch),
                "step {step} cannot be batch {batch} of its epoch"
            );
        }
        for pair in records.windows(2) {
            let (old, new) = (&pair[0], &pair[1]);
            let fits = if old.epoch == new.epoch {
                old.step < new.step && before(old) == before(new)
            } else {
                old.epoch < new.epoch && old.step <= before(new)
            };
            ensure!(
                fits,
                "step {} (epoch {}, batch {}) cannot follow step {} (epoch {}, batch {})",
                new.step,
                new.epoch,
                new.batch,
                old.step,
                old.epoch,
                old.batch
            );
        }
        Ok(Self {
            records,
            first: before(first),
            last,
        })
    }

    /// The last record.
    #[must_use]
    pub fn last(&self) -> &'r StepRecord {
        self.last
    }

    /// How much of the run lies before `step`: 0 before the first epoch in the records, 1 at the
    /// last step.
    #[must_use]
    pub fn share(&self, step: usize) -> f64 {
        real(step.saturating_sub(self.first)) / real(self.last.step - self.first)
    }

    /// Round step numbers within the run, at most eleven.
    pub fn ticks(&self) -> impl Iterator<Item = usize> + use<> {
        let range = u64::try_from(self.last.step - self.first).unwrap_or(u64::MAX);
        let step = usize::try_from(tick_step(range, 10)).unwrap_or(usize::MAX);
        (self.first.div_ceil(step)..=self.last.step / step).map(move |i| i * step)
    }

    /// The epochs in the records, in order. Where one begins follows from its first record's
    /// step and batch, so it is right even if only some steps were scored.
    #[must_use]
    pub fn epochs(&self) -> Vec<Epoch> {
        let mut epochs: Vec<Epoch> = Vec::new();
        for group in self.records.chunk_by(|a, b| a.epoch == b.epoch) {
            let (first, last) = (&group[0], &group[group.len() - 1]);
            if let Some(previous) = epochs.last_mut() {
                previous.last = before(first);
            }
            epochs.push(Epoch {
                number: first.epoch,
                before: before(first),
                last: last.step,
            });
        }
        epochs
    }

    /// The records to draw `columns` pixels wide: all, or where more than four fall into a pixel
    /// column, its first, lowest, highest and last, in the order of steps.
    pub fn thinned(&self, columns: f64) -> impl Iterator<Item = &'r StepRecord> {
        let column = move |record: &StepRecord| (self.share(record.step) * columns).floor();
        let in_one = move |a: &StepRecord, b: &StepRecord| column(a).total_cmp(&column(b)).is_eq();
        self.records.chunk_by(in_one).flat_map(|group| {
            let mut kept: Vec<&StepRecord> = group.iter().collect();
            if group.len() > 4 {
                let by_accuracy = |a: &&&StepRecord, b: &&&StepRecord| {
                    a.test_accuracy.total_cmp(&b.test_accuracy)
                };
                let lowest = kept.iter().min_by(by_accuracy).copied();
                let highest = kept.iter().max_by(by_accuracy).copied();
                let ends = [group.first(), lowest, highest, group.last()];
                kept = ends.into_iter().flatten().collect();
                kept.sort_by_key(|record| record.step);
                kept.dedup_by_key(|record| record.step);
            }
            kept
        })
    }

    /// What may be said about how often the accuracy was measured.
    #[must_use]
    pub fn title(&self) -> String {
        let gaps = self
            .records
            .windows(2)
            .map(|pair| pair[1].step - pair[0].step);
        match gaps.max() {
            Some(1) => "Test accuracy after every step".to_owned(),
            Some(gap) => format!("Test accuracy after every {gap} steps"),
            None => format!("Test accuracy after step {}", self.last.step),
        }
    }
}

/// The last step before the record's epoch.
fn before(record: &StepRecord) -> usize {
    record.step.saturating_sub(record.batch)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A run of `steps` scored steps, `per_epoch` to an epoch.
    pub fn run(steps: usize, per_epoch: usize, accuracy: impl Fn(usize) -> f64) -> Vec<StepRecord> {
        let record = |step: usize| StepRecord {
            epoch: (step - 1) / per_epoch + 1,
            batch: (step - 1) % per_epoch + 1,
            step,
            train_loss: 1.0,
            test_accuracy: accuracy(step),
        };
        (1..=steps).map(record).collect()
    }

    #[test]
    fn epochs_end_where_the_batches_say() {
        let records = run(130, 50, |_| 0.5);
        let sparse: Vec<_> = records
            .iter()
            .filter(|r| r.step % 20 == 0)
            .cloned()
            .collect();
        for (records, last) in [(&records, 130), (&sparse, 120)] {
            let epochs = Steps::of(records).unwrap().epochs();
            let expected = [(1, 0, 50), (2, 50, 100), (3, 100, last)];
            let expected = expected.map(|(number, before, last)| Epoch {
                number,
                before,
                last,
            });
            assert_eq!(epochs, expected);
        }
        // A run that goes on from its third epoch.
        let rest = Steps::of(&records[100..]).unwrap();
        assert_eq!((rest.first, rest.epochs()[0].before), (100, 100));
        assert!(rest.share(100).abs() < 1e-9 && (rest.share(130) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn thinning_keeps_ends_and_extremes_and_leaves_short_runs_alone() {
        let noise = |step: usize| real(step * 7_919 % 1_000) / 1_000.0;
        let short = run(250, 50, noise);
        assert_eq!(Steps::of(&short).unwrap().thinned(986.0).count(), 250);
        let long = run(100_000, 50, noise);
        let steps = Steps::of(&long).unwrap();
        let kept: Vec<_> = steps.thinned(986.0).collect();
        assert!(kept.len() <= 4 * 987);
        assert!(kept.windows(2).all(|pair| pair[0].step < pair[1].step));
        assert_eq!((kept[0].step, kept[kept.len() - 1].step), (1, 100_000));
        assert!(kept.iter().any(|record| record.test_accuracy <= 0.0));
        assert!(kept.iter().any(|record| record.test_accuracy >= 0.999));
    }

    #[test]
    fn the_title_claims_no_more_than_was_measured() {
        let all = run(100, 50, |_| 0.5);
        let sparse: Vec<_> = all.iter().filter(|r| r.step % 10 == 0).cloned().collect();
        let title = |records: &[StepRecord]| Steps::of(records).unwrap().title();
        assert_eq!(title(&all), "Test accuracy after every step");
        assert_eq!(title(&sparse), "Test accuracy after every 10 steps");
        assert_eq!(title(&all[..1]), "Test accuracy after step 1");
    }

    #[test]
    fn records_that_make_no_sense_are_errors() {
        let good = run(100, 50, |_| 0.5);
        let spoilt = |spoil: fn(&mut StepRecord)| {
            let mut records = good.clone();
            spoil(&mut records[70]);
            Steps::of(&records).is_err()
        };
        assert!(!spoilt(|_| {}));
        assert!(spoilt(|record| record.test_accuracy = f64::NAN));
        assert!(spoilt(|record| record.test_accuracy = 1.01));
        assert!(spoilt(|record| record.step = 70));
        assert!(spoilt(|record| record.epoch = 1));
        assert!(spoilt(|record| record.batch = 0));
        assert!(spoilt(|record| record.batch = 72));
    }
}
