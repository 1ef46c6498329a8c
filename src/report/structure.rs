//! The network as a table and as a figure: feature maps as stacks with their sizes, from left to right.
//!
//! It owns what both show. It knows layers only; nothing of libtorch, files or terminals.

use std::fmt::Write;

use anyhow::Result;

use super::canvas::{BLACK, Canvas, GREY, Rgb, WHITE};
use super::numbers::real;
use super::text::TextStyle;
use crate::data::SIDE;
use crate::learn::structure::{INPUT, Layer, Operation};

/// Height of the figure in pixels; its width follows from the layers.
pub const HEIGHT: usize = 470;

/// The height that everything is centred on.
const AXIS: f64 = 238.0;
/// Left of the first block and right of the last.
const MARGIN: f64 = 56.0;
/// Between two blocks, for what happens there.
const GAP: f64 = 84.0;
/// From one map of a stack to the next, to the right and down.
const STEP: f64 = 6.0;
/// Width of a column of values.
const COLUMN: f64 = 18.0;
/// From one output to the next.
const OUTPUT_PITCH: f64 = 25.0;
/// Most outputs that are drawn one by one.
const MOST_OUTPUTS: usize = 12;

const EDGE: Rgb = [70, 78, 92];
const GUIDE: Rgb = [150, 110, 60];
const CONVOLVED: Rgb = [174, 203, 235];
const POOLED: Rgb = [250, 215, 160];
const VALUES: Rgb = [190, 224, 190];

/// The layers for people: what each does, what comes out, its parameters and its multiply-adds for one image.
#[must_use]
pub fn table(layers: &[Layer]) -> String {
    let mut text = String::from("layer  operation           output   parameters  multiply-adds\n");
    let mut row = |name: &str, operation: &str, output: &str, numbers: Option<(usize, usize)>| {
        let line = match numbers {
            Some((parameters, work)) => {
                format!("{name:<6} {operation:<18}  {output:<8} {parameters:>10}  {work:>13}")
            }
            None => format!("{name:<6} {operation:<18}  {output:<8}"),
        };
        let _ = writeln!(text, "{}", line.trim_end());
    };
    row("input", "", &shape(&INPUT), None);
    for layer in layers {
        let numbers = (layer.parameters, layer.multiply_adds);
        let name = layer.name.unwrap_or_default();
        let output = shape(&layer.output);
        row(name, &operation(&layer.operation), &output, Some(numbers));
    }
    row("total", "", "", Some(totals(layers)));
    text
}

fn totals(layers: &[Layer]) -> (usize, usize) {
    let parameters = layers.iter().map(|layer| layer.parameters).sum();
    (
        parameters,
        layers.iter().map(|layer| layer.multiply_adds).sum(),
    )
}

fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Convolution { kernel } => format!("convolution {kernel}x{kernel}"),
        Operation::Pooling => "max-pool 2x2, ReLU".to_owned(),
        Operation::Flatten => "flatten".to_owned(),
        Operation::Dense => "dense".to_owned(),
    }
}

fn shape(output: &[usize]) -> String {
    let sizes: Vec<String> = output.iter().map(ToString::to_string).collect();
    sizes.join("x")
}

/// What stands in the figure: the output of a layer, or the input.
struct Block {
    left: f64,
    /// Channels and height (= width) of maps, or a number of values.
    shape: Shape,
    color: Rgb,
}

enum Shape {
    Maps { channels: usize, side: usize },
    Values(usize),
    Outputs(usize),
}

impl Block {
    /// Width and height of one map, or of the column.
    fn face(&self) -> (f64, f64) {
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

    fn width(&self) -> f64 {
        self.face().0 + self.depth()
    }

    /// Upper left corner of map `index`.
    fn corner(&self, index: usize) -> (f64, f64) {
        let height = self.face().1 + self.depth();
        let top = AXIS - height / 2.0;
        (self.left + real(index) * STEP, top + real(index) * STEP)
    }

    /// Upper left corner of the foremost map.
    fn front(&self) -> (f64, f64) {
        let (x, y) = self.corner(0);
        (x + self.depth(), y + self.depth())
    }

    fn top(&self) -> f64 {
        self.corner(0).1
    }

    /// Size as papers write it.
    fn caption(&self) -> String {
        match self.shape {
            Shape::Maps { channels, side } => format!("{channels} @ {side}×{side}"),
            Shape::Values(n) | Shape::Outputs(n) => n.to_string(),
        }
    }
}

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

fn blocks(layers: &[Layer]) -> Vec<Block> {
    let mut left = MARGIN;
    let mut blocks = Vec::new();
    let input = (INPUT.to_vec(), WHITE);
    let outputs = layers.iter().map(|layer| {
        let color = match layer.operation {
            Operation::Convolution { .. } => CONVOLVED,
            Operation::Pooling => POOLED,
            Operation::Flatten | Operation::Dense => VALUES,
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
        Operation::Convolution { kernel } => Some(kernel),
        Operation::Pooling => Some(2),
        Operation::Flatten | Operation::Dense => None,
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
        Operation::Convolution { kernel } => {
            vec!["convolution".to_owned(), format!("{kernel}×{kernel}")]
        }
        Operation::Pooling => vec!["max-pool 2×2,".to_owned(), "ReLU".to_owned()],
        Operation::Flatten => vec!["flatten".to_owned()],
        Operation::Dense => vec!["dense".to_owned()],
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
    use super::*;

    fn small() -> Vec<Layer> {
        let layer = |name, operation, output: &[usize], parameters, multiply_adds| Layer {
            name,
            operation,
            output: output.to_vec(),
            parameters,
            multiply_adds,
        };
        let convolution = Operation::Convolution { kernel: 3 };
        vec![
            layer(Some("conv1"), convolution, &[4, 28, 28], 40, 28_224),
            layer(None, Operation::Pooling, &[4, 14, 14], 0, 0),
            layer(None, Operation::Flatten, &[784], 0, 0),
            layer(Some("dense"), Operation::Dense, &[10], 7_850, 7_840),
        ]
    }

    #[test]
    fn the_table_has_a_row_per_layer_and_the_totals() {
        let expected = "\
layer  operation           output   parameters  multiply-adds
input                      1x28x28
conv1  convolution 3x3     4x28x28          40          28224
       max-pool 2x2, ReLU  4x14x14           0              0
       flatten             784               0              0
dense  dense               10             7850           7840
total                                     7890          36064
";
        assert_eq!(table(&small()), expected);
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
