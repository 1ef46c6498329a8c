//! Where the parts of the network's figure stand: a block for the input and for each layer's output.

use super::super::palette::{Rgb, WHITE};
use crate::learn::{INPUT, Layer, Operation};
use crate::report::numbers::real;

/// The height that everything is centred on.
const AXIS: f64 = 238.0;
/// Left of the first block and right of the last.
pub const MARGIN: f64 = 56.0;
/// Between two blocks, for what happens there.
const GAP: f64 = 84.0;
/// From one map of a stack to the next, to the right and down.
const STEP: f64 = 6.0;
/// Width of a column of values.
pub const COLUMN: f64 = 18.0;
/// From one output to the next.
pub const OUTPUT_PITCH: f64 = 25.0;
/// Most outputs that are drawn one by one.
pub const MOST_OUTPUTS: usize = 12;

pub const CONVOLVED: Rgb = [174, 203, 235];
const POOLED: Rgb = [250, 215, 160];
const VALUES: Rgb = [190, 224, 190];

/// What stands in the figure: the output of a layer, or the input.
pub struct Block {
    /// Its left end.
    pub left: f64,
    /// Channels and height (= width) of maps, or a number of values.
    pub shape: Shape,
    /// Of its maps or values.
    pub color: Rgb,
}

/// What a block is made of.
pub enum Shape {
    /// Square feature maps.
    Maps { channels: usize, side: usize },
    /// A column of so many values.
    Values(usize),
    /// The network's answer, a value per class.
    Outputs(usize),
}

impl Block {
    /// Width and height of one map, or of the column.
    pub fn face(&self) -> (f64, f64) {
        match self.shape {
            // Not to scale, or the small ones could not be seen.
            Shape::Maps { side, .. } => (28.0 + 4.0 * real(side), 28.0 + 4.0 * real(side)),
            Shape::Values(_) => (COLUMN, 252.0),
            Shape::Outputs(n) if n <= MOST_OUTPUTS => (COLUMN, real(n) * OUTPUT_PITCH),
            Shape::Outputs(_) => (COLUMN, 180.0),
        }
    }

    /// How far the last map stands from the first, to the right and down.
    fn depth(&self) -> f64 {
        match self.shape {
            Shape::Maps { channels, .. } => real(channels.saturating_sub(1)) * STEP,
            Shape::Values(_) | Shape::Outputs(_) => 0.0,
        }
    }

    /// With all its maps.
    pub fn width(&self) -> f64 {
        self.face().0 + self.depth()
    }

    /// Upper left corner of map `index`.
    pub fn corner(&self, index: usize) -> (f64, f64) {
        let height = self.face().1 + self.depth();
        let top = AXIS - height / 2.0;
        (self.left + real(index) * STEP, top + real(index) * STEP)
    }

    /// Upper left corner of the foremost map.
    pub fn front(&self) -> (f64, f64) {
        let (x, y) = self.corner(0);
        (x + self.depth(), y + self.depth())
    }

    /// Its upper end.
    pub fn top(&self) -> f64 {
        self.corner(0).1
    }

    /// Size as papers write it.
    pub fn caption(&self) -> String {
        match self.shape {
            Shape::Maps { channels, side } => format!("{channels} @ {side}×{side}"),
            Shape::Values(n) | Shape::Outputs(n) => n.to_string(),
        }
    }
}

/// The blocks of a network, from left to right: one more than layers.
pub fn blocks(layers: &[Layer]) -> Vec<Block> {
    let mut left = MARGIN;
    let mut blocks = Vec::new();
    let input = (INPUT.to_vec(), WHITE);
    let outputs = layers.iter().map(|layer| {
        let color = match layer.operation {
            Operation::Convolution(_) => CONVOLVED,
            Operation::MaxPoolRelu => POOLED,
            Operation::Flatten | Operation::Dense(_) => VALUES,
        };
        (layer.output.clone(), color)
    });
    for (place, (output, color)) in std::iter::once(input).chain(outputs).enumerate() {
        let shape = match output[..] {
            [channels, side, ..] => Shape::Maps { channels, side },
            [n] if place == layers.len() => Shape::Outputs(n),
            [n] => Shape::Values(n),
            [] => Shape::Values(0),
        };
        let block = Block { left, shape, color };
        left += block.width() + GAP;
        blocks.push(block);
    }
    blocks
}
