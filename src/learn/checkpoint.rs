//! A run that can go on: the state of training as plain numbers, and a file that holds it with the
//! run's configuration, the rows so far and the last confusion matrix.
//!
//! The order of images and everything random follow from seed and epoch, so nothing of them is
//! kept. The file is in the safetensors format, and every one in which a byte is not as it was
//! written is refused. What else a program wants to remember is its own ([`Checkpoint::about`]).

use std::collections::HashMap;
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tch::Tensor;

use super::adam::Adam;
use super::batches::Config;
use super::device::Device;
use super::metrics::{ConfusionMatrix, StepRecord};
use super::network::Architecture;
use super::weights::Weights;
use crate::data::hex;

/// The whole state of training between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The weights.
    pub weights: Weights,
    /// Adam's running mean of the gradient, in the order of the weights.
    first_moment: Vec<f32>,
    /// Adam's running mean of the squared gradient.
    second_moment: Vec<f32>,
    /// Steps made.
    steps: i32,
}

impl State {
    /// Before the first step.
    #[must_use]
    pub fn initial(weights: Weights) -> Self {
        let zeros = vec![0.0; weights.values().len()];
        Self {
            weights,
            first_moment: zeros.clone(),
            second_moment: zeros,
            steps: 0,
        }
    }

    /// The last step made; 0 before the first.
    #[must_use]
    pub fn step(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(0)
    }

    /// Whether every number is one. From a state that has others no training goes on.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let numbers = [
            self.weights.values(),
            &self.first_moment,
            &self.second_moment,
        ];
        numbers.into_iter().flatten().all(|value| value.is_finite())
    }

    /// Weights (flat, f32) and optimiser on `device`.
    pub(super) fn to_device(&self, learning_rate: f64, device: Device) -> Result<(Tensor, Adam)> {
        let tensor = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device.tch());
        let (first, second) = (tensor(&self.first_moment)?, tensor(&self.second_moment)?);
        let adam = Adam::resume(first, second, self.steps, learning_rate);
        Ok((tensor(self.weights.values())?, adam))
    }

    /// The numbers of `weights` (flat, f32) and `adam`.
    pub(super) fn from_device(
        weights: &Tensor,
        adam: &Adam,
        architecture: &Architecture,
    ) -> Result<Self> {
        Ok(Self {
            weights: Weights::from_values(weights.try_into()?, architecture)?,
            first_moment: (&adam.first_moment).try_into()?,
            second_moment: (&adam.second_moment).try_into()?,
            steps: adam.steps,
        })
    }
}

/// What every checkpoint's format begins with; a number follows.
const FAMILY: &str = "mnist-tch checkpoint ";
/// This program's format. A change of [`Contents`], of [`Config`], of the network, or of what is
/// drawn from the seed needs another number.
const FORMAT: &str = "mnist-tch checkpoint 2";

/// Before the 64 hex digits of the file's SHA-256, which is that of the file with 64 zeros in
/// their place.
const DIGEST: &[u8] = b"\"sha256\":\"";
const NO_DIGEST: [u8; 64] = [b'0'; 64];

/// The arrays of the file, and the JSON of [`Contents`].
const ARRAYS: [&str; 3] = ["weights", "adam.first_moment", "adam.second_moment"];
const CONTENTS: &str = "contents";

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

/// Everything but the long arrays.
#[derive(Serialize, Deserialize)]
struct Contents<A> {
    config: Config,
    channels: Vec<usize>,
    classes: usize,
    steps: i32,
    records: Vec<StepRecord>,
    confusion: Option<ConfusionMatrix>,
    about: A,
}

impl<A: Clone + Serialize + DeserializeOwned> Checkpoint<A> {
    /// The file.
    ///
    /// # Errors
    /// Only when `about` cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let state = &self.state;
        let contents = Contents {
            config: self.config.clone(),
            channels: state.weights.architecture().channels().to_vec(),
            classes: state.weights.classes(),
            steps: state.steps,
            records: self.records.clone(),
            confusion: self.confusion.clone(),
            about: self.about.clone(),
        };
        let json = serde_json::to_vec(&contents)?;
        let arrays = [
            state.weights.values(),
            &state.first_moment,
            &state.second_moment,
        ];
        let arrays = arrays.map(|values| values.iter().flat_map(|v| v.to_le_bytes()).collect());
        let arrays: [Vec<u8>; 3] = arrays;
        let mut views = vec![(
            CONTENTS,
            TensorView::new(Dtype::U8, vec![json.len()], &json)?,
        )];
        for (name, bytes) in ARRAYS.into_iter().zip(&arrays) {
            views.push((
                name,
                TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes)?,
            ));
        }
        let metadata = HashMap::from([
            ("format".to_owned(), FORMAT.to_owned()),
            (
                "sha256".to_owned(),
                String::from_utf8_lossy(&NO_DIGEST).into_owned(),
            ),
        ]);
        let mut bytes = safetensors::serialize(views, Some(metadata))?;
        let digest = hex(Sha256::digest(&bytes));
        let place = digest_place(&bytes).context("the header has no place for the SHA-256")?;
        bytes[place].copy_from_slice(digest.as_bytes());
        Ok(bytes)
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is no checkpoint, one in another format, or damaged; the message says which.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        check(bytes)?;
        let file = SafeTensors::deserialize(bytes)?;
        let json = file.tensor(CONTENTS)?;
        let contents: Contents<A> = serde_json::from_slice(json.data()).context(CONTENTS)?;
        let architecture = Architecture::new(contents.channels, contents.classes)?;
        let array = |name| {
            let tensor = file.tensor(name)?;
            ensure!(
                tensor.dtype() == Dtype::F32,
                "{name} holds no 32-bit floats"
            );
            let values = tensor.data().as_chunks::<4>().0.iter();
            let values = values.map(|&bytes| f32::from_le_bytes(bytes)).collect();
            Weights::from_values(values, &architecture).context(name)
        };
        let [weights, first, second] = ARRAYS.map(array);
        let state = State {
            weights: weights?,
            first_moment: first?.values().to_vec(),
            second_moment: second?.values().to_vec(),
            steps: contents.steps,
        };
        ensure!(
            state.steps >= 0 && state.is_finite(),
            "its numbers are none that training can go on from"
        );
        let classes = contents.confusion.as_ref().map(ConfusionMatrix::classes);
        ensure!(
            classes.is_none_or(|classes| classes == architecture.classes()),
            "the confusion matrix has another size"
        );
        Ok(Self {
            config: contents.config,
            state,
            records: contents.records,
            confusion: contents.confusion,
            about: contents.about,
        })
    }
}

/// Makes sure that a file is a checkpoint in this format and as it was written.
fn check(bytes: &[u8]) -> Result<()> {
    let header = SafeTensors::read_metadata(bytes).context("damaged, or not a checkpoint")?;
    let metadata = header.1.metadata().as_ref();
    let format = metadata.and_then(|metadata| metadata.get("format"));
    let format = format.filter(|text| text.starts_with(FAMILY));
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
    Ok(())
}

/// Where the hex digits of the SHA-256 stand.
fn digest_place(bytes: &[u8]) -> Option<Range<usize>> {
    let mut places = bytes.windows(DIGEST.len());
    let start = places.position(|part| part == DIGEST)? + DIGEST.len();
    Some(start..start + NO_DIGEST.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::weights::Init;

    fn weights() -> Weights {
        Weights::initial(Init::Flux, 3, &Architecture::new(vec![4, 9], 10).unwrap())
    }

    fn checkpoint(rows: usize) -> Checkpoint<String> {
        let mut state = State::initial(weights());
        state.first_moment[7] = -0.1;
        state.steps = i32::try_from(rows).unwrap();
        let record = |step| StepRecord {
            epoch: 1,
            batch: step,
            step,
            train_loss: 0.1,
            test_accuracy: 1.0 / 3.0,
        };
        let mut matrix = ConfusionMatrix::new(10);
        matrix.add(3, 4, 17);
        Checkpoint {
            config: Config {
                // A number that only a careful reader of JSON gives back: 17 digits.
                learning_rate: 0.1 + 0.2,
                eval_every: Some(3),
                ..Config::default()
            },
            state,
            records: (1..=rows).map(record).collect(),
            confusion: (rows > 0).then_some(matrix),
            about: "\"sha256\":\"00000000000000000000000000000000".repeat(2),
        }
    }

    fn error(bytes: &[u8]) -> String {
        format!("{:#}", Checkpoint::<String>::from_bytes(bytes).unwrap_err())
    }

    #[test]
    fn there_and_back_with_rows_and_without() {
        for rows in [0, 5] {
            let written = checkpoint(rows);
            let bytes = written.to_bytes().unwrap();
            assert_eq!(Checkpoint::from_bytes(&bytes).unwrap(), written);
        }
    }

    #[test]
    fn a_flip_of_any_byte_is_found() {
        let bytes = checkpoint(5).to_bytes().unwrap();
        for place in (0..600).chain((600..bytes.len()).step_by(101)) {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            let read = Checkpoint::<String>::from_bytes(&flipped);
            assert!(read.is_err(), "byte {place}");
        }
    }

    #[test]
    fn truncated_files_and_other_files_are_refused() {
        let bytes = checkpoint(5).to_bytes().unwrap();
        for length in [0, 7, 100, 2_000, bytes.len() - 1] {
            assert!(error(&bytes[..length]).starts_with("damaged, or not a checkpoint"));
        }
        assert!(error(b"<!DOCTYPE html>").starts_with("damaged, or not a checkpoint"));
        let model = weights().to_safetensors().unwrap();
        assert_eq!(error(&model), "not a checkpoint of mnist-tch");
    }

    #[test]
    fn another_format_is_named() {
        let mut bytes = checkpoint(1).to_bytes().unwrap();
        let mut parts = bytes.windows(FORMAT.len());
        let place = parts.position(|part| part == FORMAT.as_bytes()).unwrap();
        bytes[place + FORMAT.len() - 1] = b'9';
        assert!(error(&bytes).contains("\"mnist-tch checkpoint 9\""));
    }

    #[test]
    fn numbers_that_no_run_can_have_left_are_refused_though_the_digest_is_right() {
        let forged = |change: fn(&mut Checkpoint<String>)| {
            let mut checkpoint = checkpoint(5);
            change(&mut checkpoint);
            error(&checkpoint.to_bytes().unwrap())
        };
        for (error, expected) in [
            (
                forged(|it| it.state.steps = -1),
                "none that training can go on from",
            ),
            (
                forged(|it| it.state.first_moment[0] = f32::NAN),
                "none that training",
            ),
            (
                forged(|it| it.state.first_moment.push(0.0)),
                "adam.first_moment: ",
            ),
            (
                forged(|it| it.confusion = Some(ConfusionMatrix::new(3))),
                "another size",
            ),
            (
                forged(|it| it.config.learning_rate = f64::NAN),
                "contents: invalid type: null",
            ),
        ] {
            assert!(error.contains(expected), "{error}");
        }
    }
}
