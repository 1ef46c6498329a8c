//! `mnist-tch predict`: what a trained model says to people's own pictures, a line each.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::options::Machine;
use super::{model, read_start, start_of};
use crate::data::picture::{self, Prepared};
use crate::data::{Dataset, SIDE};
use crate::learn::{DeviceChoice, Prediction, score};
use crate::report::files;
use crate::report::run_dir::RunDir;

/// Pictures that are answered together: few enough for the first line to come soon.
const GROUP: usize = 64;

/// The most bytes of one picture.
const MAX_BYTES: u64 = 128 << 20;

/// Where `--show` keeps what it shows.
const PREPARED: &str = "prepared";

/// What stands for stdin.
const STDIN: &str = "-";

/// From paper to ink. Plain letters, which every terminal of any colours and every file can show.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// PNG or JPEG pictures of one digit each, dark on light or light on dark; folders of them; -
    /// for stdin
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    model: PathBuf,
    /// Print a JSON object a line, with the probability of every class
    #[arg(long)]
    json: bool,
    /// Print the picture as the network sees it, 28x28, below each line, and keep it in --out
    #[arg(long, conflicts_with = "json")]
    show: bool,
    /// Keep the pictures as the network sees them in this folder, as NAME.28x28.png [default with
    /// --show: prepared]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace other pictures of these names
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
}

/// Answers every picture that can be read; of others the error, in its place and at the end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model)?;
    let (device, threads) = options.machine.select(DeviceChoice::Auto, false)?;
    let shown = options.show.then(|| PREPARED.into());
    let out = options.out.clone().or(shown);
    let out = out
        .map(|path| RunDir::beside(&path, &[], true))
        .transpose()?;
    let mut inputs = find(&options.images);
    let (count, mut failed) = (inputs.len(), 0);
    while !inputs.is_empty() {
        let mut pictures = Vec::new();
        for input in inputs.drain(..GROUP.min(inputs.len())) {
            match input.and_then(|path| prepare(&path, out.as_ref(), options.force)) {
                Ok(picture) => pictures.push(picture),
                // Nothing else could be answered.
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    super::note(&format!("error: {error:#}"));
                    failed += 1;
                }
            }
        }
        if pictures.is_empty() {
            continue;
        }
        let pixels = pictures.iter().flat_map(|(_, picture)| *picture).collect();
        let images = Dataset::unlabelled(pixels);
        let answers = score(&model.weights, &images, device, threads)?.predictions();
        let mut text = String::new();
        for ((name, picture), answer) in pictures.iter().zip(&answers) {
            text += &if options.json {
                json(name, answer)?
            } else {
                line(name, answer)
            };
            if options.show {
                text += &shades(picture);
            }
        }
        super::print(&text)?;
    }
    ensure!(failed == 0, "{failed} of {count} pictures have no answer");
    Ok(())
}

/// The pictures of `paths` in their order; a folder stands for those in it (not below), by name.
fn find(paths: &[PathBuf]) -> Vec<Result<PathBuf>> {
    let pictures = |path: &PathBuf| {
        if path.as_os_str() == STDIN || !path.is_dir() {
            return vec![Ok(path.clone())];
        }
        match pictures_in(path) {
            Ok(files) => files.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error.context(path.display().to_string()))],
        }
    };
    paths.iter().flat_map(pictures).collect()
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).context("cannot be read")? {
        let path = entry.context("cannot be read")?.path();
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ["png", "jpg", "jpeg"].iter().any(|known| ending == *known) && path.is_file() {
            files.push(path);
        }
    }
    ensure!(
        !files.is_empty(),
        "no .png, .jpg or .jpeg file in this folder"
    );
    files.sort();
    Ok(files)
}

/// A picture's name and what the network sees of it, which is kept in `out`.
fn prepare(path: &Path, out: Option<&RunDir>, force: bool) -> Result<(String, Prepared)> {
    let name = path.display().to_string();
    let bytes = read(path).with_context(|| name.clone())?;
    let picture = picture::prepare(&bytes).with_context(|| name.clone())?;
    if let Some(out) = out {
        let name = match path.file_name() {
            Some(name) if name != STDIN => name.to_string_lossy(),
            _ => "stdin".into(),
        };
        let path = out.path().join(format!("{name}.28x28.png"));
        let png = picture::to_png(&picture)?;
        // The same picture prepared once more replaces nothing.
        if fs::read(&path).ok().as_ref() != Some(&png) {
            files::refuse_taken(&path, force)?;
            files::write(&path, &png)?;
        }
    }
    Ok((name, picture))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let bytes = if path.as_os_str() == STDIN {
        read_start(io::stdin().lock(), MAX_BYTES).context("cannot be read")?
    } else {
        start_of(path, MAX_BYTES)?
    };
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "larger than {MAX_BYTES} bytes"
    );
    Ok(bytes)
}

fn line(file: &str, answer: &Prediction) -> String {
    let ((best, probability), (other, rest)) = (answer.best(), answer.runner_up());
    format!("{file}: {best} {probability:.4}, else {other} {rest:.4}\n")
}

fn json(file: &str, answer: &Prediction) -> Result<String> {
    /// In the order in which its fields are printed.
    #[derive(Serialize)]
    struct Line<'a> {
        file: &'a str,
        predicted: usize,
        probability: f64,
        runner_up: usize,
        runner_up_probability: f64,
        probabilities: &'a [f64],
    }
    let ((predicted, probability), (runner_up, second)) = (answer.best(), answer.runner_up());
    let line = Line {
        file,
        predicted,
        probability,
        runner_up,
        runner_up_probability: second,
        probabilities: answer.probabilities(),
    };
    Ok(serde_json::to_string(&line)? + "\n")
}

/// The picture in letters: 28 lines of 28 pixels, two letters each, because letters are twice as
/// high as wide.
fn shades(picture: &Prepared) -> String {
    let shade = |&pixel: &u8| SHADES[usize::from(pixel) * SHADES.len() / 256];
    let row = |row: &[u8]| row.iter().flat_map(|pixel| [shade(pixel); 2]).collect();
    let rows = picture.chunks_exact(SIDE).map(row);
    rows.map(|row: String| row.trim_end().to_owned() + "\n")
        .collect()
}
