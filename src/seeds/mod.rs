//! `mnist-tch reproduce`: the same job for many seeds, and whether a curve is one of them.
//!
//! Every seed's run is kept as soon as it is complete; everything else is made of what is kept. So
//! it can be stopped at any moment and started again, and several machines can share the work.

mod band;
mod ensemble;
mod progress;
mod reference;
mod runner;
mod store;
mod tables;
mod verdict;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use self::band::band;
use self::ensemble::Ensemble;
use self::progress::SeedsProgress;
use self::reference::Reference;
use self::runner::{Event, many_seeds};
use self::store::SeedStore;
use self::verdict::Verdict;
use crate::data::DataRecord;
use crate::learn::{Config, Device, DeviceChoice, Schedule, cores};
use crate::report::figures::confusion;
use crate::report::json;
use crate::report::run_dir::CONFUSION_PNG;
use crate::terminal::images::{ImageOptions, Sources};
use crate::terminal::options::{Length, Protocol, select_device, threads};
use crate::terminal::{file_list, print};

/// The seeds unless said.
const SEEDS: Range<u64> = 0..40;

/// What the runs were made with; capitals begin the names of whole groups of options.
const NOT_WITH_MERGE: &str = "shard device jobs Length Protocol dataset data_dir split transpose \
                              invert stretch classes train_range test_range";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Seeds A to B - 1 [default: 0..40; with --merge those that are there]
    #[arg(long, value_name = "A..B", value_parser = seed_range, allow_hyphen_values = true)]
    #[arg(help_heading = "Seeds")]
    seeds: Option<Range<u64>>,
    /// Do only part I of N parts of the seeds, for example on one of N machines
    #[arg(long, value_name = "I/N", allow_hyphen_values = true)]
    #[arg(help_heading = "Seeds")]
    shard: Option<Shard>,
    /// Run nothing: put together what the parts left in these folders
    #[arg(long, value_name = "DIR", num_args = 1.., requires = "out", help_heading = "Seeds")]
    #[arg(conflicts_with_all = NOT_WITH_MERGE.split(' '))]
    merge: Option<Vec<PathBuf>>,
    /// Device to use: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    #[arg(help_heading = "Machine")]
    device: DeviceChoice,
    /// Runs at once, each on one thread; the numbers do not depend on it [default: the cores this
    /// process may use; on a GPU 1]
    #[arg(long, value_name = "N", value_parser = threads(), allow_negative_numbers = true)]
    #[arg(help_heading = "Machine")]
    jobs: Option<NonZeroUsize>,
    #[command(flatten, next_help_heading = "Training")]
    length: Length,
    #[command(flatten)]
    protocol: Protocol,
    #[command(flatten, next_help_heading = "Data")]
    images: ImageOptions,
    /// Folder for the runs and what is made of them; runs that are there are not made again
    /// [default: runs/reproduce-flux, or what --init says]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Compare this accuracy.csv with the runs, in the article's place
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    compare: Option<PathBuf>,
    /// Print nothing but errors
    #[arg(long, short, help_heading = "Output")]
    quiet: bool,
}

/// One of several parts of the seeds: every `of`-th one, from the `part`-th one on.
#[derive(Debug, Clone, Copy)]
struct Shard {
    part: usize,
    of: usize,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/');
        let shard = numbers.and_then(|(part, of)| {
            let (part, of) = (part.parse().ok()?, of.parse().ok()?);
            (1..=of).contains(&part).then_some(Self { part, of })
        });
        shard.ok_or_else(|| "I/N with I from 1 to N is expected".to_owned())
    }
}

/// Seeds A to B - 1.
fn seed_range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..");
    let range = ends.and_then(|(from, to)| Some(from.parse::<u64>().ok()?..to.parse().ok()?));
    range
        .filter(|range| !range.is_empty() && range.end - range.start <= 1_000_000)
        .ok_or_else(|| {
            "A..B with A below B, whole numbers from 0, at most a million seeds, is expected"
                .to_owned()
        })
}

/// Runs or merges, and writes and prints what follows from the runs.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let reference = match &options.compare {
        Some(path) => Reference::open(path)?,
        None => Reference::article()?,
    };
    let (store, seeds) = match &options.merge {
        Some(folders) => options.merge(folders)?,
        None => options.make(&reference, sources)?,
    };
    if let Some(Shard { part, of }) = options.shard {
        let (seeds, out) = (seeds.len(), store.path().display());
        return options.print(&format!(
            "part {part} of {of}: {seeds} seeds in {out}; when all parts are done, merge them:\n\
             mnist-tch reproduce --merge {out} ... --out DIR\n"
        ));
    }
    let verdict = finish(&store, &seeds, &reference)?;
    options.print(&format!(
        "{}\n{}",
        verdict.text(),
        file_list(store.path(), &store::FILES)
    ))
}

impl Options {
    fn print(&self, text: &str) -> Result<()> {
        if self.quiet { Ok(()) } else { print(text) }
    }

    fn out(&self) -> PathBuf {
        let init = self.protocol.config(&self.length).init.to_possible_value();
        let usual = init.map(|init| format!("runs/reproduce-{}", init.get_name()));
        let out = self.out.clone();
        out.unwrap_or_else(|| usual.unwrap_or_default().into())
    }

    /// Makes the runs that are not there yet. Returns where they are, and this machine's seeds.
    fn make(&self, reference: &Reference, sources: &Sources) -> Result<(SeedStore, BTreeSet<u64>)> {
        let config = self.protocol.config(&self.length);
        let device = select_device(self.device, self.quiet)?;
        let (split, data) = self.images.load(sources, &config, self.quiet)?;
        let schedule = Schedule::new(&config, split.train.len());
        // Before the work and not after it.
        let steps = 1..=schedule.steps();
        let scored: Vec<_> = steps.filter(|&step| schedule.is_scored(step)).collect();
        reference.at(scored.into_iter())?;
        let store = SeedStore::open(&self.out(), &job(&config, &schedule, &data, device)?)?;
        let seeds = self.own_seeds();
        let missing: Vec<u64> = seeds.difference(&store.seeds()?).copied().collect();
        let (all, steps) = (seeds.len(), schedule.steps());
        let progress = SeedsProgress::new(all, missing.len(), steps, self.quiet);
        let progress = Mutex::new(progress);
        let on_cpu = device.is_cpu();
        let usual = if on_cpu { cores() } else { NonZeroUsize::MIN };
        let jobs = self.jobs.unwrap_or(usual);
        let stopped = || format!("stopped; complete runs stay in {}", store.path().display());
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
        let made = many_seeds(&config, missing, &split, device, jobs, report);
        made.with_context(stopped)?;
        Ok((store, seeds))
    }

    /// The seeds of this machine's part, or all of them.
    fn own_seeds(&self) -> BTreeSet<u64> {
        let Shard { part, of } = self.shard.unwrap_or(Shard { part: 1, of: 1 });
        let seeds = self.seeds.clone().unwrap_or(SEEDS);
        seeds.skip(part - 1).step_by(of).collect()
    }

    /// Takes the runs that other machines left in these folders into one.
    fn merge(&self, folders: &[PathBuf]) -> Result<(SeedStore, BTreeSet<u64>)> {
        let stores = folders.iter().map(|folder| SeedStore::existing(folder));
        let stores = stores.collect::<Result<Vec<_>>>()?;
        let first = stores.first().context("--merge: no folder is named")?;
        let store = SeedStore::open(&self.out(), first.protocol())?;
        for other in &stores {
            store.adopt(other)?;
        }
        let found = store.seeds()?;
        let Some(wanted) = self.seeds.clone() else {
            return Ok((store, found));
        };
        let wanted: BTreeSet<u64> = wanted.collect();
        let missing: Vec<_> = wanted.difference(&found).map(u64::to_string).collect();
        let (number, all) = (missing.len(), wanted.len());
        let shown = missing[..number.min(10)].join(", ");
        let more = if number > 10 { ", ..." } else { "" };
        ensure!(
            number == 0,
            "{number} of {all} seeds are missing ({shown}{more}): run their shards again, \
             then merge"
        );
        Ok((store, wanted))
    }
}

/// What all runs of a folder have in common.
fn job(config: &Config, schedule: &Schedule, data: &DataRecord, device: Device) -> Result<Value> {
    let mut configuration = serde_json::to_value(config)?;
    configuration["eval_every"] = schedule.eval_every().into();
    let mut data = serde_json::to_value(data)?;
    // The first two are not the same for all runs, or change no number; what the images are called
    // and where and in which form they lie may differ among machines.
    for (value, names) in [
        (
            &mut configuration,
            &["seed", "checkpoint_every", "keep"][..],
        ),
        (&mut data, &["name", "location", "reading", "pictures"]),
    ] {
        if let Some(fields) = value.as_object_mut() {
            fields.retain(|name, _| !names.contains(&name.as_str()));
        }
    }
    Ok(json!({
        "format": 1,
        "configuration": configuration,
        "data": data,
        "device": if device.is_cpu() { "cpu" } else { "gpu" },
    }))
}

/// Writes everything that is made of the runs of `seeds`.
fn finish(store: &SeedStore, seeds: &BTreeSet<u64>, reference: &Reference) -> Result<Verdict> {
    let ensemble = Ensemble::gather(seeds.iter().map(|&seed| store.load(seed)))?;
    let init = &store.protocol()["configuration"]["init"];
    let verdict = Verdict::of(&ensemble, reference, init.as_str().unwrap_or("unknown"))?;
    let confusion = &ensemble.confusion;
    let classes = store.protocol()["data"]["classes"].clone();
    let classes: Vec<String> = serde_json::from_value(classes).context("the classes' names")?;
    let heatmap = confusion::heatmap(confusion, ensemble.curves.len(), &classes)?;
    let band = band(&ensemble, reference, &verdict)?;
    store.write(store::CURVES_CSV, &tables::curves_csv(&ensemble)?)?;
    store.write(store::SEEDS_CSV, &tables::seeds_csv(&ensemble)?)?;
    store.write(store::TIMINGS_CSV, &tables::timings_csv(&ensemble)?)?;
    store.write(store::BAND_PNG, &band)?;
    store.write(CONFUSION_PNG, &heatmap)?;
    // Last, because it says that the rest is complete.
    store.write(store::VERDICT, json(&verdict)?.as_bytes())?;
    Ok(verdict)
}

#[cfg(test)]
mod tests;
