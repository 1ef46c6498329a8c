//! The confusion matrix as a heatmap.
//!
//! It owns what the figure shows. It knows counts and labels only: nothing of tch, of files, of
//! terminals or of how pixels are drawn.

mod layout;

use self::layout::Layout;
use super::canvas::Canvas;
use super::palette::{BLACK, GREY, Rgb};
use super::palette::{inferno, ink_on};
use super::text::{Anchor, TextStyle};
use crate::learn::ConfusionMatrix;
use crate::report::numbers::{real, tick_step};
use anyhow::{Result, ensure};

/// Width of the picture in pixels.
pub const WIDTH: usize = 1000;
/// Height of the picture in pixels.
pub const HEIGHT: usize = 900;

const BORDER: Rgb = [72, 68, 84];
/// With more classes than this the cells are too small for their counts.
const MOST_CLASSES_WITH_COUNTS: usize = 20;
/// Cells smaller than this many pixels have no border.
const SMALLEST_BORDERED: f64 = 12.0;
/// Size of the numbers at the colour bar.
const BAR_TEXT: f64 = 14.0;

/// Draws `matrix` as a PNG of [`WIDTH`] x [`HEIGHT`] pixels, 8-bit RGB.
///
/// Row 0 is at the top: one row per true class, one column per predicted class, a cell's colour
/// linear in its count from 0 to the largest count (inferno; all cells black if all counts are 0).
/// Each cell shows its count if there are at most 20 classes. `labels` are the class names in
/// class order, one per class; long ones are cut, and in a large matrix only some are shown.
/// The same matrix and labels give the same bytes.
///
/// # Errors
/// If there are fewer than 2 or more than 256 classes, or not one label per class.
pub fn heatmap(matrix: &ConfusionMatrix, labels: &[String]) -> Result<Vec<u8>> {
    mean_heatmap(matrix, 1, labels)
}

/// The same for the mean of several runs, of which `matrix` is the sum. Means below 10 are shown with one decimal.
///
/// # Errors
/// As [`heatmap`], or if there are no runs.
pub fn mean_heatmap(matrix: &ConfusionMatrix, runs: usize, labels: &[String]) -> Result<Vec<u8>> {
    ensure!(runs > 0, "a mean of no runs");
    let classes = matrix.classes();
    ensure!(
        (2..=256).contains(&classes),
        "a heatmap needs 2 to 256 classes, this matrix has {classes}"
    );
    let given = labels.len();
    ensure!(given == classes, "{given} labels for {classes} classes");

    let scale = Scale::of(matrix, runs);
    let bar_labels = TextStyle::new(BAR_TEXT).length(&scale.text(scale.largest))?;
    let layout = Layout::new(labels, bar_labels)?;
    let mut canvas = Canvas::new(WIDTH, HEIGHT, 1)?;
    draw_titles(&mut canvas, &layout, matrix, runs)?;
    draw_cells(&mut canvas, &layout, matrix, &scale)?;
    draw_labels(&mut canvas, &layout)?;
    draw_color_bar(&mut canvas, &layout, &scale, bar_labels)?;
    canvas.to_png()
}

/// The colour scale: linear in counts from 0 to the largest.
struct Scale {
    /// The largest count, at least 1.
    largest: u64,
    /// Runs whose counts are summed up.
    runs: usize,
}

impl Scale {
    fn of(matrix: &ConfusionMatrix, runs: usize) -> Self {
        let counts = cells(matrix.classes()).map(|(row, column)| matrix.count(row, column));
        Self {
            largest: counts.max().unwrap_or(0).max(1),
            runs,
        }
    }

    /// Of the largest count, 0..=1.
    fn share(&self, count: u64) -> f64 {
        real(count) / real(self.largest)
    }

    /// A count, or the mean of several runs' counts.
    fn text(&self, count: u64) -> String {
        let mean = real(count) / real(self.runs);
        let decimals = usize::from(self.runs > 1 && count > 0 && mean < 9.95);
        format!("{mean:.decimals$}")
    }

    /// Round counts of a run for the colour bar, at most nine, and where they lie: 0..=1.
    fn ticks(&self) -> impl Iterator<Item = (u64, f64)> {
        let largest = real(self.largest) / real(self.runs);
        let whole = self.largest / u64::try_from(self.runs).unwrap_or(u64::MAX);
        let step = tick_step(whole, 8);
        (0..=whole / step).map(move |i| (i * step, real(i * step) / largest))
    }
}

/// Row and column of every cell.
fn cells(classes: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..classes).flat_map(move |row| (0..classes).map(move |column| (row, column)))
}

fn draw_titles(
    canvas: &mut Canvas,
    layout: &Layout,
    matrix: &ConfusionMatrix,
    runs: usize,
) -> Result<()> {
    let center = layout.left + layout.side / 2.0;
    let summary = match matrix.total() {
        0 => "no images".to_owned(),
        total => {
            let percent = 100.0 * matrix.accuracy();
            let images = total / u64::try_from(runs).unwrap_or(u64::MAX);
            let of = if runs == 1 {
                String::new()
            } else {
                format!(", mean of {runs} runs")
            };
            format!("accuracy {percent:.2} % on {images} images{of}")
        }
    };
    let (title, axis) = (TextStyle::new(25.0).bold(), TextStyle::new(19.0));
    canvas.text("Confusion Matrix", (center, 34.0), &title)?;
    canvas.text(&summary, (center, 65.0), &TextStyle::new(15.0).color(GREY))?;
    canvas.text("Predicted label", layout.x_title(), &axis)?;
    canvas.text("True label", layout.y_title(), &axis.upward())
}

fn draw_cells(
    canvas: &mut Canvas,
    layout: &Layout,
    matrix: &ConfusionMatrix,
    scale: &Scale,
) -> Result<()> {
    let (left, top, classes) = (layout.left, layout.top, layout.classes());
    let number = count_style(layout, scale)?;
    for (row, column) in cells(classes) {
        let count = matrix.count(row, column);
        let color = inferno(scale.share(count));
        let from = (left + layout.edge(column), top + layout.edge(row));
        let to = (left + layout.edge(column + 1), top + layout.edge(row + 1));
        canvas.rectangle(from, to, color)?;
        if let Some(style) = number {
            let middle = (left + layout.middle(column), top + layout.middle(row));
            canvas.text(&scale.text(count), middle, &style.color(ink_on(color)))?;
        }
    }
    if layout.cell() >= SMALLEST_BORDERED {
        for edge in (1..classes).map(|i| layout.edge(i)) {
            let (x, y) = (left + edge, top + edge);
            canvas.rectangle((x, top), (x + 1.0, layout.bottom()), BORDER)?;
            canvas.rectangle((left, y), (layout.right(), y + 1.0), BORDER)?;
        }
    }
    canvas.frame((left, top), (layout.right(), layout.bottom()), BLACK)
}

/// The look of the counts, or none if they could not be read.
fn count_style(layout: &Layout, scale: &Scale) -> Result<Option<TextStyle>> {
    let style = TextStyle::new((layout.cell() * 0.27).min(22.0));
    let length = style.length(&scale.text(scale.largest))?;
    let fitting = style.size() * (0.8 * layout.cell() / length).min(1.0);
    let readable = layout.classes() <= MOST_CLASSES_WITH_COUNTS && fitting >= 7.0;
    Ok(readable.then(|| TextStyle::new(fitting)))
}

/// The class names at both axes with their ticks.
fn draw_labels(canvas: &mut Canvas, layout: &Layout) -> Result<()> {
    let (left, bottom) = (layout.left, layout.bottom());
    let beside = layout.label_style.anchor(Anchor::End);
    let (below, drop) = if layout.upright {
        (beside.upward(), 0.0)
    } else {
        (layout.label_style, 0.4 * layout.label_style.size())
    };
    for (i, label) in layout.labels.iter().enumerate().step_by(layout.stride) {
        let middle = layout.middle(i);
        let (x, y) = (left + middle.floor(), layout.top + middle.floor());
        canvas.rectangle((left - 6.0, y), (left, y + 1.0), BLACK)?;
        canvas.rectangle((x, bottom), (x + 1.0, bottom + 6.0), BLACK)?;
        let (x, y) = (left + middle, layout.top + middle);
        canvas.text(label, (layout.y_labels(), y), &beside)?;
        canvas.text(label, (x, layout.x_labels() + drop), &below)?;
    }
    Ok(())
}

fn draw_color_bar(
    canvas: &mut Canvas,
    layout: &Layout,
    scale: &Scale,
    bar_labels: f64,
) -> Result<()> {
    let (left, right) = layout.bar();
    let (top, bottom, highest) = (layout.top, layout.bottom(), layout.side - 1.0);
    let rows = std::iter::successors(Some(0.0), |row| Some(row + 1.0));
    for row in rows.take_while(|&row| row <= highest) {
        let (from, to) = ((left, top + row), (right, top + row + 1.0));
        canvas.rectangle(from, to, inferno(1.0 - row / highest))?;
    }
    canvas.frame((left, top), (right, bottom), BLACK)?;
    let style = TextStyle::new(BAR_TEXT).anchor(Anchor::Start);
    for (tick, share) in scale.ticks() {
        let y = (bottom - 1.0 - share * highest).round();
        canvas.rectangle((right, y), (right + 5.0, y + 1.0), BLACK)?;
        canvas.text(&tick.to_string(), (right + 10.0, y + 0.5), &style)?;
    }
    let at = (right + 10.0 + bar_labels + 22.0, top + layout.side / 2.0);
    canvas.text("Images", at, &TextStyle::new(16.0).upward())
}

#[cfg(test)]
mod tests;
