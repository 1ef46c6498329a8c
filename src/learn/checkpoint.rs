//! A run that can go on, as one safetensors file: the state of training, its configuration, the rows so far and the
//! last confusion matrix.
//!
//! It owns the format and refuses every file in which one byte is not as it was written. It knows
//! nothing of folders, nor what else a program wants to remember ([`Checkpoint::about`]).

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::adam::AdamState;
use super::config::Config;
use super::record::{ConfusionMatrix, StepRecord};
use super::state::State;
use super::weights::Weights;
use crate::data::hex;

/// What every checkpoint's format begins with; a number follows.
const FAMILY: &str = "mnist-tch checkpoint ";
/// This program's format. A change of the network, the schedule or the shuffling needs another number as well.
const FORMAT: &str = "mnist-tch checkpoint 1";

/// Before the 64 hex digits of the file's SHA-256, which is that of the file with 64 zeros in their place.
const DIGEST: &[u8] = b"\"sha256\":\"";
const NO_DIGEST: [u8; 64] = [b'0'; 64];

/// All that a run needs to go on, and to end as if it had never stopped.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkpoint<A> {
    /// The protocol.
    pub config: Config,
    /// The state of training.
    pub state: State,
    /// The rows of `accuracy.csv` up to the state's step.
    pub records: Vec<StepRecord>,
    /// After the last scored step; `None` before the first.
    pub confusion: Option<ConfusionMatrix>,
    /// What the program remembers besides.
    pub about: A,
}

impl<A: Serialize + DeserializeOwned> Checkpoint<A> {
    /// The file.
    ///
    /// # Errors
    /// Only when `about` cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let metadata = HashMap::from([
            ("format", FORMAT.to_owned()),
            ("classes", self.state.weights.classes().to_string()),
            ("configuration", serde_json::to_string(&self.config)?),
            ("about", serde_json::to_string(&self.about)?),
            ("sha256", String::from_utf8_lossy(&NO_DIGEST).into_owned()),
        ]);
        let metadata = metadata.into_iter().map(|(key, text)| (key.into(), text));
        let columns = self.columns();
        let views = columns.iter().map(|(name, kind, shape, bytes)| {
            TensorView::new(*kind, shape.clone(), bytes).map(|view| (*name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>()?;
        let mut bytes = safetensors::serialize(views, Some(metadata.collect()))?;
        let digest = hex(Sha256::digest(&bytes));
        let place = digest_place(&bytes).context("the header has no place for the SHA-256")?;
        bytes[place].copy_from_slice(digest.as_bytes());
        Ok(bytes)
    }

    /// Name, kind, shape and bytes of every array.
    fn columns(&self) -> Vec<(&'static str, Dtype, Vec<usize>, Vec<u8>)> {
        let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let counts = |values: &[u64]| values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let (records, optimizer) = (&self.records, &self.state.optimizer);
        let places = |r: &StepRecord| [r.epoch as u64, r.batch as u64, r.step as u64];
        let places: Vec<u64> = records.iter().flat_map(places).collect();
        let losses: Vec<f32> = records.iter().map(|record| record.train_loss).collect();
        let accuracies = records.iter().map(|record| record.test_accuracy);
        let accuracies: Vec<u8> = accuracies.flat_map(f64::to_le_bytes).collect();
        let matrix = self.confusion.iter().flat_map(ConfusionMatrix::rows);
        let matrix: Vec<u64> = matrix.flatten().copied().collect();
        let (weights, rows) = (self.state.weights.values(), records.len());
        let (first, second) = (&optimizer.first_moment, &optimizer.second_moment);
        let flat = |name, values: &[f32]| (name, Dtype::F32, vec![values.len()], floats(values));
        vec![
            flat("weights", weights),
            flat("adam.first_moment", first),
            flat("adam.second_moment", second),
            (
                "adam.steps",
                Dtype::U64,
                vec![1],
                counts(&[optimizer.steps]),
            ),
            ("rows.place", Dtype::U64, vec![rows, 3], counts(&places)),
            flat("rows.train_loss", &losses),
            ("rows.test_accuracy", Dtype::F64, vec![rows], accuracies),
            ("confusion", Dtype::U64, vec![matrix.len()], counts(&matrix)),
        ]
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is no checkpoint, one in another format, or damaged; the message says which.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let metadata = check(bytes)?;
        let text = |key: &str| {
            metadata
                .get(key)
                .with_context(|| format!("{key} is missing"))
        };
        let file = SafeTensors::deserialize(bytes)?;
        let floats = |name| numbers(&file, name, Dtype::F32, f32::from_le_bytes);
        let counts = |name| numbers(&file, name, Dtype::U64, u64::from_le_bytes);
        let classes: usize = text("classes")?.parse().context("classes")?;
        let weights = Weights::from_values(floats("weights")?, classes)?;
        let moment =
            |name| Ok::<_, anyhow::Error>(Weights::from_values(floats(name)?, classes)?.into());
        let steps = counts("adam.steps")?;
        let accuracies = numbers(&file, "rows.test_accuracy", Dtype::F64, f64::from_le_bytes)?;
        Ok(Self {
            config: serde_json::from_str(text("configuration")?).context("configuration")?,
            about: serde_json::from_str(text("about")?).context("about")?,
            state: State {
                weights,
                optimizer: AdamState {
                    first_moment: moment("adam.first_moment")?,
                    second_moment: moment("adam.second_moment")?,
                    steps: *steps.first().context("adam.steps is empty")?,
                },
            },
            records: records(
                &counts("rows.place")?,
                &floats("rows.train_loss")?,
                &accuracies,
            )?,
            confusion: confusion(&counts("confusion")?, classes)?,
        })
    }
}

/// The metadata of a file that is a checkpoint in this format and as it was written.
fn check(bytes: &[u8]) -> Result<HashMap<String, String>> {
    let header = SafeTensors::read_metadata(bytes).context("damaged, or not a checkpoint")?;
    let metadata = header.1.metadata().clone().unwrap_or_default();
    let format = metadata
        .get("format")
        .filter(|text| text.starts_with(FAMILY));
    let format = format.context("not a checkpoint of mnist-tch")?;
    if format != FORMAT {
        bail!(
            "it is a \"{format}\" and this program reads \"{FORMAT}\": use the version that wrote it"
        );
    }
    let mut blank = bytes.to_vec();
    let found = digest_place(bytes).and_then(|place| blank.get_mut(place));
    let found = found.context("damaged: its SHA-256 is missing")?;
    let written = found.to_vec();
    found.copy_from_slice(&NO_DIGEST);
    ensure!(
        hex(Sha256::digest(&blank)).as_bytes() == written,
        "damaged: its content does not have the SHA-256 that was written with it"
    );
    Ok(metadata)
}

/// Where the hex digits of the SHA-256 stand.
fn digest_place(bytes: &[u8]) -> Option<Range<usize>> {
    let found = bytes
        .windows(DIGEST.len())
        .position(|part| part == DIGEST)?;
    let start = found + DIGEST.len();
    Some(start..start + NO_DIGEST.len())
}

fn numbers<T, const N: usize>(
    file: &SafeTensors,
    name: &str,
    kind: Dtype,
    number: fn([u8; N]) -> T,
) -> Result<Vec<T>> {
    let tensor = file
        .tensor(name)
        .with_context(|| format!("{name} is missing"))?;
    let found = tensor.dtype();
    ensure!(
        found == kind,
        "{name} holds {found:?} where {kind:?} is expected"
    );
    let numbers = tensor.data().as_chunks::<N>().0.iter();
    Ok(numbers.map(|&bytes| number(bytes)).collect())
}

fn records(places: &[u64], losses: &[f32], accuracies: &[f64]) -> Result<Vec<StepRecord>> {
    let places = places.as_chunks::<3>().0;
    ensure!(
        places.len() == losses.len() && losses.len() == accuracies.len(),
        "the columns of the rows differ in length"
    );
    let columns = places.iter().zip(losses).zip(accuracies);
    let record = |((&[epoch, batch, step], &train_loss), &test_accuracy): ((&[u64; 3], _), _)| {
        Ok(StepRecord {
            epoch: epoch.try_into()?,
            batch: batch.try_into()?,
            step: step.try_into()?,
            train_loss,
            test_accuracy,
        })
    };
    columns.map(record).collect()
}

fn confusion(counts: &[u64], classes: usize) -> Result<Option<ConfusionMatrix>> {
    if counts.is_empty() {
        return Ok(None);
    }
    let rows: Vec<Vec<u64>> = counts.chunks(classes).map(<[u64]>::to_vec).collect();
    let matrix = ConfusionMatrix::try_from(rows)?;
    ensure!(
        matrix.classes() == classes,
        "the confusion matrix has another size"
    );
    Ok(Some(matrix))
}

#[cfg(test)]
mod tests;
