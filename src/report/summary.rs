//! `summary.json`: configuration, data, versions, results and timings of a run.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::data::DataRecord;
use crate::learn::cuda::GpuRecord;
use crate::learn::{StepRecord, metrics::is_share};

/// Everything needed to repeat a run and to compare its result.
#[derive(Debug, Serialize)]
pub(crate) struct Summary<C> {
    /// Start time of the run: UTC, ISO 8601.
    pub started: String,
    pub version: &'static str,
    /// Version of libtorch, such as `2.13.0+cpu`.
    pub libtorch: String,
    /// The hyperparameters, with defaults filled in.
    pub configuration: C,
    /// The weights it started from, with `--from`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Origin>,
    pub data: DataRecord,
    /// The device, such as `cpu` or `cuda:0`.
    pub device: String,
    /// The GPU and its software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuRecord>,
    /// Threads used on the CPU.
    pub threads: usize,
    /// The first scored step, and the last one of each epoch.
    pub epochs: Vec<StepRecord>,
    /// Accuracy on the test images after the last step, 0..=1.
    pub final_accuracy: f64,
    /// The step of the best weights, with `--keep best`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<StepRecord>,
    pub timings: Timings,
}

/// A file of weights.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub path: PathBuf,
    /// Digest of the file.
    pub sha256: String,
    /// The images that the weights were trained on, as far as their run is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trained_on: Vec<DataRecord>,
}

/// The part of a `summary.json` that other commands read.
#[derive(Debug, Deserialize)]
pub(crate) struct Recorded {
    pub started: String,
    pub data: DataRecord,
    pub from: Option<Origin>,
    pub final_accuracy: f64,
    pub best: Option<StepRecord>,
}

impl Recorded {
    /// Reads the file.
    pub(crate) fn from_bytes(text: &[u8]) -> Result<Self> {
        let what = "damaged, or not the summary of a run";
        let summary: Self = serde_json::from_slice(text).context(what)?;
        let (accuracy, images) = (summary.final_accuracy, summary.data.test_images);
        ensure!(
            is_share(accuracy, images as u64),
            "damaged: an accuracy of {accuracy} is impossible with {images} images"
        );
        Ok(summary)
    }
}

/// Durations in seconds, and the speed that follows from them.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Timings {
    /// From the start of the program to the first step.
    pub start_seconds: f64,
    /// Training and scoring.
    pub training_seconds: f64,
    /// Images trained on or scored, per second.
    pub images_per_second: f64,
}

/// The rows that a summary shows: the first record, then the last one of each epoch.
pub(crate) fn milestones(records: &[StepRecord]) -> Vec<StepRecord> {
    let epochs = records.chunk_by(|one, other| one.epoch == other.epoch);
    let ends = epochs.filter_map(<[StepRecord]>::last);
    records.first().into_iter().chain(ends).cloned().collect()
}
