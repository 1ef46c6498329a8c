//! A plane of numbers, one per pixel: cut, scaled by area, weighed.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "sizes stay below 2^24 and positions within them"
)]

use std::ops::Range;

/// `height` rows of `width` values; neither is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    /// Values in a row.
    pub width: usize,
    /// Number of rows.
    pub height: usize,
    /// Row by row.
    pub values: Vec<f32>,
}

/// Columns and rows of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extent {
    /// Its columns.
    pub columns: Range<usize>,
    /// Its rows.
    pub rows: Range<usize>,
}

impl Plane {
    /// The rows, from the top.
    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width.max(1))
    }

    /// Each value changed by `change`.
    pub fn map(&self, change: impl Fn(f32) -> f32) -> Self {
        self.with(self.values.iter().map(|&value| change(value)).collect())
    }

    /// The same pixels with other values.
    pub fn with(&self, values: Vec<f32>) -> Self {
        Self { values, ..*self }
    }

    /// Rows and columns exchanged.
    pub fn turned(&self) -> Self {
        let column = |x: usize| (0..self.height).map(move |y| self.values[y * self.width + x]);
        Self {
            width: self.height,
            height: self.width,
            values: (0..self.width).flat_map(column).collect(),
        }
    }

    /// The same picture with at most `most` pixels along its longer side.
    pub fn within(&self, most: usize) -> Self {
        let longer = self.width.max(self.height);
        if longer <= most {
            return self.clone();
        }
        let fit = |length: usize| (length * most / longer).max(1);
        self.resized(fit(self.width), fit(self.height))
    }

    /// Scaled to another size: every new pixel is the mean of the area that it covers.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        self.narrowed(width).turned().narrowed(height).turned()
    }

    /// Every row scaled to `width` values.
    fn narrowed(&self, width: usize) -> Self {
        let step = self.width as f32 / width as f32;
        let mean = |row: &[f32], place: usize| {
            let (start, end) = (place as f32 * step, (place + 1) as f32 * step);
            let covered = start as usize..(end.ceil() as usize).min(row.len());
            let share = |x: usize| (end.min((x + 1) as f32) - start.max(x as f32)).max(0.0);
            let (sum, area) = covered.fold((0.0, 0.0), |(sum, area), x| {
                (sum + row[x] * share(x), area + share(x))
            });
            sum / f32::max(area, f32::MIN_POSITIVE)
        };
        let values = self
            .rows()
            .flat_map(|row| (0..width).map(move |place| mean(row, place)));
        Self {
            width,
            height: self.height,
            values: values.collect(),
        }
    }

    /// The smallest part that holds all values of at least `least`; `None` where there are none.
    pub fn extent(&self, least: f32) -> Option<Extent> {
        let has_ink = |row: &[f32]| row.iter().any(|&value| value >= least);
        let ends = |plane: &Self| {
            let first = plane.rows().position(has_ink)?;
            let final_row = plane
                .rows()
                .enumerate()
                .filter(|(_, row)| has_ink(row))
                .last()?;
            Some(first..final_row.0 + 1)
        };
        Some(Extent {
            columns: ends(&self.turned())?,
            rows: ends(self)?,
        })
    }

    /// A copy of a part, which lies within the plane.
    pub fn cut(&self, extent: &Extent) -> Self {
        let rows = self.rows().skip(extent.rows.start).take(extent.rows.len());
        Self {
            width: extent.columns.len(),
            height: extent.rows.len(),
            values: rows
                .flat_map(|row| row[extent.columns.clone()].iter().copied())
                .collect(),
        }
    }

    /// Where the values balance, in pixels from the upper left corner.
    pub fn centre_of_mass(&self) -> (f32, f32) {
        let (mut x_sum, mut y_sum, mut mass) = (0.0, 0.0, f32::MIN_POSITIVE);
        for (y, row) in self.rows().enumerate() {
            for (x, value) in row.iter().enumerate() {
                x_sum += value * (x as f32 + 0.5);
                y_sum += value * (y as f32 + 0.5);
                mass += value;
            }
        }
        (x_sum / mass, y_sum / mass)
    }

    /// Every row's value at each place replaced by `choose` of all values up to `reach` places away.
    fn slid(&self, reach: usize, choose: fn(f32, f32) -> f32) -> Self {
        let row = |row: &[f32]| -> Vec<f32> {
            let near = |x: usize| &row[x.saturating_sub(reach)..(x + reach + 1).min(row.len())];
            let pick = |x: usize| near(x).iter().copied().reduce(choose).unwrap_or_default();
            (0..row.len()).map(pick).collect()
        };
        self.with(self.rows().flat_map(row).collect())
    }

    /// `choose` of all values within a square that reaches `reach` pixels to each side.
    pub fn filtered(&self, reach: usize, choose: fn(f32, f32) -> f32) -> Self {
        self.slid(reach, choose)
            .turned()
            .slid(reach, choose)
            .turned()
    }

    /// Scaled to a larger size with straight lines between the values.
    pub fn stretched(&self, width: usize, height: usize) -> Self {
        self.lengthened(width).turned().lengthened(height).turned()
    }

    fn lengthened(&self, width: usize) -> Self {
        let step = self.width as f32 / width as f32;
        let between = |row: &[f32], place: usize| {
            let at = ((place as f32 + 0.5) * step - 0.5).clamp(0.0, (row.len() - 1) as f32);
            let (one, share) = (row[at as usize], at.fract());
            let other = row.get(at as usize + 1).copied().unwrap_or(one);
            one * (1.0 - share) + other * share
        };
        let values = self
            .rows()
            .flat_map(|row| (0..width).map(move |place| between(row, place)));
        Self {
            width,
            height: self.height,
            values: values.collect(),
        }
    }
}
