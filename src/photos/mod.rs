//! Prepares users' pictures to match the images of a data set: from a file to 28x28 gray values.
//!
//! For digits the steps are: decode the file to light values ([`mod@decode`]); find ink, darker or
//! lighter than its surroundings ([`ink`]), and its connected [`components`]; remove the table, the
//! edge of the paper ([`mod@drawing`]), [`lines`] and printed boxes; merge components to
//! [`mod@digits`]; crop each, scale it into 20x20 pixels without distortion, and paste it into
//! 28x28 with its center of mass in the middle.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    reason = "numbers of pixels, below 2^31, and shares, which saturate at 0 and 255"
)]
#![cfg_attr(
    not(feature = "predict"),
    allow(dead_code, reason = "predict finds several digits, formats needs one")
)]

mod components;
mod decode;
mod digits;
mod drawing;
mod ink;
#[cfg(feature = "predict")]
mod inputs;
mod lines;
mod memory;
#[cfg(feature = "predict")]
pub(crate) mod predict;

use anyhow::{Context, Result, ensure};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, GrayAlphaImage, ImageBuffer, ImageEncoder, Luma, Pixel};

use self::components::{Component, Rect};
pub(crate) use self::decode::PictureFile;
use self::decode::{Picture, decode};
use self::drawing::Drawing;
use self::ink::resize;
use self::memory::Budget;
use crate::data::{PIXELS, Preparation, SIDE};

/// Pictures are searched at this size first, many times what one digit needs.
const SEARCH_SIDE: u32 = 512;
/// If all digits are smaller than this at `SEARCH_SIDE`, or if there are several, the picture is
/// searched again at full size.
const MIN_DIGIT_SIDE: u32 = 40;
/// Maximum number of digits in a picture.
const MAX_DIGITS: usize = 1_000;
/// Minimum share of full ink of a pixel within a digit's bounding box.
const MIN_INK: f32 = 0.25;
/// Minimum difference of an article from the background.
const MIN_DIFFERENCE: f32 = 0.08;
/// Height and width of the box that MNIST's digits were scaled into, in pixels.
const BOX_SIDE: u32 = 20;
/// [`SIDE`] as `u32`, the type the `image` crate uses for sizes.
const IMAGE_SIDE: u32 = SIDE as u32;

const NOTHING_DRAWN: &str = "nothing is drawn on it, or too faintly to be told from the paper";

/// Memory budget for searches at full size.
static SEARCHES: Budget = Budget::new(400 << 20);
/// Memory per pixel of a search at full size: measured, rounded up.
const SEARCH_BYTES_PER_PIXEL: u64 = 28;

/// The network's input: 28x28 gray values, 0 paper to 255 ink, row by row.
pub(crate) type Prepared = [u8; PIXELS];

type Pixels<P> = ImageBuffer<P, Vec<<P as Pixel>::Subpixel>>;
/// A value from 0 to 1 for each pixel.
type Plane = Pixels<Luma<f32>>;

/// Something found in a picture.
pub(crate) struct Detection {
    pub image: Prepared,
    /// Left, top, width and height in pixels of the original, upright picture.
    pub bounding_box: [u32; 4],
}

/// Prepares a picture of a single digit, character or article. `is_light` says whether the ink is
/// lighter than the paper, if known.
#[cfg(feature = "formats")]
pub(crate) fn prepare(
    bytes: &[u8],
    preparation: Preparation,
    is_light: Option<bool>,
) -> Result<Prepared> {
    let picture = decode(bytes)?;
    let detection = match preparation {
        Preparation::Digits => detect_whole(&picture, is_light, BOX_SIDE)?,
        Preparation::Character => detect_whole(&picture, is_light, IMAGE_SIDE)?,
        Preparation::Article => detect_article(&picture)?,
        Preparation::Plain => scale_whole(&picture),
    };
    Ok(detection.image)
}

/// True if the ink in a picture is lighter than the paper; `None` if nothing is found.
#[cfg(feature = "formats")]
pub(crate) fn is_light_on_dark(bytes: &[u8]) -> Option<bool> {
    let picture = decode(bytes).ok()?;
    find_drawing(&picture, None, SEARCH_SIDE).map(|drawing| drawing.is_light)
}

/// Finds and prepares what is in a picture: digits from left to right, line by line; with any other
/// preparation a single image.
pub(crate) fn detect(file: PictureFile, preparation: Preparation) -> Result<Vec<Detection>> {
    let picture = decode(file.bytes())?;
    drop(file);
    Ok(match preparation {
        Preparation::Digits => detect_digits(&picture)?,
        Preparation::Character => vec![detect_whole(&picture, None, IMAGE_SIDE)?],
        Preparation::Article => vec![detect_article(&picture)?],
        Preparation::Plain => vec![scale_whole(&picture)],
    })
}

/// All ink as one character.
fn detect_whole(picture: &Picture, is_light: Option<bool>, side: u32) -> Result<Detection> {
    let drawing = find_drawing(picture, is_light, SEARCH_SIDE).context(NOTHING_DRAWN)?;
    let all = digits::all_ink(&drawing).context(NOTHING_DRAWN)?;
    detection(picture, &drawing, &all, side)
}

fn detect_digits(picture: &Picture) -> Result<Vec<Detection>> {
    let search = |max_side| {
        let drawing = find_drawing(picture, None, max_side)?;
        let digits = digits::find_digits(&drawing);
        (!digits.is_empty()).then_some((drawing, digits))
    };
    let (mut drawing, mut digits) = search(SEARCH_SIDE).context(NOTHING_DRAWN)?;
    let (width, height) = picture.pixels.dimensions();
    let are_small = digits
        .iter()
        .all(|digit| digit.bounds.longer_side() < MIN_DIGIT_SIDE);
    let mut _permit = None;
    if width.max(height) > SEARCH_SIDE
        && (digits.len() > 1 || are_small || drawing.has_many_components())
    {
        let pixels = u64::from(width) * u64::from(height);
        _permit = Some(SEARCHES.take(SEARCH_BYTES_PER_PIXEL * pixels));
        (drawing, digits) = search(u32::MAX).unwrap_or((drawing, digits));
    }
    ensure!(
        digits.len() <= MAX_DIGITS,
        "{} separate things are drawn on it: at most {MAX_DIGITS} digits are read",
        digits.len()
    );
    digits
        .iter()
        .map(|digit| detection(picture, &drawing, digit, BOX_SIDE))
        .collect()
}

fn detection(
    picture: &Picture,
    drawing: &Drawing,
    component: &Component,
    side: u32,
) -> Result<Detection> {
    let scale = picture.scale * picture.pixels.width() as f32 / drawing.ink.width() as f32;
    Ok(Detection {
        image: center(&drawing.crop(component), side)?,
        bounding_box: component.bounds.scaled(scale),
    })
}

/// The whole picture, not inverted; transparent pixels become white.
fn scale_whole(picture: &Picture) -> Detection {
    let small = resize(&light(&picture.pixels, 1.0), (IMAGE_SIDE, IMAGE_SIDE));
    let (width, height) = picture.pixels.dimensions();
    let original = |length: u32| (length as f32 * picture.scale).round() as u32;
    Detection {
        image: paste(&small, 0, 0, 1.0),
        bounding_box: [0, 0, original(width), original(height)],
    }
}

/// What stands out from the background, which becomes black.
fn detect_article(picture: &Picture) -> Result<Detection> {
    let mut light = light(&picture.pixels, 1.0);
    let mut edge: Vec<f32> = ink::edge_values(&light).collect();
    edge.sort_by(f32::total_cmp);
    let mut background = edge[edge.len() / 2];
    if background > 0.5 {
        light = ink::inverted(&light);
        background = 1.0 - background;
    }
    if light.dimensions() == (IMAGE_SIDE, IMAGE_SIDE) {
        // An image of the data set itself.
        return Ok(Detection {
            image: paste(&light, 0, 0, 1.0),
            bounding_box: [0, 0, IMAGE_SIDE, IMAGE_SIDE],
        });
    }
    let stands_out = |value: f32| (value - background).abs() > MIN_DIFFERENCE;
    let bounds = bounding_box(&light, stands_out).context(NOTHING_DRAWN)?;
    let light = ink::zip_map(&light, &light, |value, _| (value - background).max(0.0));
    Ok(Detection {
        image: center(&bounds.crop(&light), IMAGE_SIDE)?,
        bounding_box: bounds.scaled(picture.scale),
    })
}

/// A prepared image as a PNG file.
fn to_png(image: &Prepared) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    let encoder = PngEncoder::new(&mut file);
    encoder.write_image(image, IMAGE_SIDE, IMAGE_SIDE, ExtendedColorType::L8)?;
    Ok(file)
}

/// Finds the drawing in a picture, scaled to at most `max_side` pixels along its longer side.
fn find_drawing(picture: &Picture, is_light: Option<bool>, max_side: u32) -> Option<Drawing> {
    let size = fit_within(max_side, picture.pixels.dimensions());
    let small = resize(&picture.pixels, size);
    let find = |background| Drawing::find(&light(&small, background), is_light);
    // A transparent picture without visible ink on white may have white ink.
    find(1.0).or_else(|| find(0.0))
}

/// Light values of a picture on a background of this light.
fn light(picture: &GrayAlphaImage, background: f32) -> Plane {
    let blend = |x, y| {
        let [light, alpha] = picture.get_pixel(x, y).0.map(f32::from);
        Luma([(light + background * (255.0 - alpha)) / 255.0])
    };
    Plane::from_fn(picture.width(), picture.height(), blend)
}

/// The largest width and height of the same shape with at most `max_side` pixels a side, without
/// enlarging.
fn fit_within(max_side: u32, (width, height): (u32, u32)) -> (u32, u32) {
    let longer = width.max(height);
    if longer <= max_side {
        return (width, height);
    }
    let fit = |length: u32| (length * max_side / longer).max(1);
    (fit(width), fit(height))
}

/// Scales values (0..=1) to fill a square of this side without distortion, and pastes them into
/// 28x28 with their center of mass in the middle, as far as they fit.
fn center(values: &Plane, side: u32) -> Result<Prepared> {
    let (width, height) = values.dimensions();
    let longer = width.max(height);
    let fit = |length: u32| ((length * side + longer / 2) / longer).max(1);
    let small = resize(values, (fit(width), fit(height)));
    let max = small.iter().copied().fold(0.0, f32::max);
    ensure!(max > 0.0, "no ink is left");
    let mass: f32 = small.iter().sum();
    let mean = |coordinate: fn(u32, u32) -> u32| {
        let moment =
            |(x, y, pixel): (_, _, &Luma<f32>)| (coordinate(x, y) as f32 + 0.5) * pixel.0[0];
        small.enumerate_pixels().map(moment).sum::<f32>() / mass
    };
    // The offset that moves a center of mass to the middle.
    let offset = |mean: f32, length: u32| {
        let offset = (SIDE as f32 / 2.0 - mean).round() as usize;
        offset.min(SIDE - length as usize)
    };
    let left = offset(mean(|x, _| x), small.width());
    let top = offset(mean(|_, y| y), small.height());
    Ok(paste(&small, left, top, max))
}

/// Pastes values into an empty 28x28 image; `max` becomes 255.
fn paste(values: &Plane, left: usize, top: usize, max: f32) -> Prepared {
    let mut image = [0; PIXELS];
    for (x, y, pixel) in values.enumerate_pixels() {
        let index = (top + y as usize) * SIDE + left + x as usize;
        image[index] = (pixel.0[0] / max * 255.0).round() as u8;
    }
    image
}

/// The bounding box of all values that satisfy a predicate.
fn bounding_box(plane: &Plane, predicate: impl Fn(f32) -> bool) -> Option<Rect> {
    let pixels = plane.enumerate_pixels();
    let matching = pixels.filter(|(.., pixel)| predicate(pixel.0[0]));
    Rect::bounding(matching.map(|(x, y, _)| (x, y)))
}

#[cfg(test)]
mod tests;
