//! Images in rows: what a network was most sure of and wrong about, and what is in a data set.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::picture::{Area, Font, GREY, bold, cut, font, frame, heading, image, length, png, text};
use super::real;
use crate::data::{Dataset, PIXELS, SIDE};
use crate::learn::Prediction;

/// The most images of a contact sheet.
pub(crate) const MOST: usize = 1_000;

/// Pixels of a contact sheet for each of an image's, across and down.
const ZOOM: usize = 2;
/// From one image to the next, across and down: the label stands between.
const PITCH: (usize, usize) = (SIDE * ZOOM + 8, SIDE * ZOOM + 22);
const MARGIN: usize = 12;
/// Above the images, for the title.
const ABOVE: usize = 40;

/// Draws `images` as a PNG under `title`: white on black as they are stored, each with its class'
/// name out of `names` below it.
pub(crate) fn contact_sheet(images: &Dataset, names: &[String], title: &str) -> Result<Vec<u8>> {
    let count = images.len();
    ensure!(
        (1..=MOST).contains(&count),
        "a contact sheet shows 1 to {MOST} images, not {count}"
    );
    // RunMetadata as many columns as rows, within limits.
    let columns = count.isqrt().clamp(10, 30).min(count.max(5));
    let width = 2 * MARGIN + columns * PITCH.0;
    let height = ABOVE + count.div_ceil(columns) * PITCH.1 + MARGIN;
    png((u32::try_from(width)?, u32::try_from(height)?), |area| {
        let style = font(15.0).color(&GREY);
        let title = cut(title, &style, real(width - 2 * MARGIN))?;
        text(area, &title, (real(width) / 2.0, real(ABOVE) / 2.0), &style)?;
        let labels = names.iter().map(|name| fitted(name));
        let labels: Vec<(String, Font)> = labels.collect::<Result<_>>()?;
        let all = images.pixels().chunks_exact(PIXELS).zip(images.labels());
        for (place, (pixels, &label)) in all.enumerate() {
            let left = MARGIN + place % columns * PITCH.0 + (PITCH.0 - SIDE * ZOOM) / 2;
            let (left, top) = (real(left), real(ABOVE + place / columns * PITCH.1));
            image(area, (left, top), real(ZOOM), pixels.iter().copied())?;
            if let Some((label, style)) = labels.get(usize::from(label)) {
                let side = real(SIDE * ZOOM);
                let at = (left + side / 2.0, top + side + 10.0);
                text(area, label, at, style)?;
            }
        }
        Ok(())
    })
}

/// A class' name as it fits below an image, in the size that it needs.
fn fitted(name: &str) -> Result<(String, Font)> {
    let longest = real(PITCH.0 - 2);
    let fits = length(name, &font(13.0))? <= longest;
    let style = font(if fits { 13.0 } else { 10.0 });
    Ok((cut(name, &style, longest)?, style))
}

/// A wrong answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mistake {
    /// Place of the image in its set, from 0.
    pub image: usize,
    pub truth: usize,
    pub predicted: usize,
    /// Of the class that was predicted, 0..=1.
    pub probability: f64,
}

/// All wrong answers, the most confident first; of equal ones the first image.
pub(crate) fn wrong(answers: &[Prediction], labels: &[u8]) -> Vec<Mistake> {
    let mistake = |(image, (answer, &label)): (usize, (&Prediction, &u8))| {
        let (truth, (predicted, probability)) = (usize::from(label), answer.best());
        (predicted != truth).then_some(Mistake {
            image,
            truth,
            predicted,
            probability,
        })
    };
    let pairs = answers.iter().zip(labels).enumerate();
    let mut found: Vec<Mistake> = pairs.filter_map(mistake).collect();
    // The sort is stable, so equal ones keep the order of the images.
    found.sort_by(|one, other| other.probability.total_cmp(&one.probability));
    found
}

const COLUMNS: usize = 6;
const ROWS: usize = 4;
/// Pixels of `mistakes.png` for each of an image's.
const LARGE: f64 = 4.0;
/// The upper left corner of its first image, and from there to the next.
const FIRST: (f64, f64) = (51.0, 106.0);
const LARGE_PITCH: (f64, f64) = (157.0, 199.0);

/// Draws the most confident mistakes among the `answers` to `test` as a PNG, with the classes'
/// names from `names`.
pub(crate) fn mistakes(
    answers: &[Prediction],
    test: &Dataset,
    names: &[String],
) -> Result<Vec<u8>> {
    let found = wrong(answers, test.labels());
    let (images, shown) = (test.len(), found.len().min(COLUMNS * ROWS));
    let summary = match found.len() {
        0 => format!("no mistakes: all {images} images were recognised"),
        all if all == shown => format!("all {all} wrong answers on {images} images"),
        all => format!("{shown} of {all} wrong answers on {images} images"),
    };
    png((1000, 900), |area| {
        heading(area, 500.0, "Most Confident Mistakes", &summary)?;
        for (place, mistake) in found.iter().take(shown).enumerate() {
            let left = FIRST.0 + real(place % COLUMNS) * LARGE_PITCH.0;
            let top = FIRST.1 + real(place / COLUMNS) * LARGE_PITCH.1;
            let pixels = test.pixels().chunks_exact(PIXELS).nth(mistake.image);
            let pixels = pixels.unwrap_or_default();
            draw_mistake(area, (left, top), pixels, mistake, names)?;
        }
        Ok(())
    })
}

fn draw_mistake(
    area: &Area,
    (left, top): (f64, f64),
    pixels: &[u8],
    mistake: &Mistake,
    names: &[String],
) -> Result<()> {
    let side = real(SIDE) * LARGE;
    // Dark on white, as on paper.
    let dark = pixels.iter().map(|grey| u8::MAX - grey);
    image(area, (left, top), LARGE, dark)?;
    let (from, to) = (
        (left - 1.0, top - 1.0),
        (left + side + 1.0, top + side + 1.0),
    );
    frame(area, from, to, RGBColor(200, 200, 200))?;
    let name = |class: usize| match names.get(class) {
        Some(name) => name.chars().take(12).collect(),
        None => class.to_string(),
    };
    // Rounded down, so that 100 % means a probability of 1.
    let percent = (mistake.probability * 10_000.0).floor() / 100.0;
    let (x, y) = (left + side / 2.0, top + side);
    let truth = format!("true {}", name(mistake.truth));
    let predicted = format!("predicted {}", name(mistake.predicted));
    let grey = font(13.0).color(&GREY);
    text(area, &truth, (x, y + 17.0), &font(14.0))?;
    text(area, &predicted, (x, y + 36.0), &bold(14.0))?;
    text(area, &format!("{percent:.2} %"), (x, y + 55.0), &grey)
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::shown;
    use super::*;
    use crate::data::mnist_10k;

    fn digits() -> Vec<String> {
        (0..10).map(|class| class.to_string()).collect()
    }

    fn answers(best: &[(usize, f32)]) -> Vec<Prediction> {
        let logits = |&(class, logit): &(usize, f32)| {
            let mut logits = [0.0; 10];
            logits[class] = logit;
            Prediction::from_logits(&logits)
        };
        best.iter().map(logits).collect()
    }

    #[test]
    fn every_pixel_of_every_image_is_there() {
        let images = mnist_10k().unwrap().train.slice(0..23).unwrap();
        let png = contact_sheet(&images, &digits(), "digits").unwrap();
        assert_eq!(png, contact_sheet(&images, &digits(), "digits").unwrap());
        let sheet = shown("sheet-23", &png);
        // Three rows of ten.
        assert_eq!(sheet.dimensions(), (24 + 10 * 64, 40 + 3 * 78 + 12));
        let last = images.pixels().chunks_exact(PIXELS).nth(22).unwrap();
        for (place, &grey) in last.iter().enumerate() {
            let place = u32::try_from(place).unwrap();
            let x = 12 + 2 * 64 + 4 + place % 28 * 2;
            let y = 40 + 2 * 78 + place / 28 * 2;
            assert_eq!(sheet.get_pixel(x + 1, y + 1).0, [grey; 3], "pixel {place}");
        }
    }

    #[test]
    fn sheets_of_one_image_and_of_a_thousand_with_names_of_any_length() {
        let train = mnist_10k().unwrap().train;
        let names: Vec<String> = (0..10).map(|class| "Ankle boot".repeat(class)).collect();
        for count in [1, 11, 1_000] {
            let sheet = contact_sheet(&train.slice(0..count).unwrap(), &names, "Fashion");
            shown(&format!("sheet-{count}"), &sheet.unwrap());
        }
    }

    #[test]
    fn the_surest_mistakes_come_first_and_right_answers_are_left_out() {
        let best = [(1, 2.0), (3, 9.0), (4, 5.0), (4, 5.0)];
        let found = wrong(&answers(&best), &[0, 3, 1, 2]);
        let images: Vec<usize> = found.iter().map(|mistake| mistake.image).collect();
        assert_eq!(images, [2, 3, 0]);
        assert_eq!((found[0].truth, found[0].predicted), (1, 4));
        // e^5 / (e^5 + 9).
        assert!((found[0].probability - 0.942_8).abs() < 1e-4);
    }

    #[test]
    fn mistakes_are_drawn_and_without_one_there_is_still_a_picture() {
        let test = mnist_10k().unwrap().test;
        let all: Vec<_> = (0..30).map(|image| (image % 10, 8.0)).collect();
        let test = test.slice(0..30).unwrap();
        let png = mistakes(&answers(&all), &test, &digits()).unwrap();
        let picture = shown("mistakes", &png);
        assert_eq!(picture.dimensions(), (1000, 900));
        assert!(picture.pixels().any(|pixel| pixel.0 == [0; 3]));
        let labels = test.labels().iter();
        let right: Vec<_> = labels.map(|&label| (label.into(), 9.0)).collect();
        let png = mistakes(&answers(&right), &test, &[]).unwrap();
        let picture = shown("mistakes-none", &png);
        assert_eq!(picture.get_pixel(100, 150).0, [255; 3]);
    }
}
