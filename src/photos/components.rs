//! Connected pieces of what stands out, and their shapes.

use image::{Luma, imageops};

use super::Plane;
use super::ink::filtered;

/// A part of a plane, by its first and last columns and rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
}

impl Frame {
    /// The smallest one that holds all these pixels.
    pub fn around(pixels: impl Iterator<Item = (u32, u32)>) -> Option<Self> {
        let of_pixel = |(left, top)| Self {
            left,
            top,
            right: left,
            bottom: top,
        };
        pixels.map(of_pixel).reduce(Self::and)
    }

    pub fn width(self) -> u32 {
        self.right - self.left + 1
    }

    pub fn height(self) -> u32 {
        self.bottom - self.top + 1
    }

    pub fn longer(self) -> u32 {
        self.width().max(self.height())
    }

    /// The smallest one that holds both.
    pub fn and(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Larger by `margin` on all sides, as far as `plane` reaches.
    pub fn within(self, plane: &Plane, margin: u32) -> Self {
        Self {
            left: self.left.saturating_sub(margin),
            top: self.top.saturating_sub(margin),
            right: (self.right + margin).min(plane.width() - 1),
            bottom: (self.bottom + margin).min(plane.height() - 1),
        }
    }

    /// How many sides of `plane` it reaches.
    pub fn sides_at_edge(self, plane: &Plane) -> usize {
        let (x, y) = (plane.width() - 1, plane.height() - 1);
        let gaps = [self.left, self.top, x - self.right, y - self.bottom];
        gaps.into_iter().filter(|&gap| gap == 0).count()
    }

    pub fn cut(self, plane: &Plane) -> Plane {
        let (width, height) = (self.width(), self.height());
        imageops::crop_imm(plane, self.left, self.top, width, height).to_image()
    }

    /// Left, top, width and height in a picture so many times as large.
    pub fn scaled(self, scale: f32) -> [u32; 4] {
        [self.left, self.top, self.width(), self.height()]
            .map(|length| (length as f32 * scale).round() as u32)
    }

    /// By how much the two overlap from left to right and from top to bottom; a gap is negative.
    pub fn overlaps(self, other: Self) -> (f32, f32) {
        let overlap = |start: u32, end: u32| end as f32 + 1.0 - start as f32;
        let x = overlap(self.left.max(other.left), self.right.min(other.right));
        let y = overlap(self.top.max(other.top), self.bottom.min(other.bottom));
        (x, y)
    }
}

/// Pixels that belong together.
#[derive(Clone)]
pub(super) struct Piece {
    pub pixels: Vec<(u32, u32)>,
    pub frame: Frame,
}

/// The connected pieces of what is above `threshold`, corners connecting too.
pub(super) fn pieces(ink: &Plane, threshold: f32) -> Vec<Piece> {
    let mut left = ink.clone();
    let mut take = |x, y| {
        let pixel = left.get_pixel_mut_checked(x, y);
        pixel.is_some_and(|pixel| std::mem::take(&mut pixel.0[0]) > threshold)
    };
    let mut pieces = Vec::new();
    for (x, y, _) in ink.enumerate_pixels() {
        if !take(x, y) {
            continue;
        }
        let (mut pixels, mut next) = (vec![(x, y)], 0);
        while let Some(&(x, y)) = pixels.get(next) {
            next += 1;
            for y in y.saturating_sub(1)..=y + 1 {
                let near = (x.saturating_sub(1)..=x + 1).filter(|&x| take(x, y));
                pixels.extend(near.map(|x| (x, y)));
            }
        }
        pieces.extend(Piece::of(pixels));
    }
    pieces
}

impl Piece {
    pub fn of(pixels: Vec<(u32, u32)>) -> Option<Self> {
        let frame = Frame::around(pixels.iter().copied())?;
        Some(Self { pixels, frame })
    }

    pub fn and(mut self, other: Self) -> Self {
        self.pixels.extend(other.pixels);
        self.frame = self.frame.and(other.frame);
        self
    }

    pub fn pixels(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pixels.iter().copied()
    }

    /// How many pixels it has.
    pub fn area(&self) -> f32 {
        self.pixels.len() as f32
    }

    /// Its share of the bar that is as long and as wide by its second moments, about 1 where it is
    /// solid, less where it is bent or has holes; and how many times as long as wide the bar is.
    fn as_bar(&self) -> (f32, f32) {
        let count = self.area();
        let mean = |value: &dyn Fn(f32, f32) -> f32| {
            let values = self.pixels().map(|(x, y)| value(x as f32, y as f32));
            values.sum::<f32>() / count
        };
        let (middle_x, middle_y) = (mean(&|x, _| x), mean(&|_, y| y));
        // A pixel by itself has the moments of a square.
        let xx = mean(&|x, _| (x - middle_x).powi(2)) + 1.0 / 12.0;
        let yy = mean(&|_, y| (y - middle_y).powi(2)) + 1.0 / 12.0;
        let xy = mean(&|x, y| (x - middle_x) * (y - middle_y));
        let product = (xx * yy - xy * xy).max(f32::MIN_POSITIVE);
        let half = f32::midpoint(xx, yy);
        let larger = half + (half * half - product).max(0.0).sqrt();
        (count / (12.0 * product.sqrt()), larger / product.sqrt())
    }

    /// Whether it is a dot or a dash.
    pub fn is_dash(&self) -> bool {
        let (share, length) = self.as_bar();
        share > 0.84 && length < 4.5
    }

    /// Whether it is a spot rather than a stroke.
    pub fn is_spot(&self) -> bool {
        let (share, length) = self.as_bar();
        share > 0.8 && length < 3.0
    }
}

/// 1 in these pixels and `reach` beside them, 0 elsewhere, in a plane of the same size.
pub(super) fn mask(plane: &Plane, pixels: impl Iterator<Item = (u32, u32)>, reach: u32) -> Plane {
    let mut mask = Plane::new(plane.width(), plane.height());
    pixels.for_each(|(x, y)| mask.put_pixel(x, y, Luma([1.0])));
    filtered(&mask, reach, f32::max)
}

/// The piece that is such that half of the ink lies in pieces of its size or larger.
pub(super) fn usual(pieces: &[Piece]) -> Option<&Piece> {
    let mut largest: Vec<&Piece> = pieces.iter().collect();
    largest.sort_by_key(|piece| std::cmp::Reverse(piece.pixels.len()));
    let all: usize = pieces.iter().map(|piece| piece.pixels.len()).sum();
    let mut sum = 0;
    largest.into_iter().find(|piece| {
        sum += piece.pixels.len();
        2 * sum >= all
    })
}
