//! Steps that are made but whose numbers are still on the device, and how they become records.
//!
//! Reading a number makes the host wait for the device, so many steps are read at once.

use anyhow::{Result, anyhow};
use tch::Tensor;

use super::libtorch;
use super::record::{ConfusionMatrix, Step};
use super::schedule::Position;
use super::state::Snapshot;

/// A step that was made and not read yet.
pub struct Pending {
    position: Position,
    /// Scalar, f32.
    loss: Tensor,
    /// The confusion counts so far (classes x classes, i64), where the step is scored.
    counts: Option<Tensor>,
    /// Chunks of the test set that are not scored yet.
    missing: usize,
    /// The state after the step, where it is to be kept.
    snapshot: Option<Snapshot>,
}

impl Pending {
    /// The step at `position` with its `loss` (scalar, f32), and with the state after it where that is to be kept.
    #[must_use]
    pub fn new(position: Position, loss: Tensor, snapshot: Option<Snapshot>) -> Self {
        Self {
            position,
            loss,
            counts: None,
            missing: 0,
            snapshot,
        }
    }

    /// The step's number in the run.
    #[must_use]
    pub fn step(&self) -> usize {
        self.position.step
    }

    /// Waits for the counts of so many chunks more.
    pub fn expect(&mut self, chunks: usize) {
        self.missing += chunks;
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.missing == 0
    }

    /// Adds the confusion counts (classes x classes, i64) of one chunk.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn add(&mut self, counts: Tensor) -> Result<()> {
        self.counts = Some(match self.counts.take() {
            None => counts,
            Some(mut sum) => libtorch::call(|| sum.f_add_(&counts))?,
        });
        self.missing -= 1;
        Ok(())
    }

    /// The step as a record.
    fn into_step(self, train_loss: f32, confusion: Option<ConfusionMatrix>) -> Result<Step> {
        let (epoch, batch) = (self.position.epoch, self.position.batch);
        let step = self.position.step;
        if !train_loss.is_finite() {
            return Err(anyhow!(
                "step {step} (epoch {epoch}, batch {batch}): the loss is {train_loss}, training has failed; try a \
                 smaller --lr"
            ));
        }
        Ok(Step {
            epoch,
            batch,
            step,
            images: self.position.places.len(),
            train_loss,
            confusion,
            state: self.snapshot.as_ref().map(Snapshot::read).transpose()?,
        })
    }
}

/// Reads whole steps with scores over so many `classes` from the device, in two transfers. A step whose loss is no number
/// is an error in its place.
///
/// # Errors
/// When the device fails.
pub fn read(steps: Vec<Pending>, classes: usize) -> Result<Vec<Result<Step>>> {
    let losses: Vec<&Tensor> = steps.iter().map(|pending| &pending.loss).collect();
    let counts = steps.iter().filter_map(|pending| pending.counts.as_ref());
    let counts: Vec<&Tensor> = counts.collect();
    let (losses, counts) = libtorch::call(|| {
        let losses = Vec::<f32>::try_from(Tensor::f_stack(&losses, 0)?)?;
        let counts = if counts.is_empty() {
            Vec::new()
        } else {
            Vec::<i64>::try_from(Tensor::f_cat(&counts, 0)?)?
        };
        Ok((losses, counts))
    })?;
    let mut matrices = counts
        .chunks_exact(classes * classes)
        .map(|counts| confusion(counts, classes));
    let step = |(pending, loss): (Pending, f32)| {
        let matrix = pending.counts.as_ref().and_then(|_| matrices.next());
        pending.into_step(loss, matrix)
    };
    Ok(steps.into_iter().zip(losses).map(step).collect())
}

/// Confusion counts as they come from the device (true class x classes + predicted class) as a matrix.
pub fn confusion(counts: &[i64], classes: usize) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(classes);
    for (cell, &count) in counts.iter().enumerate() {
        matrix.add(cell / classes, cell % classes, count.unsigned_abs());
    }
    matrix
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(step: usize, loss: f32) -> Pending {
        let position = Position {
            epoch: 1,
            batch: step,
            step,
            places: 0..7,
        };
        Pending::new(position, Tensor::from(loss), None)
    }

    #[test]
    fn counts_add_up_over_chunks_and_stay_with_their_step() {
        let mut scored = pending(2, 0.5);
        scored.expect(2);
        let mut counts = vec![0_i64; 100];
        counts[23] = 4;
        scored.add(Tensor::from_slice(&counts)).unwrap();
        assert!(!scored.is_whole());
        scored.add(Tensor::from_slice(&counts)).unwrap();
        assert!(scored.is_whole());
        let steps = read(vec![pending(1, 0.75), scored, pending(3, 0.25)], 10).unwrap();
        let steps: Vec<Step> = steps.into_iter().map(Result::unwrap).collect();
        let losses: Vec<f32> = steps.iter().map(|step| step.train_loss).collect();
        assert_eq!(losses, [0.75, 0.5, 0.25]);
        let matrix = steps[1].confusion.as_ref().unwrap();
        assert_eq!((matrix.count(2, 3), matrix.total()), (8, 8));
        assert!(steps[0].confusion.is_none() && steps[2].confusion.is_none());
        assert_eq!(steps[2].images, 7);
    }

    #[test]
    fn a_loss_that_is_no_number_is_an_error_in_its_place() {
        let steps = read(vec![pending(1, 1.0), pending(2, f32::NAN)], 10).unwrap();
        assert!(steps[0].is_ok());
        let error = steps[1].as_ref().unwrap_err().to_string();
        assert!(
            error.starts_with("step 2 (epoch 1, batch 2): the loss is NaN"),
            "{error}"
        );
    }
}
