//! A trained model that a command is given: a file, or the directory of the run that made it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::source::{DataSet, Named, Source};
use crate::data::catalog::Published;
use crate::data::selection::{Part, Selection};
use crate::data::{CLASSES, Dataset, embedded};
use crate::learn::weights::Weights;
use crate::report::folders::run_dir::{MODEL, SUMMARY};
use crate::report::tables::summary::{self, Data};

/// Far more than the weights of any network of this program.
const MAX_BYTES: u64 = 16 << 20;

/// Weights, and where they come from.
pub struct Model {
    /// The weights.
    pub weights: Weights,
    /// The run directory, where one was named.
    run: Option<PathBuf>,
}

/// Reads the model at `path`, checked before libtorch sees any of it.
///
/// # Errors
/// When there is none, or it is not one of this network; the message names the file and the tensor.
pub fn open(path: &Path) -> Result<Model> {
    let run = path.is_dir().then(|| path.to_owned());
    let file = run.as_ref().map_or(path.to_owned(), |run| run.join(MODEL));
    let weights = read(&file).with_context(|| file.display().to_string())?;
    Ok(Model { weights, run })
}

fn read(file: &Path) -> Result<Weights> {
    let bytes = start_of(file)?;
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "far too large for the weights of this network"
    );
    ensure!(
        !bytes.starts_with(b"PK"),
        "a file of torch.save, which can run code when it is read: save the weights with safetensors.torch.save_file"
    );
    let weights = Weights::from_safetensors(&bytes)?;
    ensure!(
        weights.values().iter().all(|value| value.is_finite()),
        "a weight is no finite number: the training that made it has failed"
    );
    Ok(weights)
}

/// The bytes of a file; where it is too large, one more than may be.
fn start_of(file: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let open = File::open(file).context("cannot be read")?;
    open.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .context("cannot be read")?;
    Ok(bytes)
}

/// Images to score, and what they are called.
pub struct TestImages {
    /// Where they come from: a data set's name or a folder.
    pub name: String,
    /// The names of the classes, in the order of labels.
    pub classes: Vec<String>,
    /// The images.
    pub images: Dataset,
}

impl Model {
    /// The test images of `data_set`; where it names none and the model is a run's, those of the run, which are
    /// checked to be the same ones. Of them `range`, if it is given.
    ///
    /// # Errors
    /// When they cannot be read, are not those of the run any more, or the model is for another number of classes.
    pub fn images(&self, data_set: &DataSet, range: Option<&Selection>) -> Result<TestImages> {
        let classes = self.weights.classes();
        let asked = data_set.classes;
        ensure!(
            asked == classes || asked == CLASSES,
            "--classes {asked}: the model tells {classes} classes apart"
        );
        let named = data_set.named.is_some() || data_set.data_dir.is_some();
        let (data_set, test) = match &self.run {
            Some(run) if !named => recorded(run)?,
            _ => (data_set.clone(), Selection::all(Part::Test)),
        };
        let data_set = DataSet {
            classes,
            ..data_set
        };
        let files = data_set.open(false)?;
        let test = range.unwrap_or(&test);
        let images = test.of(&files.read(test.part, classes)?, "--test-range")?;
        Ok(TestImages {
            name: files.name(),
            classes: files.class_names(classes),
            images,
        })
    }
}

/// Where the images of the run in `folder` came from, and which of them it was tested on, once they are seen to be the
/// same as then.
fn recorded(folder: &Path) -> Result<(DataSet, Selection)> {
    let file = folder.join(SUMMARY);
    let shown = file.display();
    let text = start_of(&file).with_context(|| {
        format!("{shown}: which images the run was tested on is not known; say so with --data-dir or --dataset")
    })?;
    let data = summary::data_of(&text).with_context(|| shown.to_string())?;
    let source = source_of(&data);
    let split = source.load(false).with_context(|| {
        format!("{shown} names images that cannot be used now; say with --data-dir where they are")
    })?;
    let found = split.sha256();
    ensure!(
        found == data.sha256,
        "{}: these are not the images of the run any more (SHA-256 {found}, {} in {shown}); with --data-dir they are \
         scored all the same",
        data.name,
        data.sha256
    );
    Ok((source.data_set, source.test))
}

fn source_of(data: &Data) -> Source {
    let published = Published::ALL
        .into_iter()
        .find(|set| set.name() == data.name);
    let named = published.map(Named::Published);
    let named = named.or((data.name == embedded::NAME).then_some(Named::Embedded));
    Source {
        data_set: DataSet {
            data_dir: named.is_none().then(|| PathBuf::from(&data.name)),
            named,
            mirrors: Vec::new(),
            classes: data.classes.len(),
        },
        train: data.train_range.clone(),
        test: data.test_range.clone(),
    }
}
