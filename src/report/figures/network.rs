//! The network as a figure: feature maps as stacks with their sizes, from left to right.

use anyhow::Result;
use plotters::prelude::*;

use super::canvas::{
    Canvas, GRAY, LEFT, LINE, bold, draw_frame, draw_on_paper, font, heading, png, px,
};
use crate::data::SIDE;
use crate::learn::{INPUT, Layer, Operation};
use crate::report::text::grouped;
use crate::report::to_f64;

const HEIGHT: u32 = 470;
/// Blocks are centered on this height.
const MIDDLE: f64 = 238.0;
/// Left of the first block and right of the last.
const MARGIN: f64 = 56.0;
/// Between two blocks, for the layer's name.
const GAP: f64 = 84.0;
/// From one map of a stack to the next, to the right and down.
const STEP: f64 = 6.0;
/// Larger stacks are cut; the caption has the number of maps.
const MAX_MAPS: usize = 16;
/// Width of a column of values.
const COLUMN: f64 = 18.0;
/// From one output to the next.
const PITCH: f64 = 25.0;
/// More outputs are drawn as a column of values.
const MAX_CIRCLES: usize = 12;

const CONVOLUTION: RGBColor = RGBColor(174, 203, 235);
const POOLING: RGBColor = RGBColor(250, 215, 160);
const VALUES: RGBColor = RGBColor(190, 224, 190);
const EDGE: RGBColor = RGBColor(70, 78, 92);
const GUIDE: RGBColor = RGBColor(150, 110, 60);

/// Draws `layers` as a PNG. `example` is the image in the first block: 28x28 gray values, or empty.
pub(crate) fn network_figure(layers: &[Layer], example: &[u8]) -> Result<Vec<u8>> {
    let blocks = blocks(layers);
    let width = blocks.last().map_or(0.0, Block::right) + MARGIN;
    let parameters = grouped(layers.iter().map(|layer| layer.parameters).sum());
    let work = grouped(layers.iter().map(|layer| layer.multiply_adds).sum());
    let summary = format!("{parameters} parameters, {work} multiply-adds for one image");
    png((px(width).unsigned_abs() / LINE, HEIGHT), |area| {
        heading(area, width / 2.0, "The network, layer by layer", &summary)?;
        for block in &blocks {
            draw_block(area, block)?;
        }
        let input = &blocks[0];
        draw_on_paper(
            area,
            input.corner(0),
            input.width / to_f64(SIDE),
            example,
            EDGE,
        )?;
        for (layer, pair) in layers.iter().zip(blocks.windows(2)) {
            connect(area, layer, &pair[0], &pair[1])?;
            describe(area, layer, f64::midpoint(pair[0].right(), pair[1].left))?;
        }
        Ok(())
    })
}

/// The output of a layer, or the input.
struct Block {
    /// Number of feature maps or values.
    count: usize,
    /// Height and width of a feature map in values; 0 for a column of values.
    side: usize,
    /// True if each value is drawn as a circle.
    has_circles: bool,
    color: RGBColor,
    left: f64,
    /// Of one map or of the column. Not to scale: small maps could not be seen.
    width: f64,
    height: f64,
}

/// The input and the layers' outputs, from left to right.
fn blocks(layers: &[Layer]) -> Vec<Block> {
    let outputs = layers.iter().map(|layer| match layer.operation {
        Operation::Convolution(_) => (&layer.output[..], CONVOLUTION),
        Operation::MaxPoolRelu => (&layer.output[..], POOLING),
        Operation::Flatten | Operation::Dense(_) => (&layer.output[..], VALUES),
    });
    let mut blocks: Vec<Block> = Vec::new();
    for (shape, color) in [(&INPUT[..], WHITE)].into_iter().chain(outputs) {
        let (count, side) = (shape[0], shape.get(1).copied().unwrap_or(0));
        let has_circles = blocks.len() == layers.len() && count <= MAX_CIRCLES;
        let (width, height) = match side {
            0 if has_circles => (COLUMN, PITCH * to_f64(count)),
            0 => (COLUMN, 252.0),
            side => (28.0 + 4.0 * to_f64(side), 28.0 + 4.0 * to_f64(side)),
        };
        blocks.push(Block {
            count,
            side,
            has_circles,
            color,
            left: blocks.last().map_or(MARGIN, |block| block.right() + GAP),
            width,
            height,
        });
    }
    blocks
}

impl Block {
    /// Number of maps or columns that are drawn.
    fn drawn(&self) -> usize {
        if self.side == 0 {
            1
        } else {
            self.count.min(MAX_MAPS)
        }
    }

    /// From the first map of the stack to the last, to the right and down.
    fn depth(&self) -> f64 {
        to_f64(self.drawn() - 1) * STEP
    }

    fn right(&self) -> f64 {
        self.left + self.width + self.depth()
    }

    /// Upper left corner of the map `index`.
    fn corner(&self, index: usize) -> (f64, f64) {
        let top = MIDDLE - f64::midpoint(self.height, self.depth());
        (self.left + to_f64(index) * STEP, top + to_f64(index) * STEP)
    }

    /// Upper left corner of the foremost map.
    fn front(&self) -> (f64, f64) {
        self.corner(self.drawn() - 1)
    }
}

fn draw_block(area: &Canvas, block: &Block) -> Result<()> {
    let (left, top) = block.corner(0);
    let caption = match block.side {
        0 => block.count.to_string(),
        side => format!("{} @ {side}×{side}", block.count),
    };
    let above = (px(f64::midpoint(left, block.right())), px(top - 18.0));
    area.draw_text(&caption, &bold(15.0), above)?;
    if block.has_circles {
        for class in 0..block.count {
            let at = (
                px(left + COLUMN / 2.0),
                px(top + (to_f64(class) + 0.5) * PITCH),
            );
            area.draw(&Circle::new(at, px(9.5), EDGE.filled()))?;
            area.draw(&Circle::new(at, px(8.5), block.color.filled()))?;
            let beside = (at.0 + px(17.0), at.1);
            area.draw_text(&class.to_string(), &font(14.0).pos(LEFT), beside)?;
        }
        return Ok(());
    }
    for index in 0..block.drawn() {
        let (x, y) = block.corner(index);
        let [(left, top), (right, bottom)] =
            [(x, y), (x + block.width, y + block.height)].map(|(x, y)| (px(x), px(y)));
        // Maps further back are a little darker.
        let shade = 0.18 * (1.0 - to_f64(index + 1) / to_f64(block.drawn()));
        for color in [block.color.mix(1.0), BLACK.mix(shade)] {
            area.draw(&Rectangle::new(
                [(left, top), (right, bottom)],
                color.filled(),
            ))?;
        }
        let lines = (top..bottom).step_by(27).filter(|_| block.side == 0);
        for line in lines.map(|y| [(left, y), (right, y)]) {
            area.draw(&PathElement::new(line, BLACK.mix(0.18).stroke_width(LINE)))?;
        }
        draw_frame(area, (x, y), (block.width, block.height), EDGE)?;
    }
    Ok(())
}

/// Draws which values one value of the output depends on, or that it depends on all.
fn connect(area: &Canvas, layer: &Layer, from: &Block, to: &Block) -> Result<()> {
    let guide = |points: &[(f64, f64)]| {
        let points: Vec<_> = points.iter().map(|&(x, y)| (px(x), px(y))).collect();
        area.draw(&PathElement::new(points, GUIDE.stroke_width(LINE)))
    };
    let ((x, y), (left, top)) = (from.front(), to.corner(0));
    let field = match layer.operation {
        Operation::Convolution([.., kernel]) => kernel.min(from.side),
        Operation::MaxPoolRelu => 2,
        Operation::Flatten | Operation::Dense(_) => {
            let right = x + from.width;
            guide(&[(right, y), (left, top)])?;
            return Ok(guide(&[(right, y + from.height), (left, top + to.height)])?);
        }
    };
    // A square near the right edge of the foremost map, in the middle of its height.
    let zoom = from.width / to_f64(from.side);
    let x = x + zoom * to_f64(from.side.saturating_sub(field + from.side / 8));
    let y = y + zoom * to_f64((from.side - field) / 2);
    let size = zoom * to_f64(field);
    draw_frame(area, (x, y), (size, size), GUIDE)?;
    let value = (left + 9.0, top + to.height * 0.45);
    guide(&[(x + size, y), value, (x + size, y + size)])?;
    let dot = Circle::new((px(value.0), px(value.1)), px(2.6), GUIDE.filled());
    Ok(area.draw(&dot)?)
}

/// Writes what a layer does and its number of parameters below the figure.
fn describe(area: &Canvas, layer: &Layer, x: f64) -> Result<()> {
    let mut text = match layer.operation {
        Operation::Convolution([.., kernel]) => format!("convolution\n{kernel}×{kernel}\n"),
        Operation::MaxPoolRelu => "max-pool 2×2,\nReLU\n".to_owned(),
        Operation::Flatten => "flatten\n".to_owned(),
        Operation::Dense(_) => "dense\n\n".to_owned(),
    };
    if layer.parameters > 0 {
        text += &format!("{} parameters", grouped(layer.parameters));
    }
    let notes = [font(13.5), font(13.5), font(12.0).color(&GRAY)];
    for ((line, font), y) in text.lines().zip(notes).zip([398.0, 416.0, 436.0]) {
        area.draw_text(line, &font, (px(x), px(y)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
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
        let picture = decode("network-small", &png);
        let blocks = blocks(&layers(&[4], 10));
        let pixel = |pixels: f64| px(pixels / 3.0).unsigned_abs();
        let width = pixel(blocks.last().unwrap().right() + MARGIN);
        assert_eq!((picture.width, picture.height), (width, HEIGHT));
        let ((left, top), zoom) = (blocks[0].corner(0), 140.0 / 28.0);
        let at = |x: f64, y: f64| picture.at(pixel(x), pixel(y));
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
            decode(&format!("network-{name}"), &png);
            let mut tops = blocks(&layers).into_iter().map(|block| block.corner(0).1);
            assert!(tops.all(|top| top > 80.0));
        }
    }
}
