//! Completion in a shell: there is a script for each, and bash completes with its own.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::process::Command;

use common::{mnist_tch, printed};
use predicates::str::contains;
use tempfile::tempdir;

#[test]
fn every_shell_has_a_script() {
    let folder = tempdir().unwrap();
    for (shell, word) in [
        ("bash", "complete -F"),
        ("zsh", "#compdef mnist-tch"),
        ("fish", "complete -c mnist-tch"),
    ] {
        let script = printed(folder.path(), &format!("completions {shell}"));
        assert!(script.contains(word), "{shell}");
        assert!(script.contains("evaluate"), "{shell}");
    }
    let refused = mnist_tch(folder.path(), "completions cmd").assert().code(2);
    refused.stderr(contains("bash, zsh, fish"));
}

/// Asks for the completions of the last word of a line, as bash does when Tab is pressed.
const PRESS_TAB: &str = r#"
function=$(complete -p mnist-tch | sed 's/.*-F \([^ ]*\) .*/\1/')
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
"$function" mnist-tch "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

#[test]
fn bash_completes_commands_options_and_their_values() {
    let folder = tempdir().unwrap();
    let program = printed(folder.path(), "completions bash") + PRESS_TAB;
    for (line, expected) in [
        ("mnist-tch eva", "evaluate"),
        ("mnist-tch --batch", "--batch-size"),
        ("mnist-tch --init gl", "glorot"),
        ("mnist-tch evaluate --data", "--dataset\n--data-dir"),
        ("mnist-tch evaluate --dataset fash", "fashion-mnist"),
    ] {
        let output = Command::new("bash")
            .args(["--norc", "-c", &program, "bash"])
            .args(line.split(' '))
            .output()
            .unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found.trim_end(), expected, "{line}");
    }
}
