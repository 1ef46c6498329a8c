//! Precision, recall and F1 of each class, from a confusion matrix.

use super::record::ConfusionMatrix;

/// How well one class is told from the others. A ratio without a denominator is `None`, not 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScore {
    /// The class.
    pub class: usize,
    /// Share of the images taken for this class that are of it, 0..=1; `None` where none was.
    pub precision: Option<f64>,
    /// Share of the images of this class that were found, 0..=1; `None` where there is none.
    pub recall: Option<f64>,
    /// Harmonic mean of both, 0..=1; `None` where the class neither occurs nor was predicted.
    pub f1: Option<f64>,
    /// Number of images of this class.
    pub support: u64,
}

/// A score per class, in the order of classes.
#[must_use]
pub fn class_scores(matrix: &ConfusionMatrix) -> Vec<ClassScore> {
    let classes = 0..matrix.classes();
    let score = |class| {
        let right = matrix.count(class, class);
        let support = classes.clone().map(|other| matrix.count(class, other));
        let predicted = classes.clone().map(|other| matrix.count(other, class));
        let (support, predicted): (u64, u64) = (support.sum(), predicted.sum());
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

#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_worked_by_hand() {
        // True class 0: 6 right, 2 taken for 1. True class 1: 3 right, 1 taken for 0. Class 2 never occurs, but 1
        // image of class 0 is taken for it. Class 3 neither occurs nor is predicted.
        let mut matrix = ConfusionMatrix::new(4);
        for (truth, predicted, n) in [(0, 0, 6), (0, 1, 2), (0, 2, 1), (1, 1, 3), (1, 0, 1)] {
            matrix.add(truth, predicted, n);
        }
        let scores = class_scores(&matrix);
        let near = |found: Option<f64>, expected: f64| (found.unwrap() - expected).abs() < 1e-12;
        assert!(near(scores[0].precision, 6.0 / 7.0) && near(scores[0].recall, 6.0 / 9.0));
        // 2PR / (P + R) = 2 · (6/7 · 2/3) / (6/7 + 2/3) = 0.75.
        assert!(near(scores[0].f1, 0.75));
        assert!(near(scores[1].precision, 0.6) && near(scores[1].recall, 0.75));
        assert!(near(scores[1].f1, 2.0 * 0.6 * 0.75 / 1.35));
        assert_eq!((scores[2].precision, scores[2].recall), (Some(0.0), None));
        assert_eq!(scores[2].f1, Some(0.0));
        let nothing = (scores[3].precision, scores[3].recall, scores[3].f1);
        assert_eq!(nothing, (None, None, None));
        let support: Vec<u64> = scores.iter().map(|score| score.support).collect();
        assert_eq!(support, [9, 4, 0, 0]);
    }
}
