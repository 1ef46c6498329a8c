//! People's own pictures of a digit, prepared as MNIST's were: from a PNG or JPEG file to 28x28
//! grey values.
//!
//! In this order: the file becomes light values; what is darker or lighter than its surroundings
//! becomes ink, whichever of the two it is; the ink is cut out, scaled into 20x20 keeping its
//! shape, and put into 28x28 with its centre of mass in the middle.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of pixels, below 2^24, and shares, which saturate at 0 and 255"
)]

use std::io::Cursor;

use anyhow::{Context, Result, bail, ensure};
use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, ImageDecoder, ImageFormat};
use image::{ImageReader, Limits, Luma, Pixel};

use super::{PIXELS, SIDE};

/// Most pixels of a picture: those of a large camera. Each takes 8 bytes at most as it is decoded,
/// and 2 more as light; all else is made of the small picture.
const MAX_PIXELS: u64 = 50_000_000;
/// Longest side in pixels.
const MAX_SIDE: u32 = 30_000;
/// Most bytes that decoding may take.
const MAX_MEMORY: u64 = 512 << 20;
/// Pictures are looked at with at most this many pixels along their longer side: many times what is
/// needed.
const WORKING: u32 = 512;
/// Long side of the small picture that polarity and the paper's light are estimated on.
const COARSE: u32 = 64;
/// Ink and paper must differ by this share of the range from black to white.
const LEAST_CONTRAST: f32 = 0.06;
/// And by this many times the spread within both: noise alone, cut in two, differs by 2.7 (normal)
/// to 3.5 (uniform).
const LEAST_CLEARNESS: f32 = 3.6;
/// Pieces of ink smaller than this share of the largest are specks.
const SPECK: f32 = 0.04;
/// Share of full ink from which a pixel belongs to the digit's extent.
const EXTENT: f32 = 0.25;
/// Height and width of the box that MNIST's digits were scaled into, in pixels.
const BOX: u32 = 20;

/// A picture as the network takes it: 28x28 grey values, 0 paper to 255 ink, row by row.
pub(crate) type Prepared = [u8; PIXELS];

type Pixels<P> = ImageBuffer<P, Vec<<P as Pixel>::Subpixel>>;
/// A value from 0 to 1 for each pixel.
type Plane = Pixels<Luma<f32>>;

/// Prepares the digit in a PNG or JPEG file of any size and colour, drawn dark on light or light on
/// dark.
pub(crate) fn prepare(bytes: &[u8]) -> Result<Prepared> {
    let picture = decode(bytes)?;
    let drawn = |background| ink(&light(&picture, background));
    // Where nothing shows on white, the drawing may be a white one on nothing.
    let ink = drawn(1.0).or_else(|| drawn(0.0));
    let ink = ink.context("nothing is drawn on it, or too faintly to be told from the paper")?;
    centred(&ink)
}

/// The prepared picture as a PNG file: 28x28, 8-bit grey.
pub(crate) fn to_png(prepared: &Prepared) -> Result<Vec<u8>> {
    let side = SIDE as u32;
    let image = GrayImage::from_raw(side, side, prepared.to_vec());
    let image = image.context("28x28 pixels make a picture")?;
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// Decodes a picture, the way up that its camera says, small enough to work with: the light of
/// each pixel as far as the pixel is there, and how far it is.
fn decode(bytes: &[u8]) -> Result<GrayAlphaImage> {
    ensure!(!bytes.is_empty(), "the file is empty");
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    match reader.format() {
        Some(ImageFormat::Png | ImageFormat::Jpeg) => {}
        _ => bail!("not a PNG or JPEG picture"),
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let damaged = "the picture is damaged or too large";
    let mut decoder = reader.into_decoder().context(damaged)?;
    let (width, height) = decoder.dimensions();
    ensure!(
        u64::from(width) * u64::from(height) <= MAX_PIXELS && decoder.total_bytes() <= MAX_MEMORY,
        "{width}x{height} pixels are too many: at most {MAX_PIXELS} are read"
    );
    let orientation = decoder.orientation().context(damaged)?;
    let image = DynamicImage::from_decoder(decoder).context(damaged)?;
    let mut pixels = image.into_luma_alpha8();
    for pixel in pixels.pixels_mut() {
        let [light, alpha] = pixel.0.map(u16::from);
        pixel.0[0] = ((light * alpha + 127) / 255) as u8;
    }
    let (width, height) = within(WORKING, width, height);
    let mut small = DynamicImage::ImageLumaA8(resized(&pixels, width, height));
    small.apply_orientation(orientation);
    Ok(small.into_luma_alpha8())
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
fn within(most: u32, width: u32, height: u32) -> (u32, u32) {
    let longer = width.max(height).max(most);
    let fit = |length: u32| (length * most / longer).max(1);
    (fit(width), fit(height))
}

/// The same picture in another size.
fn resized<P: Pixel + 'static>(picture: &Pixels<P>, width: u32, height: u32) -> Pixels<P> {
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    // Of the filters there are, people's own pictures were read best with this one.
    imageops::resize(picture, width, height, FilterType::Gaussian)
}

/// Each value changed by `change`, which also gets the value there in `other`.
fn zipped(plane: &Plane, other: &Plane, change: impl Fn(f32, f32) -> f32) -> Plane {
    let mut changed = plane.clone();
    for (value, &other) in changed.iter_mut().zip(other.iter()) {
        *value = change(*value, other);
    }
    changed
}

/// Ink, 0 (paper) to 1 (a full stroke), of a picture's light values; `None` where nothing is drawn.
fn ink(light: &Plane) -> Option<Plane> {
    let mut dark = light.clone();
    if !is_light_on_dark(light) {
        dark.iter_mut().for_each(|value| *value = 1.0 - *value);
    }
    let ink = above_paper(&dark);
    let (paper, stroke) = paper_and_stroke(&ink)?;
    let kept = near_pieces(&ink, f32::midpoint(paper, stroke));
    let full = |value: f32, kept: f32| kept * ((value - paper) / (stroke - paper)).clamp(0.0, 1.0);
    Some(zipped(&ink, &kept, full))
}

/// Two signs, of about the same weight. Strokes are the smaller part of what surrounds them, so
/// values lean to the other side of the local mean (their skewness); and the picture's edge is
/// paper, even where bold strokes fill it.
fn is_light_on_dark(light: &Plane) -> bool {
    let (width, height) = within(COARSE, light.width(), light.height());
    let coarse = resized(light, width, height);
    let around = resized(&resized(&coarse, 2, 2), width, height);
    let differences = zipped(&coarse, &around, |value, mean| value - mean);
    let moment = |power| mean(differences.iter().map(|value| value.powi(power)));
    let spread = moment(2).sqrt().max(f32::MIN_POSITIVE);
    let skewness = moment(3) / spread.powi(3).max(f32::MIN_POSITIVE);
    let is_edge = |x, y| x == 0 || y == 0 || x + 1 == width || y + 1 == height;
    let pixels = differences.enumerate_pixels();
    let edge = pixels.filter(|&(x, y, _)| is_edge(x, y));
    skewness > mean(edge.map(|(_, _, pixel)| pixel.0[0])) / spread
}

fn mean(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
    sum / f32::max(count, 1.0)
}

/// How much darker each pixel is than the paper around it, for `dark` values that are high where it
/// is dark.
///
/// The paper's own darkness is what is left after an opening: the smallest value in a square wider
/// than any stroke, then the largest of those. Smooth shadows stay in it and are so taken away.
fn above_paper(dark: &Plane) -> Plane {
    let (width, height) = within(COARSE, dark.width(), dark.height());
    let reach = (width.max(height) / 4).max(1);
    let coarse = resized(dark, width, height);
    let paper = filtered(&filtered(&coarse, reach, f32::min), reach, f32::max);
    let paper = resized(&paper, dark.width(), dark.height());
    zipped(dark, &paper, |value, paper| (value - paper).max(0.0))
}

/// `choose` of all values within a square that reaches `reach` pixels to each side.
fn filtered(plane: &Plane, reach: u32, choose: fn(f32, f32) -> f32) -> Plane {
    let along_rows = |plane: &Plane| {
        let near = |x: u32| x.saturating_sub(reach)..(x + reach + 1).min(plane.width());
        let chosen = |x, y| near(x).map(|x| plane.get_pixel(x, y).0[0]).reduce(choose);
        let pixel = |x, y| Luma([chosen(x, y).unwrap_or_default()]);
        Plane::from_fn(plane.width(), plane.height(), pixel)
    };
    imageops::rotate270(&along_rows(&imageops::rotate90(&along_rows(plane))))
}

/// The means of the two classes that values fall into by Otsu's threshold, where the variance
/// between them is largest; `None` where they are not two classes.
fn paper_and_stroke(ink: &Plane) -> Option<(f32, f32)> {
    let mut values = ink.to_vec();
    values.sort_by(f32::total_cmp);
    let count = values.len() as f64;
    let total: f64 = values.iter().copied().map(f64::from).sum();
    let (mut below, mut best) = (0.0, (0.0, 0));
    for (index, pair) in values.windows(2).enumerate() {
        below += f64::from(pair[0]);
        let n = index as f64 + 1.0;
        let difference = below / n - (total - below) / (count - n);
        let between = n * (count - n) * difference * difference;
        if between > best.0 && pair[0] < pair[1] {
            best = (between, index + 1);
        }
    }
    let (low, high) = values.split_at(best.1);
    let (paper, stroke) = (mean(low.iter().copied()), mean(high.iter().copied()));
    let squares = |part: &[f32], mean: f32| part.iter().map(|v| (v - mean).powi(2)).sum::<f32>();
    let spread = (squares(low, paper) + squares(high, stroke)) / values.len() as f32;
    let least = f32::max(LEAST_CONTRAST, LEAST_CLEARNESS * spread.sqrt());
    (best.1 > 0 && stroke - paper >= least).then_some((paper, stroke))
}

/// 1 for the pixels of the larger pieces of what is above `threshold`, and for those about a pixel
/// of the finished picture around them, where strokes fade out; 0 elsewhere.
fn near_pieces(ink: &Plane, threshold: f32) -> Plane {
    let pieces = pieces(ink, threshold);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or_default();
    let mut kept = Plane::new(ink.width(), ink.height());
    let is_large = |piece: &&Vec<_>| piece.len() as f32 >= SPECK * largest as f32;
    for &(x, y) in pieces.iter().filter(is_large).flatten() {
        kept.put_pixel(x, y, Luma([1.0]));
    }
    let size = extent(&kept, 1.0).map_or(0, |(_, _, width, height)| width.max(height));
    filtered(&kept, (size / 24).max(1), f32::max)
}

/// The pixels of each connected piece of what is above `threshold`, corners connecting too.
fn pieces(ink: &Plane, threshold: f32) -> Vec<Vec<(u32, u32)>> {
    let mut left = ink.clone();
    let mut take = |x, y| {
        let pixel = left.get_pixel_mut_checked(x, y);
        pixel.is_some_and(|pixel| std::mem::take(&mut pixel.0[0]) > threshold)
    };
    let mut pieces = Vec::new();
    for (x, y, _) in ink.enumerate_pixels() {
        if !take(x, y) {
            continue;
        }
        let (mut piece, mut next) = (vec![(x, y)], 0);
        while let Some(&(x, y)) = piece.get(next) {
            next += 1;
            for y in y.saturating_sub(1)..=y + 1 {
                let near = (x.saturating_sub(1)..=x + 1).filter(|&x| take(x, y));
                piece.extend(near.map(|x| (x, y)));
            }
        }
        pieces.push(piece);
    }
    pieces
}

/// Left, top, width and height of the smallest part that holds all values of at least `least`.
fn extent(plane: &Plane, least: f32) -> Option<(u32, u32, u32, u32)> {
    let pixels = plane.enumerate_pixels();
    let inked = pixels.filter(|(_, _, pixel)| pixel.0[0] >= least);
    let ends = inked.fold(None, |ends, (x, y, _)| {
        let (left, top, right, bottom) = ends.unwrap_or((x, y, x, y));
        Some((left.min(x), top.min(y), right.max(x), bottom.max(y)))
    });
    ends.map(|(left, top, right, bottom)| (left, top, right - left + 1, bottom - top + 1))
}

/// Scales ink (0..=1) into the box and puts its centre of mass into the middle of 28x28.
fn centred(ink: &Plane) -> Result<Prepared> {
    let (left, top, width, height) = extent(ink, EXTENT).context("no ink is left")?;
    let cut = imageops::crop_imm(ink, left, top, width, height).to_image();
    let longer = width.max(height);
    let fit = |length: u32| ((length * BOX + longer / 2) / longer).max(1);
    let small = resized(&cut, fit(width), fit(height));
    let darkest = small.iter().copied().fold(0.0, f32::max);
    ensure!(darkest > 0.0, "no ink is left");
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
    let mut prepared = [0; PIXELS];
    for (x, y, pixel) in small.enumerate_pixels() {
        let place = (top + y as usize) * SIDE + left + x as usize;
        prepared[place] = (pixel.0[0] / darkest * 255.0).round() as u8;
    }
    Ok(prepared)
}

#[cfg(test)]
mod tests;
