//! `mnist-tch`: trains. The options become a configuration, images and initial weights, or with
//! `--resume` the checkpoint of a run that was stopped; from these follows the `Training`, and
//! `run` takes it to its end.

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
use crate::learn::{Config, Device, DeviceChoice, Keep, State, Training};
use crate::report::run_dir::{self, RunDir};
use crate::report::summary::Recorded;
use crate::terminal::images::{ImageOptions, Sources, reload};
use crate::terminal::model::{self, Model};
use crate::terminal::note;
use crate::terminal::options::{Length, Machine, Protocol, fraction};

/// Where runs go that were not told where to go.
const RUNS: &str = "runs";

/// A checkpoint takes about 13 ms to write, an epoch on a GPU 30 ms.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// What a checkpoint says itself. `Protocol` is all of that group's options.
const NOT_WITH_RESUME: &str = "Protocol seed checkpoint_every keep from dataset transpose invert \
                               stretch classes train_range test_range out force";

/// The options of a training run, which need no subcommand.
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
    /// Keep a checkpoint after every N steps and at each epoch's end, but at most one a second; 0:
    /// at each epoch's end only
    #[arg(long, value_name = "N", default_value_t, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    checkpoint_every: usize,
    /// Which weights to keep: the last ones, or those of the best score in best.safetensors beside
    /// them. What is chosen by the test images looks better on them than it is
    #[arg(long, value_enum, default_value_t, help_heading = "Training")]
    keep: Keep,
    /// Begin with trained weights in place of random ones
    #[arg(long, value_name = "FILE|RUN_DIR", help_heading = "Training")]
    #[arg(conflicts_with_all = ["channels", "init"])]
    from: Option<PathBuf>,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    /// Folder for the files of this run [default: a new one in runs/, named by the time]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Go on with the run in DIR that was stopped; all that decides its numbers comes from its
    /// checkpoint
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    #[arg(conflicts_with_all = NOT_WITH_RESUME.split(' '))]
    resume: Option<PathBuf>,
    /// Replace the results that --out holds; nothing else in it is touched
    #[arg(long, requires = "out", help_heading = "Output")]
    force: bool,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
    /// Exit with status 1 if the final accuracy is below X (0 to 1); the files are written anyway
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    #[arg(help_heading = "Output")]
    min_accuracy: Option<f64>,
}

/// What a run is made of: its history, its images, and where it trains.
type Parts = (Checkpoint<RunMetadata>, Split, Device, NonZeroUsize);

/// Trains to the end, or until it is stopped.
pub(crate) fn run(options: &Options, sources: &Sources, program_start: Instant) -> Result<()> {
    let stopped = options.resume.as_deref().map(RunDir::open);
    let stopped = stopped.transpose().context("--resume")?;
    let (history, split, device, threads) = match &stopped {
        None => options.start(sources)?,
        Some(folder) => match folder.read(run_dir::SUMMARY)? {
            Some(summary) if !options.goes_past_the_end(folder)? => {
                return options.already_complete(folder, &summary);
            }
            _ => options.resume(folder, sources)?,
        },
    };
    let mut training = Training::new(&history.config, &history.state, &split, device, threads)?;
    training.limit_states(CHECKPOINT_INTERVAL);
    if stopped.is_some() && !options.quiet {
        announce_resume(&history, device, training.schedule().steps());
    }
    let folder = match stopped {
        Some(folder) => folder,
        None => options.new_folder(&history.about.started)?,
    };
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
    // So that the folder knows its run from the first moment on.
    run.keep(state)?;
    // A run that continues past its end is no longer complete.
    run.folder.remove(run_dir::SUMMARY)?;
    run.run(program_start)
}

impl Options {
    /// A run that has made no step yet.
    fn start(&self, sources: &Sources) -> Result<Parts> {
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
        // A GPU takes long to get ready; the images are read meanwhile.
        let (images, machine) = thread::scope(|scope| {
            let images = scope.spawn(|| self.images.load(sources, config.batch_size, self.quiet));
            let machine = self.machine.select(DeviceChoice::Auto, self.quiet);
            (
                images.join().unwrap_or_else(|panic| resume_unwind(panic)),
                machine,
            )
        });
        let (device, threads) = machine?;
        let (split, data) = images?;
        let classes = split.classes.len();
        let state = match &trained {
            None => State::new(&config, classes)?,
            Some(Model { weights, .. }) => {
                let own = weights.classes();
                ensure!(
                    own == classes,
                    "--from: its network tells {own} classes apart, the images are of {classes}"
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
                from: trained.map(|model| model.origin),
                started: started.to_string(),
                libtorch: libtorch::version(),
                device: device.to_string(),
                data,
                training_seconds: 0.0,
            },
        };
        Ok((history, split, device, threads))
    }

    fn new_folder(&self, started: &str) -> Result<RunDir> {
        match &self.out {
            Some(path) => RunDir::create(path, self.force),
            // No colons, which some file systems do not take.
            None => RunDir::create_new(Path::new(RUNS), &started.replace(':', "-")),
        }
    }

    /// The run that was stopped in this folder. Nothing is written before everything is checked.
    fn resume(&self, folder: &RunDir, sources: &Sources) -> Result<Parts> {
        let mut history = read_checkpoint(folder)?;
        history.config.epochs = self.epochs_in_all(&history.config)?;
        let file = folder.path().join(run_dir::CHECKPOINT);
        let cannot = || format!("--resume: cannot go on from {}", file.display());
        let began_on = history.about.device.parse().with_context(cannot)?;
        let seconds = history.about.training_seconds;
        ensure!(seconds >= 0.0, "{}: it took {seconds} s", cannot());
        let (device, threads) = self.machine.select(began_on, self.quiet)?;
        let data = &mut history.about.data;
        let mut location = data.location.clone();
        if let Some(path) = &self.images.set.data_dir {
            location = location.moved(path.clone());
            data.reading.split.clone_from(&self.images.set.split);
            data.name = location.name();
        }
        data.location = location;
        let mirrors = &self.images.set.mirrors;
        let (split, data) = reload(data, sources, mirrors, self.quiet).context("--resume")?;
        history.check_images(&split).with_context(cannot)?;
        history.about.data = data;
        Ok((history, split, device, threads))
    }

    /// Whether `--epochs` asks a complete run for more.
    fn goes_past_the_end(&self, folder: &RunDir) -> Result<bool> {
        if self.length.epochs.is_none() {
            return Ok(false);
        }
        let config = read_checkpoint(folder)?.config;
        Ok(self.epochs_in_all(&config)? > config.epochs)
    }

    /// The epochs that a run that goes on is to have.
    fn epochs_in_all(&self, config: &Config) -> Result<NonZeroUsize> {
        let planned = config.epochs;
        let epochs = self.length.epochs.unwrap_or(planned);
        ensure!(
            epochs >= planned,
            "--epochs {epochs}: the run has {planned} epochs by its plan, --resume can only add \
             to them"
        );
        ensure!(
            epochs == planned || config.final_learning_rate.is_none(),
            "--epochs {epochs}: the run's learning rate has fallen for an end after {planned} \
             epochs; begin a new run with --from and its weights"
        );
        Ok(epochs)
    }

    /// A script that resumes until the status is 0 comes to its end here.
    fn already_complete(&self, run_dir: &RunDir, summary: &[u8]) -> Result<()> {
        let file = run_dir.path().join(run_dir::SUMMARY);
        let summary = Recorded::from_bytes(summary).with_context(|| file.display().to_string())?;
        let accuracy = summary.final_accuracy;
        if !self.quiet {
            let folder = run_dir.path().display();
            let result = format!("the run in {folder} is complete (accuracy {accuracy:.4})");
            note(&format!(
                "{result}: there is nothing to resume; with a larger --epochs it goes on"
            ));
        }
        self.check_accuracy(accuracy)
    }

    /// Whether the accuracy that was `found` is enough.
    fn check_accuracy(&self, found: f64) -> Result<()> {
        if let Some(least) = self.min_accuracy {
            ensure!(
                found >= least,
                "the final accuracy {found:.4} is below --min-accuracy {least}"
            );
        }
        Ok(())
    }
}

fn read_checkpoint(run_dir: &RunDir) -> Result<Checkpoint<RunMetadata>> {
    let (folder, name) = (run_dir.path(), run_dir::CHECKPOINT);
    let bytes = run_dir.read(name)?.with_context(|| {
        let folder = folder.display();
        let hint = format!("begin one with --out {folder}");
        format!("--resume: {folder} holds no {name}, so no run that can go on: {hint}")
    })?;
    Checkpoint::from_bytes(&bytes).with_context(|| {
        let file = folder.join(name);
        format!("--resume: cannot go on from {}", file.display())
    })
}

/// Where the run goes on, and what may make its last digits differ from those of a run that never
/// stopped.
fn announce_resume(history: &Checkpoint<RunMetadata>, device: Device, steps: usize) {
    let step = history.state.step();
    note(&format!("going on after step {step} of {steps}"));
    let kind = |device: &str| device.split(':').next().map(str::to_owned);
    let (began, now) = (&history.about.device, device.to_string());
    if kind(began) != kind(&now) {
        let what = "last digits may differ from a run that never stopped";
        note(&format!(
            "note: the run began on {began} and goes on on {now}: {what}"
        ));
    }
    let (began, now) = (&history.about.libtorch, libtorch::version());
    if *began != now {
        let what = "last digits may differ";
        note(&format!(
            "note: the run began with libtorch {began}, this is {now}: {what}"
        ));
    }
}

#[cfg(test)]
mod tests;
