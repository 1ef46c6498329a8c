//! Grids of images with captions: a network's most confident mistakes, and contact sheets.

use anyhow::{Result, ensure};
use plotters::prelude::*;

use super::canvas::{
    Font, GRAY, bold, class_label, draw_image, draw_on_paper, font, heading, length, png, px,
    shorten,
};
use crate::data::{Dataset, PIXELS};
use crate::learn::Prediction;
use crate::report::to_f64;

/// Maximum number of images on a contact sheet.
pub(crate) const MAX_IMAGES: usize = 1_000;

/// Draws `images` as a PNG under `title`: white on black as they are stored, each with its class's
/// name below it.
pub(crate) fn contact_sheet(images: &Dataset, names: &[String], title: &str) -> Result<Vec<u8>> {
    let count = images.len();
    ensure!(
        (1..=MAX_IMAGES).contains(&count),
        "a contact sheet shows 1 to {MAX_IMAGES} images, not {count}"
    );
    // About as many columns as rows.
    let columns = count.isqrt().clamp(10, 30).min(count.max(5));
    let (width, height) = (24 + columns * 64, 52 + count.div_ceil(columns) * 78);
    png((u32::try_from(width)?, u32::try_from(height)?), |area| {
        let style = font(15.0).color(&GRAY);
        let title = shorten(title, &style, to_f64(width) - 24.0)?;
        area.draw_text(&title, &style, (px(to_f64(width) / 2.0), px(20.0)))?;
        let captions = (0..names.len()).map(|class| fit_name(class_label(class, names)));
        let captions = captions.collect::<Result<Vec<_>>>()?;
        let pixels = images.pixels().chunks_exact(PIXELS);
        for (index, (pixels, &label)) in pixels.zip(images.labels()).enumerate() {
            let (left, top) = (index % columns * 64 + 16, index / columns * 78 + 40);
            let (left, top) = (to_f64(left), to_f64(top));
            draw_image(area, (left, top), 2.0, pixels.iter().copied())?;
            if let Some((name, font)) = captions.get(usize::from(label)) {
                area.draw_text(name, font, (px(left + 28.0), px(top + 66.0)))?;
            }
        }
        Ok(())
    })
}

/// A class's name with the font in which it fits below an image.
fn fit_name(name: String) -> Result<(String, Font)> {
    let max_length = 62.0;
    if length(&name, &font(13.0))? <= max_length {
        return Ok((name, font(13.0)));
    }
    Ok((shorten(&name, &font(10.0), max_length)?, font(10.0)))
}

/// A wrong prediction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mistake {
    /// Index of the image in its data set.
    pub image: usize,
    pub truth: usize,
    pub predicted: usize,
    /// Probability of the predicted class, 0..=1.
    pub probability: f64,
}

/// All wrong predictions, the most confident first; ties are in image order.
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

/// Draws the 24 most confident mistakes among the predictions `answers` for `test` as a PNG.
pub(crate) fn mistakes(
    answers: &[Prediction],
    test: &Dataset,
    names: &[String],
) -> Result<Vec<u8>> {
    let found = wrong(answers, test.labels());
    let (images, drawn) = (test.len(), found.len().min(24));
    let summary = match found.len() {
        0 => format!("no mistakes on {images} images"),
        all if all == drawn => format!("all {all} wrong predictions on {images} images"),
        all => format!("{drawn} of {all} wrong predictions on {images} images"),
    };
    let images: Vec<&[u8]> = test.pixels().chunks_exact(PIXELS).collect();
    png((1000, 900), |area| {
        heading(area, 500.0, "Most Confident Mistakes", &summary)?;
        for (index, mistake) in found.iter().take(drawn).enumerate() {
            let (left, top) = (to_f64(index % 6 * 157 + 51), to_f64(index / 6 * 199 + 106));
            let frame = RGBColor(200, 200, 200);
            draw_on_paper(area, (left, top), 4.0, images[mistake.image], frame)?;
            // Rounded down, so that 100 % means a probability of 1.
            let percent = (mistake.probability * 10_000.0).floor() / 100.0;
            let [truth, predicted] =
                [mistake.truth, mistake.predicted].map(|c| class_label(c, names));
            for (line, font, y) in [
                (format!("true {truth}"), font(14.0), top + 129.0),
                (format!("predicted {predicted}"), bold(14.0), top + 148.0),
                (
                    format!("{percent:.2} %"),
                    font(13.0).color(&GRAY),
                    top + 167.0,
                ),
            ] {
                let line = shorten(&line, &font, 152.0)?;
                area.draw_text(&line, &font, (px(left + 56.0), px(y)))?;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
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
        let sheet = decode("sheet-23", &png);
        // Three rows of ten.
        assert_eq!(
            (sheet.width, sheet.height),
            (24 + 10 * 64, 40 + 3 * 78 + 12)
        );
        let last = images.pixels().chunks_exact(PIXELS).nth(22).unwrap();
        for (place, &grey) in last.iter().enumerate() {
            let place = u32::try_from(place).unwrap();
            let x = 12 + 2 * 64 + 4 + place % 28 * 2;
            let y = 40 + 2 * 78 + place / 28 * 2;
            assert_eq!(sheet.at(x + 1, y + 1), [grey; 3], "pixel {place}");
        }
    }

    #[test]
    fn sheets_of_one_image_and_of_a_thousand_with_names_of_any_length() {
        let train = mnist_10k().unwrap().train;
        let names: Vec<String> = (0..10).map(|class| "Ankle boot".repeat(class)).collect();
        for count in [1, 11, 1_000] {
            let sheet = contact_sheet(&train.slice(0..count).unwrap(), &names, "Fashion");
            decode(&format!("sheet-{count}"), &sheet.unwrap());
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
        let picture = decode("mistakes", &png);
        assert_eq!((picture.width, picture.height), (1000, 900));
        assert!(picture.pixels().any(|(.., color)| color == [0; 3]));
        let labels = test.labels().iter();
        let right: Vec<_> = labels.map(|&label| (label.into(), 9.0)).collect();
        let png = mistakes(&answers(&right), &test, &[]).unwrap();
        let picture = decode("mistakes-none", &png);
        assert_eq!(picture.at(100, 150), [255; 3]);
    }
}
