//! What is drawn on a picture: its ink, without all that is none. That is a table around the sheet
//! of paper, what lies along the picture's edge, and the lines of the paper.

use image::{Luma, imageops};

use super::components::{Frame, Piece, mask, pieces, usual};
use super::ink::{above_paper, inverted, is_at_edge, is_light_on_dark, paper_and_stroke, zipped};
use super::lines::without_lines;
use super::{EXTENT, Plane, frame_of};

/// What lies along the picture's edge with this share of its frame's half outline is not drawn.
const ALONG_EDGE: f32 = 0.6;

/// A drawing.
#[derive(Clone)]
pub(super) struct Drawing {
    /// How much darker, or lighter, than the paper each pixel is.
    pub ink: Plane,
    /// What is more than this belongs to a piece.
    pub ink_from: f32,
    /// The connected pieces of ink.
    pub pieces: Vec<Piece>,
    /// Whether the ink is lighter than the paper.
    pub is_light: bool,
    /// What of `ink` is nothing yet, and what is a full stroke.
    paper: f32,
    stroke: f32,
}

impl Drawing {
    /// What is drawn on a picture of these light values, `None` where nothing is: in light or dark
    /// ink where that is known, else in the colour that is likely, else in the other.
    pub fn of(light: &Plane, is_light: Option<bool>) -> Option<Self> {
        let on_sheet = sheet(light).and_then(|sheet| Self::in_either_colour(&sheet, is_light));
        // What is in the hole of a bold 0 is a spot.
        let on_sheet = on_sheet.filter(|drawing| !drawing.usual(Piece::is_spot));
        on_sheet.or_else(|| Self::in_either_colour(light, is_light))
    }

    fn in_either_colour(light: &Plane, known: Option<bool>) -> Option<Self> {
        let is_light = known.unwrap_or_else(|| is_light_on_dark(light));
        let dark = inverted(light);
        let drawn = |is_light| {
            let ink = above_paper(if is_light { light } else { &dark });
            Self::found(ink, is_light)
        };
        let found = drawn(is_light);
        let likely = found.clone().and_then(Self::cleaned);
        if known.is_some() || likely.as_ref().is_some_and(|drawing| !drawing.is_paper()) {
            return likely.or(found);
        }
        let other = drawn(!is_light).and_then(Self::cleaned);
        let other = other.filter(|drawing| likely.is_none() || !drawing.is_paper());
        other.or(likely).or(found)
    }

    fn found(ink: Plane, is_light: bool) -> Option<Self> {
        let (paper, stroke) = paper_and_stroke(&ink)?;
        let ink_from = f32::midpoint(paper, stroke);
        Some(Self {
            pieces: pieces(&ink, ink_from),
            ink,
            ink_from,
            is_light,
            paper,
            stroke,
        })
    }

    /// Whether `what` is true of the usual piece.
    fn usual(&self, what: impl FnOnce(&Piece) -> bool) -> bool {
        usual(&self.pieces).is_some_and(what)
    }

    /// Whether it is rather the paper around strokes: a large spot at the picture's edge.
    fn is_paper(&self) -> bool {
        let longer = self.ink.width().max(self.ink.height());
        self.usual(|piece| {
            let is_at_edge = piece.frame.sides_at_edge(&self.ink) > 0;
            is_at_edge && 8 * piece.frame.longer() > longer && piece.is_spot()
        })
    }

    /// Whether it is of more pieces than one digit is likely to have.
    pub fn is_of_many(&self) -> bool {
        let least = usual(&self.pieces).map_or(0.0, |piece| piece.area() / 8.0);
        let large = self.pieces.iter().filter(|piece| piece.area() >= least);
        large.count() > 8
    }

    /// Without what is no ink, again and again, because what is left may be fainter.
    fn cleaned(mut self) -> Option<Self> {
        for _ in 0..6 {
            let ink = self.without_lines().or_else(|| self.without_edges());
            let Some(ink) = ink else { break };
            self = Self::found(ink, self.is_light)?;
        }
        Some(self)
    }

    /// The ink without what lies along the picture's edge: a table, another sheet, the lid of a
    /// scanner. Strokes reach the edge only with their ends.
    fn without_edges(&self) -> Option<Plane> {
        let longer = self.ink.width().max(self.ink.height()) - 1;
        let is_edge = |piece: &&Piece| {
            let along = piece.pixels().filter(|&at| is_at_edge(&self.ink, at));
            let frame = piece.frame;
            let half = (frame.width() + frame.height()) as f32;
            along.count() as f32 > ALONG_EDGE * half && frame.longer() > longer / 20
        };
        let mut edges = self.pieces.iter().filter(is_edge).peekable();
        edges.peek()?;
        let gone = edges.flat_map(Piece::pixels);
        Some(painted(&self.ink, gone, (longer / 64).max(1), 0.0))
    }

    /// The ink without the lines of the paper and of printed boxes.
    fn without_lines(&self) -> Option<Plane> {
        let all: Vec<Frame> = self.pieces.iter().map(|piece| piece.frame).collect();
        let whole = all.iter().copied().reduce(Frame::and)?;
        let (mut ink, mut is_changed) = (self.ink.clone(), false);
        let parts = all.into_iter().filter(|&frame| frame != whole);
        for frame in parts.chain([whole]).filter(|frame| frame.longer() >= 16) {
            if let Some(part) = without_lines(&ink, frame, self.ink_from, frame == whole) {
                imageops::replace(&mut ink, &part, frame.left.into(), frame.top.into());
                is_changed = true;
            }
        }
        is_changed.then_some(ink)
    }

    /// The ink of a piece, 0 to 1, and that about a pixel of the finished picture around it, where
    /// strokes fade out; 0 elsewhere. No more than where there is some.
    pub fn cut_out(&self, piece: &Piece) -> Plane {
        let reach = (piece.frame.longer() / 24).max(1);
        let frame = piece.frame.within(&self.ink, reach);
        let ink = frame.cut(&self.ink);
        let within = |(x, y)| (x - frame.left, y - frame.top);
        let near = mask(&ink, piece.pixels().map(within), reach);
        let (paper, range) = (self.paper, self.stroke - self.paper);
        let full = |value: f32, near: f32| near * ((value - paper) / range).clamp(0.0, 1.0);
        let ink = zipped(&ink, &near, full);
        let extent = frame_of(&ink, |value| value >= EXTENT);
        extent.map_or(ink.clone(), |extent| extent.cut(&ink))
    }
}

/// The plane with another value in these pixels and `reach` beside them.
fn painted(
    plane: &Plane,
    pixels: impl Iterator<Item = (u32, u32)>,
    reach: u32,
    with: f32,
) -> Plane {
    let paint = |value, mask: f32| if mask > 0.0 { with } else { value };
    zipped(plane, &mask(plane, pixels, reach), paint)
}

/// Where the picture shows a sheet of paper on a table: the same with the table painted over. The
/// sheet is what is lighter, or darker, than all around it, solid and nearly a rectangle.
fn sheet(light: &Plane) -> Option<Plane> {
    let (low, high) = paper_and_stroke(light)?;
    let middle = f32::midpoint(low, high);
    sheet_above(light, middle)
        .or_else(|| Some(inverted(&sheet_above(&inverted(light), 1.0 - middle)?)))
}

fn sheet_above(plane: &Plane, threshold: f32) -> Option<Plane> {
    let found = pieces(plane, threshold).into_iter();
    let sheet = found.max_by_key(|piece| piece.pixels.len())?;
    let frame = sheet.frame;
    let shorter = frame.width().min(frame.height());
    if 5 * shorter < plane.width().max(plane.height()) || frame.sides_at_edge(plane) > 1 {
        return None;
    }
    // What is drawn on it are holes.
    let mut others = Plane::from_pixel(plane.width(), plane.height(), Luma([1.0]));
    sheet
        .pixels()
        .for_each(|(x, y)| others.put_pixel(x, y, Luma([0.0])));
    let mut outside = pieces(&others, 0.5);
    outside.retain(|piece| piece.frame.sides_at_edge(plane) > 0);
    let area = |width, height| (width * height) as f32;
    let filled = area(plane.width(), plane.height()) - outside.iter().map(Piece::area).sum::<f32>();
    if sheet.area() < 0.8 * filled || filled < 0.65 * area(frame.width(), frame.height()) {
        return None;
    }
    let values = sheet.pixels().map(|(x, y)| plane.get_pixel(x, y).0[0]);
    let mean = values.sum::<f32>() / sheet.area();
    let outside = outside.iter().flat_map(Piece::pixels);
    Some(painted(plane, outside, (shorter / 40).max(1), mean))
}
