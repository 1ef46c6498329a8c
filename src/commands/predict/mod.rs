//! `mnist-tch predict`: what a trained model says to people's own pictures, a line each.

mod inputs;
mod shades;

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use self::inputs::Input;
use super::model;
use crate::data::Dataset;
use crate::data::picture::{self, Prepared};
use crate::learn::answer::Answer;
use crate::learn::device::{Choice, Device};
use crate::learn::prediction;
use crate::learn::weights::Weights;
use crate::report::folders::file;
use crate::report::folders::run_dir::RunDir;

/// Pictures that are answered together: few enough for the first line to come soon.
const GROUP: usize = 64;

/// What the command line asks for.
#[derive(Debug, Clone)]
pub struct Options {
    /// The model's file, or the directory of its run.
    pub model: PathBuf,
    /// Pictures, folders of pictures, or `-` for stdin.
    pub images: Vec<PathBuf>,
    /// Where to do it.
    pub device: Choice,
    /// Threads on the CPU.
    pub threads: NonZeroUsize,
    /// How the answers are printed.
    pub format: Format,
    /// Where the prepared pictures go; `None` means nowhere.
    pub out: Option<PathBuf>,
    /// Whether prepared pictures may be replaced.
    pub force: bool,
}

/// How answers are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A line for people.
    Text,
    /// A line for people, and the prepared picture below it.
    Shown,
    /// A JSON object on a line.
    Json,
}

/// Answers every picture that can be read.
///
/// # Errors
/// When the model or the device cannot be used, or a picture could not be answered; the others are, before.
pub fn run(options: &Options) -> Result<()> {
    let model = model::open(&options.model)?;
    let device = super::select_device(options.device, false)?;
    let out = options.out.as_ref();
    let out = out
        .map(|path| RunDir::beside(path, &[], true))
        .transpose()?;
    let inputs = inputs::find(&options.images);
    let mut session = Session {
        options,
        weights: &model.weights,
        device,
        out,
        failures: Vec::new(),
    };
    let count = inputs.len();
    let mut inputs = inputs.into_iter();
    loop {
        let group: Vec<Result<Input>> = inputs.by_ref().take(GROUP).collect();
        if group.is_empty() {
            break;
        }
        session.answer(group, count == 1)?;
    }
    match session.failures.pop() {
        None => Ok(()),
        // The only one has not been told yet.
        Some(error) if count == 1 => Err(error),
        Some(_) => bail!(
            "{} of {count} pictures have no answer",
            session.failures.len() + 1
        ),
    }
}

struct Session<'a> {
    options: &'a Options,
    weights: &'a Weights,
    device: Device,
    out: Option<RunDir>,
    failures: Vec<anyhow::Error>,
}

/// A picture that is ready for the network.
struct Ready {
    name: String,
    picture: Prepared,
}

impl Session<'_> {
    /// Prepares a group of pictures, asks the network, and prints a line for each.
    fn answer(&mut self, group: Vec<Result<Input>>, alone: bool) -> Result<()> {
        let mut ready = Vec::with_capacity(group.len());
        for input in group {
            match input.and_then(|input| self.prepare(&input)) {
                Ok(picture) => ready.push(picture),
                Err(error) => {
                    if !alone {
                        super::note(&format!("error: {error:#}"));
                    }
                    self.failures.push(error);
                }
            }
        }
        if ready.is_empty() {
            return Ok(());
        }
        let pixels = ready.iter().flat_map(|ready| ready.picture).collect();
        let (images, threads) = (Dataset::unlabelled(pixels), self.options.threads);
        let answers = prediction::answers(self.weights, &images, self.device, threads)?;
        let mut text = String::new();
        for (ready, answer) in ready.iter().zip(&answers) {
            text += &line(self.options.format, ready, answer)?;
        }
        super::print(&text)
    }

    fn prepare(&self, input: &Input) -> Result<Ready> {
        let name = input.name();
        let picture = picture::prepare(&input.read()?).with_context(|| name.clone())?;
        if let Some(out) = &self.out {
            let path = out.path().join(input.prepared_name());
            let png = picture::to_png(&picture)?;
            // The same picture prepared once more replaces nothing.
            if fs::read(&path).ok().as_ref() != Some(&png) {
                file::refuse_taken(&path, self.options.force)?;
                file::write(&path, &png)?;
            }
        }
        Ok(Ready { name, picture })
    }
}

/// An answer as JSON.
#[derive(Serialize)]
struct Record<'a> {
    file: &'a str,
    predicted: usize,
    probability: f64,
    runner_up: usize,
    runner_up_probability: f64,
    probabilities: &'a [f64],
}

fn line(format: Format, ready: &Ready, answer: &Answer) -> Result<String> {
    let ((predicted, probability), (runner_up, second)) = (answer.best(), answer.runner_up());
    let file = ready.name.as_str();
    Ok(match format {
        Format::Text => {
            format!("{file}: {predicted} {probability:.4}, else {runner_up} {second:.4}\n")
        }
        Format::Shown => line(Format::Text, ready, answer)? + &shades::shades(&ready.picture),
        Format::Json => {
            let record = Record {
                file,
                predicted,
                probability,
                runner_up,
                runner_up_probability: second,
                probabilities: answer.probabilities(),
            };
            serde_json::to_string(&record)? + "\n"
        }
    })
}
