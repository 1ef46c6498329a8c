//! The network as a figure: feature maps as stacks with their sizes, from left to right.
//!
//! It owns what the figure shows; `blocks` says where everything stands. It knows layers only.

mod blocks;

use anyhow::Result;

use self::blocks::{Block, COLUMN, MARGIN, MOST_OUTPUTS, OUTPUT_PITCH, Shape, blocks};
use super::canvas::Canvas;
use super::palette::{BLACK, GREY, Rgb};
use super::text::TextStyle;
use crate::data::SIDE;
use crate::learn::{Layer, Operation};
use crate::report::numbers::real;

/// Height of the figure in pixels; its width follows from the layers.
pub const HEIGHT: usize = 470;

const EDGE: Rgb = [70, 78, 92];
const GUIDE: Rgb = [150, 110, 60];

/// Draws `layers` as a PNG, [`HEIGHT`] pixels high. `example` is the image in the first block: 28x28 grey values, or
/// nothing for an empty one. The same layers and example give the same bytes.
///
/// # Errors
/// Only if plotters or the PNG encoder refuses.
pub fn figure(layers: &[Layer], example: &[u8]) -> Result<Vec<u8>> {
    let blocks = blocks(layers);
    let right = blocks
        .last()
        .map_or(0.0, |block| block.left + block.width());
    let mut canvas = Canvas::new(pixels(right + MARGIN), HEIGHT, 3)?;
    draw_title(&mut canvas, right + MARGIN, layers)?;
    for (index, block) in blocks.iter().enumerate() {
        draw_block(&mut canvas, block)?;
        if index == 0 {
            draw_example(&mut canvas, block, example)?;
        }
    }
    for (layer, pair) in layers.iter().zip(blocks.windows(2)) {
        draw_connection(&mut canvas, layer, &pair[0], &pair[1])?;
    }
    canvas.to_png()
}

/// Parameters and multiply-adds of all layers.
fn totals(layers: &[Layer]) -> (usize, usize) {
    let parameters = layers.iter().map(|layer| layer.parameters).sum();
    (
        parameters,
        layers.iter().map(|layer| layer.multiply_adds).sum(),
    )
}

fn draw_title(canvas: &mut Canvas, width: f64, layers: &[Layer]) -> Result<()> {
    let (parameters, work) = totals(layers);
    let title = TextStyle::new(24.0).bold();
    canvas.text("The network, layer by layer", (width / 2.0, 32.0), &title)?;
    let (parameters, work) = (grouped(parameters), grouped(work));
    let text = format!("{parameters} parameters, {work} multiply-adds for one image");
    canvas.text(
        &text,
        (width / 2.0, 62.0),
        &TextStyle::new(15.0).color(GREY),
    )
}

fn draw_block(canvas: &mut Canvas, block: &Block) -> Result<()> {
    let (width, height) = block.face();
    match block.shape {
        Shape::Maps { channels, .. } => {
            for index in 0..channels {
                let (x, y) = block.corner(index);
                let corner = (x + width, y + height);
                canvas.rectangle((x, y), corner, shaded(block.color, index, channels))?;
                canvas.frame((x, y), corner, EDGE)?;
            }
        }
        Shape::Outputs(n) if n <= MOST_OUTPUTS => draw_outputs(canvas, block, n)?,
        Shape::Values(_) | Shape::Outputs(_) => {
            let (x, y) = block.corner(0);
            canvas.rectangle((x, y), (x + width, y + height), block.color)?;
            for line in 1..pixels(height / 9.0) {
                let y = y + 9.0 * real(line);
                canvas.rectangle((x, y), (x + width, y + 1.0), [150, 190, 150])?;
            }
            canvas.frame((x, y), (x + width, y + height), EDGE)?;
        }
    }
    let middle = block.left + block.width() / 2.0;
    let style = TextStyle::new(15.0).bold();
    canvas.text(&block.caption(), (middle, block.top() - 18.0), &style)
}

/// A dot per class, with its number beside it.
fn draw_outputs(canvas: &mut Canvas, block: &Block, outputs: usize) -> Result<()> {
    let (left, top) = block.corner(0);
    for class in 0..outputs {
        let center = (
            left + COLUMN / 2.0,
            top + (real(class) + 0.5) * OUTPUT_PITCH,
        );
        canvas.dot(center, 9.5, EDGE)?;
        canvas.dot(center, 8.5, block.color)?;
        let at = (center.0 + 21.0, center.1);
        canvas.text(&class.to_string(), at, &TextStyle::new(14.0))?;
    }
    Ok(())
}

/// The image that goes in, dark on white.
fn draw_example(canvas: &mut Canvas, block: &Block, example: &[u8]) -> Result<()> {
    let ((left, top), (width, height)) = (block.corner(0), block.face());
    let zoom = width / real(SIDE);
    for (index, &pixel) in example.iter().enumerate().take(SIDE * SIDE) {
        let x = left + real(index % SIDE) * zoom;
        let y = top + real(index / SIDE) * zoom;
        canvas.rectangle((x, y), (x + zoom, y + zoom), [u8::MAX - pixel; 3])?;
    }
    canvas.frame((left, top), (left + width, top + height), EDGE)
}

/// What a layer does, between its input and its output.
fn draw_connection(canvas: &mut Canvas, layer: &Layer, from: &Block, to: &Block) -> Result<()> {
    let field = match layer.operation {
        Operation::Convolution([.., kernel]) => Some(kernel),
        Operation::MaxPoolRelu => Some(2),
        Operation::Flatten | Operation::Dense(_) => None,
    };
    if let (Some(field), Shape::Maps { side, .. }) = (field, &from.shape) {
        draw_field(canvas, from, to, field, *side)?;
    } else {
        let ((x, y), (width, height)) = (from.front(), from.face());
        let end = to.corner(0);
        for (start, end) in [(y, end.1), (y + height, end.1 + to.face().1)] {
            canvas.stroke(&[(x + width, start), (to.left, end)], 1.0, GUIDE)?;
        }
    }
    draw_operation(
        canvas,
        layer,
        f64::midpoint(from.left + from.width(), to.left),
    )
}

/// Name and number of parameters, below the figure.
fn draw_operation(canvas: &mut Canvas, layer: &Layer, middle: f64) -> Result<()> {
    let lines: Vec<String> = match layer.operation {
        Operation::Convolution([.., kernel]) => {
            vec!["convolution".to_owned(), format!("{kernel}×{kernel}")]
        }
        Operation::MaxPoolRelu => vec!["max-pool 2×2,".to_owned(), "ReLU".to_owned()],
        Operation::Flatten => vec!["flatten".to_owned()],
        Operation::Dense(_) => vec!["dense".to_owned()],
    };
    let mut y = 398.0;
    for line in lines {
        canvas.text(&line, (middle, y), &TextStyle::new(13.5).color(BLACK))?;
        y += 18.0;
    }
    if layer.parameters > 0 {
        let text = format!("{} parameters", grouped(layer.parameters));
        canvas.text(&text, (middle, 436.0), &TextStyle::new(12.0).color(GREY))?;
    }
    Ok(())
}

/// The square that one value of the output sees, and lines from it to that value.
fn draw_field(
    canvas: &mut Canvas,
    from: &Block,
    to: &Block,
    field: usize,
    side: usize,
) -> Result<()> {
    let zoom = from.face().0 / real(side);
    let (x, y) = from.front();
    // Near the right edge of the foremost map, in the middle of its height.
    let first = side.saturating_sub(field + side / 8);
    let row = (side - field.min(side)) / 2;
    let (left, top) = (x + real(first) * zoom, y + real(row) * zoom);
    let (right, bottom) = (left + real(field) * zoom, top + real(field) * zoom);
    let corners = [
        (left, top),
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
    ];
    canvas.stroke(&corners, 1.6, GUIDE)?;
    let (target, (_, height)) = (to.corner(0), to.face());
    let point = (target.0 + 9.0, target.1 + height * 0.45);
    for start in [(right, top), (right, bottom)] {
        canvas.stroke(&[start, point], 1.0, GUIDE)?;
    }
    canvas.dot(point, 2.6, GUIDE)
}

/// Maps further back are a little darker.
fn shaded(color: Rgb, index: usize, channels: usize) -> Rgb {
    let share = 0.82 + 0.18 * real(index + 1) / real(channels);
    color.map(|level| u8::try_from(pixels(f64::from(level) * share)).unwrap_or(u8::MAX))
}

/// 3138 as 3,138.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The nearest whole number of a value that is not below 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates"
)]
fn pixels(value: f64) -> usize {
    value.round() as usize
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::blocks::CONVOLVED;
    use super::*;
    use crate::learn::Architecture;

    fn small() -> Vec<Layer> {
        Architecture::new(vec![4], 10).unwrap().layers()
    }

    #[test]
    fn the_figure_is_as_wide_as_its_layers_and_shows_the_example() {
        let mut example = [0; 784];
        example[14 * 28 + 3] = 255;
        let png = figure(&small(), &example).unwrap();
        assert_eq!(png, figure(&small(), &example).unwrap());
        let (width, height, pixel) = decode(&png);
        assert_eq!(usize::try_from(height).unwrap(), HEIGHT);
        let blocks = blocks(&small());
        let last = blocks.last().unwrap();
        assert_eq!(
            usize::try_from(width).unwrap(),
            pixels(last.left + COLUMN + MARGIN)
        );
        let ((left, top), zoom) = (blocks[0].corner(0), 140.0 / 28.0);
        assert_eq!(pixel(left + 3.5 * zoom, top + 14.5 * zoom), BLACK);
        let front = blocks[1].front();
        assert_eq!(pixel(front.0 + 5.0, front.1 + 5.0), CONVOLVED);
    }

    #[test]
    fn many_classes_do_not_grow_out_of_the_picture() {
        let mut layers = small();
        layers[3].output = vec![62];
        figure(&layers, &[]).unwrap();
        assert!(blocks(&layers).iter().all(|block| block.top() > 80.0));
    }

    #[test]
    fn thousands_are_grouped() {
        let text = [7, 999, 1_000, 3_138, 1_234_567].map(grouped);
        assert_eq!(text, ["7", "999", "1,000", "3,138", "1,234,567"]);
    }
}
