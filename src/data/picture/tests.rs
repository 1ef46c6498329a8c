//! MNIST's own digits, drawn as people's pictures, come back nearly as they were.

use super::*;
use crate::data::{Dataset, mnist_10k};

fn digits() -> Dataset {
    let split = mnist_10k().unwrap();
    split.resized(None, Some(100)).unwrap().test
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, ImageFormat::Png).unwrap();
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
        let pixels = &digits.pixels()[index * PIXELS..][..PIXELS];
        let dark = pixels.iter().map(|pixel| 255 - pixel).collect();
        let image = DynamicImage::from(GrayImage::from_raw(28, 28, dark).unwrap());
        let large = image.resize(280, 280, FilterType::Triangle);
        let found = difference(&prepare(&png(large)).unwrap(), pixels);
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
    let blank = |value: u8| GrayImage::from_pixel(100, 80, Luma([value]));
    for value in [0, 128, 255] {
        let text = error(&png(blank(value)));
        assert!(text.contains("nothing is drawn"), "{text}");
    }
    let noise = GrayImage::from_fn(200, 200, |x, y| {
        let hash = (x * 7_919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
        Luma([200 + u8::try_from(hash % 40).unwrap()])
    });
    let text = error(&png(noise));
    assert!(text.contains("nothing is drawn"), "{text}");
    assert_eq!(error(b""), "the file is empty");
    assert!(error(b"GIF89a......").contains("not a PNG or JPEG"));
    let cut = &png(blank(9))[..60];
    assert!(error(cut).contains("damaged"), "{}", error(cut));

    // A header that claims a huge picture.
    let mut file = png(GrayImage::new(1, 1));
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
    let dot = GrayImage::from_fn(1, 1, |_, _| Luma([0]));
    assert!(prepare(&png(dot)).is_err());
    let black_if = |ink| Luma([if ink { 0 } else { 255 }]);
    let line = GrayImage::from_fn(2_000, 3, |x, _| black_if(x % 500 < 20));
    let _ = prepare(&png(line));
    let bar = GrayImage::from_fn(300, 900, |x, _| black_if(x > 140 && x < 160));
    let prepared = prepare(&png(bar)).unwrap();
    assert!(prepared.iter().filter(|&&pixel| pixel > 128).count() >= 20);
}
