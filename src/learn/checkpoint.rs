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
use super::batches::{Config, KeepPolicy, Schedule};
use super::device::Device;
use super::metrics::{ConfusionMatrix, StepRecord, check_scores};
use super::network::Architecture;
use super::weights::Weights;
use crate::data::{Split, hex};

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

    /// Makes sure that training can go on from numbers that come out of a file.
    fn check(&self) -> Result<()> {
        let (architecture, weights) = (self.weights.architecture(), self.weights.values());
        Architecture::new(architecture.channels().to_vec(), architecture.classes())?;
        let count = architecture.count();
        let arrays = [weights, &self.first_moment, &self.second_moment];
        let are_whole = arrays.iter().all(|array| array.len() == count) && self.is_finite();
        // A mean of squares; and one step more has a number too.
        let is_possible = self.second_moment.iter().all(|&mean| mean >= 0.0);
        ensure!(
            are_whole && is_possible && (0..i32::MAX).contains(&self.steps),
            "its numbers are none that training can go on from"
        );
        Ok(())
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

    /// The first of its best scores.
    fn best_record(&self) -> Option<&StepRecord> {
        let last_first = self.records.iter().rev();
        last_first.max_by(|one, other| one.test_accuracy.total_cmp(&other.test_accuracy))
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

    /// Reads the file, and checks all that can be checked without the images: see
    /// [`Self::check_images`]. The error says whether it is no checkpoint, one in another format,
    /// or damaged.
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
        let checkpoint: Self = serde_json::from_str(body)?;
        let Self { config, state, .. } = &checkpoint;
        state.check()?;
        let (network, matrix) = (state.weights.architecture(), checkpoint.confusion.as_ref());
        ensure!(
            config.learning_rate > 0.0
                && config.final_learning_rate.is_none_or(|rate| rate >= 0.0)
                && config.channels == network.channels(),
            "its configuration is not that of its network"
        );
        ensure!(
            matrix.is_none_or(|matrix| matrix.classes() == network.classes()),
            "the confusion matrix has another size"
        );
        check_scores(&checkpoint.records, matrix)?;
        let chosen = checkpoint.best.as_ref().map(|best| &best.record);
        let best = match config.keep {
            KeepPolicy::Best => checkpoint.best_record(),
            KeepPolicy::Last => None,
        };
        ensure!(chosen == best, "the best score is none of its scores");
        if let Some(Best { weights, .. }) = &checkpoint.best {
            ensure!(
                weights.architecture() == network,
                "the best weights are those of another network"
            );
            State::initial(weights.clone()).check()?;
        }
        Ok(checkpoint)
    }
}

impl<A> Checkpoint<A> {
    /// Makes sure that it is that of a run on these images: as many classes, and a row for each
    /// scored step up to where it stands.
    pub(crate) fn check_images(&self, split: &Split) -> Result<()> {
        let (own, classes) = (self.state.weights.classes(), split.classes.len());
        ensure!(
            own == classes,
            "its network tells {own} classes apart, the images have {classes}"
        );
        let schedule = Schedule::new(&self.config, split.train.len());
        let (made, steps) = (self.state.step(), schedule.steps());
        ensure!(made <= steps, "it is that after step {made} of {steps}");
        let is_scored = |&step: &usize| schedule.is_scored(step);
        let is_placed = |row: &StepRecord| {
            let place = schedule.position(row.step);
            // The end of an epoch may have been that of the run, before it went on past it.
            let is_possible = is_scored(&row.step) || row.batch == schedule.batches_per_epoch();
            (row.epoch, row.batch) == (place.epoch, place.batch) && is_possible
        };
        let rows = self.records.iter();
        let scored = rows.clone().map(|row| row.step).filter(is_scored);
        ensure!(
            rows.clone().all(is_placed) && scored.eq((1..=made).filter(is_scored)),
            "its rows are not those of the steps up to step {made}"
        );
        let images = self.confusion.as_ref().map(ConfusionMatrix::total);
        let tested = split.test.len();
        ensure!(
            images.is_none_or(|images| images == tested as u64),
            "its confusion matrix is not one of {tested} test images"
        );
        Ok(())
    }
}
