//! From the bytes of a PNG or JPEG file to light values. It owns the file formats and what a file may cost.

use std::io::Cursor;

use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};

use super::plane::Plane;

/// Most pixels of a picture: those of a large camera.
const MAX_PIXELS: u64 = 50_000_000;
/// Longest side in pixels.
const MAX_SIDE: u32 = 30_000;
/// Most bytes that decoding may take.
const MAX_MEMORY: u64 = 512 << 20;

/// Light values and how much of each pixel is there, both 0..=1.
pub struct Light {
    light: Plane,
    /// `None` where every pixel is wholly there.
    opacity: Option<Plane>,
}

impl Light {
    /// The picture on a background of this light.
    pub fn over(&self, background: f32) -> Plane {
        let mut light = self.light.clone();
        if let Some(opacity) = &self.opacity {
            for (value, share) in light.values.iter_mut().zip(&opacity.values) {
                *value = *value * share + background * (1.0 - share);
            }
        }
        light
    }
}

/// Decodes a picture, the way up that its camera says.
///
/// # Errors
/// When it is not a PNG or JPEG file, is damaged, or too large.
pub fn light(bytes: &[u8]) -> Result<Light> {
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
    let mut image = DynamicImage::from_decoder(decoder).context(damaged)?;
    image.apply_orientation(orientation);
    planes(&image)
}

fn planes(image: &DynamicImage) -> Result<Light> {
    let (width, height) = (image.width().try_into()?, image.height().try_into()?);
    let plane = |values: Vec<f32>| Plane {
        width,
        height,
        values,
    };
    let share = |value: u16| f32::from(value) / f32::from(u16::MAX);
    if image.color().has_alpha() {
        let pixels = image.to_luma_alpha16();
        let (light, opacity) = pixels
            .pixels()
            .map(|p| (share(p.0[0]), share(p.0[1])))
            .unzip();
        return Ok(Light {
            light: plane(light),
            opacity: Some(plane(opacity)),
        });
    }
    let pixels = image.to_luma16();
    Ok(Light {
        light: plane(pixels.pixels().map(|p| share(p.0[0])).collect()),
        opacity: None,
    })
}
