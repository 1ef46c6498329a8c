//! What is installed, replaced and kept.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::project::{Project, Said, pinned};

const DRIVER: (&str, &str) = ("STUB_DRIVER", "580.65.06");

/// The arguments of an installer's call that are no options.
fn requirements(call: &[String]) -> String {
    let words = call.iter().skip_while(|word| *word != "install").skip(1);
    let words: Vec<&str> = words
        .map(String::as_str)
        .filter(|word| !word.starts_with('-'))
        .collect();
    words.join(" ")
}

#[test]
fn the_cuda_set_is_torch_and_the_libraries_that_its_wheel_asks_for() {
    let project = Project::new();
    project.setup("", &[DRIVER]).succeeded(&["CUDA set"]);
    let [wheel, libraries] = &project.calls("pip")[..] else {
        panic!("two calls of pip were due")
    };
    let torch = format!("torch=={}", pinned("LIBTORCH_VERSION"));
    assert_eq!(requirements(wheel), torch);
    // The versions are the wheel's own, with what they need in turn; its Python packages stay away.
    let named = "cuda-toolkit[cublas,cudart]==13.0.3 nvidia-cudnn-cu13==9.20.0.48";
    assert_eq!(requirements(libraries), named);
    assert!(!libraries.iter().any(|word| word == "--no-deps"));
}

#[test]
fn what_the_environment_holds_against_the_set_is_undone_and_where_it_comes_from_stays() {
    let project = Project::new();
    let settings = "PIP_USER=1 PIP_REQUIRE_VIRTUALENV=1 PIP_CONSTRAINT=/etc/constraint.txt \
        PIP_EXTRA_INDEX_URL=http://127.0.0.1/cpu UV_CONSTRAINT=/etc/constraint.txt \
        UV_TORCH_BACKEND=cpu PIP_INDEX_URL=http://127.0.0.1/mirror TMPDIR=/nowhere";
    let pairs: Vec<_> = settings
        .split(' ')
        .filter_map(|pair| pair.split_once('='))
        .collect();
    project.setup("", &pairs).succeeded(&[]);
    let folder = project.path("libtorch.partial/tmp");
    let seen = "user=0 virtualenv=0 constraint=[ ] extra=[ ] uv= index=http://127.0.0.1/mirror";
    let seen = format!("{} {seen}", folder.display());
    assert_eq!(project.calls("settings")[0].join(" "), seen);
}

#[test]
fn a_second_call_installs_nothing_and_needs_neither_pip_nor_room() {
    let project = Project::new();
    let own = project.path("libtorch/torch").display().to_string();
    let again = format!("{own}/../torch/");
    let said = project.setup("", &[("LIBTORCH", &own)]);
    said.succeeded(&["fetching"]);
    let missing = ["python3", "flock", "getconf"];
    let project = missing.into_iter().fold(project, Project::without);
    let second = project.setup("", &[("STUB_FREE_MB", "0"), DRIVER, ("LIBTORCH", &again)]);
    second.succeeded(&["(CPU set) is ready in libtorch/"]);
    assert_eq!(second.err.lines().count(), 1, "{second:?}");
    assert_eq!(project.calls("pip").len(), 1);
}

#[test]
fn a_set_of_another_version_or_machine_or_without_its_libraries_is_replaced() {
    for (now, before) in [
        (pinned("LIBTORCH_VERSION").as_str(), "1.0.0"),
        ("x86_64", "s390x"),
        ("", ""),
    ] {
        let project = Project::new();
        project.setup("", &[]).succeeded(&[]);
        let marker = "libtorch/made-by-setup";
        project.write(marker, &project.read(marker).replacen(now, before, 1));
        project.write("libtorch/torch/from-the-old-set", "");
        if now.is_empty() {
            fs::remove_dir_all(project.path("libtorch/torch/lib")).unwrap();
        }
        project.setup("", &[]).succeeded(&["fetching", "is ready"]);
        assert!(!project.path("libtorch/torch/from-the-old-set").exists());
        assert_eq!(project.installed().unwrap(), "cpu set");
    }
}

#[test]
fn a_libtorch_that_is_not_from_here_is_never_overwritten() {
    let project = Project::new();
    project.write("libtorch/torch/lib/mine", "");
    let said = project.setup("--cuda", &[]);
    said.failed(&["not made by this script", "move it away"]);
    assert!(project.path("libtorch/torch/lib/mine").exists());

    let project = Project::new();
    symlink("/a disk that is not plugged in", project.path("libtorch")).unwrap();
    project.setup("", &[]).failed(&["not made by this script"]);
    assert!(project.path("libtorch").is_symlink());
    assert!(project.calls("pip").is_empty());
}

#[test]
fn a_cpu_set_is_upgraded_only_when_asked_and_torch_is_not_fetched_again() {
    let project = Project::new();
    let setup = |words, phrase| project.setup(words, &[DRIVER]).succeeded(&[phrase]);
    setup("--cpu", "(CPU set) is ready");
    let library = "libtorch/torch/lib/libtorch_cpu.so";
    let before = project.read(library);
    // What the CPU set holds of the CUDA libraries may be of another version.
    project.write("libtorch/nvidia/from-the-cpu-set", "");
    setup("", "(CPU set) is ready");
    let offline = [DRIVER, ("STUB_INSTALL", "no-network")];
    let said = project.setup("--cuda", &offline);
    said.failed(&["could not be reached"]);
    assert_eq!(project.installed().unwrap(), "cpu set");
    setup("--cuda", "(CUDA set) is ready");
    assert_eq!(project.installed().unwrap(), "cuda set");
    assert!(!project.path("libtorch/nvidia/from-the-cpu-set").exists());
    if cfg!(target_os = "linux") {
        assert_eq!(project.read(library), before);
        let mut fetched = project.calls("pip");
        fetched.retain(|call| requirements(call).starts_with("torch=="));
        assert_eq!(fetched.len(), 1);
    }
    setup("--cpu", "(CUDA set) is ready");
}

#[test]
fn a_cargo_that_is_only_off_the_path_is_pointed_out() {
    let project = Project::new().without("cargo");
    let cargo = project.path("../home/.cargo/bin/cargo");
    fs::create_dir_all(cargo.parent().unwrap()).unwrap();
    fs::copy(project.stub("rustc"), cargo).unwrap();
    project
        .setup("", &[])
        .failed(&["not on the PATH", ". ~/.cargo/env"]);
}

#[test]
fn a_cdpath_does_not_lead_the_scripts_astray() {
    let project = Project::new();
    let root = project.path("");
    // `cd scripts/..` looks in the CDPATH first, and prints where it ends up.
    let mut command = project.command("../tools/bash", "scripts/setup.sh");
    let output = command.current_dir(&root).env("CDPATH", &root).output();
    Said::new(&output.unwrap()).succeeded(&[]);
    assert_eq!(project.installed().unwrap(), "cpu set");
}

#[test]
#[cfg(target_os = "linux")]
fn the_program_keeps_to_its_libtorch_whatever_ld_library_path_names() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("libtorch_cpu.so"), "of another version").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_mnist-tch"));
    let output = program
        .env("LD_LIBRARY_PATH", folder.path())
        .arg("devices")
        .output();
    assert_eq!(Said::new(&output.unwrap()).code, Some(0));
}

#[test]
#[cfg(target_os = "linux")]
fn a_libtorch_of_another_version_that_comes_in_all_the_same_is_told() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let program = |line: &str, preload: &Path| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_mnist-tch"));
        program.args(line.split(' ')).current_dir(&folder);
        Said::new(&program.env("LD_PRELOAD", preload).output().unwrap())
    };
    let devices = program("devices", Path::new(""));
    let path = |line: &str| line.strip_prefix("path").map(|path| path.trim().to_owned());
    let lib = devices.out.lines().find_map(path).unwrap();
    let other = folder.path().join("other/torch/lib");
    fs::create_dir_all(&other).unwrap();
    // A link if that can be: the file is large.
    let (own, library) = (
        Path::new(&lib).join("libtorch_cpu.so"),
        other.join("libtorch_cpu.so"),
    );
    fs::hard_link(&own, &library)
        .or_else(|_| fs::copy(&own, &library).map(drop))
        .unwrap();
    // What it needs in turn is looked for from where it lies.
    symlink(
        Path::new(&lib).join("../../nvidia"),
        folder.path().join("other/nvidia"),
    )
    .unwrap();
    let version = other.with_file_name("version.py");
    fs::write(&version, "__version__ = '2.12.1+cpu'\n").unwrap();
    let loaded = format!("libtorch 2.12.1 in {} is loaded", other.display());
    let said = program("devices", &library);
    for part in [
        &loaded,
        &format!("built with  {lib}"),
        "libtorch    2.12.1+cpu",
    ] {
        assert!(said.out.contains(part), "{part}: {said:?}");
    }
    let run = "--device cpu --epochs 1 --train-range ..100 --test-range ..10 --out";
    let said = program(&format!("{run} told"), &library);
    assert!(said.err.starts_with(&format!("note: {loaded}")), "{said:?}");
    assert_eq!(said.code, Some(0));
    // The right version is not worth a word, wherever it lies.
    let right = pinned("LIBTORCH_VERSION");
    fs::write(&version, format!("__version__ = '{right}'\n")).unwrap();
    let said = program(&format!("{run} same"), &library);
    assert!(!said.err.contains("note"), "{said:?}");
}

#[test]
fn help_is_printed_and_options_that_make_no_sense_are_refused() {
    let project = Project::new();
    let help = project.setup("--help", &[]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert!(help.out.starts_with("usage: scripts/setup.sh"), "{help:?}");
    for words in ["--gpu", "--cpu --cuda"] {
        let said = project.setup(words, &[]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
    assert!(project.calls("pip").is_empty());
}

#[test]
fn a_shell_can_read_the_versions_as_build_rs_does() {
    for name in "LIBTORCH CUDA_RUNTIME CUDA_CUPTI".split(' ') {
        let script = format!(". scripts/libtorch.versions; printf %s \"${name}_VERSION\"");
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &script])
            .current_dir(env!("CARGO_MANIFEST_DIR"));
        let value = String::from_utf8(shell.output().unwrap().stdout).unwrap();
        assert_eq!(value, pinned(&format!("{name}_VERSION")));
        assert!(value.starts_with(|first: char| first.is_ascii_digit()));
    }
}
