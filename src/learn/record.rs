//! What training and scoring yield: plain numbers, without a tensor in them.
//!
//! The rest of the program (files, pictures, terminal) knows training only through these types.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use super::state::State;

/// One row of `accuracy.csv`: a training step after which the test set was scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// Mean cross-entropy (nats) of the step's batch, before the weights were changed.
    pub train_loss: f32,
    /// Share of the test images that are classified correctly after the step, 0..=1.
    pub test_accuracy: f64,
}

/// One training step, scored or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// Number of images in the batch.
    pub images: usize,
    /// Mean cross-entropy (nats) of the step's batch, before the weights were changed.
    pub train_loss: f32,
    /// The test set's confusion matrix after the step; `None` where the test set was not scored.
    pub confusion: Option<ConfusionMatrix>,
    /// The state of training after the step; `None` where the schedule does not ask for it.
    pub state: Option<State>,
}

impl Step {
    /// The step as a row of `accuracy.csv`; `None` where the test set was not scored.
    #[must_use]
    pub fn record(&self) -> Option<StepRecord> {
        self.confusion.as_ref().map(|confusion| StepRecord {
            epoch: self.epoch,
            batch: self.batch,
            step: self.step,
            train_loss: self.train_loss,
            test_accuracy: confusion.accuracy(),
        })
    }
}

/// A whole run of one seed, as a sweep over seeds yields it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SeedRun {
    /// Of the initial weights and of shuffling.
    pub seed: u64,
    /// The scored steps, in order; at least one.
    pub records: Vec<StepRecord>,
    /// The test set's confusion matrix after the last step.
    pub confusion: ConfusionMatrix,
    /// How long the run took on its thread.
    pub seconds: f64,
}

impl SeedRun {
    /// Whether both runs gave the same numbers, however long they took.
    #[must_use]
    pub fn agrees_with(&self, other: &Self) -> bool {
        (self.seed, &self.records, &self.confusion)
            == (other.seed, &other.records, &other.confusion)
    }
}

/// How often each true class was taken for each class. Serialised as its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Vec<u64>>", try_from = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row by row: true class, then predicted class.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// A matrix of `classes` x `classes` zeros.
    #[must_use]
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: vec![0; classes * classes],
        }
    }

    /// Counts `n` more images of class `truth` that were predicted as `predicted`; both must be below `classes()`.
    pub fn add(&mut self, truth: usize, predicted: usize, n: u64) {
        self.counts[truth * self.classes + predicted] += n;
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    /// When it has another number of classes.
    pub fn add_all(&mut self, other: &Self) -> Result<()> {
        let (own, others) = (self.classes, other.classes);
        ensure!(
            own == others,
            "a confusion matrix of {others} classes among those of {own}"
        );
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        Ok(())
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of images of class `truth` that were predicted as `predicted`; both must be below `classes()`.
    #[must_use]
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// One slice per true class, with the counts of the predicted classes.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// Number of images counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of the images on the diagonal, 0..=1; 0 where nothing was counted.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
    pub fn accuracy(&self) -> f64 {
        let correct: u64 = (0..self.classes)
            .map(|class| self.count(class, class))
            .sum();
        correct as f64 / self.total().max(1) as f64
    }
}

impl From<ConfusionMatrix> for Vec<Vec<u64>> {
    fn from(matrix: ConfusionMatrix) -> Self {
        matrix.rows().map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for ConfusionMatrix {
    type Error = anyhow::Error;

    fn try_from(rows: Vec<Vec<u64>>) -> Result<Self> {
        let classes = rows.len();
        let is_square = rows.iter().all(|row| row.len() == classes);
        ensure!(
            classes > 0 && is_square,
            "a confusion matrix that is not square"
        );
        Ok(Self {
            classes,
            counts: rows.concat(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_is_the_share_on_the_diagonal() {
        let mut matrix = ConfusionMatrix::new(3);
        assert!(matrix.accuracy().abs() < 1e-12);
        matrix.add(0, 0, 5);
        matrix.add(1, 2, 3);
        matrix.add(2, 2, 2);
        assert_eq!(matrix.total(), 10);
        assert!((matrix.accuracy() - 0.7).abs() < 1e-12);
        let rows: Vec<_> = matrix.rows().collect();
        assert_eq!(rows, [[5, 0, 0], [0, 0, 3], [0, 0, 2]]);
    }

    #[test]
    fn matrices_add_up_and_come_back_from_their_rows() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, 1, 4);
        let mut sum = matrix.clone();
        sum.add_all(&matrix).unwrap();
        assert_eq!((sum.count(0, 1), sum.total()), (8, 8));
        assert!(sum.add_all(&ConfusionMatrix::new(3)).is_err());
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(text, "[[0,8],[0,0]]");
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&text).unwrap(), sum);
        for damaged in ["[]", "[[1,2],[3]]", "[[1]", "[[-1]]"] {
            let outcome = serde_json::from_str::<ConfusionMatrix>(damaged);
            assert!(outcome.is_err(), "{damaged}");
        }
    }

    #[test]
    fn only_scored_steps_make_a_record() {
        let mut step = Step {
            epoch: 1,
            batch: 2,
            step: 2,
            images: 100,
            train_loss: 0.5,
            confusion: None,
            state: None,
        };
        assert_eq!(step.record(), None);
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, 0, 1);
        matrix.add(1, 0, 3);
        step.confusion = Some(matrix);
        assert!((step.record().unwrap().test_accuracy - 0.25).abs() < 1e-12);
    }
}
