//! Records as CSV: `accuracy.csv` row by row during training, the others as a whole.
//!
//! Columns are defined here, or follow from the fields of a record. Ratios are fractions; files are
//! UTF-8 with LF.

use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::learn::{ClassScore, ConfusionMatrix, Prediction, StepRecord};

/// Writes `accuracy.csv` row by row; its columns are the fields of [`StepRecord`].
pub(crate) struct AccuracyLog<W: Write> {
    rows: csv::Writer<W>,
}

impl<W: Write> AccuracyLog<W> {
    /// Appends to `file`, which has `rows` rows already. With none, the header comes first.
    pub(crate) fn append(rows: usize, file: W) -> Self {
        let mut builder = csv::WriterBuilder::new();
        Self {
            rows: builder.has_headers(rows == 0).from_writer(file),
        }
    }

    /// Writes a row and flushes it, so that a killed run loses none.
    pub(crate) fn write(&mut self, record: &StepRecord) -> Result<()> {
        let written = self.rows.serialize(record);
        let written = written.and_then(|()| Ok(self.rows.flush()?));
        written.context("cannot write accuracy.csv")
    }
}

/// Formats records as `accuracy.csv`; empty without records.
pub(crate) fn accuracy_csv(records: &[StepRecord]) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut log = AccuracyLog::append(0, &mut bytes);
    records.iter().try_for_each(|record| log.write(record))?;
    drop(log);
    Ok(bytes)
}

/// A CSV table with this header.
pub(crate) fn table<H: AsRef<[u8]>, R: Serialize>(
    header: impl IntoIterator<Item = H>,
    rows: impl IntoIterator<Item = R>,
) -> Result<Vec<u8>> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(header)?;
    rows.into_iter().try_for_each(|row| table.serialize(row))?;
    Ok(table.into_inner()?)
}

/// A header: `first`, then `name` followed by each of `numbers`.
pub(crate) fn numbered(
    first: &[&str],
    name: &str,
    numbers: impl Iterator<Item = usize>,
) -> Vec<String> {
    let names = numbers.map(|number| format!("{name}{number}"));
    first.iter().map(ToString::to_string).chain(names).collect()
}

/// `confusion.csv`: one row per true class, one column per predicted class.
pub(crate) fn confusion_csv(matrix: &ConfusionMatrix) -> Result<Vec<u8>> {
    let header = numbered(&["true_label"], "predicted_", 0..matrix.classes());
    table(header, matrix.rows().enumerate())
}

/// `classes.csv`: one row per class; an undefined ratio is an empty cell.
pub(crate) fn classes_csv(scores: &[ClassScore]) -> Result<Vec<u8>> {
    let row = |score: &ClassScore| {
        let ratios = (score.precision, score.recall, score.f1);
        (score.class, ratios, score.support)
    };
    let header = ["label", "precision", "recall", "f1", "images"];
    table(header, scores.iter().map(row))
}

/// `predictions.csv`: one row per image with its index (from 0), true and predicted label, the
/// probability of the prediction, and one logit per class with all digits of an f32.
pub(crate) fn predictions_csv<Row: AsRef<[f32]>>(labels: &[u8], logits: &[Row]) -> Result<Vec<u8>> {
    let classes = logits.first().map_or(0, |row| row.as_ref().len());
    let first = ["image", "true_label", "predicted_label", "probability"];
    let header = numbered(&first, "logit_", 0..classes);
    let rows = labels.iter().zip(logits).enumerate();
    let rows = rows.map(|(image, (label, logits))| {
        let (predicted, probability) = Prediction::from_logits(logits.as_ref()).best();
        (image, label, predicted, probability, logits.as_ref())
    });
    table(header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_written_once_also_when_rows_are_appended() {
        let record = StepRecord {
            epoch: 1,
            batch: 2,
            step: 3,
            train_loss: 0.5,
            test_accuracy: 0.25,
        };
        let mut bytes = accuracy_csv(std::slice::from_ref(&record)).unwrap();
        AccuracyLog::append(1, &mut bytes).write(&record).unwrap();
        let header = "epoch,batch,step,train_loss,test_accuracy\n";
        let expected = format!("{header}1,2,3,0.5,0.25\n1,2,3,0.5,0.25\n");
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert!(accuracy_csv(&[]).unwrap().is_empty());
    }

    #[test]
    fn undefined_ratios_are_empty_cells() {
        let matrix = ConfusionMatrix::try_from(vec![vec![3, 1], vec![0, 0]]).unwrap();
        let text = |csv: Result<Vec<u8>>| String::from_utf8(csv.unwrap()).unwrap();
        let confusion = "true_label,predicted_0,predicted_1\n0,3,1\n1,0,0\n";
        assert_eq!(text(confusion_csv(&matrix)), confusion);
        let classes = "label,precision,recall,f1,images\n0,1.0,0.75,0.8571428571428571,4\n\
                       1,0.0,,0.0,0\n";
        assert_eq!(text(classes_csv(&matrix.class_scores())), classes);
    }

    #[test]
    fn logits_have_all_their_digits() {
        let csv = predictions_csv(&[1], &[[0.0, 0.1_f32]]).unwrap();
        let row = String::from_utf8(csv).unwrap();
        assert!(row.contains("\n0,1,1,0.5249") && row.ends_with(",0.0,0.1\n"));
    }

    #[test]
    fn a_full_disk_is_an_error_with_the_files_name() {
        let mut full = [0; 4];
        let error = AccuracyLog::append(0, &mut full[..]).write(&StepRecord::default());
        let error = format!("{:#}", error.unwrap_err());
        assert!(error.contains("accuracy.csv"), "{error}");
    }
}
