//! Records as tables: CSV for programs, text for people, JSON for a whole run.
//!
//! Each function takes records and gives bytes or text; none knows a folder or a terminal. The only user of the csv crate.

mod csv;
mod layers;
pub mod summary;
mod text;

pub use self::csv::{
    AccuracyLog, accuracy_csv, classes_csv, confusion_csv, curves_csv, predictions_csv, seeds_csv,
    timings_csv,
};
pub use self::layers::layers_text;
pub use self::text::{classes_text, confusion_text, epochs_text};

use crate::learn::StepRecord;

/// The first record, then the last one of each epoch.
fn milestones(records: &[StepRecord]) -> Vec<&StepRecord> {
    let epochs = records.chunk_by(|one, other| one.epoch == other.epoch);
    records
        .first()
        .into_iter()
        .chain(epochs.filter_map(<[StepRecord]>::last))
        .collect()
}

/// Records for the tests of this folder.
#[cfg(test)]
mod fixtures {
    use crate::learn::{ConfusionMatrix, StepRecord};

    /// A row of an epoch of three steps.
    pub fn record(epoch: usize, step: usize) -> StepRecord {
        StepRecord {
            epoch,
            batch: step - (epoch - 1) * 3,
            step,
            train_loss: 0.5,
            test_accuracy: 0.938,
        }
    }

    /// Two classes: twelve right answers, three wrong ones.
    pub fn matrix() -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(0, 0, 12);
        matrix.add(1, 0, 3);
        matrix
    }
}
