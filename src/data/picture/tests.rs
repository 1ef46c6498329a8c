//! MNIST's own digits, drawn as people's pictures, come back nearly as they were.

use std::io::Cursor;

use image::imageops::{self, FilterType};
use image::{DynamicImage, GrayImage, ImageFormat};

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
fn a_digit_of_mnist_comes_back_nearly_itself_large_or_without_margins_dark_or_light() {
    let digits = digits();
    let (mut near, mut sum) = (0, 0.0);
    for pixels in digits.pixels().chunks_exact(PIXELS) {
        let light = GrayImage::from_raw(28, 28, pixels.to_vec()).unwrap();
        let values = pixels.iter().map(|&pixel| f32::from(pixel));
        let plane = Plane::from_raw(28, 28, values.collect()).unwrap();
        // A frame of one pixel more than the digit, and nothing around it.
        let frame = frame_of(&plane, |value| value >= 50.0).unwrap();
        let frame = frame.within(&plane, 1);
        let (width, height) = (frame.width(), frame.height());
        let light = imageops::crop_imm(&light, frame.left, frame.top, width, height).to_image();
        let mut dark = light.clone();
        imageops::invert(&mut dark);
        let large = imageops::resize(&dark, 10 * width, 10 * height, FilterType::Triangle);
        for image in [light, dark, large] {
            let found = difference(&prepare(&png(image), None).unwrap(), pixels);
            near += usize::from(found < 20.0);
            sum += found;
        }
    }
    // The digits' own mean is 33 grey values.
    assert!(near >= 298 && sum / 300.0 < 5.0, "{near} of 300, {sum}");
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

    /// Every pixel for which `is` holds gets this grey value.
    fn paint(&mut self, grey: u8, is: impl Fn(u32, u32) -> bool) {
        let pixels = self.picture.enumerate_pixels_mut();
        let there = pixels.filter(|(x, y, _)| is(*x, *y));
        there.for_each(|(.., pixel)| pixel.0[0] = grey);
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
fn tables_lines_and_boxes_are_no_ink_and_strokes_that_do_not_touch_stay_one_digit() {
    type Scene = (&'static str, u8, fn(u32, u32) -> bool);
    let below: [Scene; 9] = [
        ("the edge of the paper", 60, |x, y| x < 70 + y / 20),
        ("its corner", 90, |x, y| {
            x > 430 - y / 20 || y > 420 + x / 20
        }),
        ("a dark table", 50, |x, y| {
            let within = |at: u32, tilt: u32| (60 + tilt / 15..430 + tilt / 15).contains(&at);
            !within(x, y) || !within(y, 500 - x)
        }),
        ("a light table", 150, |x, y| x.min(y) > 50 && x.max(y) < 440),
        ("ruled paper", 110, |x, y| (y + x / 30) % 40 < 2),
        ("squared paper", 110, |x, y| {
            (y + x / 30) % 32 < 2 || (x + 17 - y / 30) % 32 < 2
        }),
        ("squares of a pen", 40, |x, y| y % 50 < 2 || x % 50 < 2),
        ("a printed box", 40, |x, y| is_box(x, y, 135, 230)),
        ("a checkerboard", 191, |x, y| (x / 12 + y / 12) % 2 == 0),
    ];
    let above: [Scene; 3] = [
        ("a cut across", 225, |_, y| y.abs_diff(250) < 5),
        ("a cut aslant", 225, |x, y| (x + y).abs_diff(490) < 6),
        ("dashes", 225, |x, y| (x + 2 * y) % 60 < 14),
    ];
    for (place, (name, grey, is)) in below.into_iter().chain(above).enumerate() {
        let found = (0..20).map(|index| {
            let mut sheet = Sheet::new(500, 500);
            let is_below = place < below.len();
            sheet.paint(grey, |x, y| is_below && is(x, y));
            sheet.digit(index, 280, 110, 110);
            sheet.paint(grey, |x, y| !is_below && is(x, y));
            sheet.found()
        });
        let found: usize = found.sum();
        assert!(found >= 18, "{name}: {found} of 20");
    }
}

/// Whether a pixel is on the outline of a square, whose corner and side these are.
fn is_box(x: u32, y: u32, corner: u32, side: u32) -> bool {
    let near = |at: u32, line: u32| at.abs_diff(line) < 1 + side / 70;
    let line = |at: u32| near(at, corner) || near(at, corner + side);
    let inside = |at: u32| (corner..=corner + side).contains(&at);
    line(x) && inside(y) || line(y) && inside(x)
}

#[test]
fn a_page_of_hundreds_of_boxed_digits_is_read_from_left_to_right_line_by_line() {
    let mut page = Sheet::new(1_640, 2_100);
    page.paint(70, |x, y| is_box(x % 82, y % 105, 6, 70));
    for place in 0..400_u32 {
        let (x, y) = (82 * (place % 20) + 16, 105 * (place / 20) + 16);
        page.digit(place as usize % 100, 50, x, y);
    }
    let found = page.found();
    assert!(found >= 390, "{found} of 400");
}

#[test]
fn an_article_of_clothing_keeps_its_grey_values_and_fills_the_image() {
    // A grey rectangle, wider than high, on white: as Fashion-MNIST's, light on black.
    let inside = |x: u32, y: u32| (100..300).contains(&x) && (80..180).contains(&y);
    let grey = |x, y| if inside(x, y) { 55 + x / 4 } else { 255 };
    let pixel = |x, y| Luma([u8::try_from(grey(x, y)).unwrap()]);
    let picture = GrayImage::from_fn(400, 300, pixel);
    let article = |picture: GrayImage| {
        let mut figures = figures(&png(picture), Preparation::Article).unwrap();
        figures.remove(0)
    };
    let found = article(picture);
    assert_eq!(found.place, [100, 80, 200, 100]);
    let row = |row: usize| &found.prepared[row * SIDE..][..SIDE];
    assert!(row(6).iter().chain(row(21)).all(|&pixel| pixel == 0));
    let (left, right) = (row(14)[0], row(14)[27]);
    assert!(left > 240 && (150..190).contains(&right), "{left} {right}");
    // What is of this size and light on black already is taken as it is.
    let own = digits().pixels()[..PIXELS].to_vec();
    let prepared = article(GrayImage::from_raw(28, 28, own.clone()).unwrap()).prepared;
    assert!(prepared[..] == own);
}

#[test]
fn what_cannot_be_read_is_an_error_that_names_it() {
    let blank = |value: u8| png(GrayImage::from_pixel(100, 80, Luma([value])));
    let noise = GrayImage::from_fn(200, 200, |x, y| {
        let hash = (x * 7_919 + y * 104_729).wrapping_mul(2_654_435_761) >> 24;
        Luma([200 + u8::try_from(hash % 40).unwrap()])
    });
    // Width and height in the IHDR chunk, and its checksum, claim a huge picture.
    let mut huge = png(GrayImage::new(1, 1));
    huge[16..24].copy_from_slice(&[0, 0, 0x70, 0, 0, 0, 0x70, 0]);
    let mut crc = flate2::Crc::new();
    crc.update(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    for (bytes, part) in [
        (&b"\0\0\0\x18ftypheic\0\0\0\0"[..], "a HEIC picture"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0", "a HEIC picture"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", "an AVIF picture"),
        (b"%PDF-1.7\n", "a PDF document, which is not read: save"),
        (b"", "the file is empty"),
        (b"hello", "not a picture"),
        (&blank(9)[..60], "damaged"),
        (&huge, "too "),
        (&blank(0), "nothing is drawn"),
        (&blank(128), "nothing is drawn"),
        (&blank(255), "nothing is drawn"),
        (&png(noise), "nothing is drawn"),
        (&png(GrayImage::new(1, 1)), "nothing is drawn"),
    ] {
        let error = format!("{:#}", prepare(bytes, None).unwrap_err());
        assert!(error.contains(part), "{part}: {error}");
    }
    // Whatever becomes of it, a very long one does no harm.
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
