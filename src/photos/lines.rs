//! Straight lines that run across a drawing: ruled and squared paper, forms, printed boxes.

use image::{GrayImage, Luma, imageops};

use super::Plane;
use super::components::{Frame, pieces};

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

/// The middles of parallel lines, how long they are and how thick the thickest is.
struct Lines {
    middles: Vec<f32>,
    length: f32,
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
    let mut both = [&across, &down].into_iter();
    let length = both.find(|lines| !lines.middles.is_empty())?.length;
    let part = imageops::rotate270(&turned);
    let least = LEAST_LEFT * across.thickness.max(down.thickness);
    let left = pieces(&part, ink_from).into_iter().map(|piece| piece.frame);
    let left = left.filter(|frame| frame.longer() as f32 >= least);
    let left = left.reduce(Frame::and)?;
    let is_box = across.at_both_ends(down.length) && down.at_both_ends(across.length);
    let is_ruled = across.are_many(down.length)
        || down.are_many(across.length)
        || (length > LONG * left.longer() as f32
            && across.go_past(left.left, left.right)
            && down.go_past(left.top, left.bottom));
    (is_box || (is_all && is_ruled)).then_some(part)
}

impl Lines {
    fn at_both_ends(&self, width: f32) -> bool {
        let is_near = |end: f32| move |middle: &f32| (middle - end).abs() <= NEAR_END * width;
        let mut ends = [0.0, width].into_iter();
        ends.all(|end| self.middles.iter().any(is_near(end)))
    }

    fn are_many(&self, width: f32) -> bool {
        self.middles.len() >= MANY && self.length > 0.6 * width
    }

    /// Whether they, if there are any, go beyond what is left on both sides.
    fn go_past(&self, first: u32, last: u32) -> bool {
        let beyond = BEYOND * self.length;
        let (start, end) = (first as f32, last as f32);
        self.middles.is_empty() || (start > beyond && end < (1.0 - BEYOND) * self.length)
    }
}

/// Takes away the lines that cross all of `plane` from left to right, except where what crosses
/// them makes them thicker.
fn strike(plane: &mut Plane, ink_from: f32) -> Lines {
    let (width, height) = plane.dimensions();
    let length = width as f32;
    let (mut middles, mut thickness) = (Vec::new(), 0.0_f32);
    for [start, rise] in find(plane, ink_from) {
        let run = |x| {
            let (from, to) = run_at(plane, x, start + rise * x as f32 / length, ink_from)?;
            Some((to - from, x, from, to))
        };
        let mut runs: Vec<_> = (0..width).filter_map(run).collect();
        runs.sort_unstable_by_key(|run| run.0);
        let usual = runs.get(runs.len() / 2).map_or(u32::MAX, |run| run.0);
        if usual as f32 > (THICK * length).max(3.0) {
            continue;
        }
        let faded = usual / 2 + 1;
        for (_, x, from, to) in runs.into_iter().filter(|run| run.0 <= usual + faded) {
            for y in from.saturating_sub(faded)..(to + faded).min(height) {
                plane.put_pixel(x, y, Luma([0.0]));
            }
        }
        middles.push(start + rise / 2.0);
        thickness = thickness.max(usual as f32);
    }
    Lines {
        middles,
        length,
        thickness,
    }
}

/// The pixels of ink above each other at or next to a place: the first, and that after the last.
fn run_at(plane: &Plane, x: u32, y: f32, ink_from: f32) -> Option<(u32, u32)> {
    let reach = 2 * i64::from(plane.width().max(plane.height()).div_ceil(FINDING));
    let is_ink = |y: i64| {
        let y = u32::try_from(y).ok()?;
        (plane.get_pixel_checked(x, y)?.0[0] > ink_from).then_some(y)
    };
    let y = y.round() as i64;
    let mut near = (0..=reach).flat_map(|off| [y - off, y + off]);
    let found = near.find_map(is_ink)?;
    let run = |step: i64| (0..).map_while(move |steps| is_ink(i64::from(found) + step * steps));
    Some((run(-1).last()?, run(1).last()? + 1))
}

/// Where straight lines from left to right start, and how much they rise to the right: of all ways
/// across `plane` those that ink covers (a Hough transform), of those side by side the best
/// covered.
fn find(plane: &Plane, ink_from: f32) -> Vec<[f32; 2]> {
    let unit = plane.width().max(plane.height()).div_ceil(FINDING);
    let (width, height) = (plane.width().div_ceil(unit), plane.height().div_ceil(unit));
    // Lines are drawn by hand, and lenses bend them: a pixel up or down does not matter.
    let mut ink = GrayImage::new(width, height + 2);
    let pixels = plane.enumerate_pixels();
    for (x, y, _) in pixels.filter(|(.., pixel)| pixel.0[0] > ink_from) {
        (0..3).for_each(|row| ink.put_pixel(x / unit, y / unit + row, Luma([1])));
    }
    let pixels = ink.enumerate_pixels().filter(|(.., ink)| ink.0[0] > 0);
    let pixels: Vec<(u32, u32)> = pixels.map(|(x, y, _)| (x, y)).collect();
    let most = (RISE * width as f32) as i32;
    let least = (ACROSS * width as f32).max(8.0) as u32;
    let mut ways = Vec::new();
    for rise in -most..=most {
        // A line through x, y starts so much above y; `most` more, so that none is below 0.
        let above = |x: i32| (most - rise * x / width as i32) as u32;
        let above: Vec<u32> = (0..width as i32).map(above).collect();
        let mut covered = vec![0; height as usize + 2 + 2 * most as usize];
        for &(x, y) in &pixels {
            covered[(y + above[x as usize]) as usize] += 1;
        }
        let starts = -most - 1..;
        let enough = starts.zip(covered).filter(|(_, count)| *count >= least);
        ways.extend(enough.map(|(start, count)| (count, [start, rise])));
    }
    ways.sort_by_key(|&(count, _)| std::cmp::Reverse(count));
    let mut found: Vec<[i32; 2]> = Vec::new();
    for (_, [start, rise]) in ways {
        let is_new = |other: &[i32; 2]| (2 * (other[0] - start) + other[1] - rise).abs() > 8;
        if found.iter().all(is_new) {
            found.push([start, rise]);
        }
    }
    let scaled = |way: [i32; 2]| way.map(|length| length as f32 * unit as f32);
    found.into_iter().map(scaled).collect()
}
