//! README.md and docs/ against the program: what they say can be typed, and is all there.
//! `scripts/readme-trial.sh` runs their commands for real.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use common::{mnist_tch, small_run};
use regex::Regex;
use tempfile::tempdir;

/// What the first group of `pattern`, in which ^ and $ are ends of lines, finds in `text`.
fn all<'a>(pattern: &str, text: &'a str) -> Vec<&'a str> {
    let pattern = Regex::new(&format!("(?m){pattern}")).unwrap();
    let found = pattern.captures_iter(text);
    found.map(|found| found.get(1).unwrap().as_str()).collect()
}

fn in_root(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn readme() -> String {
    fs::read_to_string(in_root("README.md")).unwrap()
}

/// The README and what stands in docs/ because few need it.
fn manual() -> Vec<PathBuf> {
    let docs = fs::read_dir(in_root("docs")).unwrap();
    let docs = docs.map(|file| file.unwrap().path());
    let docs = docs.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    docs.chain([in_root("README.md")]).collect()
}

fn manual_text() -> String {
    let texts = manual().into_iter().map(fs::read_to_string);
    texts.map(Result::unwrap).collect()
}

/// What the program prints to stdout, given these arguments.
fn printed(line: &str) -> String {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), line).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The commands in the list that `--help` has.
fn names_of_commands() -> Vec<String> {
    let help = printed("--help");
    let names = all(r"^  ([a-z]+)  ", &help);
    assert!(names.contains(&"reproduce"), "{names:?}");
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let text = manual_text();
    let program = r"^(?:\$ )?(?:mnist-tch|scripts/train\.sh)( [^#\[\n]*?)?";
    let lines = all(&format!("{program}(?: +#.*)?$"), &text);
    assert!(lines.len() >= 18, "{lines:?}");
    for line in lines {
        // Names and values are looked at first.
        printed(&format!("{line} --help"));
    }
}

#[test]
fn what_it_shows_the_program_print_is_what_the_program_prints() {
    let text = manual_text();
    // The others need a trained model, or show the machine.
    let sessions = all(r"^\$ mnist-tch ((?:describe|fetch|show).*\n[^$`]*)", &text);
    assert_eq!(sessions.len(), 3, "{sessions:?}");
    for session in sessions {
        let (line, shown) = session.split_once('\n').unwrap();
        let printed = printed(line);
        let cut = shown.strip_suffix("...\n");
        let same = cut.map_or(printed == shown, |begin| printed.starts_with(begin));
        assert!(same, "{line} prints otherwise now, say so: {printed}");
    }
}

#[test]
fn it_names_every_option_and_no_other() {
    let pattern = r"(?:^|[\s`(])(--[a-z][a-z-]*)";
    let lines = names_of_commands().into_iter().chain([String::new()]);
    let help = |name| printed(&format!("{name} --help"));
    let helps: String = lines.map(help).collect();
    let options: BTreeSet<&str> = all(pattern, &helps).into_iter().collect();
    assert!(options.len() > 30, "{options:?}");
    let text = manual_text();
    let mut named: BTreeSet<&str> = all(pattern, &text).into_iter().collect();
    // Those of cargo, containers, scripts/setup.sh and Slurm; and one that every program has.
    let others = "--release --locked --path --example --gpus --cuda --requeue --wrap --signal --no-default-features";
    for other in others.split(' ') {
        assert!(named.remove(other), "{other}");
    }
    named.insert("--version");
    let unnamed: Vec<_> = options.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&options).collect();
    assert!(
        unnamed.is_empty(),
        "name these in README.md or docs/: {unnamed:?}"
    );
    assert!(unknown.is_empty(), "there are no such options: {unknown:?}");
}

#[test]
fn every_command_has_a_row() {
    let readme = readme();
    for name in names_of_commands() {
        let row = format!("| `mnist-tch {name}");
        assert!(readme.contains(&row), "give {name} a row in README.md");
    }
}

#[test]
fn the_files_of_a_run_are_those_in_its_table() {
    let readme = readme();
    let (_, table) = readme.split_once("| file | contents |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let folder = tempdir().unwrap();
    small_run(&folder, "--keep best");
    let files = fs::read_dir(folder.path().join("run")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let mut rows = all(r"^\| `([^`]+)`", table);
    rows.sort_unstable();
    assert_eq!(rows, names, "the table of files in README.md is another");
}

#[test]
fn the_lesson_stands_in_it_whole() {
    let lesson = fs::read_to_string(in_root("examples/lesson.rs")).unwrap();
    let is_there = all("(?s)^```rust\n(.*?)```$", &readme()) == [lesson];
    assert!(is_there, "copy examples/lesson.rs into README.md once more");
}

/// A heading as the part of an address behind #, by GitHub's rules.
fn anchor(heading: &str) -> String {
    let heading = heading.to_lowercase().replace(' ', "-");
    heading.replace(|c: char| !c.is_alphanumeric() && c != '-', "")
}

#[test]
fn links_lead_somewhere_and_files_that_are_named_are_there() {
    let more = ["CONTRIBUTING.md", "CHANGELOG.md", "data/README.md"];
    for document in manual().into_iter().chain(more.map(in_root)) {
        let (place, text) = (document.display(), fs::read_to_string(&document).unwrap());
        for link in all(r"\]\(([^):]+)\)", &text) {
            let (file, part) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => document.clone(),
                _ => document.with_file_name(file),
            };
            assert!(target.exists(), "{place}: {link}");
            if !part.is_empty() {
                let text = fs::read_to_string(target).unwrap();
                let mut headings = all("^#+ (.*)$", &text).into_iter().map(anchor);
                assert!(headings.any(|heading| heading == part), "{place}: {link}");
            }
        }
        let ours = r"(?:^|[\s`(\[])((?:scripts|src|tests|docs|examples|\.ci|\.cargo)/[\w./-]*\w)";
        for name in all(ours, &text) {
            assert!(in_root(name).exists(), "{place}: {name}");
        }
    }
}
