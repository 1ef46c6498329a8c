//! `confusion.png`: the confusion matrix as a heatmap.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::charts::{Axis, Chart, axes};
use super::picture::{
    Area, Font, Point, cut, font, frame, from_start, heading, length, longest, png, rectangle,
    text, to_end, upward,
};
use super::{real, tick_step};
use crate::learn::ConfusionMatrix;

const SIZE: (u32, u32) = (1000, 900);
const BORDER: RGBColor = RGBColor(72, 68, 84);
/// With more classes than this the cells are too small for their counts.
const MOST_WITH_COUNTS: usize = 20;
/// Smaller cells, in pixels, have no border.
const SMALLEST_BORDERED: f64 = 12.0;
/// Longer class names, in pixels, are cut.
const LONGEST_NAME: f64 = 150.0;
/// Above the matrix, for the titles.
const TOP: f64 = 88.0;
/// From the matrix to the colour bar.
const TO_BAR: f64 = 28.0;
/// Width of the colour bar.
const BAR: f64 = 26.0;

/// Draws `matrix`, the sum of `runs` runs, as a PNG: a row per true class from the top, a column
/// per predicted class, colours linear from 0 to the largest count. Up to 20 classes each cell
/// shows its count, or the mean of several runs' counts. `labels` are the classes' names.
pub(crate) fn heatmap(matrix: &ConfusionMatrix, runs: usize, labels: &[String]) -> Result<Vec<u8>> {
    let (classes, given) = (matrix.classes(), labels.len());
    ensure!(runs > 0, "a mean of no runs");
    ensure!(
        (2..=256).contains(&classes),
        "a heatmap needs 2 to 256 classes, this matrix has {classes}"
    );
    ensure!(given == classes, "{given} labels for {classes} classes");
    let largest = matrix.rows().flatten().copied().max().unwrap_or(0).max(1);
    let scale = Scale { largest, runs };
    png(SIZE, |area| {
        let grid = Grid::new(labels, length(&scale.text(largest), &font(14.0))?)?;
        let middle = grid.left + grid.side / 2.0;
        heading(area, middle, "Confusion Matrix", &summary(matrix, runs))?;
        let mut chart = label(area, &grid)?;
        let cells = cells(classes).map(|(row, column)| {
            let share = scale.share(matrix.count(row, column));
            let (x, y) = (real(column), real(row));
            Rectangle::new([(x, y), (x + 1.0, y + 1.0)], inferno(share).filled())
        });
        chart.draw_series(cells)?;
        draw_counts(area, &grid, matrix, &scale)?;
        draw_borders(area, &grid)?;
        draw_bar(area, &grid, &scale)
    })
}

/// Row and column of every cell.
fn cells(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |row| (0..classes).map(move |column| (row, column)))
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

/// The colour scale: linear in counts from 0 to the largest, which is not 0.
struct Scale {
    largest: u64,
    /// Runs whose counts are summed up.
    runs: usize,
}

impl Scale {
    /// Of the largest count, 0..=1.
    fn share(&self, count: u64) -> f64 {
        real(count) / real(self.largest)
    }

    /// A count, or the mean of several runs' counts, small ones with a decimal.
    fn text(&self, count: u64) -> String {
        let mean = real(count) / real(self.runs);
        let decimals = usize::from(self.runs > 1 && count > 0 && mean < 9.95);
        format!("{mean:.decimals$}")
    }
}

/// Where everything stands.
struct Grid {
    /// The classes' names, long ones cut.
    labels: Vec<String>,
    font: Font,
    /// Of the labels' letters.
    size: f64,
    /// Of the longest label.
    width: f64,
    /// Whether the labels below read upward, because they are too long for a cell.
    is_upright: bool,
    left: f64,
    /// Width and height of the matrix; up to 50 classes a whole number for each.
    side: f64,
}

impl Grid {
    /// Fits the matrix between its labels and a colour bar with numbers of this width.
    fn new(names: &[String], bar_numbers: f64) -> Result<Self> {
        let classes = real(names.len());
        let size = (360.0 / classes).clamp(10.0, 17.0);
        let font = font(size);
        let cut = |name: &String| cut(name, &font, LONGEST_NAME);
        let labels: Vec<String> = names.iter().map(cut).collect::<Result<_>>()?;
        let width = longest(labels.iter().map(String::as_str), &font)?;
        let is_upright = width > 0.75 * 730.0 / classes;
        let below = 64.0 + if is_upright { width } else { size };
        let (beside, right) = (width + 70.0, TO_BAR + BAR + bar_numbers + 70.0);
        let room = (real(SIZE.0) - beside - right, real(SIZE.1) - TOP - below);
        let mut whole = room.0.min(room.1).floor();
        if classes <= 50.0 {
            whole = (whole / classes).floor() * classes;
        }
        let left = (beside + (room.0 - whole) / 2.0).round();
        Ok(Self {
            labels,
            font,
            size,
            width,
            is_upright,
            left,
            side: whole,
        })
    }

    fn cell(&self) -> f64 {
        self.side / real(self.labels.len())
    }

    /// From the start of the matrix to the middle of a cell.
    fn middle(&self, class: usize) -> f64 {
        self.cell() * (real(class) + 0.5)
    }

    fn bottom(&self) -> f64 {
        TOP + self.side
    }
}

/// The axes with the classes' names, as many as can be read.
fn label<'a>(area: &Area<'a>, grid: &Grid) -> Result<Chart<'a>> {
    let (classes, size) = (real(grid.labels.len()), grid.size);
    let readable = |&n: &usize| real(n) * grid.cell() >= 1.4 * size;
    let stride = (1..256).find(readable).unwrap_or(256);
    let shown = || grid.labels.iter().enumerate().step_by(stride);
    let axis = |title, range, room| Axis {
        range,
        ticks: shown()
            .map(|(class, name)| (real(class) + 0.5, name.clone()))
            .collect(),
        lines: Vec::new(),
        title,
        room,
    };
    let below = if grid.is_upright { grid.width } else { size };
    let mut x = axis("Predicted label", 0.0..classes, 46.0 + below);
    let y = axis("True label", classes..0.0, 54.0 + grid.width);
    if grid.is_upright {
        x.ticks.iter_mut().for_each(|(_, name)| name.clear());
        for (class, name) in shown() {
            let at = (grid.left + grid.middle(class), grid.bottom() + 12.0);
            text(area, name, at, &upward(&to_end(&grid.font)))?;
        }
    }
    axes(area, (grid.left, TOP), (grid.side, grid.side), size, [x, y])
}

/// The counts in the cells, where there is room for them.
fn draw_counts(area: &Area, grid: &Grid, matrix: &ConfusionMatrix, scale: &Scale) -> Result<()> {
    let usual = (grid.cell() * 0.27).min(22.0);
    let widest = length(&scale.text(scale.largest), &font(usual))?;
    let size = usual * (0.8 * grid.cell() / widest).min(1.0);
    if matrix.classes() > MOST_WITH_COUNTS || size < 7.0 {
        return Ok(());
    }
    let font = font(size);
    for (row, column) in cells(matrix.classes()) {
        let count = matrix.count(row, column);
        let ink = ink_on(inferno(scale.share(count)));
        let at = (grid.left + grid.middle(column), TOP + grid.middle(row));
        let style = font.color(&ink);
        text(area, &scale.text(count), at, &style)?;
    }
    Ok(())
}

fn draw_borders(area: &Area, grid: &Grid) -> Result<()> {
    let (left, right, bottom) = (grid.left, grid.left + grid.side, grid.bottom());
    if grid.cell() >= SMALLEST_BORDERED {
        for edge in (1..grid.labels.len()).map(|class| grid.cell() * real(class)) {
            let (x, y) = ((left + edge).round(), (TOP + edge).round());
            rectangle(area, (x, TOP), (x + 1.0, bottom), BORDER)?;
            rectangle(area, (left, y), (right, y + 1.0), BORDER)?;
        }
    }
    frame(area, (left, TOP), (right, bottom), BLACK)
}

/// The colour bar with round counts beside it.
fn draw_bar(area: &Area, grid: &Grid, scale: &Scale) -> Result<()> {
    let (left, bottom) = (grid.left + grid.side + TO_BAR, grid.bottom());
    let (right, highest) = (left + BAR, grid.side - 1.0);
    let place = |share: f64| (bottom - 1.0 - share * highest).round();
    for share in (0..=256).rev().map(|level| f64::from(level) / 256.0) {
        let from = (left, place(share));
        rectangle(area, from, (right, bottom), inferno(share))?;
    }
    frame(area, (left, TOP), (right, bottom), BLACK)?;
    let font = from_start(&font(14.0));
    let largest = real(scale.largest) / real(scale.runs);
    let whole = usize::try_from(scale.largest).unwrap_or(usize::MAX) / scale.runs;
    let step = tick_step(whole, 8);
    for tick in (0..=whole).step_by(step) {
        let y = place(real(tick) / largest);
        rectangle(area, (right, y), (right + 5.0, y + 1.0), BLACK)?;
        text(area, &tick.to_string(), (right + 10.0, y + 0.5), &font)?;
    }
    // All digits are as wide as each other.
    let widest = length(&(whole / step * step).to_string(), &font)?;
    let at: Point = (right + 10.0 + widest + 22.0, TOP + grid.side / 2.0);
    text(area, "Images", at, &upward(&super::picture::font(16.0)))
}

/// Black or white, whichever stands out more on `background`: by WCAG 2 their contrast is at least
/// 4.5, what small text needs.
fn ink_on(background: RGBColor) -> RGBColor {
    let light = luminance(background) + 0.05;
    // Luminance is 0 for black and 1 for white.
    if light / 0.05 > 1.05 / light {
        BLACK
    } else {
        WHITE
    }
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

#[cfg(test)]
mod tests {
    use super::super::picture::samples;
    use super::super::picture::tests::shown;
    use super::*;

    fn digits(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    fn matrix(classes: usize, count: impl Fn(usize, usize) -> u64) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(classes);
        for (truth, predicted) in cells(classes) {
            matrix.add(truth, predicted, count(truth, predicted));
        }
        matrix
    }

    /// Counts that tell every cell from every other, mirrored ones too.
    fn uneven(truth: usize, predicted: usize) -> u64 {
        (truth * 97 + predicted * 11) as u64
    }

    #[test]
    fn every_cell_has_the_exact_color_of_its_count() {
        for classes in [2, 10, 27, 50, 256] {
            let matrix = matrix(classes, uneven);
            let png = heatmap(&matrix, 1, &digits(classes)).unwrap();
            assert_eq!(png, heatmap(&matrix, 1, &digits(classes)).unwrap());
            let picture = shown(&format!("confusion-{classes}"), &png);
            assert_eq!(picture.dimensions(), SIZE);
            let largest = uneven(classes - 1, classes - 1);
            let numbers = length(&largest.to_string(), &font(14.0)).unwrap();
            let grid = Grid::new(&digits(classes), numbers).unwrap();
            let at = |pixels: f64| u32::try_from(samples(pixels) / 3).unwrap();
            // Off the counts, the borders and the frame, and well inside.
            for (row, column) in cells(classes - 1).filter(|&(row, column)| row * column > 0) {
                let place = |class: usize, share: f64| grid.cell() * (real(class) + share);
                let share = if classes > 20 { 0.5 } else { 0.12 };
                let color = inferno(real(uneven(row, column)) / real(largest));
                let x = at(grid.left + place(column, share));
                let y = at(TOP + place(row, share));
                let levels = picture.get_pixel(x, y).0.into_iter();
                let levels = levels.zip([color.0, color.1, color.2]);
                // Cells of 2.8 pixels share some of them with their neighbours.
                let most = if classes > 50 { 3 } else { 0 };
                let differ = levels.map(|(a, b)| a.abs_diff(b)).max();
                assert!(differ <= Some(most), "{classes}: {row}, {column}");
            }
        }
    }

    #[test]
    fn long_names_large_counts_and_means_have_room() {
        let names = (0..10).map(|i| format!("a rather long class name {i}"));
        let names: Vec<String> = names.collect();
        let counts = |row, column| uneven(row, column) * 1_000_000;
        let enormous = |row, _| if row == 0 { u64::MAX / 4 } else { 0 };
        let clothes = "T-shirt,Trouser,Pullover,Dress,Coat,Sandal,Shirt,Sneaker,Bag,Ankle boot";
        let clothes: Vec<String> = clothes.split(',').map(str::to_owned).collect();
        for (name, matrix, runs, labels) in [
            ("long", matrix(10, counts), 1, &names),
            ("mean", matrix(10, uneven), 40, &digits(10)),
            ("clothes", matrix(10, uneven), 1, &clothes),
            ("empty", matrix(10, |_, _| 0), 1, &digits(10)),
            ("enormous", matrix(2, enormous), 1, &digits(2)),
            ("20", matrix(20, uneven), 1, &digits(20)),
        ] {
            let png = heatmap(&matrix, runs, labels).unwrap();
            let picture = shown(&format!("confusion-{name}"), &png);
            assert_eq!(picture.dimensions(), SIZE);
        }
    }

    #[test]
    fn inferno_is_that_of_matplotlib_and_ink_can_be_read_on_it() {
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
            let ink = luminance(ink_on(inferno(share))) + 0.05;
            assert!(background.max(ink) / background.min(ink) >= 4.5, "{share}");
        }
    }
}
