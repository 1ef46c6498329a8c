//! Each thing that a machine may lack gets one line that says what to do, and nothing is changed.

use std::fs;

use crate::project::{Project, Said};

/// Runs a set-up that has to fail, and checks that it left nothing behind.
pub fn refused(project: &Project, settings: &[(&str, &str)]) -> Said {
    let said = project.setup("", settings);
    assert!(!project.path("libtorch").exists());
    assert!(!project.path("libtorch.partial").exists());
    said
}

#[test]
fn without_cargo_it_names_rustup() {
    refused(&Project::new().without("cargo"), &[]).failed(&["cargo is missing", "rustup"]);
}

#[test]
fn a_cargo_that_is_only_off_the_path_is_pointed_out() {
    let project = Project::new().without("cargo");
    fs::create_dir_all(project.home().join(".cargo/bin")).unwrap();
    fs::copy(
        project.stub("rustc"),
        project.home().join(".cargo/bin/cargo"),
    )
    .unwrap();
    refused(&project, &[]).failed(&["not on the PATH", ". ~/.cargo/env"]);
}

#[test]
fn an_old_or_absent_rustc_is_refused_but_a_nightly_will_do() {
    let project = Project::new();
    for old in ["1.87.1", "0.99.0", "1.9.0-nightly"] {
        refused(&project, &[("STUB_RUSTC", old)]).failed(&[old, "too old", "rustup update stable"]);
    }
    refused(&project, &[("STUB_RUSTC", "")])
        .failed(&["rustc does not run", "rustup default stable"]);
    project
        .setup("", &[("STUB_RUSTC", "1.100.0-nightly")])
        .succeeded(&[]);
}

#[test]
fn without_a_cpp_compiler_it_says_how_to_get_one() {
    let project = Project::new().without("c++");
    refused(&project, &[]).failed(&["C++ compiler is missing", "apt install g++"]);
    refused(&project, &[("CXX", "icpx -m64")]).failed(&["(icpx)", "unset CXX"]);
    let project = project.with("g++");
    refused(&project, &[]).failed(&["export CXX=g++"]);
    project.setup("", &[("CXX", "g++ -m64")]).succeeded(&[]);
}

#[test]
fn without_python_it_names_the_package_and_uv() {
    let said = refused(&Project::new().without("python3"), &[]);
    said.failed(&["python3 is missing", "apt install python3-pip", "uv"]);
}

#[test]
fn without_pip_it_names_the_package_and_uv() {
    let said = refused(&Project::new(), &[("STUB_PIP", "")]);
    said.failed(&[
        "pip is missing from",
        "python3",
        "apt install python3-pip",
        "uv",
    ]);
}

#[test]
fn a_pip_that_is_too_old_is_to_be_upgraded() {
    let said = refused(&Project::new(), &[("STUB_PIP", "20.2.4")]);
    said.failed(&["pip 20.2.4 is too old", "pip install --upgrade pip"]);
    Project::new()
        .setup("", &[("STUB_PIP", "20.3")])
        .succeeded(&[]);
}

#[test]
fn too_little_room_on_the_disk_is_seen_before_the_download() {
    let project = Project::new();
    refused(&project, &[("STUB_FREE_MB", "1800")]).failed(&[
        "not enough disk space",
        "1800 MB are free",
        "make room",
    ]);
    let cuda = project.setup("--cuda", &[("STUB_FREE_MB", "6000")]);
    cuda.failed(&["not enough disk space", "CUDA set"]);
    assert!(project.calls("pip").is_empty());
    project
        .setup("", &[("STUB_FREE_MB", "2000")])
        .succeeded(&[]);
}

#[test]
fn a_df_that_does_not_work_stops_nothing() {
    Project::new()
        .setup("", &[("STUB_DF_FAILS", "1")])
        .succeeded(&["is ready"]);
    Project::new()
        .without("df")
        .setup("", &[])
        .succeeded(&["is ready"]);
}

#[test]
fn a_disk_that_fills_up_on_the_way_is_called_that_and_not_a_network_failure() {
    let said = refused(&Project::new(), &[("STUB_INSTALL", "disk-full")]);
    said.failed(&["disk is full", "No space left", "make room"]);
}

#[test]
fn without_a_network_it_names_proxy_and_mirror() {
    let offline = [("STUB_INSTALL", "no-network")];
    let said = refused(&Project::new(), &offline);
    said.failed(&[
        "could not be reached",
        "check the network",
        "HTTPS_PROXY",
        "PIP_INDEX_URL",
        "LIBTORCH",
    ]);
    let said = refused(&Project::new().without("python3").with("uv"), &offline);
    said.failed(&["could not be reached", "UV_DEFAULT_INDEX"]);
}

#[test]
fn any_other_failure_of_pip_is_quoted() {
    let said = refused(&Project::new(), &[("STUB_INSTALL", "no-such-version")]);
    said.failed(&["No matching distribution found", "nothing was changed"]);
    assert!(!said.err.contains("network"), "{said:?}");
    refused(&Project::new(), &[("STUB_INSTALL", "silent")]).failed(&["pip says: nothing"]);
}

#[test]
fn a_pip_that_installs_something_else_is_not_believed() {
    let said = refused(&Project::new(), &[("STUB_INSTALL", "other-version")]);
    said.failed(&["left no libtorch", "found: 0.0.0"]);
}

#[test]
fn a_folder_that_cannot_be_written_to_is_named() {
    // Root may write anywhere, so it is mkdir that fails, as on a disk that is mounted read-only.
    let project = Project::new().with("mkdir");
    let folder = project.path("").display().to_string();
    refused(&project, &[]).failed(&[folder.trim_end_matches('/'), "cannot be written to"]);
    assert!(project.calls("pip").is_empty());
}
