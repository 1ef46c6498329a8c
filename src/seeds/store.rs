//! The folder of a sweep over seeds: a file a seed, which appears whole or not at all, and what
//! all have in common.
//!
//! `protocol.json` says which job it is, `seeds/N.json` is seed N's run. Everything else in the
//! folder follows from these, so a sweep can be stopped at any moment and shared among machines.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::runner::SeedRun;
use crate::report::json;
use crate::report::run_dir::{self, RunDir};

const PROTOCOL: &str = "protocol.json";
const SEEDS: &str = "seeds";

/// The accuracy of every seed after every scored step.
pub(crate) const CURVES_CSV: &str = "curves.csv";
/// The accuracy of every seed at each epoch's end.
pub(crate) const SEEDS_CSV: &str = "seeds.csv";
/// How long every seed took.
pub(crate) const TIMINGS_CSV: &str = "timings.csv";
pub(crate) const BAND_PNG: &str = "band.png";
pub(crate) const VERDICT: &str = "verdict.json";

/// Everything that is made of the seeds, in the order in which people look for it.
pub(crate) const FILES: [&str; 6] = [
    VERDICT,
    BAND_PNG,
    run_dir::CONFUSION_PNG,
    CURVES_CSV,
    SEEDS_CSV,
    TIMINGS_CSV,
];

/// The folder of a sweep.
#[derive(Debug)]
pub(crate) struct SeedStore {
    folder: RunDir,
    seeds: RunDir,
    protocol: Value,
}

impl SeedStore {
    /// Makes the folder `path` for a sweep of `protocol`, or goes on in one of the same protocol.
    pub(crate) fn open(path: &Path, protocol: &Value) -> Result<Self> {
        let shown = path.display();
        if path.join(PROTOCOL).exists() {
            let store = Self::existing(path)?;
            if let Some(difference) = difference("", &store.protocol, protocol) {
                bail!("{shown} holds runs of another job ({difference}): choose another --out");
            }
            return Ok(store);
        }
        let others = FILES.iter().chain(&run_dir::FILES);
        if let Some(name) = others.into_iter().find(|name| path.join(name).exists()) {
            bail!("{shown} holds other results ({name}): choose another --out");
        }
        let store = Self::at(path, protocol.clone())?;
        let text = json(protocol)?;
        store.folder.write(PROTOCOL, text.as_bytes())?;
        Ok(store)
    }

    /// Opens the folder of a sweep that has begun.
    pub(crate) fn existing(path: &Path) -> Result<Self> {
        let file = path.join(PROTOCOL);
        let text = fs::read(&file).with_context(|| {
            let shown = path.display();
            format!("{shown} is no folder of mnist-tch reproduce: cannot read {PROTOCOL}")
        })?;
        let protocol = serde_json::from_slice(&text);
        let protocol = protocol.with_context(|| format!("{} is damaged", file.display()))?;
        Self::at(path, protocol)
    }

    fn at(path: &Path, protocol: Value) -> Result<Self> {
        Ok(Self {
            folder: RunDir::shared(path)?,
            seeds: RunDir::shared(&path.join(SEEDS))?,
            protocol,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn protocol(&self) -> &Value {
        &self.protocol
    }

    /// The seeds whose runs are there.
    pub(crate) fn seeds(&self) -> Result<BTreeSet<u64>> {
        let path = self.seeds.path();
        let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = entries.with_context(|| format!("cannot read {}", path.display()))?;
        let seed = |entry: &fs::DirEntry| {
            let name = entry.file_name().into_string().ok()?;
            let seed = name.strip_suffix(".json")?.parse().ok()?;
            (file_name(seed) == name).then_some(seed)
        };
        Ok(entries.iter().filter_map(seed).collect())
    }

    /// One seed's run.
    pub(crate) fn load(&self, seed: u64) -> Result<SeedRun> {
        let path = self.seeds.path().join(file_name(seed));
        let read = || -> Result<SeedRun> {
            let run: SeedRun = serde_json::from_slice(&fs::read(&path)?)?;
            ensure!(run.seed == seed, "it is seed {}", run.seed);
            run.check()?;
            Ok(run)
        };
        read().with_context(|| {
            let shown = path.display();
            format!("cannot use {shown}: remove it, and its seed is run again")
        })
    }

    /// Keeps a seed's run.
    pub(crate) fn save(&self, run: &SeedRun) -> Result<()> {
        let text = serde_json::to_string(run)? + "\n";
        self.seeds.write(&file_name(run.seed), text.as_bytes())
    }

    /// Takes over the runs of `other` that are not here yet.
    pub(crate) fn adopt(&self, other: &Self) -> Result<()> {
        let (here, there) = (self.path().display(), other.path().display());
        if let Some(difference) = difference("", &other.protocol, &self.protocol) {
            bail!("{there} holds runs of another job than {here} ({difference})");
        }
        let own = self.seeds()?;
        // A GPU's last digits, and by them whole runs, differ from one time to the next.
        let is_exact = self.protocol["device"] != "gpu";
        for seed in other.seeds()? {
            let run = other.load(seed)?;
            if !own.contains(&seed) {
                self.save(&run)?;
            } else if is_exact && !run.agrees_with(&self.load(seed)?) {
                bail!("seed {seed} in {there} has other numbers than in {here}");
            }
        }
        Ok(())
    }

    /// Writes one of [`FILES`].
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        self.folder.write(name, bytes)
    }
}

fn file_name(seed: u64) -> String {
    format!("{seed}.json")
}

/// The first place at which two JSON values differ, for people; `None` where they are the same.
fn difference(place: &str, there: &Value, here: &Value) -> Option<String> {
    if let (Value::Object(one), Value::Object(other)) = (there, here) {
        let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        return keys.into_iter().find_map(|key| {
            let place = if place.is_empty() {
                key.clone()
            } else {
                format!("{place}.{key}")
            };
            difference(&place, &there[key], &here[key])
        });
    }
    (there != here).then(|| format!("{place}: {there} there, {here} here"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tempfile::tempdir;

    // A folder that is stopped, shared and merged: tests/reproduce.rs; damaged files of seeds:
    // src/commands/train/tests.rs.
    #[test]
    fn foreign_files_are_no_seeds_and_a_folder_with_other_results_is_refused() {
        let folder = tempdir().unwrap();
        let store = SeedStore::open(folder.path(), &json!({})).unwrap();
        let path = |name: &str| folder.path().join(SEEDS).join(name);
        for name in [".5.json.77.partial", "05.json", "x.json", "5.txt"] {
            fs::write(path(name), "{").unwrap();
        }
        assert!(store.seeds().unwrap().is_empty());
        fs::remove_file(folder.path().join(PROTOCOL)).unwrap();
        fs::write(folder.path().join(run_dir::ACCURACY_CSV), "").unwrap();
        let error = SeedStore::open(folder.path(), &json!({})).unwrap_err();
        assert!(error.to_string().contains("(accuracy.csv)"), "{error}");
    }
}
