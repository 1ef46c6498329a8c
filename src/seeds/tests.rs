//! Damaged runs of seeds.

use serde_json::json;
use tempfile::tempdir;

use super::ensemble::Ensemble;
use super::runner::SeedRun;
use super::store::SeedStore;
use crate::train::tests::{mangle, stopped};

#[test]
fn a_damaged_run_of_a_seed_is_refused_or_has_possible_numbers() {
    let folder = tempdir().unwrap();
    let store = SeedStore::open(folder.path(), &json!({})).unwrap();
    let run = stopped();
    let good = SeedRun {
        seed: 5,
        records: run.records,
        confusion: run.confusion.unwrap(),
        seconds: 0.5,
    };
    store.save(&good).unwrap();
    let read = || {
        let run = store.load(5)?;
        assert!((0.0..=1.0).contains(&run.confusion.accuracy()));
        let mut ensemble = Ensemble::default();
        ensemble.add(run.clone()).unwrap();
        ensemble.add(run).unwrap();
        let mut values = ensemble.band().high.into_iter();
        assert!(values.all(|value| (0.0..=1.0).contains(&value)));
        Ok(())
    };
    let file = folder.path().join("seeds/5.json");
    mangle(&file, read);
}
