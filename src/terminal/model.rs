//! The model that a command is given: a safetensors file, or the folder of a run.
//!
//! A file in the folder of a run belongs to that run: its images, class names and picture
//! preparation are those in `summary.json`, or in the checkpoint if the run is not complete.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::images::{Mirrors, SetOptions, Sources, print_notes, reload, set_name};
use super::{note, start_of};
use crate::data::file_kind::FileKind;
use crate::data::{
    Classes, DataRecord, Dataset, ImageRange, Location, PIXELS, Part, Preparation, hex,
};
use crate::learn::Weights;
use crate::learn::checkpoint::Checkpoint;
use crate::report::run_dir::{BEST, CHECKPOINT, MODEL, SUMMARY};
use crate::report::summary::{Origin, Recorded};

/// The largest network of this program takes 206 MB as F64.
const MAX_BYTES: u64 = 256 << 20;

/// A model for people's own pictures.
#[derive(Debug, Args)]
pub(crate) struct ModelOptions {
    /// The model: a safetensors file of this program or of PyTorch, or the folder of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    pub model: PathBuf,
    /// The data set that the model was trained on, which decides how pictures are prepared and what
    /// the classes are called [default: the run's; for a file without its run, digits]
    #[arg(long, value_name = "NAME", value_parser = set_name())]
    dataset: Option<Location>,
}

/// Weights, and where they come from.
pub(crate) struct Model {
    pub weights: Weights,
    /// The file, and its digest.
    pub origin: Origin,
    /// The folder of the run that the file belongs to.
    run_folder: Option<PathBuf>,
}

/// The run that a model comes from.
pub(crate) struct ModelRun {
    /// Start time of the run: UTC, ISO 8601.
    pub started: String,
    /// The images, and where they come from.
    pub data: DataRecord,
    /// The weights it started from, with `--from`.
    from: Option<Origin>,
    /// Accuracy of the model on the run's test images, if it was scored.
    pub accuracy: Option<f64>,
}

/// The part of a checkpoint's metadata that is read here.
#[derive(Deserialize)]
struct RunMetadata {
    started: String,
    from: Option<Origin>,
    data: DataRecord,
}

/// Images to score a model on.
pub(crate) struct TestSet {
    /// Name of the data set, for people.
    pub name: String,
    /// Class names in the order of labels; as many as the model has classes.
    pub classes: Vec<String>,
    pub images: Dataset,
}

/// Opens the model at `path`. Unless `quiet`, prints what was converted or assumed.
pub(crate) fn open(path: &Path, quiet: bool) -> Result<Model> {
    let is_run = |folder: &Path| [SUMMARY, CHECKPOINT].map(|name| folder.join(name).exists());
    let mut file = path.to_owned();
    if path.is_dir() {
        file.push(MODEL);
        let shown = path.display();
        match is_run(path) {
            [false, false] => bail!(
                "{shown} is not the folder of a run, there is no {SUMMARY} in it; --model and \
                 --from also take a safetensors file"
            ),
            [false, true] if !file.exists() => bail!(
                "{shown}: the run was killed before it wrote {MODEL}; resume it with: mnist-tch \
                 --resume {shown}"
            ),
            _ => {}
        }
    }
    let shown = file.display();
    let (weights, sha256, notes) = read(&file).with_context(|| shown.to_string())?;
    let path = std::path::absolute(&file).unwrap_or_else(|_| file.clone());
    // A symbolic link to a file of a run leads to that run.
    let target = fs::canonicalize(&file).unwrap_or_else(|_| file.clone());
    let folders = [&path, &target].map(|path| path.parent().map(Path::to_owned));
    let mut folders = folders.into_iter().flatten();
    let run_folder = folders.find(|folder| is_run(folder).contains(&true));
    if !quiet {
        for text in notes {
            note(&format!("note: {shown}: {text}"));
        }
        if run_folder.is_none() {
            note(&format!(
                "note: {shown} is not in the folder of a run: its input is pixels / 255, without \
                 normalization; for weights trained with one see docs/models.md"
            ));
        }
    }
    Ok(Model {
        weights,
        run_folder,
        origin: Origin {
            path,
            sha256,
            trained_on: Vec::new(),
        },
    })
}

/// The weights in a file, its digest, and notes for the user.
fn read(file: &Path) -> Result<(Weights, String, Vec<String>)> {
    let bytes = start_of(file, MAX_BYTES)?;
    ensure!(!bytes.is_empty(), "the file is empty");
    if let Some(kind) = FileKind::of(&bytes).filter(|kind| *kind != FileKind::Safetensors) {
        bail!("{}", kind.describe_as_weights());
    }
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "larger than the weights of any network of this program"
    );
    let (weights, notes) = Weights::from_safetensors(&bytes)?;
    Ok((weights, hex(Sha256::digest(&bytes)), notes))
}

impl Model {
    /// The run that the model belongs to; `None` for a file that is not in the folder of one.
    fn run(&self) -> Result<Option<ModelRun>> {
        let Some(folder) = &self.run_folder else {
            return Ok(None);
        };
        let mut file = folder.join(SUMMARY);
        let is_complete = file.exists();
        if !is_complete {
            file.set_file_name(CHECKPOINT);
        }
        let file_name = self.origin.path.file_name().unwrap_or_default();
        let accuracy = |last: Option<f64>, best: Option<f64>| match file_name {
            name if name == MODEL => last,
            name if name == BEST => best,
            _ => None,
        };
        let parse = || -> Result<ModelRun> {
            let bytes = fs::read(&file).context("cannot read the file")?;
            if is_complete {
                let summary = Recorded::from_bytes(&bytes)?;
                let best = summary.best.map(|record| record.test_accuracy);
                return Ok(ModelRun {
                    started: summary.started,
                    data: summary.data,
                    from: summary.from,
                    accuracy: accuracy(Some(summary.final_accuracy), best),
                });
            }
            let checkpoint = Checkpoint::<RunMetadata>::from_bytes(&bytes)?;
            let last = checkpoint.records.last();
            let last = last.filter(|record| record.step == checkpoint.state.step());
            let best = checkpoint.best.map(|best| best.record.test_accuracy);
            Ok(ModelRun {
                started: checkpoint.about.started,
                data: checkpoint.about.data,
                from: checkpoint.about.from,
                accuracy: accuracy(last.map(|record| record.test_accuracy), best),
            })
        };
        let run = parse().with_context(|| {
            format!(
                "{}: the images of the run are not known; name some with --dataset or --data-dir",
                file.display()
            )
        })?;
        let (own, expected) = (self.weights.classes(), run.data.classes.len());
        ensure!(
            own == expected,
            "{} has {own} classes, but {} names {expected}: move the model to another folder",
            self.origin.path.display(),
            file.display()
        );
        Ok(Some(run))
    }

    /// The run of the model, how pictures are prepared for it, and its class names. With
    /// `--dataset`, preparation and names are those of that set and the run is left out. If nothing
    /// is known, pictures are prepared as digits.
    pub fn trained_on(
        &self,
        options: &ModelOptions,
    ) -> Result<(Option<ModelRun>, Preparation, Vec<String>)> {
        let count = self.weights.classes();
        let set = options.dataset.as_ref();
        let run = if set.is_none() { self.run()? } else { None };
        let (preparation, mut names) = match (&run, set) {
            (Some(run), _) => (run.data.preparation, run.data.classes.clone()),
            (None, Some(Location::Published { set, .. })) => {
                (set.info().preparation, set.class_names())
            }
            _ => Default::default(),
        };
        names.extend((names.len()..count).map(|class| class.to_string()));
        ensure!(
            names.len() == count,
            "--dataset: that set has {} classes, the model has {count}",
            names.len()
        );
        Ok((run, preparation, names))
    }

    /// The images to score, restricted to `range` if it is given: those of the set that `options`
    /// name; by default the test images of the model's run, which must not have changed; for a file
    /// without a run, those of the default set. Warns if the model was trained on some of them.
    pub fn images(
        &self,
        options: &SetOptions,
        range: Option<ImageRange>,
        sources: &Sources,
    ) -> Result<TestSet> {
        let count = self.weights.classes();
        let classes = options.classes.unwrap_or(count);
        ensure!(
            classes == count,
            "--classes {classes}: the model has {count} classes"
        );
        let is_named = options.dataset.is_some() || options.data_dir.is_some();
        let run = self.run();
        let run = if is_named { run.ok().flatten() } else { run? };
        let mut class_names = None;
        let (location, read_options) = match run {
            Some(run) if !is_named => {
                let (split, data) = reload(&run.data, sources, &options.mirrors, false)
                    .with_context(|| {
                        format!(
                            "{}: the images of its run cannot be used; to score others, name them \
                             with --data-dir",
                            self.origin.path.display()
                        )
                    })?;
                if range.is_none() {
                    self.warn_of_overlap(&split.test, Some(&data), sources, false);
                    return Ok(TestSet {
                        name: split.name,
                        classes: split.classes,
                        images: split.test,
                    });
                }
                (data.location.clone(), data.read_options())
            }
            run => {
                let mut read_options = options.read_options();
                read_options.classes = Classes::Number(count);
                // The run also says which folder of pictures is which class, and how pictures are
                // prepared.
                if let Some(run) = run {
                    let preparation = run.data.preparation;
                    read_options.prepare = read_options.prepare.or(Some(preparation));
                    read_options.classes = Classes::Named(run.data.classes.clone());
                    class_names = Some(run.data.classes);
                }
                (options.find(sources, false)?, read_options)
            }
        };
        let test = range.unwrap_or(ImageRange::all(Part::Test));
        let set = location.read(test.part, &read_options, sources.read_folder)?;
        print_notes(&set.notes);
        let images = test.select(&set.images, "--test-range")?;
        self.warn_of_overlap(&images, None, sources, false);
        Ok(TestSet {
            name: location.name(),
            classes: class_names.unwrap_or(set.classes),
            images,
        })
    }

    /// The images that the weights were trained on, in their own run and in those that it started
    /// from, each set once.
    pub fn training_data(&self) -> Result<Vec<DataRecord>> {
        let Some(run) = self.run()? else {
            return Ok(Vec::new());
        };
        let mut sets = run.from.map(|origin| origin.trained_on).unwrap_or_default();
        sets.retain(|data| data.sha256 != run.data.sha256);
        sets.push(run.data);
        Ok(sets)
    }

    /// Warns, even if `quiet`, if the model was trained on some of the images that are to be
    /// `scored`. If these are all test images of a data set, `own_set`, the training images of that
    /// set are others and not read again.
    pub fn warn_of_overlap(
        &self,
        scored: &Dataset,
        own_set: Option<&DataRecord>,
        sources: &Sources,
        quiet: bool,
    ) {
        // Nothing is downloaded for a warning.
        let sources = Sources {
            fetch: None,
            ..*sources
        };
        let is_other = |data: &&DataRecord| own_set.is_none_or(|own| own.sha256 != data.sha256);
        let read = |data: &DataRecord| reload(data, &sources, &Mirrors::default(), true);
        let count = || -> Result<usize> {
            let data = self.training_data()?;
            let sets: Result<Vec<_>> = data.iter().filter(is_other).map(read).collect();
            let sets = sets?;
            let images = sets
                .iter()
                .flat_map(|(split, _)| split.train.pixels().chunks_exact(PIXELS));
            let images: HashSet<&[u8]> = images.collect();
            let scored = scored.pixels().chunks_exact(PIXELS);
            Ok(scored.filter(|&image| images.contains(image)).count())
        };
        match count() {
            Ok(0) => {}
            Ok(count) => note(&format!(
                "warning: the model was trained on {count} of the {} test images, so its accuracy \
                 on them says little about new images",
                scored.len()
            )),
            Err(error) if !quiet => note(&format!(
                "note: it is not known whether the model was trained on these test images: \
                 {error:#}"
            )),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
