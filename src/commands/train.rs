//! `mnist-tch`: a new run, from its configuration and its images to the first step.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use jiff::Timestamp;

use super::devices::libtorch_version;
use super::images::ImageOptions;
use super::session::{About, Session};
use crate::learn::checkpoint::Checkpoint;
use crate::learn::config::Config;
use crate::learn::device::Choice;
use crate::learn::state::State;
use crate::learn::training::Training;
use crate::learn::weights::Weights;
use crate::report::folders::run_dir::RunDir;

/// Where runs go that were not told where to go.
const RUNS: &str = "runs";

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The protocol.
    pub config: Config,
    /// Where to train.
    pub device: Choice,
    /// The images.
    pub images: ImageOptions,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// The run directory; `None` means a new one in `runs`.
    pub out: Option<PathBuf>,
    /// Whether results in the run directory may be replaced.
    pub force: bool,
    /// Whether only errors are printed.
    pub quiet: bool,
    /// The final accuracy below which the run counts as failed, 0..=1.
    pub min_accuracy: Option<f64>,
}

/// Trains as `options` say.
///
/// # Errors
/// When the device, the data or the run directory cannot be used, training fails, or the accuracy is too low;
/// [`super::interrupt::Stopped`] after a signal.
pub fn run(options: &Options, program_start: Instant) -> Result<()> {
    let started = Timestamp::now();
    let device = super::select_device(options.device, options.quiet)?;
    let config = &options.config;
    let (split, data) = options.images.load(config.batch_size, options.quiet)?;
    let state = State::initial(Weights::initial(
        config.init,
        config.seed,
        split.classes.len(),
    ));
    let training = Training::resume(config, &state, &split, device, options.threads)?;
    let mut session = Session {
        run_dir: open_run_dir(options, started)?,
        run: Checkpoint {
            config: config.clone(),
            state: state.clone(),
            records: Vec::new(),
            confusion: None,
            about: About {
                started: started.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                libtorch: libtorch_version(),
                device: device.to_string(),
                data,
                training_seconds: 0.0,
            },
        },
        training,
        test: split.test,
        device,
        threads: options.threads,
        quiet: options.quiet,
        min_accuracy: options.min_accuracy,
    };
    // So that the folder knows its run from the first moment on.
    session.keep(state)?;
    session.run(program_start)
}

fn open_run_dir(options: &Options, started: Timestamp) -> Result<RunDir> {
    match &options.out {
        Some(path) => RunDir::create(path, options.force),
        // No colons, which some file systems do not take.
        None => RunDir::create_new(
            Path::new(RUNS),
            &started.strftime("%Y-%m-%dT%H-%M-%SZ").to_string(),
        ),
    }
}
