//! Runs that other machines have made.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::report::folders::seed_store::SeedStore;

/// Takes the runs of all folders into one. Without `seeds` those that are there count.
///
/// # Errors
/// When a folder is none of a sweep, they are of different jobs or contradict each other, or seeds are missing.
pub fn merge(
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
