//! A run that can go on: the state of training as plain numbers, and a file that holds it with the
//! run's configuration, the rows so far and the last confusion matrix.
//!
//! The order of images and everything random follow from seed and epoch, so nothing of them is
//! kept. A file in which a byte is not as it was written is refused. What else a program wants to
//! remember is its own ([`Checkpoint::about`]).

use anyhow::{Context, Result, ensure};
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    /// Before the first step of a run: weights drawn from its seed, for so many classes.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn new(config: &Config, classes: usize) -> Result<Self> {
        let architecture = Architecture::new(config.channels.clone(), classes)?;
        Ok(Self::initial(Weights::initial(
            config.init,
            config.seed,
            &architecture,
        )))
    }

    /// Before the first step, with these weights.
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
    pub fn step(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(0)
    }

    /// Whether every number is one. From a state that has others no training goes on.
    pub fn is_finite(&self) -> bool {
        let numbers = [
            self.weights.values(),
            &self.first_moment,
            &self.second_moment,
        ];
        numbers.into_iter().flatten().all(|value| value.is_finite())
    }

    /// Weights (flat, f32) and optimiser on `device`.
    pub(super) fn to_device(&self, device: Device) -> Result<(Tensor, Adam)> {
        let tensor = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device.tch());
        let (first, second) = (tensor(&self.first_moment)?, tensor(&self.second_moment)?);
        let adam = Adam::resume(first, second, self.steps);
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
/// This program's format. A change of [`Checkpoint`] or [`Config`], of the network, or of what is
/// drawn from the seed needs another number.
const FORMAT: &str = "mnist-tch checkpoint 3";

/// All that a run needs to go on, and to end as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint<A> {
    /// The protocol.
    pub config: Config,
    /// The state of training.
    pub state: State,
    /// The rows of `accuracy.csv` up to the state's step.
    pub records: Vec<StepRecord>,
    /// After the last scored step; `None` before the first.
    pub confusion: Option<ConfusionMatrix>,
    /// The first of the best scores; `None` before the first, and where none is kept.
    pub best: Option<Best>,
    /// What the program remembers besides.
    pub about: A,
}

/// A scored step with the weights after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub record: StepRecord,
    pub weights: Weights,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    /// Of all that follows.
    sha256: String,
}

impl<A> Checkpoint<A> {
    /// Whether `record` tells of more right answers than any before.
    pub(crate) fn is_best(&self, record: &StepRecord) -> bool {
        let best = self.best.as_ref();
        best.is_none_or(|best| record.test_accuracy > best.record.test_accuracy)
    }
}

impl<A: Serialize + DeserializeOwned> Checkpoint<A> {
    /// The file: two lines of JSON.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_string(self)? + "\n";
        let head = Head {
            format: FORMAT.to_owned(),
            sha256: hex(Sha256::digest(&body)),
        };
        Ok(format!("{}\n{body}", serde_json::to_string(&head)?).into_bytes())
    }

    /// Reads the file. The error says whether it is no checkpoint, one in another format, or
    /// damaged: what has its digest is as this program wrote it.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let text = str::from_utf8(bytes).context("damaged, or not a checkpoint")?;
        let (head, body) = text
            .split_once('\n')
            .context("damaged, or not a checkpoint")?;
        let head: Head = serde_json::from_str(head).context("damaged, or not a checkpoint")?;
        let format = head.format;
        ensure!(format.starts_with(FAMILY), "not a checkpoint of mnist-tch");
        ensure!(
            format == FORMAT,
            "it is a \"{format}\" and this program reads \"{FORMAT}\": \
             use the version that wrote it"
        );
        ensure!(
            hex(Sha256::digest(body)) == head.sha256,
            "damaged: its content does not have the SHA-256 that was written with it"
        );
        Ok(serde_json::from_str(body)?)
    }
}
