//! `summary.json`: what was run, on what, with which result, and how long it took.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::DataRecord;
use crate::learn::cuda::GpuRecord;
use crate::learn::{StepRecord, metrics::is_share};

/// Everything needed to run it again and to compare the result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<C> {
    /// When the run began: UTC, ISO 8601.
    pub started: String,
    pub version: &'static str,
    /// Version of libtorch, as it gives it itself.
    pub libtorch: String,
    /// What was asked for, defaults filled in.
    pub configuration: C,
    /// The trained weights that it began with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
    pub data: DataRecord,
    /// Such as `cpu` or `cuda:0`.
    pub device: String,
    /// The GPU and its software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuRecord>,
    /// Threads used on the CPU.
    pub threads: usize,
    /// The first scored step and each epoch's last one.
    pub epochs: Vec<StepRecord>,
    /// Share of the test images classified correctly after the last step, 0..=1.
    pub final_accuracy: f64,
    /// The step whose weights were kept as the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<StepRecord>,
    pub timings: Timings,
}

/// A file of weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub path: PathBuf,
    /// Of the file.
    pub sha256: String,
}

/// What other commands need of the `summary.json` of a run.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    pub started: String,
    pub data: DataRecord,
    pub final_accuracy: f64,
}

impl Recorded {
    /// Reads the file.
    pub(crate) fn from_bytes(text: &[u8]) -> Result<Self> {
        let what = "damaged, or not the summary of a run";
        let summary: Self = serde_json::from_slice(text).context(what)?;
        let (accuracy, images) = (summary.final_accuracy, summary.data.test_images);
        ensure!(
            is_share(accuracy, images as u64),
            "damaged: {accuracy} is no share of {images} images"
        );
        Ok(summary)
    }
}

/// Seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Timings {
    /// From the start of the program to the first step.
    pub start_seconds: f64,
    /// All steps with their scores.
    pub training_seconds: f64,
    /// Images trained on and images scored, per second of training.
    pub images_per_second: f64,
}

/// The rows that a summary shows: the first record, then the last one of each epoch.
pub(crate) fn milestones(records: &[StepRecord]) -> Vec<StepRecord> {
    let epochs = records.chunk_by(|one, other| one.epoch == other.epoch);
    let ends = epochs.filter_map(<[StepRecord]>::last);
    records.first().into_iter().chain(ends).cloned().collect()
}
