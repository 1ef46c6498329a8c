//! Straight lines that run across a drawing: ruled and squared paper, forms, printed boxes.

use image::{Luma, imageops};

use super::Plane;
use super::pieces::{Frame, pieces};

/// Lines are sought with at most this many pixels along a side.
const FINDING: u32 = 512;
/// Share of the width that a line has to cover.
const ACROSS: f32 = 0.8;
/// How much a line may rise over the width: 7 degrees.
const RISE: f32 = 1.0 / 8.0;
/// Lines are at most this share of the width thick; strokes that cross all of a digit are thicker.
const THICK: f32 = 0.06;
/// What is left of a drawing has to be so many times as large as its lines are thick.
const LEAST_LEFT: f32 = 4.0;
/// How near the outermost lines of a box are to its ends, as a share of its size.
const NEAR_END: f32 = 0.15;
/// So many parallel lines are ruled paper. Fewer may be strokes of a digit, unless they are so many
/// times as long as all else, and end on both sides by so much of the width beyond it.
const MANY: usize = 4;
const LONG: f32 = 1.5;
const BEYOND: f32 = 0.2;

/// The middles of horizontal lines and how thick the thickest is.
#[derive(Default)]
struct Lines {
    middles: Vec<f32>,
    thickness: f32,
}

/// The part `frame` of the ink without the lines that run across it, if those are a box, or, where
/// the part is all that is drawn, ruled paper, and not strokes of digits; something must be left.
pub(super) fn without_lines(
    ink: &Plane,
    frame: Frame,
    ink_from: f32,
    is_all: bool,
) -> Option<Plane> {
    let mut part = frame.cut(ink);
    let across = strike(&mut part, ink_from);
    let mut turned = imageops::rotate90(&part);
    let down = strike(&mut turned, ink_from);
    if across.middles.is_empty() && down.middles.is_empty() {
        return None;
    }
    let part = imageops::rotate270(&turned);
    let least = LEAST_LEFT * across.thickness.max(down.thickness);
    let left = pieces(&part, ink_from).into_iter().map(|piece| piece.frame);
    let left = left.filter(|frame| frame.longer() as f32 >= least);
    let left = left.reduce(Frame::and)?;
    let (width, height) = (part.width() as f32, part.height() as f32);
    let is_box = across.at_both_ends(height) && down.at_both_ends(width);
    let many = |lines: &Lines, length, other| lines.middles.len() >= MANY && length > 0.6 * other;
    let goes_past = |lines: &Lines, first: u32, last: u32, length: f32| {
        let (start, end) = (first as f32, last as f32);
        lines.middles.is_empty() || (start > BEYOND * length && end < (1.0 - BEYOND) * length)
    };
    let length = if across.middles.is_empty() {
        height
    } else {
        width
    };
    let is_long = length > LONG * left.longer() as f32;
    let is_ruled = many(&across, width, height)
        || many(&down, height, width)
        || (is_long
            && goes_past(&across, left.left, left.right, width)
            && goes_past(&down, left.top, left.bottom, height));
    (is_box || (is_all && is_ruled)).then_some(part)
}

impl Lines {
    fn at_both_ends(&self, length: f32) -> bool {
        let is_near = |at: f32| {
            self.middles
                .iter()
                .any(|middle| (middle - at).abs() <= NEAR_END * length)
        };
        self.middles.len() >= 2 && is_near(0.0) && is_near(length)
    }
}

/// Takes away the lines that cross all of `plane` from left to right, except where what crosses
/// them makes them thicker.
fn strike(plane: &mut Plane, ink_from: f32) -> Lines {
    let (width, height) = plane.dimensions();
    let mut lines = Lines::default();
    for (start, rise) in find(plane, ink_from) {
        let runs: Vec<_> = (0..width)
            .filter_map(|x| {
                let y = start + rise * x as f32 / width as f32;
                run_at(plane, x, y, ink_from).map(|(from, to)| (x, from, to))
            })
            .collect();
        let mut lengths: Vec<u32> = runs.iter().map(|(_, from, to)| to - from).collect();
        lengths.sort_unstable();
        let Some(&usual) = lengths.get(lengths.len() / 2) else {
            continue;
        };
        if usual as f32 > (THICK * width as f32).max(3.0) {
            continue;
        }
        let faded = usual / 2 + 1;
        for (x, from, to) in runs {
            if to - from <= usual + faded {
                for y in from.saturating_sub(faded)..(to + faded).min(height) {
                    plane.put_pixel(x, y, Luma([0.0]));
                }
            }
        }
        lines.middles.push(start + rise / 2.0);
        lines.thickness = lines.thickness.max(usual as f32);
    }
    lines
}

/// The pixels of ink above each other at or next to a place: the first, and that after the last.
fn run_at(plane: &Plane, x: u32, y: f32, ink_from: f32) -> Option<(u32, u32)> {
    let reach = 2 * i64::from(plane.width().max(plane.height()).div_ceil(FINDING));
    let is_ink = |y: i64| {
        let y = u32::try_from(y).ok()?;
        let pixel = plane.get_pixel_checked(x, y)?;
        (pixel.0[0] > ink_from).then_some(y)
    };
    let y = y.round() as i64;
    let mut near = (0..=reach).flat_map(|off| [y - off, y + off]);
    let found = near.find_map(is_ink)?;
    let end = |step: i64| {
        let mut ends = (0..).map_while(|steps| is_ink(i64::from(found) + step * steps));
        ends.by_ref().last().unwrap_or(found)
    };
    Some((end(-1), end(1) + 1))
}

/// Where straight lines from left to right start, and how much they rise to the right: of all ways
/// across `plane` those that ink covers (a Hough transform), of those side by side the best
/// covered.
fn find(plane: &Plane, ink_from: f32) -> Vec<(f32, f32)> {
    let unit = plane.width().max(plane.height()).div_ceil(FINDING);
    let (width, height) = (plane.width().div_ceil(unit), plane.height().div_ceil(unit));
    // Lines are drawn by hand, and lenses bend them: a pixel up or down does not matter.
    let mut is_ink = vec![false; (width * (height + 2)) as usize];
    for (x, y, _) in plane
        .enumerate_pixels()
        .filter(|(.., pixel)| pixel.0[0] > ink_from)
    {
        let rows = y / unit..y / unit + 3;
        rows.for_each(|row| is_ink[(row * width + x / unit) as usize] = true);
    }
    let pixels = (0..height + 2).flat_map(|y| (0..width).map(move |x| (x, y)));
    let pixels = pixels
        .zip(is_ink)
        .filter_map(|(pixel, is_ink)| is_ink.then_some(pixel));
    let pixels: Vec<(u32, u32)> = pixels.collect();
    let most = (RISE * width as f32) as i32;
    let least = (ACROSS * width as f32).max(8.0) as u32;
    let mut ways = Vec::new();
    for rise in -most..=most {
        // A line through x, y starts so much above y; `most` more, so that none is below 0.
        let above = |x: i32| (most - rise * x / width as i32) as u32;
        let above: Vec<u32> = (0..width as i32).map(above).collect();
        let mut covered = vec![0; height as usize + 2 + 2 * most as usize];
        let starts = pixels.iter().map(|&(x, y)| y + above[x as usize]);
        starts.for_each(|start| covered[start as usize] += 1);
        let enough = covered
            .into_iter()
            .enumerate()
            .filter(|(_, count)| *count >= least);
        ways.extend(enough.map(|(start, count)| (count, start as i32 - most - 1, rise)));
    }
    ways.sort_by_key(|&(count, ..)| std::cmp::Reverse(count));
    let mut found: Vec<(i32, i32)> = Vec::new();
    for (_, start, rise) in ways {
        let is_new = |other: &(i32, i32)| (2 * (other.0 - start) + other.1 - rise).abs() > 8;
        if found.iter().all(is_new) {
            found.push((start, rise));
        }
    }
    let scaled = |length: i32| length as f32 * unit as f32;
    let found = found.into_iter();
    found
        .map(|(start, rise)| (scaled(start), scaled(rise)))
        .collect()
}
