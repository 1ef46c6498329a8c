//! A trained model that a command is given: a file, or the directory of the run that made it.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::source::Source;
use crate::data::{Split, embedded};
use crate::learn::weights::Weights;
use crate::report::run_dir::{MODEL, SUMMARY};
use crate::report::summary::{self, Data};

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

impl Model {
    /// The images that `source` names; where it names none and the model is a run's, those of the run, which are
    /// checked to be the same ones.
    ///
    /// # Errors
    /// When they cannot be read, or are not those of the run any more.
    pub fn images(&self, source: &Source) -> Result<Split> {
        let Some(run) = self.run.as_ref().filter(|_| source.data_dir.is_none()) else {
            return source.load();
        };
        let file = run.join(SUMMARY);
        let shown = file.display();
        let text = start_of(&file)
            .with_context(|| format!("{shown}: which images the run was tested on is not known; say so with --data-dir, or give the model's file"))?;
        let data = summary::data_of(&text).with_context(|| shown.to_string())?;
        let split = recorded(&data).load().with_context(|| {
            format!(
                "{shown} names images that cannot be used now; say with --data-dir where they are"
            )
        })?;
        let found = split.sha256();
        ensure!(
            found == data.sha256,
            "{}: these are not the images of the run any more (SHA-256 {found}, {} in {shown}); with --data-dir they are \
             scored all the same",
            data.name,
            data.sha256
        );
        split.resized(None, source.test_size)
    }
}

/// Where a run's images came from.
fn recorded(data: &Data) -> Source {
    Source {
        data_dir: (data.name != embedded::NAME).then(|| PathBuf::from(&data.name)),
        train_size: Some(data.train_images),
        test_size: Some(data.test_images),
    }
}
