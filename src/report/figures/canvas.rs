//! A picture in the making: plotters draws on a bitmap three times as large, which is scaled down.
//!
//! So edges are smooth and letters stand evenly, which plotters places on whole pixels. Positions
//! and sizes are in pixels of the finished picture, from its upper left corner. The font is part of
//! the program: the same drawing gives the same bytes on every machine.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, ScaleFont, point};
use anyhow::{Context, Result, ensure};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontTransform, register_font};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind,
};

use super::real;
use crate::data::SIDE;

/// What is drawn on.
pub(super) type Area<'a> = DrawingArea<Bitmap<'a>, Shift>;
/// From the left and from the top.
pub(super) type Point = (f64, f64);
/// How a text looks, and which part of it stands on its place.
pub(super) type Font = TextStyle<'static>;

/// Samples for each pixel, across and down.
const SCALE: u32 = 3;
/// `DejaVu Sans` from its lowest to its highest point, in ems: plotters' measure of a font.
const FONT_HEIGHT: f64 = 1.164;
/// Height of its capitals, in plotters' measure.
const CAPITAL: f32 = 0.729 / 1.164;

/// For notes; can be read on white.
pub(super) const GREY: RGBColor = RGBColor(90, 90, 90);

const FAMILY: &str = "DejaVu Sans";
type BuiltIn = LazyLock<Option<FontRef<'static>>>;
static REGULAR: BuiltIn = LazyLock::new(|| registered(FontStyle::Normal, dejavu::sans::regular()));
static BOLD: BuiltIn = LazyLock::new(|| registered(FontStyle::Bold, dejavu::sans::bold()));

/// A font that plotters knows, too: it measures text.
fn registered(style: FontStyle, bytes: &'static [u8]) -> Option<FontRef<'static>> {
    register_font(FAMILY, style, bytes).ok()?;
    FontRef::try_from_slice(bytes).ok()
}

/// Plotters' bitmap, with letters where the font wants them. (Plotters 0.3.7 leaves out the space
/// to the left of each, so that they stand unevenly: "Con fusion".)
pub(super) struct Bitmap<'a>(BitMapBackend<'a>);

type Failure = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type Outcome = Result<(), DrawingErrorKind<Failure>>;

impl DrawingBackend for Bitmap<'_> {
    type ErrorType = Failure;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Outcome {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Outcome {
        self.0.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Outcome {
        self.0.draw_pixel(at, color)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Outcome {
        self.0.draw_line(from, to, style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Outcome {
        self.0.draw_rect(from, to, style, fill)
    }

    /// Capitals stand in the middle of the text's height.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "small numbers of samples"
    )]
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Outcome {
        let measured = style.layout_box(text);
        let (_, (width, height)) =
            measured.map_err(|error| DrawingErrorKind::FontError(Box::new(error)))?;
        let built_in = match style.style() {
            FontStyle::Bold => &BOLD,
            _ => &REGULAR,
        };
        let Some(font) = built_in.as_ref() else {
            return Ok(());
        };
        let font = font.as_scaled(style.size() as f32);
        let left = match style.anchor().h_pos {
            HPos::Left => 0,
            HPos::Center => -width / 2,
            HPos::Right => -width,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => 0,
            VPos::Center => -height / 2,
            VPos::Bottom => -height,
        };
        let capital = CAPITAL * style.size() as f32;
        let below = (top as f32) + f32::midpoint(height as f32, capital);
        let mut pen = point(left as f32, below);
        let mut previous = None;
        for id in text.chars().map(|letter| font.glyph_id(letter)) {
            pen.x += previous.map_or(0.0, |previous| font.kern(previous, id));
            previous = Some(id);
            let glyph = id.with_scale_and_position(font.scale(), pen);
            pen.x += font.h_advance(id);
            let Some(glyph) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = glyph.px_bounds().min;
            let mut outcome = Ok(());
            glyph.draw(|across, down, ink| {
                let right = corner.x as i32 + across as i32;
                let (dx, dy) = style
                    .transform()
                    .transform(right, corner.y as i32 + down as i32);
                let BackendColor { alpha, rgb } = style.color();
                let alpha = alpha * f64::from(ink.min(1.0));
                let drawn = self.draw_pixel((x + dx, y + dy), BackendColor { alpha, rgb });
                outcome = std::mem::replace(&mut outcome, Ok(())).and(drawn);
            });
            outcome?;
        }
        Ok(())
    }
}

/// A white picture with what `draw` puts on it, as PNG with 8-bit RGB.
pub(super) fn png(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area) -> Result<()>,
) -> Result<Vec<u8>> {
    let is_whole = REGULAR.is_some() && BOLD.is_some();
    ensure!(is_whole, "the built-in font is damaged");
    let (across, down) = (width * SCALE, height * SCALE);
    let row = usize::try_from(across)? * 3;
    let mut samples = vec![u8::MAX; row * usize::try_from(down)?];
    let bitmap = BitMapBackend::with_buffer(&mut samples, (across, down));
    draw(&Bitmap(bitmap).into_drawing_area())?;
    let picture = scaled_down(&samples, row);
    drop(samples);
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Level(4), FilterType::NoFilter)
        .write_image(&picture, width, height, ExtendedColorType::Rgb8)
        .context("cannot encode a picture")?;
    Ok(bytes)
}

/// The mean of each pixel's samples; image's own resize takes ten times as long.
fn scaled_down(samples: &[u8], row: usize) -> Vec<u8> {
    let mut picture: Vec<u8> = Vec::with_capacity(samples.len() / 9);
    let mut before: &[u8] = &[];
    for rows in samples.chunks_exact(row * 3) {
        // Much of a plot is as the line above it.
        if rows == before {
            picture.extend_from_within(picture.len() - row / 3..);
            continue;
        }
        before = rows;
        let mut sums = vec![[0_u16; 3]; row / 9];
        for line in rows.chunks_exact(row) {
            for (sum, pixel) in sums.iter_mut().zip(line.as_chunks::<9>().0) {
                for (color, sum) in sum.iter_mut().enumerate() {
                    let levels = [pixel[color], pixel[color + 3], pixel[color + 6]];
                    *sum += levels.map(u16::from).iter().sum::<u16>();
                }
            }
        }
        let means = sums.as_flattened().iter().map(|sum| (sum + 4) / 9);
        picture.extend(means.map(|mean| u8::try_from(mean).unwrap_or(u8::MAX)));
    }
    picture
}

/// A number of pixels in samples, or the sample at a place.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(super) fn samples(pixels: f64) -> i32 {
    // Thirds of a pixel are whole samples.
    (pixels * f64::from(SCALE) + 1e-3).floor() as i32
}

/// The pixel that a sample lies in.
pub(super) fn pixel(sample: i32) -> f64 {
    (f64::from(sample) / f64::from(SCALE)).floor()
}

fn sample((x, y): Point) -> (i32, i32) {
    (samples(x), samples(y))
}

/// Black text whose middle stands on its place; `size` is that of an em.
pub(super) fn font(size: f64) -> Font {
    styled(size, FontStyle::Normal)
}

/// The same in bold.
pub(super) fn bold(size: f64) -> Font {
    styled(size, FontStyle::Bold)
}

fn styled(size: f64, style: FontStyle) -> Font {
    let height = size * FONT_HEIGHT * f64::from(SCALE);
    let middle = Pos::new(HPos::Center, VPos::Center);
    TextStyle::from(FontDesc::new(FontFamily::Name(FAMILY), height, style)).pos(middle)
}

/// The same with its start on its place.
pub(super) fn from_start(font: &Font) -> Font {
    font.pos(Pos::new(HPos::Left, VPos::Center))
}

/// The same with its end on its place.
pub(super) fn to_end(font: &Font) -> Font {
    font.pos(Pos::new(HPos::Right, VPos::Center))
}

/// The same reading from bottom to top.
pub(super) fn upward(font: &Font) -> Font {
    font.transform(FontTransform::Rotate270)
}

/// Writes a line of text.
pub(super) fn text(area: &Area, text: &str, at: Point, font: &TextStyle) -> Result<()> {
    let drawn = area.draw_text(text, font, sample(at));
    drawn.context("cannot draw text")
}

/// A title with a line of explanation below it, around the middle `x`.
pub(super) fn heading(area: &Area, x: f64, title: &str, explanation: &str) -> Result<()> {
    text(area, title, (x, 34.0), &bold(25.0))?;
    text(area, explanation, (x, 64.0), &font(15.0).color(&GREY))
}

/// Length of a line of text.
pub(super) fn length(text: &str, font: &Font) -> Result<f64> {
    let (width, _) = font.font.box_size(text).context("cannot measure text")?;
    Ok(f64::from(width) / f64::from(SCALE))
}

/// Length of the longest of `texts`.
pub(super) fn longest<'a>(texts: impl IntoIterator<Item = &'a str>, font: &Font) -> Result<f64> {
    let mut lengths = texts.into_iter().map(|text| length(text, font));
    lengths.try_fold(0.0, |longest, length| Ok(f64::max(longest, length?)))
}

/// `text`, or as much of it as fits into `longest` pixels, with an ellipsis.
pub(super) fn cut(text: &str, font: &Font, longest: f64) -> Result<String> {
    if length(text, font)? <= longest {
        return Ok(text.to_owned());
    }
    let mut shown = String::new();
    for letter in text.chars() {
        shown.push(letter);
        if length(&format!("{shown}…"), font)? > longest {
            shown.pop();
            break;
        }
    }
    Ok(shown + "…")
}

/// Fills the rectangle from one corner up to, but without, the other.
pub(super) fn rectangle(area: &Area, from: Point, to: Point, color: RGBColor) -> Result<()> {
    let corners = [sample(from), sample(to)];
    Ok(area.draw(&Rectangle::new(corners, color.filled()))?)
}

/// The outline of a rectangle, a pixel wide, just inside it.
pub(super) fn frame(area: &Area, from: Point, to: Point, color: RGBColor) -> Result<()> {
    let ((left, top), (right, bottom)) = (from, to);
    rectangle(area, from, (right, top + 1.0), color)?;
    rectangle(area, (left, bottom - 1.0), to, color)?;
    rectangle(area, from, (left + 1.0, bottom), color)?;
    rectangle(area, (right - 1.0, top), to, color)
}

/// A line from point to point.
pub(super) fn stroke(area: &Area, points: &[Point], width: f64, color: RGBColor) -> Result<()> {
    let style = Color::stroke_width(&color, samples(width).unsigned_abs());
    for pair in points.windows(2) {
        let ends: Vec<_> = pair.iter().map(|&point| sample(point)).collect();
        area.draw(&PathElement::new(ends, style))?;
    }
    Ok(())
}

/// A disc.
pub(super) fn dot(area: &Area, center: Point, radius: f64, color: RGBColor) -> Result<()> {
    let disc = Circle::new(sample(center), samples(radius), color.filled());
    Ok(area.draw(&disc)?)
}

/// Grey values of an image, `zoom` pixels each, with as many in a row as it is high.
pub(super) fn image(
    area: &Area,
    (left, top): Point,
    zoom: f64,
    values: impl Iterator<Item = u8>,
) -> Result<()> {
    for (place, value) in values.enumerate() {
        let (row, column) = (place / SIDE, place % SIDE);
        let (x, y) = (left + zoom * real(column), top + zoom * real(row));
        let grey = RGBColor(value, value, value);
        rectangle(area, (x, y), (x + zoom, y + zoom), grey)?;
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use ::image::RgbImage;

    /// The pixels of a PNG, which is also left in `target/pictures` for people to look at.
    pub(crate) fn shown(name: &str, png: &[u8]) -> RgbImage {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/pictures");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(format!("{folder}/{name}.png"), png).unwrap();
        let picture = ::image::load_from_memory(png).unwrap();
        assert_eq!(picture.color(), ::image::ColorType::Rgb8);
        assert!(!touches_the_rim(&picture.to_rgb8()), "{name}");
        picture.to_rgb8()
    }

    fn touches_the_rim(picture: &RgbImage) -> bool {
        let (right, bottom) = (picture.width() - 2, picture.height() - 2);
        let is_rim = |x, y| x < 2 || y < 2 || x >= right || y >= bottom;
        let mut pixels = picture.enumerate_pixels();
        pixels.any(|(x, y, color)| is_rim(x, y) && color.0 != [255; 3])
    }

    /// Left, upper, right and lower end of what is dark.
    fn ink(draw: impl FnOnce(&Area) -> Result<()>) -> [u32; 4] {
        let picture = ::image::load_from_memory(&png((201, 201), draw).unwrap()).unwrap();
        let picture = picture.to_rgb8();
        let pixels = picture.enumerate_pixels();
        let dark = pixels.filter(|(_, _, color)| color.0[0] < 128);
        let dark: Vec<_> = dark.map(|(x, y, _)| (x, y)).collect();
        let (xs, ys) = (dark.iter().map(|p| p.0), dark.iter().map(|p| p.1));
        [xs.clone().min(), ys.clone().min(), xs.max(), ys.max()].map(Option::unwrap)
    }

    #[test]
    fn rectangles_end_before_their_lower_right_corner() {
        let found = ink(|area| rectangle(area, (20.0, 30.0), (50.0, 40.0), BLACK));
        assert_eq!(found, [20, 30, 49, 39]);
    }

    #[test]
    fn text_stands_in_the_middle_of_its_place_and_upward_text_is_turned() {
        let upright = upward(&font(40.0));
        for (style, is_upright) in [(font(40.0), false), (upright, true)] {
            let [left, top, right, bottom] = ink(|area| text(area, "HIH", (100.5, 100.5), &style));
            assert_eq!(right - left < bottom - top, is_upright);
            assert!((left + right).abs_diff(200) <= 2, "{left}..={right}");
            assert!((top + bottom).abs_diff(200) <= 2, "{top}..={bottom}");
        }
    }

    #[test]
    fn long_texts_are_cut_and_short_ones_are_not() {
        let font = font(17.0);
        assert_eq!(cut("Ankle boot", &font, 150.0).unwrap(), "Ankle boot");
        let shown = cut(&"x".repeat(1_000), &font, 150.0).unwrap();
        assert!(shown.ends_with('…') && length(&shown, &font).unwrap() <= 150.0);
    }
}
