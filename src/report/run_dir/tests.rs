use super::*;
use tempfile::tempdir;

#[test]
fn results_are_refused_without_force_and_only_they_are_replaced() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    for (name, hint) in [
        (MODEL, "(model.safetensors)"),
        (CHECKPOINT, "--resume"),
        (SUMMARY, "holds the results of a run"),
    ] {
        fs::write(folder.path().join(name), "{}").unwrap();
        let error = RunDir::create(folder.path(), false).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(hint) && error.contains("--force"), "{error}");
        assert!(folder.path().join(name).exists());
    }
    let run = RunDir::create(folder.path(), true).unwrap();
    for name in [MODEL, CHECKPOINT, SUMMARY] {
        assert!(run.read(name).unwrap().is_none(), "{name}");
    }
    assert_eq!(run.read("notes.txt").unwrap().unwrap(), b"mine");
}

#[test]
fn runs_of_the_same_second_get_folders_of_their_own() {
    let folder = tempdir().unwrap();
    let parent = folder.path().join("runs");
    let run = || RunDir::create_new(&parent, "now").unwrap().path;
    for name in ["now", "now-2", "now-3"] {
        assert_eq!(run(), parent.join(name));
    }
}
