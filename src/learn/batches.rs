//! The run's configuration, the schedule that follows from it, and the images of each batch.
//!
//! Everything here follows from the configuration alone, so any step can be computed without the
//! steps before it. The only source of randomness is `ChaCha8`, seeded with the run's seed: stream
//! 0 draws the initial weights, stream e shuffles epoch e, and every image of every epoch has a
//! stream of its own for its random shift. So results depend neither on the number of threads nor
//! on where a run was resumed.

use std::num::NonZeroUsize;
use std::ops::Range;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::device::Device;
use super::network::ARTICLE;
use super::weights::Init;
use crate::data::{Dataset, PIXELS, SIDE};

/// Which weights a run keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum KeepPolicy {
    /// The weights after the last step
    #[default]
    Last,
    /// The weights of the best score as well, in best.safetensors
    Best,
}

/// The hyperparameters of a run; the default is the article's protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Channels of each block of the network; see [`Architecture::new`](super::Architecture::new).
    pub channels: Vec<usize>,
    /// Number of passes over the training images.
    pub epochs: NonZeroUsize,
    /// Images per step.
    pub batch_size: NonZeroUsize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
    /// Final rate of the linear decay; `None` keeps the rate constant.
    pub final_learning_rate: Option<f64>,
    /// Seed of everything random: initial weights, shuffling, shifts.
    pub seed: u64,
    /// Distribution of the initial weights.
    pub init: Init,
    /// Score the test set after this many steps and at the end of each epoch. 0: only after the
    /// last step. `None`: 50 times per epoch, or after every step if an epoch has fewer.
    pub eval_every: Option<usize>,
    /// Visit the images in a new random order in each epoch.
    pub shuffle: bool,
    /// Shift each training image at random by up to this many pixels in each direction, anew in
    /// each epoch.
    pub augment: usize,
    /// Save a checkpoint after this many steps and at the end of each epoch. 0: only at the end of
    /// each epoch. Does not affect the results.
    pub checkpoint_every: usize,
    /// Which weights to keep. Does not affect the results.
    pub keep: KeepPolicy,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            channels: ARTICLE.to_vec(),
            epochs: const { NonZeroUsize::new(5).unwrap() },
            batch_size: const { NonZeroUsize::new(100).unwrap() },
            learning_rate: 0.005,
            final_learning_rate: None,
            seed: 0,
            init: Init::Flux,
            eval_every: None,
            shuffle: false,
            augment: 0,
            checkpoint_every: 0,
            keep: KeepPolicy::Last,
        }
    }
}

/// Maximum number of steps of a run. At a millisecond each they take eleven days.
const MAX_STEPS: usize = 1_000_000_000;
/// Maximum number of scored steps of a run: their records are kept in memory and in checkpoints.
const MAX_SCORES: usize = 1_000_000;

/// The schedule of a run: epochs, batches, scoring, checkpoints and learning rate.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    config: Config,
    images: usize,
}

/// The position of a step in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// The batch's range in the epoch's order of images.
    pub places: Range<usize>,
}

impl Schedule {
    /// The schedule for `images` training images; at least one.
    pub(crate) fn new(config: &Config, images: usize) -> Self {
        Self {
            config: config.clone(),
            images,
        }
    }

    /// Checks the number of steps, and that the records fit into memory.
    pub(crate) fn check(&self) -> Result<()> {
        let (epochs, batches) = (self.epochs(), self.batches_per_epoch());
        let steps = self.steps();
        ensure!(
            steps <= MAX_STEPS,
            "{epochs} epochs of {batches} batches are more than {MAX_STEPS} steps: choose fewer \
             --epochs or a larger --batch-size"
        );
        let scores = match self.eval_every() {
            Some(0) => 1,
            Some(every) => steps / every + epochs,
            None => 50 * epochs,
        };
        ensure!(
            scores <= MAX_SCORES,
            "{epochs} epochs of {batches} batches are scored more than {MAX_SCORES} times: choose \
             fewer --epochs or a larger --eval-every"
        );
        Ok(())
    }

    /// Batches per epoch; the last one may be smaller.
    pub(crate) fn batches_per_epoch(&self) -> usize {
        self.images.div_ceil(self.config.batch_size.get())
    }

    /// Number of epochs.
    pub(crate) fn epochs(&self) -> usize {
        self.config.epochs.get()
    }

    /// The test set is scored after this many steps and at the end of each epoch. 0: only after the
    /// last step. `None`: 50 times per epoch, evenly spread over a number of batches that 50 does
    /// not divide.
    pub(crate) fn eval_every(&self) -> Option<usize> {
        let evenly = match self.batches_per_epoch() {
            0..=50 => Some(1),
            batches => (batches.is_multiple_of(50)).then_some(batches / 50),
        };
        self.config.eval_every.or(evenly)
    }

    /// Number of steps of the run.
    pub(crate) fn steps(&self) -> usize {
        self.batches_per_epoch().saturating_mul(self.epochs())
    }

    /// Position of `step` (from 1).
    pub(super) fn position(&self, step: usize) -> Position {
        let (index, batches) = (step.saturating_sub(1), self.batches_per_epoch());
        let size = self.config.batch_size.get();
        let start = index % batches * size;
        Position {
            epoch: index / batches + 1,
            batch: index % batches + 1,
            step,
            places: start..start.saturating_add(size).min(self.images),
        }
    }

    /// True if the test set is scored after `step`; see [`Self::eval_every`].
    pub(crate) fn is_scored(&self, step: usize) -> bool {
        let Position { batch, .. } = self.position(step);
        let batches = self.batches_per_epoch();
        step == self.steps()
            || match self.eval_every() {
                Some(0) => false,
                Some(every) => step.is_multiple_of(every) || batch == batches,
                None => batch * 50 / batches > (batch - 1) * 50 / batches,
            }
    }

    /// True if a checkpoint is saved after `step`.
    pub(super) fn saves_checkpoint(&self, step: usize) -> bool {
        // No step is a multiple of 0.
        let every = self.config.checkpoint_every;
        step.is_multiple_of(self.batches_per_epoch()) || step.is_multiple_of(every)
    }

    /// Learning rate for `step`, decaying linearly to the final rate. The step after the last one
    /// would have the final rate, so that no step is wasted if it is 0.
    pub(super) fn learning_rate(&self, step: usize) -> f64 {
        let first = self.config.learning_rate;
        let done = step.saturating_sub(1) as f64 / self.steps() as f64;
        let decayed = |last| first + (last - first) * done;
        self.config.final_learning_rate.map_or(first, decayed)
    }

    /// True if the weights after `step` may turn out to be the best.
    pub(super) fn may_be_best(&self, step: usize) -> bool {
        self.config.keep == KeepPolicy::Best && self.is_scored(step)
    }

    /// Number of images trained on in steps 1 to `step`.
    pub(crate) fn images_through(&self, step: usize) -> usize {
        let batches = self.batches_per_epoch();
        step / batches * self.images + step % batches * self.config.batch_size.get()
    }

    /// The order of the images in `epoch` (from 1); `None` if it is the order of the file.
    fn order(&self, epoch: usize) -> Option<Vec<i64>> {
        if !self.config.shuffle {
            return None;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(self.config.seed);
        rng.set_stream(epoch as u64);
        let mut order: Vec<i64> = (0_i64..).take(self.images).collect();
        order.shuffle(&mut rng);
        Some(order)
    }
}

/// RNG for one training image in one epoch.
fn image_rng(seed: u64, epoch: usize, row: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // No set has 2^32 images, so these streams differ from those of the weights and of shuffling.
    rng.set_stream((epoch as u64) << 32 | (row as u64 + 1));
    rng
}

/// Splits each epoch into batches, and batches into parts.
pub(super) struct Batches {
    schedule: Schedule,
    device: Device,
    train: Dataset,
    /// The images on the GPU: pixels (n x 784, u8) and labels (n, i64). Images that are shifted
    /// stay on the host.
    resident: Option<(Tensor, Tensor)>,
    epoch: usize,
    /// The epoch's order of images, on the host and on the device; `None` without shuffling.
    order: Option<(Vec<usize>, Tensor)>,
}

/// A contiguous slice of a batch, processed by one thread.
pub(super) struct Part {
    images: Images,
    device: Device,
}

enum Images {
    /// Rows of a data set on the host, to be shifted in this epoch.
    Host(Dataset, Vec<usize>, Shift),
    /// Pixels (u8) and labels (i64) on the device.
    Resident(Tensor, Tensor),
}

/// Random shifts of the training images in one epoch.
#[derive(Clone, Copy)]
struct Shift {
    /// Maximum, in pixels; 0 leaves the images in place.
    max: usize,
    seed: u64,
    epoch: usize,
}

impl Batches {
    pub(super) fn new(config: &Config, train: &Dataset, device: Device) -> Result<Self> {
        let is_resident = !device.is_cpu() && config.augment == 0;
        let resident = || {
            let pixels = pixels(train.pixels())?.f_to_device(device.tch())?;
            anyhow::Ok((pixels, labels(train.labels())?.f_to_device(device.tch())?))
        };
        Ok(Self {
            schedule: Schedule::new(config, train.len()),
            device,
            train: train.clone(),
            resident: is_resident.then(resident).transpose()?,
            epoch: 0,
            order: None,
        })
    }

    pub(super) fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// The parts of the batch at `position`, in order.
    pub(super) fn parts(&mut self, position: &Position) -> Result<Vec<Part>> {
        if self.epoch != position.epoch {
            let to_device = |rows: Vec<i64>| {
                let tensor = self.device.upload(&Tensor::f_from_slice(&rows)?)?;
                let rows = rows.into_iter().map(usize::try_from);
                anyhow::Ok((rows.collect::<Result<_, _>>()?, tensor))
            };
            let order = self.schedule.order(position.epoch);
            self.order = order.map(to_device).transpose()?;
            self.epoch = position.epoch;
        }
        let (places, length) = (&position.places, self.device.part(position.places.len()));
        let starts = places.clone().step_by(length);
        let part = |start: usize| self.part(start..places.end.min(start + length));
        starts.map(part).collect()
    }

    fn part(&self, places: Range<usize>) -> Result<Part> {
        let rows = match &self.order {
            None => places.clone().collect(),
            Some((rows, _)) => rows[places.clone()].to_vec(),
        };
        let config = &self.schedule.config;
        let shift = Shift {
            max: config.augment,
            seed: config.seed,
            epoch: self.epoch,
        };
        Ok(Part {
            images: match &self.resident {
                None => Images::Host(self.train.clone(), rows, shift),
                Some((pixels, labels)) => {
                    Images::Resident(self.pick(pixels, &places)?, self.pick(labels, &places)?)
                }
            },
            device: self.device,
        })
    }

    /// The rows at `places` of a tensor on the device, without waiting for the device.
    fn pick(&self, all: &Tensor, places: &Range<usize>) -> Result<Tensor> {
        let (start, length) = (i64::try_from(places.start)?, i64::try_from(places.len())?);
        Ok(match &self.order {
            None => all.f_narrow(0, start, length)?,
            Some((_, order)) => all.f_index_select(0, &order.f_narrow(0, start, length)?)?,
        })
    }
}

impl Part {
    /// The network's input (n x 1 x 28 x 28, f32) and labels (n, i64).
    pub(super) fn load(&self) -> Result<(Tensor, Tensor)> {
        match &self.images {
            Images::Resident(pixels, labels) => {
                Ok((input(pixels, self.device)?, labels.shallow_clone()))
            }
            Images::Host(dataset, rows, shift) => {
                let mut bytes = Vec::with_capacity(rows.len() * PIXELS);
                for &row in rows {
                    let image = &dataset.pixels()[row * PIXELS..][..PIXELS];
                    if shift.max == 0 {
                        bytes.extend_from_slice(image);
                    } else {
                        let mut rng = image_rng(shift.seed, shift.epoch, row);
                        bytes.extend_from_slice(&shifted(image, shift.max, &mut rng));
                    }
                }
                let classes: Vec<u8> = rows.iter().map(|&row| dataset.labels()[row]).collect();
                let pixels = self.device.upload(&pixels(&bytes)?)?;
                let labels = self.device.upload(&labels(&classes)?)?;
                Ok((input(&pixels, self.device)?, labels))
            }
        }
    }
}

/// `image` (28x28) shifted by up to `max` pixels horizontally and vertically, padded with zeros.
fn shifted(image: &[u8], max: usize, rng: &mut ChaCha8Rng) -> [u8; PIXELS] {
    // From 0 to 2·max, where `max` leaves the image in place.
    let (right, down) = (rng.random_range(0..=2 * max), rng.random_range(0..=2 * max));
    let mut moved = [0; PIXELS];
    for (row, pixels) in image.chunks_exact(SIDE).enumerate() {
        for (column, &pixel) in pixels.iter().enumerate() {
            let target = (row + down)
                .checked_sub(max)
                .zip((column + right).checked_sub(max));
            if let Some((row, column)) = target
                && row < SIDE
                && column < SIDE
            {
                moved[row * SIDE + column] = pixel;
            }
        }
    }
    moved
}

/// The images of `dataset` as the network's input (n x 1 x 28 x 28, f32, 0..=1, on the CPU in
/// oneDNN's memory layout if available) and their labels (n, i64), on `device`.
///
/// # Errors
/// When the device runs out of memory.
pub fn images_and_labels(dataset: &Dataset, device: Device) -> Result<(Tensor, Tensor)> {
    let pixels = pixels(dataset.pixels())?.f_to_device(device.tch())?;
    let labels = labels(dataset.labels())?.f_to_device(device.tch())?;
    Ok((input(&pixels, device)?, labels))
}

/// Converts pixels (n x 784, u8) to the network's input (n x 1 x 28 x 28, f32).
pub(super) fn input(pixels: &Tensor, device: Device) -> Result<Tensor> {
    let side = i64::try_from(SIDE)?;
    let images = pixels.f_to_kind(Kind::Float)?.f_div_scalar_(255.0)?;
    let images = images.f_view([-1, 1, side, side])?;
    if device.has_onednn_layout() {
        Ok(images.f_to_mkldnn(Kind::Float)?)
    } else {
        Ok(images)
    }
}

/// Pixels (n x 784, u8) on the CPU from the bytes of whole images.
pub(super) fn pixels(bytes: &[u8]) -> Result<Tensor> {
    let shape = [i64::try_from(bytes.len() / PIXELS)?, i64::try_from(PIXELS)?];
    Ok(Tensor::f_from_data_size(bytes, &shape, Kind::Uint8)?)
}

/// Labels (n, i64) on the CPU.
pub(super) fn labels(bytes: &[u8]) -> Result<Tensor> {
    Ok(Tensor::f_from_slice(bytes)?.f_to_kind(Kind::Int64)?)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::data::mnist_10k;

    fn schedule(images: usize, change: impl FnOnce(&mut Config)) -> Schedule {
        let mut config = Config::default();
        change(&mut config);
        Schedule::new(&config, images)
    }

    fn steps_where(schedule: &Schedule, predicate: fn(&Schedule, usize) -> bool) -> Vec<usize> {
        let steps = 1..=schedule.steps();
        steps.filter(|&step| predicate(schedule, step)).collect()
    }

    #[test]
    fn a_plan_that_no_memory_holds_is_refused() {
        let plan = |epochs, batch_size, eval_every| {
            let plan = schedule(5_000, |config| {
                config.epochs = NonZeroUsize::new(epochs).unwrap();
                config.batch_size = NonZeroUsize::new(batch_size).unwrap();
                config.eval_every = eval_every;
            });
            plan.check().map_err(|error| error.to_string())
        };
        for (epochs, batch_size, eval_every, part) in [
            (1_000_000, 1, None, "1000000 epochs of 5000 batches"),
            (1_000_000, 1, Some(0), "a larger --batch-size"),
            (200_000, 1, None, "a larger --eval-every"),
            // 52 batches, 50 scores.
            (20_001, 97, None, "a larger --eval-every"),
            (1_000_000, 100, Some(1_000), "fewer --epochs"),
        ] {
            let error = plan(epochs, batch_size, eval_every).unwrap_err();
            assert!(error.contains(part), "{part}: {error}");
        }
        // Hours of training, and a step each epoch.
        assert_eq!(plan(5_000, 1, None), Ok(()));
        assert_eq!(plan(20_000, 97, None), Ok(()));
        assert_eq!(plan(200_000, 1, Some(0)), Ok(()));
        assert_eq!(plan(1_000_000, 5_000, Some(0)), Ok(()));
    }

    #[test]
    fn the_last_batch_takes_what_is_left() {
        let uneven = schedule(250, |_| {});
        assert_eq!(uneven.batches_per_epoch(), 3);
        assert_eq!(uneven.position(3).places, 200..250);
        assert_eq!(uneven.position(4).places, 0..100);
        // A batch larger than the set takes the set.
        assert_eq!(schedule(30, |_| {}).position(1).places, 0..30);
        let images = [0, 1, 2, 3, 4, 6].map(|step| uneven.images_through(step));
        assert_eq!(images, [0, 100, 200, 250, 350, 500]);
    }

    #[test]
    fn an_epoch_of_50_batches_or_more_has_50_scores() {
        let whole = schedule(60_000, |config| config.epochs = NonZeroUsize::MIN);
        let scored = steps_where(&whole, Schedule::is_scored);
        assert_eq!((scored.len(), &scored[..2]), (50, &[12, 24][..]));
        for batches in [50, 51, 99, 119, 600] {
            let epoch = schedule(batches * 100, |config| config.epochs = NonZeroUsize::MIN);
            let scored = steps_where(&epoch, Schedule::is_scored);
            assert_eq!((scored.len(), scored.last()), (50, Some(&batches)));
        }
        let short = schedule(4_900, |config| config.epochs = NonZeroUsize::MIN);
        assert_eq!(steps_where(&short, Schedule::is_scored).len(), 49);
    }

    #[test]
    fn checkpoints_are_saved_at_the_end_of_each_epoch_and_as_often_as_asked_for() {
        let saved = |every| {
            let schedule = schedule(500, |config| config.checkpoint_every = every);
            steps_where(&schedule, Schedule::saves_checkpoint)
        };
        assert_eq!(saved(0), [5, 10, 15, 20, 25]);
        assert_eq!(saved(4), [4, 5, 8, 10, 12, 15, 16, 20, 24, 25]);
    }

    #[test]
    fn only_scored_steps_can_give_the_best_weights() {
        let best = |keep| {
            let schedule = schedule(400, |config| {
                (config.epochs, config.eval_every) = (NonZeroUsize::MIN, Some(3));
                config.keep = keep;
            });
            steps_where(&schedule, Schedule::may_be_best)
        };
        assert_eq!(best(KeepPolicy::Best), [3, 4]);
        assert!(best(KeepPolicy::Last).is_empty());
    }

    #[test]
    fn images_are_scaled_to_0_to_1_and_labels_stay_class_indices() {
        let set = mnist_10k().unwrap().train.slice(7..9).unwrap();
        let (images, labels) = images_and_labels(&set, Device::CPU).unwrap();
        assert_eq!(images.size(), [2, 1, 28, 28]);
        let fractions = Vec::<f32>::try_from(images.to_dense(None, false).flatten(0, -1)).unwrap();
        let expected = set.pixels().iter().map(|&pixel| f32::from(pixel) / 255.0);
        assert!(expected.eq(fractions));
        assert_eq!(Vec::<i64>::try_from(labels).unwrap(), [3, 1]);
    }

    #[test]
    fn the_learning_rate_stays_or_falls_linearly_to_its_end() {
        let rates = |last: Option<f64>| {
            let schedule = schedule(400, |config| {
                (config.epochs, config.final_learning_rate) = (NonZeroUsize::MIN, last);
            });
            [1, 2, 3, 4].map(|step| schedule.learning_rate(step))
        };
        let is = |rates: [f64; 4], expected: [f64; 4]| {
            let mut pairs = rates.into_iter().zip(expected);
            pairs.all(|(rate, expected)| (rate - expected).abs() < 1e-15)
        };
        assert!(is(rates(None), [0.005; 4]));
        assert!(is(rates(Some(0.001)), [0.005, 0.004, 0.003, 0.002]));
    }

    /// The pixels (0..=255) and labels of the first 120 images as batches bring them.
    fn loaded(change: impl FnOnce(&mut Config)) -> (Vec<u8>, Vec<i64>) {
        loaded_in(1, change)
    }

    /// The same in this epoch.
    fn loaded_in(epoch: usize, change: impl FnOnce(&mut Config)) -> (Vec<u8>, Vec<i64>) {
        let mut config = Config {
            batch_size: NonZeroUsize::new(120).unwrap(),
            ..Config::default()
        };
        change(&mut config);
        let train = mnist_10k().unwrap().train.slice(0..120).unwrap();
        let mut batches = Batches::new(&config, &train, Device::CPU).unwrap();
        let position = batches.schedule().position(epoch);
        let (mut bytes, mut all_labels) = (Vec::new(), Vec::new());
        let parts = batches.parts(&position).unwrap();
        assert_eq!(parts.len(), 2);
        for part in parts {
            let (images, labels) = part.load().unwrap();
            assert_eq!(images.size(), [60, 1, 28, 28]);
            let images = if images.is_mkldnn() {
                images.to_dense(None, false)
            } else {
                images
            };
            let pixels = (images * 255.0).round().to_kind(Kind::Uint8).flatten(0, -1);
            bytes.extend(Vec::<u8>::try_from(pixels).unwrap());
            all_labels.extend(Vec::<i64>::try_from(labels).unwrap());
        }
        (bytes, all_labels)
    }

    #[test]
    fn batches_are_the_images_in_the_epochs_order_which_is_another_in_each() {
        let train = mnist_10k().unwrap().train.slice(0..120).unwrap();
        let expected: Vec<i64> = train.labels().iter().map(|&label| label.into()).collect();
        assert_eq!(loaded(|_| {}), (train.pixels().to_vec(), expected.clone()));
        let (bytes, labels) = loaded(|config| config.shuffle = true);
        let shuffled = schedule(120, |config| config.shuffle = true);
        let order = shuffled.order(1).unwrap();
        let rows: BTreeSet<_> = order.iter().copied().collect();
        assert!(rows.into_iter().eq(0..120) && order != shuffled.order(2).unwrap());
        for (place, row) in order.into_iter().enumerate() {
            let row = usize::try_from(row).unwrap();
            assert_eq!(labels[place], expected[row]);
            let image = |bytes: &[u8], place| bytes[place * PIXELS..][..PIXELS].to_vec();
            assert_eq!(image(&bytes, place), image(train.pixels(), row));
        }
    }

    #[test]
    fn shifts_follow_from_seed_epoch_and_image_and_go_in_every_direction() {
        let (plain, labels) = loaded(|_| {});
        let (bytes, same_labels) = loaded(|config| config.augment = 3);
        assert_eq!(labels, same_labels);
        assert_eq!(bytes, loaded(|config| config.augment = 3).0);
        let (other, _) = loaded(|config| (config.augment, config.seed) = (3, 1));
        assert_ne!(bytes, other);
        let (next_epoch, _) = loaded_in(2, |config| config.augment = 3);
        assert_ne!(bytes, next_epoch);
        // The ink's first row and column tell how far an image went.
        let corner = |image: &[u8]| {
            let ink = |at: usize| image[at] > 0;
            let row = (0..PIXELS).find(|&at| ink(at)).unwrap() / SIDE;
            let has_ink = |x: &usize| (0..SIDE).any(|y| ink(y * SIDE + x));
            (row, (0..SIDE).find(has_ink).unwrap())
        };
        let images = plain.chunks(PIXELS).zip(bytes.chunks(PIXELS));
        let moves = images.map(|(before, after)| {
            let (before, after) = (corner(before), corner(after));
            (after.0 + 3 - before.0, after.1 + 3 - before.1)
        });
        let (down, right): (BTreeSet<usize>, BTreeSet<usize>) = moves.unzip();
        let all: BTreeSet<usize> = (0..=6).collect();
        assert_eq!((&down, &right), (&all, &all));
    }
}
