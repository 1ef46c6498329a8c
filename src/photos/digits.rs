//! From components to digits: merges strokes that do not touch, drops specks and remnants of other
//! objects, and sorts the digits in reading order.

use super::components::{Component, Rect, connected_components, typical};
use super::drawing::Drawing;
use super::ink::dilate;
use super::{MAX_DIGITS, Plane};

/// Components with less than this share of the typical area are specks.
const MAX_SPECK: f32 = 0.04;
/// At least this many dashes are dashed strokes.
const MIN_DASHES: usize = 4;

/// The digits of a drawing, from left to right, line by line.
pub(super) fn find_digits(drawing: &Drawing) -> Vec<Component> {
    let stroke_size = typical(&drawing.components).map_or(0, |one| one.bounds.longer_side());
    let mut parts = close_gaps(drawing, stroke_size.div_ceil(28));
    let Some(part) = typical(&parts) else {
        return Vec::new();
    };
    let (min_area, size) = (MAX_SPECK * part.area(), part.bounds.longer_side() as f32);
    let is_dash = part.is_dash();
    parts.retain(|part| part.area() >= min_area);
    let are_dashes = is_dash && parts.len() >= MIN_DASHES;
    let mut digits: Vec<Component> = Vec::new();
    // The limit bounds the time for patterns of thousands of parts.
    for mut digit in parts.into_iter().take(4 * MAX_DIGITS) {
        let part_of_same = |digits: &[Component], bounds| {
            digits
                .iter()
                .position(|other| belong_together(other.bounds, bounds, size, are_dashes))
        };
        while let Some(other) = part_of_same(&digits, digit.bounds) {
            digit = digit.union(digits.swap_remove(other));
        }
        digits.push(digit);
    }
    let size = typical(&digits).map_or(0, |digit| digit.bounds.longer_side());
    if digits.len() > 1 {
        digits.retain(|digit| may_be_digit(digit.bounds, size as f32, &drawing.ink));
    }
    in_reading_order(digits)
}

/// All ink except specks, as one component.
pub(super) fn all_ink(drawing: &Drawing) -> Option<Component> {
    let components = drawing.components.iter();
    let max_area = components.clone().map(Component::area).fold(0.0, f32::max);
    components
        .filter(|component| component.area() >= MAX_SPECK * max_area)
        .cloned()
        .reduce(Component::union)
}

/// The components of the drawing; those at most `2 * radius` apart count as one, because pens skip.
fn close_gaps(drawing: &Drawing, radius: u32) -> Vec<Component> {
    let (ink, threshold) = (&drawing.ink, drawing.threshold);
    let is_ink = |&(x, y): &(u32, u32)| ink.get_pixel(x, y).0[0] > threshold;
    connected_components(&dilate(ink, radius), threshold)
        .into_iter()
        .filter_map(|wide| Component::new(wide.pixels().filter(is_ink).collect()))
        .collect()
}

/// True if two strokes belong to one digit, given the typical size of strokes: one above the other,
/// or a smaller one close beside a larger one. A flat stroke is not a digit on its own and may be
/// farther above the rest, such as the bar of a 5. Dashes of one digit are close to each other.
fn belong_together(a: Rect, b: Rect, size: f32, are_dashes: bool) -> bool {
    let (x, y) = a.overlap(b);
    if are_dashes {
        return x.min(y) > -1.2 * size;
    }
    let min_width = a.width().min(b.width()) as f32;
    let min_height = a.height().min(b.height()) as f32;
    let are_tall = min_height > 0.7 * size && y > 0.7 * min_height;
    let is_flat = |rect: Rect| 2 * rect.width() > 3 * rect.height();
    let min_share = if are_tall { 0.7 } else { 0.4 };
    let max_gap = if is_flat(a) || is_flat(b) { 0.5 } else { 0.25 };
    let are_stacked = x >= min_share * min_width && y > -max_gap * size;
    let smaller_side = a.longer_side().min(b.longer_side()) as f32;
    let is_attached = y >= 0.4 * min_height && x > -0.08 * size && smaller_side < 0.6 * size;
    are_stacked || is_attached
}

/// False for dots, dashes and remnants of lines, given the typical size of digits.
fn may_be_digit(bounds: Rect, size: f32, plane: &Plane) -> bool {
    let (width, height) = (bounds.width() as f32, bounds.height() as f32);
    let is_line_at_edge = height > 8.0 * width && bounds.edges_touched(plane) > 0;
    width.max(height) > 0.35 * size
        && width < 3.0 * height
        && height < 2.5 * size
        && !is_line_at_edge
}

/// Sorts digits from left to right, line by line. A digit continues the line whose last digit is
/// beside it.
fn in_reading_order(mut digits: Vec<Component>) -> Vec<Component> {
    digits.sort_by_key(|digit| digit.bounds.left);
    let mut lines: Vec<Vec<Component>> = Vec::new();
    for digit in digits {
        let shared_height = |line: &Vec<Component>| {
            line.last().map_or(0.0, |last| {
                let min_height = last.bounds.height().min(digit.bounds.height()) as f32;
                last.bounds.overlap(digit.bounds).1 / min_height
            })
        };
        let best = lines
            .iter_mut()
            .max_by(|a, b| shared_height(a).total_cmp(&shared_height(b)));
        match best.filter(|line| shared_height(line) > 0.4) {
            Some(line) => line.push(digit),
            None => lines.push(vec![digit]),
        }
    }
    lines.sort_by_key(|line| line.iter().map(|digit| digit.bounds.top).min());
    lines.into_iter().flatten().collect()
}
