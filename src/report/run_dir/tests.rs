use super::*;
use std::io::Write;
use tempfile::tempdir;

#[test]
fn results_are_refused_without_force_and_only_they_are_replaced() {
    let folder = tempdir().unwrap();
    let run = RunDir::create(folder.path(), false).unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    drop(run);
    for (name, hint) in [
        (MODEL, "(model.safetensors)"),
        (CHECKPOINT, "--resume"),
        (SUMMARY, "holds the results of a run"),
    ] {
        RunDir::open(folder.path())
            .unwrap()
            .write(name, b"{}")
            .unwrap();
        let error = RunDir::create(folder.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains(hint) && error.contains("--force"), "{error}");
        assert!(folder.path().join(name).exists());
    }
    RunDir::create(folder.path(), true).unwrap();
    for name in [MODEL, CHECKPOINT, SUMMARY] {
        assert!(!folder.path().join(name).exists());
    }
    assert_eq!(
        fs::read_to_string(folder.path().join("notes.txt")).unwrap(),
        "mine"
    );
}

#[test]
fn a_folder_without_results_may_hold_other_things() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    RunDir::create(folder.path(), false).unwrap();
}

#[test]
fn a_file_is_not_a_folder() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = RunDir::create(&file, true).unwrap_err().to_string();
    assert!(error.contains("is a file"), "{error}");
}

#[test]
fn runs_of_the_same_second_get_folders_of_their_own() {
    let folder = tempdir().unwrap();
    let parent = folder.path().join("runs");
    let names = [(); 3].map(|()| {
        let run = RunDir::create_new(&parent, "now").unwrap();
        run.path().strip_prefix(&parent).unwrap().to_owned()
    });
    assert_eq!(
        names.map(PathBuf::into_os_string),
        ["now", "now-2", "now-3"]
    );
}

#[test]
fn files_appear_whole_and_leave_nothing_beside_them() {
    let folder = tempdir().unwrap();
    let run = RunDir::create(folder.path(), false).unwrap();
    run.write(MODEL, b"one").unwrap();
    run.write(MODEL, b"two").unwrap();
    let names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [MODEL]);
    assert_eq!(fs::read(folder.path().join(MODEL)).unwrap(), b"two");
    fs::remove_dir_all(folder.path()).unwrap();
    let error = run.write(MODEL, b"three").unwrap_err().to_string();
    assert!(error.starts_with("cannot write"), "{error}");
}

#[test]
fn a_growing_file_goes_on_where_it_ended() {
    let folder = tempdir().unwrap();
    let run = RunDir::create(folder.path(), false).unwrap();
    assert!(run.append(ACCURACY_CSV).is_err(), "it is not there");
    run.write(ACCURACY_CSV, b"one\n").unwrap();
    run.append(ACCURACY_CSV)
        .unwrap()
        .write_all(b"two\n")
        .unwrap();
    let text = run.read(ACCURACY_CSV).unwrap().unwrap();
    assert_eq!(text, b"one\ntwo\n");
}

#[cfg(unix)]
#[test]
fn only_one_works_in_a_folder() {
    let folder = tempdir().unwrap();
    let run = RunDir::create(folder.path(), false).unwrap();
    for other in [
        RunDir::open(folder.path()),
        RunDir::create(folder.path(), true),
    ] {
        let error = other.unwrap_err().to_string();
        assert!(error.contains("another process"), "{error}");
    }
    drop(run);
    RunDir::open(folder.path()).unwrap();
}
