//! Checkpoints: the training state as plain numbers, and the file that holds it with the run's
//! configuration, the rows so far and the last confusion matrix.
//!
//! Shuffling and augmentation follow from seed and epoch, so no RNG state is saved. A checksum
//! refuses damaged files. Metadata of the program has a type of its own ([`Checkpoint::about`]).

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

/// The training state between two steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// The weights.
    pub weights: Weights,
    /// Adam's running mean of the gradient, in the order of the weights.
    first_moment: Vec<f32>,
    /// Adam's running mean of the squared gradient.
    second_moment: Vec<f32>,
    /// Number of steps done.
    steps: i32,
}

impl State {
    /// The state before the first step of a run: initial weights drawn from its seed.
    ///
    /// # Errors
    /// See [`Architecture::new`].
    pub fn new(config: &Config, classes: usize) -> Result<Self> {
        let architecture = Architecture::new(config.channels.clone(), classes)?;
        Ok(Self::initial(Weights::initial(
            config.init,
            config.seed,
            &architecture,
        )))
    }

    /// The state before the first step, with these weights.
    pub fn initial(weights: Weights) -> Self {
        let zeros = vec![0.0; weights.values().len()];
        Self {
            weights,
            first_moment: zeros.clone(),
            second_moment: zeros,
            steps: 0,
        }
    }

    /// The last step done; 0 before the first.
    pub fn step(&self) -> usize {
        usize::try_from(self.steps).unwrap_or(0)
    }

    /// True if all weights and moments are finite.
    pub fn is_finite(&self) -> bool {
        self.arrays()
            .into_iter()
            .flatten()
            .all(|value| value.is_finite())
    }

    /// Weights, first and second moment.
    fn arrays(&self) -> [&[f32]; 3] {
        let weights = self.weights.values();
        [weights, &self.first_moment, &self.second_moment]
    }

    /// Checks a state from a file: training must be able to resume from it.
    fn check(&self) -> Result<()> {
        let count = self.weights.architecture().count();
        let fits = self.arrays().iter().all(|array| array.len() == count);
        ensure!(
            fits && self.is_finite() && self.steps >= 0,
            "invalid weights or optimizer state"
        );
        Ok(())
    }

    /// Weights (flat, f32) and optimizer on `device`.
    pub(super) fn to_device(&self, device: Device) -> Result<(Tensor, Adam)> {
        let tensor = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device.tch());
        let (first, second) = (tensor(&self.first_moment)?, tensor(&self.second_moment)?);
        let adam = Adam::resume(first, second, self.steps);
        Ok((tensor(self.weights.values())?, adam))
    }

    /// The state of `weights` (flat, f32) and `adam`.
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

/// Prefix of the format name; the version number follows.
const FORMAT_PREFIX: &str = "mnist-tch checkpoint ";
/// The format that is written and read. Increase the number with any change of [`Checkpoint`],
/// [`Config`], the network, or what is drawn from the seed.
const FORMAT: &str = "mnist-tch checkpoint 3";

/// Everything needed to resume a run and end with the same bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checkpoint<A> {
    /// The protocol.
    pub config: Config,
    /// The state of training.
    pub state: State,
    /// The rows of `accuracy.csv` up to the state's step.
    pub records: Vec<StepRecord>,
    /// The confusion matrix after the last scored step; `None` before the first.
    pub confusion: Option<ConfusionMatrix>,
    /// The first of the best scores; `None` before the first, and with `--keep last`.
    pub best: Option<Best>,
    /// Further metadata recorded by the program.
    pub about: A,
}

/// A scored step, and the weights after it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    pub record: StepRecord,
    pub weights: Weights,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    /// Digest of the rest of the file.
    sha256: String,
}

impl<A> Checkpoint<A> {
    /// True if `record` has a higher accuracy than all before it.
    pub(crate) fn is_best(&self, record: &StepRecord) -> bool {
        let best = self.best.as_ref();
        best.is_none_or(|best| record.test_accuracy > best.record.test_accuracy)
    }
}

impl<A: Serialize> Checkpoint<A> {
    /// The file: two lines of JSON.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let body = serde_json::to_string(self)? + "\n";
        let header = Header {
            format: FORMAT.to_owned(),
            sha256: hex(Sha256::digest(&body)),
        };
        Ok(format!("{}\n{body}", serde_json::to_string(&header)?).into_bytes())
    }
}

impl<A: DeserializeOwned> Checkpoint<A> {
    /// Parses the file. The error says whether it is not a checkpoint, has another format, or is
    /// damaged.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let invalid = "damaged, or not a checkpoint";
        let text = str::from_utf8(bytes).context(invalid)?;
        let (header, body) = text.split_once('\n').context(invalid)?;
        let Header { format, sha256 } = serde_json::from_str(header).context(invalid)?;
        ensure!(
            format.starts_with(FORMAT_PREFIX),
            "not a checkpoint of mnist-tch"
        );
        ensure!(
            format == FORMAT,
            "its format is \"{format:.60}\", this program reads \"{FORMAT}\": use the version \
             that wrote it"
        );
        ensure!(
            hex(Sha256::digest(body)) == sha256,
            "damaged: the content does not match its SHA-256"
        );
        // What follows can fail only if another version wrote the same format.
        let checkpoint: Self = serde_json::from_str(body)?;
        let state = &checkpoint.state;
        state.check()?;
        let network = state.weights.architecture();
        let best = checkpoint.best.as_ref();
        ensure!(
            checkpoint.config.channels == network.channels()
                && best.is_none_or(|best| best.weights.architecture() == network),
            "its configuration does not match its network"
        );
        Ok(checkpoint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_with_one_number_that_is_not_finite_is_noticed_and_never_resumed() {
        let good = State::new(&Config::default(), 10).unwrap();
        assert!(good.is_finite());
        let arrays: [fn(&mut State) -> &mut Vec<f32>; 2] = [
            |state| &mut state.first_moment,
            |state| &mut state.second_moment,
        ];
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for place in [0, 1_500, 3_137] {
                let mut weights = good.weights.values().to_vec();
                weights[place] = value;
                let architecture = good.weights.architecture();
                let weights = Weights::from_values(weights, architecture).unwrap();
                let mut states = vec![State {
                    weights,
                    ..good.clone()
                }];
                for array in arrays {
                    let mut state = good.clone();
                    array(&mut state)[place] = value;
                    states.push(state);
                }
                for state in states {
                    assert!(!state.is_finite(), "{value} at {place}");
                    assert!(state.check().is_err());
                }
            }
        }
    }

    #[test]
    fn what_another_version_could_get_wrong_is_refused() {
        let config = Config::default();
        let checkpoint = Checkpoint {
            state: State::new(&config, 10).unwrap(),
            config,
            records: Vec::new(),
            confusion: None,
            best: None,
            about: (),
        };
        let read = |checkpoint: &Checkpoint<()>| {
            Checkpoint::<()>::from_bytes(&checkpoint.to_bytes().unwrap())
        };
        assert_eq!(read(&checkpoint).unwrap(), checkpoint);
        let changes: [fn(&mut Checkpoint<()>); 4] = [
            |checkpoint| checkpoint.state.first_moment.truncate(9),
            |checkpoint| checkpoint.state.second_moment.push(0.0),
            |checkpoint| checkpoint.state.steps = -1,
            |checkpoint| checkpoint.config.channels = vec![8, 16],
        ];
        for change in changes {
            let mut other = checkpoint.clone();
            change(&mut other);
            let error = format!("{:#}", read(&other).unwrap_err());
            let is_said = error.starts_with("invalid") || error.contains("does not match");
            assert!(is_said, "{error}");
        }
    }
}
