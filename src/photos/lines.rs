//! Finds and erases straight lines that cross a drawing: ruled and squared paper, forms, printed
//! boxes.

use std::cmp::Reverse;

use image::{GrayImage, Luma, imageops};

use super::Plane;
use super::components::{Rect, connected_components};

/// Lines are searched on at most this many pixels along a side.
const SEARCH_SIDE: u32 = 512;
/// Minimum share of the width that a line covers.
const MIN_COVER: f32 = 0.8;
/// Maximum rise of a line over the width: 7 degrees.
const MAX_RISE: f32 = 1.0 / 8.0;
/// Maximum thickness as a share of the width; strokes that cross a whole digit are thicker.
const MAX_THICKNESS: f32 = 0.06;
/// Minimum size of what remains of a drawing, in multiples of the lines' thickness.
const MIN_REMAINDER: f32 = 4.0;
/// Maximum distance of a box's outer lines from its ends, as a share of its size.
const MAX_END_DISTANCE: f32 = 0.15;
/// At least this many parallel lines are ruled paper. Fewer may be strokes of a digit, unless they
/// are `MIN_LENGTH` times as long as everything else and extend beyond it by `MIN_MARGIN` of the
/// width on both sides.
const MIN_RULED_LINES: usize = 4;
const MIN_LENGTH: f32 = 1.5;
const MIN_MARGIN: f32 = 0.2;

/// Parallel lines.
struct Lines {
    /// The position of each line at the middle of its length.
    positions: Vec<f32>,
    length: f32,
    max_thickness: f32,
}

/// Crops `area` from the ink and erases the lines that cross it. `None` without lines, if they may
/// be strokes of digits, or if nothing else remains. Lines count if they form a box, or ruled paper
/// where `area` is the whole drawing.
pub(super) fn without_lines(
    ink: &Plane,
    area: Rect,
    threshold: f32,
    is_whole_drawing: bool,
) -> Option<Plane> {
    let mut part = area.crop(ink);
    let across = erase_lines(&mut part, threshold);
    let mut rotated = imageops::rotate90(&part);
    let down = erase_lines(&mut rotated, threshold);
    let mut both = [&across, &down].into_iter();
    let length = both.find(|lines| !lines.positions.is_empty())?.length;
    let part = imageops::rotate270(&rotated);
    let min_size = MIN_REMAINDER * across.max_thickness.max(down.max_thickness);
    let rest = connected_components(&part, threshold)
        .into_iter()
        .map(|component| component.bounds)
        .filter(|bounds| bounds.longer_side() as f32 >= min_size)
        .reduce(Rect::union)?;
    let is_box = across.at_both_ends(down.length) && down.at_both_ends(across.length);
    let is_ruled = across.are_ruled(down.length)
        || down.are_ruled(across.length)
        || (length > MIN_LENGTH * rest.longer_side() as f32
            && across.extend_beyond(rest.left, rest.right)
            && down.extend_beyond(rest.top, rest.bottom));
    (is_box || (is_whole_drawing && is_ruled)).then_some(part)
}

impl Lines {
    fn at_both_ends(&self, width: f32) -> bool {
        let is_near = |end: f32| move |at: &f32| (at - end).abs() <= MAX_END_DISTANCE * width;
        let mut ends = [0.0, width].into_iter();
        ends.all(|end| self.positions.iter().any(is_near(end)))
    }

    fn are_ruled(&self, width: f32) -> bool {
        self.positions.len() >= MIN_RULED_LINES && self.length > 0.6 * width
    }

    /// True if the lines extend beyond `first..last` on both sides, or if there are no lines.
    fn extend_beyond(&self, first: u32, last: u32) -> bool {
        let margin = MIN_MARGIN * self.length;
        let (start, end) = (first as f32, last as f32);
        self.positions.is_empty() || (start > margin && end < (1.0 - MIN_MARGIN) * self.length)
    }
}

/// Erases the lines that cross all of `plane` from left to right, except at crossing strokes, where
/// they are thicker.
fn erase_lines(plane: &mut Plane, threshold: f32) -> Lines {
    let (width, height) = plane.dimensions();
    let length = width as f32;
    let (mut positions, mut max_thickness) = (Vec::new(), 0.0_f32);
    for [start, rise] in hough_lines(plane, threshold) {
        let run = |x| {
            let (top, end) = run_at(plane, x, start + rise * x as f32 / length, threshold)?;
            Some((end - top, x, top, end))
        };
        let mut runs: Vec<_> = (0..width).filter_map(run).collect();
        runs.sort_unstable_by_key(|run| run.0);
        let median = runs.get(runs.len() / 2).map_or(u32::MAX, |run| run.0);
        if median as f32 > (MAX_THICKNESS * length).max(3.0) {
            continue;
        }
        let blur = median / 2 + 1;
        for (_, x, top, end) in runs.into_iter().filter(|run| run.0 <= median + blur) {
            for y in top.saturating_sub(blur)..(end + blur).min(height) {
                plane.put_pixel(x, y, Luma([0.0]));
            }
        }
        positions.push(start + rise / 2.0);
        max_thickness = max_thickness.max(median as f32);
    }
    Lines {
        positions,
        length,
        max_thickness,
    }
}

/// The vertical run of ink at or near (x, y), as `start..end`.
fn run_at(plane: &Plane, x: u32, y: f32, threshold: f32) -> Option<(u32, u32)> {
    let reach = 2 * i64::from(plane.width().max(plane.height()).div_ceil(SEARCH_SIDE));
    let is_ink = |y: i64| {
        let y = u32::try_from(y).ok()?;
        (plane.get_pixel_checked(x, y)?.0[0] > threshold).then_some(y)
    };
    let y = y.round() as i64;
    let mut nearby = (0..=reach).flat_map(|offset| [y - offset, y + offset]);
    let found = nearby.find_map(is_ink)?;
    let run = |step: i64| (0..).map_while(move |steps| is_ink(i64::from(found) + step * steps));
    Some((run(-1).last()?, run(1).last()? + 1))
}

/// Finds straight lines from left to right by a Hough transform: `[start, rise]` for each line that
/// is covered by ink, in pixels; of neighboring candidates only the best covered.
fn hough_lines(plane: &Plane, threshold: f32) -> Vec<[f32; 2]> {
    let unit = plane.width().max(plane.height()).div_ceil(SEARCH_SIDE);
    let (width, height) = (plane.width().div_ceil(unit), plane.height().div_ceil(unit));
    // Each pixel also counts one row up and down: lines are drawn by hand, and lenses bend them.
    let mut ink = GrayImage::new(width, height + 2);
    let pixels = plane.enumerate_pixels();
    for (x, y, _) in pixels.filter(|(.., pixel)| pixel.0[0] > threshold) {
        (0..3).for_each(|row| ink.put_pixel(x / unit, y / unit + row, Luma([1])));
    }
    let pixels: Vec<(u32, u32)> = ink
        .enumerate_pixels()
        .filter(|(.., ink)| ink.0[0] > 0)
        .map(|(x, y, _)| (x, y))
        .collect();
    let max_rise = (MAX_RISE * width as f32) as i32;
    let min_count = (MIN_COVER * width as f32).max(8.0) as u32;
    let mut candidates = Vec::new();
    for rise in -max_rise..=max_rise {
        // How far above y a line through (x, y) starts, plus `max_rise` to keep indices positive.
        let offsets: Vec<u32> = (0..width as i32)
            .map(|x| (max_rise - rise * x / width as i32) as u32)
            .collect();
        let mut counts = vec![0; height as usize + 2 + 2 * max_rise as usize];
        for &(x, y) in &pixels {
            counts[(y + offsets[x as usize]) as usize] += 1;
        }
        let starts = -max_rise - 1..;
        let covered = starts.zip(counts).filter(|(_, count)| *count >= min_count);
        candidates.extend(covered.map(|(start, count)| (count, [start, rise])));
    }
    candidates.sort_by_key(|&(count, _)| Reverse(count));
    let mut lines: Vec<[i32; 2]> = Vec::new();
    for (_, [start, rise]) in candidates {
        let is_new = |line: &[i32; 2]| (2 * (line[0] - start) + line[1] - rise).abs() > 8;
        if lines.iter().all(is_new) {
            lines.push([start, rise]);
        }
    }
    let to_pixels = |line: [i32; 2]| line.map(|length| length as f32 * unit as f32);
    lines.into_iter().map(to_pixels).collect()
}
