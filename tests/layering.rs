//! The shape of the source: modules use only what stands before them, and some packages have one home.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

/// In the order of dependence: each may use itself and those before it.
const ORDER: [&str; 5] = ["data", "learn", "report", "commands", "cli"];

/// Packages that only one module may use.
const HOMES: [(&str, &str); 13] = [
    ("image", "data"),
    ("ureq", "data"),
    ("etcetera", "data"),
    ("tch", "learn"),
    ("libloading", "learn"),
    ("plotters", "report"),
    ("csv", "report"),
    ("prost", "report"),
    ("png", "report"),
    ("indicatif", "commands"),
    ("signal_hook", "commands"),
    ("clap", "cli"),
    ("clap_complete", "cli"),
];

/// Every source file with the top module it belongs to.
fn sources() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let inner = path.strip_prefix(&root).unwrap().with_extension("");
                let module = inner.iter().next().unwrap().to_str().unwrap().to_owned();
                files.push((module, path));
            }
        }
    }
    assert!(files.len() > 20, "{} files", files.len());
    files
}

/// Lines of code, without comments.
fn code(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    let line = |line: &str| line.split("//").next().unwrap_or("").to_owned();
    text.lines().map(line).collect()
}

/// Whether `line` uses the path `name::`, as a word of its own.
fn uses(line: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    line.match_indices(&format!("{name}::"))
        .any(|(at, _)| !line[..at].ends_with(is_word))
}

#[test]
fn imports_never_go_upward() {
    for (module, path) in sources() {
        let Some(place) = ORDER.iter().position(|&name| name == module) else {
            continue;
        };
        for line in code(&path) {
            for later in &ORDER[place + 1..] {
                let upward = line.contains(&format!("crate::{later}"));
                assert!(!upward, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn packages_stay_in_their_homes() {
    for (module, path) in sources() {
        for line in code(&path) {
            for (package, home) in HOMES {
                let stray = uses(&line, package) && module != home;
                assert!(!stray, "{}: {line}", path.display());
            }
        }
    }
}

#[test]
fn only_commands_and_main_print() {
    for (module, path) in sources() {
        for line in code(&path) {
            let prints = ["stdout()", "stderr()", "println!", "print!(", "eprint"];
            let prints = prints.iter().any(|word| line.contains(word));
            let may = module == "commands" || module == "main";
            assert!(may || !prints, "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_guards_see_what_they_look_for() {
    assert!(uses("use tch::Tensor;", "tch") && uses("    tch::no_grad(|| 1)", "tch"));
    assert!(!uses("use mnist_tch::data;", "tch") && !uses("use super::tch::x;", "tch"));
}
