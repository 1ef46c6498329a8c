//! MNIST's own digits, drawn as people's pictures, come back nearly as they were. Damaged pictures
//! are errors.

use std::env;
use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::ink::{inverted, zip_map};
use super::*;
use crate::data::{Dataset, mnist_10k};

fn digits() -> Dataset {
    let split = mnist_10k().unwrap();
    split.resized(None, Some(100)).unwrap().test
}

fn prepare(bytes: &[u8], is_light: Option<bool>) -> Result<Prepared> {
    super::prepare(bytes, Preparation::Digits, is_light)
}

fn encode(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    image.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

fn png(image: impl Into<DynamicImage>) -> Vec<u8> {
    encode(image, ImageFormat::Png)
}

fn detect(bytes: &[u8], preparation: Preparation) -> Result<Vec<Detection>> {
    super::detect(PictureFile::from_stream(bytes)?, preparation)
}

/// Mean difference from the original in gray values, at the best shift by up to one pixel.
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
        let found = difference(&prepare(&png(large), None).unwrap(), pixels);
        assert!(found < 20.0, "digit {index}: {found}");
        sum += found;
    }
    // The digits' own mean is 33 gray values.
    assert!(sum / 100.0 < 9.0, "{}", sum / 100.0);
}

#[test]
fn polarity_is_right_for_every_digit_even_without_margins() {
    let digits = digits();
    for index in 0..digits.len() {
        let pixels = &digits.pixels()[index * PIXELS..][..PIXELS];
        let values = pixels.iter().map(|&pixel| f32::from(pixel) / 255.0);
        let light = Plane::from_raw(28, 28, values.collect()).unwrap();
        // Cropped to the digit and a margin of one pixel.
        let bounds = bounding_box(&light, |value| value >= 0.2).unwrap();
        let tight = bounds.with_margin(&light, 1).crop(&light);
        for (name, plane) in [("tight", tight), ("whole", light)] {
            let ink = |plane: &Plane| {
                let drawing = Drawing::find(plane, None);
                drawing
                    .unwrap_or_else(|| panic!("digit {index}, {name}"))
                    .ink
            };
            let (ink, of_inverted) = (ink(&plane), ink(&inverted(&plane)));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
            let same = ink.iter().zip(of_inverted.iter()).all(near);
            let difference = zip_map(&ink, &plane, |a, b| (a - b).abs());
            let sum = difference.iter().sum::<f32>();
            assert!(same && sum < 0.2 * 784.0, "digit {index}, {name}: {sum}");
        }
    }
}

/// A sheet of paper on which digits of MNIST are drawn.
struct Sheet {
    picture: GrayImage,
    /// The original pixels of the digits, in drawing order.
    originals: Vec<Vec<u8>>,
}

impl Sheet {
    fn new(width: u32, height: u32) -> Self {
        // Light comes from the left.
        let gray = |x| Luma([240 - u8::try_from(40 * x / width).unwrap()]);
        Self {
            picture: GrayImage::from_fn(width, height, |x, _| gray(x)),
            originals: Vec::new(),
        }
    }

    /// Draws test image `index`, scaled to `side`, with its corner at x, y.
    fn digit(&mut self, index: usize, side: u32, x: u32, y: u32) {
        let pixels = digits().pixels()[index * PIXELS..][..PIXELS].to_vec();
        let small = GrayImage::from_raw(28, 28, pixels.clone()).unwrap();
        let large = imageops::resize(&small, side, side, FilterType::CatmullRom);
        for (dx, dy, ink) in large.enumerate_pixels() {
            let paper = self.picture.get_pixel_mut(x + dx, y + dy);
            // Sharpened, because pens have edges.
            let ink = (u32::from(ink.0[0]).saturating_sub(70) * 2).min(255);
            let mixed = (u32::from(paper.0[0]) * (255 - ink) + 40 * ink) / 255;
            paper.0[0] = u8::try_from(mixed).unwrap();
        }
        self.originals.push(pixels);
    }

    /// Paints the pixels inside a shape; with `cover` also over what is darker.
    fn paint(&mut self, gray: u8, cover: bool, is_inside: impl Fn(u32, u32) -> bool) {
        for (x, y, pixel) in self.picture.enumerate_pixels_mut() {
            if is_inside(x, y) {
                pixel.0[0] = if cover { gray } else { gray.min(pixel.0[0]) };
            }
        }
    }

    /// Number of digits found in their order and nearly as they were; 0 if anything else is found.
    fn found(&self) -> usize {
        let found = detect(&png(self.picture.clone()), Preparation::Digits).unwrap_or_default();
        if found.len() != self.originals.len() {
            return 0;
        }
        found
            .iter()
            .zip(&self.originals)
            .filter(|(detection, original)| difference(&detection.image, original) < 25.0)
            .count()
    }
}

#[test]
fn tables_lines_and_boxes_are_not_ink() {
    type Scene = fn(&mut Sheet);
    let scenes: [(&str, Scene); 9] = [
        ("the edge of the paper", |sheet| {
            sheet.paint(60, true, |x, y| x < 70 + y / 20);
        }),
        ("a corner of the paper", |sheet| {
            sheet.paint(90, true, |x, y| x > 430 - y / 20 || y > 420 + x / 20);
        }),
        ("a dark table", |sheet| {
            let on = |at: u32, tilt: u32| (60 + tilt / 15..430 + tilt / 15).contains(&at);
            sheet.paint(50, true, |x, y| !on(x, y) || !on(y, 500 - x));
        }),
        ("a light table", |sheet| {
            sheet
                .picture
                .pixels_mut()
                .for_each(|pixel| pixel.0[0] = pixel.0[0] / 4 * 3);
            sheet.paint(250, true, |x, y| x.min(y) < 50 || x.max(y) > 440);
        }),
        ("ruled paper", |sheet| {
            sheet.paint(110, false, |x, y| (y + x / 30) % 40 < 2);
        }),
        ("squared paper", |sheet| {
            sheet.paint(110, false, |x, y| {
                (y + x / 30) % 32 < 2 || (x + 17 - y / 30) % 32 < 2
            });
        }),
        ("paper squared with a pen", |sheet| {
            sheet.paint(40, false, |x, y| y % 50 < 2 || x % 50 < 2);
        }),
        ("a printed box", |sheet| {
            let line = |at: u32| at.abs_diff(135) < 3 || at.abs_diff(365) < 3;
            let inside = |at: u32| (133..368).contains(&at);
            sheet.paint(40, false, |x, y| {
                line(x) && inside(y) || line(y) && inside(x)
            });
        }),
        ("a checkerboard", |sheet| {
            sheet.paint(191, false, |x, y| (x / 12 + y / 12) % 2 == 0);
        }),
    ];
    for (name, scene) in scenes {
        let right = (0..10).map(|index| {
            let mut sheet = Sheet::new(500, 500);
            sheet.digit(index, 260, 120, 120);
            scene(&mut sheet);
            sheet.found()
        });
        let right: usize = right.sum();
        assert!(right >= 9, "{name}: {right} of 10");
    }
}

#[test]
fn several_digits_are_found_from_left_to_right_line_by_line() {
    let mut row = Sheet::new(600, 240);
    (0..3).for_each(|place| row.digit(place as usize, 180, 20 + 185 * place, 10 + 15 * place));
    assert_eq!(row.found(), 3);
    let mut rows = Sheet::new(700, 420);
    for place in 0..7 {
        rows.digit(
            place as usize,
            150,
            10 + 160 * (place % 4),
            20 + 200 * (place / 4),
        );
    }
    assert_eq!(rows.found(), 7);
}

#[test]
fn a_page_of_hundreds_of_boxed_digits_is_read_in_order() {
    let mut page = Sheet::new(1_700, 2_200);
    for place in 0..400_u32 {
        let (x, y) = (30 + 82 * (place % 20), 60 + 105 * (place / 20));
        page.digit(place as usize % 100, 50, x + 10, y + 10);
        let line = |at: u32, start: u32| at.abs_diff(start) < 2 || at.abs_diff(start + 70) < 2;
        let inside = |at: u32, start: u32| (start..start + 71).contains(&at);
        for (dx, dy) in (0..72).flat_map(|dx| (0..72).map(move |dy| (dx, dy))) {
            let (px, py) = (x + dx, y + dy);
            if line(px, x) && inside(py, y) || line(py, y) && inside(px, x) {
                page.picture.put_pixel(px, py, Luma([70]));
            }
        }
    }
    let found = page.found();
    assert!(found >= 390, "{found} of 400");
}

#[test]
fn strokes_that_do_not_touch_stay_one_digit() {
    type Cut = fn(u32, u32) -> bool;
    let cuts: [(&str, Cut); 3] = [
        ("across", |_, y| y.abs_diff(250) < 5),
        ("aslant", |x, y| (x + y).abs_diff(490) < 6),
        ("dashed", |x, y| (x + 2 * y) % 60 < 14),
    ];
    for (name, cut) in cuts {
        let right = (0..20).map(|index| {
            let mut sheet = Sheet::new(500, 500);
            sheet.digit(index, 300, 100, 100);
            sheet.paint(225, true, cut);
            sheet.found()
        });
        let right: usize = right.sum();
        assert!(right >= 18, "{name}: {right} of 20");
    }
}

#[test]
fn an_article_of_clothing_keeps_its_gray_values_and_fills_the_image() {
    // A gray rectangle, wider than high, on white: as in Fashion-MNIST, but inverted.
    let inside = |x: u32, y: u32| (100..300).contains(&x) && (80..180).contains(&y);
    let gray = |x, y| {
        let gradient = 55 + u8::try_from(x / 4).unwrap();
        Luma([if inside(x, y) { gradient } else { 255 }])
    };
    let picture = GrayImage::from_fn(400, 300, gray);
    let article = |picture: GrayImage| {
        let mut found = detect(&png(picture), Preparation::Article).unwrap();
        found.remove(0)
    };
    let found = article(picture);
    assert_eq!(found.bounding_box, [100, 80, 200, 100]);
    let row = |row: usize| &found.image[row * SIDE..][..SIDE];
    assert!(row(6).iter().chain(row(21)).all(|&pixel| pixel == 0));
    assert!(
        row(14)[0] > 240 && (150..190).contains(&row(14)[27]),
        "{:?}",
        row(14)
    );
    // An image of the data set itself stays as it is.
    let own = digits().pixels()[..PIXELS].to_vec();
    let image = article(GrayImage::from_raw(28, 28, own.clone()).unwrap()).image;
    assert!(image[..] == own);
}

#[test]
fn plain_preparation_scales_the_whole_picture_and_never_inverts() {
    // Left half black, right half light gray, a dark spot in it.
    let gray = |x: u32, y: u32| match x {
        0..140 => 0,
        200..220 if (100..120).contains(&y) => 50,
        _ => 200,
    };
    let picture = png(GrayImage::from_fn(280, 560, |x, y| Luma([gray(x, y)])));
    let found = detect(&picture, Preparation::Plain).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].bounding_box, [0, 0, 280, 560]);
    let image = super::prepare(&picture, Preparation::Plain, None).unwrap();
    assert_eq!(image, found[0].image);
    for row in image.chunks(SIDE) {
        assert_eq!([row[0], row[12], row[15], row[27]], [0, 0, 200, 200]);
    }
    let spot = image[5 * SIDE + 20];
    assert!((50..150).contains(&spot), "{spot}");
    // Nothing is cropped, and a blank picture is an image, too.
    let own = digits().pixels()[..PIXELS].to_vec();
    for pixels in [own, vec![77; PIXELS]] {
        let picture = png(GrayImage::from_raw(28, 28, pixels.clone()).unwrap());
        let image = super::prepare(&picture, Preparation::Plain, None).unwrap();
        assert!(image[..] == pixels);
    }
}

#[test]
fn unsupported_files_are_named_for_what_they_are() {
    for (bytes, name) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF picture"),
        (b"%PDF-1.7\n", "a PDF document"),
    ] {
        let error = prepare(bytes, None).unwrap_err().to_string();
        assert!(error.starts_with(name) && error.contains("save"), "{error}");
    }
}

#[test]
fn blank_noisy_and_strange_files_are_errors() {
    let error = |bytes: &[u8]| format!("{:#}", prepare(bytes, None).unwrap_err());
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
    assert!(error(b"hello").contains("not a picture"));
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
fn a_picture_without_pixels_is_an_error() {
    let mut gif = encode(DynamicImage::new_rgb8(16, 16), ImageFormat::Gif);
    // Width and height of the screen; the image on it keeps its size.
    for (size, name) in [
        ([0; 4], "0x0"),
        ([0, 0, 16, 0], "0x16"),
        ([16, 0, 0, 0], "16x0"),
    ] {
        gif[6..10].copy_from_slice(&size);
        for preparation in [
            Preparation::Digits,
            Preparation::Plain,
            Preparation::Article,
        ] {
            let error = detect(&gif, preparation)
                .err()
                .map(|error| format!("{error:#}"));
            let error = error.unwrap_or_else(|| panic!("{name}: accepted"));
            assert!(error.contains("no pixels"), "{name}: {error}");
        }
    }
}

/// Changes, removes, repeats or inserts bytes, more often in the header.
fn damage(generator: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let length = bytes.len().max(1);
    let reach = *[60.min(length), length].choose(generator).unwrap();
    let start = generator.random_range(0..reach);
    let end = (start + generator.random_range(1..20)).min(bytes.len());
    match generator.random_range(0..6) {
        0..3 => bytes
            .iter_mut()
            .skip(start)
            .take(1)
            .for_each(|byte| *byte = generator.random()),
        3 => drop(bytes.drain(start.min(end)..end)),
        4 => bytes.extend_from_within(start.min(end)..end),
        _ => bytes.truncate(start),
    }
}

#[test]
fn damaged_pictures_of_every_format_are_errors_or_pictures() {
    use ImageFormat::{Bmp, Gif, Jpeg, Png, Tiff, WebP};
    let cases: usize = env::var("MANGLE_CASES").map_or(2_000, |text| text.parse().unwrap());
    let pixels = digits().pixels()[..PIXELS].to_vec();
    let digit = DynamicImage::from(GrayImage::from_raw(28, 28, pixels).unwrap());
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    for format in [Png, Jpeg, WebP, Bmp, Gif, Tiff] {
        let good = encode(digit.to_rgb8(), format);
        let mut readable = 0;
        for case in 0..cases {
            let mut bytes = good.clone();
            for _ in 0..generator.random_range(1..4) {
                damage(&mut generator, &mut bytes);
            }
            let outcome = detect(&bytes, Preparation::Digits);
            readable += usize::from(outcome.is_ok());
            let text = outcome.map_or_else(|error| format!("{error:#}"), |_| String::new());
            // A caught panic is an error with this text.
            assert!(
                !text.contains("a fault in mnist-tch"),
                "{format:?}, case {case}: {text}"
            );
        }
        assert!(
            (1..cases).contains(&readable),
            "{format:?}: {readable} of {cases} readable"
        );
    }
}

#[test]
fn a_tiny_and_a_very_long_picture_do_no_harm() {
    let dot = GrayImage::from_fn(1, 1, |_, _| Luma([0]));
    assert!(prepare(&png(dot), None).is_err());
    let black_if = |ink| Luma([if ink { 0 } else { 255 }]);
    let line = GrayImage::from_fn(2_000, 3, |x, _| black_if(x % 500 < 20));
    let _ = prepare(&png(line), None);
    let bar = GrayImage::from_fn(300, 900, |x, _| black_if(x > 140 && x < 160));
    let prepared = prepare(&png(bar), None).unwrap();
    assert!(prepared.iter().filter(|&&pixel| pixel > 128).count() >= 20);
}

#[test]
fn known_polarity_decides_where_ink_and_paper_look_alike() {
    // Dark strokes that fill most of the picture, up to its edges, may be paper.
    let bold = GrayImage::from_fn(60, 60, |x, _| Luma([if x % 30 < 22 { 30 } else { 230 }]));
    let (bytes, mass) = (png(bold), |image: Prepared| {
        image.iter().map(|&gray| u32::from(gray)).sum::<u32>()
    });
    let [unknown, dark, light] =
        [None, Some(false), Some(true)].map(|is_light| mass(prepare(&bytes, is_light).unwrap()));
    assert_eq!(is_light_on_dark(&bytes), Some(true));
    assert!(unknown == light && dark > 2 * light, "{dark} {light}");
}
