//! A contact sheet: images in rows with their labels below them, so that people see what they train on.
//!
//! It owns the look of the sheet. It knows images and class names only: nothing of files, ranges or terminals.

use anyhow::{Result, ensure};

use super::canvas::Canvas;
use super::palette::{BLACK, GREY};
use super::text::TextStyle;
use crate::data::{Dataset, PIXELS, SIDE};
use crate::report::numbers::real;

/// The most images one sheet may show.
pub const MOST: usize = 1_000;

/// Pixels of the picture for each of an image's, in both directions.
const ZOOM: usize = 2;
/// From one image to the next, across.
const PITCH: usize = SIDE * ZOOM + 8;
/// From one image to the next, down: the label stands between.
const DROP: usize = SIDE * ZOOM + 22;
const MARGIN: usize = 12;
/// Above the images, for the title.
const ABOVE: usize = 40;
const FEWEST_COLUMNS: usize = 10;
const MOST_COLUMNS: usize = 30;

/// Draws `images` as a PNG, 8-bit RGB, under `title`: white on black as they are stored, each with the name of its class
/// out of `names` below it; long names are cut. The same images and names give the same bytes.
///
/// # Errors
/// If there are no images, or more than [`MOST`].
pub fn contact_sheet(images: &Dataset, names: &[String], title: &str) -> Result<Vec<u8>> {
    let count = images.len();
    ensure!(
        (1..=MOST).contains(&count),
        "a contact sheet shows 1 to {MOST} images, not {count}"
    );
    let columns = columns(count);
    let width = 2 * MARGIN + columns * PITCH;
    let height = ABOVE + count.div_ceil(columns) * DROP + MARGIN;
    let mut canvas = Canvas::new(width, height, 1)?;
    let title_style = TextStyle::new(15.0).color(GREY);
    let title = title_style.cut(title, real(width - 2 * MARGIN))?;
    canvas.text(&title, (real(width) / 2.0, real(ABOVE) / 2.0), &title_style)?;
    let labels = labels(names)?;
    let all = images.pixels().chunks_exact(PIXELS).zip(images.labels());
    for (place, (pixels, &label)) in all.enumerate() {
        let left = MARGIN + place % columns * PITCH + (PITCH - SIDE * ZOOM) / 2;
        let top = ABOVE + place / columns * DROP;
        draw_image(&mut canvas, pixels, (left, top))?;
        let Some((label, style)) = labels.get(usize::from(label)) else {
            continue;
        };
        let middle = real(left) + real(SIDE * ZOOM) / 2.0;
        canvas.text(label, (middle, real(top + SIDE * ZOOM) + 10.0), style)?;
    }
    canvas.to_png()
}

/// About as many columns as rows, within limits.
fn columns(count: usize) -> usize {
    count
        .isqrt()
        .clamp(FEWEST_COLUMNS, MOST_COLUMNS)
        .min(count.max(5))
}

/// The class names as they fit below an image, each in the size that it needs.
fn labels(names: &[String]) -> Result<Vec<(String, TextStyle)>> {
    let longest = real(PITCH - 2);
    let label = |name: &String| {
        let large = TextStyle::new(13.0).color(BLACK);
        let small = TextStyle::new(10.0).color(BLACK);
        let style = if large.length(name)? <= longest {
            large
        } else {
            small
        };
        Ok((style.cut(name, longest)?, style))
    };
    names.iter().map(label).collect()
}

fn draw_image(canvas: &mut Canvas, pixels: &[u8], (left, top): (usize, usize)) -> Result<()> {
    let (right, bottom) = (left + SIDE * ZOOM, top + SIDE * ZOOM);
    canvas.rectangle((real(left), real(top)), (real(right), real(bottom)), BLACK)?;
    for (place, &grey) in pixels.iter().enumerate() {
        if grey > 0 {
            let (x, y) = (left + place % SIDE * ZOOM, top + place / SIDE * ZOOM);
            let (from, to) = ((real(x), real(y)), (real(x + ZOOM), real(y + ZOOM)));
            canvas.rectangle(from, to, [grey; 3])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::*;
    use crate::data::mnist_10k;

    fn numbered(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    #[test]
    fn every_pixel_of_every_image_is_there() {
        let images = mnist_10k().unwrap().train.slice(0..23).unwrap();
        let sheet = contact_sheet(&images, &numbered(10), "digits").unwrap();
        assert_eq!(
            sheet,
            contact_sheet(&images, &numbered(10), "digits").unwrap()
        );
        let (width, height, pixel) = decode(&sheet);
        // Three rows of ten.
        assert_eq!((width, height), (24 + 10 * 64, 40 + 3 * 78 + 12));
        let last = images.pixels().chunks_exact(PIXELS).nth(22).unwrap();
        for (place, &grey) in last.iter().enumerate() {
            let x = 12 + 2 * 64 + 4 + place % 28 * 2;
            let y = 40 + 2 * 78 + place / 28 * 2;
            assert_eq!(pixel(real(x), real(y)), [grey; 3], "pixel {place}");
            assert_eq!(pixel(real(x + 1), real(y + 1)), [grey; 3], "pixel {place}");
        }
    }

    #[test]
    fn labels_stand_below_their_images() {
        let images = mnist_10k().unwrap().train.slice(0..2).unwrap();
        let label = |names: &[String]| {
            let (.., pixel) = decode(&contact_sheet(&images, names, "").unwrap());
            let ink = |x: u8, y: u8| pixel(f64::from(x) + 12.0, f64::from(y) + 97.0)[0] < 128;
            (0..64)
                .flat_map(|x| (0..20).map(move |y| (x, y)))
                .filter(|&(x, y)| ink(x, y))
                .count()
        };
        let name = |text: &str| vec![text.to_owned(); 10];
        let (none, short, long) = (
            label(&name("")),
            label(&name("5")),
            label(&name("Ankle boot")),
        );
        assert_eq!(none, 0);
        assert!(short > 5 && long > 2 * short, "{short} {long}");
    }

    #[test]
    fn too_many_images_and_none_are_errors() {
        let train = mnist_10k().unwrap().train;
        for count in [0, 1_001] {
            let error = contact_sheet(&train.slice(0..count).unwrap(), &numbered(10), "");
            let error = error.unwrap_err().to_string();
            assert_eq!(
                error,
                format!("a contact sheet shows 1 to 1000 images, not {count}")
            );
        }
        for count in [1, 11, 1_000] {
            contact_sheet(&train.slice(0..count).unwrap(), &numbered(10), "").unwrap();
        }
    }
}
