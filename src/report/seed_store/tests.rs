use super::*;
use crate::report::ensemble::tests::run;
use serde_json::json;
use tempfile::{TempDir, tempdir};

fn protocol() -> Value {
    json!({"configuration": {"epochs": 5, "init": "flux"}, "device": "cpu"})
}

fn store() -> (TempDir, SeedStore) {
    let folder = tempdir().unwrap();
    let store = SeedStore::open(folder.path(), &protocol()).unwrap();
    (folder, store)
}

#[test]
fn runs_come_back_as_they_were_saved() {
    let (folder, store) = store();
    let mut saved = run(17, &[0.1, 2.0 / 3.0]);
    saved.records[0].train_loss = 1.0 / 3.0;
    store.save(&saved).unwrap();
    store.save(&run(3, &[0.5, 0.25])).unwrap();
    let again = SeedStore::open(folder.path(), &protocol()).unwrap();
    assert_eq!(again.seeds().unwrap(), BTreeSet::from([3, 17]));
    assert!(again.load(17).unwrap().agrees_with(&saved));
}

#[test]
fn other_protocols_and_folders_with_other_results_are_refused() {
    let (folder, _) = store();
    let other = json!({"configuration": {"epochs": 5, "init": "glorot"}, "device": "cpu"});
    let error = |opened: Result<SeedStore>| opened.unwrap_err().to_string();
    let found = error(SeedStore::open(folder.path(), &other));
    let expected = r#"(configuration.init: "flux" there, "glorot" here)"#;
    assert!(found.contains(expected), "{found}");
    fs::remove_file(folder.path().join(PROTOCOL)).unwrap();
    fs::write(folder.path().join(run_dir::ACCURACY_CSV), "").unwrap();
    let found = error(SeedStore::open(folder.path(), &protocol()));
    assert!(found.contains("accuracy.csv"), "{found}");
    let found = error(SeedStore::existing(folder.path()));
    assert!(
        found.contains("no folder of mnist-tch reproduce"),
        "{found}"
    );
}

#[test]
fn half_written_and_foreign_files_are_no_seeds_and_damaged_ones_are_errors() {
    let (folder, store) = store();
    let path = |name: &str| folder.path().join(SEEDS).join(name);
    for name in [".5.json.77.partial", "05.json", "x.json", "5.txt"] {
        fs::write(path(name), "{").unwrap();
    }
    assert!(store.seeds().unwrap().is_empty());
    for damaged in ["", "{}", "[1]"] {
        fs::write(path("5.json"), damaged).unwrap();
        let error = format!("{:#}", store.load(5).unwrap_err());
        assert!(error.contains("5.json: remove it"), "{error}");
    }
    store.save(&run(6, &[0.5])).unwrap();
    fs::rename(path("6.json"), path("5.json")).unwrap();
    assert!(format!("{:#}", store.load(5).unwrap_err()).contains("it is seed 6"));
}

#[test]
fn shards_are_merged_and_contradictions_found() {
    let [(_one, one), (_two, two), (_all, all)] = [(); 3].map(|()| store());
    one.save(&run(0, &[0.5, 0.6])).unwrap();
    one.save(&run(1, &[0.4, 0.6])).unwrap();
    let mut slower = run(1, &[0.4, 0.6]);
    slower.seconds = 9.0;
    two.save(&slower).unwrap();
    all.adopt(&one).unwrap();
    all.adopt(&two).unwrap();
    assert_eq!(all.seeds().unwrap(), BTreeSet::from([0, 1]));
    two.save(&run(1, &[0.4, 0.7])).unwrap();
    let error = all.adopt(&two).unwrap_err().to_string();
    assert!(error.contains("seed 1 in"), "{error}");
}
