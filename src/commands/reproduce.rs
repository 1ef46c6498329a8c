//! `mnist-tch reproduce`: the same job for many seeds, and whether a curve is one of them.
//!
//! Every seed's run is kept as soon as it is complete; everything else is made of what is kept. So it
//! can be stopped at any moment and started again, and several machines can share the work.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::progress::SweepProgress;
use super::source::Source;
use crate::learn::config::Config;
use crate::learn::device::{Choice, Device};
use crate::learn::schedule::Schedule;
use crate::learn::sweep::{Event, Sweep};
use crate::report::band;
use crate::report::ensemble::Ensemble;
use crate::report::heatmap;
use crate::report::reference::Reference;
use crate::report::run_dir::CONFUSION_PNG;
use crate::report::seed_store::{self, SeedStore};
use crate::report::summary::Data;
use crate::report::tables;
use crate::report::verdict::Verdict;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// What to do with the seeds.
    pub task: Task,
    /// The folder of the runs and of everything that is made of them.
    pub out: PathBuf,
    /// The curve to compare with; `None` means the article's.
    pub compare: Option<PathBuf>,
    /// Whether only errors are printed.
    pub quiet: bool,
}

/// Where the runs come from.
#[derive(Debug, Clone)]
pub enum Task {
    /// They are made.
    Run(Box<Run>),
    /// They are in the folders of other machines.
    Merge {
        /// Those folders.
        folders: Vec<PathBuf>,
        /// The seeds that must be there; `None` means those that are.
        seeds: Option<Range<u64>>,
    },
}

/// Runs to make.
#[derive(Debug, Clone)]
pub struct Run {
    /// The protocol; its seed does not count.
    pub config: Config,
    /// The images.
    pub source: Source,
    /// Where to train.
    pub device: Choice,
    /// The seeds.
    pub seeds: Range<u64>,
    /// Which part of the seeds is this machine's.
    pub shard: Option<Shard>,
    /// Runs at once; `None` means one for each core that may be used, or one on a GPU.
    pub jobs: Option<NonZeroUsize>,
}

/// One of several parts of the seeds: every `of`-th one, from the `part`-th one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// From 1 to `of`.
    pub part: usize,
    /// Number of parts.
    pub of: usize,
}

impl Shard {
    fn holds(self, place: usize) -> bool {
        place % self.of == self.part - 1
    }
}

/// Reproduces as `options` say.
///
/// # Errors
/// When data, device or folder cannot be used, a run fails, or seeds to merge are missing.
pub fn run(options: &Options) -> Result<()> {
    let reference = match &options.compare {
        Some(path) => Reference::open(path)?,
        None => Reference::article()?,
    };
    let (store, seeds) = match &options.task {
        Task::Run(run) => {
            let Some(made) = make(run, &reference, options)? else {
                return Ok(());
            };
            made
        }
        Task::Merge { folders, seeds } => merge(folders, seeds.as_ref(), &options.out)?,
    };
    let verdict = finish(&store, &seeds, &reference)?;
    if options.quiet {
        return Ok(());
    }
    super::print(&result_text(&verdict, store.path()))
}

/// Makes the runs that are not there yet. `None` where this machine had only a part to do.
fn make(
    run: &Run,
    reference: &Reference,
    options: &Options,
) -> Result<Option<(SeedStore, BTreeSet<u64>)>> {
    let device = super::select_device(run.device, options.quiet)?;
    let split = run.source.load(options.quiet)?;
    let (batch_size, images) = (run.config.batch_size.get(), split.train.len());
    ensure!(
        batch_size <= images,
        "--batch-size {batch_size} is more than the {images} training images"
    );
    let schedule = Schedule::new(&run.config, images);
    // Before the work and not after it.
    let scored: Vec<usize> = (1..=schedule.steps())
        .filter(|&step| schedule.is_scored(step))
        .collect();
    reference.at(scored.into_iter())?;
    let store = SeedStore::open(
        &options.out,
        &protocol(&run.config, &schedule, &run.source.describe(&split), device)?,
    )?;
    let mut seeds: BTreeSet<u64> = run.seeds.clone().collect();
    if let Some(shard) = run.shard {
        let own = run
            .seeds
            .clone()
            .enumerate()
            .filter(|&(place, _)| shard.holds(place));
        seeds = own.map(|(_, seed)| seed).collect();
    }
    let missing: Vec<u64> = seeds.difference(&store.seeds()?).copied().collect();
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let usual = || {
        if device.is_cpu() {
            cores()
        } else {
            NonZeroUsize::MIN
        }
    };
    let jobs = run.jobs.unwrap_or_else(usual);
    let mut progress = SweepProgress::new(seeds.len(), &missing, schedule.steps(), options.quiet);
    for event in Sweep::start(&run.config, missing, split, device, jobs)? {
        match event.context(format!(
            "stopped; complete runs stay in {}",
            options.out.display()
        ))? {
            Event::Step => progress.step(),
            Event::Run(run) => {
                store.save(&run)?;
                progress.run(&run);
            }
        }
    }
    progress.finish();
    if let Some(Shard { part, of }) = run.shard {
        let (count, out) = (seeds.len(), options.out.display());
        if !options.quiet {
            super::print(&format!(
                "part {part} of {of}: {count} seeds in {out}; when all parts are done, merge them:\n\
                 mnist-tch reproduce --merge {out} ... --out DIR\n"
            ))?;
        }
        return Ok(None);
    }
    Ok(Some((store, seeds)))
}

/// What all runs have in common.
fn protocol(config: &Config, schedule: &Schedule, data: &Data, device: Device) -> Result<Value> {
    let mut config = config.clone();
    config.eval_every = Some(schedule.eval_every());
    let mut configuration = serde_json::to_value(config)?;
    if let Some(fields) = configuration.as_object_mut() {
        // Neither is the same for all runs, or changes a number.
        fields.remove("seed");
        fields.remove("checkpoint_every");
    }
    let mut data = serde_json::to_value(data)?;
    // What the images are called and where they lie may differ among machines.
    if let Some(fields) = data.as_object_mut() {
        fields.remove("name");
    }
    Ok(json!({
        "format": 1,
        "configuration": configuration,
        "data": data,
        "device": if device.is_cpu() { "cpu" } else { "gpu" },
    }))
}

/// Takes the runs of all folders into one.
fn merge(
    folders: &[PathBuf],
    seeds: Option<&Range<u64>>,
    out: &Path,
) -> Result<(SeedStore, BTreeSet<u64>)> {
    let stores: Vec<SeedStore> = folders
        .iter()
        .map(|folder| SeedStore::existing(folder))
        .collect::<Result<_>>()?;
    let first = stores.first().context("--merge: no folder is named")?;
    let store = SeedStore::open(out, first.protocol())?;
    for other in &stores {
        store.adopt(other)?;
    }
    let found = store.seeds()?;
    let Some(seeds) = seeds else {
        return Ok((store, found));
    };
    let wanted: BTreeSet<u64> = seeds.clone().collect();
    let missing: Vec<String> = wanted.difference(&found).map(u64::to_string).collect();
    ensure!(
        missing.is_empty(),
        "{} of {} seeds are missing ({}): run their shards again, then merge",
        missing.len(),
        wanted.len(),
        listed(&missing)
    );
    Ok((store, wanted))
}

/// The first few, for people.
fn listed(names: &[String]) -> String {
    let shown = names
        .iter()
        .take(10)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 10 {
        format!("{shown}, ...")
    } else {
        shown
    }
}

/// Writes everything that is made of the runs of `seeds`.
fn finish(store: &SeedStore, seeds: &BTreeSet<u64>, reference: &Reference) -> Result<Verdict> {
    let ensemble = Ensemble::gather(seeds.iter().map(|&seed| store.load(seed)))?;
    let init = store.protocol()["configuration"]["init"]
        .as_str()
        .unwrap_or("unknown");
    let verdict = Verdict::of(&ensemble, reference, init)?;
    let confusion = ensemble.confusion();
    let labels: Vec<String> = (0..confusion.classes())
        .map(|class| class.to_string())
        .collect();
    let runs = ensemble.curves().len();
    store.write(seed_store::CURVES_CSV, &tables::curves_csv(&ensemble)?)?;
    store.write(seed_store::SEEDS_CSV, &tables::seeds_csv(&ensemble)?)?;
    store.write(seed_store::TIMINGS_CSV, &tables::timings_csv(&ensemble)?)?;
    store.write(
        seed_store::BAND_PNG,
        &band::band(&ensemble, reference, &verdict)?,
    )?;
    store.write(
        CONFUSION_PNG,
        &heatmap::mean_heatmap(confusion, runs, &labels)?,
    )?;
    // Last, because it says that the rest is complete.
    store.write(seed_store::VERDICT, verdict.to_json()?.as_bytes())?;
    Ok(verdict)
}

fn result_text(verdict: &Verdict, folder: &Path) -> String {
    let files: String = seed_store::FILES.map(|name| format!("  {name}\n")).concat();
    format!(
        "{}\nfiles in {}:\n{files}",
        verdict.text(),
        folder.display()
    )
}
