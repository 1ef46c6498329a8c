//! The shape of the source: modules use only what stands before them, and some packages have one
//! home.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// In the order of dependence: each may use itself and those before it.
const ORDER: [&str; 4] = ["data", "learn", "report", "commands"];

/// Packages that only these modules may use.
const HOMES: [(&[&str], &str); 5] = [
    (&["data"], "ureq|etcetera|zip"),
    (&["data", "report"], "image"),
    (&["learn"], "tch|libloading"),
    (&["report"], "plotters|plotters_backend|ab_glyph|csv"),
    (&["commands"], "clap|clap_complete|indicatif|signal_hook"),
];

const PRINTING: &str = r"\b(stdout\(\)|stderr\(\)|e?print(ln)?!|dbg!)";
const WRITING: &str = r"\b(fs::(write|rename|copy|create_dir\w*)|File::|OpenOptions|tempfile)\b";

/// The top module of every source file, its path, and its code without comments and tests.
fn sources() -> Vec<(String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let comment = Regex::new("//.*").unwrap();
    let mut paths = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            let inside = fs::read_dir(path).unwrap();
            paths.extend(inside.map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
        {
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = comment.replace_all(code, "");
            let inner = path.strip_prefix(&root).unwrap().with_extension("");
            let top = inner.iter().next().unwrap().to_str().unwrap();
            files.push((top.to_owned(), path, code.into_owned()));
        }
    }
    assert!(files.len() > 20, "{} files", files.len());
    files
}

/// Finds the path `parent::name`, also where `name` is one of several in the braces of a `use`.
fn path(parent: &str, name: &str) -> Regex {
    let one = format!(r"(^|[^\w:]){parent}::({name})\b");
    Regex::new(&format!(r"{one}|\buse {parent}::\{{[^;]*\b({name})\b")).unwrap()
}

/// Finds the use of a package.
fn package(name: &str) -> Regex {
    Regex::new(&format!(r"(^|[^\w:]){name}::")).unwrap()
}

/// Fails for the source files outside `home` in which `what` is found, and where it is found
/// nowhere.
fn only_in(home: &[&str], what: &Regex) {
    let mut at_home = 0;
    for (top, path, code) in sources() {
        let found = what.find(&code).map(|found| found.as_str());
        if home.contains(&top.as_str()) {
            at_home += usize::from(found.is_some());
        } else {
            let hint = format!("its place is {home:?}, see CONTRIBUTING.md");
            assert_eq!(found, None, "{}: {hint}", path.display());
        }
    }
    let hint = "is not even found there: mend the guard";
    assert!(at_home > 0, "{home:?}: {what} {hint}");
}

#[test]
fn imports_never_go_upward() {
    for (place, module) in ORDER.iter().enumerate() {
        let homes = [&ORDER[place..], &["main", "lib"]].concat();
        only_in(&homes, &path("crate", module));
    }
}

#[test]
fn packages_stay_in_their_homes() {
    for (homes, packages) in HOMES {
        let packages = packages.split('|').map(package);
        packages.for_each(|package| only_in(homes, &package));
    }
}

#[test]
fn only_commands_and_main_print_and_training_writes_nothing() {
    only_in(&["commands", "main"], &Regex::new(PRINTING).unwrap());
    let all_but_learn = ["data", "report", "commands", "main", "lib"];
    only_in(&all_but_learn, &Regex::new(WRITING).unwrap());
}

#[test]
fn no_modules_of_a_folder_use_each_other_not_even_by_way_of_others() {
    let sources = sources();
    for folder in ORDER {
        // What stands in src/learn/device.rs, or in the folder src/learn/device, is learn's device.
        let file = Regex::new(&format!(r"src/{folder}/(\w+)[\w/]*\.rs$")).unwrap();
        let name = |path: &PathBuf| Some(file.captures(path.to_str()?)?[1].to_owned());
        let files = sources
            .iter()
            .filter_map(|(_, path, code)| Some((name(path)?, code)));
        let files: Vec<_> = files.filter(|(name, _)| name != "mod").collect();
        let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (other, _) in &files {
            let found = path(&format!("((super::)*super|crate::{folder})"), other);
            for (name, code) in files.iter().filter(|(name, _)| name != other) {
                let uses = found.is_match(code).then_some(other.as_str());
                left.entry(name).or_default().extend(uses);
            }
        }
        let some = left.values().any(|uses| !uses.is_empty());
        assert!(some, "no use is seen in {folder}");
        // What uses nothing that is left can be taken away; in the end only circles are there.
        while let Some((&free, _)) = left.iter().find(|(_, uses)| uses.is_empty()) {
            left.remove(free);
            for uses in left.values_mut() {
                uses.remove(free);
            }
        }
        assert!(left.is_empty(), "here some use each other: {left:#?}");
    }
}

#[test]
fn every_module_says_at_its_head_what_it_is() {
    for (_, path, _) in sources() {
        let text = fs::read_to_string(&path).unwrap();
        let hint = "say at its head, after //!, what it is";
        assert!(text.starts_with("//! "), "{}: {hint}", path.display());
    }
}
