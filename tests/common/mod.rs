//! Running the program in a folder of its own.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;

/// The program, in `folder`, with the words of `line` as its arguments.
pub fn mnist_tch(folder: &Path, line: &str) -> Command {
    let mut command = Command::cargo_bin("mnist-tch").unwrap();
    command.current_dir(folder).args(line.split_whitespace());
    command
}

/// What the program prints, with the words of `line`, when all goes well.
pub fn printed(folder: &Path, line: &str) -> String {
    printed_by(&mut mnist_tch(folder, line))
}

pub fn printed_by(command: &mut Command) -> String {
    let output = command.assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// Starts the program and waits, while it runs, until it is `ready`.
pub fn start(folder: &Path, line: &str, ready: impl Fn() -> bool) -> Child {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
        .current_dir(folder)
        .args(line.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(120), "nothing is made");
        sleep(Duration::from_millis(1));
    }
    child
}

/// Options of a run that takes a second: 3 steps an epoch, two epochs.
pub const SMALL: &str = "--device cpu --epochs 2 --train-range 0..300 --test-range 0..200";

/// Runs the small job with more options, into `folder`/run.
pub fn small_run(folder: &TempDir, more: &str) {
    printed(folder.path(), &format!("{SMALL} --out run {more}"));
}

/// The bytes of a file of the run.
pub fn run_file(folder: &TempDir, name: &str) -> Vec<u8> {
    fs::read(folder.path().join("run").join(name)).unwrap()
}

/// The one line about an error that was printed to stderr, after notes and warnings if there are any.
pub fn error_line(command: &mut Command, status: i32) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{text}");
    let is_error = |line: &&str| !line.starts_with("note: ") && !line.starts_with("warning: ");
    let lines: Vec<&str> = text.lines().filter(is_error).collect();
    assert!(
        lines.len() == 1 && lines[0].starts_with("error: "),
        "{text}"
    );
    let is_panic = text.contains("panicked") || text.contains("frame #");
    assert!(!is_panic, "{text}");
    text
}

/// The error of the program with these arguments, which must end with status 1 and say all `parts`.
pub fn fails(folder: &Path, line: &str, parts: &[&str]) -> String {
    let error = error_line(&mut mnist_tch(folder, line), 1);
    for part in parts {
        assert!(error.contains(part), "{line}: {part}: {error}");
    }
    error
}

/// IDX bytes: a header with these sizes, then `data`.
pub fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, u8::try_from(dims.len()).unwrap()];
    bytes.extend(dims.iter().flat_map(|dim| dim.to_be_bytes()));
    bytes.extend(data);
    bytes
}

/// Writes images of 28x28 and their labels under the names that MNIST's files have.
pub fn write_set(folder: &Path, prefix: &str, images: &[u8], labels: &[u8]) {
    let count = u32::try_from(labels.len()).unwrap();
    let path = |name: &str| folder.join(format!("{prefix}-{name}-ubyte"));
    fs::write(path("images-idx3"), idx(&[count, 28, 28], images)).unwrap();
    fs::write(path("labels-idx1"), idx(&[count], labels)).unwrap();
}

/// The same bytes as a gzip file.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Images that anyone can tell apart: of image i a bar whose place is that of class i modulo
/// `classes`, and its label `first` + i modulo `classes`.
pub fn bars(count: usize, classes: usize, first: usize) -> (Vec<u8>, Vec<u8>) {
    let bar = |class: usize| {
        let on = move |pixel: usize| pixel * classes / 784 == class;
        (0..784).map(move |pixel| if on(pixel) { 255 } else { 0 })
    };
    let images = (0..count).flat_map(|image| bar(image % classes)).collect();
    let label = |image: usize| u8::try_from(first + image % classes).unwrap();
    (images, (0..count).map(label).collect())
}
