//! MNIST's own digits, drawn as people's pictures, come back nearly as they were.

use super::*;
use crate::data::{Dataset, mnist_10k};
use image::{DynamicImage, GrayImage, ImageFormat};

fn digits() -> Dataset {
    let split = mnist_10k().unwrap();
    split.resized(None, Some(100)).unwrap().test
}

/// Digit `index`, enlarged `zoom` times with smooth edges, `value` changing each grey value.
fn drawn(digits: &Dataset, index: usize, zoom: u32, value: fn(u8) -> u8) -> DynamicImage {
    let pixels = digits.pixels()[index * PIXELS..][..PIXELS].iter();
    let image = GrayImage::from_raw(28, 28, pixels.map(|&pixel| value(pixel)).collect()).unwrap();
    let side = 28 * zoom;
    DynamicImage::ImageLuma8(image).resize(side, side, image::imageops::FilterType::Triangle)
}

fn bytes(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    image.write_to(&mut file, format).unwrap();
    file.into_inner()
}

/// Mean difference from the original in grey values, at the best of the shifts by up to one pixel.
fn difference(prepared: &Prepared, original: &[u8]) -> f64 {
    let at = |pixels: &[u8], x: i32, y: i32| {
        let inside = (0..28).contains(&x) && (0..28).contains(&y);
        let index = usize::try_from(y * 28 + x).unwrap_or_default();
        if inside { i32::from(pixels[index]) } else { 0 }
    };
    let shifted = |dx: i32, dy: i32| -> f64 {
        let all = (0..28).flat_map(|y| (0..28).map(move |x| (x, y)));
        all.map(|(x, y)| f64::from((at(prepared, x + dx, y + dy) - at(original, x, y)).abs()))
            .sum::<f64>()
            / 784.0
    };
    let shifts = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| shifted(dx, dy)));
    shifts.fold(f64::MAX, f64::min)
}

#[test]
fn a_digit_of_mnist_drawn_large_comes_back_nearly_itself() {
    let digits = digits();
    let mut sum = 0.0;
    for index in 0..digits.len() {
        let file = bytes(&drawn(&digits, index, 10, |v| 255 - v), ImageFormat::Png);
        let prepared = prepare(&file).unwrap();
        let found = difference(&prepared, &digits.pixels()[index * PIXELS..][..PIXELS]);
        assert!(found < 20.0, "digit {index}: {found}");
        sum += found;
    }
    // The digits' own mean is 33 grey values.
    assert!(sum / 100.0 < 9.0, "{}", sum / 100.0);
}

#[test]
fn polarity_is_right_for_every_digit_even_without_margins() {
    let digits = digits();
    for index in 0..digits.len() {
        let pixels = &digits.pixels()[index * PIXELS..][..PIXELS];
        let values = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0);
        let light = Plane::from_raw(28, 28, values.collect()).unwrap();
        // A frame of one pixel more than the digit, and nothing around it.
        let (left, top, width, height) = extent(&light, 0.2).unwrap();
        let tight = imageops::crop_imm(&light, left - 1, top - 1, width + 2, height + 2);
        for (name, plane) in [("tight", tight.to_image()), ("whole", light)] {
            let here = ink(&plane).unwrap_or_else(|| panic!("digit {index}, {name}"));
            let inverted = ink(&zipped(&plane, &plane, |value, _| 1.0 - value)).unwrap();
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
            let off = here.iter().zip(plane.iter());
            let mass = off.map(|(a, b)| f64::from((a - b).abs())).sum::<f64>();
            let same = here.iter().zip(inverted.iter()).all(near);
            assert!(same && mass < 0.2 * 784.0, "digit {index}, {name}: {mass}");
        }
    }
}

#[test]
fn blank_noisy_and_strange_files_are_errors() {
    let error = |bytes: &[u8]| format!("{:#}", prepare(bytes).unwrap_err());
    let blank = |value: u8| GrayImage::from_pixel(100, 80, image::Luma([value])).into();
    for value in [0, 128, 255] {
        let text = error(&bytes(&blank(value), ImageFormat::Png));
        assert!(text.contains("nothing is drawn"), "{text}");
    }
    let noise = GrayImage::from_fn(200, 200, |x, y| {
        let hash = (x * 7_919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
        image::Luma([200 + u8::try_from(hash % 40).unwrap()])
    });
    let text = error(&bytes(&noise.into(), ImageFormat::Png));
    assert!(text.contains("nothing is drawn"), "{text}");
    assert_eq!(error(b""), "the file is empty");
    assert!(error(b"GIF89a......").contains("not a PNG or JPEG"));
    let cut = &bytes(&blank(9), ImageFormat::Png)[..60];
    assert!(error(cut).contains("damaged"), "{}", error(cut));

    // A header that claims a huge picture.
    let mut file = bytes(&DynamicImage::new_luma8(1, 1), ImageFormat::Png);
    // Width and height in the IHDR chunk, and its checksum.
    file[16..24].copy_from_slice(&[0, 0, 0x70, 0, 0, 0, 0x70, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&file[12..29]);
    file[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let text = error(&file);
    let large = text.contains("too large") || text.contains("too many");
    assert!(large, "{text}");
}

#[test]
fn a_tiny_and_a_very_long_picture_do_no_harm() {
    let dot = GrayImage::from_fn(1, 1, |_, _| image::Luma([0]));
    assert!(prepare(&bytes(&dot.into(), ImageFormat::Png)).is_err());
    let black_if = |ink| image::Luma([if ink { 0 } else { 255 }]);
    let line = GrayImage::from_fn(2_000, 3, |x, _| black_if(x % 500 < 20));
    let _ = prepare(&bytes(&line.into(), ImageFormat::Png));
    let bar = GrayImage::from_fn(300, 900, |x, _| black_if(x > 140 && x < 160));
    let prepared = prepare(&bytes(&bar.into(), ImageFormat::Png)).unwrap();
    assert!(prepared.iter().filter(|&&pixel| pixel > 128).count() >= 20);
}
