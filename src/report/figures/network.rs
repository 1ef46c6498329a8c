//! The network as a figure: feature maps as stacks with their sizes, from left to right.

use anyhow::Result;
use plotters::prelude::*;

use super::picture::{
    Area, GREY, Point, bold, dot, font, frame, from_start, heading, image, png, rectangle, stroke,
    text,
};
use super::real;
use super::text::grouped;
use crate::data::SIDE;
use crate::learn::{INPUT, Layer, Operation};

const HEIGHT: u32 = 470;
/// The height that everything is centred on.
const AXIS: f64 = 238.0;
/// Left of the first block and right of the last.
const MARGIN: f64 = 56.0;
/// Between two blocks, for what happens there.
const GAP: f64 = 84.0;
/// From one map of a stack to the next, to the right and down.
const STEP: f64 = 6.0;
/// Of more maps only so many are drawn; the caption says how many there are.
const MOST_MAPS: usize = 16;
/// Width of a column of values.
const COLUMN: f64 = 18.0;
/// From one output to the next.
const PITCH: f64 = 25.0;
/// Most outputs that are drawn one by one.
const MOST_OUTPUTS: usize = 12;

const CONVOLVED: RGBColor = RGBColor(174, 203, 235);
const POOLED: RGBColor = RGBColor(250, 215, 160);
const VALUES: RGBColor = RGBColor(190, 224, 190);
const EDGE: RGBColor = RGBColor(70, 78, 92);
const GUIDE: RGBColor = RGBColor(150, 110, 60);

/// Draws `layers` as a PNG. `example` is the image in the first block: 28x28 grey values, or
/// nothing for an empty one.
pub(crate) fn network_figure(layers: &[Layer], example: &[u8]) -> Result<Vec<u8>> {
    let blocks = blocks(layers);
    let width = blocks.last().map_or(0.0, Block::right) + MARGIN;
    let parameters = grouped(layers.iter().map(|layer| layer.parameters).sum());
    let work = grouped(layers.iter().map(|layer| layer.multiply_adds).sum());
    let summary = format!("{parameters} parameters, {work} multiply-adds for one image");
    png((whole(width), HEIGHT), |area| {
        heading(area, width / 2.0, "The network, layer by layer", &summary)?;
        for block in &blocks {
            draw_block(area, block)?;
        }
        draw_example(area, &blocks[0], example)?;
        for (layer, pair) in layers.iter().zip(blocks.windows(2)) {
            draw_connection(area, layer, &pair[0], &pair[1])?;
            draw_operation(area, layer, f64::midpoint(pair[0].right(), pair[1].left))?;
        }
        Ok(())
    })
}

/// What stands in the figure: the output of a layer, or the input.
struct Block {
    left: f64,
    shape: Shape,
    color: RGBColor,
}

enum Shape {
    /// Square feature maps.
    Maps { channels: usize, side: usize },
    /// A column of so many values.
    Values(usize),
    /// The network's answer, a value per class.
    Outputs(usize),
}

/// One more than layers, from left to right.
fn blocks(layers: &[Layer]) -> Vec<Block> {
    let mut left = MARGIN;
    let input = (&INPUT[..], WHITE);
    let outputs = layers.iter().map(|layer| {
        let color = match layer.operation {
            Operation::Convolution(_) => CONVOLVED,
            Operation::MaxPoolRelu => POOLED,
            Operation::Flatten | Operation::Dense(_) => VALUES,
        };
        (&layer.output[..], color)
    });
    let all = std::iter::once(input).chain(outputs).enumerate();
    let block = |(place, (output, color)): (usize, (&[usize], _))| {
        let shape = match *output {
            [channels, side, ..] => Shape::Maps { channels, side },
            [n] if place == layers.len() => Shape::Outputs(n),
            [n] => Shape::Values(n),
            [] => Shape::Values(0),
        };
        let block = Block { left, shape, color };
        left += block.width() + GAP;
        block
    };
    all.map(block).collect()
}

impl Block {
    /// Width and height of one map, or of the column. Not to scale, or small maps could not be
    /// seen.
    fn face(&self) -> Point {
        match self.shape {
            Shape::Maps { side, .. } => (28.0 + 4.0 * real(side), 28.0 + 4.0 * real(side)),
            Shape::Values(_) => (COLUMN, 252.0),
            Shape::Outputs(n) if n <= MOST_OUTPUTS => (COLUMN, real(n) * PITCH),
            Shape::Outputs(_) => (COLUMN, 180.0),
        }
    }

    /// How many maps or columns are drawn.
    fn drawn(&self) -> usize {
        match self.shape {
            Shape::Maps { channels, .. } => channels.min(MOST_MAPS),
            Shape::Values(_) | Shape::Outputs(_) => 1,
        }
    }

    /// How far the foremost map stands from the first, to the right and down.
    fn depth(&self) -> f64 {
        real(self.drawn().saturating_sub(1)) * STEP
    }

    fn width(&self) -> f64 {
        self.face().0 + self.depth()
    }

    fn right(&self) -> f64 {
        self.left + self.width()
    }

    /// Upper left corner of map `index`.
    fn corner(&self, index: usize) -> Point {
        let top = AXIS - f64::midpoint(self.face().1, self.depth());
        (self.left + real(index) * STEP, top + real(index) * STEP)
    }

    /// Upper left corner of the foremost map.
    fn front(&self) -> Point {
        self.corner(self.drawn().saturating_sub(1))
    }
}

fn draw_block(area: &Area, block: &Block) -> Result<()> {
    let (width, height) = block.face();
    let caption = match block.shape {
        Shape::Maps { channels, side } => format!("{channels} @ {side}×{side}"),
        Shape::Values(n) | Shape::Outputs(n) => n.to_string(),
    };
    let above = (block.left + block.width() / 2.0, block.corner(0).1 - 18.0);
    text(area, &caption, above, &bold(15.0))?;
    if let Shape::Outputs(outputs @ ..=MOST_OUTPUTS) = block.shape {
        return draw_outputs(area, block, outputs);
    }
    for index in 0..block.drawn() {
        let (x, y) = block.corner(index);
        let corner = (x + width, y + height);
        // Maps further back are a little darker.
        let share = 0.82 + 0.18 * real(index + 1) / real(block.drawn());
        rectangle(area, (x, y), corner, shaded(block.color, share))?;
        if !matches!(block.shape, Shape::Maps { .. }) {
            for line in 1..whole(height / 9.0) {
                let y = y + 9.0 * f64::from(line);
                let dark = shaded(block.color, 0.82);
                rectangle(area, (x, y), (x + width, y + 1.0), dark)?;
            }
        }
        frame(area, (x, y), corner, EDGE)?;
    }
    Ok(())
}

fn shaded(RGBColor(red, green, blue): RGBColor, share: f64) -> RGBColor {
    let dark = |level| u8::try_from(whole(f64::from(level) * share)).unwrap_or(u8::MAX);
    RGBColor(dark(red), dark(green), dark(blue))
}

/// A dot per class, with its number beside it.
fn draw_outputs(area: &Area, block: &Block, outputs: usize) -> Result<()> {
    let (left, top) = block.corner(0);
    for class in 0..outputs {
        let (x, y) = (left + COLUMN / 2.0, top + (real(class) + 0.5) * PITCH);
        dot(area, (x, y), 9.5, EDGE)?;
        dot(area, (x, y), 8.5, block.color)?;
        let beside = from_start(&font(14.0));
        text(area, &class.to_string(), (x + 17.0, y), &beside)?;
    }
    Ok(())
}

/// The image that goes in, dark on white.
fn draw_example(area: &Area, block: &Block, example: &[u8]) -> Result<()> {
    let ((left, top), (width, height)) = (block.corner(0), block.face());
    let values = example.iter().map(|grey| u8::MAX - grey);
    image(area, (left, top), width / real(SIDE), values)?;
    frame(area, (left, top), (left + width, top + height), EDGE)
}

/// What one value of the output sees, or that all of the input goes into all of the output.
fn draw_connection(area: &Area, layer: &Layer, from: &Block, to: &Block) -> Result<()> {
    let field = match layer.operation {
        Operation::Convolution([.., kernel]) => Some(kernel),
        Operation::MaxPoolRelu => Some(2),
        Operation::Flatten | Operation::Dense(_) => None,
    };
    if let (Some(field), &Shape::Maps { side, .. }) = (field, &from.shape) {
        return draw_field(area, from, to, field.min(side), side);
    }
    let ((x, y), (width, height)) = (from.front(), from.face());
    let top = to.corner(0).1;
    for (start, end) in [(y, top), (y + height, top + to.face().1)] {
        stroke(area, &[(x + width, start), (to.left, end)], 1.0, GUIDE)?;
    }
    Ok(())
}

/// The square of the foremost map that one value sees, and lines from it to that value.
fn draw_field(area: &Area, from: &Block, to: &Block, field: usize, side: usize) -> Result<()> {
    let zoom = from.face().0 / real(side);
    let (x, y) = from.front();
    // Near the right edge, in the middle of the height.
    let left = x + real(side.saturating_sub(field + side / 8)) * zoom;
    let top = y + real((side - field) / 2) * zoom;
    let (right, bottom) = (left + real(field) * zoom, top + real(field) * zoom);
    let start = (left, top);
    let corners = [start, (right, top), (right, bottom), (left, bottom), start];
    stroke(area, &corners, 1.6, GUIDE)?;
    let point = (to.left + 9.0, to.corner(0).1 + to.face().1 * 0.45);
    stroke(area, &[(right, top), point, (right, bottom)], 1.0, GUIDE)?;
    dot(area, point, 2.6, GUIDE)
}

/// What a layer does and its number of parameters, below the figure.
fn draw_operation(area: &Area, layer: &Layer, middle: f64) -> Result<()> {
    let lines = match layer.operation {
        Operation::Convolution([.., kernel]) => {
            vec!["convolution".to_owned(), format!("{kernel}×{kernel}")]
        }
        Operation::MaxPoolRelu => vec!["max-pool 2×2,".to_owned(), "ReLU".to_owned()],
        Operation::Flatten => vec!["flatten".to_owned()],
        Operation::Dense(_) => vec!["dense".to_owned()],
    };
    for (place, line) in lines.iter().enumerate() {
        let at = (middle, 398.0 + 18.0 * real(place));
        text(area, line, at, &font(13.5))?;
    }
    if layer.parameters > 0 {
        let parameters = format!("{} parameters", grouped(layer.parameters));
        text(area, &parameters, (middle, 436.0), &font(12.0).color(&GREY))?;
    }
    Ok(())
}

/// The nearest whole number of a value that is not below 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
fn whole(value: f64) -> u32 {
    value.round() as u32
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::shown;
    use super::*;
    use crate::learn::Architecture;

    fn layers(channels: &[usize], classes: usize) -> Vec<Layer> {
        let architecture = Architecture::new(channels.to_vec(), classes);
        architecture.unwrap().layers()
    }

    #[test]
    fn the_figure_is_as_wide_as_its_layers_and_shows_the_example() {
        let mut example = [0; 784];
        example[14 * 28 + 3] = 255;
        let png = network_figure(&layers(&[4], 10), &example).unwrap();
        assert_eq!(png, network_figure(&layers(&[4], 10), &example).unwrap());
        let picture = shown("network-small", &png);
        let blocks = blocks(&layers(&[4], 10));
        let width = whole(blocks.last().unwrap().right() + MARGIN);
        assert_eq!(picture.dimensions(), (width, HEIGHT));
        let ((left, top), zoom) = (blocks[0].corner(0), 140.0 / 28.0);
        let at = |x: f64, y: f64| picture.get_pixel(whole(x), whole(y)).0;
        assert_eq!(at(left + 3.5 * zoom, top + 14.5 * zoom), [0; 3]);
        let front = blocks[1].front();
        assert_eq!(at(front.0 + 5.0, front.1 + 5.0), [174, 203, 235]);
    }

    #[test]
    fn wide_layers_and_many_classes_do_not_grow_out_of_the_picture() {
        for (name, channels, classes) in [
            ("article", &[8, 16, 8][..], 10),
            ("wide", &[512; 4], 62),
            ("narrow", &[1], 2),
        ] {
            let layers = layers(channels, classes);
            let png = network_figure(&layers, &[]).unwrap();
            shown(&format!("network-{name}"), &png);
            let mut tops = blocks(&layers).into_iter().map(|block| block.corner(0).1);
            assert!(tops.all(|top| top > 80.0));
        }
    }
}
