//! MNIST's own digits, drawn as people's pictures, come back nearly as they were.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat};

use super::ink::{inverted, zip_map};
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
        let found = difference(&prepare(&png(large), None).unwrap(), pixels);
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
        let frame = frame_of(&light, |value| value >= 0.2).unwrap();
        let tight = frame.within(&light, 1).cut(&light);
        for (name, plane) in [("tight", tight), ("whole", light)] {
            let drawn = |plane: &Plane| {
                let drawing = Drawing::of(plane, None);
                drawing
                    .unwrap_or_else(|| panic!("digit {index}, {name}"))
                    .ink
            };
            let (here, there) = (drawn(&plane), drawn(&inverted(&plane)));
            let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3;
            let same = here.iter().zip(there.iter()).all(near);
            let off = zipped(&here, &plane, |a, b| (a - b).abs());
            let mass = off.iter().sum::<f32>();
            assert!(same && mass < 0.2 * 784.0, "digit {index}, {name}: {mass}");
        }
    }
}

/// Grey values on which digits of MNIST are drawn.
struct Sheet {
    picture: GrayImage,
    /// The digits' own pixels, in the order in which they are drawn.
    drawn: Vec<Vec<u8>>,
}

impl Sheet {
    fn new(width: u32, height: u32) -> Self {
        // Light falls on it from the left.
        let grey = |x| Luma([240 - u8::try_from(40 * x / width).unwrap()]);
        Self {
            picture: GrayImage::from_fn(width, height, |x, _| grey(x)),
            drawn: Vec::new(),
        }
    }

    /// Draws test image `index`, 28 pixels of it at so many here, with its corner at x, y.
    fn digit(&mut self, index: usize, side: u32, x: u32, y: u32) {
        let pixels = digits().pixels()[index * PIXELS..][..PIXELS].to_vec();
        let small = GrayImage::from_raw(28, 28, pixels.clone()).unwrap();
        let large = imageops::resize(&small, side, side, FilterType::CatmullRom);
        for (dx, dy, ink) in large.enumerate_pixels() {
            let paper = self.picture.get_pixel_mut(x + dx, y + dy);
            // A pen has an edge, which enlarged pixels have not.
            let ink = (u32::from(ink.0[0]).saturating_sub(70) * 2).min(255);
            let mixed = (u32::from(paper.0[0]) * (255 - ink) + 40 * ink) / 255;
            paper.0[0] = u8::try_from(mixed).unwrap();
        }
        self.drawn.push(pixels);
    }

    /// Every pixel for which `is` holds gets this grey value, where that is darker, or always.
    fn paint(&mut self, grey: u8, over: bool, is: impl Fn(u32, u32) -> bool) {
        for (x, y, pixel) in self.picture.enumerate_pixels_mut() {
            if is(x, y) {
                pixel.0[0] = if over { grey } else { grey.min(pixel.0[0]) };
            }
        }
    }

    /// How many of the digits are found in their order, nearly as they are; none where others are
    /// found too.
    fn found(&self) -> usize {
        let figures = figures(&png(self.picture.clone()), Preparation::Digits).unwrap_or_default();
        if figures.len() != self.drawn.len() {
            return 0;
        }
        let pairs = figures.iter().zip(&self.drawn);
        let near = |(figure, own): &(&Figure, &Vec<u8>)| difference(&figure.prepared, own) < 25.0;
        pairs.filter(near).count()
    }
}

#[test]
fn tables_lines_and_boxes_are_no_ink() {
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
fn an_article_of_clothing_keeps_its_grey_values_and_fills_the_image() {
    // A grey rectangle, wider than high, on white: as Fashion-MNIST's, light on black.
    let inside = |x: u32, y: u32| (100..300).contains(&x) && (80..180).contains(&y);
    let grey = |x, y| {
        Luma([if inside(x, y) {
            55 + u8::try_from(x / 4).unwrap()
        } else {
            255
        }])
    };
    let picture = GrayImage::from_fn(400, 300, grey);
    let article = |picture: GrayImage| {
        let mut figures = figures(&png(picture), Preparation::Article).unwrap();
        figures.remove(0)
    };
    let found = article(picture);
    assert_eq!(found.place, [100, 80, 200, 100]);
    let row = |row: usize| &found.prepared[row * SIDE..][..SIDE];
    assert!(row(6).iter().chain(row(21)).all(|&pixel| pixel == 0));
    assert!(
        row(14)[0] > 240 && (150..190).contains(&row(14)[27]),
        "{:?}",
        row(14)
    );
    // What is of this size and light on black already is taken as it is.
    let own = digits().pixels()[..PIXELS].to_vec();
    let prepared = article(GrayImage::from_raw(28, 28, own.clone()).unwrap()).prepared;
    assert!(prepared[..] == own);
}

#[test]
fn what_cannot_be_read_is_named_whatever_it_is_called() {
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
fn where_ink_and_paper_cannot_be_told_apart_it_helps_to_know() {
    // Dark strokes that fill most of the picture, up to its edges, could be paper.
    let bold = GrayImage::from_fn(60, 60, |x, _| Luma([if x % 30 < 22 { 30 } else { 230 }]));
    let (bytes, mass) = (png(bold), |image: Prepared| {
        image.iter().map(|&grey| u32::from(grey)).sum::<u32>()
    });
    let [unknown, dark, light] =
        [None, Some(false), Some(true)].map(|is_light| mass(prepare(&bytes, is_light).unwrap()));
    assert_eq!(is_light_on_dark(&bytes), Some(true));
    assert!(unknown == light && dark > 2 * light, "{dark} {light}");
}
