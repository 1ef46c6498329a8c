//! From light values to ink: how much darker, or lighter, each pixel is than its surroundings.

use image::Pixel;
use image::imageops::{self, FilterType};

use super::{Pixels, Plane, fit_within};

/// Long side of the small picture on which polarity and the paper's light are estimated.
const COARSE_SIDE: u32 = 64;
/// Minimum difference between ink and paper, as a share of the range from black to white.
const MIN_CONTRAST: f64 = 0.06;
/// Minimum difference between ink and paper, in standard deviations within both classes. Noise
/// alone, split in two, reaches 2.7 (normal) to 3.5 (uniform).
const MIN_SEPARATION: f64 = 3.6;
/// Bins of the histogram in Otsu's method.
const BINS: usize = 1_024;

/// Scales a picture to another size.
pub(super) fn resize<P: Pixel + 'static>(picture: &Pixels<P>, size: (u32, u32)) -> Pixels<P> {
    if picture.dimensions() == size {
        return picture.clone();
    }
    // Of all filters in `image`, this one gave the most right answers on people's own pictures.
    imageops::resize(picture, size.0, size.1, FilterType::Gaussian)
}

/// Combines two planes of the same size value by value.
pub(super) fn zip_map(plane: &Plane, other: &Plane, combine: impl Fn(f32, f32) -> f32) -> Plane {
    let mut combined = plane.clone();
    for (value, &other) in combined.iter_mut().zip(other.iter()) {
        *value = combine(*value, other);
    }
    combined
}

pub(super) fn inverted(plane: &Plane) -> Plane {
    zip_map(plane, plane, |value, _| 1.0 - value)
}

/// True if ink is likely lighter than paper. Two signs of about the same weight decide: strokes
/// cover less area than paper, so that values are skewed away from the local mean; and the edge of
/// a picture is paper, even if bold strokes fill the rest.
pub(super) fn is_light_on_dark(light: &Plane) -> bool {
    let coarse = resize(light, fit_within(COARSE_SIDE, light.dimensions()));
    let local_mean = resize(&resize(&coarse, (2, 2)), coarse.dimensions());
    let differences = zip_map(&coarse, &local_mean, |value, mean| value - mean);
    let moment = |power| mean(differences.iter().map(|value| value.powi(power)));
    let deviation = moment(2).sqrt().max(f32::MIN_POSITIVE);
    let skewness = moment(3) / deviation.powi(3).max(f32::MIN_POSITIVE);
    skewness > mean(edge_values(&differences)) / deviation
}

/// The values along the edge of a plane.
pub(super) fn edge_values(plane: &Plane) -> impl Iterator<Item = f32> {
    let pixels = plane.enumerate_pixels();
    pixels.filter_map(|(x, y, pixel)| is_at_edge(plane, (x, y)).then_some(pixel.0[0]))
}

pub(super) fn is_at_edge(plane: &Plane, (x, y): (u32, u32)) -> bool {
    x == 0 || y == 0 || x + 1 == plane.width() || y + 1 == plane.height()
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / count
}

/// How much darker each pixel is than the paper around it, from `dark` values that are high where
/// the picture is dark.
///
/// A top-hat transform: the paper's own darkness is what remains after an opening (erosion, then
/// dilation) with a square wider than any stroke. Smooth shadows are part of it.
pub(super) fn subtract_paper(dark: &Plane) -> Plane {
    let coarse = resize(dark, fit_within(COARSE_SIDE, dark.dimensions()));
    let radius = (coarse.width().max(coarse.height()) / 4).max(1);
    let paper = dilate(&erode(&coarse, radius), radius);
    let paper = resize(&paper, dark.dimensions());
    zip_map(dark, &paper, |value, paper| (value - paper).max(0.0))
}

/// Minimum of each square neighborhood that extends `radius` pixels to each side.
fn erode(plane: &Plane, radius: u32) -> Plane {
    filter_squares(plane, radius, f32::min)
}

/// Maximum of each square neighborhood that extends `radius` pixels to each side.
pub(super) fn dilate(plane: &Plane, radius: u32) -> Plane {
    filter_squares(plane, radius, f32::max)
}

fn filter_squares(plane: &Plane, radius: u32, choose: impl Fn(f32, f32) -> f32) -> Plane {
    let filter_rows = |plane: &Plane| {
        let width = plane.width() as usize;
        let mut filtered = plane.clone();
        for (row, chosen) in plane
            .chunks_exact(width)
            .zip(filtered.chunks_exact_mut(width))
        {
            // One offset at a time over the whole row, so that the compiler can vectorize.
            for offset in 1..=(radius as usize).min(width - 1) {
                let update = |(value, &near): (&mut f32, &f32)| *value = choose(*value, near);
                chosen[offset..].iter_mut().zip(row).for_each(update);
                chosen.iter_mut().zip(&row[offset..]).for_each(update);
            }
        }
        filtered
    };
    imageops::rotate270(&filter_rows(&imageops::rotate90(&filter_rows(plane))))
}

/// Mean values of paper and of full strokes; `None` if the values do not form two classes. A split
/// that is not clear may separate two colors of paper; then the darker one is split once more.
pub(super) fn paper_and_stroke(ink: &Plane) -> Option<(f32, f32)> {
    let (mut paper, mut stroke, mut is_clear) = otsu(ink, -1.0)?;
    if !is_clear {
        (paper, stroke, is_clear) = otsu(ink, f32::midpoint(paper, stroke))?;
    }
    is_clear.then_some((paper, stroke))
}

/// Splits the values above `min` by Otsu's threshold, which maximizes the variance between two
/// classes. Returns the means of both classes and whether they are clearly separated; `None` if all
/// values are equal.
fn otsu(ink: &Plane, min: f32) -> Option<(f32, f32, bool)> {
    // Per bin: number of values, their sum, the sum of their squares.
    let mut bins = vec![[0.0_f64; 3]; BINS];
    for &value in ink.iter().filter(|value| **value > min) {
        let bin = &mut bins[((value * BINS as f32) as usize).min(BINS - 1)];
        let value = f64::from(value);
        *bin = [bin[0] + 1.0, bin[1] + value, bin[2] + value * value];
    }
    let add = |a: [f64; 3], b: &[f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
    let total = bins.iter().fold([0.0; 3], add);
    let (mut low, mut best) = ([0.0; 3], (0.0, 0.0, 0.0));
    for bin in &bins {
        low = add(low, bin);
        let high = total[0] - low[0];
        if bin[0] == 0.0 || high == 0.0 {
            continue;
        }
        let (paper, stroke) = (low[1] / low[0], (total[1] - low[1]) / high);
        let between = low[0] * high * (stroke - paper).powi(2);
        if between > best.0 {
            best = (between, paper, stroke);
        }
    }
    let (between, paper, stroke) = best;
    let [count, sum, squares] = total;
    // Total variance minus the variance between the classes.
    let within = (squares - sum * sum / count - between / count).max(0.0) / count;
    let min_difference = f64::max(MIN_CONTRAST, MIN_SEPARATION * within.sqrt());
    let is_clear = stroke - paper >= min_difference;
    (between > 0.0).then_some((paper as f32, stroke as f32, is_clear))
}
