//! What no line of a table says; and what the program says of a libtorch from elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::project::{Project, check, holds, pinned};

#[test]
fn a_libtorch_folder_on_a_disk_that_is_not_there_is_not_replaced() {
    let project = Project::new();
    symlink("/a disk that is not plugged in", project.path("libtorch")).unwrap();
    project.setup("error: ; not made by this script");
    assert!(project.path("libtorch").is_symlink());
}

#[test]
fn help_is_printed() {
    let project = Project::new();
    let help = project.command("scripts/setup.sh --help", "").output();
    let help = help.unwrap();
    assert!(check(&help, "").is_empty(), "{help:?}");
    assert!(help.stdout.starts_with(b"usage: scripts/setup.sh"));
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_keeps_to_its_libtorch_and_tells_when_another_version_comes_in_all_the_same() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = |line: &str, name: &str, value: &Path| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mnist-tch"));
        program.args(line.split(' ')).current_dir(&folder);
        let output = program.env(name, value).output().unwrap();
        let said = check(&output, "");
        String::from_utf8(output.stdout).unwrap() + &said
    };
    fs::write(folder.path().join("libtorch_cpu.so"), "of another version").unwrap();
    let devices = program("devices", "LD_LIBRARY_PATH", folder.path());
    let path = |line: &str| line.strip_prefix("path").map(|path| path.trim().to_owned());
    let lib = devices.lines().find_map(path).unwrap();

    let other = folder.path().join("other/torch/lib");
    fs::create_dir_all(&other).unwrap();
    let [own, library] = [Path::new(&lib), &other].map(|folder| folder.join("libtorch_cpu.so"));
    // A link if that can be: the file is large.
    let copy = |_| fs::copy(&own, &library).map(drop);
    fs::hard_link(&own, &library).or_else(copy).unwrap();
    // What it needs in turn is looked for from where it lies.
    symlink(format!("{lib}/../../nvidia"), other.join("../../nvidia")).unwrap();
    let version = other.with_file_name("version.py");
    fs::write(&version, "__version__ = '2.12.1+cpu'\n").unwrap();
    let loaded = format!("libtorch 2.12.1 in {} is loaded", other.display());
    let said = program("devices", "LD_PRELOAD", &library);
    holds(&said, &loaded);
    holds(
        &said,
        &format!("built with  {lib} ; libtorch    2.12.1+cpu"),
    );
    let run = "--device cpu --epochs 1 --train-range ..100 --test-range ..10 --out";
    let said = program(&format!("{run} told"), "LD_PRELOAD", &library);
    holds(&said, &format!("note: {loaded}"));
    // The right version is not worth a word, wherever it lies.
    let right = format!("__version__ = '{}'\n", pinned("LIBTORCH_VERSION"));
    fs::write(&version, right).unwrap();
    let said = program(&format!("{run} same"), "LD_PRELOAD", &library);
    holds(&said, "!note");
}
