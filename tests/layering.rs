//! The shape of the source: modules use only what stands before them, and some packages have one home.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// In the order of dependence: each may use itself and those before it.
const ORDER: [&str; 4] = ["data", "learn", "report", "commands"];

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
    ("clap", "commands"),
    ("clap_complete", "commands"),
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

/// The module that a source file is, such as `learn::images::chunk`.
fn module_of(path: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let inner = path.strip_prefix(root).unwrap().with_extension("");
    let names: Vec<&str> = inner.iter().map(|name| name.to_str().unwrap()).collect();
    names.join("::").trim_end_matches("::mod").to_owned()
}

/// A path as `use` has it, seen from `module`, from the root on; `None` where it leaves the crate.
fn absolute(module: &str, path: &str) -> Option<String> {
    let mut place: Vec<&str> = module.split("::").collect();
    let mut names = path.split("::").peekable();
    match names.next()? {
        "crate" => place.clear(),
        "self" => {}
        "super" => {
            place.pop();
            while names.next_if_eq(&"super").is_some() {
                place.pop();
            }
        }
        _ => return None,
    }
    place.extend(names);
    Some(place.join("::"))
}

/// Every path in the `use` declarations of a file outside its tests, groups taken apart.
fn used_paths(path: &Path) -> Vec<String> {
    let code = code(path).join("\n");
    let code = code.split("#[cfg(test)]").next().unwrap();
    let mut paths = Vec::new();
    for declaration in code.split("use ").skip(1) {
        let text: String = declaration
            .split(';')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let Some((stem, group)) = text.split_once('{') else {
            paths.push(text);
            continue;
        };
        let names = group.trim_end_matches('}').split(',');
        paths.extend(names.map(|name| format!("{stem}{name}")));
    }
    paths
}

/// Which modules each module uses. Those around it (`use super::item`) do not count: they are one thing with it.
fn uses_of_modules() -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<String, PathBuf> = sources()
        .into_iter()
        .map(|(_, path)| (module_of(&path), path))
        .filter(|(module, _)| !module.ends_with("::tests"))
        .collect();
    let nearest = |mut path: String| loop {
        if files.contains_key(&path) {
            return Some(path);
        }
        path.truncate(path.rfind("::")?);
    };
    let used = |module: &String, path: &Path| {
        let paths = used_paths(path).into_iter();
        let modules = paths.filter_map(|path| nearest(absolute(module, &path)?));
        let around = |other: &String| {
            other == module
                || module.starts_with(&format!("{other}::"))
                || other.starts_with(&format!("{module}::"))
        };
        modules.filter(|other| !around(other)).collect()
    };
    files
        .iter()
        .map(|(module, path)| (module.clone(), used(module, path)))
        .collect()
}

#[test]
fn no_modules_use_each_other_not_even_by_way_of_others() {
    let mut left = uses_of_modules();
    assert!(
        left["learn::training"].contains("learn::adam")
            && left["commands::cli::train"].contains("commands::cli::groups")
    );
    // What uses nothing that is left, or is used by nothing, can be taken away; in the end only circles are there.
    while !left.is_empty() {
        let used: BTreeSet<String> = left.values().flatten().cloned().collect();
        let free: Vec<String> = left
            .iter()
            .filter(|(module, uses)| {
                !used.contains(*module) || !uses.iter().any(|other| left.contains_key(other))
            })
            .map(|(module, _)| module.clone())
            .collect();
        assert!(!free.is_empty(), "these use each other: {left:#?}");
        for module in free {
            left.remove(&module);
        }
    }
}

#[test]
fn every_module_says_at_its_head_what_it_is() {
    for (_, path) in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let is_test = path.ends_with("tests.rs");
        assert!(is_test || text.starts_with("//! "), "{}", path.display());
    }
}

#[test]
fn the_guards_see_what_they_look_for() {
    assert!(uses("use tch::Tensor;", "tch") && uses("    tch::no_grad(|| 1)", "tch"));
    assert!(!uses("use mnist_tch::data;", "tch") && !uses("use super::tch::x;", "tch"));
}
