//! `confusion.png`: the confusion matrix as a heatmap.

use anyhow::Result;
use plotters::coord::combinators::BindKeyPoints;
use plotters::prelude::*;

use super::canvas::{
    Canvas, Font, LINE, RIGHT, class_label, font, heading, length, longest, png, px, shorten,
};
use crate::learn::ConfusionMatrix;
use crate::report::to_f64;

const SIZE: (u32, u32) = (1000, 900);
/// Upper edge of the matrix, in pixels.
const TOP: f64 = 88.0;
const BORDER: RGBColor = RGBColor(72, 68, 84);
/// The cells of more classes are too small for their counts.
const MAX_CLASSES_WITH_COUNTS: usize = 20;
/// Narrower cells, in pixels, have no border.
const MIN_BORDERED_CELL: f64 = 12.0;
/// Longer class names, in pixels, are shortened.
const MAX_NAME_LENGTH: f64 = 150.0;
/// Room for the color bar beside the matrix, its gap included, in pixels.
const BAR_WIDTH: f64 = 54.0;

/// Draws `matrix`, the sum of `runs` runs, as a PNG: a row per true class from the top, a column
/// per predicted class, colors linear from 0 to the largest count. Up to 20 classes each cell
/// shows its count, or the mean of several runs' counts. `labels` are the classes' names.
pub(crate) fn heatmap(matrix: &ConfusionMatrix, runs: usize, labels: &[String]) -> Result<Vec<u8>> {
    let max = matrix.rows().flatten().copied().max().unwrap_or(0).max(1);
    let scale = Scale { max, runs };
    png(SIZE, |area| {
        let number_width = length(&scale.format(max), &font(14.0))?;
        let layout = Layout::new(matrix.classes(), labels, number_width)?;
        let middle = layout.left + layout.side / 2.0;
        heading(area, middle, "Confusion Matrix", &summary(matrix, runs))?;
        draw_matrix(area, &layout, matrix, &scale)?;
        draw_color_bar(area, &layout, &scale)
    })
}

/// matplotlib's inferno at `share` in 0..=1, from black over red to pale yellow.
fn inferno(share: f64) -> RGBColor {
    let color = colorous::INFERNO.eval_continuous(share);
    RGBColor(color.r, color.g, color.b)
}

fn summary(matrix: &ConfusionMatrix, runs: usize) -> String {
    let (images, percent) = (matrix.total() / runs as u64, 100.0 * matrix.accuracy());
    match (matrix.total(), runs) {
        (0, _) => "no images".to_owned(),
        (_, 1) => format!("accuracy {percent:.2} % on {images} images"),
        _ => format!("accuracy {percent:.2} % on {images} images, mean of {runs} runs"),
    }
}

/// The color scale: linear in counts from 0 to `max`, which is at least 1.
struct Scale {
    max: u64,
    /// Number of runs that the counts sum up.
    runs: usize,
}

impl Scale {
    fn share(&self, count: u64) -> f64 {
        to_f64(count) / to_f64(self.max)
    }

    /// A count, or the mean of several runs' counts: small ones with a decimal.
    fn format(&self, count: u64) -> String {
        let mean = to_f64(count) / to_f64(self.runs);
        let decimals = usize::from(self.runs > 1 && count > 0 && mean < 9.95);
        format!("{mean:.decimals$}")
    }
}

/// Black or white, whichever has more contrast with `inferno(share)`: at least the 4.5 that WCAG 2
/// asks for small text.
fn text_color(share: f64) -> &'static RGBColor {
    if share > 0.56 { &BLACK } else { &WHITE }
}

/// Positions and sizes, in pixels.
struct Layout {
    /// The classes' names, long ones shortened.
    names: Vec<String>,
    font: Font,
    /// Every how many classes there is room for a name.
    stride: usize,
    /// True if the names below the matrix read upward, because they are too long for a cell.
    is_upward: bool,
    /// Room for the names beside and below the matrix, and their titles.
    label_areas: (f64, f64),
    left: f64,
    /// Width and height of the matrix.
    side: f64,
}

impl Layout {
    /// Fits the matrix between its labels and a color bar with numbers of this width.
    fn new(count: usize, labels: &[String], number_width: f64) -> Result<Self> {
        let classes = to_f64(count);
        let font_size = (360.0 / classes).clamp(10.0, 17.0);
        let font = font(font_size);
        let name = |class| shorten(&class_label(class, labels), &font, MAX_NAME_LENGTH);
        let names = (0..count).map(name).collect::<Result<Vec<_>>>()?;
        let width = longest(names.iter().map(String::as_str), &font)?;
        let is_upward = width > 0.75 * 730.0 / classes;
        let label_areas = (
            width + 54.0,
            46.0 + if is_upward { width } else { font_size },
        );
        let left = label_areas.0 + 16.0;
        let room = (
            to_f64(SIZE.0) - left - BAR_WIDTH - number_width - 70.0,
            to_f64(SIZE.1) - TOP - label_areas.1 - 18.0,
        );
        let side = room.0.min(room.1).floor();
        let has_room = |&stride: &usize| to_f64(stride) * side / classes >= 1.4 * font_size;
        Ok(Self {
            stride: (1..count).find(has_room).unwrap_or(1),
            left: (left + (room.0 - side) / 2.0).round(),
            names,
            font,
            is_upward,
            label_areas,
            side,
        })
    }

    fn cell(&self) -> f64 {
        self.side / to_f64(self.names.len())
    }
}

fn draw_matrix(
    area: &Canvas,
    layout: &Layout,
    matrix: &ConfusionMatrix,
    scale: &Scale,
) -> Result<()> {
    let (left, below) = (px(layout.label_areas.0), px(layout.label_areas.1));
    let plot = area.clone().shrink(
        // Single samples as in the chart of accuracies.
        (px(layout.left) - left + 1, px(TOP)),
        (px(layout.side) + left + 1, px(layout.side) + below + 1),
    );
    // In half cells: edges are even, centers odd.
    let end = 2 * matrix.classes();
    let centers: Vec<usize> = (1..end).step_by(2 * layout.stride).collect();
    let axis = |range: std::ops::Range<usize>| {
        let axis = range.with_key_points(centers.clone());
        axis.with_light_points((2..end).step_by(2))
    };
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(below)
        .y_label_area_size(left)
        .build_cartesian_2d(axis(0..end), axis(end..0))?;
    let cells = (0..end).step_by(2);
    let cells = cells
        .clone()
        .flat_map(|y| cells.clone().map(move |x| (x, y)));
    let share = |x: usize, y: usize| scale.share(matrix.count(y / 2, x / 2));
    chart.draw_series(
        cells
            .clone()
            .map(|(x, y)| Rectangle::new([(x, y), (x + 2, y + 2)], inferno(share(x, y)).filled())),
    )?;
    let name = |center: &usize| layout.names[center / 2].clone();
    let no_name = |_: &usize| String::new();
    let mut mesh = chart.configure_mesh();
    if layout.cell() < MIN_BORDERED_CELL {
        mesh.disable_mesh();
    }
    mesh.light_line_style(BORDER.stroke_width(LINE))
        .bold_line_style(TRANSPARENT)
        .axis_style(BLACK.stroke_width(LINE))
        .set_all_tick_mark_size(px(6.0))
        .label_style(layout.font.clone())
        .axis_desc_style(font(18.0))
        .x_label_formatter(if layout.is_upward { &no_name } else { &name })
        .y_label_formatter(&name)
        .x_desc("Predicted label")
        .y_desc("True label")
        .draw()?;
    let frame = [(0, 0), (end, 0), (end, end)];
    chart.draw_series([PathElement::new(frame, BLACK.stroke_width(LINE))])?;
    if layout.is_upward {
        let style = layout.font.transform(FontTransform::Rotate270).pos(RIGHT);
        for center in &centers {
            let (x, y) = chart.backend_coord(&(*center, end));
            area.draw_text(&name(center), &style, (x, y + px(12.0)))?;
        }
    }
    let size = (layout.cell() * 0.27).min(22.0);
    let widest = length(&scale.format(scale.max), &font(size))?;
    let size = size * (0.8 * layout.cell() / widest).min(1.0);
    if matrix.classes() <= MAX_CLASSES_WITH_COUNTS && size >= 7.0 {
        chart.draw_series(cells.map(|(x, y)| {
            let text = scale.format(matrix.count(y / 2, x / 2));
            let style = font(size).color(text_color(share(x, y)));
            Text::new(text, (x + 1, y + 1), style)
        }))?;
    }
    Ok(())
}

/// Draws the color bar with round counts beside it.
fn draw_color_bar(area: &Canvas, layout: &Layout, scale: &Scale) -> Result<()> {
    let max = to_f64(scale.max) / to_f64(scale.runs);
    let whole = usize::try_from(scale.max)? / scale.runs;
    let number_width = length(&whole.to_string(), &font(14.0))?;
    let right = layout.left + layout.side + BAR_WIDTH + number_width + 50.0;
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(TOP))
        .margin_bottom(px(to_f64(SIZE.1) - TOP - layout.side) - 1)
        .margin_left(px(layout.left + layout.side + 28.0))
        .margin_right(px(to_f64(SIZE.0) - right) - 1)
        .right_y_label_area_size(px(number_width + 50.0))
        .build_cartesian_2d(0..1, 0.0..max)?;
    let levels = (0..256).map(|level| [level, level + 1].map(|level| f64::from(level) / 256.0));
    chart.draw_series(levels.map(|[low, high]| {
        Rectangle::new([(0, low * max), (1, high * max)], inferno(low).filled())
    }))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .disable_x_axis()
        .axis_style(BLACK.stroke_width(LINE))
        .set_all_tick_mark_size(px(5.0))
        .label_style(font(14.0))
        .axis_desc_style(font(16.0))
        // No fractions of images.
        .y_labels(8.min(whole + 1))
        .y_label_formatter(&|images| format!("{images:.0}"))
        .y_desc("Images")
        .draw()?;
    let frame = [(1, max), (0, max), (0, 0.0), (1, 0.0)];
    chart.draw_series([PathElement::new(frame, BLACK.stroke_width(LINE))])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::{Picture, decode};
    use super::*;

    fn digits(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    fn matrix(classes: usize, count: impl Fn(usize, usize) -> u64) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(classes);
        for truth in 0..classes {
            for predicted in 0..classes {
                matrix.add(truth, predicted, count(truth, predicted));
            }
        }
        matrix
    }

    /// Counts that differ between all cells, mirrored ones too.
    fn uneven(truth: usize, predicted: usize) -> u64 {
        (truth * 97 + predicted * 11) as u64
    }

    /// Relative luminance by WCAG 2, 0..=1.
    fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
        let [red, green, blue] = [red, green, blue].map(|level| {
            let level = f64::from(level) / 255.0;
            if level <= 0.04045 {
                level / 12.92
            } else {
                ((level + 0.055) / 1.055).powf(2.4)
            }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// The pixel at a position within a cell, in hundredths of the cell.
    fn pixel(
        picture: &Picture,
        layout: &Layout,
        (x, y): (usize, usize),
        percent: usize,
    ) -> [u8; 3] {
        let [x, y] = [(layout.left, x), (TOP, y)].map(|(start, class)| {
            let pixels = start + layout.cell() * (to_f64(class) + to_f64(percent) / 100.0);
            u32::try_from(px(pixels / 3.0)).unwrap()
        });
        picture.at(x, y)
    }

    #[test]
    fn every_cell_has_the_exact_color_of_its_count() {
        for classes in [2, 10, 26, 50, 100, 256] {
            let matrix = matrix(classes, uneven);
            let png = heatmap(&matrix, 1, &digits(classes)).unwrap();
            assert_eq!(png, heatmap(&matrix, 1, &digits(classes)).unwrap());
            let picture = decode(&format!("confusion-{classes}"), &png);
            assert_eq!((picture.width, picture.height), SIZE);
            let max = uneven(classes - 1, classes - 1);
            let number_width = length(&max.to_string(), &font(14.0)).unwrap();
            let layout = Layout::new(classes, &digits(classes), number_width).unwrap();
            // Off the counts, the borders and the frame.
            let percent = if classes > 20 { 50 } else { 12 };
            for (x, y) in (1..classes - 1).flat_map(|y| (1..classes - 1).map(move |x| (x, y))) {
                let found = pixel(&picture, &layout, (x, y), percent).into_iter();
                let color = inferno(to_f64(uneven(y, x)) / to_f64(max));
                let levels = found.zip([color.0, color.1, color.2]);
                // Cells of 2.8 pixels share some of them with their neighbors.
                let max_difference = if classes > 50 { 3 } else { 0 };
                let difference = levels.map(|(a, b)| a.abs_diff(b)).max();
                assert!(difference <= Some(max_difference), "{classes}: {x}, {y}");
            }
        }
    }

    #[test]
    fn long_names_large_counts_and_means_have_room() {
        let names = (0..10).map(|i| format!("a rather long class name {i}"));
        let names: Vec<String> = names.collect();
        let letters = (0..26).map(|i| format!("letter number {i}")).collect();
        let million = |truth, predicted| uneven(truth, predicted) * 1_000_000;
        let clothes = "T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot";
        let clothes = clothes.split(',').map(str::to_owned).collect();
        for (name, matrix, runs, labels) in [
            ("long", matrix(10, million), 1, &names),
            ("letters", matrix(26, uneven), 1, &letters),
            ("mean", matrix(10, uneven), 40, &digits(10)),
            ("clothes", matrix(10, uneven), 1, &clothes),
            ("empty", matrix(10, |_, _| 0), 1, &digits(10)),
            ("20", matrix(20, uneven), 1, &digits(20)),
        ] {
            let png = heatmap(&matrix, runs, labels).unwrap();
            let picture = decode(&format!("confusion-{name}"), &png);
            assert_eq!((picture.width, picture.height), SIZE);
        }
    }

    #[test]
    fn counts_of_several_runs_are_shown_as_means() {
        let matrix = ConfusionMatrix::try_from(vec![vec![6, 2], vec![0, 8]]).unwrap();
        let several = "accuracy 87.50 % on 4 images, mean of 4 runs";
        assert_eq!(summary(&matrix, 1), "accuracy 87.50 % on 16 images");
        assert_eq!(summary(&matrix, 4), several);
        assert_eq!(summary(&ConfusionMatrix::new(2), 1), "no images");
        let format =
            |runs, counts: [u64; 4]| counts.map(|count| Scale { max: 1, runs }.format(count));
        assert_eq!(format(1, [0, 1, 9, 10]), ["0", "1", "9", "10"]);
        assert_eq!(format(20, [0, 10, 198, 199]), ["0", "0.5", "9.9", "10"]);
    }

    #[test]
    fn inferno_is_that_of_matplotlib_and_text_can_be_read_on_it() {
        // matplotlib's table at entries 0, 64, 128, 192 and 255 of 256.
        for (entry, expected) in [
            (0.0, [0, 0, 4]),
            (64.0, [87, 16, 110]),
            (128.0, [188, 55, 84]),
            (192.0, [249, 142, 9]),
            (255.0, [252, 255, 164]),
        ] {
            let RGBColor(red, green, blue) = inferno(entry / 255.0);
            let mut pairs = [red, green, blue].into_iter().zip(expected);
            assert!(pairs.all(|(a, b): (u8, u8)| a.abs_diff(b) <= 3), "{entry}");
        }
        for share in (0..=1_000).map(|i| f64::from(i) / 1_000.0) {
            let background = luminance(inferno(share)) + 0.05;
            let text = luminance(*text_color(share)) + 0.05;
            assert!(
                background.max(text) / background.min(text) >= 4.5,
                "{share}"
            );
        }
    }
}
