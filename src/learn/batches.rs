//! What training goes through: the protocol as numbers, the plan that follows from it, and the
//! images of each batch.
//!
//! Everything here follows from the configuration alone, so a step can be worked out without the
//! steps before it. Training has one source of randomness: `ChaCha8` from the run's seed. Its
//! stream 0 draws the initial weights, stream e shuffles epoch e, and each image of each epoch has
//! a stream of its own, for shifts and whatever else is random in a batch or in the forward pass.
//! So nothing depends on the number of threads, or on where a run was resumed.

use std::num::NonZeroUsize;
use std::ops::Range;

use anyhow::Result;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::device::Device;
use super::network::ARTICLE;
use super::weights::Init;
use crate::data::{Dataset, PIXELS, SIDE};

/// Which weights of a run are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The last ones.
    #[default]
    Last,
    /// Those of the best score beside them.
    Best,
}

/// The protocol of a run; the default is the article's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Channels of each block of the network; see [`Architecture::new`](super::Architecture::new).
    pub channels: Vec<usize>,
    /// Times the training set is gone through.
    pub epochs: NonZeroUsize,
    /// Images of one step.
    pub batch_size: NonZeroUsize,
    /// Adam's learning rate, above 0.
    pub learning_rate: f64,
    /// Where it falls to, linearly over the steps of the run; `None`: it stays.
    pub final_learning_rate: Option<f64>,
    /// Of everything random: initial weights, shuffling, shifts.
    pub seed: u64,
    /// How the initial weights are drawn.
    pub init: Init,
    /// The test set is scored after every so many steps and at each epoch's end; 0: after the last
    /// step only; `None`: 50 times an epoch, or after every step where there are fewer.
    pub eval_every: Option<usize>,
    /// Whether each epoch goes through the images in another order.
    pub shuffle: bool,
    /// Each training image is shifted by up to so many pixels in each direction, anew in every
    /// epoch.
    pub augment: usize,
    /// The state of training is kept after every so many steps, and at each epoch's end; 0: at each
    /// epoch's end only. Changes no other number.
    pub checkpoint_every: usize,
    /// Which weights are kept. Changes no other number.
    pub keep: Keep,
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
            keep: Keep::Last,
        }
    }
}

/// The plan of a whole run.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    config: Config,
    images: usize,
}

/// Where a step stands in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Position {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Batch within its epoch, from 1.
    pub batch: usize,
    /// Step of the whole run, from 1.
    pub step: usize,
    /// The batch's places in the epoch's order of images.
    pub places: Range<usize>,
}

impl Schedule {
    /// The plan for `images` training images, of which there must be at least one.
    pub(crate) fn new(config: &Config, images: usize) -> Self {
        Self {
            config: config.clone(),
            images,
        }
    }

    /// Batches of one epoch; the last one may be smaller.
    pub(crate) fn batches_per_epoch(&self) -> usize {
        self.images.div_ceil(self.config.batch_size.get())
    }

    /// Times the images are gone through.
    pub(crate) fn epochs(&self) -> usize {
        self.config.epochs.get()
    }

    /// The test set is scored after every so many steps and at each epoch's end; 0: after the last
    /// step only.
    pub(crate) fn eval_every(&self) -> usize {
        // As often as the article does: 50 times an epoch, or after every step where there are
        // fewer.
        let default = (self.batches_per_epoch() / 50).max(1);
        self.config.eval_every.unwrap_or(default)
    }

    /// Steps of the whole run.
    pub(crate) fn steps(&self) -> usize {
        self.batches_per_epoch().saturating_mul(self.epochs())
    }

    /// Where `step` (from 1) stands.
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

    /// Whether the test set is scored after `step`: see [`Self::eval_every`]; in any case after
    /// the last.
    pub(crate) fn is_scored(&self, step: usize) -> bool {
        let every = self.eval_every();
        let due = |every: usize| every > 0 && step.is_multiple_of(every);
        step == self.steps() || due(every) || (every > 0 && due(self.batches_per_epoch()))
    }

    /// Whether the state of training is kept after `step`.
    pub(super) fn is_kept(&self, step: usize) -> bool {
        let every = self.config.checkpoint_every;
        step.is_multiple_of(self.batches_per_epoch()) || (every > 0 && step.is_multiple_of(every))
    }

    /// Adam's learning rate in `step`. The final one would be that of the step after the last, so
    /// that no step is without effect where it is 0.
    pub(super) fn learning_rate(&self, step: usize) -> f64 {
        let first = self.config.learning_rate;
        let done = step.saturating_sub(1) as f64 / self.steps() as f64;
        let falling = |last| first + (last - first) * done;
        self.config.final_learning_rate.map_or(first, falling)
    }

    /// Whether the weights after `step` may turn out to be the best.
    pub(super) fn is_candidate(&self, step: usize) -> bool {
        self.config.keep == Keep::Best && self.is_scored(step)
    }

    /// Number of images trained on in the steps from 1 to `step`.
    pub(crate) fn images_through(&self, step: usize) -> usize {
        let batches = self.batches_per_epoch();
        step / batches * self.images + step % batches * self.config.batch_size.get()
    }

    /// The order in which `epoch` (from 1) goes through the images; `None` means as they are.
    fn order(&self, epoch: usize) -> Option<Vec<i64>> {
        if !self.config.shuffle {
            return None;
        }
        let mut generator = ChaCha8Rng::seed_from_u64(self.config.seed);
        generator.set_stream(epoch as u64);
        let mut order: Vec<i64> = (0_i64..).take(self.images).collect();
        order.shuffle(&mut generator);
        Some(order)
    }
}

/// What is random about the training image `row` in `epoch` is drawn from this.
fn generator(seed: u64, epoch: usize, row: usize) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    // No set has 2^32 images, so these streams are never those of the weights and of shuffling.
    generator.set_stream((epoch as u64) << 32 | (row as u64 + 1));
    generator
}

/// Cuts each epoch's images into batches, and batches into parts.
pub(super) struct Batches {
    schedule: Schedule,
    device: Device,
    train: Dataset,
    /// On a device that is no CPU a copy: pixels (n x 784, u8) and labels (n, i64). Images that
    /// are to be shifted stay on the host.
    resident: Option<(Tensor, Tensor)>,
    epoch: usize,
    /// The epoch's order of images, also on the device; `None` means as they are.
    order: Option<(Vec<usize>, Tensor)>,
}

/// Some neighbours in a batch: what one thread is given.
pub(super) struct Part {
    images: Images,
    /// What else is random about each image is drawn from its own.
    pub(super) generators: Vec<ChaCha8Rng>,
    augment: usize,
    device: Device,
}

enum Images {
    /// Rows of a data set.
    Host(Dataset, Vec<usize>),
    /// Pixels (u8) and labels (i64) on the device.
    Resident(Tensor, Tensor),
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
        let generator = |&row: &usize| generator(config.seed, self.epoch, row);
        Ok(Part {
            generators: rows.iter().map(generator).collect(),
            images: match &self.resident {
                None => Images::Host(self.train.clone(), rows),
                Some((pixels, labels)) => {
                    Images::Resident(self.pick(pixels, &places)?, self.pick(labels, &places)?)
                }
            },
            augment: config.augment,
            device: self.device,
        })
    }

    /// The rows at `places` of a tensor on the device, without a wait for it.
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
    pub(super) fn load(&mut self) -> Result<(Tensor, Tensor)> {
        match &self.images {
            Images::Resident(pixels, own) => Ok((input(pixels, self.device)?, own.shallow_clone())),
            Images::Host(dataset, rows) => {
                let mut bytes = Vec::with_capacity(rows.len() * PIXELS);
                let own: Vec<u8> = rows.iter().map(|&row| dataset.labels()[row]).collect();
                for (&row, generator) in rows.iter().zip(&mut self.generators) {
                    let image = &dataset.pixels()[row * PIXELS..][..PIXELS];
                    match self.augment {
                        0 => bytes.extend_from_slice(image),
                        most => bytes.extend_from_slice(&shifted(image, most, generator)),
                    }
                }
                let pixels = self.device.upload(&pixels(&bytes)?)?;
                let labels = self.device.upload(&labels(&own)?)?;
                Ok((input(&pixels, self.device)?, labels))
            }
        }
    }
}

/// `image` (28x28) shifted by up to `most` pixels right or left and down or up, among zeros.
fn shifted(image: &[u8], most: usize, generator: &mut ChaCha8Rng) -> [u8; PIXELS] {
    let most = most.min(SIDE);
    // From 0 to 2·most, where `most` leaves the image in its place.
    let (right, down) = (
        generator.random_range(0..=2 * most),
        generator.random_range(0..=2 * most),
    );
    let mut moved = [0; PIXELS];
    for (row, pixels) in image.chunks_exact(SIDE).enumerate() {
        for (column, &pixel) in pixels.iter().enumerate() {
            let place = (row + down)
                .checked_sub(most)
                .zip((column + right).checked_sub(most));
            if let Some((row, column)) = place
                && row < SIDE
                && column < SIDE
            {
                moved[row * SIDE + column] = pixel;
            }
        }
    }
    moved
}

/// The images of `dataset` as the network takes them (n x 1 x 28 x 28, f32, 0..=1, on the CPU in
/// oneDNN's memory layout where there is one), and their labels (n, i64), on `device`.
///
/// # Errors
/// When the device's memory is full.
pub fn images_and_labels(dataset: &Dataset, device: Device) -> Result<(Tensor, Tensor)> {
    let pixels = pixels(dataset.pixels())?.f_to_device(device.tch())?;
    let labels = labels(dataset.labels())?.f_to_device(device.tch())?;
    Ok((input(&pixels, device)?, labels))
}

/// u8 pixels (n x 784) to the network's input.
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

/// Bytes of whole images as n x 784 (u8) on the CPU.
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

    fn those(schedule: &Schedule, is_so: fn(&Schedule, usize) -> bool) -> Vec<usize> {
        let steps = 1..=schedule.steps();
        steps.filter(|&step| is_so(schedule, step)).collect()
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
    fn an_epoch_of_any_length_has_50_scores_and_states_come_as_often_as_asked_for() {
        let whole = schedule(60_000, |config| config.epochs = NonZeroUsize::MIN);
        let scored = those(&whole, Schedule::is_scored);
        assert_eq!((scored.len(), &scored[..2]), (50, &[12, 24][..]));
        let kept = |every| {
            let schedule = schedule(500, |config| config.checkpoint_every = every);
            those(&schedule, Schedule::is_kept)
        };
        assert_eq!(kept(0), [5, 10, 15, 20, 25]);
        assert_eq!(kept(4), [4, 5, 8, 10, 12, 15, 16, 20, 24, 25]);
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
        let mut config = Config {
            batch_size: NonZeroUsize::new(120).unwrap(),
            ..Config::default()
        };
        change(&mut config);
        let train = mnist_10k().unwrap().train.slice(0..120).unwrap();
        let mut batches = Batches::new(&config, &train, Device::CPU).unwrap();
        let position = batches.schedule().position(1);
        let (mut bytes, mut all_labels) = (Vec::new(), Vec::new());
        let parts = batches.parts(&position).unwrap();
        assert_eq!(parts.len(), 2);
        for mut part in parts {
            let (images, labels) = part.load().unwrap();
            assert_eq!(images.size(), [60, 1, 28, 28]);
            let images = if images.is_mkldnn() {
                images.to_dense(None, false)
            } else {
                images
            };
            assert_eq!(part.generators.len(), 60);
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
        let (bytes, same_labels) = loaded(|config| config.augment = 2);
        assert_eq!(labels, same_labels);
        assert_eq!(bytes, loaded(|config| config.augment = 2).0);
        let (other, _) = loaded(|config| (config.augment, config.seed) = (2, 1));
        assert_ne!(bytes, other);
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
            (after.0 + 2 - before.0, after.1 + 2 - before.1)
        });
        let (down, right): (BTreeSet<usize>, BTreeSet<usize>) = moves.unzip();
        let all: BTreeSet<usize> = (0..=4).collect();
        assert_eq!((&down, &right), (&all, &all));
    }
}
