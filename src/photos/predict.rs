//! `mnist-tch predict`: what a trained model says to people's own pictures, a line for each digit.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::Serialize;

use super::{Figure, Prepared};
use crate::data::{Dataset, Preparation, SIDE, files, in_parallel};
use crate::learn::{DeviceChoice, Prediction, score};
use crate::report::run_dir::RunDir;
use crate::terminal::model::{self, ModelOptions};
use crate::terminal::options::{Machine, fraction};
use crate::terminal::{note, print, read_start, start_of};

/// Pictures that are answered together: few enough for the first line to come soon.
const GROUP: usize = 64;

/// The most bytes of one picture.
const MAX_BYTES: u64 = 128 << 20;

/// Where `--show` keeps what it shows.
const PREPARED: &str = "prepared";

/// What stands for stdin.
const STDIN: &str = "-";

/// Endings of the files in a folder that are taken for pictures. The last four cannot be read, and
/// their errors say what to do.
const ENDINGS: [&str; 12] = [
    "png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "pdf",
];

/// From paper to ink. Plain letters, which every terminal of any colours and every file can show.
const SHADES: [char; 10] = [' ', '.', ':', '-', '=', '+', '*', '#', '%', '@'];

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Pictures (PNG, JPEG, WebP, BMP, GIF, TIFF) of one digit or of several, dark on light or
    /// light on dark; folders of them; - for stdin
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelOptions,
    /// Answers below this probability (0 to 1) are called unsure
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    #[arg(default_value_t = 0.8)]
    min_probability: f64,
    /// Print a JSON object a line: the probability of every class, and the place in the picture
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

/// A figure in a picture, for the network to tell.
struct Question {
    file: String,
    /// Which one it is, from 1, where the picture has several.
    number: Option<usize>,
    figure: Figure,
}

/// Answers every picture that can be read; of others the error, in its place and at the end.
pub(crate) fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model.model, false)?;
    let (device, threads) = options.machine.select(DeviceChoice::Cpu, false)?;
    let (_, preparation, classes) = model.trained_on(&options.model)?;
    let usual = options.show.then(|| PREPARED.into());
    let out = options.out.clone().or(usual);
    let keep = out.map(|path| Keep::in_folder(&path, options.force));
    let mut keep = keep.transpose()?;
    let mut inputs = find(&options.images);
    let (count, mut failed) = (inputs.len(), 0);
    while !inputs.is_empty() {
        let group = inputs.drain(..GROUP.min(inputs.len())).collect();
        let mut questions = Vec::new();
        for found in in_parallel(group, threads, |path| Ok(figures(path, preparation)))? {
            let kept = found.and_then(|(path, figures)| {
                let asked = questions_of(&path, figures);
                if let Some(keep) = &mut keep {
                    keep.all(&path, &asked)?;
                }
                Ok(asked)
            });
            match kept {
                Ok(asked) => questions.extend(asked),
                // Nothing else could be answered.
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    note(&format!("error: {error:#}"));
                    failed += 1;
                }
            }
        }
        if questions.is_empty() {
            continue;
        }
        let pixels = questions.iter().flat_map(|asked| asked.figure.prepared);
        let images = Dataset::unlabeled(pixels.collect());
        let answers = score(&model.weights, &images, device, threads)?.predictions();
        let mut text = String::new();
        for (question, answer) in questions.iter().zip(&answers) {
            let unsure = answer.best().1 < options.min_probability;
            text += &if options.json {
                question.json(answer, unsure, &classes)?
            } else {
                question.line(answer, unsure, &classes)
            };
            if options.show {
                text += &shades(&question.figure.prepared);
            }
        }
        print(&text)?;
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
            Err(error) => vec![Err(error.context(shown(path)))],
        }
    };
    paths.iter().flat_map(pictures).collect()
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut others) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).context("cannot be read")? {
        let path = entry.context("cannot be read")?.path();
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ENDINGS.iter().any(|known| ending == *known) && path.is_file() {
            files.push(path);
        } else if path.is_file() {
            others += 1;
        }
    }
    ensure!(
        !files.is_empty(),
        "no picture in this folder: no name ends in .{}",
        ENDINGS.join(", .")
    );
    let are = match others {
        0 => "",
        1 => "1 file is no picture by its name",
        _ => &format!("{others} files are no pictures by their names"),
    };
    if others > 0 {
        note(&format!("{}: {are}, and left out", shown(folder)));
    }
    files.sort();
    Ok(files)
}

/// A path without line breaks and other control characters, which a file's name can have and which
/// would make other lines of ours, or move a terminal's cursor.
fn shown(path: &Path) -> String {
    let escaped = |letter: char| match letter {
        '\u{2028}' | '\u{2029}' => letter.escape_unicode().to_string(),
        _ if letter.is_control() => letter.escape_default().to_string(),
        _ => letter.to_string(),
    };
    path.display().to_string().chars().map(escaped).collect()
}

/// What is in a picture that could be found.
fn figures(path: Result<PathBuf>, preparation: Preparation) -> Result<(PathBuf, Vec<Figure>)> {
    let path = path?;
    let figures = read(&path).and_then(|bytes| super::figures(&bytes, preparation));
    let figures = figures.with_context(|| shown(&path))?;
    Ok((path, figures))
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

fn questions_of(path: &Path, figures: Vec<Figure>) -> Vec<Question> {
    let several = figures.len() > 1;
    let question = |(index, figure)| Question {
        file: path.display().to_string(),
        number: several.then_some(index + 1),
        figure,
    };
    figures.into_iter().enumerate().map(question).collect()
}

/// Keeps the pictures as the network sees them.
struct Keep {
    folder: RunDir,
    force: bool,
    /// The names that this run has given; files of one name from two folders get two.
    given: HashSet<String>,
}

impl Keep {
    fn in_folder(path: &Path, force: bool) -> Result<Self> {
        Ok(Self {
            folder: RunDir::beside(path, &[], true)?,
            force,
            given: HashSet::new(),
        })
    }

    /// Writes what was found in one picture.
    fn all(&mut self, path: &Path, questions: &[Question]) -> Result<()> {
        let own = match path.file_name() {
            Some(name) if name != STDIN => shown(name.as_ref()),
            _ => "stdin".to_owned(),
        };
        let others = (2..).map(|number| format!("{own}-{number}"));
        let mut names = [own.clone()].into_iter().chain(others);
        let name = names.find(|name| self.given.insert(name.clone()));
        let name = name.unwrap_or(own);
        for question in questions {
            let number = question.number_shown();
            let path = self.folder.path().join(format!("{name}{number}.28x28.png"));
            let png = super::to_png(&question.figure.prepared)?;
            // The same picture prepared once more replaces nothing.
            if fs::read(&path).ok().as_ref() != Some(&png) {
                files::refuse_taken(&path, self.force)?;
                files::write(&path, &png, true)?;
            }
        }
        Ok(())
    }
}

impl Question {
    fn number_shown(&self) -> String {
        let number = self.number.map(|number| format!("[{number}]"));
        number.unwrap_or_default()
    }

    fn line(&self, answer: &Prediction, unsure: bool, classes: &[String]) -> String {
        let ((best, probability), (other, rest)) = (answer.best(), answer.runner_up());
        let (file, number) = (shown(self.file.as_ref()), self.number_shown());
        let (best, other) = (&classes[best], &classes[other]);
        let unsure = if unsure { ", unsure" } else { "" };
        format!("{file}{number}: {best} {probability:.4}, else {other} {rest:.4}{unsure}\n")
    }

    fn json(&self, answer: &Prediction, unsure: bool, classes: &[String]) -> Result<String> {
        /// In the order in which its fields are printed.
        #[derive(Serialize)]
        struct Line<'a> {
            file: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            number: Option<usize>,
            predicted: usize,
            class: &'a str,
            probability: f64,
            unsure: bool,
            runner_up: usize,
            runner_up_class: &'a str,
            runner_up_probability: f64,
            probabilities: &'a [f64],
            /// Left, top, width and height in pixels.
            r#box: [u32; 4],
        }
        let ((predicted, probability), (runner_up, second)) = (answer.best(), answer.runner_up());
        let line = Line {
            file: &self.file,
            number: self.number,
            predicted,
            class: &classes[predicted],
            probability,
            unsure,
            runner_up,
            runner_up_class: &classes[runner_up],
            runner_up_probability: second,
            probabilities: answer.probabilities(),
            r#box: self.figure.place,
        };
        Ok(serde_json::to_string(&line)? + "\n")
    }
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
