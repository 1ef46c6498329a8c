//! A trained model that a command is given: a file, or the directory of the run that made it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sha2::{Digest, Sha256};

use super::images::{Mirrors, SetOptions, load_again};
use super::start_of;
use crate::data::{CLASSES, Dataset, ImageRange, Location, Part, hex};
use crate::learn::Weights;
use crate::report::run_dir::{MODEL, SUMMARY};
use crate::report::summary::{Origin, Recorded};

/// Far more than the weights of any network of this program.
const MAX_BYTES: u64 = 64 << 20;

/// Weights, and where they come from.
pub(crate) struct Model {
    pub weights: Weights,
    /// The file, and its digest.
    pub origin: Origin,
    /// The run directory, where one was named.
    run: Option<PathBuf>,
}

/// Reads the model at `path`, checked before libtorch sees any of it.
pub(crate) fn open(path: &Path) -> Result<Model> {
    let run = path.is_dir().then(|| path.to_owned());
    let file = run.as_ref().map_or(path.to_owned(), |run| run.join(MODEL));
    let (weights, sha256) = read(&file).with_context(|| file.display().to_string())?;
    let path = std::path::absolute(&file).unwrap_or(file);
    Ok(Model {
        weights,
        origin: Origin { path, sha256 },
        run,
    })
}

/// The weights in `file`, and its SHA-256.
fn read(file: &Path) -> Result<(Weights, String)> {
    let bytes = start_of(file, MAX_BYTES)?;
    ensure!(
        bytes.len() as u64 <= MAX_BYTES,
        "far too large for the weights of this network"
    );
    ensure!(
        !bytes.starts_with(b"PK"),
        "a file of torch.save, which can run code when it is read: save the weights with \
         safetensors.torch.save_file"
    );
    let weights = Weights::from_safetensors(&bytes)?;
    ensure!(
        weights.values().iter().all(|value| value.is_finite()),
        "a weight is no finite number: the training that made it has failed"
    );
    Ok((weights, hex(Sha256::digest(&bytes))))
}

impl Model {
    /// The test images of the set that `options` name, and where they are; where none is named and
    /// the model is a run's, those of the run, which are checked to be the same ones. Of them
    /// `range`, if it is given.
    pub fn images(
        &self,
        options: &SetOptions,
        range: Option<ImageRange>,
    ) -> Result<(Location, Dataset)> {
        let classes = self.weights.classes();
        let asked = options.classes;
        ensure!(
            asked == classes || asked == CLASSES,
            "--classes {asked}: the model tells {classes} classes apart"
        );
        let named = options.dataset.is_some() || options.data_dir.is_some();
        let (location, test) = match &self.run {
            Some(run) if !named => recorded(run, &options.mirrors)?,
            _ => (options.find(false)?, ImageRange::all(Part::Test)),
        };
        let test = range.unwrap_or(test);
        let images = test.of(&location.read(test.part, classes)?, "--test-range")?;
        Ok((location, images))
    }
}

/// Where the test images of the run in `folder` are, once they are seen to be the same as then.
fn recorded(folder: &Path, mirrors: &Mirrors) -> Result<(Location, ImageRange)> {
    let file = folder.join(SUMMARY);
    let shown = file.display();
    let text = start_of(&file, MAX_BYTES).with_context(|| {
        let hint = "say so with --data-dir or --dataset";
        format!("{shown}: which images the run was tested on is not known; {hint}")
    })?;
    let summary = Recorded::from_bytes(&text).with_context(|| shown.to_string())?;
    let data = summary.data;
    load_again(&data, mirrors, false).with_context(|| {
        format!("{shown} names images that cannot be used now; with --data-dir others are scored")
    })?;
    Ok((data.location(), data.test_range))
}
