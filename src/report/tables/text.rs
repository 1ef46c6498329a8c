//! Records as plain text that lines up, for people at a terminal or in a log. It prints nothing.

use std::fmt::Write;

use super::milestones;
use crate::learn::ClassScore;
use crate::learn::{ConfusionMatrix, StepRecord};

/// Precision, recall and F1 of each class for people; `-` where there is no denominator.
#[must_use]
pub fn classes_text(scores: &[ClassScore]) -> String {
    let mut text = String::from("label  precision  recall      f1  images\n");
    let show = |ratio: Option<f64>| ratio.map_or("-".to_owned(), |value| format!("{value:.4}"));
    for score in scores {
        let [precision, recall, f1] = [score.precision, score.recall, score.f1].map(show);
        let (class, images) = (score.class, score.support);
        let _ = writeln!(
            text,
            "{class:>5}  {precision:>9}  {recall:>6}  {f1:>6}  {images:>6}"
        );
    }
    text
}

/// The article's table: the accuracy after the first scored step and at the end of each epoch.
#[must_use]
pub fn epochs_text(records: &[StepRecord]) -> String {
    let mut text = String::from("          step  train loss  test accuracy\n");
    for (position, record) in milestones(records).into_iter().enumerate() {
        let name = if position == 0 {
            "start".to_owned()
        } else {
            format!("epoch {}", record.epoch)
        };
        let (step, loss, accuracy) = (record.step, record.train_loss, record.test_accuracy);
        let _ = writeln!(text, "{name:<8} {step:>5}  {loss:>10.4}  {accuracy:>13.4}");
    }
    text
}

/// With more classes than this no terminal is wide enough for the matrix.
const MOST_CLASSES_AS_TEXT: usize = 26;

/// The confusion matrix for people: a row per true label, a column per predicted label, and at the end of a row the
/// class's name where it says more than its number. With more than 26 classes only the classes themselves are listed:
/// how many images each has and how many of them are right.
#[must_use]
pub fn confusion_text(matrix: &ConfusionMatrix, names: &[String]) -> String {
    if matrix.classes() > MOST_CLASSES_AS_TEXT {
        return confusion_list(matrix, names);
    }
    let counts = matrix.rows().flatten().copied();
    let largest = counts.max().unwrap_or(0).max(matrix.classes() as u64);
    let width = largest.to_string().len() + 1;
    let mut text = String::from("true \\ predicted\n   ");
    for class in 0..matrix.classes() {
        let _ = write!(text, "{class:>width$}");
    }
    text.push('\n');
    for (class, row) in matrix.rows().enumerate() {
        let _ = write!(text, "{class:>3}");
        for count in row {
            let _ = write!(text, "{count:>width$}");
        }
        if let Some(name) = name(names, class) {
            let _ = write!(text, "  {name}");
        }
        text.push('\n');
    }
    text
}

fn confusion_list(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let mut text = String::from("class  images  correct\n");
    for (class, row) in matrix.rows().enumerate() {
        let (images, correct) = (row.iter().sum::<u64>(), matrix.count(class, class));
        let name = name(names, class).map_or(String::new(), |name| format!("  {name}"));
        let _ = writeln!(text, "{class:>5}  {images:>6}  {correct:>7}{name}");
    }
    text
}

/// The name of a class, where it has one that is not its number.
fn name(names: &[String], class: usize) -> Option<&String> {
    let name = names.get(class);
    name.filter(|name| **name != class.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{matrix, record};
    use super::*;

    #[test]
    fn confusion_text_lines_up() {
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let expected = "true \\ predicted\n     0  1\n  0 12  0\n  1  3  0\n";
        assert_eq!(confusion_text(&matrix(), &names(["0", "1"])), expected);
        let expected = "true \\ predicted\n     0  1\n  0 12  0  Coat\n  1  3  0  Bag\n";
        assert_eq!(confusion_text(&matrix(), &names(["Coat", "Bag"])), expected);
    }

    #[test]
    fn many_classes_are_listed_one_by_one() {
        let mut matrix = ConfusionMatrix::new(27);
        matrix.add(26, 26, 7);
        matrix.add(26, 3, 2);
        let names: Vec<String> = (0..27).map(|class| format!("letter {class}")).collect();
        let text = confusion_text(&matrix, &names);
        assert_eq!(text.lines().count(), 28);
        assert!(
            text.ends_with("   26       9        7  letter 26\n"),
            "{text}"
        );
    }

    #[test]
    fn a_class_score_without_a_denominator_is_a_dash() {
        let scores = [ClassScore {
            class: 3,
            precision: Some(0.75),
            recall: None,
            f1: Some(0.0),
            support: 0,
        }];
        let expected =
            "label  precision  recall      f1  images\n    3     0.7500       -  0.0000       0\n";
        assert_eq!(classes_text(&scores), expected);
    }

    #[test]
    fn the_epoch_table_has_the_start_and_each_epochs_end() {
        let records = [record(1, 1), record(1, 3), record(2, 4), record(2, 6)];
        let lines: Vec<String> = epochs_text(&records).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("start        1"), "{}", lines[1]);
        assert!(lines[3].starts_with("epoch 2      6"), "{}", lines[3]);
        assert!(lines[3].ends_with("0.9380"), "{}", lines[3]);
    }
}
