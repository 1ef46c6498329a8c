//! Records and layers as aligned plain text for terminals and logs.

use std::fmt::Write;

use super::summary::milestones;
use crate::learn::{ClassScore, ConfusionMatrix, INPUT, Layer, Operation, StepRecord};

/// Precision, recall and F1 per class; `-` if undefined.
pub(crate) fn classes_text(scores: &[ClassScore]) -> String {
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
pub(crate) fn epochs_text(records: &[StepRecord]) -> String {
    let mut text = String::from("          step  train loss  test accuracy\n");
    for (position, record) in milestones(records).iter().enumerate() {
        let name = match position {
            0 => "start".to_owned(),
            _ => format!("epoch {}", record.epoch),
        };
        let (step, loss, accuracy) = (record.step, record.train_loss, record.test_accuracy);
        let _ = writeln!(text, "{name:<8} {step:>5}  {loss:>10.4}  {accuracy:>13.4}");
    }
    text
}

/// A matrix with more classes is too wide for a terminal.
const MAX_PRINTED_CLASSES: usize = 26;

/// The confusion matrix: one row per true label, one column per predicted label, and the name of the
/// class if it is not just its number. With more than 26 classes: number of images and of correct
/// predictions per class.
pub(crate) fn confusion_text(matrix: &ConfusionMatrix, names: &[String]) -> String {
    let name = |class: usize| match names.get(class) {
        Some(name) if *name != class.to_string() => format!("  {name}"),
        _ => String::new(),
    };
    let rows = matrix.rows().enumerate();
    if matrix.classes() > MAX_PRINTED_CLASSES {
        let rows = rows.map(|(class, row)| {
            let (images, correct, name) = (row.iter().sum::<u64>(), row[class], name(class));
            format!("{class:>5}  {images:>6}  {correct:>7}{name}\n")
        });
        return "class  images  correct\n".to_owned() + &rows.collect::<String>();
    }
    let counts = matrix.rows().flatten().copied();
    let largest = counts.max().unwrap_or(0).max(matrix.classes() as u64);
    let width = largest.to_string().len() + 1;
    let cell = |count: u64| format!("{count:>width$}");
    let header: String = (0..matrix.classes() as u64).map(cell).collect();
    let rows = rows.map(|(class, row)| {
        let cells: String = row.iter().copied().map(cell).collect();
        format!("{class:>3}{cells}{}\n", name(class))
    });
    let rows: String = rows.collect();
    format!("true \\ predicted\n   {header}\n{rows}")
}

/// The layers: operation, output shape, parameters, and multiply-adds per image.
pub(crate) fn layers_text(layers: &[Layer]) -> String {
    let mut text = String::from("layer  operation           output   parameters  multiply-adds\n");
    let _ = writeln!(text, "{:<6} {:<18}  {}", "input", "", format_shape(&INPUT));
    let (mut parameters, mut work) = (0, 0);
    for layer in layers {
        let operation = match layer.operation {
            Operation::Convolution([.., kernel]) => format!("convolution {kernel}x{kernel}"),
            Operation::MaxPoolRelu => "max-pool 2x2, ReLU".to_owned(),
            Operation::Flatten => "flatten".to_owned(),
            Operation::Dense(_) => "dense".to_owned(),
        };
        let name = layer.name.as_deref().unwrap_or_default();
        let row = format!(
            "{name:<6} {operation:<18}  {:<8}",
            format_shape(&layer.output)
        );
        let numbers = (layer.parameters, layer.multiply_adds);
        let _ = writeln!(text, "{row} {:>10}  {:>13}", numbers.0, numbers.1);
        parameters += numbers.0;
        work += numbers.1;
    }
    let _ = writeln!(text, "{:<35} {parameters:>10}  {work:>13}", "total");
    text
}

/// Sizes joined by "x".
fn format_shape(sizes: &[usize]) -> String {
    let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
    sizes.join("x")
}

/// Thousands separated by commas: 3,138.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev();
    let groups: Vec<_> = groups.map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Architecture;

    /// Two classes: twelve right answers, three wrong ones.
    fn matrix() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, 0, 12);
        matrix.add(1, 0, 3);
        matrix
    }

    /// A class without an image.
    fn score() -> ClassScore {
        ClassScore {
            class: 3,
            precision: Some(0.75),
            recall: None,
            f1: Some(0.0),
            support: 0,
        }
    }

    #[test]
    fn matrices_and_scores_line_up() {
        let confusion = |names: [&str; 2]| confusion_text(&matrix(), &names.map(str::to_owned));
        let mut many = ConfusionMatrix::new(27);
        many.add(26, 26, 7);
        many.add(26, 3, 2);
        let names: Vec<String> = (0..27).map(|class| format!("letter {class}")).collect();
        let many = confusion_text(&many, &names);
        assert_eq!(many.lines().count(), 28);
        let head = "true \\ predicted\n     0  1\n";
        let numbers = confusion(["0", "1"]);
        assert_eq!(numbers, format!("{head}  0 12  0\n  1  3  0\n"));
        let clothes = confusion(["Coat", "Bag"]);
        assert_eq!(clothes, format!("{head}  0 12  0  Coat\n  1  3  0  Bag\n"));
        assert!(many.ends_with("   26       9        7  letter 26\n"));
        let classes = classes_text(&[score()]);
        let row =
            "label  precision  recall      f1  images\n    3     0.7500       -  0.0000       0\n";
        assert_eq!(classes, row);
    }

    #[test]
    fn the_matrix_of_26_classes_is_printed_whole() {
        let text = confusion_text(&ConfusionMatrix::new(26), &[]);
        assert!(text.starts_with("true \\ predicted\n     0  1"), "{text}");
        assert_eq!(text.lines().count(), 28);
    }

    #[test]
    fn scores_are_the_first_one_and_the_last_of_each_epoch() {
        let record = |epoch, step| StepRecord {
            epoch,
            step,
            train_loss: 2.5,
            test_accuracy: 0.625,
            ..StepRecord::default()
        };
        let text = epochs_text(&[record(1, 1), record(1, 2), record(2, 3), record(2, 4)]);
        let expected = "          step  train loss  test accuracy\n\
                        start        1      2.5000         0.6250\n\
                        epoch 1      2      2.5000         0.6250\n\
                        epoch 2      4      2.5000         0.6250\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn layers_add_up() {
        let text = layers_text(&Architecture::new(vec![2], 10).unwrap().layers());
        let expected = "layer  operation           output   parameters  multiply-adds\n\
                        input                      1x28x28\n\
                        conv1  convolution 3x3     2x28x28          20          14112\n       \
                               max-pool 2x2, ReLU  2x14x14           0              0\n       \
                               flatten             392               0              0\n\
                        dense  dense               10             3930           3920\n\
                        total                                     3950          18032\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn thousands_are_grouped() {
        let text = [7, 999, 1_000, 3_138, 1_234_567].map(grouped);
        assert_eq!(text, ["7", "999", "1,000", "3,138", "1,234,567"]);
    }
}
