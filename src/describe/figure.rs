//! The network as a figure: feature maps as stacks with their sizes, from left to right.

use anyhow::Result;
use plotters::prelude::*;

use crate::data::SIDE;
use crate::learn::{INPUT, Layer, Operation};
use crate::report::figures::canvas::{
    Canvas, GRAY, LEFT, LINE, bold, draw_frame, draw_on_paper, font, heading, png, px,
};
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
/// Width and height of a column of values.
const COLUMN: (f64, f64) = (18.0, 252.0);
/// Longer columns are drawn without the values' numbers.
const MAX_NUMBERED: usize = 12;

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
        let zoom = input.width / to_f64(SIDE);
        draw_on_paper(area, input.corner(0), zoom, example, EDGE)?;
        for (layer, pair) in layers.iter().zip(blocks.windows(2)) {
            connect(area, layer, &pair[0], &pair[1])?;
            describe(area, layer, f64::midpoint(pair[0].right(), pair[1].left))?;
        }
        Ok(())
    })
}

/// The output of a layer, or the input: a stack of maps or a column of values.
struct Block {
    /// Number of feature maps or values.
    count: usize,
    /// Number of maps or columns that are drawn.
    drawn: usize,
    /// Height and width of a feature map in values; 0 for a column.
    side: usize,
    color: RGBColor,
    left: f64,
    /// Width of one map or column. Not to scale: small maps could not be seen.
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
        let map = 28.0 + 4.0 * to_f64(side);
        blocks.push(Block {
            count,
            drawn: if side == 0 { 1 } else { count.min(MAX_MAPS) },
            side,
            color,
            left: blocks.last().map_or(MARGIN, |block| block.right() + GAP),
            width: if side == 0 { COLUMN.0 } else { map },
            height: if side == 0 { COLUMN.1 } else { map },
        });
    }
    blocks
}

impl Block {
    fn right(&self) -> f64 {
        self.left + self.width + to_f64(self.drawn - 1) * STEP
    }

    /// Upper left corner of the map `index`.
    fn corner(&self, index: usize) -> (f64, f64) {
        let depth = to_f64(self.drawn - 1) * STEP;
        let top = MIDDLE - f64::midpoint(self.height, depth);
        (self.left + to_f64(index) * STEP, top + to_f64(index) * STEP)
    }
}

fn draw_block(area: &Canvas, block: &Block) -> Result<()> {
    let caption = match block.side {
        0 => block.count.to_string(),
        side => format!("{} @ {side}×{side}", block.count),
    };
    let (x, y) = (f64::midpoint(block.left, block.right()), block.corner(0).1);
    area.draw_text(&caption, &bold(15.0), (px(x), px(y - 18.0)))?;
    for index in 0..block.drawn {
        let (x, y) = block.corner(index);
        let corners = [(x, y), (x + block.width, y + block.height)].map(|(x, y)| (px(x), px(y)));
        // Maps further back are a little darker.
        let shade = 0.18 * (1.0 - to_f64(index + 1) / to_f64(block.drawn));
        for color in [block.color.mix(1.0), BLACK.mix(shade)] {
            area.draw(&Rectangle::new(corners, color.filled()))?;
        }
        draw_frame(area, (x, y), (block.width, block.height), EDGE)?;
    }
    let cells = match (block.side, block.count) {
        (0, count @ ..=MAX_NUMBERED) => count,
        (0, _) => 28,
        _ => 0,
    };
    let pitch = block.height / to_f64(cells);
    for cell in 0..cells {
        let (left, right) = (px(block.left), px(block.right()));
        let top = px(y + pitch * to_f64(cell));
        let line = PathElement::new(
            [(left, top), (right, top)],
            BLACK.mix(0.3).stroke_width(LINE),
        );
        area.draw(&line)?;
        if block.count <= MAX_NUMBERED {
            let at = (right + px(8.0), top + px(pitch / 2.0));
            area.draw_text(&cell.to_string(), &font(14.0).pos(LEFT), at)?;
        }
    }
    Ok(())
}

/// Draws which values one value of the output depends on, or that it depends on all.
fn connect(area: &Canvas, layer: &Layer, from: &Block, to: &Block) -> Result<()> {
    let ((mut x, mut y), (left, top)) = (from.corner(from.drawn - 1), to.corner(0));
    let (mut width, mut height) = (from.width, from.height);
    let mut ends = [(left, top), (left, top + to.height)];
    let field = match layer.operation {
        Operation::Convolution([.., kernel]) => kernel.min(from.side),
        Operation::MaxPoolRelu => 2,
        Operation::Flatten | Operation::Dense(_) => 0,
    };
    if field > 0 {
        // A square near the right edge of the foremost map, in the middle of its height.
        let zoom = width / to_f64(from.side);
        x += zoom * to_f64(from.side.saturating_sub(field + from.side / 8));
        y += zoom * to_f64((from.side - field) / 2);
        (width, height) = (zoom * to_f64(field), zoom * to_f64(field));
        draw_frame(area, (x, y), (width, height), GUIDE)?;
        ends = [(left + 9.0, top + to.height * 0.45); 2];
        let dot = (px(ends[0].0), px(ends[0].1));
        area.draw(&Circle::new(dot, px(2.6), GUIDE.filled()))?;
    }
    for (start, end) in [(x + width, y), (x + width, y + height)]
        .into_iter()
        .zip(ends)
    {
        let line = [start, end].map(|(x, y)| (px(x), px(y)));
        area.draw(&PathElement::new(line, GUIDE.stroke_width(LINE)))?;
    }
    Ok(())
}

/// Writes what a layer does and its number of parameters below the figure.
fn describe(area: &Canvas, layer: &Layer, x: f64) -> Result<()> {
    let text = match layer.operation {
        Operation::Convolution([.., kernel]) => format!("convolution\n{kernel}×{kernel}"),
        Operation::MaxPoolRelu => "max-pool 2×2,\nReLU".to_owned(),
        Operation::Flatten => "flatten".to_owned(),
        Operation::Dense(_) => "dense\n\n".to_owned(),
    };
    let parameters = match layer.parameters {
        0 => String::new(),
        parameters => format!("{} parameters", grouped(parameters)),
    };
    let lines = text.lines().chain([parameters.as_str()]);
    let fonts = [font(13.5), font(13.5), font(12.0).color(&GRAY)];
    for ((line, font), y) in lines.zip(fonts).zip([398.0, 416.0, 436.0]) {
        area.draw_text(line, &font, (px(x), px(y)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learn::Architecture;
    use crate::report::figures::canvas::tests::decode;

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
        let front = blocks[1].corner(3);
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
