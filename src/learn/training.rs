//! The training loop: an iterator that yields a [`Step`] for each training step. It knows nothing
//! about files or terminals. The step itself is in [`Training::train_step`] and [`gradient_part`]:
//! batch, forward, loss, backward, Adam, score. The rest of this file schedules that work.
//!
//! On a CPU, scoring takes over nine tenths of the time and needs only the weights after its step,
//! a few thousand numbers. So training runs ahead while all threads score chunks of the test set
//! with copies of earlier weights. The gradient of a batch is computed in parts, so that the
//! threads share it too. The parts depend on the batch alone and are summed in order, which makes
//! every number the same for any number of threads.
//!
//! On CUDA, one thread launches everything, about 80 kernels per step of the article's job, without
//! waiting for the device. The host waits when it reads losses and counts: once every 32 steps, and
//! where a checkpoint is saved.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tch::{Reduction, Tensor};

use super::adam::Adam;
use super::batches::{Batches, Config, Part, Position, Schedule};
use super::checkpoint::State;
use super::device::Device;
use super::metrics::{ConfusionMatrix, StepRecord};
use super::network::{Architecture, Network};
use super::scoring::{self, Chunk, Scores};
use super::tch_errors;
use super::threads::{Job, Pool};
use super::weights::Weights;
use crate::data::Split;

/// One training step, scored or not.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// Number of images in the batch.
    pub images: usize,
    /// Mean cross-entropy (nats) of the step's batch, before the weights were changed.
    pub train_loss: f32,
    /// The test set's confusion matrix after the step; `None` if the test set was not scored.
    pub confusion: Option<ConfusionMatrix>,
    /// The training state after the step, if the schedule saves a checkpoint there.
    pub state: Option<State>,
    /// The weights after the step, if the best are kept and these may be the best.
    pub weights: Option<Weights>,
}

impl Step {
    /// The step as a row of `accuracy.csv`; `None` if the test set was not scored.
    pub fn record(&self) -> Option<StepRecord> {
        self.confusion.as_ref().map(|confusion| StepRecord {
            epoch: self.epoch,
            batch: self.batch,
            step: self.step,
            train_loss: self.train_loss,
            test_accuracy: confusion.accuracy(),
        })
    }
}

/// A run in progress. Iterate over it to train; each item is one step, in order.
pub struct Training {
    architecture: Architecture,
    device: Device,
    batches: Batches,
    test: Vec<Chunk>,
    test_images: usize,
    /// The worker threads, with a network each; `network` is the one of this thread.
    pool: Pool<Network>,
    network: Network,
    /// Flat, f32, on the device.
    weights: Tensor,
    adam: Adam,
    steps_done: usize,
    last_step: usize,
    /// Minimum time between two checkpoints.
    state_interval: Duration,
    last_state: Instant,
    /// Steps that are done, but whose loss and scores are still being computed.
    pending: VecDeque<PendingStep>,
    /// Finished steps that are not yielded yet.
    finished: VecDeque<Result<Step>>,
    failed: bool,
}

/// A step that is done but whose results have not been read yet.
struct PendingStep {
    position: Position,
    /// The batch's loss and the largest absolute weight after the step; 2, f32.
    numbers: Tensor,
    state: Option<State>,
    /// The weights after the step, if they may turn out to be the best.
    weights: Option<Tensor>,
    /// Confusion counts that are still being computed, one per chunk of the test set.
    scores: Vec<Job<Tensor>>,
    /// Sum of the finished ones; `None` if the step is not scored.
    counts: Option<Tensor>,
}

impl Training {
    /// Prepares a run that starts from `state`: a new one, or the checkpointed state of a run with
    /// the same configuration and images. It trains on the training images of `split` and scores
    /// its test images. On a CPU, `threads` threads share the work; the results depend neither on
    /// their number nor on where a run was interrupted and resumed.
    ///
    /// # Errors
    /// When a set is empty, a label has no class, the run has too many steps, the state is past the
    /// last one, or memory or threads run out.
    pub fn new(
        config: &Config,
        state: &State,
        split: &Split,
        device: Device,
        threads: NonZeroUsize,
    ) -> Result<Self> {
        ensure!(
            !split.train.is_empty() && !split.test.is_empty(),
            "there are no images"
        );
        let schedule = Schedule::new(config, split.train.len());
        schedule.check()?;
        let last_step = schedule.steps();
        let steps_done = state.step();
        ensure!(
            steps_done <= last_step,
            "the state is from step {steps_done}, but the run has {last_step} steps"
        );
        let architecture = state.weights.architecture().clone();
        split.train.check_labels(architecture.classes())?;
        split.test.check_labels(architecture.classes())?;
        device.prepare();
        let (pool, network) = scoring::workers(&architecture, device, device.threads(threads))?;
        tch_errors::catch(|| {
            let (weights, adam) = state.to_device(device)?;
            Ok(Self {
                batches: Batches::new(config, &split.train, device)?,
                test: scoring::chunks(&split.test, &architecture, device)?,
                test_images: split.test.len(),
                architecture,
                device,
                pool,
                network,
                weights,
                adam,
                steps_done,
                last_step,
                state_interval: Duration::ZERO,
                last_state: Instant::now(),
                pending: VecDeque::new(),
                finished: VecDeque::new(),
                failed: false,
            })
        })
    }

    /// Trains one step and starts scoring it if the schedule says so.
    fn train_step(&mut self) -> Result<()> {
        let position = self.batches.schedule().position(self.steps_done + 1);
        let parts = self.batches.parts(&position)?;
        let (gradient, loss) = self.gradient(parts, position.places.len())?;
        let schedule = self.batches.schedule();
        let learning_rate = schedule.learning_rate(position.step);
        self.adam
            .step(&mut self.weights, &gradient, learning_rate)?;
        self.steps_done = position.step;
        // A copy, because training continues before the step is scored.
        let weights = self.weights.copy();
        let is_scored = schedule.is_scored(position.step);
        let is_due =
            self.last_state.elapsed() >= self.state_interval || position.step == schedule.steps();
        let saves_checkpoint = schedule.saves_checkpoint(position.step) && is_due;
        if saves_checkpoint {
            self.last_state = Instant::now();
        }
        let may_be_best = schedule.may_be_best(position.step);
        let chunks = self.test.iter().filter(|_| is_scored);
        self.pending.push_back(PendingStep {
            scores: chunks.map(|chunk| self.score(&weights, chunk)).collect(),
            numbers: Tensor::f_stack(&[&loss, &weights.f_abs()?.f_max()?], 0)?,
            state: saves_checkpoint.then(|| self.state()).transpose()?,
            weights: may_be_best.then_some(weights),
            position,
            counts: None,
        });
        Ok(())
    }

    /// Gradient (flat, f32) and loss (scalar, f32) of a batch, summed over its parts in order.
    fn gradient(&mut self, parts: Vec<Part>, batch_size: usize) -> Result<(Tensor, Tensor)> {
        // In reverse, because each goes to the front of the queue.
        let jobs = parts.into_iter().rev().map(|part| {
            let weights = self.weights.shallow_clone();
            self.pool.push(true, move |network| {
                tch_errors::catch(|| gradient_part(network, &weights, &part, batch_size))
            })
        });
        let jobs: Vec<Job<(Tensor, Tensor)>> = jobs.collect();
        let mut sum: Option<(Tensor, Tensor)> = None;
        for job in jobs.iter().rev() {
            let (gradient, loss) = self.pool.wait(job, &mut self.network)?;
            sum = Some(match sum {
                None => (gradient, loss),
                Some((mut gradients, mut losses)) => {
                    (gradients.f_add_(&gradient)?, losses.f_add_(&loss)?)
                }
            });
        }
        sum.context("an empty batch")
    }

    /// Queues the scoring of one chunk of the test set.
    fn score(&self, weights: &Tensor, chunk: &Chunk) -> Job<Tensor> {
        let (weights, chunk) = (weights.shallow_clone(), chunk.share());
        self.pool.push(false, move |network| {
            tch_errors::catch(|| Ok(scoring::score_chunk(network, &weights, &chunk)?.1))
        })
    }

    /// Advances the pipeline by one task; `false` when the run is over.
    fn advance(&mut self) -> Result<bool> {
        let is_last = self.steps_done >= self.last_step;
        let per_read = self.device.steps_per_read();
        let (mut complete, mut has_state) = (0, false);
        for step in &mut self.pending {
            if has_state || !step.collect_scores()? {
                break;
            }
            complete += 1;
            has_state = step.state.is_some();
        }
        let max_pending = per_read.max(2 * (self.pool.threads() + 1));
        if complete >= if is_last || has_state { 1 } else { per_read } {
            tch_errors::catch(|| self.read_steps(complete))?;
        } else if self.pool.threads() == 0 && self.pool.help(&mut self.network) {
            // Without workers, this thread scores before it trains on.
        } else if !is_last && self.pending.len() < max_pending {
            let step = self.steps_done + 1;
            tch_errors::catch(|| self.train_step()).with_context(|| format!("step {step}"))?;
        } else if !self.pool.help(&mut self.network) {
            match self.pending.front_mut() {
                Some(step) => step.wait_for_score()?,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Reads the results of the first `count` pending steps from the device in up to three
    /// transfers: losses and largest weights, the confusion counts, and the best weights if the run
    /// keeps those. Only the last step may have a state, because a checkpoint includes the best
    /// weights up to its step.
    fn read_steps(&mut self, count: usize) -> Result<()> {
        let steps: Vec<PendingStep> = self.pending.drain(..count).collect();
        let numbers: Vec<&Tensor> = steps.iter().map(|step| &step.numbers).collect();
        let numbers = Vec::<f32>::try_from(Tensor::f_cat(&numbers, 0)?)?;
        let scored: Vec<&Tensor> = steps.iter().filter_map(|it| it.counts.as_ref()).collect();
        let counts = match scored[..] {
            [] => Vec::new(),
            _ => Vec::<i64>::try_from(Tensor::f_cat(&scored, 0)?)?,
        };
        let mut counts = counts.chunks_exact(self.architecture.classes().pow(2));
        let mut best: Option<(f64, usize, Tensor)> = None;
        for (mut step, numbers) in steps.into_iter().zip(numbers.chunks_exact(2)) {
            let counts = step.counts.as_ref().and_then(|_| counts.next());
            let (label, weights) = (step.label(), step.weights.take());
            let step = counts
                .map(|counts| scoring::confusion(counts, self.test_images, &self.architecture))
                .transpose()
                .and_then(|confusion| step.finish(numbers, confusion))
                .context(label);
            let record = step.as_ref().ok().and_then(Step::record);
            if let Some((weights, record)) = weights.zip(record)
                && best.as_ref().is_none_or(|it| record.test_accuracy > it.0)
            {
                best = Some((record.test_accuracy, self.finished.len(), weights));
            }
            self.finished.push_back(step);
        }
        if let Some((_, index, weights)) = best
            && let Some(Ok(step)) = self.finished.get_mut(index)
        {
            let values = (&weights).try_into()?;
            step.weights = Some(Weights::from_values(values, &self.architecture)?);
        }
        Ok(())
    }

    /// The run's schedule.
    pub(crate) fn schedule(&self) -> &Schedule {
        self.batches.schedule()
    }

    /// Yields states at most this often, except for the last step of the run.
    pub(crate) fn limit_states(&mut self, interval: Duration) {
        self.state_interval = interval;
        self.last_state = Instant::now();
    }

    /// Number of steps trained, including those of an earlier session.
    pub fn steps_done(&self) -> usize {
        self.steps_done
    }

    /// True if training itself has failed, so that resuming would fail again.
    pub fn has_failed(&self) -> bool {
        self.failed
    }

    /// The training state after the last step trained. Once the iterator has ended, that is the
    /// last step it yielded.
    ///
    /// # Errors
    /// When the device fails.
    pub fn state(&self) -> Result<State> {
        tch_errors::catch(|| State::from_device(&self.weights, &self.adam, &self.architecture))
    }

    /// Scores the test images with the current weights. Call it after the iterator has ended.
    ///
    /// # Errors
    /// When the device fails.
    pub fn scores(&mut self) -> Result<Scores> {
        let (pool, own) = (&self.pool, &mut self.network);
        scoring::score_chunks(&self.weights, &self.test, pool, own, &self.architecture)
    }

    /// Stops training. The few steps that ran ahead are still yielded, then the iterator ends.
    pub fn stop(&mut self) {
        self.last_step = self.steps_done;
    }
}

impl Iterator for Training {
    type Item = Result<Step>;

    /// The next step. The first error ends the iterator.
    fn next(&mut self) -> Option<Self::Item> {
        while !self.failed {
            if let Some(step) = self.finished.pop_front() {
                if step.is_err() {
                    self.failed = true;
                    self.pool.clear();
                }
                return Some(step);
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => self.finished.push_back(Err(error)),
            }
        }
        None
    }
}

/// Forward, loss and backward for one part of a batch. Returns the part's share of the gradient
/// (flat, f32) and of the loss, the batch's mean cross-entropy (scalar, f32).
fn gradient_part(
    network: &mut Network,
    weights: &Tensor,
    part: &Part,
    batch_size: usize,
) -> Result<(Tensor, Tensor)> {
    network.set_weights(weights)?;
    let (images, labels) = part.load()?;
    let logits = network.forward(&images);
    let loss = logits
        .f_cross_entropy_loss::<Tensor>(&labels, None, Reduction::Sum, -100, 0.0)?
        .f_div_scalar(batch_size as f64)?;
    Ok((network.gradient(&loss)?, loss.detach()))
}

impl PendingStep {
    /// Collects finished scores; true once the step is complete.
    fn collect_scores(&mut self) -> Result<bool> {
        for job in std::mem::take(&mut self.scores) {
            match job.poll() {
                Some(counts) => self.add_counts(counts)?,
                None => self.scores.push(job),
            }
        }
        Ok(self.scores.is_empty())
    }

    fn wait_for_score(&mut self) -> Result<()> {
        let job = self.scores.pop();
        job.map_or(Ok(()), |job| self.add_counts(job.wait()))
    }

    fn add_counts(&mut self, counts: Result<Tensor>) -> Result<()> {
        let counts = counts.with_context(|| self.label())?;
        self.counts = Some(match self.counts.take() {
            None => counts,
            Some(mut sum) => sum.f_add_(&counts)?,
        });
        Ok(())
    }

    /// Names the step in error messages.
    fn label(&self) -> String {
        let Position { epoch, batch, .. } = self.position;
        format!("step {} (epoch {epoch}, batch {batch})", self.position.step)
    }

    /// The step with its results: loss and largest weight, and the confusion counts if scored.
    fn finish(self, numbers: &[f32], confusion: Option<ConfusionMatrix>) -> Result<Step> {
        let (loss, largest_weight) = (numbers[0], numbers[1]);
        let hint = "training has diverged; try a smaller --lr";
        ensure!(loss.is_finite(), "the loss is {loss}: {hint}");
        ensure!(
            largest_weight.is_finite(),
            "the weights are no longer finite: {hint}"
        );
        ensure!(
            loss >= 0.0,
            "the loss is {loss}: the device computes wrong results; compare with --device cpu"
        );
        Ok(Step {
            epoch: self.position.epoch,
            batch: self.position.batch,
            step: self.position.step,
            images: self.position.places.len(),
            train_loss: loss,
            confusion,
            state: self.state,
            weights: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, SIDE, mnist_10k};

    fn split() -> Split {
        let split = mnist_10k().unwrap();
        split.resized(Some(300), Some(300)).unwrap()
    }

    fn training(learning_rate: f64, device: Device, threads: usize) -> Training {
        let config = Config {
            learning_rate,
            ..Config::default()
        };
        let state = State::new(&config, 10).unwrap();
        let threads = NonZeroUsize::new(threads).unwrap();
        Training::new(&config, &state, &split(), device, threads).unwrap()
    }

    /// Batches of ten images, so that there are more steps than are read at once.
    fn on(device: Device, split: &Split, state: Option<State>, augment: usize) -> Training {
        let config = Config {
            epochs: NonZeroUsize::new(2).unwrap(),
            batch_size: NonZeroUsize::new(10).unwrap(),
            shuffle: true,
            augment,
            eval_every: Some(7),
            checkpoint_every: 20,
            ..Config::default()
        };
        let state = state.unwrap_or_else(|| State::new(&config, split.classes.len()).unwrap());
        Training::new(&config, &state, split, device, NonZeroUsize::MIN).unwrap()
    }

    #[test]
    fn a_run_that_fails_names_the_step_and_ends_there() {
        let gpu = Device::CPU_AS_GPU;
        for (device, threads) in [(Device::CPU, 1), (Device::CPU, 3), (gpu, 1)] {
            let mut run = training(1e30, device, threads);
            let steps = run.by_ref().collect::<Vec<_>>();
            let (last, before) = steps.split_last().unwrap();
            assert!(!before.is_empty() && before.iter().all(Result::is_ok));
            let (error, step) = (format!("{:#}", last.as_ref().unwrap_err()), steps.len());
            let place = format!("step {step} (epoch 1, batch {step}): ");
            assert!(error.starts_with(&place), "{error}");
            assert!(error.ends_with("smaller --lr"), "{error}");
            assert!(run.next().is_none() && run.has_failed());
        }
    }

    #[test]
    fn used_as_a_gpu_is_used_a_device_gives_the_same_numbers() {
        let mut thirds = split();
        thirds.classes.truncate(3);
        for set in [&mut thirds.train, &mut thirds.test] {
            let labels = set.labels().iter().map(|label| label % 3).collect();
            *set = Dataset::new([SIDE; 2], set.pixels().to_vec(), labels).unwrap();
        }
        for (split, augment) in [(&split(), 0), (&split(), 2), (&thirds, 0)] {
            let steps = |device, state| -> Vec<Step> {
                let training = on(device, split, state, augment);
                training.map(Result::unwrap).collect()
            };
            let right = |step: &Step| Some(step.record()?.test_accuracy * 300.0);
            let as_gpu = steps(Device::CPU_AS_GPU, None);
            assert_eq!(as_gpu.len(), 60);
            for (one, other) in steps(Device::CPU, None).iter().zip(&as_gpu) {
                assert!((one.train_loss - other.train_loss).abs() < 1e-4);
                assert_eq!(right(one).is_some(), right(other).is_some());
                let differ = right(one).zip(right(other)).map(|(one, other)| one - other);
                assert!(differ.unwrap_or(0.0).abs() < 1.5, "an image more or less");
            }
            let state = as_gpu[39].state.clone();
            assert_eq!(steps(Device::CPU_AS_GPU, state), as_gpu[40..]);
        }
    }

    #[test]
    fn a_failure_in_scoring_is_that_of_its_own_step() {
        let mut run = training(0.005, Device::CPU, 1);
        run.train_step().unwrap();
        run.train_step().unwrap();
        let other_size = Tensor::from_slice(&[1.0_f32, 2.0]);
        run.pending[0].scores[0] = run.score(&other_size, &run.test[0]);
        let error = format!("{:#}", run.next().unwrap().unwrap_err());
        let place = "step 1 (epoch 1, batch 1): libtorch: ";
        assert!(error.starts_with(place), "{error}");
    }
}
