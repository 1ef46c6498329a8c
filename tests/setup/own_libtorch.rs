//! A libtorch of the user's own: nothing is installed, but its version is checked.

use std::path::PathBuf;

use crate::project::{Project, Said, pinned};

/// Makes a libtorch outside of where the scripts look, with one file that tells its version.
fn own_libtorch(project: &Project, file: &str, text: &str) -> PathBuf {
    project.write("../own/lib/libtorch.so", "");
    if !file.is_empty() {
        project.write(&format!("../own/{file}"), text);
    }
    project.path("../own")
}

fn setup_with(project: &Project, libtorch: &str) -> Said {
    let said = project.setup("", &[("LIBTORCH", libtorch)]);
    assert!(project.calls("pip").is_empty());
    assert!(!project.path("libtorch").exists());
    said
}

#[test]
fn a_libtorch_of_the_right_version_is_used() {
    let version = pinned("LIBTORCH_VERSION");
    let of_a_wheel = format!("import x\n__version__ = '{version}'\ngit_version = 'abc'\n");
    for (file, text) in [
        ("build-version", format!("{version}+cpu\n")),
        ("version.py", of_a_wheel),
    ] {
        let project = Project::new().without("python3");
        let own = own_libtorch(&project, file, &text).display().to_string();
        setup_with(&project, &own).succeeded(&[
            "using libtorch",
            &version,
            &own,
            "nothing to install",
        ]);
    }
}

#[test]
fn a_libtorch_that_does_not_tell_its_version_is_used_with_a_word_on_it() {
    let project = Project::new();
    let own = own_libtorch(&project, "", "").display().to_string();
    setup_with(&project, &own).succeeded(&["version cannot be told", "nothing to install"]);
}

#[test]
fn a_libtorch_of_another_version_is_refused_unless_the_check_is_bypassed() {
    let project = Project::new();
    let own = own_libtorch(&project, "build-version", "2.1.0+cpu\n")
        .display()
        .to_string();
    let version = pinned("LIBTORCH_VERSION");
    setup_with(&project, &own).failed(&[
        "is libtorch 2.1.0",
        &version,
        "LIBTORCH_BYPASS_VERSION_CHECK=1",
    ]);
    let bypass = ("LIBTORCH_BYPASS_VERSION_CHECK", "1");
    let said = project.setup("", &[("LIBTORCH", own.as_str()), bypass]);
    said.succeeded(&["warning: ", "is libtorch 2.1.0", "going on"]);
    assert!(project.calls("pip").is_empty());
}

#[test]
fn a_libtorch_folder_that_is_not_there_or_not_a_libtorch_is_refused() {
    let project = Project::new();
    setup_with(&project, "/not/there").failed(&["LIBTORCH=/not/there", "no such folder", "unset"]);
    let empty = project.elsewhere().display().to_string();
    setup_with(&project, &empty).failed(&["no lib folder in it", "unset"]);
}

#[test]
fn a_libtorch_with_a_relative_path_is_refused() {
    let project = Project::new();
    setup_with(&project, "../own").failed(&["relative path", "give the absolute one"]);
}

#[test]
fn a_libtorch_with_its_libraries_elsewhere_is_used() {
    let project = Project::new();
    let empty = project.elsewhere().display().to_string();
    let own = own_libtorch(&project, "", "").display().to_string();
    let settings = [("LIBTORCH", empty.as_str()), ("LIBTORCH_LIB", own.as_str())];
    project
        .setup("", &settings)
        .succeeded(&["nothing to install"]);
}

#[test]
fn an_empty_libtorch_or_the_projects_own_one_counts_as_unset() {
    for own in ["", "libtorch/torch"] {
        let project = Project::new();
        project
            .setup("", &[("LIBTORCH", own)])
            .succeeded(&["fetching", "is ready in libtorch/"]);
    }
    let project = Project::new();
    let own = project.path("libtorch/torch").display().to_string();
    for expected in ["fetching", "is ready in libtorch/"] {
        project
            .setup("", &[("LIBTORCH", &own)])
            .succeeded(&[expected]);
    }
    let own = project
        .path("scripts/../libtorch/torch/")
        .display()
        .to_string();
    project
        .setup("", &[("LIBTORCH", &own)])
        .succeeded(&["is ready in libtorch/"]);
}

#[test]
fn the_pytorch_of_python_is_used_where_its_version_is_right() {
    let version = pinned("LIBTORCH_VERSION");
    let found = format!("{version}+cu130");
    let settings = [
        ("LIBTORCH_USE_PYTORCH", "1"),
        ("STUB_PYTORCH", found.as_str()),
    ];
    let project = Project::new();
    project
        .setup("", &settings)
        .succeeded(&["using libtorch", &version, "PyTorch of python3"]);
    assert_eq!(project.calls("torch"), [["python3"]]);

    // In a virtual environment torch-sys asks `python`.
    let project = Project::new().with("python");
    let settings = [settings[0], settings[1], ("VIRTUAL_ENV", "/venv")];
    project
        .setup("", &settings)
        .succeeded(&["PyTorch of python "]);
    assert_eq!(project.calls("torch"), [["python"]]);
    assert!(project.calls("pip").is_empty());
}

#[test]
fn a_pytorch_that_is_wrong_or_not_there_is_refused() {
    let project = Project::new();
    let wanted = ("LIBTORCH_USE_PYTORCH", "1");
    let version = pinned("LIBTORCH_VERSION");
    project
        .setup("", &[wanted])
        .failed(&["import torch", &version, "unset LIBTORCH_USE_PYTORCH"]);
    let wrong = [wanted, ("STUB_PYTORCH", "2.1.0")];
    project
        .setup("", &wrong)
        .failed(&["is libtorch 2.1.0", &version]);
    assert!(project.calls("pip").is_empty());
}
