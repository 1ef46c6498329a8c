//! A batch in shards, so that several threads can share its gradient.
//!
//! The size of a shard follows from the batch alone and the shards are summed in order, so every number is the same for any
//! number of threads.

use std::ops::Range;

use anyhow::{Context, Result};
use tch::Tensor;

use super::super::libtorch;

/// The places of a batch's images, shard by shard; in one piece unless it is to be `shared` among threads.
pub fn cut(places: &Range<usize>, shared: bool) -> Vec<Range<usize>> {
    let length = if shared {
        shard_length(places.len())
    } else {
        places.len()
    };
    let starts = places.clone().step_by(length);
    starts
        .map(|start| start..places.end.min(start + length))
        .collect()
}

/// Images of a shard: 50 to 125 (measured to cost least an image), about eight shards in between; all nearly equal.
fn shard_length(batch_size: usize) -> usize {
    let shards = batch_size.div_ceil(batch_size.div_ceil(8).clamp(50, 125));
    batch_size.div_ceil(shards)
}

/// Gradient (flat, f32) and loss (scalar, f32) of each shard of a batch, as they come in.
#[derive(Debug, Default)]
pub struct Shards {
    parts: Vec<Option<(Tensor, Tensor)>>,
}

impl Shards {
    /// Waits for so many shards.
    pub fn expect(count: usize) -> Self {
        Self {
            parts: (0..count).map(|_| None).collect(),
        }
    }

    /// Takes what came of one shard.
    pub fn put(&mut self, shard: usize, gradient: Tensor, loss: Tensor) {
        self.parts[shard] = Some((gradient, loss));
    }

    /// Whether all of them are here.
    pub fn is_complete(&self) -> bool {
        self.parts.iter().all(Option::is_some)
    }

    /// Gradient and loss of the batch: those of its shards, added in order.
    ///
    /// # Errors
    /// When there is none, or libtorch fails.
    pub fn sum(self) -> Result<(Tensor, Tensor)> {
        let mut parts = self.parts.into_iter().flatten();
        let (mut gradient, mut loss) = parts.next().context("a batch has a shard")?;
        libtorch::call(|| {
            for (more, more_loss) in parts {
                gradient = gradient.f_add_(&more)?;
                loss = loss.f_add_(&more_loss)?;
            }
            Ok((gradient, loss))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_follow_from_the_batch_alone() {
        let lengths = [1, 30, 50, 51, 100, 120, 500, 1_000, 1_001, 5_000].map(shard_length);
        assert_eq!(lengths, [1, 30, 50, 26, 50, 40, 63, 125, 112, 125]);
    }

    #[test]
    fn shards_cover_the_batch_in_order() {
        let thirds = [300..340, 340..380, 380..420];
        assert_eq!(cut(&(300..420), true), thirds);
        assert!(matches!(&cut(&(300..420), false)[..], [whole] if *whole == (300..420)));
    }
}
