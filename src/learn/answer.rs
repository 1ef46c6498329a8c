//! What a network says to one image: a probability for each class. Plain numbers, without a tensor in them.

/// A probability per class.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    probabilities: Vec<f64>,
    /// Classes from the most to the least probable.
    ranking: Vec<usize>,
}

impl Answer {
    /// The softmax of `logits`, which are one per class and at least one. Of equal logits the first class wins.
    #[must_use]
    pub fn from_logits(logits: &[f32]) -> Self {
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers = logits.iter().map(|&logit| f64::from(logit - largest).exp());
        let powers: Vec<f64> = powers.collect();
        let sum: f64 = powers.iter().sum();
        let probabilities = powers.iter().map(|power| power / sum).collect();
        let mut ranking: Vec<usize> = (0..logits.len()).collect();
        // By logits, which still differ where probabilities have been rounded to 0 or 1. The sort is stable.
        ranking.sort_by(|&one, &other| logits[other].total_cmp(&logits[one]));
        Self {
            probabilities,
            ranking,
        }
    }

    /// Probability of each class, in the order of classes, 0..=1; together 1.
    #[must_use]
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// The most probable class and its probability.
    #[must_use]
    pub fn best(&self) -> (usize, f64) {
        self.place(0)
    }

    /// The second most probable class and its probability; the best once more where there is no other.
    #[must_use]
    pub fn runner_up(&self) -> (usize, f64) {
        self.place(1.min(self.ranking.len().saturating_sub(1)))
    }

    fn place(&self, place: usize) -> (usize, f64) {
        let class = self.ranking.get(place).copied().unwrap_or_default();
        let probability = self.probabilities.get(class).copied();
        (class, probability.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_the_softmax() {
        // e^ln 1 : e^ln 3 : e^ln 4 = 1 : 3 : 4.
        let answer = Answer::from_logits(&[0.0, 3_f32.ln(), 4_f32.ln()]);
        let expected = [0.125, 0.375, 0.5];
        let found = answer.probabilities();
        assert!(
            found
                .iter()
                .zip(expected)
                .all(|(a, b)| (a - b).abs() < 1e-6)
        );
        assert_eq!((answer.best().0, answer.runner_up().0), (2, 1));
        assert!((answer.runner_up().1 - 0.375).abs() < 1e-6);
    }

    #[test]
    fn huge_logits_do_not_overflow_and_ties_go_to_the_first_class() {
        let answer = Answer::from_logits(&[-1e30, 1e30, 1e30]);
        assert_eq!((answer.best().0, answer.runner_up().0), (1, 2));
        assert!((answer.best().1 - 0.5).abs() < 1e-12);
        let sure = Answer::from_logits(&[900.0, 100.0, 0.0]);
        assert_eq!((sure.best(), sure.runner_up().0), ((0, 1.0), 1));
    }

    #[test]
    fn a_single_class_is_its_own_runner_up() {
        assert_eq!(Answer::from_logits(&[3.0]).runner_up(), (0, 1.0));
    }
}
