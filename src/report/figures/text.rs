//! Text for the pictures: how it looks, and the pixels of one line in `DejaVu` Sans.
//!
//! It owns the font (bytes in the program, so a picture looks the same on every machine) and the
//! geometry of a line of text. It knows nothing of plotters, canvases, files or terminals.
//!
//! Why not plotters' own text: version 0.3.7 with `ab_glyph` drops each glyph's left side bearing
//! and cuts pen positions to whole pixels, so letters stand at uneven distances ("Con fusion").

use super::palette::{BLACK, Rgb};
use ab_glyph::{Font, FontRef, OutlinedGlyph, PxScale, PxScaleFactor, ScaleFont, point};
use anyhow::{Context, Result};
use std::sync::LazyLock;

/// Which part of a line of text lies on its anchor, along the reading direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The start of the ink.
    Start,
    /// The middle of the ink.
    Middle,
    /// The end of the ink.
    End,
}

/// Which way a line of text reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Left to right.
    Across,
    /// Bottom to top, as on a y axis.
    Upward,
}

/// How a line of text looks and where it stands relative to its anchor.
#[derive(Clone, Copy, Debug)]
pub struct TextStyle {
    size: f64,
    weight: Weight,
    pub(super) color: Rgb,
    pub(super) anchor: Anchor,
    pub(super) reading: Reading,
}

impl TextStyle {
    /// Black, regular, reading across, its middle on the anchor; `size` is an em in pixels.
    #[must_use]
    pub fn new(size: f64) -> Self {
        Self {
            size,
            weight: Weight::Regular,
            color: BLACK,
            anchor: Anchor::Middle,
            reading: Reading::Across,
        }
    }

    /// The same in bold.
    #[must_use]
    pub fn bold(mut self) -> Self {
        self.weight = Weight::Bold;
        self
    }

    /// The same in another colour.
    #[must_use]
    pub fn color(mut self, color: Rgb) -> Self {
        self.color = color;
        self
    }

    /// The same with another part of the line on its anchor.
    #[must_use]
    pub fn anchor(mut self, anchor: Anchor) -> Self {
        self.anchor = anchor;
        self
    }

    /// The same reading from bottom to top.
    #[must_use]
    pub fn upward(mut self) -> Self {
        self.reading = Reading::Upward;
        self
    }

    /// Size of an em in pixels.
    #[must_use]
    pub fn size(&self) -> f64 {
        self.size
    }

    /// Length of `text` in this style in pixels.
    ///
    /// # Errors
    /// Only if the font in the program is damaged.
    pub fn length(&self, text: &str) -> Result<f64> {
        let (left, right) = Line::new(text, self, 1.0)?.ink();
        Ok(f64::from(right - left))
    }

    /// `text`, or as much of it as fits into `longest` pixels, with an ellipsis.
    ///
    /// # Errors
    /// Only if the font in the program is damaged.
    pub fn cut(&self, text: &str, longest: f64) -> Result<String> {
        if self.length(text)? <= longest {
            return Ok(text.to_owned());
        }
        let shortened = |kept: usize| text.chars().take(kept).chain(['…']).collect::<String>();
        let (mut fits, mut too_long) = (0, text.chars().count());
        while too_long - fits > 1 {
            let middle = usize::midpoint(fits, too_long);
            if self.length(&shortened(middle))? <= longest {
                fits = middle;
            } else {
                too_long = middle;
            }
        }
        Ok(shortened(fits))
    }
}

type BuiltIn = LazyLock<Option<FontRef<'static>>>;
static REGULAR: BuiltIn = LazyLock::new(|| FontRef::try_from_slice(dejavu::sans::regular()).ok());
static BOLD: BuiltIn = LazyLock::new(|| FontRef::try_from_slice(dejavu::sans::bold()).ok());

/// How heavy the letters are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weight {
    Regular,
    Bold,
}

/// One line of text, laid out with its pen starting at (0, 0) on the baseline.
pub(super) struct Line {
    glyphs: Vec<OutlinedGlyph>,
    left: f32,
    right: f32,
    cap_height: f32,
}

impl Line {
    /// Lays out `text` in `style`, `zoom` times as large. A character that the font lacks becomes
    /// the font's empty box.
    ///
    /// # Errors
    /// Only if the font in the program is damaged.
    pub(super) fn new(text: &str, style: &TextStyle, zoom: f64) -> Result<Self> {
        let font = match style.weight {
            Weight::Regular => &REGULAR,
            Weight::Bold => &BOLD,
        };
        let font = font.as_ref().context("the built-in font is damaged")?;
        let em = font.units_per_em().context("the built-in font has no em")?;
        // ab_glyph scales by the font's height (ascent to descent), a reader thinks in ems.
        let scale = PxScale::from(single(style.size * zoom) * font.height_unscaled() / em);
        let scaled = font.as_scaled(scale);
        let cap_height = font
            .outline(font.glyph_id('H'))
            .map_or(0.0, |h| h.bounds.min.y * scaled.v_scale_factor());

        let mut pen = 0.0;
        let mut previous = None;
        let mut glyphs = Vec::new();
        let mut ink: Option<(f32, f32)> = None;
        for letter in text.chars() {
            let id = font.glyph_id(letter);
            if let Some(previous) = previous {
                pen += scaled.kern(previous, id);
            }
            previous = Some(id);
            if let Some(outline) = font.outline(id) {
                let left = pen + outline.bounds.min.x * scaled.h_scale_factor();
                let right = pen + outline.bounds.max.x * scaled.h_scale_factor();
                ink = Some((ink.map_or(left, |(first, _)| first), right));
                let glyph = id.with_scale_and_position(scale, point(pen, 0.0));
                let factor = PxScaleFactor {
                    horizontal: scaled.h_scale_factor(),
                    vertical: scaled.v_scale_factor(),
                };
                glyphs.push(OutlinedGlyph::new(glyph, outline, factor));
            }
            pen += scaled.h_advance(id);
        }
        let (left, right) = ink.unwrap_or_default();
        Ok(Self {
            glyphs,
            left,
            right,
            cap_height,
        })
    }

    /// Left and right end of the ink in pixels from the pen's start, equal without ink.
    pub(super) fn ink(&self) -> (f32, f32) {
        (self.left, self.right)
    }

    /// Height of a capital letter in pixels.
    pub(super) fn cap_height(&self) -> f32 {
        self.cap_height
    }

    /// Calls `paint(x, y, coverage)` for each pixel with ink: x to the right of the pen's start,
    /// y down from the baseline, coverage in 0..=1.
    pub(super) fn pixels(&self, mut paint: impl FnMut(i32, i32, f32)) {
        for glyph in &self.glyphs {
            let bounds = glyph.px_bounds();
            let (left, top) = (whole(bounds.min.x), whole(bounds.min.y));
            glyph.draw(|x, y, coverage| {
                if let (Ok(x), Ok(y)) = (i32::try_from(x), i32::try_from(y)) {
                    paint(left + x, top + y, coverage.clamp(0.0, 1.0));
                }
            });
        }
    }
}

/// A text size for the font, which works in single precision.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a size needs no more digits"
)]
fn single(value: f64) -> f32 {
    value as f32
}

/// A whole pixel coordinate; glyph bounds are whole already and far below `i32::MAX`.
#[allow(
    clippy::cast_possible_truncation,
    reason = "the value is a small whole number"
)]
fn whole(value: f32) -> i32 {
    value as i32
}

#[cfg(test)]
mod tests;
