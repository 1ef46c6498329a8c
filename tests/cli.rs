//! The program as people, scripts and shells meet it: exit statuses, stdout and stderr, devices,
//! completions.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::process::Command;

use common::{SMALL, fails, mnist_tch, printed, start};
use mnist_tch::learn::{Architecture, Init, Weights};
use predicates::str::contains;
use tempfile::tempdir;

#[test]
fn wrong_usage_is_status_2_and_names_the_option() {
    let folder = tempdir().unwrap();
    for (line, word) in [
        ("--epochs 0", "--epochs"),
        ("--force", "--force"),
        ("--unknown", "--unknown"),
        ("train", "train"),
        ("predict --model m", "<IMAGE>"),
        ("predict --model m a.png --json --csv a.csv", "--json"),
        ("evaluate --model run --force", "--out"),
        ("completions cmd", "bash, zsh, fish"),
    ] {
        let output = mnist_tch(folder.path(), line).assert().code(2);
        output.stderr(contains(word)).stdout("");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn results_go_to_stdout_and_progress_to_stderr() {
    let folder = tempdir().unwrap();
    let output = mnist_tch(folder.path(), SMALL).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
    let (stdout, stderr) = (stdout.unwrap(), stderr.unwrap());
    let parts = "start|epoch 1|epoch 2|true \\ predicted|files in runs|model.safetensors";
    for part in parts.split('|') {
        assert!(stdout.contains(part), "{part}: {stdout}");
    }
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    assert!(lines[0].starts_with("epoch 1/2  step 3  loss "), "{stderr}");
    assert!(lines[1].ends_with("images/s trained on"), "{stderr}");
    assert!(!stderr.contains(['\u{1b}', '\r']), "{stderr:?}");
    // Without --out a run gets a folder of its own.
    assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 1);
}

#[test]
fn an_accuracy_below_the_minimum_is_status_1_with_all_files_written() {
    let folder = tempdir().unwrap();
    let line = |least| format!("{SMALL} --quiet --out {least} --min-accuracy {least}");
    fails(folder.path(), &line("0.99"), &["below --min-accuracy 0.99"]);
    assert!(folder.path().join("0.99/summary.json").exists());
    let enough = mnist_tch(folder.path(), &line("0.05")).assert();
    enough.success().stdout("").stderr("");
}

#[test]
fn files_that_are_there_are_replaced_only_with_force() {
    let folder = tempdir().unwrap();
    let weights = Weights::initial(Init::Flux, 0, &Architecture::article(10).unwrap());
    let bytes = weights.to_safetensors().unwrap();
    fs::write(folder.path().join("m"), bytes).unwrap();
    fs::create_dir(folder.path().join("out")).unwrap();
    fs::write(folder.path().join("out/notes.txt"), "mine").unwrap();
    let evaluate = "evaluate --device cpu --test-range ..10 --model";
    let train = format!("{SMALL} -q --out out");
    for (line, name) in [
        (&*train, "out/accuracy.csv"),
        (&format!("{evaluate} out --out out"), "out/confusion.csv"),
        ("export --model m model.onnx", "model.onnx"),
        ("describe --png network.png", "network.png"),
    ] {
        let file = folder.path().join(name);
        fs::write(&file, "mine").unwrap();
        let name = file.file_name().unwrap().to_str().unwrap();
        fails(folder.path(), line, &[name, "--force"]);
        assert_eq!(fs::read(&file).unwrap(), b"mine", "{line}");
        printed(folder.path(), &format!("{line} --force"));
        assert_ne!(fs::read(&file).unwrap(), b"mine", "{line}");
    }
    fails(folder.path(), &train, &["out holds the results of a run"]);
    let notes = fs::read(folder.path().join("out/notes.txt")).unwrap();
    assert_eq!(notes, b"mine");
    assert!(folder.path().join("out/model.safetensors").exists());
    let line = "export --model m no/model.onnx";
    fails(folder.path(), line, &["cannot write no/model.onnx"]);
}

#[test]
fn a_reader_that_leaves_early_is_no_error() {
    let folder = tempdir().unwrap();
    let mut child = start(folder.path(), &format!("{SMALL} --out run"), || true);
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("error"), "{stderr}");
    assert!(folder.path().join("run/summary.json").exists());
}

#[test]
fn a_device_is_used_or_refused_but_never_replaced() {
    let folder = tempdir().unwrap();
    let devices = printed(folder.path(), "devices");
    let names = "libtorch|CUDA build|driver|GPU|threads|usable      cpu";
    for name in names.split('|') {
        assert!(devices.contains(name), "{name}: {devices}");
    }
    let has_gpu = devices.contains("cuda:0");
    let absent = if has_gpu { "cuda:99" } else { "cuda" };
    let on = |device| SMALL.replace("cpu", device);
    let parts = ["--device cuda: ", "Devices here: cpu"];
    fails(folder.path(), &on(absent), &parts);
    if cfg!(not(target_os = "macos")) {
        fails(folder.path(), &on("mps"), &["Apple silicon"]);
    }
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a refusal takes no training");
    if has_gpu {
        printed(folder.path(), &on("cuda"));
    }
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
fn shells_complete_commands_options_and_their_values() {
    let folder = tempdir().unwrap();
    let script = |shell| printed(folder.path(), &format!("completions {shell}"));
    assert!(script("zsh").contains("#compdef mnist-tch"));
    let fish = script("fish");
    assert!(fish.contains("using_subcommand fetch' -f -a 'mnist-10k mnist fashion-mnist kmnist'"));
    // fish runs what is in parentheses within the values of an option as a command.
    let values = fish
        .lines()
        .filter_map(|line| line.split_once(" -a \""))
        .map(|(_, it)| it);
    assert!(!values.collect::<String>().contains('('), "{fish}");
    if Command::new("fish").arg("--version").output().is_ok() {
        fs::write(folder.path().join("m.fish"), &fish).unwrap();
        for (line, expected) in [
            ("--init ", "glorot"),
            ("fetch ", "kmnist"),
            ("eva", "evaluate"),
        ] {
            let complete = format!("source m.fish; complete -C 'mnist-tch {line}'");
            let mut shell = Command::new("fish");
            let output = shell
                .current_dir(folder.path())
                .args(["-c", &complete])
                .output();
            let found = String::from_utf8(output.unwrap().stdout).unwrap();
            assert!(found.contains(expected), "{line}: {found}");
        }
    }
    let program = script("bash") + PRESS_TAB;
    for (line, expected) in [
        ("mnist-tch eva", "evaluate"),
        ("mnist-tch --batch", "--batch-size"),
        ("mnist-tch --init gl", "glorot"),
        ("mnist-tch evaluate --data", "--dataset\n--data-dir"),
        ("mnist-tch evaluate --dataset fash", "fashion-mnist"),
    ] {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "-c", &program, "bash"]);
        let output = bash.args(line.split(' ')).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap();
        assert_eq!(found.trim_end(), expected, "{line}");
    }
}
