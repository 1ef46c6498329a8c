//! Which libtorch the program loads, and its note about one of another version.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use assert_cmd::Command;

#[test]
fn the_program_keeps_to_its_libtorch_and_notes_one_of_another_version() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let run = |line: &str, name: &str, value: &Path| {
        let mut command = Command::cargo_bin("mnist-tch").unwrap();
        command.args(line.split(' ')).current_dir(&folder);
        let assert = command.env(name, value).assert().success();
        let output = assert.get_output();
        String::from_utf8_lossy(&[&*output.stdout, &output.stderr].concat()).into_owned()
    };
    fs::write(folder.path().join("libtorch_cpu.so"), "not a library").unwrap();
    let devices = run("devices", "LD_LIBRARY_PATH", folder.path());
    let mut lines = devices.lines();
    let lib = lines.find_map(|line| line.strip_prefix("path")).unwrap();
    let lib = Path::new(lib.trim());

    let other = folder.path().join("other/torch/lib");
    fs::create_dir_all(&other).unwrap();
    let [own, library] = [lib, &other].map(|folder| folder.join("libtorch_cpu.so"));
    // A link if possible: the file is large.
    let copy = |_| fs::copy(&own, &library).map(drop);
    fs::hard_link(&own, &library).or_else(copy).unwrap();
    // The library looks for the CUDA libraries relative to its own folder.
    symlink(lib.join("../../nvidia"), other.join("../../nvidia")).unwrap();
    let version = other.with_file_name("version.py");
    fs::write(&version, "__version__ = '2.12.1+cpu'\n").unwrap();
    let loaded = format!("libtorch 2.12.1 in {} is loaded", other.display());
    let devices = run("devices", "LD_PRELOAD", &library);
    for phrase in [&loaded, "libtorch    2.12.1+cpu", lib.to_str().unwrap()] {
        assert!(devices.contains(phrase), "{phrase}: {devices}");
    }
    let train = "--device cpu --epochs 1 --train-range ..100 --test-range ..10 --out";
    let text = run(&format!("{train} noted"), "LD_PRELOAD", &library);
    assert!(text.contains(&format!("note: {loaded}")), "{text}");

    // No note about a libtorch of the right version, wherever it is.
    let right = format!("__version__ = '{}'\n", env!("LIBTORCH_VERSION"));
    fs::write(&version, right).unwrap();
    let text = run(&format!("{train} same"), "LD_PRELOAD", &library);
    assert!(!text.contains("note"), "{text}");
}
