//! `mnist-tch --resume`: goes on where a run was stopped, and ends as if it had not been.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::devices::libtorch_version;
use super::images::load_again;
use super::results::check_accuracy;
use super::session::{About, Session};
use crate::data::Split;
use crate::learn::checkpoint::Checkpoint;
use crate::learn::device::{Choice, Device};
use crate::learn::training::Training;
use crate::report::folders::run_dir::{self, RunDir};
use crate::report::tables::summary::Data;

/// What the command line asks for. All that decides the numbers comes from the checkpoint.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run directory.
    pub folder: PathBuf,
    /// Where to train; `Auto` means the device that the run began on.
    pub device: Choice,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// Where the folder of images is now; `None`: where it was.
    pub data_dir: Option<PathBuf>,
    /// Whether only errors are printed.
    pub quiet: bool,
    /// The final accuracy below which the run counts as failed, 0..=1.
    pub min_accuracy: Option<f64>,
}

/// Goes on with a run. Nothing is written before everything is checked.
///
/// # Errors
/// When there is no run to go on with, its checkpoint is damaged, its images are others, or as in a new run.
pub fn run(options: &Options, program_start: Instant) -> Result<()> {
    let run_dir = RunDir::open(&options.folder).context("--resume")?;
    if let Some(summary) = run_dir.read(run_dir::SUMMARY)? {
        return already_complete(options, &run_dir, &summary);
    }
    let mut run = read_checkpoint(&run_dir)?;
    let choice = match options.device {
        Choice::Auto => run.about.device.parse().map_err(|text| anyhow!("{text}"))?,
        other => other,
    };
    let device = super::select_device(choice, options.quiet)?;
    let data = &mut run.about.data;
    let mut location = data.location();
    if let Some(path) = &options.data_dir {
        location = location.moved(path.clone());
        data.name = location.name();
    }
    data.location = Some(location.absolute());
    let split = load_again(data, options.quiet)?;
    check_images(data, &split)?;
    let training = Training::resume(&run.config, &run.state, &split, device, options.threads)?;
    if !options.quiet {
        tell(&run, device, training.schedule().steps());
    }
    let session = Session {
        run_dir,
        run,
        training,
        test: split.test,
        device,
        threads: options.threads,
        quiet: options.quiet,
        min_accuracy: options.min_accuracy,
    };
    session.run(program_start)
}

fn read_checkpoint(run_dir: &RunDir) -> Result<Checkpoint<About>> {
    let folder = run_dir.path().display();
    let bytes = run_dir.read(run_dir::CHECKPOINT)?.with_context(|| {
        format!(
            "--resume: {folder} holds no {}, so no run that can go on: begin one with --out {folder}",
            run_dir::CHECKPOINT
        )
    })?;
    Checkpoint::from_bytes(&bytes).with_context(|| {
        let file = run_dir.path().join(run_dir::CHECKPOINT);
        format!("--resume: cannot go on from {}", file.display())
    })
}

/// A script that resumes until the status is 0 comes to its end here.
fn already_complete(options: &Options, run_dir: &RunDir, summary: &[u8]) -> Result<()> {
    let file = run_dir.path().join(run_dir::SUMMARY);
    let summary: Value = serde_json::from_slice(summary)
        .with_context(|| format!("{} is damaged", file.display()))?;
    let accuracy = summary["final_accuracy"].as_f64();
    let accuracy = accuracy.with_context(|| format!("{} has no accuracy", file.display()))?;
    // Left where the program was killed between its last two acts.
    run_dir.remove(run_dir::CHECKPOINT)?;
    if !options.quiet {
        let folder = run_dir.path().display();
        super::note(&format!(
            "the run in {folder} is complete (accuracy {accuracy:.4}): there is nothing to resume"
        ));
    }
    check_accuracy(options.min_accuracy, accuracy)
}

fn check_images(data: &Data, split: &Split) -> Result<()> {
    let found = split.sha256();
    let start = |digest: &str| digest.chars().take(12).collect::<String>();
    ensure!(
        data.sha256 == found,
        "--resume: the images in {} are not those the run began with (SHA-256 {}..., it was {}...): bring those back, \
         or say with --data-dir where they are",
        data.name,
        start(&found),
        start(&data.sha256)
    );
    Ok(())
}

/// Where the run goes on, and what may make its last digits differ from those of a run that never stopped.
fn tell(run: &Checkpoint<About>, device: Device, steps: usize) {
    let (step, now) = (run.state.step(), device.to_string());
    super::note(&format!("going on after step {step} of {steps}"));
    let kind = |device: &str| device.split(':').next().map(str::to_owned);
    let began = &run.about.device;
    if kind(began) != kind(&now) {
        super::note(&format!(
            "note: the run began on {began} and goes on on {now}: last digits may differ from a run that never stopped"
        ));
    }
    let (before, version) = (&run.about.libtorch, libtorch_version());
    if *before != version {
        super::note(&format!(
            "note: the run began with libtorch {before}, this is {version}: last digits may differ"
        ));
    }
}
