use super::*;
use std::io::Write;
use tempfile::{TempDir, tempdir};

/// A folder with a file of the user's, and the same as the folder of a run.
fn run() -> (TempDir, RunDir) {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    let run = RunDir::create(folder.path(), false).unwrap();
    (folder, run)
}

fn refused(opened: Result<RunDir>) -> String {
    opened.unwrap_err().to_string()
}

#[test]
fn results_are_refused_without_force_and_only_they_are_replaced() {
    let (folder, run) = run();
    drop(run);
    for (name, hint) in [
        (MODEL, "(model.safetensors)"),
        (CHECKPOINT, "--resume"),
        (SUMMARY, "holds the results of a run"),
    ] {
        fs::write(folder.path().join(name), "{}").unwrap();
        let error = refused(RunDir::create(folder.path(), false));
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
fn a_file_is_not_a_folder() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for opened in [
        RunDir::create(&file, true),
        RunDir::beside(&file, &[], true),
        RunDir::open(&file),
    ] {
        let error = refused(opened);
        assert!(error.contains("is a file"), "{error}");
    }
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

#[test]
fn files_appear_whole_and_leave_nothing_beside_them() {
    let (folder, run) = run();
    fs::remove_file(folder.path().join("notes.txt")).unwrap();
    run.write(MODEL, b"one").unwrap();
    run.write(MODEL, b"two").unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert_eq!(run.read(MODEL).unwrap().unwrap(), b"two");
    fs::remove_dir_all(folder.path()).unwrap();
    let error = run.write(MODEL, b"three").unwrap_err().to_string();
    assert!(error.starts_with("cannot write"), "{error}");
}

#[test]
fn a_growing_file_goes_on_where_it_ended() {
    let (_folder, run) = run();
    assert!(run.append(ACCURACY_CSV).is_err(), "it is not there");
    run.write(ACCURACY_CSV, b"one\n").unwrap();
    let mut file = run.append(ACCURACY_CSV).unwrap();
    file.write_all(b"two\n").unwrap();
    assert_eq!(run.read(ACCURACY_CSV).unwrap().unwrap(), b"one\ntwo\n");
}

#[cfg(unix)]
#[test]
fn only_one_works_in_a_folder() {
    let (folder, run) = run();
    let path = folder.path();
    for other in [RunDir::open(path), RunDir::create(path, true)] {
        let error = refused(other);
        assert!(error.contains("another process"), "{error}");
    }
    drop(run);
    RunDir::open(path).unwrap();
}
