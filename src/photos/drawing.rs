//! Isolates the drawn ink of a picture: removes the table around a sheet of paper, objects along
//! the edge of the picture, and the lines of the paper.

use image::{Luma, imageops};

use super::components::{Component, Rect, connected_components, mask, typical};
use super::ink::{
    inverted, is_at_edge, is_light_on_dark, paper_and_stroke, subtract_paper, zip_map,
};
use super::lines::without_lines;
use super::{MIN_INK, Plane, bounding_box};

/// A component that covers more than this share of half its bounding box's outline with pixels on
/// the picture's edge is not drawn.
const MAX_EDGE_SHARE: f32 = 0.6;
/// Maximum number of times that lines or edges are removed.
const MAX_PASSES: usize = 6;

/// Ink, and the values that separate it from paper.
pub(super) struct Drawing {
    /// How much darker, or lighter, than the paper each pixel is.
    pub ink: Plane,
    /// Values above this are ink.
    pub threshold: f32,
    /// The connected components of the ink.
    pub components: Vec<Component>,
    /// True if the ink is lighter than the paper.
    pub is_light: bool,
    /// Mean values of paper and of full strokes in `ink`.
    paper: f32,
    stroke: f32,
}

impl Drawing {
    /// Finds what is drawn on a picture, given its light values; `None` if nothing is. Unless
    /// `is_light` says whether the ink is light or dark, the likelier one is tried first.
    pub fn find(light: &Plane, is_light: Option<bool>) -> Option<Self> {
        sheet(light)
            .and_then(|sheet| Self::of_either_polarity(&sheet, is_light))
            // A blob is the inside of a bold 0 that was mistaken for a sheet.
            .filter(|drawing| !drawing.typical_is(Component::is_blob))
            .or_else(|| Self::of_either_polarity(light, is_light))
    }

    fn of_either_polarity(light: &Plane, known: Option<bool>) -> Option<Self> {
        let is_light = known.unwrap_or_else(|| is_light_on_dark(light));
        let find = |is_light| {
            let ink = if is_light {
                subtract_paper(light)
            } else {
                subtract_paper(&inverted(light))
            };
            Self::from_ink(ink, is_light)
        };
        let likely = find(is_light).and_then(Self::cleaned);
        if known.is_some() || likely.as_ref().is_some_and(|drawing| !drawing.is_paper()) {
            return likely.or_else(|| find(is_light));
        }
        find(!is_light)
            .and_then(Self::cleaned)
            .filter(|other| likely.is_none() || !other.is_paper())
            .or(likely)
            .or_else(|| find(is_light))
    }

    fn from_ink(ink: Plane, is_light: bool) -> Option<Self> {
        let (paper, stroke) = paper_and_stroke(&ink)?;
        let threshold = f32::midpoint(paper, stroke);
        Some(Self {
            components: connected_components(&ink, threshold),
            ink,
            threshold,
            is_light,
            paper,
            stroke,
        })
    }

    fn typical_is(&self, predicate: impl FnOnce(&Component) -> bool) -> bool {
        typical(&self.components).is_some_and(predicate)
    }

    /// True if this is more likely the paper around the strokes: a large blob at the edge.
    fn is_paper(&self) -> bool {
        let longer_side = self.ink.width().max(self.ink.height());
        self.typical_is(|component| {
            let is_at_edge = component.bounds.edges_touched(&self.ink) > 0;
            is_at_edge && 8 * component.bounds.longer_side() > longer_side && component.is_blob()
        })
    }

    /// True if there are more components than one digit is likely to have.
    pub fn has_many_components(&self) -> bool {
        let min_area = typical(&self.components).map_or(0.0, |typical| typical.area() / 8.0);
        let components = self.components.iter();
        components.filter(|one| one.area() >= min_area).count() > 8
    }

    /// Removes lines, then objects at the edges, repeatedly, because the remaining ink may be
    /// fainter.
    fn cleaned(mut self) -> Option<Self> {
        for _ in 0..MAX_PASSES {
            let ink = self.without_lines().or_else(|| self.without_edges());
            let Some(ink) = ink else { break };
            self = Self::from_ink(ink, self.is_light)?;
        }
        Some(self)
    }

    /// Removes what lies along the edge of the picture: a table, another sheet, the lid of a
    /// scanner. Strokes only touch the edge with their ends.
    fn without_edges(&self) -> Option<Plane> {
        let longer_side = self.ink.width().max(self.ink.height()) - 1;
        let is_edge = |component: &&Component| {
            let at_edge = component.pixels().filter(|&at| is_at_edge(&self.ink, at));
            let bounds = component.bounds;
            let half_outline = (bounds.width() + bounds.height()) as f32;
            at_edge.count() as f32 > MAX_EDGE_SHARE * half_outline
                && bounds.longer_side() > longer_side / 20
        };
        let mut edges = self.components.iter().filter(is_edge).peekable();
        edges.peek()?;
        let pixels = edges.flat_map(Component::pixels);
        Some(painted(&self.ink, pixels, (longer_side / 64).max(1), 0.0))
    }

    /// Removes the lines of the paper and of printed boxes.
    fn without_lines(&self) -> Option<Plane> {
        let all: Vec<Rect> = self.components.iter().map(|one| one.bounds).collect();
        let whole = all.iter().copied().reduce(Rect::union)?;
        let (mut ink, mut is_changed) = (self.ink.clone(), false);
        let parts = all.into_iter().filter(|&area| area != whole);
        for area in parts.chain([whole]).filter(|area| area.longer_side() >= 16) {
            if let Some(part) = without_lines(&ink, area, self.threshold, area == whole) {
                imageops::replace(&mut ink, &part, area.left.into(), area.top.into());
                is_changed = true;
            }
        }
        is_changed.then_some(ink)
    }

    /// Crops a component: its ink scaled to 0..=1, 0 for ink of others. Includes a margin of about
    /// a pixel of the prepared image, where strokes fade out.
    pub fn crop(&self, component: &Component) -> Plane {
        let margin = (component.bounds.longer_side() / 24).max(1);
        let area = component.bounds.with_margin(&self.ink, margin);
        let ink = area.crop(&self.ink);
        let pixels = component.pixels();
        let mask = mask(
            &ink,
            pixels.map(|(x, y)| (x - area.left, y - area.top)),
            margin,
        );
        let (paper, range) = (self.paper, self.stroke - self.paper);
        let ink = zip_map(&ink, &mask, |value, mask| {
            mask * ((value - paper) / range).clamp(0.0, 1.0)
        });
        let extent = bounding_box(&ink, |value| value >= MIN_INK);
        extent.map_or_else(|| ink.clone(), |extent| extent.crop(&ink))
    }
}

/// Sets `value` within `radius` of these pixels.
fn painted(
    plane: &Plane,
    pixels: impl Iterator<Item = (u32, u32)>,
    radius: u32,
    value: f32,
) -> Plane {
    let paint = |old, mask: f32| if mask > 0.0 { value } else { old };
    zip_map(plane, &mask(plane, pixels, radius), paint)
}

/// If the picture shows a sheet of paper on a table: the picture with the table painted over. A
/// sheet is lighter, or darker, than everything around it, solid and nearly a rectangle.
fn sheet(light: &Plane) -> Option<Plane> {
    let (low, high) = paper_and_stroke(light)?;
    let threshold = f32::midpoint(low, high);
    sheet_above(light, threshold)
        .or_else(|| Some(inverted(&sheet_above(&inverted(light), 1.0 - threshold)?)))
}

fn sheet_above(plane: &Plane, threshold: f32) -> Option<Plane> {
    let sheet = connected_components(plane, threshold)
        .into_iter()
        .max_by_key(|component| component.pixels().count())?;
    let bounds = sheet.bounds;
    let shorter_side = bounds.width().min(bounds.height());
    let longest_side = plane.width().max(plane.height());
    if 5 * shorter_side < longest_side || bounds.edges_touched(plane) > 1 {
        return None;
    }
    // Drawings on the sheet are holes in it; whatever reaches the edge of the picture is table.
    let mut others = Plane::from_pixel(plane.width(), plane.height(), Luma([1.0]));
    sheet
        .pixels()
        .for_each(|(x, y)| others.put_pixel(x, y, Luma([0.0])));
    let mut table = connected_components(&others, 0.5);
    table.retain(|component| component.bounds.edges_touched(plane) > 0);
    let area = |width, height| (width * height) as f32;
    let table_area: f32 = table.iter().map(Component::area).sum();
    let filled = area(plane.width(), plane.height()) - table_area;
    if sheet.area() < 0.8 * filled || filled < 0.65 * area(bounds.width(), bounds.height()) {
        return None;
    }
    let values = sheet.pixels().map(|(x, y)| plane.get_pixel(x, y).0[0]);
    let mean = values.sum::<f32>() / sheet.area();
    let table_pixels = table.iter().flat_map(Component::pixels);
    Some(painted(
        plane,
        table_pixels,
        (shorter_side / 40).max(1),
        mean,
    ))
}
