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

use crate::learn::record::StepRecord;

/// The first record, then the last one of each epoch.
fn milestones(records: &[StepRecord]) -> Vec<&StepRecord> {
    let epochs = records.chunk_by(|one, other| one.epoch == other.epoch);
    records
        .first()
        .into_iter()
        .chain(epochs.filter_map(<[StepRecord]>::last))
        .collect()
}
