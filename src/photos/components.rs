//! Connected components of a plane, their bounding boxes and their shapes.

use std::cmp::Reverse;
use std::mem;

use image::{Luma, imageops};

use super::Plane;
use super::ink::dilate;

/// A rectangle of pixels; `right` and `bottom` are inclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
}

impl Rect {
    /// The bounding box of these pixels; `None` without pixels.
    pub fn bounding(pixels: impl Iterator<Item = (u32, u32)>) -> Option<Self> {
        let pixel = |(left, top)| Self {
            left,
            top,
            right: left,
            bottom: top,
        };
        pixels.map(pixel).reduce(Self::union)
    }

    pub fn width(self) -> u32 {
        self.right - self.left + 1
    }

    pub fn height(self) -> u32 {
        self.bottom - self.top + 1
    }

    pub fn longer_side(self) -> u32 {
        self.width().max(self.height())
    }

    /// The smallest rectangle that contains both.
    pub fn union(self, other: Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }

    /// Adds a margin on all sides, clipped to `plane`.
    pub fn with_margin(self, plane: &Plane, margin: u32) -> Self {
        Self {
            left: self.left.saturating_sub(margin),
            top: self.top.saturating_sub(margin),
            right: (self.right + margin).min(plane.width() - 1),
            bottom: (self.bottom + margin).min(plane.height() - 1),
        }
    }

    /// Number of edges of `plane` that the rectangle touches.
    pub fn edges_touched(self, plane: &Plane) -> usize {
        let (x, y) = (plane.width() - 1, plane.height() - 1);
        let gaps = [self.left, self.top, x - self.right, y - self.bottom];
        gaps.into_iter().filter(|&gap| gap == 0).count()
    }

    pub fn crop(self, plane: &Plane) -> Plane {
        let (width, height) = (self.width(), self.height());
        imageops::crop_imm(plane, self.left, self.top, width, height).to_image()
    }

    /// Left, top, width and height in a picture `scale` times as large.
    pub fn scaled(self, scale: f32) -> [u32; 4] {
        [self.left, self.top, self.width(), self.height()]
            .map(|length| (length as f32 * scale).round() as u32)
    }

    /// Horizontal and vertical overlap of two rectangles; negative for a gap.
    pub fn overlap(self, other: Self) -> (f32, f32) {
        let overlap = |start: u32, end: u32| end as f32 + 1.0 - start as f32;
        let x = overlap(self.left.max(other.left), self.right.min(other.right));
        let y = overlap(self.top.max(other.top), self.bottom.min(other.bottom));
        (x, y)
    }
}

/// A set of pixels that belong together.
#[derive(Clone)]
pub(super) struct Component {
    pixels: Vec<(u32, u32)>,
    pub bounds: Rect,
}

/// The 8-connected components of all values above `threshold`.
pub(super) fn connected_components(ink: &Plane, threshold: f32) -> Vec<Component> {
    let mut remaining = ink.clone();
    let mut take = |x, y| {
        let pixel = remaining.get_pixel_mut_checked(x, y);
        pixel.is_some_and(|pixel| mem::take(&mut pixel.0[0]) > threshold)
    };
    let mut components = Vec::new();
    for (x, y, _) in ink.enumerate_pixels() {
        if !take(x, y) {
            continue;
        }
        let (mut pixels, mut next) = (vec![(x, y)], 0);
        while let Some(&(x, y)) = pixels.get(next) {
            next += 1;
            for y in y.saturating_sub(1)..=y + 1 {
                let neighbors = (x.saturating_sub(1)..=x + 1).filter(|&x| take(x, y));
                pixels.extend(neighbors.map(|x| (x, y)));
            }
        }
        components.extend(Component::new(pixels));
    }
    components
}

impl Component {
    /// `None` without pixels.
    pub fn new(pixels: Vec<(u32, u32)>) -> Option<Self> {
        let bounds = Rect::bounding(pixels.iter().copied())?;
        Some(Self { pixels, bounds })
    }

    pub fn union(mut self, other: Self) -> Self {
        self.pixels.extend(other.pixels);
        self.bounds = self.bounds.union(other.bounds);
        self
    }

    pub fn pixels(&self) -> impl Iterator<Item = (u32, u32)> {
        self.pixels.iter().copied()
    }

    /// Number of pixels.
    pub fn area(&self) -> f32 {
        self.pixels.len() as f32
    }

    /// Compares the component with the solid bar that has the same second moments: the ratio of the
    /// areas (about 1 if solid, less if bent or with holes), and the bar's length over its width.
    fn solidity_and_elongation(&self) -> (f32, f32) {
        let count = self.area();
        let mean = |value: &dyn Fn(f32, f32) -> f32| {
            let values = self.pixels().map(|(x, y)| value(x as f32, y as f32));
            values.sum::<f32>() / count
        };
        let (mean_x, mean_y) = (mean(&|x, _| x), mean(&|_, y| y));
        // 1/12 is the second moment of a single pixel, a unit square.
        let xx = mean(&|x, _| (x - mean_x).powi(2)) + 1.0 / 12.0;
        let yy = mean(&|_, y| (y - mean_y).powi(2)) + 1.0 / 12.0;
        let xy = mean(&|x, y| (x - mean_x) * (y - mean_y));
        let determinant = (xx * yy - xy * xy).max(f32::MIN_POSITIVE);
        let half_trace = f32::midpoint(xx, yy);
        let larger = half_trace + (half_trace * half_trace - determinant).max(0.0).sqrt();
        (
            count / (12.0 * determinant.sqrt()),
            larger / determinant.sqrt(),
        )
    }

    /// True for a dot or a dash.
    pub fn is_dash(&self) -> bool {
        let (solidity, elongation) = self.solidity_and_elongation();
        solidity > 0.84 && elongation < 4.5
    }

    /// True for a blob rather than a stroke.
    pub fn is_blob(&self) -> bool {
        let (solidity, elongation) = self.solidity_and_elongation();
        solidity > 0.8 && elongation < 3.0
    }
}

/// A plane of the size of `plane`: 1 within `radius` of these pixels, 0 elsewhere.
pub(super) fn mask(plane: &Plane, pixels: impl Iterator<Item = (u32, u32)>, radius: u32) -> Plane {
    let mut mask = Plane::new(plane.width(), plane.height());
    pixels.for_each(|(x, y)| mask.put_pixel(x, y, Luma([1.0])));
    dilate(&mask, radius)
}

/// The component of typical size: at least half of all ink is in components of its size or larger.
pub(super) fn typical(components: &[Component]) -> Option<&Component> {
    let mut by_size: Vec<&Component> = components.iter().collect();
    by_size.sort_by_key(|component| Reverse(component.pixels.len()));
    let total: usize = by_size.iter().map(|component| component.pixels.len()).sum();
    let mut sum = 0;
    by_size.into_iter().find(|component| {
        sum += component.pixels.len();
        2 * sum >= total
    })
}
