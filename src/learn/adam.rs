//! Adam (Kingma and Ba 2015) over one flat vector of weights: eight kernels a step, whatever the number of layers.
//!
//! It owns the two moments and the number of steps, which together with the weights are all that a
//! run needs to go on. It knows nothing of layers.

use tch::{Device, TchError, Tensor};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimiser's state.
#[derive(Debug)]
pub struct Adam {
    learning_rate: f64,
    /// Running mean of the gradient, f32, as long as the weights.
    first_moment: Tensor,
    /// Running mean of the squared gradient, f32, as long as the weights.
    second_moment: Tensor,
    /// Steps made so far.
    steps: i32,
}

impl Adam {
    /// A fresh optimiser for `weights` (flat, f32), on their device.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn new(weights: &Tensor, learning_rate: f64) -> Result<Self, TchError> {
        Ok(Self {
            learning_rate,
            first_moment: weights.f_zeros_like()?,
            second_moment: weights.f_zeros_like()?,
            steps: 0,
        })
    }

    /// Changes `weights` by one step against `gradient` (both flat, f32).
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn step(&mut self, weights: &mut Tensor, gradient: &Tensor) -> Result<(), TchError> {
        self.steps += 1;
        let _ = self.first_moment.f_lerp_(gradient, 1.0 - BETA_1)?;
        let _ = self
            .second_moment
            .f_lerp_(&gradient.f_square()?, 1.0 - BETA_2)?;
        // lr·m̂/(√v̂ + ε) with the bias corrections m̂ = m/(1-β₁ᵗ), v̂ = v/(1-β₂ᵗ) taken out of the vectors.
        let correction_1 = 1.0 - BETA_1.powi(self.steps);
        let correction_2 = (1.0 - BETA_2.powi(self.steps)).sqrt();
        let denominator = self
            .second_moment
            .f_sqrt()?
            .f_add_scalar_(EPSILON * correction_2)?;
        let rate = self.learning_rate * correction_2 / correction_1;
        let change = self.first_moment.f_div(&denominator)?.f_mul_scalar_(rate)?;
        let _ = weights.f_sub_(&change)?;
        Ok(())
    }

    /// The optimiser that goes on from `state` on `device`.
    ///
    /// # Errors
    /// When the device's memory is full.
    pub fn resume(state: &AdamState, learning_rate: f64, device: Device) -> Result<Self, TchError> {
        let moment = |values: &[f32]| Tensor::f_from_slice(values)?.f_to_device(device);
        Ok(Self {
            learning_rate,
            first_moment: moment(&state.first_moment)?,
            second_moment: moment(&state.second_moment)?,
            steps: i32::try_from(state.steps).unwrap_or(i32::MAX),
        })
    }

    /// A copy that later steps do not change, on the same device.
    #[must_use]
    pub fn snapshot(&self) -> Self {
        Self {
            learning_rate: self.learning_rate,
            first_moment: self.first_moment.copy(),
            second_moment: self.second_moment.copy(),
            steps: self.steps,
        }
    }

    /// A copy of the state on the host.
    ///
    /// # Errors
    /// When the device fails.
    pub fn state(&self) -> Result<AdamState, TchError> {
        Ok(AdamState {
            first_moment: Vec::try_from(&self.first_moment)?,
            second_moment: Vec::try_from(&self.second_moment)?,
            steps: self.steps.unsigned_abs().into(),
        })
    }
}

/// What the optimiser has gathered, in the order of the weights.
#[derive(Debug, Clone, PartialEq)]
pub struct AdamState {
    /// Running mean of the gradient.
    pub first_moment: Vec<f32>,
    /// Running mean of the squared gradient.
    pub second_moment: Vec<f32>,
    /// Steps made.
    pub steps: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;
    use tch::nn::{self, OptimizerConfig};

    #[test]
    fn it_is_tchs_own_adam() {
        tch::manual_seed(3);
        let store = nn::VarStore::new(Device::Cpu);
        let reference = store
            .root()
            .var("w", &[50], nn::Init::Uniform { lo: -1.0, up: 1.0 });
        let target = Tensor::rand([50], (Kind::Float, Device::Cpu));
        let mut tchs = nn::Adam::default().build(&store, 0.005).unwrap();
        let mut weights = reference.detach().copy();
        let mut adam = Adam::new(&weights, 0.005).unwrap();
        let distance = |weights: &Tensor| (weights - &reference).abs().max().double_value(&[]);
        for step in 1..=50 {
            let loss = (&reference - &target).pow_tensor_scalar(4).sum(Kind::Float);
            let gradient = (&weights - &target).pow_tensor_scalar(3) * 4.0;
            tchs.backward_step(&loss);
            adam.step(&mut weights, &gradient).unwrap();
            let limit = if step == 1 { 1e-6 } else { 1e-5 };
            assert!(
                distance(&weights) < limit,
                "step {step}: {}",
                distance(&weights)
            );
        }
        let state = adam.state().unwrap();
        let sizes = (state.first_moment.len(), state.second_moment.len());
        assert_eq!((sizes, state.steps), ((50, 50), 50));
    }

    #[test]
    fn a_resumed_optimiser_makes_the_same_steps() {
        let gradient = Tensor::from_slice(&[0.3_f32, -7.0, 1e-5]);
        let mut weights = Tensor::from_slice(&[1.0_f32, 1.0, 1.0]);
        let mut adam = Adam::new(&weights, 0.005).unwrap();
        for _ in 0..3 {
            adam.step(&mut weights, &gradient).unwrap();
        }
        let snapshot = adam.snapshot();
        let mut again = weights.copy();
        let mut resumed = Adam::resume(&adam.state().unwrap(), 0.005, Device::Cpu).unwrap();
        adam.step(&mut weights, &gradient).unwrap();
        assert_eq!(snapshot.state().unwrap(), resumed.state().unwrap());
        resumed.step(&mut again, &gradient).unwrap();
        assert_eq!(adam.state().unwrap(), resumed.state().unwrap());
        let numbers = |weights| Vec::<f32>::try_from(weights).unwrap();
        assert_eq!(numbers(weights), numbers(again));
    }

    #[test]
    fn the_first_step_is_the_learning_rate_against_the_gradients_sign() {
        let mut weights = Tensor::from_slice(&[1.0_f32, 1.0, 1.0]);
        let mut adam = Adam::new(&weights, 0.005).unwrap();
        adam.step(&mut weights, &Tensor::from_slice(&[3.0_f32, -0.2, 0.0]))
            .unwrap();
        let moved = Vec::<f32>::try_from(weights).unwrap();
        for (value, expected) in moved.iter().zip([0.995, 1.005, 1.0]) {
            assert!((value - expected).abs() < 1e-6, "{moved:?}");
        }
    }
}
