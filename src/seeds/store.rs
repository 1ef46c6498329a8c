//! The folder of many runs of the same job. Several processes may write to it at once.
//!
//! `protocol.json` says which job it is, and `seeds/N.json` is the complete run of seed N.
//! Everything else in the folder is derived from these files, so the work can be interrupted at any
//! time and divided among processes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::runner::SeedRun;
use crate::data::{DataRecord, files};
use crate::learn::{Config, Device, Schedule};
use crate::report::run_dir::{self, RunDir};

const PROTOCOL: &str = "protocol.json";
const SEEDS: &str = "seeds";

/// The accuracy of every seed after every scored step.
pub(crate) const CURVES_CSV: &str = "curves.csv";
/// The accuracy of every seed at each epoch's end.
pub(crate) const SEEDS_CSV: &str = "seeds.csv";
/// The duration of every seed's run.
pub(crate) const TIMINGS_CSV: &str = "timings.csv";
pub(crate) const BAND_PNG: &str = "band.png";
pub(crate) const VERDICT: &str = "verdict.json";

/// The files derived from the runs, in display order.
pub(crate) const FILES: [&str; 6] = [
    VERDICT,
    BAND_PNG,
    run_dir::CONFUSION_PNG,
    CURVES_CSV,
    SEEDS_CSV,
    TIMINGS_CSV,
];

/// The folder of many runs.
#[derive(Debug)]
pub(crate) struct SeedStore {
    pub folder: RunDir,
    seeds: RunDir,
}

impl SeedStore {
    /// Opens the folder `path` for runs of `protocol`, or creates it. A folder with runs of another
    /// protocol, or with other results, is refused.
    pub(crate) fn open(path: &Path, protocol: &Value) -> Result<Self> {
        let folder = RunDir::shared(path)?;
        let (shown, file) = (path.display(), path.join(PROTOCOL));
        if !file.exists() {
            let mut results = FILES.iter().chain(&run_dir::FILES);
            if let Some(name) = results.find(|name| path.join(name).exists()) {
                bail!("{shown} holds other results ({name}): choose another --out");
            }
            let text = crate::report::json(protocol)?;
            let is_taken = |error: &anyhow::Error| {
                let kind = error.downcast_ref().map(io::Error::kind);
                kind == Some(ErrorKind::AlreadyExists)
            };
            // If several processes start at once, one creates the file and all compare with it.
            match files::write(&file, text.as_bytes(), false) {
                Err(error) if !is_taken(&error) => return Err(error),
                _ => {}
            }
        }
        let read = || -> Result<Value> { Ok(serde_json::from_slice(&fs::read(&file)?)?) };
        let found = read().with_context(|| {
            let file = file.display();
            format!("cannot use {file}: choose another --out, or remove this folder")
        })?;
        if let Some(difference) = difference("", &found, protocol) {
            bail!("{shown} holds runs of another job ({difference}): choose another --out");
        }
        let seeds = RunDir::shared(&path.join(SEEDS))?;
        Ok(Self { folder, seeds })
    }

    /// The seeds with complete runs.
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

    /// Reads the run of a seed.
    pub(crate) fn load(&self, seed: u64) -> Result<SeedRun> {
        let path = self.seeds.path().join(file_name(seed));
        let read = || -> Result<SeedRun> {
            let run: SeedRun = serde_json::from_slice(&fs::read(&path)?)?;
            ensure!(run.seed == seed, "it holds seed {}", run.seed);
            run.check()?;
            Ok(run)
        };
        read().with_context(|| {
            let shown = path.display();
            format!("cannot use {shown}: remove it to run this seed again")
        })
    }

    /// Writes the run of a seed.
    pub(crate) fn save(&self, run: &SeedRun) -> Result<()> {
        let text = serde_json::to_string(run)? + "\n";
        self.seeds.write(&file_name(run.seed), text.as_bytes())
    }
}

fn file_name(seed: u64) -> String {
    format!("{seed}.json")
}

/// What all runs of a folder have in common.
pub(crate) fn protocol(
    config: &Config,
    schedule: &Schedule,
    data: &DataRecord,
    device: Device,
) -> Result<Value> {
    let mut configuration = serde_json::to_value(config)?;
    configuration["eval_every"] = schedule.eval_every().into();
    let mut data = serde_json::to_value(data)?;
    // The seed differs from run to run, and the other settings do not affect results. Machines may
    // keep the same images in different places and formats.
    for (value, names) in [
        (
            &mut configuration,
            &["seed", "checkpoint_every", "keep"][..],
        ),
        (
            &mut data,
            &["name", "location", "reading", "pictures", "preparation"],
        ),
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

/// Describes the first difference between two JSON values below `path`; `None` if they are equal.
fn difference(path: &str, there: &Value, here: &Value) -> Option<String> {
    if let (Value::Object(one), Value::Object(other)) = (there, here) {
        let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
        return keys.into_iter().find_map(|key| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            difference(&path, &there[key], &here[key])
        });
    }
    (there != here).then(|| format!("{path}: {there} there, {here} here"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use serde_json::json;
    use tempfile::tempdir;

    use super::*;

    // Interrupted and shared folders: tests/reproduce.rs. Damaged files: src/seeds/tests.rs.
    #[test]
    fn foreign_files_are_no_seeds_and_a_folder_with_other_results_is_refused() {
        let folder = tempdir().unwrap();
        let store = SeedStore::open(folder.path(), &json!({})).unwrap();
        let path = |name: &str| folder.path().join(SEEDS).join(name);
        for name in [".mnist-tch-a5.json", "05.json", "x.json", "5.txt"] {
            fs::write(path(name), "{").unwrap();
        }
        assert!(store.seeds().unwrap().is_empty());
        fs::remove_file(folder.path().join(PROTOCOL)).unwrap();
        fs::write(folder.path().join(run_dir::ACCURACY_CSV), "").unwrap();
        let error = SeedStore::open(folder.path(), &json!({})).unwrap_err();
        assert!(error.to_string().contains("(accuracy.csv)"), "{error}");
    }

    #[test]
    fn of_two_jobs_that_start_into_one_new_folder_one_is_refused() {
        for _ in 0..50 {
            let folder = tempdir().unwrap();
            let outcomes = thread::scope(|scope| {
                let open = |job: u8| SeedStore::open(folder.path(), &json!({ "epochs": job % 2 }));
                let jobs: Vec<_> = (0..4).map(|job| scope.spawn(move || open(job))).collect();
                let outcomes = jobs.into_iter().map(|job| job.join().unwrap());
                outcomes.collect::<Vec<_>>()
            });
            let is_open: Vec<bool> = outcomes.iter().map(Result::is_ok).collect();
            let expected = [[true, false, true, false], [false, true, false, true]];
            assert!(
                expected.contains(&is_open[..].try_into().unwrap()),
                "{is_open:?}"
            );
            for error in outcomes.into_iter().filter_map(Result::err) {
                assert!(
                    error.to_string().contains("another job (epochs: "),
                    "{error:#}"
                );
            }
        }
    }

    #[test]
    fn what_killed_processes_left_is_removed() {
        let folder = tempdir().unwrap();
        let leftovers = [".mnist-tch-one", "seeds/.mnist-tch-two"];
        SeedStore::open(folder.path(), &json!({})).unwrap();
        for name in leftovers {
            fs::write(folder.path().join(name), "half").unwrap();
        }
        SeedStore::open(folder.path(), &json!({})).unwrap();
        let stays = |name: &&str| folder.path().join(name).exists();
        assert!(!leftovers.iter().any(stays));
    }
}
