//! Results of training and scoring as plain numbers: records, confusion matrices, probabilities.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::MAX_CLASSES;

/// One row of `accuracy.csv`: a training step and the score after it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// Mean cross-entropy (nats) of the step's batch, before the weights were updated.
    pub train_loss: f32,
    /// Accuracy on the test images after the step, 0..=1.
    pub test_accuracy: f64,
}

/// Confusion matrix: counts by true and predicted class. Serialized as its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Vec<u64>>", try_from = "Vec<Vec<u64>>")]
pub struct ConfusionMatrix {
    classes: usize,
    /// Row-major: true class, then predicted class.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// A matrix of `classes` x `classes` zeros.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            counts: vec![0; classes * classes],
        }
    }

    /// Adds `n` images of class `truth` that were predicted as `predicted`; both must be below
    /// `classes()`.
    pub fn add(&mut self, truth: usize, predicted: usize, n: u64) {
        self.counts[truth * self.classes + predicted] += n;
    }

    /// Adds the counts of all cells in row-major order, as they come from the device.
    pub(super) fn add_counts(&mut self, counts: impl IntoIterator<Item = u64>) {
        for (sum, count) in self.counts.iter_mut().zip(counts) {
            *sum += count;
        }
    }

    /// Adds the counts of `other`.
    ///
    /// # Errors
    /// When the number of classes differs.
    pub fn add_all(&mut self, other: &Self) -> Result<()> {
        let (own, others) = (self.classes, other.classes);
        ensure!(
            own == others,
            "a confusion matrix has {others} classes, another one {own}"
        );
        self.add_counts(other.counts.iter().copied());
        Ok(())
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of images of class `truth` that were predicted as `predicted`; both must be below
    /// `classes()`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// One slice per true class, with the counts of the predicted classes.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.classes.max(1))
    }

    /// Number of images counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Share of the images on the diagonal, 0..=1; 0 for an empty matrix.
    pub fn accuracy(&self) -> f64 {
        let correct: u64 = (0..self.classes)
            .map(|class| self.count(class, class))
            .sum();
        correct as f64 / self.total().max(1) as f64
    }

    /// Precision, recall and F1 of each class, in the order of classes.
    pub fn class_scores(&self) -> Vec<ClassScore> {
        let classes = 0..self.classes;
        let score = |class| {
            let right = self.count(class, class);
            let support = classes.clone().map(|other| self.count(class, other)).sum();
            let predicted: u64 = classes.clone().map(|other| self.count(other, class)).sum();
            ClassScore {
                class,
                precision: ratio(right, predicted),
                recall: ratio(right, support),
                f1: ratio(2 * right, support + predicted),
                support,
            }
        };
        classes.clone().map(score).collect()
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
            (2..=MAX_CLASSES).contains(&classes) && is_square,
            "a confusion matrix has as many rows as columns, 2 to {MAX_CLASSES}"
        );
        // The sum of a million matrices must fit into a u64, too.
        let images: u128 = rows.iter().flatten().map(|&count| u128::from(count)).sum();
        ensure!(
            images <= u32::MAX.into(),
            "a confusion matrix counts {images} images"
        );
        Ok(Self {
            classes,
            counts: rows.concat(),
        })
    }
}

/// True if `accuracy` is a possible result for this number of images; otherwise the file that it
/// comes from is damaged.
pub(crate) fn is_share(accuracy: f64, images: u64) -> bool {
    let images = images as f64;
    let nearest = (accuracy * images).round() / images;
    (0.0..=1.0).contains(&accuracy) && nearest.total_cmp(&accuracy).is_eq()
}

/// Checks rows read from a file, and the confusion matrix after the last one, for consistency.
pub(crate) fn check_scores(
    records: &[StepRecord],
    confusion: Option<&ConfusionMatrix>,
) -> Result<()> {
    let images = confusion.map_or(0, ConfusionMatrix::total);
    let is_sound = |row: &StepRecord| {
        let is_placed = row.epoch > 0 && row.batch > 0 && row.step >= row.batch;
        let is_loss = row.train_loss.is_finite() && row.train_loss >= 0.0;
        is_placed && is_loss && is_share(row.test_accuracy, images)
    };
    let ascend = |pair: &[StepRecord]| {
        let epochs = pair[0].epoch..=pair[1].epoch;
        pair[0].step < pair[1].step && !epochs.is_empty()
    };
    let last = records.last().map(|row| row.test_accuracy);
    ensure!(
        records.iter().all(is_sound)
            && records.windows(2).all(ascend)
            && last == confusion.map(ConfusionMatrix::accuracy),
        "invalid scores"
    );
    Ok(())
}

/// Precision, recall and F1 of a class. A ratio with denominator 0 is `None`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// The class.
    pub class: usize,
    /// Share of the images predicted as this class that belong to it, 0..=1.
    pub precision: Option<f64>,
    /// Share of the images of this class that were predicted as such, 0..=1.
    pub recall: Option<f64>,
    /// Harmonic mean of both, 0..=1; `None` if the class neither occurs nor was predicted.
    pub f1: Option<f64>,
    /// Number of images of this class.
    pub support: u64,
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A network's prediction for one image: a probability per class.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    probabilities: Vec<f64>,
    /// Classes from the most to the least probable.
    ranking: Vec<usize>,
}

impl Prediction {
    /// The softmax of `logits`, one per class and at least one. The first of equal logits wins.
    pub fn from_logits(logits: &[f32]) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers = logits.iter().map(|&logit| f64::from(logit - largest).exp());
        let powers: Vec<f64> = powers.collect();
        let sum: f64 = powers.iter().sum();
        let probabilities = powers.iter().map(|power| power / sum).collect();
        let mut ranking: Vec<usize> = (0..logits.len()).collect();
        // By logits, which differ even if probabilities are rounded to 0 or 1. The sort is stable.
        ranking.sort_by(|&one, &other| logits[other].total_cmp(&logits[one]));
        Self {
            probabilities,
            ranking,
        }
    }

    /// Probability of each class, in the order of classes, 0..=1; together 1.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The most probable class and its probability.
    pub fn best(&self) -> (usize, f64) {
        self.ranked(0)
    }

    /// The second most probable class and its probability; the best one if there is no other.
    pub fn runner_up(&self) -> (usize, f64) {
        self.ranked(1.min(self.ranking.len().saturating_sub(1)))
    }

    fn ranked(&self, rank: usize) -> (usize, f64) {
        let class = self.ranking.get(rank).copied().unwrap_or_default();
        let probability = self.probabilities.get(class).copied();
        (class, probability.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matrices_add_up_and_come_back_from_their_rows() {
        let mut sum = ConfusionMatrix::new(2);
        sum.add(0, 1, 4);
        sum.add_all(&sum.clone()).unwrap();
        assert!(sum.add_all(&ConfusionMatrix::new(3)).is_err());
        let text = serde_json::to_string(&sum).unwrap();
        assert_eq!(text, "[[0,8],[0,0]]");
        assert_eq!((sum.classes(), sum.total()), (2, 8));
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&text).unwrap(), sum);
        for damaged in ["[]", "[[1]]", "[[1,2],[3]]", "[[1]", "[[-1,0],[0,0]]"] {
            let outcome = serde_json::from_str::<ConfusionMatrix>(damaged);
            assert!(outcome.is_err(), "{damaged}");
        }
    }

    #[test]
    fn precision_recall_and_f1_are_those_of_a_worked_example() {
        // Class 3 is never predicted; class 4 neither occurs nor is predicted.
        let rows = vec![
            vec![6, 2, 0, 0, 0],
            vec![1, 3, 4, 0, 0],
            vec![0, 0, 5, 0, 0],
            vec![3, 0, 0, 0, 0],
            vec![0, 0, 0, 0, 0],
        ];
        let matrix = ConfusionMatrix::try_from(rows).unwrap();
        assert!((matrix.accuracy() - 14.0 / 24.0).abs() < 1e-12);
        // By hand: of 10 images predicted as 0, 6 are right; of its 8 images, 6 are found;
        // F1 = 2 * 0.6 * 0.75 / (0.6 + 0.75) = 2/3. And so on.
        let expected = [
            (Some(0.6), Some(0.75), Some(2.0 / 3.0), 8),
            (Some(0.6), Some(0.375), Some(6.0 / 13.0), 8),
            (Some(5.0 / 9.0), Some(1.0), Some(5.0 / 7.0), 5),
            (None, Some(0.0), Some(0.0), 3),
            (None, None, None, 0),
        ];
        let close = |found: Option<f64>, expected: Option<f64>| match (found, expected) {
            (Some(found), Some(expected)) => (found - expected).abs() < 1e-12,
            (found, expected) => found == expected,
        };
        let scores = matrix.class_scores();
        assert!(scores.iter().map(|score| score.class).eq(0..5));
        for (score, (precision, recall, f1, support)) in scores.iter().zip(expected) {
            assert!(close(score.precision, precision), "{score:?}");
            assert!(close(score.recall, recall), "{score:?}");
            assert!(close(score.f1, f1), "{score:?}");
            assert_eq!(score.support, support, "{score:?}");
        }
    }

    #[test]
    fn an_accuracy_is_a_whole_number_of_images() {
        for accuracy in [0.0, 0.3, 1.0] {
            assert!(is_share(accuracy, 10), "{accuracy}");
        }
        for accuracy in [0.35, 1.1, -0.1, f64::NAN] {
            assert!(!is_share(accuracy, 10), "{accuracy}");
        }
        assert!(!is_share(0.0, 0));
    }

    #[test]
    fn rows_that_no_run_can_have_are_refused() {
        // After the second step, 3 of 4 images are right.
        let confusion = ConfusionMatrix::try_from(vec![vec![2, 1], vec![0, 1]]).unwrap();
        let row = |epoch, batch, step, test_accuracy| StepRecord {
            epoch,
            batch,
            step,
            train_loss: 0.0,
            test_accuracy,
        };
        let check = |first: &StepRecord, last: &StepRecord| {
            check_scores(&[first.clone(), last.clone()], Some(&confusion)).is_ok()
        };
        let (first, last) = (row(1, 1, 1, 0.5), row(2, 1, 2, 0.75));
        assert!(check(&first, &last));
        assert!(check(&row(2, 1, 1, 0.5), &last));
        for other in [
            row(0, 1, 1, 0.5),
            row(3, 1, 1, 0.5),
            row(1, 0, 1, 0.5),
            row(1, 2, 1, 0.5),
            row(1, 1, 2, 0.5),
            row(1, 1, 3, 0.5),
            row(1, 1, 1, 0.6),
        ] {
            assert!(!check(&other, &last), "{other:?}");
        }
        for train_loss in [f32::NAN, f32::INFINITY, -0.1] {
            let other = StepRecord {
                train_loss,
                ..first.clone()
            };
            assert!(!check(&other, &last), "{other:?}");
        }
        // The last row is that of the confusion matrix.
        assert!(!check(&first, &row(2, 1, 2, 0.5)));
        assert!(check_scores(&[], None).is_ok());
        assert!(check_scores(&[], Some(&confusion)).is_err());
        assert!(check_scores(&[first], None).is_err());
    }

    #[test]
    fn probabilities_are_the_softmax() {
        // e^ln 1 : e^ln 3 : e^ln 4 = 1 : 3 : 4.
        let answer = Prediction::from_logits(&[0.0, 3_f32.ln(), 4_f32.ln()]);
        assert_eq!(answer.probabilities().len(), 3);
        let mut pairs = answer.probabilities().iter().zip([0.125, 0.375, 0.5]);
        assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-6));
        assert_eq!((answer.best().0, answer.runner_up().0), (2, 1));
        assert!((answer.runner_up().1 - 0.375).abs() < 1e-6);
    }

    #[test]
    fn huge_logits_do_not_overflow_and_ties_go_to_the_first_class() {
        let answer = Prediction::from_logits(&[-1e30, 1e30, 1e30]);
        assert_eq!((answer.best().0, answer.runner_up().0), (1, 2));
        assert!((answer.best().1 - 0.5).abs() < 1e-12);
        let sure = Prediction::from_logits(&[900.0, 100.0, 0.0]);
        assert_eq!((sure.best(), sure.runner_up().0), ((0, 1.0), 1));
    }
}
