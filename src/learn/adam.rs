//! Adam (Kingma and Ba 2015) over one flat vector of weights, which takes eight kernels per step for
//! any number of layers.

use anyhow::Result;
use tch::Tensor;

use super::tch_errors;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The optimizer state on the device: two moments and the number of steps.
#[derive(Debug)]
pub struct Adam {
    /// Running mean of the gradient; f32, as long as the weights.
    pub(super) first_moment: Tensor,
    /// Running mean of the squared gradient; f32, as long as the weights.
    pub(super) second_moment: Tensor,
    /// Steps done so far.
    pub(super) steps: i32,
}

impl Adam {
    /// A new optimizer for `weights` (flat, f32), on their device.
    ///
    /// # Errors
    /// When the device runs out of memory.
    pub fn new(weights: &Tensor) -> Result<Self> {
        tch_errors::catch(|| {
            let zeros = || weights.f_zeros_like();
            Ok(Self::resume(zeros()?, zeros()?, 0))
        })
    }

    /// The optimizer after `steps` steps, with these moments.
    pub(super) fn resume(first: Tensor, second: Tensor, steps: i32) -> Self {
        Self {
            first_moment: first,
            second_moment: second,
            steps,
        }
    }

    /// Updates `weights` by one step with `gradient` (both flat, f32).
    ///
    /// # Errors
    /// When the sizes differ.
    pub fn step(
        &mut self,
        weights: &mut Tensor,
        gradient: &Tensor,
        learning_rate: f64,
    ) -> Result<()> {
        self.steps += 1;
        let _ = self.first_moment.f_lerp_(gradient, 1.0 - BETA_1)?;
        let squares = gradient.f_square()?;
        let _ = self.second_moment.f_lerp_(&squares, 1.0 - BETA_2)?;
        // lr·m̂/(√v̂ + ε), with the bias corrections m̂ = m/(1-β₁ᵗ) and v̂ = v/(1-β₂ᵗ) moved
        // into the scalars.
        let correction_1 = 1.0 - BETA_1.powi(self.steps);
        let correction_2 = (1.0 - BETA_2.powi(self.steps)).sqrt();
        let mut denominator = self.second_moment.f_sqrt()?;
        let denominator = denominator.f_add_scalar_(EPSILON * correction_2)?;
        let rate = learning_rate * correction_2 / correction_1;
        let change = self.first_moment.f_div(&denominator)?.f_mul_scalar_(rate)?;
        let _ = weights.f_sub_(&change)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::nn::{self, OptimizerConfig};
    use tch::{Device, Kind};

    #[test]
    fn it_takes_the_same_steps_as_tchs_adam() {
        tch::manual_seed(3);
        let store = nn::VarStore::new(Device::Cpu);
        let init = nn::Init::Uniform { lo: -1.0, up: 1.0 };
        let reference = store.root().var("w", &[50], init);
        let target = Tensor::rand([50], (Kind::Float, Device::Cpu));
        let mut tchs = nn::Adam::default().build(&store, 0.005).unwrap();
        let mut weights = reference.detach().copy();
        let mut adam = Adam::new(&weights).unwrap();
        for step in 1..=50 {
            let loss = (&reference - &target).pow_tensor_scalar(4).sum(Kind::Float);
            let gradient = (&weights - &target).pow_tensor_scalar(3) * 4.0;
            tchs.backward_step(&loss);
            adam.step(&mut weights, &gradient, 0.005).unwrap();
            let distance = (&weights - &reference).abs().max().double_value(&[]);
            let limit = if step == 1 { 1e-6 } else { 1e-5 };
            assert!(distance < limit, "step {step}: {distance}");
        }
    }
}
