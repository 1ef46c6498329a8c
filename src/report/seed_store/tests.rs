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
