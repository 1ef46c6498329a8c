//! `mnist-tch reproduce`: trains the same job with many seeds and decides whether a curve is one of
//! them.
//!
//! [`runner`] trains the seeds that are missing, and [`store`] keeps each run as soon as it is
//! complete. Everything else follows from the stored runs: [`ensemble`] has the statistics,
//! [`verdict`] the comparison with the [`mod@reference`], and [`results`] the files.

mod band;
mod ensemble;
mod progress;
mod reference;
mod results;
mod runner;
mod store;
mod verdict;

use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};

use self::progress::SeedsProgress;
use self::reference::Reference;
use self::runner::{Event, run_seeds};
use self::store::SeedStore;
use crate::data::Split;
use crate::learn::{Config, Device, DeviceChoice, Schedule, cores};
use crate::terminal::images::{ImageOptions, Sources};
use crate::terminal::options::{Length, Protocol, select_device, threads};
use crate::terminal::{note, print};

/// Maximum number of seeds.
const MAX_SEEDS: u64 = 1_000_000;
/// Maximum number of accuracies in all curves together, which are kept in memory.
const MAX_POINTS: usize = 100_000_000;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seeds A to B - 1
    #[arg(long, value_name = "A..B", value_parser = seed_range, allow_hyphen_values = true)]
    #[arg(default_value = "0..40", help_heading = "Seeds")]
    seeds: Range<u64>,
    /// Device: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    #[arg(help_heading = "Machine")]
    device: DeviceChoice,
    /// Number of parallel runs, each on one thread; does not affect the results
    /// [default: all available cores; on a GPU 1]
    #[arg(long, value_name = "N", value_parser = threads(), allow_negative_numbers = true)]
    #[arg(help_heading = "Machine")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten, next_help_heading = "Training")]
    length: Length,
    #[command(flatten)]
    protocol: Protocol,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    /// Folder for the runs and the results; existing runs are not repeated, and several processes
    /// may share it [default: runs/reproduce-INIT]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Compare this accuracy.csv with the runs instead of the article's
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    compare: Option<PathBuf>,
    /// Print only errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// Parses A..B, the seeds A to B - 1.
fn seed_range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..");
    let range = ends.and_then(|(from, to)| Some(from.parse::<u64>().ok()?..to.parse().ok()?));
    range
        .filter(|range| !range.is_empty() && range.end - range.start <= MAX_SEEDS)
        .ok_or_else(|| {
            format!("expected A..B with A below B, whole numbers, at most {MAX_SEEDS} seeds")
        })
}

/// Trains the seeds that are missing, then writes and prints the results of all.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let reference = match &options.compare {
        Some(path) => Reference::open(path)?,
        None => Reference::article()?,
    };
    let config = options.protocol.config(&options.length);
    let device = select_device(options.device, options.quiet)?;
    let (split, data) = options.images.load(sources, &config, options.quiet)?;
    let schedule = Schedule::new(&config, split.train.len());
    options.check(&schedule, &reference)?;
    let init = config.init.to_possible_value();
    let init = init.map_or(String::new(), |init| init.get_name().to_owned());
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| format!("runs/reproduce-{init}").into());
    let protocol = store::protocol(&config, &schedule, &data, device)?;
    let store = SeedStore::open(&out, &protocol)?;
    let complete = store.seeds()?;
    let missing = options
        .seeds
        .clone()
        .filter(|seed| !complete.contains(seed));
    options.train(
        &store,
        missing.collect(),
        &config,
        &split,
        device,
        schedule.steps(),
    )?;
    let seeds = options.seeds.clone();
    let text = results::write(&store, seeds, &reference, &init, &data.classes)?;
    if options.quiet { Ok(()) } else { print(&text) }
}

impl Options {
    /// Checks limits before training starts.
    fn check(&self, schedule: &Schedule, reference: &Reference) -> Result<()> {
        schedule.check()?;
        let steps = 1..=schedule.steps();
        let scored: Vec<usize> = steps.filter(|&step| schedule.is_scored(step)).collect();
        reference.at(scored.iter().copied())?;
        let (seeds, steps) = (self.seeds.clone().count(), scored.len());
        ensure!(
            seeds * steps <= MAX_POINTS,
            "{seeds} seeds with {steps} scored steps each do not fit into memory: choose fewer \
             --seeds or a larger --eval-every"
        );
        if seeds == 1 && !self.quiet {
            note("note: one seed gives no verdict, which needs at least two; its run is kept");
        }
        Ok(())
    }

    /// Trains `missing` seeds and stores each run as soon as it is complete.
    fn train(
        &self,
        store: &SeedStore,
        missing: Vec<u64>,
        config: &Config,
        split: &Split,
        device: Device,
        steps: usize,
    ) -> Result<()> {
        let seeds = self.seeds.clone().count();
        let progress = SeedsProgress::new(seeds, missing.len(), steps, self.quiet);
        let progress = Mutex::new(progress);
        let report = |event| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Event::Step => progress.step(),
                Event::Run(run) => {
                    store.save(&run)?;
                    progress.run(&run);
                }
            }
            Ok(())
        };
        let default = if device.is_cpu() {
            cores()
        } else {
            NonZeroUsize::MIN
        };
        let jobs = self.jobs.unwrap_or(default);
        let trained = run_seeds(config, missing, split, device, jobs, report);
        let folder = store.folder.path().display();
        trained.with_context(|| format!("stopped; complete runs are in {folder}"))
    }
}

#[cfg(test)]
mod tests;
