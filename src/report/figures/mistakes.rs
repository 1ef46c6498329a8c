//! `mistakes.png`: the wrong answers that the network was most sure of.
//!
//! It owns which mistakes are shown and where. It knows images, labels and answers; nothing of networks or files.

use anyhow::Result;

use super::canvas::Canvas;
use super::palette::{BLACK, GREY};
use super::text::TextStyle;
use crate::data::{Dataset, PIXELS, SIDE};
use crate::learn::Prediction;
use crate::report::numbers::real;

/// Width of the picture in pixels.
pub const WIDTH: usize = 1000;
/// Height of the picture in pixels.
pub const HEIGHT: usize = 900;

const COLUMNS: usize = 6;
const ROWS: usize = 4;
/// Pixels of the picture for one of the image.
const ZOOM: f64 = 4.0;
/// From the left of one image to that of the next, and from the top of one row to that of the next.
const PITCH: (f64, f64) = (157.0, 199.0);
/// The upper left corner of the first image.
const FIRST: (f64, f64) = (51.0, 106.0);
/// The most letters of a class name.
const LONGEST: usize = 12;

/// A wrong answer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mistake {
    /// Place of the image in its set, from 0.
    pub image: usize,
    /// Its class.
    pub truth: usize,
    /// The class it was taken for.
    pub predicted: usize,
    /// The probability of that class, as the network has it, 0..=1.
    pub probability: f64,
}

/// All wrong answers, the most confident first; of equal ones the first image.
#[must_use]
pub fn mistakes(answers: &[Prediction], labels: &[u8]) -> Vec<Mistake> {
    let mistake = |(image, (answer, &label)): (usize, (&Prediction, &u8))| {
        let (predicted, probability) = answer.best();
        let truth = usize::from(label);
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

/// Draws the most confident mistakes of `answers` to the images of `test` as a PNG of [`WIDTH`] x [`HEIGHT`] pixels,
/// with the names of the classes in `names`. The same answers give the same bytes.
///
/// # Errors
/// Only if plotters or the PNG encoder refuses.
pub fn picture(answers: &[Prediction], test: &Dataset, names: &[String]) -> Result<Vec<u8>> {
    let found = mistakes(answers, test.labels());
    let mut canvas = Canvas::new(WIDTH, HEIGHT, 1)?;
    let (middle, shown) = (real(WIDTH) / 2.0, found.len().min(COLUMNS * ROWS));
    let title = TextStyle::new(25.0).bold();
    canvas.text("Most Confident Mistakes", (middle, 34.0), &title)?;
    let images = test.len();
    let summary = match found.len() {
        0 => format!("no mistakes: all {images} images were recognised"),
        all if all == shown => format!("all {all} wrong answers on {images} images"),
        all => format!("{shown} of {all} wrong answers on {images} images"),
    };
    canvas.text(&summary, (middle, 65.0), &TextStyle::new(15.0).color(GREY))?;
    for (place, mistake) in found.iter().take(shown).enumerate() {
        let column = real(place % COLUMNS) * PITCH.0;
        let row = real(place / COLUMNS) * PITCH.1;
        let corner = (FIRST.0 + column, FIRST.1 + row);
        let pixels = test.pixels().chunks_exact(PIXELS).nth(mistake.image);
        draw_image(&mut canvas, corner, pixels.unwrap_or_default())?;
        draw_caption(&mut canvas, corner, mistake, names)?;
    }
    canvas.to_png()
}

/// Dark on white, as on paper.
fn draw_image(canvas: &mut Canvas, corner: (f64, f64), pixels: &[u8]) -> Result<()> {
    let side = real(SIDE) * ZOOM;
    for (index, &pixel) in pixels.iter().enumerate().filter(|(_, pixel)| **pixel > 0) {
        let x = corner.0 + real(index % SIDE) * ZOOM;
        let y = corner.1 + real(index / SIDE) * ZOOM;
        canvas.rectangle((x, y), (x + ZOOM, y + ZOOM), [u8::MAX - pixel; 3])?;
    }
    let (from, to) = (corner.0 - 1.0, corner.1 - 1.0);
    canvas.frame(
        (from, to),
        (corner.0 + side + 1.0, corner.1 + side + 1.0),
        [200; 3],
    )
}

fn draw_caption(
    canvas: &mut Canvas,
    corner: (f64, f64),
    mistake: &Mistake,
    names: &[String],
) -> Result<()> {
    let (x, y) = (
        corner.0 + real(SIDE) * ZOOM / 2.0,
        corner.1 + real(SIDE) * ZOOM,
    );
    let name = |class: usize| -> String {
        names.get(class).map_or_else(
            || class.to_string(),
            |name| name.chars().take(LONGEST).collect(),
        )
    };
    let plain = TextStyle::new(14.0).color(BLACK);
    canvas.text(
        &format!("true {}", name(mistake.truth)),
        (x, y + 17.0),
        &plain,
    )?;
    let predicted = format!("predicted {}", name(mistake.predicted));
    canvas.text(&predicted, (x, y + 36.0), &TextStyle::new(14.0).bold())?;
    // Rounded down, so that 100 % means a probability of 1.
    let percent = (mistake.probability * 10_000.0).floor() / 100.0;
    canvas.text(
        &format!("{percent:.2} %"),
        (x, y + 55.0),
        &TextStyle::new(13.0).color(GREY),
    )
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::*;
    use crate::data::idx::Images;

    fn answers(best: &[(usize, f32)]) -> Vec<Prediction> {
        let logits = |&(class, logit): &(usize, f32)| {
            let mut logits = [0.0; 10];
            logits[class] = logit;
            Prediction::from_logits(&logits)
        };
        best.iter().map(logits).collect()
    }

    fn set(labels: &[u8]) -> Dataset {
        let images = Images {
            rows: 28,
            columns: 28,
            pixels: vec![255; labels.len() * PIXELS],
        };
        Dataset::new(images, labels.to_vec()).unwrap()
    }

    #[test]
    fn the_surest_come_first_and_right_answers_are_left_out() {
        let found = mistakes(
            &answers(&[(1, 2.0), (3, 9.0), (4, 5.0), (4, 5.0)]),
            &[0, 3, 1, 2],
        );
        let images: Vec<usize> = found.iter().map(|mistake| mistake.image).collect();
        assert_eq!(images, [2, 3, 0]);
        assert_eq!((found[0].truth, found[0].predicted), (1, 4));
        // e^5 / (e^5 + 9).
        assert!((found[0].probability - 0.942_8).abs() < 1e-4);
    }

    #[test]
    fn mistakes_are_drawn_where_they_belong_and_twice_the_same() {
        let (answers, test) = (answers(&[(1, 2.0), (3, 9.0)]), set(&[0, 3]));
        let names: Vec<String> = (0..10).map(|class| class.to_string()).collect();
        let png = picture(&answers, &test, &names).unwrap();
        assert_eq!(png, picture(&answers, &test, &names).unwrap());
        let (width, height, pixel) = decode(&png);
        assert_eq!((width, height), (1000, 900));
        assert_eq!(pixel(FIRST.0 + 50.0, FIRST.1 + 50.0), BLACK);
        assert_eq!(pixel(FIRST.0 + PITCH.0 + 50.0, FIRST.1 + 50.0), [255; 3]);
    }

    #[test]
    fn without_a_mistake_there_is_still_a_picture() {
        let png = picture(&answers(&[(3, 9.0)]), &set(&[3]), &[]).unwrap();
        let (.., pixel) = decode(&png);
        assert_eq!(pixel(FIRST.0 + 50.0, FIRST.1 + 50.0), [255; 3]);
    }
}
