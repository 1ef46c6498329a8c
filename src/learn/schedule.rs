//! Which images every step trains on, and after which steps the test set is scored.
//!
//! Pure arithmetic and a seeded shuffle; no tensors. Everything here follows from the configuration
//! alone, so a step can be worked out without the steps before it.

use std::ops::Range;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::config::Config;

/// The plan of a whole run.
#[derive(Debug, Clone)]
pub struct Schedule {
    images: usize,
    batch_size: usize,
    epochs: usize,
    eval_every: usize,
    shuffle: Option<u64>,
    checkpoint_every: usize,
}

/// Where a step stands in its run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
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
    #[must_use]
    pub fn new(config: &Config, images: usize) -> Self {
        let batch_size = config.batch_size.get();
        let batches = images.div_ceil(batch_size);
        Self {
            images,
            batch_size,
            epochs: config.epochs.get(),
            // As often as the article does: 50 times an epoch, or after every step where there are fewer.
            eval_every: config.eval_every.unwrap_or((batches / 50).max(1)),
            shuffle: config.shuffle.then_some(config.seed),
            checkpoint_every: config.checkpoint_every,
        }
    }

    /// Batches of one epoch; the last one may be smaller.
    #[must_use]
    pub fn batches_per_epoch(&self) -> usize {
        self.images.div_ceil(self.batch_size)
    }

    /// Times the images are gone through.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.epochs
    }

    /// The test set is scored after every so many steps and at each epoch's end; 0: after the last step only.
    #[must_use]
    pub fn eval_every(&self) -> usize {
        self.eval_every
    }

    /// Steps of the whole run.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.batches_per_epoch() * self.epochs
    }

    /// Where `step` (from 1) stands.
    #[must_use]
    pub fn position(&self, step: usize) -> Position {
        let index = step.saturating_sub(1);
        let batches = self.batches_per_epoch();
        let start = index % batches * self.batch_size;
        Position {
            epoch: index / batches + 1,
            batch: index % batches + 1,
            step,
            places: start..(start + self.batch_size).min(self.images),
        }
    }

    /// Whether the test set is scored after `step`: at every `eval_every`-th step, at the end of each epoch,
    /// and in any case after the last step. With `eval_every` 0, after the last step only.
    #[must_use]
    pub fn is_scored(&self, step: usize) -> bool {
        let due = |every: usize| every > 0 && step.is_multiple_of(every);
        step == self.steps()
            || due(self.eval_every)
            || (self.eval_every > 0 && due(self.batches_per_epoch()))
    }

    /// Whether the state of training is kept after `step`: at every `checkpoint_every`-th step and at each epoch's end.
    #[must_use]
    pub fn is_kept(&self, step: usize) -> bool {
        let every = self.checkpoint_every;
        step.is_multiple_of(self.batches_per_epoch()) || (every > 0 && step.is_multiple_of(every))
    }

    /// Number of images trained on in the steps from 1 to `step`.
    #[must_use]
    pub fn images_through(&self, step: usize) -> usize {
        let batches = self.batches_per_epoch();
        step / batches * self.images + step % batches * self.batch_size
    }

    /// The order in which `epoch` (from 1) goes through the images; `None` means as they are.
    #[must_use]
    pub fn order(&self, epoch: usize) -> Option<Vec<i64>> {
        let mut generator = ChaCha8Rng::seed_from_u64(self.shuffle?);
        // Stream 0 is for the initial weights.
        generator.set_stream(epoch as u64);
        let mut order: Vec<i64> = (0_i64..).take(self.images).collect();
        order.shuffle(&mut generator);
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroUsize;

    fn schedule(images: usize, change: impl FnOnce(&mut Config)) -> Schedule {
        let mut config = Config::default();
        change(&mut config);
        Schedule::new(&config, images)
    }

    fn scored(schedule: &Schedule) -> Vec<usize> {
        (1..=schedule.steps())
            .filter(|&step| schedule.is_scored(step))
            .collect()
    }

    #[test]
    fn the_default_is_the_articles_protocol() {
        let article = schedule(5_000, |_| {});
        assert_eq!((article.batches_per_epoch(), article.steps()), (50, 250));
        assert_eq!(scored(&article), (1..=250).collect::<Vec<_>>());
        assert_eq!(article.order(1), None);
        let Position {
            epoch,
            batch,
            step,
            places,
        } = article.position(102);
        assert_eq!((epoch, batch, step, places), (3, 2, 102, 100..200));
    }

    #[test]
    fn the_last_batch_takes_what_is_left() {
        let uneven = schedule(250, |_| {});
        assert_eq!(uneven.batches_per_epoch(), 3);
        assert_eq!(uneven.position(3).places, 200..250);
        assert_eq!(uneven.position(4).places, 0..100);
        // A batch larger than the set takes the set.
        assert_eq!(schedule(30, |_| {}).position(1).places, 0..30);
    }

    #[test]
    fn large_sets_are_scored_fifty_times_an_epoch() {
        let whole = schedule(60_000, |config| config.epochs = NonZeroUsize::MIN);
        assert_eq!(scored(&whole).len(), 50);
        assert_eq!(scored(&whole)[..2], [12, 24]);
    }

    #[test]
    fn scoring_every_n_steps_keeps_the_ends_of_epochs() {
        let sparse = schedule(5_000, |config| config.eval_every = Some(20));
        assert_eq!(scored(&sparse)[..6], [20, 40, 50, 60, 80, 100]);
        assert_eq!(
            scored(&schedule(5_000, |config| config.eval_every = Some(0))),
            [250]
        );
    }

    #[test]
    fn the_state_is_kept_at_each_epochs_end_and_as_often_as_asked_for() {
        let kept = |checkpoint_every| {
            let schedule = schedule(500, |config| config.checkpoint_every = checkpoint_every);
            let kept = (1..=schedule.steps()).filter(|&step| schedule.is_kept(step));
            kept.collect::<Vec<_>>()
        };
        assert_eq!(kept(0), [5, 10, 15, 20, 25]);
        assert_eq!(kept(4), [4, 5, 8, 10, 12, 15, 16, 20, 24, 25]);
    }

    #[test]
    fn images_add_up_with_a_smaller_last_batch() {
        let uneven = schedule(250, |_| {});
        let images = [0, 1, 2, 3, 4, 6].map(|step| uneven.images_through(step));
        assert_eq!(images, [0, 100, 200, 250, 350, 500]);
    }

    #[test]
    fn shuffling_is_a_permutation_that_follows_from_seed_and_epoch() {
        let shuffled = |seed| {
            schedule(100, |config| {
                config.shuffle = true;
                config.seed = seed;
            })
        };
        let (first, second) = (shuffled(3).order(1).unwrap(), shuffled(3).order(2).unwrap());
        assert_ne!(first, second);
        assert_ne!(Some(&first), shuffled(4).order(1).as_ref());
        assert_eq!(Some(&first), shuffled(3).order(1).as_ref());
        let mut sorted = first;
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<i64>>());
    }
}
