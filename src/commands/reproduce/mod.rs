//! `mnist-tch reproduce`: the same job for many seeds, and whether a curve is one of them.
//!
//! Every seed's run is kept as soon as it is complete; everything else is made of what is kept. So it
//! can be stopped at any moment and started again, and several machines can share the work.

mod merge;
mod runs;

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::images::ImageOptions;
use crate::learn::config::Config;
use crate::learn::device::Choice;
use crate::report::comparison::ensemble::Ensemble;
use crate::report::comparison::reference::Reference;
use crate::report::comparison::verdict::Verdict;
use crate::report::figures::{band, heatmap};
use crate::report::folders::run_dir::CONFUSION_PNG;
use crate::report::folders::seed_store::{self, SeedStore};
use crate::report::tables;

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
    pub images: ImageOptions,
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
            let Some(made) = runs::make(run, &reference, options)? else {
                return Ok(());
            };
            made
        }
        Task::Merge { folders, seeds } => merge::merge(folders, seeds.as_ref(), &options.out)?,
    };
    let verdict = finish(&store, &seeds, &reference)?;
    if options.quiet {
        return Ok(());
    }
    super::print(&result_text(&verdict, store.path()))
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
