//! Records as tables: `accuracy.csv` row by row, `confusion.csv`, and both as text for people.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::{Context, Result};

use super::ensemble::Ensemble;
use crate::learn::class_scores::ClassScore;
use crate::learn::record::{ConfusionMatrix, StepRecord};

/// Writes the rows of `accuracy.csv` as they are made.
pub struct AccuracyLog<W: Write> {
    rows: csv::Writer<W>,
}

impl<W: Write> AccuracyLog<W> {
    /// A log that goes to `file`, in which `rows` rows are already; without any, the header comes with the first.
    pub fn after(rows: usize, file: W) -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self {
            rows: builder.has_headers(rows == 0).from_writer(file),
        }
    }

    /// Writes one row and hands it to the system at once, so that a run that is killed loses none.
    ///
    /// # Errors
    /// When it cannot be written, for example because the disk is full.
    pub fn add(&mut self, record: &StepRecord) -> Result<()> {
        let mut write = || {
            self.rows.serialize(record)?;
            self.rows.flush()?;
            Ok::<(), csv::Error>(())
        };
        write().context("cannot write accuracy.csv")
    }
}

/// `accuracy.csv` as it is after these records; empty before the first.
///
/// # Errors
/// Only when the csv library refuses.
pub fn accuracy_csv(records: &[StepRecord]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut log = AccuracyLog::after(0, &mut bytes);
    records.iter().try_for_each(|record| log.add(record))?;
    drop(log);
    Ok(bytes)
}

/// `confusion.csv`: a row per true class, a column per predicted class.
///
/// # Errors
/// Only when the csv library refuses.
pub fn confusion_csv(matrix: &ConfusionMatrix) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let columns = (0..matrix.classes()).map(|class| format!("predicted_{class}"));
    rows.write_record(std::iter::once("true_label".to_owned()).chain(columns))?;
    for (class, counts) in matrix.rows().enumerate() {
        rows.serialize((class, counts))?;
    }
    Ok(rows.into_inner()?)
}

/// `classes.csv`: a row per class; a ratio without a denominator is an empty cell.
///
/// # Errors
/// Only when the csv library refuses.
pub fn classes_csv(scores: &[ClassScore]) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(["label", "precision", "recall", "f1", "images"])?;
    for score in scores {
        let ratios = (score.precision, score.recall, score.f1);
        rows.serialize((score.class, ratios, score.support))?;
    }
    Ok(rows.into_inner()?)
}

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

/// `curves.csv`: the accuracy of every seed after every scored step.
///
/// # Errors
/// Only when the csv library refuses.
pub fn curves_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(["seed", "step", "test_accuracy"])?;
    for curve in ensemble.curves() {
        for (record, accuracy) in ensemble.steps().iter().zip(&curve.accuracies) {
            rows.serialize((curve.seed, record.step, accuracy))?;
        }
    }
    Ok(rows.into_inner()?)
}

/// `seeds.csv`: the accuracy of every seed at each epoch's end.
///
/// # Errors
/// Only when the csv library refuses.
pub fn seeds_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let ends: Vec<usize> = ensemble.epoch_ends().collect();
    let epochs = ends
        .iter()
        .map(|&end| format!("epoch_{}", ensemble.steps()[end].epoch));
    rows.write_record(std::iter::once("seed".to_owned()).chain(epochs))?;
    for curve in ensemble.curves() {
        let accuracies: Vec<f64> = ends.iter().map(|&end| curve.accuracies[end]).collect();
        rows.serialize((curve.seed, accuracies))?;
    }
    Ok(rows.into_inner()?)
}

/// `timings.csv`: how long every seed took on its thread. A file of its own, because all others are the same bytes
/// whenever the same seeds are run.
///
/// # Errors
/// Only when the csv library refuses.
pub fn timings_csv(ensemble: &Ensemble) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    rows.write_record(["seed", "seconds"])?;
    for curve in ensemble.curves() {
        rows.write_record([curve.seed.to_string(), format!("{:.3}", curve.seconds)])?;
    }
    Ok(rows.into_inner()?)
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

/// The first record, then the last one of each epoch.
#[must_use]
pub fn milestones(records: &[StepRecord]) -> Vec<&StepRecord> {
    let epochs = records.chunk_by(|one, other| one.epoch == other.epoch);
    records
        .first()
        .into_iter()
        .chain(epochs.filter_map(<[StepRecord]>::last))
        .collect()
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
    use super::super::ensemble::tests::ensemble;
    use super::*;

    fn record(epoch: usize, step: usize) -> StepRecord {
        StepRecord {
            epoch,
            batch: step - (epoch - 1) * 3,
            step,
            train_loss: 0.5,
            test_accuracy: 0.938,
        }
    }

    #[test]
    fn accuracy_csv_has_a_header_and_a_row_per_record() {
        let records = [record(1, 1), record(2, 4)];
        let whole = accuracy_csv(&records).unwrap();
        let text = String::from_utf8(whole.clone()).unwrap();
        let expected =
            "epoch,batch,step,train_loss,test_accuracy\n1,1,1,0.5,0.938\n2,1,4,0.5,0.938\n";
        assert_eq!(text, expected);
        let mut bytes = accuracy_csv(&records[..1]).unwrap();
        let mut log = AccuracyLog::after(1, &mut bytes);
        log.add(&records[1]).unwrap();
        drop(log);
        assert_eq!(bytes, whole, "a log that goes on has no second header");
        assert!(accuracy_csv(&[]).unwrap().is_empty());
    }

    #[test]
    fn the_tables_of_a_sweep_have_a_row_per_seed_and_step() {
        let ensemble = ensemble(&[&[0.25, 0.5], &[0.125, 1.0]]);
        let text = |bytes: Result<Vec<u8>>| String::from_utf8(bytes.unwrap()).unwrap();
        let curves = "seed,step,test_accuracy\n0,1,0.25\n0,2,0.5\n1,1,0.125\n1,2,1.0\n";
        assert_eq!(text(curves_csv(&ensemble)), curves);
        let seeds = "seed,epoch_1,epoch_2\n0,0.25,0.5\n1,0.125,1.0\n";
        assert_eq!(text(seeds_csv(&ensemble)), seeds);
        assert_eq!(
            text(timings_csv(&ensemble)),
            "seed,seconds\n0,1.000\n1,1.000\n"
        );
    }

    #[test]
    fn a_full_disk_is_an_error_with_the_files_name() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
                Err(std::io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let error = AccuracyLog::after(0, Full).add(&record(1, 1)).unwrap_err();
        assert!(format!("{error:#}").contains("accuracy.csv"), "{error:#}");
    }

    fn matrix() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, 0, 12);
        matrix.add(1, 0, 3);
        matrix
    }

    #[test]
    fn confusion_csv_names_its_rows_and_columns() {
        let text = String::from_utf8(confusion_csv(&matrix()).unwrap()).unwrap();
        assert_eq!(text, "true_label,predicted_0,predicted_1\n0,12,0\n1,3,0\n");
    }

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
    fn class_scores_without_a_denominator_are_empty_and_a_dash() {
        let scores = [ClassScore {
            class: 3,
            precision: Some(0.75),
            recall: None,
            f1: Some(0.0),
            support: 0,
        }];
        let text = String::from_utf8(classes_csv(&scores).unwrap()).unwrap();
        assert_eq!(text, "label,precision,recall,f1,images\n3,0.75,,0.0,0\n");
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
