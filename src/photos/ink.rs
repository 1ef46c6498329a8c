//! Light values become ink: what is darker, or lighter, than its surroundings.

use image::Pixel;
use image::imageops::{self, FilterType};

use super::{Pixels, Plane, within};

/// Long side of the small picture that polarity and the paper's light are estimated on.
const COARSE: u32 = 64;
/// Ink and paper must differ by this share of the range from black to white.
const LEAST_CONTRAST: f64 = 0.06;
/// And by this many times the spread within both: noise alone, cut in two, differs by 2.7 (normal)
/// to 3.5 (uniform).
const LEAST_CLEARNESS: f64 = 3.6;
/// Values are told apart in so many steps.
const STEPS: usize = 1_024;

/// The same picture in another width and height.
pub(super) fn resized<P: Pixel + 'static>(picture: &Pixels<P>, size: (u32, u32)) -> Pixels<P> {
    if picture.dimensions() == size {
        return picture.clone();
    }
    // Of the filters there are, people's own pictures were read best with this one.
    imageops::resize(picture, size.0, size.1, FilterType::Gaussian)
}

/// Each value changed by `change`, which also gets the value there in `other`.
pub(super) fn zipped(plane: &Plane, other: &Plane, change: impl Fn(f32, f32) -> f32) -> Plane {
    let mut changed = plane.clone();
    for (value, &other) in changed.iter_mut().zip(other.iter()) {
        *value = change(*value, other);
    }
    changed
}

pub(super) fn inverted(plane: &Plane) -> Plane {
    zipped(plane, plane, |value, _| 1.0 - value)
}

/// Two signs, of about the same weight. Strokes are the smaller part of what surrounds them, so
/// values lean to the other side of the local mean (their skewness); and the picture's edge is
/// paper, even where bold strokes fill it.
pub(super) fn is_light_on_dark(light: &Plane) -> bool {
    let coarse = resized(light, within(COARSE, light.dimensions()));
    let around = resized(&resized(&coarse, (2, 2)), coarse.dimensions());
    let differences = zipped(&coarse, &around, |value, mean| value - mean);
    let moment = |power| mean(differences.iter().map(|value| value.powi(power)));
    let spread = moment(2).sqrt().max(f32::MIN_POSITIVE);
    let skewness = moment(3) / spread.powi(3).max(f32::MIN_POSITIVE);
    skewness > mean(edge(&differences)) / spread
}

/// The values along the picture's edge.
pub(super) fn edge(plane: &Plane) -> impl Iterator<Item = f32> {
    let pixels = plane.enumerate_pixels();
    pixels.filter_map(|(x, y, pixel)| is_at_edge(plane, (x, y)).then_some(pixel.0[0]))
}

pub(super) fn is_at_edge(plane: &Plane, (x, y): (u32, u32)) -> bool {
    x == 0 || y == 0 || x + 1 == plane.width() || y + 1 == plane.height()
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f32::max(count, 1.0)
}

/// How much darker each pixel is than the paper around it, for `dark` values that are high where it
/// is dark.
///
/// The paper's own darkness is what is left after an opening: the smallest value in a square wider
/// than any stroke, then the largest of those. Smooth shadows stay in it and are so taken away.
pub(super) fn above_paper(dark: &Plane) -> Plane {
    let coarse = resized(dark, within(COARSE, dark.dimensions()));
    let reach = (coarse.width().max(coarse.height()) / 4).max(1);
    let paper = filtered(&filtered(&coarse, reach, f32::min), reach, f32::max);
    let paper = resized(&paper, dark.dimensions());
    zipped(dark, &paper, |value, paper| (value - paper).max(0.0))
}

/// `choose` of all values within a square that reaches `reach` pixels to each side.
pub(super) fn filtered(plane: &Plane, reach: u32, choose: impl Fn(f32, f32) -> f32) -> Plane {
    let along_rows = |plane: &Plane| {
        let width = plane.width() as usize;
        let mut all = plane.clone();
        for (row, chosen) in plane.chunks_exact(width).zip(all.chunks_exact_mut(width)) {
            // A whole row at a time for each place beside: that is what CPUs are fast at.
            for off in 1..=(reach as usize).min(width - 1) {
                let put = |(value, &near): (&mut f32, &f32)| *value = choose(*value, near);
                chosen[off..].iter_mut().zip(row).for_each(put);
                chosen.iter_mut().zip(&row[off..]).for_each(put);
            }
        }
        all
    };
    imageops::rotate270(&along_rows(&imageops::rotate90(&along_rows(plane))))
}

/// The means of the paper and of full strokes; `None` where these are not two classes of values.
/// Where they are not, what looks like two may be paper of two colours, and strokes darker still.
pub(super) fn paper_and_stroke(ink: &Plane) -> Option<(f32, f32)> {
    let (mut paper, mut stroke, mut is_clear) = split(ink, -1.0)?;
    if !is_clear {
        (paper, stroke, is_clear) = split(ink, f32::midpoint(paper, stroke))?;
    }
    is_clear.then_some((paper, stroke))
}

/// The means of the two classes that values above `least` fall into by Otsu's threshold, where the
/// variance between them is largest, and whether they are two; `None` where all values are alike.
fn split(ink: &Plane, least: f32) -> Option<(f32, f32, bool)> {
    // How many values there are in each step, their sum and the sum of their squares.
    let mut steps = vec![[0.0_f64; 3]; STEPS];
    for &value in ink.iter().filter(|value| **value > least) {
        let step = &mut steps[((value * STEPS as f32) as usize).min(STEPS - 1)];
        let value = f64::from(value);
        *step = [step[0] + 1.0, step[1] + value, step[2] + value * value];
    }
    let plus = |a: [f64; 3], b: &[f64; 3]| [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
    let total = steps.iter().fold([0.0; 3], plus);
    let (mut low, mut best) = ([0.0; 3], (0.0, 0.0, 0.0));
    for step in &steps {
        low = plus(low, step);
        let high = total[0] - low[0];
        if step[0] == 0.0 || high == 0.0 {
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
    // What the variance between the classes leaves of all is that within them.
    let within = (squares - sum * sum / count - between / count).max(0.0) / count;
    let least = f64::max(LEAST_CONTRAST, LEAST_CLEARNESS * within.sqrt());
    let is_clear = stroke - paper >= least;
    (between > 0.0).then_some((paper as f32, stroke as f32, is_clear))
}
