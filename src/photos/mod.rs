//! People's own pictures, prepared as the images of a data set were: from a file to 28x28 grey
//! values.
//!
//! Digits go this way: the file becomes light values ([`mod@decode`]); what is darker or lighter
//! than its surroundings becomes ink, whichever of the two it is ([`ink`]), in connected
//! [`pieces`]; the table, the paper's edge ([`mod@drawing`]), its [`lines`] and printed boxes are
//! struck off; what is left is put together to [`mod@digits`]; each is cut out, scaled into 20x20
//! keeping its shape, and put into 28x28 with its centre of mass in the middle.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "numbers of pixels, below 2^31, and shares, which saturate at 0 and 255"
)]

mod components;
mod decode;
mod digits;
mod drawing;
mod ink;
mod lines;
#[cfg(feature = "predict")]
pub(crate) mod predict;

use anyhow::{Context, Result, ensure};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GrayAlphaImage, ImageBuffer, ImageEncoder, Luma, Pixel};

use self::components::{Frame, Piece};
use self::decode::{Picture, decode};
use self::drawing::Drawing;
use self::ink::resized;
use crate::data::{PIXELS, Preparation, SIDE};

/// Pictures are looked at with at most this many pixels along their longer side: many times what
/// one digit needs.
const WORKING: u32 = 512;
/// Digits smaller than this there, or several, are looked at as finely as the picture is kept.
const SMALL: u32 = 40;
/// The most digits of one picture.
const MOST: usize = 1_000;
/// Share of full ink from which a pixel belongs to the digit's extent.
const EXTENT: f32 = 0.25;
/// How much what is no background differs from it.
const LEAST_OUT: f32 = 0.08;
/// Height and width of the box that MNIST's digits were scaled into, in pixels.
const BOX: u32 = 20;

/// What is said of a picture on which nothing stands out.
const NOTHING: &str = "nothing is drawn on it, or too faintly to be told from the paper";

/// A picture as the network takes it: 28x28 grey values, 0 paper to 255 ink, row by row.
pub(crate) type Prepared = [u8; PIXELS];

type Pixels<P> = ImageBuffer<P, Vec<<P as Pixel>::Subpixel>>;
/// A value from 0 to 1 for each pixel.
type Plane = Pixels<Luma<f32>>;

/// What was found in a picture.
pub(crate) struct Figure {
    pub prepared: Prepared,
    /// Left, top, width and height, in pixels of the picture the right way up.
    pub place: [u32; 4],
}

/// Prepares the one digit in a picture of any size and colour, of whatever pieces it is, drawn
/// light on dark or dark on light, which may be known.
pub(crate) fn prepare(bytes: &[u8], is_light: Option<bool>) -> Result<Prepared> {
    Ok(whole(&decode(bytes)?, is_light, BOX)?.prepared)
}

/// Scales a whole picture to 28x28 gray values: no ink is looked for, nothing is inverted.
pub(crate) fn prepare_plain(bytes: &[u8]) -> Result<Prepared> {
    Ok(plain(&decode(bytes)?).prepared)
}

/// Whether the ink on a picture is lighter than the paper, as far as can be seen.
pub(crate) fn is_light_on_dark(bytes: &[u8]) -> Option<bool> {
    let picture = decode(bytes).ok()?;
    drawing(&picture, None, WORKING).map(|drawing| drawing.is_light)
}

/// Prepares what is in a picture: digits from left to right, line by line; of anything else there
/// is one.
pub(crate) fn figures(bytes: &[u8], preparation: Preparation) -> Result<Vec<Figure>> {
    let picture = decode(bytes)?;
    Ok(match preparation {
        Preparation::Digits => digits(&picture)?,
        Preparation::Character => vec![whole(&picture, None, SIDE as u32)?],
        Preparation::Article => vec![article(&picture)?],
        Preparation::Plain => vec![plain(&picture)],
    })
}

/// All ink as one figure.
fn whole(picture: &Picture, is_light: Option<bool>, side: u32) -> Result<Figure> {
    let drawing = drawing(picture, is_light, WORKING).context(NOTHING)?;
    let all = digits::whole(&drawing).context(NOTHING)?;
    figure(picture, &drawing, &all, side)
}

fn digits(picture: &Picture) -> Result<Vec<Figure>> {
    let look = |most| {
        let drawing = drawing(picture, None, most)?;
        let digits = digits::digits(&drawing);
        (!digits.is_empty()).then_some((drawing, digits))
    };
    let (mut drawing, mut digits) = look(WORKING).context(NOTHING)?;
    let (width, height) = picture.pixels.dimensions();
    let are_small = digits.iter().all(|digit| digit.frame.longer() < SMALL);
    if width.max(height) > WORKING && (digits.len() > 1 || are_small || drawing.is_of_many()) {
        (drawing, digits) = look(u32::MAX).unwrap_or((drawing, digits));
    }
    ensure!(
        digits.len() <= MOST,
        "{} separate things are drawn on it: at most {MOST} digits are read",
        digits.len()
    );
    let figure = |digit| figure(picture, &drawing, digit, BOX);
    digits.iter().map(figure).collect()
}

fn figure(picture: &Picture, drawing: &Drawing, piece: &Piece, side: u32) -> Result<Figure> {
    let scale = picture.scale * picture.pixels.width() as f32 / drawing.ink.width() as f32;
    Ok(Figure {
        prepared: centred(&drawing.cut_out(piece), side)?,
        place: piece.frame.scaled(scale),
    })
}

/// The whole picture, scaled to 28x28. What shows through is white.
fn plain(picture: &Picture) -> Figure {
    let side = SIDE as u32;
    let light = resized(&light(&picture.pixels, 1.0), (side, side));
    let (width, height) = picture.pixels.dimensions();
    let original = |length: u32| (length as f32 * picture.scale).round() as u32;
    Figure {
        prepared: put(&light, 0, 0, 1.0),
        place: [0, 0, original(width), original(height)],
    }
}

/// What stands out from the background, which becomes black.
fn article(picture: &Picture) -> Result<Figure> {
    let mut light = light(&picture.pixels, 1.0);
    let mut edge: Vec<f32> = ink::edge(&light).collect();
    edge.sort_by(f32::total_cmp);
    let mut background = edge[edge.len() / 2];
    if background > 0.5 {
        light = ink::inverted(&light);
        background = 1.0 - background;
    }
    if light.dimensions() == (SIDE as u32, SIDE as u32) {
        let prepared = put(&light, 0, 0, 1.0);
        let place = [0, 0, SIDE as u32, SIDE as u32];
        return Ok(Figure { prepared, place });
    }
    let stands_out = |value: f32| (value - background).abs() > LEAST_OUT;
    let frame = frame_of(&light, stands_out).context(NOTHING)?;
    let light = ink::zipped(&light, &light, |value, _| (value - background).max(0.0));
    Ok(Figure {
        prepared: centred(&frame.cut(&light), SIDE as u32)?,
        place: frame.scaled(picture.scale),
    })
}

/// The prepared picture as a PNG file: 28x28, 8-bit grey.
pub(crate) fn to_png(prepared: &Prepared) -> Result<Vec<u8>> {
    let (mut file, side) = (Vec::new(), SIDE as u32);
    PngEncoder::new(&mut file).write_image(prepared, side, side, ExtendedColorType::L8)?;
    Ok(file)
}

/// What is drawn on a picture, looked at with at most `most` pixels along its longer side.
fn drawing(picture: &Picture, is_light: Option<bool>, most: u32) -> Option<Drawing> {
    let small = resized(&picture.pixels, within(most, picture.pixels.dimensions()));
    let drawn = |background| Drawing::of(&light(&small, background), is_light);
    // Where nothing shows on white, the drawing may be a white one on nothing.
    drawn(1.0).or_else(|| drawn(0.0))
}

/// The light of a picture on a background of this light.
fn light(picture: &GrayAlphaImage, background: f32) -> Plane {
    let over = |x, y| {
        let [light, alpha] = picture.get_pixel(x, y).0.map(f32::from);
        Luma([(light + background * (255.0 - alpha)) / 255.0])
    };
    Plane::from_fn(picture.width(), picture.height(), over)
}

/// A width and a height of the same shape, of which the longer is at most `most`.
fn within(most: u32, (width, height): (u32, u32)) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= most {
        return (width, height);
    }
    let fit = |length: u32| (length * most / longer).max(1);
    (fit(width), fit(height))
}

/// Scales values (0..=1) so that they fill a square with this side, keeping their shape, and puts
/// it into 28x28 with the centre of mass in the middle, as far as it fits.
fn centred(values: &Plane, side: u32) -> Result<Prepared> {
    let (width, height) = values.dimensions();
    let longer = width.max(height);
    let fit = |length: u32| ((length * side + longer / 2) / longer).max(1);
    let small = resized(values, (fit(width), fit(height)));
    let largest = small.iter().copied().fold(0.0, f32::max);
    ensure!(largest > 0.0, "no ink is left");
    let mass: f32 = small.iter().sum();
    let centre = |place: fn(u32, u32) -> u32| {
        let weighted = |(x, y, pixel): (_, _, &Luma<f32>)| (place(x, y) as f32 + 0.5) * pixel.0[0];
        small.enumerate_pixels().map(weighted).sum::<f32>() / mass
    };
    // Where `length` pixels start so that their centre of mass lies in the middle.
    let start = |centre: f32, length: u32| {
        let start = (SIDE as f32 / 2.0 - centre).round() as usize;
        start.min(SIDE - length as usize)
    };
    let left = start(centre(|x, _| x), small.width());
    let top = start(centre(|_, y| y), small.height());
    Ok(put(&small, left, top, largest))
}

/// 28x28 grey values with these in them, of which `largest` is full ink.
fn put(values: &Plane, left: usize, top: usize, largest: f32) -> Prepared {
    let mut prepared = [0; PIXELS];
    for (x, y, pixel) in values.enumerate_pixels() {
        let place = (top + y as usize) * SIDE + left + x as usize;
        prepared[place] = (pixel.0[0] / largest * 255.0).round() as u8;
    }
    prepared
}

/// The smallest frame that holds all values that `counts` holds for.
fn frame_of(plane: &Plane, counts: impl Fn(f32) -> bool) -> Option<Frame> {
    let pixels = plane.enumerate_pixels();
    let counted = pixels.filter(|(.., pixel)| counts(pixel.0[0]));
    Frame::around(counted.map(|(x, y, _)| (x, y)))
}

#[cfg(test)]
mod tests;
