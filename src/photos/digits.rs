//! Pieces of ink become digits: strokes that do not touch are put together, rests of other things
//! left out, and the digits put in the order in which they are read.

use super::components::{Frame, Piece, pieces, usual};
use super::drawing::Drawing;
use super::ink::filtered;
use super::{MOST, Plane};

/// Pieces of ink smaller than this share of the usual one are specks.
const SPECK: f32 = 0.04;

/// The digits of a drawing, from left to right, line by line.
pub(super) fn digits(drawing: &Drawing) -> Vec<Piece> {
    let size = usual(&drawing.pieces).map_or(0, |piece| piece.frame.longer());
    let mut parts = linked(drawing, size.div_ceil(28));
    let Some(part) = usual(&parts) else {
        return Vec::new();
    };
    let (least, size) = (SPECK * part.area(), part.frame.longer() as f32);
    let is_dash = part.is_dash();
    parts.retain(|part| part.area() >= least);
    let are_dashes = is_dash && parts.len() >= 4;
    let mut digits: Vec<Piece> = Vec::new();
    for mut digit in parts.into_iter().take(4 * MOST) {
        let near = |digits: &[Piece], frame| {
            let mut frames = digits.iter().map(|other| other.frame);
            frames.position(|other| are_of_one(other, frame, size, are_dashes))
        };
        while let Some(other) = near(&digits, digit.frame) {
            digit = digit.and(digits.swap_remove(other));
        }
        digits.push(digit);
    }
    let size = usual(&digits).map_or(0, |digit| digit.frame.longer());
    if digits.len() > 1 {
        digits.retain(|digit| is_like_digit(digit.frame, size as f32, &drawing.ink));
    }
    in_lines(digits)
}

/// All ink but specks, as one thing.
pub(super) fn whole(drawing: &Drawing) -> Option<Piece> {
    let pieces = drawing.pieces.iter();
    let largest = pieces.clone().map(Piece::area).fold(0.0, f32::max);
    let large = pieces.filter(|piece| piece.area() >= SPECK * largest);
    large.cloned().reduce(Piece::and)
}

/// The pieces, those together that are no more than twice `reach` apart: a pen can fail.
fn linked(drawing: &Drawing, reach: u32) -> Vec<Piece> {
    let (ink, from) = (&drawing.ink, drawing.ink_from);
    let wide = pieces(&filtered(ink, reach, f32::max), from);
    let is_ink = |&(x, y): &(u32, u32)| ink.get_pixel(x, y).0[0] > from;
    let of_ink = |piece: Piece| Piece::of(piece.pixels().filter(is_ink).collect());
    wide.into_iter().filter_map(of_ink).collect()
}

/// Whether two parts of strokes belong to one digit, where strokes are usually of this size: one
/// above the other, or a smaller one just beside a larger one. What lies flat is no digit by itself
/// and may be farther above the rest: the bar of a 5. Dashes of one digit are neighbours.
fn are_of_one(a: Frame, b: Frame, size: f32, are_dashes: bool) -> bool {
    let (x, y) = a.overlaps(b);
    if are_dashes {
        return x.min(y) > -1.2 * size;
    }
    let narrower = a.width().min(b.width()) as f32;
    let lower = a.height().min(b.height()) as f32;
    let are_tall = lower > 0.7 * size && y > 0.7 * lower;
    let lies_flat = |frame: Frame| 2 * frame.width() > 3 * frame.height();
    let is_flat = lies_flat(a) || lies_flat(b);
    let share = if are_tall { 0.7 } else { 0.4 };
    let gap = if is_flat { 0.5 } else { 0.25 };
    let above = x >= share * narrower && y > -gap * size;
    let shorter = a.longer().min(b.longer()) as f32;
    let beside = y >= 0.4 * lower && x > -0.08 * size && shorter < 0.6 * size;
    above || beside
}

/// Whether something is as a digit can be, where they are usually of this size: no dot, no dash and
/// no rest of a line.
fn is_like_digit(frame: Frame, size: f32, plane: &Plane) -> bool {
    let (width, height) = (frame.width() as f32, frame.height() as f32);
    let is_thin = height > 8.0 * width && frame.sides_at_edge(plane) > 0;
    width.max(height) > 0.35 * size && width < 3.0 * height && height < 2.5 * size && !is_thin
}

/// From left to right, line by line: a digit goes on with the line whose last digit stands beside
/// it.
fn in_lines(mut digits: Vec<Piece>) -> Vec<Piece> {
    digits.sort_by_key(|digit| digit.frame.left);
    let mut lines: Vec<Vec<Piece>> = Vec::new();
    for digit in digits {
        let beside = |last: &Piece| {
            let lower = last.frame.height().min(digit.frame.height()) as f32;
            last.frame.overlaps(digit.frame).1 / lower
        };
        let share = |line: &Vec<Piece>| line.last().map_or(0.0, beside);
        let best = lines
            .iter_mut()
            .max_by(|a, b| share(a).total_cmp(&share(b)));
        match best.filter(|line| share(line) > 0.4) {
            Some(line) => line.push(digit),
            None => lines.push(vec![digit]),
        }
    }
    lines.sort_by_key(|line| line.iter().map(|digit| digit.frame.top).min());
    lines.into_iter().flatten().collect()
}
