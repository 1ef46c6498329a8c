//! A white RGB picture to draw on: rectangles, strokes, dots and text in, PNG bytes out.
//!
//! It owns the pixels, smooth edges and the PNG encoding, and is the only user of plotters and of
//! the png crate. It knows nothing of matrices, runs, tch, files or terminals. Coordinates are
//! pixels of the finished picture: x to the right, y down, (0, 0) the picture's upper left corner.

use super::palette::Rgb;
use super::text::{Anchor, Line, Reading, TextStyle};
use crate::report::numbers::real;
use anyhow::{Result, anyhow, ensure};
use plotters::prelude::*;

/// A picture in the making, white at first.
pub struct Canvas {
    width: usize,
    height: usize,
    /// Samples per pixel and axis; `pixels` is that many times larger than the picture.
    samples: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A white picture of `width` x `height` pixels that takes `samples` x `samples` samples per
    /// pixel: 1 for shapes that end on whole pixels, 3 for smooth slanted lines.
    ///
    /// # Errors
    /// If a number is 0 or so large that a coordinate would not fit into 31 bits.
    pub fn new(width: usize, height: usize, samples: usize) -> Result<Self> {
        ensure!(
            width.min(height).min(samples) > 0,
            "an empty picture of {width} x {height} pixels"
        );
        let bytes = [height, samples, samples, 3]
            .iter()
            .try_fold(width, |product, &n| product.checked_mul(n))
            .filter(|&bytes| i32::try_from(bytes).is_ok());
        let bytes = bytes.ok_or_else(|| anyhow!("{width} x {height} pixels are too many"))?;
        Ok(Self {
            width,
            height,
            samples,
            pixels: vec![u8::MAX; bytes],
        })
    }

    /// Fills the rectangle from (`left`, `top`) up to and not including (`right`, `bottom`).
    ///
    /// # Errors
    /// If plotters refuses to draw.
    pub fn rectangle(&mut self, from: (f64, f64), to: (f64, f64), color: Rgb) -> Result<()> {
        let (from, to) = (self.sample(from), self.sample(to));
        self.backend()?.draw_rect(from, to, &fill(color), true)?;
        Ok(())
    }

    /// Draws lines of `width` pixels from point to point, with round joints and ends.
    ///
    /// # Errors
    /// If plotters refuses to draw.
    pub fn stroke(&mut self, points: &[(f64, f64)], width: f64, color: Rgb) -> Result<()> {
        let (style, radius) = (fill(color), width * real(self.samples) / 2.0);
        let ends: Vec<_> = points.iter().map(|&point| self.sample(point)).collect();
        let mut backend = self.backend()?;
        for pair in ends.windows(2) {
            backend.fill_polygon(bar(pair[0], pair[1], radius), &style)?;
        }
        for &end in &ends {
            backend.draw_circle(end, whole(radius).unsigned_abs(), &style, true)?;
        }
        Ok(())
    }

    /// Fills a polygon.
    ///
    /// # Errors
    /// If plotters refuses to draw.
    pub fn polygon(&mut self, corners: &[(f64, f64)], color: Rgb) -> Result<()> {
        let corners: Vec<_> = corners.iter().map(|&corner| self.sample(corner)).collect();
        self.backend()?.fill_polygon(corners, &fill(color))?;
        Ok(())
    }

    /// Fills a disc around `center` with a radius in pixels.
    ///
    /// # Errors
    /// If plotters refuses to draw.
    pub fn dot(&mut self, center: (f64, f64), radius: f64, color: Rgb) -> Result<()> {
        let (center, radius) = (self.sample(center), self.length(radius));
        self.backend()?
            .draw_circle(center, radius, &fill(color), true)?;
        Ok(())
    }

    /// Draws the outline of a rectangle 1 pixel wide, just inside its edges.
    ///
    /// # Errors
    /// If plotters refuses to draw.
    pub fn frame(&mut self, from: (f64, f64), to: (f64, f64), color: Rgb) -> Result<()> {
        let ((left, top), (right, bottom)) = (from, to);
        self.rectangle(from, (right, top + 1.0), color)?;
        self.rectangle((left, bottom - 1.0), to, color)?;
        self.rectangle(from, (left + 1.0, bottom), color)?;
        self.rectangle((right - 1.0, top), to, color)
    }

    /// Writes a line of text: half the height of its capitals lies on `at`, and so does the part
    /// of the line that the style's anchor names. Letters off the picture are cut.
    ///
    /// # Errors
    /// Only if the font in the program is damaged.
    pub fn text(&mut self, text: &str, at: (f64, f64), style: &TextStyle) -> Result<()> {
        let samples = real(self.samples);
        let line = Line::new(text, style, samples)?;
        let (left, right) = line.ink();
        let start = f64::from(match style.anchor {
            Anchor::Start => left,
            Anchor::Middle => f32::midpoint(left, right),
            Anchor::End => right,
        });
        let drop = f64::from(line.cap_height()) / 2.0;
        let (x, y) = (at.0 * samples, at.1 * samples);
        match style.reading {
            Reading::Across => {
                let (x, y) = (whole(x - start), whole(y + drop));
                line.pixels(|along, down, ink| self.blend(x + along, y + down, style.color, ink));
            }
            Reading::Upward => {
                let (x, y) = (whole(x + drop), whole(y + start));
                line.pixels(|along, down, ink| {
                    self.blend(x + down, y - along - 1, style.color, ink);
                });
            }
        }
        Ok(())
    }

    /// The finished picture as PNG, 8-bit RGB. The same drawing gives the same bytes.
    ///
    /// # Errors
    /// If the PNG encoder fails.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let (width, height) = (u32::try_from(self.width)?, u32::try_from(self.height)?);
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.averaged())?;
        writer.finish()?;
        Ok(bytes)
    }

    /// The mean of each pixel's samples.
    fn averaged(&self) -> Vec<u8> {
        let (samples, row) = (self.samples, self.width * 3);
        let mut picture = Vec::with_capacity(row * self.height);
        let mut sums = vec![0_usize; row];
        for lines in self.pixels.chunks_exact(row * samples * samples) {
            sums.fill(0);
            for line in lines.chunks_exact(row * samples) {
                for (sum, group) in sums.chunks_exact_mut(3).zip(line.chunks_exact(samples * 3)) {
                    for sample in group.chunks_exact(3) {
                        sum[0] += usize::from(sample[0]);
                        sum[1] += usize::from(sample[1]);
                        sum[2] += usize::from(sample[2]);
                    }
                }
            }
            let area = samples * samples;
            let mean = |&sum| u8::try_from((sum + area / 2) / area).unwrap_or(u8::MAX);
            picture.extend(sums.iter().map(mean));
        }
        picture
    }

    /// Plotters' view of the samples.
    fn backend(&mut self) -> Result<BitMapBackend<'_>> {
        let size = (
            u32::try_from(self.width * self.samples)?,
            u32::try_from(self.height * self.samples)?,
        );
        Ok(BitMapBackend::with_buffer(&mut self.pixels, size))
    }

    /// Mixes `color` into one sample, in the share `ink` of 0..=1; outside the picture, nothing.
    fn blend(&mut self, x: i32, y: i32, color: Rgb, ink: f32) {
        let row = self.width * self.samples;
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if x >= row || y >= self.height * self.samples {
            return;
        }
        let start = (y * row + x) * 3;
        for (old, new) in self.pixels[start..start + 3].iter_mut().zip(color) {
            *old = level(f32::from(*old) * (1.0 - ink) + f32::from(new) * ink);
        }
    }

    fn sample(&self, point: (f64, f64)) -> (i32, i32) {
        let samples = real(self.samples);
        (whole(point.0 * samples), whole(point.1 * samples))
    }

    fn length(&self, pixels: f64) -> u32 {
        whole(pixels * real(self.samples)).max(1).unsigned_abs()
    }
}

fn fill(color: Rgb) -> ShapeStyle {
    RGBColor(color[0], color[1], color[2]).filled()
}

/// The corners of a straight line that is two radii wide. (Plotters cuts its own to whole samples,
/// which makes slanted lines thinner than level ones.)
fn bar(from: (i32, i32), to: (i32, i32), radius: f64) -> Vec<(i32, i32)> {
    let (run, rise) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
    let length = run.hypot(rise).max(1.0);
    let (x, y) = (-rise / length * radius, run / length * radius);
    let corner = |end: (i32, i32), side: f64| {
        let (across, down) = (f64::from(end.0) + side * x, f64::from(end.1) + side * y);
        (whole(across), whole(down))
    };
    vec![
        corner(from, 1.0),
        corner(to, 1.0),
        corner(to, -1.0),
        corner(from, -1.0),
    ]
}

/// The nearest whole sample.
#[allow(clippy::cast_possible_truncation, reason = "the cast saturates")]
fn whole(value: f64) -> i32 {
    value.round() as i32
}

/// A colour level from its value, which lies in 0..=255.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates at 0 and 255"
)]
fn level(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
pub(super) mod tests;
