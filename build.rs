//! Checks that the libtorch which torch-sys found is the one this project is written for, and writes its folder
//! into the program (rpath), so that the program finds it again without `LD_LIBRARY_PATH`. `scripts/release.sh` has
//! another folder written there, one beside the program: `MNIST_TCH_RPATH`.
//!
//! torch-sys has no version check for a libtorch that comes out of a Python wheel. A wrong one would link, and
//! fail later in ways that are hard to read.
//!
//! With the feature `doc-only` there is nothing to link: documentation needs no libtorch.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

const VERSIONS: &str = "scripts/libtorch.versions";
/// Where the program is to look for libtorch instead of the folder that it was built with.
const RPATH: &str = "MNIST_TCH_RPATH";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={VERSIONS}");
    println!("cargo:rerun-if-env-changed=LIBTORCH_BYPASS_VERSION_CHECK");
    println!("cargo:rerun-if-env-changed={RPATH}");
    link_start_code();
    match link() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            println!("cargo::error={message}");
            ExitCode::FAILURE
        }
    }
}

/// Links `src/start.c` into the program; only Linux needs it.
fn link_start_code() {
    println!("cargo:rerun-if-changed=src/start.c");
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        let objects = cc::Build::new().file("src/start.c").compile_intermediates();
        for object in objects {
            println!("cargo:rustc-link-arg-bins={}", object.display());
        }
    }
}

fn link() -> Result<(), String> {
    let wanted = version_of("LIBTORCH_VERSION")?;
    let rpath = if env::var_os("CARGO_FEATURE_DOC_ONLY").is_some() {
        String::new()
    } else {
        write_rpath(&wanted)?
    };
    println!("cargo:rustc-env=LIBTORCH_VERSION={wanted}");
    println!("cargo:rustc-env=LIBTORCH_FOLDER={rpath}");
    for name in ["CUDA_MINIMUM_DRIVER", "CUDA_MINIMUM_CAPABILITY"] {
        println!("cargo:rustc-env={name}={}", version_of(name)?);
    }
    Ok(())
}

/// Has the folder of libtorch, which has to be of the `wanted` version, written into the program.
fn write_rpath(wanted: &str) -> Result<String, String> {
    let lib = env::var("DEP_TCH_LIBTORCH_LIB")
        .map(PathBuf::from)
        .map_err(|_| "torch-sys did not say where libtorch is (DEP_TCH_LIBTORCH_LIB)".to_owned())?;
    if let Some(found) = found_version(&lib) {
        check(&found, wanted, &lib)?;
    }
    let rpath = env::var(RPATH).unwrap_or_else(|_| lib.to_string_lossy().into_owned());
    let mut arguments = vec!["-rpath", &rpath];
    // DT_RPATH comes before LD_LIBRARY_PATH, DT_RUNPATH after it: a stale one would bring in another libtorch.
    if env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        arguments.push("--disable-new-dtags");
    }
    // An argument each, because a comma in the path would split a single -Wl,-rpath,PATH.
    for argument in arguments {
        println!("cargo:rustc-link-arg=-Xlinker");
        println!("cargo:rustc-link-arg={argument}");
    }
    Ok(rpath)
}

fn check(found: &str, wanted: &str, lib: &Path) -> Result<(), String> {
    // 2.13.0+cpu and 2.13.0+cu130 are builds of 2.13.0.
    let release = found.split('+').next().unwrap_or(found);
    if release == wanted {
        return Ok(());
    }
    let place = lib.display();
    if env::var_os("LIBTORCH_BYPASS_VERSION_CHECK").is_some() {
        println!(
            "cargo::warning={place} is libtorch {found}, not {wanted}; going on, as you asked"
        );
        return Ok(());
    }
    Err(format!(
        "{place} is libtorch {found}, but this project needs {wanted}: unset LIBTORCH and LIBTORCH_USE_PYTORCH and run \
         scripts/setup.sh, or set LIBTORCH_BYPASS_VERSION_CHECK=1 to try it all the same"
    ))
}

/// The value of `NAME=value` in the file that the set-up script reads too.
fn version_of(name: &str) -> Result<String, String> {
    let text = fs::read_to_string(VERSIONS).map_err(|error| format!("{VERSIONS}: {error}"))?;
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
        .map(str::to_owned)
        .ok_or_else(|| format!("{VERSIONS}: no line {name}=..."))
}

/// From `build-version` (libtorch as a zip) or `version.py` (a Python wheel) beside the lib folder.
fn found_version(lib: &Path) -> Option<String> {
    let folder = lib.parent()?;
    if let Ok(text) = fs::read_to_string(folder.join("build-version")) {
        return text.lines().next().map(str::to_owned);
    }
    let text = fs::read_to_string(folder.join("version.py")).ok()?;
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("__version__ = "))?;
    Some(value.trim_matches(['\'', '"']).to_owned())
}
