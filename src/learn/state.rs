//! What going on later needs: the weights and what Adam has gathered, as plain numbers or still on the device.
//!
//! The order of images follows from seed and epoch alone, so nothing of it has to be kept. It knows
//! nothing of files.

use anyhow::Result;
use tch::{TchError, Tensor};

use super::adam::{Adam, AdamState};
use super::libtorch;
use super::weights::Weights;

/// The whole state of training between two steps.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// The weights.
    pub weights: Weights,
    /// Adam's moments and the number of steps made.
    pub optimizer: AdamState,
}

impl State {
    /// Before the first step.
    #[must_use]
    pub fn initial(weights: Weights) -> Self {
        let zeros = vec![0.0; weights.values().len()];
        Self {
            weights,
            optimizer: AdamState {
                first_moment: zeros.clone(),
                second_moment: zeros,
                steps: 0,
            },
        }
    }

    /// The last step made; 0 before the first.
    #[must_use]
    pub fn step(&self) -> usize {
        usize::try_from(self.optimizer.steps).unwrap_or(usize::MAX)
    }

    /// Whether every number is one. From a state that has others no training goes on.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        let AdamState {
            first_moment,
            second_moment,
            ..
        } = &self.optimizer;
        let numbers = [self.weights.values(), first_moment, second_moment];
        numbers.into_iter().flatten().all(|value| value.is_finite())
    }
}

/// The state after one step, on the device: taken without waiting for it, read when its step is.
#[derive(Debug)]
pub struct Snapshot {
    /// Flat, f32; nobody changes them any more.
    weights: Tensor,
    adam: Adam,
    classes: usize,
}

impl Snapshot {
    /// `weights`, for so many `classes`, have to be a copy already; Adam's moments are copied.
    #[must_use]
    pub fn new(weights: Tensor, adam: &Adam, classes: usize) -> Self {
        Self {
            weights,
            adam: adam.snapshot(),
            classes,
        }
    }

    /// The numbers.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read(&self) -> Result<State> {
        read(&self.weights, &self.adam, self.classes)
    }
}

/// The numbers of `weights` (flat, f32), for so many `classes`, and `adam`.
///
/// # Errors
/// When the device fails.
pub fn read(weights: &Tensor, adam: &Adam, classes: usize) -> Result<State> {
    let numbers = || Ok::<_, TchError>((Vec::<f32>::try_from(weights)?, adam.state()?));
    let (values, optimizer) = libtorch::call(numbers)?;
    Ok(State {
        weights: Weights::from_values(values, classes)?,
        optimizer,
    })
}
