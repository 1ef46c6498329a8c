//! A picture's file becomes light values: decoded, the way up that its camera says, and small
//! enough to work with. What a file takes in memory is bounded here.

use std::io::Cursor;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, GenericImageView, GrayAlphaImage, ImageDecoder, ImageFormat};
use image::{ImageReader, Limits, Pixel};

use super::within;

/// Most pixels of a picture: those of a large camera.
const MAX_PIXELS: u64 = 50_000_000;
/// Longest side in pixels.
const MAX_SIDE: u32 = 30_000;
/// Most bytes that a decoded picture may take: `MAX_PIXELS` of four 16-bit values.
const MAX_MEMORY: u64 = 8 * MAX_PIXELS;
/// Pictures that take more than this many bytes, file and pixels together, are decoded one at a
/// time, so that many threads do not need many times the memory.
const LARGE: u64 = 48 << 20;
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
/// Pictures are kept with at most this many pixels along their longer side: enough for a page of
/// hundreds of digits.
const KEPT: u32 = 2_048;

/// A decoded picture.
pub(super) struct Picture {
    /// The light of each pixel as far as the pixel is there, and how far it is.
    pub pixels: GrayAlphaImage,
    /// How many times as wide and as high it was.
    pub scale: f32,
}

/// Decodes a file; of several pictures in it the first.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture> {
    ensure!(!bytes.is_empty(), "the file is empty");
    refuse_by_name(bytes)?;
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // Those that Cargo.toml asks for.
    let is_known = |format: ImageFormat| format.reading_enabled();
    ensure!(
        reader.format().is_some_and(is_known),
        "not a picture (PNG, JPEG, WebP, BMP, GIF and TIFF are read)"
    );
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let damaged = "the picture is damaged or too large";
    let mut decoder = reader.into_decoder().context(damaged)?;
    let (width, height) = decoder.dimensions();
    let needed = decoder.total_bytes();
    ensure!(
        u64::from(width) * u64::from(height) <= MAX_PIXELS && needed <= MAX_MEMORY,
        "{width}x{height} pixels are too many: at most {MAX_PIXELS} are read"
    );
    let orientation = decoder.orientation().context(damaged)?;
    let is_large = needed + bytes.len() as u64 > LARGE;
    let _turn = is_large.then(|| ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner));
    let image = DynamicImage::from_decoder(decoder).context(damaged)?;
    let mut pixels = DynamicImage::ImageLumaA8(shrunk(&image));
    let scale = width.max(height) as f32 / pixels.width().max(pixels.height()) as f32;
    pixels.apply_orientation(orientation);
    let pixels = pixels.into_luma_alpha8();
    Ok(Picture { pixels, scale })
}

/// Names what people bring that cannot be read, whatever its file is called, and the way out.
fn refuse_by_name(bytes: &[u8]) -> Result<()> {
    let (what, way_out) = match bytes.get(4..12).unwrap_or_default() {
        b"ftypavif" | b"ftypavis" => ("an AVIF picture", "save it as PNG or JPEG"),
        [b'f', b't', b'y', b'p', b'h' | b'm', b'e' | b'i' | b's', ..] => (
            "a HEIC picture, as phones take them",
            "save or share it as JPEG (iPhone: Settings, Camera, Formats, Most Compatible)",
        ),
        _ if bytes.starts_with(b"%PDF") => (
            "a PDF document",
            "save its page as a picture (pdftoppm -r 150 -png FILE page)",
        ),
        _ => return Ok(()),
    };
    bail!("{what}, which is not read: {way_out}")
}

/// The picture in at most `KEPT` pixels a side, each the mean of those it stands for. The decoded
/// picture is large, so nothing else of its size is made.
fn shrunk(image: &DynamicImage) -> GrayAlphaImage {
    let from = image.dimensions();
    let (width, height) = within(KEPT, from);
    let mut sums = vec![[0_u32; 3]; width as usize * height as usize];
    for (x, y, pixel) in image.pixels() {
        // At most 30,000 times 2,048.
        let (x, y) = (x * width / from.0, y * height / from.1);
        let [light, alpha] = pixel.to_luma_alpha().0.map(u32::from);
        let sum = &mut sums[(y * width + x) as usize];
        *sum = [sum[0] + light * alpha, sum[1] + alpha, sum[2] + 1];
    }
    let mean = |[light, alpha, count]: [u32; 3]| {
        let light = (light / 255 + count / 2) / count;
        [light as u8, ((alpha + count / 2) / count) as u8]
    };
    let values = sums.into_iter().flat_map(mean).collect();
    GrayAlphaImage::from_raw(width, height, values).unwrap_or_default()
}
