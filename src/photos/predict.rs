//! `mnist-tch predict`: a trained model's answers to people's own pictures, one line per digit, and
//! to files of images without labels.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use super::inputs::{DetectedDigit, FileContent, find_files, is_file_of_images, is_stdin, read};
use super::to_png;
use crate::data::{Dataset, files, in_parallel};
use crate::learn::{DeviceChoice, Prediction, score};
use crate::report::run_dir::RunDir;
use crate::terminal::images::{Prepare, Sources};
use crate::terminal::model::{self, ModelOptions};
use crate::terminal::options::{Machine, fraction};
use crate::terminal::{note, print, printable};

/// Number of files processed together; small, so that the first line appears soon.
const GROUP: usize = 64;

/// Name of the id column of `--csv` for pictures.
const FILE_COLUMN: &str = "file";
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Pictures (PNG, JPEG, WebP, BMP, GIF, TIFF) of one or more digits, dark on light or light on
    /// dark; folders of pictures; - for stdin; or files of images without labels (CSV, .npy, .npz,
    /// IDX)
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<PathBuf>,
    #[command(flatten)]
    model: ModelOptions,
    /// How to prepare pictures [default: as for the model's training images]
    #[arg(long, value_name = "HOW", value_enum)]
    prepare: Option<Prepare>,
    /// Mark predictions below this probability (0 to 1) as unsure
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    #[arg(default_value_t = 0.8)]
    min_probability: f64,
    /// Print one JSON object per line: the probability of every class, and the bounding box
    #[arg(long)]
    json: bool,
    /// Write the predictions to this file, one id and label per line: for a file of images in
    /// Kaggle's format (ImageId,Label), for pictures their names and classes
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    csv: Option<PathBuf>,
    /// Save the prepared pictures, the network's input, in this folder as NAME.28x28.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace existing files
    #[arg(long)]
    force: bool,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
}

/// Predicts all readable files. Unreadable files are reported in order, and the command then fails.
pub(crate) fn run(options: &Options, sources: &Sources) -> Result<()> {
    let model = model::open(&options.model.model, false)?;
    let (device, threads) = options.machine.select(DeviceChoice::Cpu, false)?;
    let (run, preparation, classes) = model.trained_on(&options.model)?;
    let read_options = run.map(|run| run.data.read_options()).unwrap_or_default();
    let preparation = options.prepare.map_or(preparation, Into::into);
    let out = options.out.as_deref();
    let out = out.map(|path| OutputFolder::create(path, options.force));
    let mut out = out.transpose()?;
    let inputs = find_files(&options.images);
    let csv = options.csv.as_deref();
    let csv = csv.map(|path| CsvFile::create(path, options.force, &inputs));
    let mut csv = csv.transpose()?;
    let (count, mut failed) = (inputs.len(), 0);
    let mut inputs = inputs.into_iter().peekable();
    while inputs.peek().is_some() {
        let group = inputs.by_ref().take(GROUP).collect();
        let mut digits = Vec::new();
        let read = |path: Result<PathBuf>| {
            Ok(path.and_then(|path| read(path, preparation, &read_options, sources)))
        };
        for content in in_parallel(group, threads, read)? {
            let saved = content.and_then(|content| {
                if let Some(out) = &mut out {
                    out.save(&content)?;
                }
                Ok(content)
            });
            match saved {
                Ok(content) => {
                    if let (Some(csv), Some(id_column)) = (&mut csv, content.id_column) {
                        csv.id_column = id_column;
                    }
                    digits.extend(content.digits);
                }
                // Nothing else could be answered.
                Err(error) if count == 1 => return Err(error),
                Err(error) => {
                    note(&format!("error: {error:#}"));
                    failed += 1;
                }
            }
        }
        if digits.is_empty() {
            continue;
        }
        let pixels = digits.iter().flat_map(|digit| digit.image);
        let images = Dataset::unlabeled(pixels.collect());
        let answers = score(&model.weights, &images, device, threads)?.predictions();
        let mut text = String::new();
        for (digit, answer) in digits.iter().zip(&answers) {
            // False for NaN, too.
            let is_sure = answer.best().1 >= options.min_probability;
            if let Some(csv) = &mut csv {
                csv.add(digit, answer, is_sure, &classes);
            } else if options.json {
                text += &digit.json(answer, is_sure, &classes)?;
            } else {
                text += &digit.line(answer, is_sure, &classes);
            }
        }
        print(&text)?;
    }
    if let Some(csv) = csv {
        csv.write()?;
    }
    ensure!(failed == 0, "{failed} of {count} files have no answer");
    Ok(())
}

/// The folder that keeps the prepared pictures.
struct OutputFolder {
    folder: RunDir,
    force: bool,
    /// Names used by this run; files of the same name from two folders get a number.
    used: HashSet<String>,
}

impl OutputFolder {
    fn create(path: &Path, force: bool) -> Result<Self> {
        Ok(Self {
            folder: RunDir::beside(path, &[], true)?,
            force,
            used: HashSet::new(),
        })
    }

    /// Writes the digits of a picture.
    fn save(&mut self, content: &FileContent) -> Result<()> {
        let file_name = match content.path.file_name() {
            Some(name) if !is_stdin(&content.path) => printable(&name.to_string_lossy(), &[]),
            _ => "stdin".to_owned(),
        };
        let mut name = file_name.clone();
        for number in 2.. {
            if self.used.insert(name.clone()) {
                break;
            }
            name = format!("{file_name}-{number}");
        }
        for digit in content
            .digits
            .iter()
            .filter(|digit| digit.bounding_box.is_some())
        {
            let number = digit.number_suffix();
            let path = self.folder.path().join(format!("{name}{number}.28x28.png"));
            let png = to_png(&digit.image)?;
            // An unchanged file does not need --force.
            if fs::read(&path).ok().as_ref() != Some(&png) {
                files::refuse_taken(&path, self.force)?;
                files::write(&path, &png, true)?;
            }
        }
        Ok(())
    }
}

/// The file that `--csv` writes.
struct CsvFile<'a> {
    path: &'a Path,
    id_column: String,
    rows: Vec<[String; 2]>,
    unsure: usize,
}

impl<'a> CsvFile<'a> {
    fn create(path: &'a Path, force: bool, inputs: &[Result<PathBuf>]) -> Result<Self> {
        files::refuse_taken(path, force)?;
        let mut paths = inputs.iter().flatten();
        ensure!(
            inputs.len() == 1 || !paths.any(|path| is_file_of_images(path)),
            "--csv: ids of several files would be mixed: name one file of images, or pictures only"
        );
        Ok(Self {
            path,
            id_column: FILE_COLUMN.to_owned(),
            rows: Vec::new(),
            unsure: 0,
        })
    }

    fn add(
        &mut self,
        digit: &DetectedDigit,
        answer: &Prediction,
        is_sure: bool,
        classes: &[String],
    ) {
        let (best, _) = answer.best();
        // Files of images have numbers as labels, pictures have classes.
        let label = match digit.bounding_box {
            Some(_) => classes[best].clone(),
            None => best.to_string(),
        };
        self.rows.push([digit.id(), label]);
        self.unsure += usize::from(!is_sure);
    }

    fn write(self) -> Result<()> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record([&self.id_column, "Label"])?;
        for row in &self.rows {
            writer.write_record(row)?;
        }
        files::write(self.path, &writer.into_inner()?, true)?;
        let (path, count, unsure) = (self.path.display(), self.rows.len(), self.unsure);
        print(&format!("{path}: {count} answers, {unsure} unsure\n"))
    }
}

impl DetectedDigit {
    fn line(&self, answer: &Prediction, is_sure: bool, classes: &[String]) -> String {
        let ((best, probability), (second, rest)) = (answer.best(), answer.runner_up());
        let (best, second) = (&classes[best], &classes[second]);
        let unsure = if is_sure { "" } else { ", unsure" };
        let name = self.name();
        let line = format!("{name}: {best} {probability:.4}, else {second} {rest:.4}{unsure}");
        // A line break in a file's name must not look like another answer.
        printable(&line, &[]) + "\n"
    }

    fn json(&self, answer: &Prediction, is_sure: bool, classes: &[String]) -> Result<String> {
        /// In the order in which the fields are printed. Probabilities that are NaN become null.
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
            #[serde(rename = "box", skip_serializing_if = "Option::is_none")]
            bounding_box: Option<[u32; 4]>,
        }
        let ((predicted, probability), (runner_up, second)) = (answer.best(), answer.runner_up());
        let line = Line {
            file: &self.file,
            number: self.number,
            predicted,
            class: &classes[predicted],
            probability,
            unsure: !is_sure,
            runner_up,
            runner_up_class: &classes[runner_up],
            runner_up_probability: second,
            probabilities: answer.probabilities(),
            bounding_box: self.bounding_box,
        };
        Ok(serde_json::to_string(&line)? + "\n")
    }
}
