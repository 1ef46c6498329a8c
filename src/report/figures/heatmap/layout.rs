//! Where the parts of the heatmap stand, in whole pixels of the picture.
//!
//! It owns the sizes of margins, cells and labels. It draws nothing and knows no counts.

use super::{HEIGHT, WIDTH};
use crate::report::figures::text::TextStyle;
use crate::report::numbers::real;
use anyhow::Result;

/// Longest label in pixels; the rest is cut.
const LONGEST_LABEL: f64 = 150.0;
/// Above the matrix, for the titles.
const ABOVE: f64 = 88.0;
/// Below the x axis' labels, for the axis title and the margin.
const BELOW: f64 = 52.0;
/// Left of the y axis' labels, for the axis title and the margin.
const BESIDE: f64 = 68.0;
/// From the matrix to the labels of its axes.
const TO_LABELS: f64 = 13.0;
/// From the matrix to the colour bar.
const TO_BAR: f64 = 28.0;
/// Width of the colour bar.
const BAR: f64 = 26.0;
/// Right of the colour bar, without its labels: tick, axis title and margin.
const AFTER_BAR: f64 = 70.0;

/// Where the parts of the heatmap stand.
pub struct Layout {
    /// Class names as drawn, long ones cut.
    pub labels: Vec<String>,
    /// Their look.
    pub label_style: TextStyle,
    /// The labels of the x axis read upward because they are too wide for a cell.
    pub upright: bool,
    /// Every how many classes there is a label, at least 1.
    pub stride: usize,
    /// Left edge of the matrix.
    pub left: f64,
    /// Upper edge of the matrix.
    pub top: f64,
    /// Width and height of the matrix; a multiple of the number of classes up to 50 classes.
    pub side: f64,
    label_width: f64,
}

impl Layout {
    /// Fits the matrix between its labels and a colour bar whose labels are `bar_labels` wide.
    ///
    /// # Errors
    /// Only if the font in the program is damaged.
    pub fn new(labels: &[String], bar_labels: f64) -> Result<Self> {
        let classes = real(labels.len());
        let label_style = TextStyle::new((360.0 / classes).clamp(10.0, 17.0));
        let labels = labels
            .iter()
            .map(|label| label_style.cut(label, LONGEST_LABEL));
        let labels: Vec<String> = labels.collect::<Result<_>>()?;
        let mut label_width = 0.0_f64;
        for label in &labels {
            label_width = label_width.max(label_style.length(label)?);
        }

        // How the x labels read depends on a cell's width, which depends on how they read: take
        // the width that cells have without labels.
        let (width, height) = (real(WIDTH), real(HEIGHT) - ABOVE - TO_LABELS - BELOW);
        let upright = label_width > 0.75 * height / classes;
        let below = if upright {
            label_width
        } else {
            label_style.size()
        };
        let beside = BESIDE + label_width + TO_LABELS + TO_BAR + BAR + bar_labels + AFTER_BAR;
        let mut side = (height - below).min(width - beside).floor();
        if classes <= 50.0 {
            side = (side / classes).floor() * classes;
        }
        let spare = (width - beside - side) / 2.0;
        let pitch = 1.4 * label_style.size() * classes / side;
        Ok(Self {
            labels,
            label_style,
            upright,
            stride: (1..256).find(|&n: &usize| real(n) >= pitch).unwrap_or(256),
            left: (spare + BESIDE + label_width + TO_LABELS).round(),
            top: ABOVE,
            side,
            label_width,
        })
    }

    /// Number of classes.
    #[must_use]
    pub fn classes(&self) -> usize {
        self.labels.len()
    }

    /// Width and height of a cell; up to 50 classes the same whole number for all.
    #[must_use]
    pub fn cell(&self) -> f64 {
        self.side / real(self.classes())
    }

    /// From the start of the matrix to the start of cell `i`, i <= classes; whole.
    #[must_use]
    pub fn edge(&self, i: usize) -> f64 {
        (self.cell() * real(i)).round()
    }

    /// From the start of the matrix to the middle of cell `i`, i < classes.
    #[must_use]
    pub fn middle(&self, i: usize) -> f64 {
        f64::midpoint(self.edge(i), self.edge(i + 1))
    }

    /// Right edge of the matrix.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.left + self.side
    }

    /// Lower edge of the matrix.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.top + self.side
    }

    /// The right end of the y axis' labels.
    #[must_use]
    pub fn y_labels(&self) -> f64 {
        self.left - TO_LABELS
    }

    /// The upper end of the x axis' labels.
    #[must_use]
    pub fn x_labels(&self) -> f64 {
        self.bottom() + TO_LABELS
    }

    /// Middle of the x axis' title.
    #[must_use]
    pub fn x_title(&self) -> (f64, f64) {
        let labels = if self.upright {
            self.label_width
        } else {
            self.label_style.size()
        };
        (self.left + self.side / 2.0, self.x_labels() + labels + 24.0)
    }

    /// Middle of the y axis' title.
    #[must_use]
    pub fn y_title(&self) -> (f64, f64) {
        let labels = self.y_labels() - self.label_width;
        (labels - 26.0, self.top + self.side / 2.0)
    }

    /// Left and right edge of the colour bar, which is as high as the matrix.
    #[must_use]
    pub fn bar(&self) -> (f64, f64) {
        (self.right() + TO_BAR, self.right() + TO_BAR + BAR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(classes: usize, label: &str) -> Layout {
        Layout::new(&vec![label.to_owned(); classes], 30.0).unwrap()
    }

    #[test]
    fn everything_lies_inside_the_picture() {
        for classes in [2, 10, 47, 256] {
            for label in ["", "0", "255", "Ankle boot", &"long name ".repeat(3)] {
                let layout = layout(classes, label);
                assert!(layout.side >= 500.0, "{classes} x {label}: {}", layout.side);
                assert!(layout.y_title().0 >= 20.0, "{classes} x {label}");
                assert!(
                    layout.bar().1 + 30.0 + 40.0 <= real(WIDTH),
                    "{classes} x {label}"
                );
                assert!(
                    layout.x_title().1 <= real(HEIGHT) - 20.0,
                    "{classes} x {label}"
                );
            }
        }
    }

    #[test]
    fn cells_are_equal_squares_and_fill_the_matrix() {
        for classes in [2, 3, 7, 10, 23, 49, 50] {
            let layout = layout(classes, "0");
            assert!(
                layout.cell().fract().abs() < 1e-9,
                "{classes}: {}",
                layout.cell()
            );
        }
        for classes in [2, 10, 50, 51, 100, 256] {
            let layout = layout(classes, "0");
            assert!((layout.edge(classes) - layout.side).abs() < 1e-9);
            let widths = (0..classes).map(|i| layout.edge(i + 1) - layout.edge(i));
            assert!(widths.into_iter().all(|w| (w - layout.cell()).abs() < 1.0));
        }
    }

    #[test]
    fn labels_have_room() {
        assert!(!layout(10, "9").upright);
        assert!(layout(10, "Ankle boot").upright);
        assert_eq!(layout(10, "9").stride, 1);
        let many = layout(256, "255");
        assert!(real(many.stride) * many.cell() >= many.label_style.size());
    }
}
