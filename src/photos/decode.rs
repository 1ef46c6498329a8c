//! From a picture file to light values: decodes it, applies the EXIF orientation, and scales it
//! down to a working size. Limits the memory for files and decoded pictures.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, GenericImageView, GrayAlphaImage, ImageDecoder, ImageFormat};
use image::{ImageReader, Limits, Pixel};

use super::fit_within;
use super::memory::{Budget, Permit};
use crate::data::file_kind::FileKind;
use crate::learn::tch_errors;

/// Maximum size of a file.
const MAX_FILE_BYTES: u64 = 128 << 20;
/// Maximum number of pixels: those of a large camera.
const MAX_PIXELS: u64 = 50_000_000;
/// Maximum width and height in pixels.
const MAX_SIDE: u32 = 30_000;
/// Maximum size of a decoded picture: `MAX_PIXELS` of four 16-bit values.
const MAX_DECODED_BYTES: u64 = 8 * MAX_PIXELS;
/// Maximum width and height after decoding: enough for a page of hundreds of digits.
const MAX_KEPT_SIDE: u32 = 2_048;

/// Memory per pixel of a scaled picture while it is searched: measured, rounded up.
const BYTES_PER_PIXEL: u64 = 12;

/// Memory budget for files. A thread that holds a share of it may wait for `PICTURES`, never the
/// reverse.
static FILES: Budget = Budget::new(MAX_FILE_BYTES);
/// Memory budget for pictures, from decoding until their digits are found.
static PICTURES: Budget = Budget::new(MAX_DECODED_BYTES);

/// The content of a picture's file, and its share of the memory for files.
pub(crate) struct PictureFile {
    bytes: Vec<u8>,
    _permit: Permit,
}

/// A decoded picture.
pub(super) struct Picture {
    /// Premultiplied light, and opacity.
    pub pixels: GrayAlphaImage,
    /// Size of the original in multiples of this size.
    pub scale: f32,
    _permit: Permit,
}

impl PictureFile {
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).context("cannot read the file")?;
        let metadata = file.metadata().context("cannot read the file")?;
        // The length of a pipe is unknown.
        let length = if metadata.is_file() {
            metadata.len()
        } else {
            MAX_FILE_BYTES
        };
        Self::read(file, length)
    }

    /// Reads a stream of unknown length.
    pub fn from_stream(stream: impl Read) -> Result<Self> {
        Self::read(stream, MAX_FILE_BYTES)
    }

    fn read(stream: impl Read, length: u64) -> Result<Self> {
        let permit = FILES.take(length);
        let mut bytes = Vec::new();
        let mut start = stream.take(MAX_FILE_BYTES + 1);
        start
            .read_to_end(&mut bytes)
            .context("cannot read the file")?;
        ensure!(
            bytes.len() as u64 <= MAX_FILE_BYTES,
            "larger than {MAX_FILE_BYTES} bytes, the maximum"
        );
        Ok(Self {
            bytes,
            _permit: permit,
        })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Decodes a file; the first picture if it has several.
pub(super) fn decode(bytes: &[u8]) -> Result<Picture> {
    ensure!(!bytes.is_empty(), "the file is empty");
    refuse_unsupported(bytes)?;
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    // The formats that Cargo.toml enables.
    let is_supported = |format: ImageFormat| format.reading_enabled();
    if !reader.format().is_some_and(is_supported) {
        let kind = FileKind::of(bytes).filter(|kind| *kind != FileKind::Picture);
        let what = kind.map(|kind| format!("; {}", kind.describe_as_images()));
        bail!(
            "not a picture (PNG, JPEG, WebP, BMP, GIF and TIFF are read){}",
            what.unwrap_or_default()
        );
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    // A panic of a decoder becomes an error, so that one damaged file does not end the program.
    tch_errors::catch(|| decode_with(reader, bytes.len() as u64))
}

fn decode_with(reader: ImageReader<Cursor<&[u8]>>, file_bytes: u64) -> Result<Picture> {
    let hint = "the picture is damaged or too large";
    let mut decoder = reader.into_decoder().context(hint)?;
    let (width, height) = decoder.dimensions();
    let decoded_bytes = decoder.total_bytes();
    ensure!(width > 0 && height > 0, "the picture has no pixels");
    ensure!(
        u64::from(width) * u64::from(height) <= MAX_PIXELS && decoded_bytes <= MAX_DECODED_BYTES,
        "{width}x{height} pixels are too many: the maximum is {MAX_PIXELS}"
    );
    let orientation = decoder.orientation().context(hint)?;
    let (kept_width, kept_height) = fit_within(MAX_KEPT_SIDE, (width, height));
    let search_bytes = BYTES_PER_PIXEL * u64::from(kept_width) * u64::from(kept_height);
    // Some decoders keep a copy of the file.
    let permit = PICTURES.take(search_bytes.max(decoded_bytes + file_bytes));
    let image = DynamicImage::from_decoder(decoder).context(hint)?;
    let mut pixels = DynamicImage::ImageLumaA8(scale_down(&image));
    let scale = width.max(height) as f32 / pixels.width().max(pixels.height()) as f32;
    pixels.apply_orientation(orientation);
    let pixels = pixels.into_luma_alpha8();
    Ok(Picture {
        pixels,
        scale,
        _permit: permit,
    })
}

/// Recognizes common but unsupported formats, and explains how to convert them.
fn refuse_unsupported(bytes: &[u8]) -> Result<()> {
    let (what, hint) = match bytes.get(4..12).unwrap_or_default() {
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
    bail!("{what}, which is not supported: {hint}")
}

/// Scales a picture to at most `MAX_KEPT_SIDE` pixels a side; each pixel is the mean of those that
/// it covers. Works row by row, because the decoded picture already takes much memory.
fn scale_down(image: &DynamicImage) -> GrayAlphaImage {
    let (full_width, full_height) = image.dimensions();
    let (width, height) = fit_within(MAX_KEPT_SIDE, (full_width, full_height));
    let mean = |[light, alpha, count]: [u32; 3]| {
        let light = (light / 255 + count / 2) / count;
        [light as u8, ((alpha + count / 2) / count) as u8]
    };
    let mut values = Vec::with_capacity(2 * width as usize * height as usize);
    for row in 0..height {
        // Light times opacity, opacity, number of pixels.
        let mut sums = vec![[0_u32; 3]; width as usize];
        // The rows y with y * height / full_height == row; products stay below 30,000 x 2,048.
        let rows = |row: u32| (row * full_height).div_ceil(height);
        for (y, x) in (rows(row)..rows(row + 1)).flat_map(|y| (0..full_width).map(move |x| (y, x)))
        {
            let [light, alpha] = image.get_pixel(x, y).to_luma_alpha().0.map(u32::from);
            let sum = &mut sums[(x * width / full_width) as usize];
            *sum = [sum[0] + light * alpha, sum[1] + alpha, sum[2] + 1];
        }
        values.extend(sums.into_iter().flat_map(mean));
    }
    GrayAlphaImage::from_raw(width, height, values).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_scaled_to_the_means_of_its_pixels() {
        // 3 x 3 pixels of the original for each of 1,024 x 2.
        let gray =
            |x: u32, y: u32| image::Luma([(x / 3 % 200 + 10 * (y / 3)) as u8 + (x % 3) as u8]);
        let picture = image::GrayImage::from_fn(6_144, 6, gray);
        let small = scale_down(&DynamicImage::from(picture));
        assert_eq!(small.dimensions(), (2_048, 2));
        for (x, y, pixel) in small.enumerate_pixels() {
            assert_eq!(pixel.0, [(x % 200 + 10 * y + 1) as u8, 255], "{x}, {y}");
        }
    }
}
