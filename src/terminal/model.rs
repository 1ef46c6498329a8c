//! A trained model that a command is given: a file, or the directory of the run that made it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use sha2::{Digest, Sha256};

use super::images::{SetOptions, Sources, print_notes, reload, set_name};
use super::{note, start_of};
use crate::data::{Classes, Dataset, ImageRange, Location, Part, Preparation, ReadOptions, hex};
use crate::learn::Weights;
use crate::report::run_dir::{MODEL, SUMMARY};
use crate::report::summary::{Origin, Recorded};

/// Far more than the weights of any network of this program.
const MAX_BYTES: u64 = 64 << 20;

const KERAS: &str = "a model of Keras: save its weights, in the order of sizes that PyTorch has, \
                     with safetensors.numpy.save_file";

/// A model that is to tell people's own pictures apart.
#[derive(Debug, Args)]
pub(crate) struct ModelOptions {
    /// The model: a safetensors file of this program or of PyTorch, or the directory of a run
    #[arg(long, value_name = "FILE|RUN_DIR")]
    pub model: PathBuf,
    /// The data set that the model was trained on: it says how pictures are prepared and what the
    /// classes are called [default: the run's; for a file without its run, digits]
    #[arg(long, value_name = "NAME", value_parser = set_name())]
    dataset: Option<Location>,
}

/// Weights, and where they come from.
pub(crate) struct Model {
    pub weights: Weights,
    /// The file, and its digest.
    pub origin: Origin,
    /// The run directory, where one was named.
    run: Option<PathBuf>,
}

/// Images to score a model on.
pub(crate) struct TestSet {
    /// What people call the set.
    pub name: String,
    /// The names of its classes, in the order of labels, as many as the model tells apart.
    pub classes: Vec<String>,
    pub images: Dataset,
}

/// Reads the model at `path`, checked before libtorch sees any of it; says what had to be changed.
pub(crate) fn open(path: &Path, quiet: bool) -> Result<Model> {
    let run = path.is_dir().then(|| path.to_owned());
    let file = run.as_ref().map_or(path.to_owned(), |run| run.join(MODEL));
    let shown = file.display();
    let bytes = start_of(&file, MAX_BYTES).with_context(|| shown.to_string())?;
    let (weights, converted) = read(&file, &bytes).with_context(|| shown.to_string())?;
    for text in converted.iter().filter(|_| !quiet) {
        note(&format!("note: {shown}: {text}"));
    }
    let path = std::path::absolute(&file).unwrap_or(file);
    let sha256 = hex(Sha256::digest(&bytes));
    Ok(Model {
        weights,
        origin: Origin { path, sha256 },
        run,
    })
}

/// The weights in these bytes of `file`, and of which kind they were if of another than here.
fn read(file: &Path, bytes: &[u8]) -> Result<(Weights, Vec<String>)> {
    if let Some(what) = other_format(file, bytes) {
        bail!("{what}");
    }
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "far too large for the weights of this network"
    );
    let (weights, converted) = Weights::from_safetensors(bytes)?;
    ensure!(
        weights.values().iter().all(|value| value.is_finite()),
        "a weight is no finite number: the training that made it has failed"
    );
    Ok((weights, converted))
}

/// What a file is that holds weights in another way, by its first bytes or its name, and what to
/// do.
fn other_format(file: &Path, bytes: &[u8]) -> Option<&'static str> {
    // The name of an archive's first file stands behind 30 bytes, of which two say how long it is.
    let first = match *bytes {
        [b'P', b'K', 3, 4, ..] => bytes.get(30..30 + usize::from(*bytes.get(26)?)),
        _ => None,
    };
    let ending = file.extension().unwrap_or_default().to_str();
    match (bytes, first, ending.unwrap_or_default()) {
        (_, Some(name), _) if name.ends_with(b".npy") => Some(
            "an archive of numpy: save its arrays, under the names and in the shapes that PyTorch \
             has, with safetensors.numpy.save_file",
        ),
        (_, Some(name), _) if name.ends_with(b".json") || name.ends_with(b".h5") => Some(KERAS),
        ([0x89, b'H', b'D', b'F', ..], ..) => Some(KERAS),
        ([b'P', b'K', ..] | [0x80, 2, ..], ..) => Some(
            "a file of torch.save, which can run code when it is read: save the weights with \
             safetensors.torch.save_file",
        ),
        (_, _, "onnx") => Some(
            "an ONNX file, which this program writes but does not read: name the weights that it \
             was made of, model.safetensors",
        ),
        (_, _, "mpk" | "bpk" | "burn") => {
            Some("a record of burn's: save the weights with burn's safetensors store")
        }
        _ => None,
    }
}

impl Model {
    /// The run whose final weights these are, by the summary beside them; how pictures are prepared
    /// for it, and what its classes are called: as those of the set that is named, without which
    /// the run's counts. Where neither is known, it is taken to know digits.
    pub fn trained_on(
        &self,
        options: &ModelOptions,
    ) -> Result<(Option<Recorded>, Preparation, Vec<String>)> {
        let count = self.weights.classes();
        let set = options.dataset.as_ref();
        let folder = self.origin.path.parent();
        let is_of_a_run = |folder: &&Path| {
            self.origin.path.ends_with(MODEL) && folder.join(SUMMARY).exists() && set.is_none()
        };
        let run = folder.filter(is_of_a_run).map(recorded_in).transpose()?;
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
            "--dataset: that set has {} classes, the model tells {count} apart",
            names.len()
        );
        Ok((run, preparation, names))
    }

    /// The test images of the set that `options` name; where none is named and the model is a
    /// run's, those of the run, which are checked to be the same ones. Of them `range`, if it is
    /// given.
    pub fn images(
        &self,
        options: &SetOptions,
        range: Option<ImageRange>,
        sources: &Sources,
    ) -> Result<TestSet> {
        let count = self.weights.classes();
        let asked = options.classes.unwrap_or(count);
        ensure!(
            asked == count,
            "--classes {asked}: the model tells {count} classes apart"
        );
        let run = self.run.as_deref().map(recorded_in);
        let data = run.map(|run| run.map(|run| run.data));
        let mut names = None;
        let is_said = options.dataset.is_some() || options.data_dir.is_some();
        let (location, reading) = match data {
            Some(data) if !is_said => {
                let data = data?;
                let (split, _) =
                    reload(&data, sources, &options.mirrors, false).with_context(|| {
                        let run = self.run.as_deref().unwrap_or(Path::new("")).display();
                        let hint = "with --data-dir others are scored";
                        format!("{run}/{SUMMARY} names images that cannot be used now; {hint}")
                    })?;
                if range.is_none() {
                    return Ok(TestSet {
                        name: split.name,
                        classes: split.classes,
                        images: split.test,
                    });
                }
                (data.location.clone(), data.read_options())
            }
            data => {
                // The run's names say what its classes are, and which a folder of pictures is.
                names = data.and_then(Result::ok).map(|data| data.classes);
                names = names.filter(|names| names.len() == count);
                let classes = names.clone().map(Classes::Named);
                let reading = ReadOptions {
                    classes: classes.unwrap_or(Classes::Number(count)),
                    ..options.read_options()
                };
                (options.find(sources, false)?, reading)
            }
        };
        let test = range.unwrap_or(ImageRange::all(Part::Test));
        let set = location.read(test.part, &reading, sources.read_folder)?;
        print_notes(&set.notes);
        Ok(TestSet {
            name: location.name(),
            classes: names.unwrap_or(set.classes),
            images: test.select(&set.images, "--test-range")?,
        })
    }
}

/// What the summary of the run in `folder` says.
fn recorded_in(folder: &Path) -> Result<Recorded> {
    let file = folder.join(SUMMARY);
    let summary = start_of(&file, MAX_BYTES).and_then(|text| Recorded::from_bytes(&text));
    summary.with_context(|| {
        let hint = "say so with --dataset or --data-dir";
        format!(
            "{}: the images of the run are not known; {hint}",
            file.display()
        )
    })
}
