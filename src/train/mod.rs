//! `mnist-tch` without a command: one training run.
//!
//! `start` turns the options into a configuration, images and initial weights; `resume` reads them
//! from the checkpoint of an interrupted run. `run` trains to the end and writes the files.

mod resume;
mod run;

use std::num::NonZeroUsize;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Args;
use jiff::Timestamp;

use self::run::{Run, RunMetadata};
use crate::data::Split;
use crate::learn::checkpoint::Checkpoint;
use crate::learn::libtorch;
use crate::learn::{Config, Device, DeviceChoice, KeepPolicy, State, Training};
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::Origin;
use crate::terminal::images::{ImageOptions, Sources};
use crate::terminal::model::{self, Model};
use crate::terminal::options::{Length, Machine, Protocol, fraction};

/// Parent of the default output folders.
const RUNS: &str = "runs";

/// A checkpoint takes about 13 ms to write, an epoch on a GPU 30 ms.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// Options that --resume takes from the checkpoint. `Protocol` stands for that group's options.
const NOT_WITH_RESUME: &str = "Protocol seed checkpoint_every keep from dataset transpose invert \
                               classes train_range test_range out force";

/// The options of a training run.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    #[command(flatten, next_help_heading = "Training")]
    length: Length,
    #[command(flatten)]
    protocol: Protocol,
    /// Seed of the initial weights and of shuffling
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    seed: u64,
    /// Save a checkpoint every N steps and at the end of each epoch, but at most once a second; 0:
    /// only at the end of each epoch
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    checkpoint_every: usize,
    /// Which weights to keep. The best of many scores overstates the accuracy on the test images
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    keep: KeepPolicy,
    /// Start from trained weights instead of random ones
    #[arg(long, value_name = "FILE|RUN_DIR", help_heading = "Training")]
    #[arg(conflicts_with_all = ["channels", "init"])]
    from: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    /// Folder for the files of this run [default: runs/TIME, with the start time]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Resume the run in DIR, with the configuration in its checkpoint; --epochs is the new total
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    #[arg(conflicts_with_all = NOT_WITH_RESUME.split(' '))]
    #[cfg_attr(feature = "formats", arg(conflicts_with_all = ["label_column", "prepare"]))]
    resume: Option<PathBuf>,
    /// Replace the results in --out; other files there are left alone
    #[arg(long, requires = "out", help_heading = "Output")]
    force: bool,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    /// Exit with status 1 if the final accuracy is below X (0 to 1); all files are written anyway
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    #[arg(help_heading = "Output")]
    min_accuracy: Option<f64>,
}

/// Everything that a [`Training`] is made from.
struct Job {
    history: Checkpoint<RunMetadata>,
    split: Split,
    device: Device,
    threads: NonZeroUsize,
}

/// Trains to the end, or until the run is interrupted.
pub(crate) fn run(options: &Options, sources: &Sources, program_start: Instant) -> Result<()> {
    let resumed = options.resume.as_deref().map(RunDir::open);
    let resumed = resumed.transpose().context("--resume")?;
    let job = match &resumed {
        None => options.start(sources)?,
        Some(folder) => match options.resume(folder, sources)? {
            Some(job) => job,
            None => return Ok(()),
        },
    };
    let Job {
        history,
        split,
        device,
        threads,
    } = job;
    let mut training = Training::new(&history.config, &history.state, &split, device, threads)?;
    training.limit_states(CHECKPOINT_INTERVAL);
    if resumed.is_some() && !options.quiet {
        resume::announce(&history, device, training.schedule().steps());
    }
    let folder = match resumed {
        Some(folder) => folder,
        None => options.new_folder(&history.about.started)?,
    };
    // A run that continues past its end is no longer complete. This goes first: if the program is
    // killed here, the old checkpoint still resumes.
    folder.remove(run_dir::SUMMARY)?;
    let state = history.state.clone();
    let mut run = Run {
        options,
        folder,
        history,
        training,
        test: split.test,
        device,
        threads,
    };
    run.save_checkpoint(state)?;
    run.run(program_start)
}

impl Options {
    /// A new run.
    fn start(&self, sources: &Sources) -> Result<Job> {
        let started = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let mut config = Config {
            seed: self.seed,
            checkpoint_every: self.checkpoint_every,
            keep: self.keep,
            ..self.protocol.config(&self.length)
        };
        let trained = self.from.as_deref();
        let trained = trained.map(|path| model::open(path, self.quiet));
        let trained = trained.transpose().context("--from")?;
        let load_images = || self.images.load(sources, &config, self.quiet);
        // A GPU takes a while to start; the images are read meanwhile, if there is a thread for it.
        let (images, machine) = thread::scope(|scope| {
            let loading = thread::Builder::new().spawn_scoped(scope, load_images);
            let machine = self.machine.select(DeviceChoice::Auto, self.quiet);
            let images = match loading {
                Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(_) => load_images(),
            };
            (images, machine)
        });
        let (device, threads) = machine?;
        let (split, data) = images?;
        let mut from = None;
        if let Some(model) = &trained {
            model.warn_of_overlap(&split.test, Some(&data), sources, self.quiet);
            from = Some(Origin {
                trained_on: model.training_data().unwrap_or_default(),
                ..model.origin.clone()
            });
        }
        let classes = split.classes.len();
        let state = match &trained {
            None => State::new(&config, classes)?,
            Some(Model { weights, .. }) => {
                let own = weights.classes();
                ensure!(
                    own == classes,
                    "--from: the model has {own} classes, the images have {classes}"
                );
                config.channels = weights.architecture().channels().to_vec();
                State::initial(weights.clone())
            }
        };
        let history = Checkpoint {
            config,
            state,
            records: Vec::new(),
            confusion: None,
            best: None,
            about: RunMetadata {
                from,
                started: started.to_string(),
                libtorch: libtorch::version(),
                device: device.to_string(),
                data,
                training_seconds: 0.0,
            },
        };
        Ok(Job {
            history,
            split,
            device,
            threads,
        })
    }

    fn new_folder(&self, started: &str) -> Result<RunDir> {
        match &self.out {
            Some(path) => RunDir::create(path, self.force),
            // Some file systems do not allow colons.
            None => RunDir::create_new(Path::new(RUNS), &started.replace(':', "-")),
        }
    }

    /// Checks the final accuracy against --min-accuracy.
    fn check_accuracy(&self, accuracy: f64) -> Result<()> {
        if let Some(min) = self.min_accuracy {
            ensure!(
                accuracy >= min,
                "the final accuracy {accuracy:.4} is below --min-accuracy {min}"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests;
