//! Files that are there before: never fetched when right, never lost when they are the user's.

use std::fs;

use mnist_tch::data::catalog::PublishedFile;
use tempfile::tempdir;

use super::sample::{
    FILES, PATIENT, assert_complete, content, fetch, fetch_with, good, gzip, names,
};

#[test]
fn what_is_there_and_right_is_not_asked_for_again() {
    let server = good();
    let folder = tempdir().unwrap();
    let inner = folder.path().join("a/b");
    assert_eq!(fetch(&[&server], &inner), Ok(2));
    assert_complete(&inner);
    assert_eq!(server.requests().len(), 2);
    assert_eq!(fetch(&[&server], &inner), Ok(0));
    assert_eq!(server.requests().len(), 2);
    fs::remove_file(inner.join("labels.gz")).unwrap();
    assert_eq!(fetch(&[&server], &inner), Ok(1));
    assert!(server.requests()[2].line.ends_with("/set/labels.gz"));
    assert_complete(&inner);
}

#[test]
fn raw_files_and_other_compressions_count_and_nothing_is_written_beside_them() {
    let folder = tempdir().unwrap();
    for file in &*FILES {
        fs::write(folder.path().join(file.name), content(file.name)).unwrap();
    }
    // Nobody is asked: there is no mirror at all.
    assert_eq!(fetch(&[], folder.path()), Ok(0));
    assert_eq!(names(folder.path()), ["images", "labels"]);
}

#[test]
fn a_dot_before_idx_is_another_spelling() {
    let folder = tempdir().unwrap();
    let name = "train-images-idx3-ubyte";
    let file = PublishedFile { name, ..FILES[0] };
    let there = folder.path().join("train-images.idx3-ubyte");
    for bytes in [content("images"), gzip(&content("images"))] {
        let packed = bytes.starts_with(&[0x1f, 0x8b]);
        let path = there.with_extension(if packed {
            "idx3-ubyte.gz"
        } else {
            "idx3-ubyte"
        });
        fs::write(&path, bytes).unwrap();
        let (outcome, _) = fetch_with(&[], folder.path(), &[file], PATIENT, false);
        assert_eq!(outcome, Ok(0), "{}", path.display());
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_wrong_file_is_replaced_in_the_cache_and_refused_in_a_folder_of_the_users() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("images.gz");
    let mine = gzip(b"mine");
    fs::write(&path, &mine).unwrap();
    let server = good();
    let (outcome, _) = fetch_with(&[&server], folder.path(), &*FILES, PATIENT, false);
    let error = outcome.unwrap_err();
    assert!(
        error.contains("images.gz is not the published file") && error.contains("has 4 bytes"),
        "{error}"
    );
    assert_eq!(fs::read(&path).unwrap(), mine);
    assert!(server.requests().is_empty());
    assert_eq!(fetch(&[&server], folder.path()), Ok(2));
    assert_complete(folder.path());
}

#[test]
fn a_wrong_raw_file_is_never_replaced() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("images"), "mine").unwrap();
    let error = fetch(&[&good()], folder.path()).unwrap_err();
    assert!(
        error.contains("images is not the published file"),
        "{error}"
    );
    assert_eq!(names(folder.path()), ["images"]);
}

#[test]
fn a_folder_that_cannot_be_is_no_mirrors_fault() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "mine").unwrap();
    let server = good();
    for path in [file.clone(), file.join("inner")] {
        let error = fetch(&[&server], &path).unwrap_err();
        assert!(error.starts_with("cannot make the folder"), "{error}");
    }
    // A folder stands where the file is to go.
    fs::create_dir(folder.path().join(".images.gz.partial")).unwrap();
    let error = fetch(&[&server], folder.path()).unwrap_err();
    assert!(error.starts_with("cannot write"), "{error}");
    assert!(server.requests().is_empty());
}
