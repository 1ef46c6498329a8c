//! A canvas, supersampled 3x.
//!
//! plotters draws into a bitmap three times as large, which is then scaled down: edges are smooth,
//! and letters can stand on thirds of a pixel. [`px`] converts pixels of the finished picture to
//! the samples that plotters counts in. The font is part of the program, so the same drawing gives
//! the same bytes on every machine.

use std::sync::LazyLock;

use ab_glyph::{Font as _, FontRef, ScaleFont, point};
use anyhow::{Context, Result, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind, rasterizer,
};

use crate::data::SIDE;
use crate::report::to_f64;

/// The area that figures are drawn on.
pub(crate) type Canvas<'a> = DrawingArea<Bitmap<'a>, Shift>;
/// Size, color and anchor of a text.
pub(crate) type Font = TextStyle<'static>;

/// Samples per pixel, horizontally and vertically.
const SCALE: i32 = 3;
/// Stroke width of a line of one pixel.
pub(crate) const LINE: u32 = 3;
/// For notes: readable on white.
pub(crate) const GRAY: RGBColor = RGBColor(90, 90, 90);

/// Anchors a text in the middle of its left end.
pub(crate) const LEFT: Pos = anchor(HPos::Left);
/// Anchors a text in its middle.
const CENTER: Pos = anchor(HPos::Center);
/// Anchors a text in the middle of its right end.
pub(crate) const RIGHT: Pos = anchor(HPos::Right);

const fn anchor(h_pos: HPos) -> Pos {
    let v_pos = VPos::Center;
    Pos { h_pos, v_pos }
}

const FAMILY: &str = "DejaVu Sans";
/// Height of `DejaVu Sans` in ems, which is how plotters measures a font.
const FONT_HEIGHT: f64 = 1.164;
/// Height of a capital, as a share of the font's height.
const CAPITAL: f32 = 0.729 / 1.164;
/// Height of a line in plotters' layout, as a share of the font's height.
const LINE_HEIGHT: f32 = 1.0 / 1.24;

type BuiltInFont = LazyLock<Option<FontRef<'static>>>;
static REGULAR: BuiltInFont = LazyLock::new(|| load(FontStyle::Normal, dejavu::sans::regular()));
static BOLD: BuiltInFont = LazyLock::new(|| load(FontStyle::Bold, dejavu::sans::bold()));

/// The built-in font in this style.
fn built_in(style: FontStyle) -> &'static BuiltInFont {
    match style {
        FontStyle::Bold => &BOLD,
        _ => &REGULAR,
    }
}

/// Parses a font and registers it with plotters, which measures texts.
fn load(style: FontStyle, bytes: &'static [u8]) -> Option<FontRef<'static>> {
    register_font(FAMILY, style, bytes).ok()?;
    FontRef::try_from_slice(bytes).ok()
}

/// Encodes a white picture, drawn on by `draw`, as an 8-bit RGB PNG.
pub(crate) fn png(
    (width, height): (u32, u32),
    draw: impl FnOnce(&Canvas) -> Result<()>,
) -> Result<Vec<u8>> {
    ensure!(
        REGULAR.is_some() && BOLD.is_some(),
        "the built-in font is damaged"
    );
    let size = (width * LINE, height * LINE);
    let row = usize::try_from(size.0)? * 3;
    let mut samples = vec![u8::MAX; row * usize::try_from(size.1)?];
    let bitmap = BitMapBackend::with_buffer(&mut samples, size);
    draw(&Bitmap(bitmap).into_drawing_area())?;
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_deflate_compression(png::DeflateCompression::Level(4));
    encoder.set_filter(png::Filter::NoFilter);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(&scale_down(&samples, row)))
        .context("cannot encode a picture")?;
    Ok(bytes)
}

/// Averages each pixel's samples.
fn scale_down(samples: &[u8], row: usize) -> Vec<u8> {
    let mut picture: Vec<u8> = Vec::with_capacity(samples.len() / 9);
    let mut previous: &[u8] = &[];
    for rows in samples.chunks_exact(row * 3) {
        // Many lines of a plot equal the one above.
        if rows == previous {
            picture.extend_from_within(picture.len() - row / 3..);
            continue;
        }
        previous = rows;
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

/// plotters' bitmap with sharp lines, round joints and evenly spaced letters.
pub(crate) struct Bitmap<'a>(BitMapBackend<'a>);

type BackendError = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type Drawn = Result<(), DrawingErrorKind<BackendError>>;

impl DrawingBackend for Bitmap<'_> {
    type ErrorType = BackendError;

    fn get_size(&self) -> (u32, u32) {
        self.0.get_size()
    }

    fn ensure_prepared(&mut self) -> Drawn {
        self.0.ensure_prepared()
    }

    fn present(&mut self) -> Drawn {
        self.0.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> Drawn {
        self.0.draw_pixel(at, color)
    }

    /// Draws a line. A horizontal or vertical one of one pixel covers whole pixels.
    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        let width = style.stroke_width();
        if width == 1 {
            return self.0.draw_line(from, to, style);
        }
        if width != LINE || (from.0 != to.0 && from.1 != to.1) {
            let polygon = rasterizer::polygonize(&[from, to], width);
            return self.0.fill_polygon(polygon, &style.color());
        }
        let pixel_start = |sample: i32| sample.div_euclid(SCALE) * SCALE;
        let start = (from.0.min(to.0), from.1.min(to.1));
        let end = (from.0.max(to.0) + SCALE, from.1.max(to.1) + SCALE);
        let [start, end] = [start, end].map(|(x, y)| (pixel_start(x), pixel_start(y)));
        self.0.draw_rect(start, end, style, true)
    }

    /// Draws lines with round joints: plotters' own polygon has holes and spikes at sharp turns.
    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<_> = path.into_iter().collect();
        for pair in points.windows(2) {
            self.draw_line(pair[0], pair[1], style)?;
        }
        if style.stroke_width() > LINE {
            for &joint in points.iter().skip(1).rev().skip(1) {
                self.draw_circle(joint, style.stroke_width() / 2, &style.color(), true)?;
            }
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        if fill {
            return self.0.draw_rect(from, to, style, fill);
        }
        rasterizer::draw_rect(self, from, to, style, fill)
    }

    /// Draws a text, vertically anchored by its capitals. plotters 0.3.7 ignores the space to the
    /// left of each letter: "Con fusion".
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "coordinates of a picture are small"
    )]
    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Drawn {
        let Some(font) = built_in(style.style()).as_ref() else {
            return Ok(());
        };
        let size = style.size() as f32;
        let font = font.as_scaled(size);
        let (mut glyphs, mut width, mut previous) = (Vec::new(), 0.0, None);
        for letter in text.chars() {
            let id = font.glyph_id(if has_glyph(letter) { letter } else { '?' });
            width += previous.map_or(0.0, |previous| font.kern(previous, id));
            glyphs.push((id, width));
            width += font.h_advance(id);
            previous = Some(id);
        }
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -width / 2.0,
            HPos::Right => -width,
        };
        let middle = match style.anchor().v_pos {
            VPos::Top => size * LINE_HEIGHT / 2.0,
            VPos::Center => 0.0,
            VPos::Bottom => -size * LINE_HEIGHT / 2.0,
        };
        let baseline = middle + size * CAPITAL / 2.0;
        let BackendColor { alpha, rgb } = style.color();
        for (id, offset) in glyphs {
            let glyph = id.with_scale_and_position(font.scale(), point(left + offset, baseline));
            let Some(glyph) = font.outline_glyph(glyph) else {
                continue;
            };
            let corner = glyph.px_bounds().min;
            let mut drawn = Ok(());
            glyph.draw(|right, down, coverage| {
                let right = corner.x as i32 + right as i32;
                let down = corner.y as i32 + down as i32;
                let (right, down) = style.transform().transform(right, down);
                let alpha = alpha * f64::from(coverage.min(1.0));
                let pixel = self.draw_pixel((x + right, y + down), BackendColor { alpha, rgb });
                drawn = std::mem::replace(&mut drawn, Ok(())).and(pixel);
            });
            drawn?;
        }
        Ok(())
    }
}

/// True if the built-in font can draw `letter`.
fn has_glyph(letter: char) -> bool {
    let mut fonts = [&REGULAR, &BOLD]
        .into_iter()
        .filter_map(|font| font.as_ref());
    !letter.is_control() && fonts.all(|font| font.glyph_id(letter).0 != 0)
}

/// The name of `class`, or `class 3` if it has none that the built-in font can draw.
pub(crate) fn class_label(class: usize, names: &[String]) -> String {
    match names.get(class) {
        Some(name) if name.chars().all(has_glyph) => name.clone(),
        _ => format!("class {class}"),
    }
}

/// Converts pixels to samples.
#[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
pub(crate) fn px(pixels: f64) -> i32 {
    (pixels * f64::from(SCALE)).round() as i32
}

/// Black text of `size` pixels an em, anchored in its middle.
pub(crate) fn font(size: f64) -> Font {
    styled(size, FontStyle::Normal)
}

/// Like [`font`], in bold.
pub(crate) fn bold(size: f64) -> Font {
    styled(size, FontStyle::Bold)
}

fn styled(size: f64, style: FontStyle) -> Font {
    // Loading a font registers it, without which plotters cannot measure texts.
    LazyLock::force(built_in(style));
    let height = size * FONT_HEIGHT * f64::from(SCALE);
    TextStyle::from(FontDesc::new(FontFamily::Name(FAMILY), height, style)).pos(CENTER)
}

/// Writes a title and a line of explanation below it, centered on `x`.
pub(crate) fn heading(area: &Canvas, x: f64, title: &str, explanation: &str) -> Result<()> {
    area.draw_text(title, &bold(25.0), (px(x), px(34.0)))?;
    area.draw_text(explanation, &font(15.0).color(&GRAY), (px(x), px(64.0)))?;
    Ok(())
}

/// Length of a text in pixels.
pub(crate) fn length(text: &str, font: &Font) -> Result<f64> {
    let (width, _) = font.font.box_size(text).context("cannot measure text")?;
    Ok(f64::from(width) / f64::from(SCALE))
}

/// Length of the longest of `texts` in pixels.
pub(crate) fn longest<'a>(texts: impl IntoIterator<Item = &'a str>, font: &Font) -> Result<f64> {
    let mut lengths = texts.into_iter().map(|text| length(text, font));
    lengths.try_fold(0.0, |longest, length| Ok(f64::max(longest, length?)))
}

/// Shortens `text` to at most `max_length` pixels, with an ellipsis at its end.
pub(crate) fn shorten(text: &str, font: &Font, max_length: f64) -> Result<String> {
    if length(text, font)? <= max_length {
        return Ok(text.to_owned());
    }
    let mut start = String::new();
    for letter in text.chars() {
        if length(&format!("{start}{letter}…"), font)? > max_length {
            break;
        }
        start.push(letter);
    }
    Ok(start + "…")
}

/// Draws a 28x28 image with `zoom` pixels for each of its own.
pub(crate) fn draw_image(
    area: &Canvas,
    (left, top): (f64, f64),
    zoom: f64,
    values: impl Iterator<Item = u8>,
) -> Result<()> {
    let positions = (0..SIDE).flat_map(|row| (0..SIDE).map(move |column| (column, row)));
    for ((column, row), gray) in positions.zip(values) {
        let (x, y) = (left + zoom * to_f64(column), top + zoom * to_f64(row));
        let corners = [(px(x), px(y)), (px(x + zoom), px(y + zoom))];
        area.draw(&Rectangle::new(
            corners,
            RGBColor(gray, gray, gray).filled(),
        ))?;
    }
    Ok(())
}

/// Draws a 28x28 image dark on white, as on paper, in a frame.
pub(crate) fn draw_on_paper(
    area: &Canvas,
    (left, top): (f64, f64),
    zoom: f64,
    pixels: &[u8],
    frame: RGBColor,
) -> Result<()> {
    draw_image(
        area,
        (left, top),
        zoom,
        pixels.iter().map(|gray| u8::MAX - gray),
    )?;
    let side = zoom * to_f64(SIDE);
    draw_frame(area, (left, top), (side, side), frame)
}

/// Draws a frame of one pixel.
pub(crate) fn draw_frame(
    area: &Canvas,
    (left, top): (f64, f64),
    (width, height): (f64, f64),
    color: RGBColor,
) -> Result<()> {
    let corners = [(px(left), px(top)), (px(left + width), px(top + height))];
    area.draw(&Rectangle::new(corners, Color::stroke_width(&color, LINE)))?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A decoded PNG.
    #[derive(PartialEq)]
    pub(crate) struct Picture {
        pub width: u32,
        pub height: u32,
        rgb: Vec<[u8; 3]>,
    }

    impl Picture {
        pub(crate) fn decode(png: &[u8]) -> Self {
            let decoder = ::png::Decoder::new(std::io::Cursor::new(png));
            let mut reader = decoder.read_info().unwrap();
            let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
            let info = reader.next_frame(&mut bytes).unwrap();
            assert_eq!(info.color_type, ::png::ColorType::Rgb);
            let rgb = bytes.as_chunks().0.to_vec();
            Self {
                width: info.width,
                height: info.height,
                rgb,
            }
        }

        pub(crate) fn at(&self, x: u32, y: u32) -> [u8; 3] {
            self.rgb[(y * self.width + x) as usize]
        }

        pub(crate) fn pixels(&self) -> impl Iterator<Item = (u32, u32, [u8; 3])> {
            let rgb = (0..).zip(&self.rgb);
            rgb.map(|(i, &color)| (i % self.width, i / self.width, color))
        }
    }

    /// Decodes a PNG, checks that nothing touches its border, and leaves it in `target/pictures`
    /// for people to look at.
    pub(crate) fn decode(name: &str, png: &[u8]) -> Picture {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/pictures");
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(format!("{folder}/{name}.png"), png).unwrap();
        let picture = Picture::decode(png);
        let (right, bottom) = (picture.width - 2, picture.height - 2);
        let is_border = |x, y| x < 2 || y < 2 || x >= right || y >= bottom;
        for (x, y, color) in picture.pixels() {
            assert!(!is_border(x, y) || color == [255; 3], "{name}: {x}, {y}");
        }
        picture
    }

    /// First and last column, then first and last row, of the dark pixels.
    fn extent(draw: impl FnOnce(&Canvas) -> Result<()>) -> [u32; 4] {
        let picture = Picture::decode(&png((201, 201), draw).unwrap());
        let dark = picture.pixels().filter(|(.., color)| color[0] < 128);
        let (xs, ys): (Vec<_>, Vec<_>) = dark.map(|(x, y, _)| (x, y)).unzip();
        let (xs, ys) = (xs.iter(), ys.iter());
        [xs.clone().min(), xs.max(), ys.clone().min(), ys.max()].map(|end| *end.unwrap())
    }

    #[test]
    fn lines_along_an_axis_are_a_pixel_wide_and_sharp() {
        for (x, y) in [(60, 60), (61, 62), (62, 61)] {
            for end in [(x, y + 90), (x + 90, y)] {
                let line = PathElement::new([(x, y), end], Color::stroke_width(&BLACK, LINE));
                let png = png((80, 80), |area| Ok(area.draw(&line)?)).unwrap();
                let picture = Picture::decode(&png);
                let black = picture.pixels().filter(|(.., color)| *color == [0; 3]);
                let white = picture.pixels().filter(|(.., color)| *color == [255; 3]);
                assert_eq!((black.count(), white.count()), (31, 80 * 80 - 31));
            }
        }
    }

    #[test]
    fn sharp_turns_of_a_line_have_no_spikes() {
        let path = [(90, 300), (300, 150), (90, 151)];
        let line = PathElement::new(path, Color::stroke_width(&BLACK, 15));
        let [left, right, top, bottom] = extent(|area| Ok(area.draw(&line)?));
        assert!(
            (28..=30).contains(&left) && (100..=102).contains(&right),
            "{left}, {right}"
        );
        assert!(
            (47..=50).contains(&top) && (100..=102).contains(&bottom),
            "{top}, {bottom}"
        );
    }

    #[test]
    fn text_is_centered_and_rotated_text_reads_upward() {
        let upward = font(40.0).transform(FontTransform::Rotate270);
        for (style, is_upward) in [(font(40.0), false), (upward, true)] {
            let found = extent(|area| Ok(area.draw_text("HIH", &style, (px(100.5), px(100.5)))?));
            let [left, right, top, bottom] = found;
            assert_eq!(right - left < bottom - top, is_upward);
            assert!((left + right).abs_diff(200) <= 2, "{left}..={right}");
            assert!((top + bottom).abs_diff(200) <= 2, "{top}..={bottom}");
        }
    }

    #[test]
    fn long_texts_are_shortened_and_short_ones_are_not() {
        let font = font(17.0);
        assert_eq!(shorten("Ankle boot", &font, 150.0).unwrap(), "Ankle boot");
        let text = shorten(&"x".repeat(1_000), &font, 150.0).unwrap();
        assert!(text.ends_with('…') && length(&text, &font).unwrap() <= 150.0);
    }

    #[test]
    fn names_that_the_font_lacks_become_numbers_and_other_texts_get_question_marks() {
        let names = ["Bär", "一", "क", "two\nlines", "\u{1b}[31m"].map(str::to_owned);
        let labels = (0..6).map(|class| class_label(class, &names));
        let expected = ["Bär", "class 1", "class 2", "class 3", "class 4", "class 5"];
        assert!(labels.eq(expected));
        let draw = |text| {
            let picture = png((99, 99), |area| {
                Ok(area.draw_text(text, &font(20.0), (99, 99))?)
            });
            picture.unwrap()
        };
        assert_eq!(draw("a\u{1b}一"), draw("a??"));
        assert_ne!(draw("a??"), draw("a"));
    }
}
