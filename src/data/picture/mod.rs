//! People's own pictures of a digit, prepared as MNIST's were: from a PNG or JPEG file to 28x28 grey values.
//!
//! In this order: the file becomes light values (`decode`); what is darker or lighter than its surroundings
//! becomes ink, whichever of the two it is (`ink`); the ink is cut out, scaled into 20x20 keeping its shape, and
//! put into 28x28 with its centre of mass in the middle (here). `plane` holds what the three share. Nothing in
//! this folder knows a network.

mod decode;
mod ink;
mod plane;

use anyhow::{Context, Result, ensure};

use self::plane::Plane;
use super::{PIXELS, SIDE};

/// Height and width of the box that MNIST's digits were scaled into, in pixels.
const BOX: usize = 20;
/// Pictures are looked at with at most this many pixels along their longer side: many times what is needed.
const WORKING: usize = 512;
/// Share of full ink from which a pixel belongs to the digit's extent.
const EXTENT: f32 = 0.25;

/// A picture as the network takes it: 28x28 grey values, 0 paper to 255 ink, row by row.
pub type Prepared = [u8; PIXELS];

/// Prepares the digit in a PNG or JPEG file of any size and colour, drawn dark on light or light on dark.
///
/// # Errors
/// When `bytes` are not such a picture, it is larger than can be handled, or nothing is drawn on it.
pub fn prepare(bytes: &[u8]) -> Result<Prepared> {
    let light = decode::light(bytes)?;
    let drawn = |light: &Plane| ink::find(&light.within(WORKING));
    // Where nothing shows on white, the drawing may be a white one on nothing.
    let ink = drawn(&light.over(1.0)).or_else(|| drawn(&light.over(0.0)));
    let ink = ink.context("nothing is drawn on it, or too faintly to be told from the paper")?;
    centred(&ink)
}

/// The prepared picture as a PNG file: 28x28, 8-bit grey.
///
/// # Errors
/// Only when the PNG library refuses.
pub fn to_png(prepared: &Prepared) -> Result<Vec<u8>> {
    let side = u32::try_from(SIDE)?;
    let image = image::GrayImage::from_raw(side, side, prepared.to_vec());
    let image = image.context("28x28 pixels make a picture")?;
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, image::ImageFormat::Png)?;
    Ok(file.into_inner())
}

/// Scales ink (0..=1) into the box and puts its centre of mass into the middle of 28x28.
fn centred(ink: &Plane) -> Result<Prepared> {
    let extent = ink.extent(EXTENT).context("no ink is left")?;
    let ink = ink.cut(&extent);
    let longer = ink.width.max(ink.height);
    let fit = |length: usize| ((length * BOX + longer / 2) / longer).max(1);
    let (width, height) = (fit(ink.width), fit(ink.height));
    let small = ink.resized(width, height);
    let darkest = small.values.iter().copied().fold(0.0, f32::max);
    ensure!(darkest > 0.0, "no ink is left");
    let (x, y) = small.centre_of_mass();
    let (left, top) = (offset(x, width), offset(y, height));
    let mut prepared = [0; PIXELS];
    for (y, row) in small.rows().enumerate() {
        let start = (top + y) * SIDE + left;
        for (pixel, value) in prepared[start..start + width].iter_mut().zip(row) {
            *pixel = level(value / darkest);
        }
    }
    Ok(prepared)
}

/// Where `length` pixels start so that their centre of mass, in pixels from their first edge, lies in the middle.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "at most 28, and the cast saturates at 0"
)]
fn offset(centre: f32, length: usize) -> usize {
    let start = (SIDE as f32 / 2.0 - centre).round() as usize;
    start.min(SIDE - length)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates at 0 and 255"
)]
fn level(share: f32) -> u8 {
    (share * 255.0).round() as u8
}

#[cfg(test)]
mod tests;
