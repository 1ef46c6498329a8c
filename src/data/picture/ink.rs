//! Which pixels of a picture are ink, and how much: polarity, uneven light, threshold, specks.

#![expect(clippy::cast_precision_loss, reason = "numbers of pixels, below 2^24")]

use super::plane::Plane;

/// Long side of the small picture that the paper's light is estimated on.
const COARSE: usize = 64;
/// Ink and paper must differ by this share of the range from black to white.
const LEAST_CONTRAST: f32 = 0.06;
/// And by this many times the spread within both: noise alone, cut in two, differs by 2.7 (normal) to 3.5 (uniform).
const LEAST_CLEARNESS: f32 = 3.6;
/// Pieces of ink smaller than this share of the largest are specks.
const SPECK: f32 = 0.04;

/// Ink, 0 (paper) to 1 (a full stroke), of a picture's light values; `None` where nothing is drawn.
pub fn find(light: &Plane) -> Option<Plane> {
    let dark = if is_light_on_dark(light) {
        light.clone()
    } else {
        light.map(|value| 1.0 - value)
    };
    let ink = above_paper(&dark);
    let split = Split::of(&ink)?;
    let mask: Vec<bool> = ink
        .values
        .iter()
        .map(|&value| value > split.threshold)
        .collect();
    let mask = near_pieces(&ink, &mask);
    let full = |value: f32| ((value - split.paper) / (split.stroke - split.paper)).clamp(0.0, 1.0);
    let values = ink.values.iter().zip(mask);
    Some(
        ink.with(
            values
                .map(|(&value, kept)| if kept { full(value) } else { 0.0 })
                .collect(),
        ),
    )
}

/// Two signs, of about the same weight. Strokes are the smaller part of what surrounds them, so values lean to the
/// other side of the local mean (their skewness); and the picture's edge is paper, even where bold strokes fill it.
fn is_light_on_dark(light: &Plane) -> bool {
    let coarse = light.within(COARSE);
    let reach = coarse.width.max(coarse.height) / 2;
    let around = local_mean(&coarse, reach);
    let pairs = coarse.values.iter().zip(&around.values);
    let differences = coarse.with(pairs.map(|(value, mean)| value - mean).collect());
    let moment = |power| {
        let powers = differences.values.iter().map(|value| value.powi(power));
        powers.sum::<f32>() / differences.values.len() as f32
    };
    let spread = moment(2).sqrt().max(f32::MIN_POSITIVE);
    let skewness = moment(3) / spread.powi(3).max(f32::MIN_POSITIVE);
    let edge = mean(&edge(&differences)).unwrap_or_default() / spread;
    skewness - edge > 0.0
}

/// The outermost values.
fn edge(plane: &Plane) -> Vec<f32> {
    let sides = plane.turned();
    let ends = |plane: &Plane| -> Vec<f32> {
        let (first, last) = (plane.rows().next(), plane.rows().last());
        [first, last]
            .into_iter()
            .flatten()
            .flatten()
            .copied()
            .collect()
    };
    [ends(plane), ends(&sides)].concat()
}

/// The mean of all values up to `reach` pixels away in both directions.
fn local_mean(plane: &Plane, reach: usize) -> Plane {
    let rows = |plane: &Plane| {
        let mean = |row: &[f32], x: usize| {
            let near = &row[x.saturating_sub(reach)..(x + reach + 1).min(row.len())];
            near.iter().sum::<f32>() / near.len() as f32
        };
        let row = |row: &[f32]| (0..row.len()).map(|x| mean(row, x)).collect::<Vec<_>>();
        plane.with(plane.rows().flat_map(row).collect())
    };
    rows(&rows(plane).turned()).turned()
}

/// How much darker each pixel is than the paper around it, for `dark` values that are high where it is dark.
///
/// The paper's own darkness is what is left after an opening: the smallest value in a square wider than any stroke,
/// then the largest of those. Smooth shadows stay in it and are so taken away.
fn above_paper(dark: &Plane) -> Plane {
    let coarse = dark.within(COARSE);
    let reach = (coarse.width.max(coarse.height) / 4).max(1);
    let paper = coarse.filtered(reach, f32::min).filtered(reach, f32::max);
    let paper = paper.stretched(dark.width, dark.height);
    let above = dark
        .values
        .iter()
        .zip(&paper.values)
        .map(|(value, paper)| (value - paper).max(0.0));
    dark.with(above.collect())
}

/// Two classes of values: paper and stroke.
struct Split {
    threshold: f32,
    /// Mean of the values below the threshold.
    paper: f32,
    /// Mean of those above.
    stroke: f32,
}

impl Split {
    /// Otsu's: where the variance between the two classes is largest. `None` where they are not two classes.
    fn of(ink: &Plane) -> Option<Self> {
        let mut values = ink.values.clone();
        values.sort_by(f32::total_cmp);
        let (count, total) = (
            values.len() as f64,
            values.iter().copied().map(f64::from).sum::<f64>(),
        );
        let (mut below, mut best) = (0.0, (0.0, 0));
        for (index, pair) in values.windows(2).enumerate() {
            below += f64::from(pair[0]);
            let n = index as f64 + 1.0;
            let difference = below / n - (total - below) / (count - n);
            let between = n * (count - n) * difference * difference;
            if between > best.0 && pair[0] < pair[1] {
                best = (between, index + 1);
            }
        }
        let (low, high) = values.split_at(best.1);
        let (paper, stroke) = (mean(low)?, mean(high)?);
        let squares =
            |part: &[f32], mean: f32| part.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
        let spread = (squares(low, paper) + squares(high, stroke)) / values.len() as f32;
        let difference = stroke - paper;
        let clear = difference >= LEAST_CONTRAST && difference >= LEAST_CLEARNESS * spread.sqrt();
        clear.then(|| Self {
            threshold: f32::midpoint(paper, stroke),
            paper,
            stroke,
        })
    }
}

fn mean(values: &[f32]) -> Option<f32> {
    (!values.is_empty()).then(|| values.iter().sum::<f32>() / values.len() as f32)
}

/// The pixels of the larger pieces of `mask`, and those about a pixel of the finished picture around them, where
/// strokes fade out.
fn near_pieces(ink: &Plane, mask: &[bool]) -> Vec<bool> {
    let pieces = pieces(mask, ink.width);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or_default();
    let mut kept = ink.map(|_| 0.0);
    for piece in pieces
        .iter()
        .filter(|piece| piece.len() as f32 >= SPECK * largest as f32)
    {
        for &pixel in piece {
            kept.values[pixel] = 1.0;
        }
    }
    let size = kept
        .extent(1.0)
        .map_or(0, |extent| extent.rows.len().max(extent.columns.len()));
    let kept = kept.filtered((size / 24).max(1), f32::max);
    kept.values.iter().map(|&value| value > 0.0).collect()
}

/// The pixels of each connected piece of `mask`, corners connecting too.
fn pieces(mask: &[bool], width: usize) -> Vec<Vec<usize>> {
    let mut left = mask.to_vec();
    let mut pieces = Vec::new();
    for start in 0..mask.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let (mut piece, mut next) = (vec![start], 0);
        while let Some(&pixel) = piece.get(next) {
            next += 1;
            let (x, y) = (pixel % width, pixel / width);
            for y in y.saturating_sub(1)..=y + 1 {
                for x in x.saturating_sub(1)..=(x + 1).min(width - 1) {
                    let neighbour = y * width + x;
                    if left.get(neighbour).is_some_and(|&inked| inked) {
                        left[neighbour] = false;
                        piece.push(neighbour);
                    }
                }
            }
        }
        pieces.push(piece);
    }
    pieces
}
