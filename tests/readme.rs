//! The README against the program: its commands can be typed, its tables are complete, what it points at is there.
//! `scripts/readme-trial.sh` runs the commands for real.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::mnist_tch;
use mnist_tch::commands::cli;
use mnist_tch::report::folders::run_dir;
use tempfile::tempdir;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The lines of the code blocks in this language.
fn fenced(text: &str, language: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if let Some(opened) = line.trim_start().strip_prefix("```") {
            inside = !inside && opened == language;
        } else if inside {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// Every command line of this program that the README shows, without comments and without the program's name.
fn commands() -> Vec<String> {
    let readme = read("README.md");
    let shell = fenced(&readme, "sh").into_iter();
    let sessions = fenced(&readme, "text").into_iter();
    let sessions = sessions.filter_map(|line| line.strip_prefix("$ ").map(str::to_owned));
    let lines = shell.chain(sessions);
    let command = |line: String| {
        let line = line.split(" #").next().unwrap_or("").trim().to_owned();
        let words = line
            .strip_prefix("mnist-tch")
            .or_else(|| line.strip_prefix("scripts/train.sh"));
        let words = words?.trim();
        // What follows belongs to the shell; [options] and COMMAND stand for others.
        let words = words.split(['|', ';', '>']).next().unwrap_or("").trim();
        (!words.contains('[')).then(|| words.to_owned())
    };
    lines.filter_map(command).collect()
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let commands = commands();
    assert!(commands.len() >= 18, "{commands:#?}");
    for line in commands {
        let words: Vec<&str> = std::iter::once("mnist-tch")
            .chain(line.split_whitespace())
            .collect();
        if let Err(error) = cli::parse_words(&words) {
            panic!("{line}: {error}");
        }
    }
}

/// The options that a help text lists.
fn options_in_help(command: &str) -> BTreeSet<String> {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), format!("{command} --help").trim())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let option = |line: &str| {
        let line = line.trim_start();
        let line = line.strip_prefix("-").map_or("", |rest| {
            rest.split_once(", ").map_or(line, |(_, long)| long)
        });
        let name: String = line
            .chars()
            .take_while(|&c| c == '-' || c.is_ascii_lowercase())
            .collect();
        (name.starts_with("--") && name.len() > 2).then_some(name)
    };
    text.lines().filter_map(option).collect()
}

#[test]
fn every_option_of_the_program_stands_in_the_readme() {
    let readme = read("README.md");
    let mut found = 0;
    for command in [
        "",
        "reproduce",
        "evaluate",
        "predict",
        "export",
        "describe",
        "show",
        "fetch",
    ] {
        for option in options_in_help(command) {
            let own = ["--help", "--version"].contains(&option.as_str());
            assert!(
                own || readme.contains(&format!("`{option}"))
                    || readme.contains(&format!(" {option}")),
                "{command} {option}"
            );
            found += 1;
        }
    }
    assert!(found > 50, "{found} options");
}

#[test]
fn every_command_has_a_row() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), "--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let listed = text
        .split("Commands:")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let readme = read("README.md");
    let names: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|row| !row.starts_with(' ')))
        .filter_map(|row| row.split_whitespace().next())
        .collect();
    assert!(
        names.contains(&"reproduce") && names.contains(&"completions"),
        "{listed}"
    );
    for name in names
        .iter()
        .filter(|name| name.chars().all(|c| c.is_ascii_lowercase()))
    {
        assert!(readme.contains(&format!("| `mnist-tch {name}")), "{name}");
    }
}

#[test]
fn the_files_of_a_run_are_those_in_its_table() {
    let readme = read("README.md");
    for name in run_dir::FILES.iter().chain([&run_dir::CHECKPOINT]) {
        assert!(readme.contains(&format!("| `{name}` |")), "{name}");
    }
}

#[test]
fn links_pictures_and_scripts_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for document in [
        "README.md",
        "CONTRIBUTING.md",
        "data/README.md",
        "scripts/slurm/README.md",
    ] {
        let text = read(document);
        let folder = root.join(document).parent().unwrap().to_owned();
        let links = text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            assert!(folder.join(link).exists(), "{document}: {link}");
        }
        let scripts = text.split("scripts/").skip(1);
        for script in scripts.filter_map(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && !"-./_".contains(c))
                .next()
        }) {
            let script = script.trim_end_matches(['.', ',']);
            assert!(
                root.join("scripts").join(script).exists(),
                "{document}: scripts/{script}"
            );
        }
    }
}

/// A heading as the part of an address behind #, by GitHub's rules.
fn anchor(heading: &str) -> String {
    let heading = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = heading
        .chars()
        .filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn links_within_the_readme_lead_to_a_heading() {
    let readme = read("README.md");
    let headings = readme.lines().filter(|line| line.starts_with('#'));
    let anchors: BTreeSet<String> = headings.map(anchor).collect();
    let links = readme.split("](#").skip(1);
    let links: Vec<&str> = links.filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(anchors.contains(link), "#{link}");
    }
}
