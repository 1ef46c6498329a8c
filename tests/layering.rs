//! The structure of the source: the core never uses an extra, modules of the core use only those
//! before them, modules of a folder do not depend on each other in circles, and some packages are
//! used in one place only.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// The modules of the core; each may use itself and those before it.
const CORE: [&str; 8] = [
    "data", "learn", "report", "terminal", "train", "evaluate", "describe", "devices",
];

/// The extras, with the extras that each may use besides the core.
const EXTRAS: [(&str, &[&str]); 6] = [
    ("formats", &["photos"]),
    ("fetch", &[]),
    ("photos", &[]),
    ("seeds", &[]),
    ("export", &[]),
    ("show", &[]),
];

/// Modules that may use everything.
const TOP: [&str; 3] = ["cli", "lib", "main"];

/// Packages, and the only modules that may use them.
const HOMES: [(&str, &[&str]); 8] = [
    ("ureq|rustls_native_certs|md5", &["fetch"]),
    ("zip", &["formats"]),
    ("image", &["formats", "photos"]),
    ("base64", &["export"]),
    ("tch|libloading", &["learn"]),
    (
        "plotters|plotters_backend|ab_glyph",
        &["report", "describe", "seeds"],
    ),
    ("clap_complete", &["cli"]),
    ("signal_hook", &["terminal"]),
];

const PRINTING: &str = r"\b(stdout\(\)|stderr\(\)|e?print(ln)?!|dbg!)";
const WRITING: &str = r"\b(fs::(write|rename|copy|create_dir\w*)|File::|OpenOptions|tempfile)\b";

/// A source file: its top module, its path, and its code without comments and tests.
struct Source {
    module: String,
    path: PathBuf,
    code: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let comment = Regex::new("//.*").unwrap();
    let mut paths = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let inside = fs::read_dir(path).unwrap();
            paths.extend(inside.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = comment.replace_all(code, "").into_owned();
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let module = inner.iter().next().unwrap().to_str().unwrap().to_owned();
            sources.push(Source { module, path, code });
        }
    }
    assert!(sources.len() > 20, "{} files", sources.len());
    sources
}

/// Matches the path `parent::name`, also if `name` is one of several in the braces of a `use`.
fn path(parent: &str, name: &str) -> Regex {
    let single = format!(r"(^|[^\w:]){parent}::({name})\b");
    Regex::new(&format!(r"{single}|\buse {parent}::\{{[^;]*\b({name})\b")).unwrap()
}

/// Fails if `pattern` is found outside of the modules `home`, or nowhere at all.
fn only_in(home: &[&str], pattern: &Regex) {
    let mut found_at_home = false;
    for Source { module, path, code } in sources() {
        let found = pattern.find(&code).map(|found| found.as_str());
        if home.contains(&module.as_str()) {
            found_at_home |= found.is_some();
        } else {
            let hint = format!("only {home:?} may use it, see CONTRIBUTING.md");
            assert_eq!(found, None, "{}: {hint}", path.display());
        }
    }
    assert!(
        found_at_home,
        "{pattern} is not found in {home:?}: fix this test"
    );
}

#[test]
fn every_module_is_of_the_core_or_an_extra() {
    let extras = EXTRAS.iter().map(|(extra, _)| *extra);
    let known: BTreeSet<&str> = CORE.into_iter().chain(extras).chain(TOP).collect();
    let found: BTreeSet<String> = sources().into_iter().map(|source| source.module).collect();
    assert!(found.iter().map(String::as_str).eq(known), "{found:?}");
}

#[test]
fn the_core_uses_no_extra_and_only_the_modules_before() {
    for Source {
        module,
        path: file,
        code,
    } in sources()
    {
        let Some(position) = CORE.iter().position(|name| *name == module) else {
            continue;
        };
        let extras = EXTRAS.iter().map(|(extra, _)| extra);
        for other in CORE[position + 1..].iter().chain(extras).chain(&["cli"]) {
            let found = path("crate", other).is_match(&code);
            assert!(!found, "{} uses {other}", file.display());
        }
    }
    // The patterns find what they look for.
    let train = sources()
        .into_iter()
        .filter(|source| source.module == "train");
    let code: String = train.map(|source| source.code).collect();
    assert!(
        CORE[..4]
            .iter()
            .all(|module| path("crate", module).is_match(&code))
    );
}

#[test]
fn extras_use_the_core_and_only_the_extras_they_are_allowed_to() {
    for (extra, allowed) in EXTRAS {
        let own = sources()
            .into_iter()
            .filter(|source| source.module == extra);
        for Source {
            path: file, code, ..
        } in own
        {
            let others = EXTRAS.iter().map(|(other, _)| *other).chain(["cli"]);
            for other in others.filter(|other| *other != extra && !allowed.contains(other)) {
                let found = path("crate", other).is_match(&code);
                assert!(!found, "{} uses {other}", file.display());
            }
        }
    }
}

#[test]
fn packages_stay_in_their_homes() {
    for (packages, home) in HOMES {
        for package in packages.split('|') {
            only_in(
                home,
                &Regex::new(&format!(r"(^|[^\w:]){package}::")).unwrap(),
            );
        }
    }
}

#[test]
fn only_the_terminal_prints_and_training_writes_no_file() {
    only_in(&["terminal"], &Regex::new(PRINTING).unwrap());
    let writing = Regex::new(WRITING).unwrap();
    for Source { module, path, code } in sources() {
        assert!(
            module != "learn" || !writing.is_match(&code),
            "{}",
            path.display()
        );
    }
}

#[test]
fn modules_of_a_folder_do_not_use_each_other_in_circles() {
    let sources = sources();
    for folder in CORE.into_iter().chain(EXTRAS.map(|(extra, _)| extra)) {
        // src/learn/adam.rs is learn's adam, everything in src/learn/device/ is learn's device.
        let file = Regex::new(&format!(r"src/{folder}/(\w+)[\w/]*\.rs$")).unwrap();
        let name = |path: &PathBuf| Some(file.captures(path.to_str()?)?[1].to_owned());
        let files = sources
            .iter()
            .filter_map(|source| Some((name(&source.path)?, &source.code)));
        let files: Vec<_> = files.filter(|(name, _)| name != "mod").collect();
        let mut uses: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (other, _) in &files {
            let pattern = path(&format!("((super::)*super|crate::{folder})"), other);
            for (name, code) in files.iter().filter(|(name, _)| name != other) {
                let found = pattern.is_match(code).then_some(other.as_str());
                uses.entry(name).or_default().extend(found);
            }
        }
        if ["data", "learn", "report"].contains(&folder) {
            let some = uses.values().any(|others| !others.is_empty());
            assert!(some, "no use is found in {folder}: fix this test");
        }
        // Remove what uses nothing that is left; in the end only circles remain.
        while let Some((&free, _)) = uses.iter().find(|(_, others)| others.is_empty()) {
            uses.remove(free);
            for others in uses.values_mut() {
                others.remove(free);
            }
        }
        assert!(uses.is_empty(), "these use each other: {uses:#?}");
    }
}

#[test]
fn every_module_starts_with_its_documentation() {
    for Source { path, .. } in sources() {
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.starts_with("//! "),
            "{}: start with //!",
            path.display()
        );
    }
}
