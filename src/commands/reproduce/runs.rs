//! Runs to make here.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Options, Run, Shard};
use crate::commands::progress::SweepProgress;
use crate::commands::{print, select_device};
use crate::learn::config::Config;
use crate::learn::device::{Device, cores};
use crate::learn::schedule::Schedule;
use crate::learn::sweep::{Event, Sweep};
use crate::report::comparison::reference::Reference;
use crate::report::folders::seed_store::SeedStore;
use crate::report::tables::summary::Data;

/// Makes the runs that are not there yet. `None` where this machine had only a part to do.
///
/// # Errors
/// When data, device or folder cannot be used, the `reference` cannot be compared with such runs, or a run fails.
pub fn make(
    run: &Run,
    reference: &Reference,
    options: &Options,
) -> Result<Option<(SeedStore, BTreeSet<u64>)>> {
    let device = select_device(run.device, options.quiet)?;
    let (split, data) = run.images.load(run.config.batch_size, options.quiet)?;
    let schedule = Schedule::new(&run.config, split.train.len());
    // Before the work and not after it.
    let scored: Vec<usize> = (1..=schedule.steps())
        .filter(|&step| schedule.is_scored(step))
        .collect();
    reference.at(scored.into_iter())?;
    let protocol = protocol(&run.config, &schedule, &data, device)?;
    let store = SeedStore::open(&options.out, &protocol)?;
    let seeds = own_seeds(run);
    let missing: Vec<u64> = seeds.difference(&store.seeds()?).copied().collect();
    let mut progress = SweepProgress::new(seeds.len(), &missing, schedule.steps(), options.quiet);
    let stopped = || format!("stopped; complete runs stay in {}", options.out.display());
    for event in Sweep::start(&run.config, missing, split, device, jobs(run, device))? {
        match event.with_context(stopped)? {
            Event::Step => progress.step(),
            Event::Run(run) => {
                store.save(&run)?;
                progress.run(&run);
            }
        }
    }
    progress.finish();
    let Some(shard) = run.shard else {
        return Ok(Some((store, seeds)));
    };
    if !options.quiet {
        print(&shard_text(shard, seeds.len(), options))?;
    }
    Ok(None)
}

/// The seeds of this machine's part, or all of them.
fn own_seeds(run: &Run) -> BTreeSet<u64> {
    let seeds = run.seeds.clone().enumerate();
    let is_own = |&(place, _): &(usize, u64)| run.shard.is_none_or(|shard| shard.holds(place));
    seeds.filter(is_own).map(|(_, seed)| seed).collect()
}

/// Runs at once: what was asked for, else one for each core that may be used, or one on a GPU.
fn jobs(run: &Run, device: Device) -> NonZeroUsize {
    let usual = || {
        if device.is_cpu() {
            cores()
        } else {
            NonZeroUsize::MIN
        }
    };
    run.jobs.unwrap_or_else(usual)
}

fn shard_text(Shard { part, of }: Shard, seeds: usize, options: &Options) -> String {
    let out = options.out.display();
    format!(
        "part {part} of {of}: {seeds} seeds in {out}; when all parts are done, merge them:\n\
         mnist-tch reproduce --merge {out} ... --out DIR\n"
    )
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
        fields.remove("location");
    }
    Ok(json!({
        "format": 1,
        "configuration": configuration,
        "data": data,
        "device": if device.is_cpu() { "cpu" } else { "gpu" },
    }))
}
