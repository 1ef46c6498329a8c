//! What is installed, replaced and kept when set-up runs once more; and what the program says of a
//! libtorch that it was not built with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::project::{DRIVER, Project, Said, holds, pinned};

#[test]
fn a_second_call_installs_nothing_and_needs_neither_pip_nor_room() {
    let project = Project::new();
    let own = format!("LIBTORCH={}", project.path("libtorch/torch").display());
    project.setup("", &own).succeeded("fetching");
    let missing = ["python3", "flock", "getconf"];
    let project = missing.into_iter().fold(project, Project::without);
    let again = format!("{DRIVER} ; STUB_FREE_MB=0 ; {own}/../torch/");
    let second = project.setup("", &again);
    second.succeeded("(CPU set) is ready in libtorch/");
    assert_eq!(second.err.lines().count(), 1, "{second:?}");
    assert_eq!(project.calls("pip").len(), 1);
}

#[test]
fn a_set_of_another_version_or_machine_or_without_its_libraries_is_replaced() {
    let version = pinned("LIBTORCH_VERSION");
    for (now, before) in [(version.as_str(), "1.0.0"), ("x86_64", "s390x"), ("", "")] {
        let project = Project::new();
        project.setup("", "").succeeded("");
        let marker = "libtorch/made-by-setup";
        project.write(marker, &project.read(marker).replacen(now, before, 1));
        project.write("libtorch/torch/from-the-old-set", "");
        if now.is_empty() {
            fs::remove_dir_all(project.path("libtorch/torch/lib")).unwrap();
        }
        project.setup("", "").succeeded("fetching ; is ready");
        assert!(!project.path("libtorch/torch/from-the-old-set").exists());
        assert_eq!(project.installed().unwrap(), "cpu set");
    }
}

#[test]
fn a_libtorch_folder_on_a_disk_that_is_not_there_is_not_replaced() {
    let project = Project::new();
    symlink("/a disk that is not plugged in", project.path("libtorch")).unwrap();
    project.setup("", "").failed("not made by this script");
    assert!(project.path("libtorch").is_symlink());
}

#[test]
fn a_cpu_set_is_upgraded_only_when_asked_and_torch_is_not_fetched_again() {
    let project = Project::new();
    let setup = |words, phrase| project.setup(words, DRIVER).succeeded(phrase);
    setup("--cpu", "(CPU set) is ready");
    let library = "libtorch/torch/lib/libtorch_cpu.so";
    let before = project.read(library);
    // What the CPU set holds of the CUDA libraries may be of another version.
    project.write("libtorch/nvidia/from-the-cpu-set", "");
    setup("", "(CPU set) is ready");
    let offline = format!("{DRIVER} ; STUB_INSTALL=no-network");
    let said = project.setup("--cuda", &offline);
    said.failed("could not be reached");
    assert_eq!(project.installed().unwrap(), "cpu set");
    setup("--cuda", "(CUDA set) is ready");
    assert_eq!(project.installed().unwrap(), "cuda set");
    assert!(!project.path("libtorch/nvidia/from-the-cpu-set").exists());
    // Elsewhere cp makes no hard links.
    if cfg!(target_os = "linux") {
        assert_eq!(project.read(library), before);
        holds(&project.calls("pip")[1..].concat().join(" "), "!torch==");
    }
    setup("--cpu", "(CUDA set) is ready");
}

#[test]
fn help_is_printed() {
    let help = Project::new().setup("--help", "");
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.starts_with("usage: scripts/setup.sh"), "{help:?}");
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_keeps_to_its_libtorch_and_tells_when_another_version_comes_in_all_the_same() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = |line: &str, name: &str, value: &Path| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mnist-tch"));
        program.args(line.split(' ')).current_dir(&folder);
        let said = Said::new(&program.env(name, value).output().unwrap());
        assert_eq!(said.code, Some(0), "{said:?}");
        said
    };
    fs::write(folder.path().join("libtorch_cpu.so"), "of another version").unwrap();
    let devices = program("devices", "LD_LIBRARY_PATH", folder.path());
    let path = |line: &str| line.strip_prefix("path").map(|path| path.trim().to_owned());
    let lib = devices.out.lines().find_map(path).unwrap();

    let other = folder.path().join("other/torch/lib");
    fs::create_dir_all(&other).unwrap();
    let (own, library) = (Path::new(&lib), other.join("libtorch_cpu.so"));
    // A link if that can be: the file is large.
    let own_library = own.join("libtorch_cpu.so");
    let linked = fs::hard_link(&own_library, &library);
    linked
        .or_else(|_| fs::copy(&own_library, &library).map(drop))
        .unwrap();
    // What it needs in turn is looked for from where it lies.
    symlink(own.join("../../nvidia"), folder.path().join("other/nvidia")).unwrap();
    let version = other.with_file_name("version.py");
    fs::write(&version, "__version__ = '2.12.1+cpu'\n").unwrap();
    let loaded = format!("libtorch 2.12.1 in {} is loaded", other.display());
    let said = program("devices", "LD_PRELOAD", &library);
    holds(
        &said.out,
        &format!("{loaded} ; built with  {lib} ; libtorch    2.12.1+cpu"),
    );
    let run = "--device cpu --epochs 1 --train-range ..100 --test-range ..10 --out";
    let said = program(&format!("{run} told"), "LD_PRELOAD", &library);
    holds(&said.err, &format!("note: {loaded}"));
    // The right version is not worth a word, wherever it lies.
    let right = format!("__version__ = '{}'\n", pinned("LIBTORCH_VERSION"));
    fs::write(&version, right).unwrap();
    let said = program(&format!("{run} same"), "LD_PRELOAD", &library);
    holds(&said.err, "!note");
}
