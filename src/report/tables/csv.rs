//! Records as CSV: `accuracy.csv` row by row as they are made, the others whole.
//!
//! It owns the headers and the order of the columns. Fractions, LF, UTF-8; where the rows go is not known here.

use std::io::Write;

use anyhow::{Context, Result};

use crate::learn::ClassScore;
use crate::learn::Prediction;
use crate::learn::{ConfusionMatrix, StepRecord};
use crate::report::comparison::ensemble::Ensemble;

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

/// `predictions.csv`: what a network says to every image. A row per image: its place (from 0), true and predicted label, the prediction's probability, and a logit per class
/// as exactly as 32-bit floats are.
///
/// # Errors
/// Only when the csv library refuses.
pub fn predictions_csv<Row: AsRef<[f32]>>(labels: &[u8], logits: &[Row]) -> Result<Vec<u8>> {
    let mut rows = csv::Writer::from_writer(Vec::new());
    let classes = logits.first().map_or(0, |row| row.as_ref().len());
    let names = ["image", "true_label", "predicted_label", "probability"].map(str::to_owned);
    let columns = (0..classes).map(|class| format!("logit_{class}"));
    rows.write_record(names.into_iter().chain(columns))?;
    for (image, (label, logits)) in labels.iter().zip(logits).enumerate() {
        let (predicted, probability) = Prediction::from_logits(logits.as_ref()).best();
        rows.serialize((image, label, predicted, probability, logits.as_ref()))?;
    }
    Ok(rows.into_inner()?)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{matrix, record};
    use super::*;
    use crate::report::comparison::ensemble::tests::ensemble;

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

    #[test]
    fn confusion_csv_names_its_rows_and_columns() {
        let text = String::from_utf8(confusion_csv(&matrix()).unwrap()).unwrap();
        assert_eq!(text, "true_label,predicted_0,predicted_1\n0,12,0\n1,3,0\n");
    }

    #[test]
    fn a_class_score_without_a_denominator_is_an_empty_cell() {
        let scores = [ClassScore {
            class: 3,
            precision: Some(0.75),
            recall: None,
            f1: Some(0.0),
            support: 0,
        }];
        let text = String::from_utf8(classes_csv(&scores).unwrap()).unwrap();
        assert_eq!(text, "label,precision,recall,f1,images\n3,0.75,,0.0,0\n");
    }

    #[test]
    fn a_row_has_the_answer_and_every_logit() {
        let csv = predictions_csv(&[1, 0], &[[0.0_f32, 0.1], [2.5, 2.5]]).unwrap();
        let text = String::from_utf8(csv).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let header = "image,true_label,predicted_label,probability,logit_0,logit_1";
        assert_eq!(lines[0], header);
        assert!(lines[1].starts_with("0,1,1,0.5249"), "{}", lines[1]);
        assert!(lines[1].ends_with(",0.0,0.1"), "{}", lines[1]);
        assert_eq!(lines[2], "1,0,0,0.5,2.5,2.5");
    }
}
