//! Test accuracy over the steps of a run as a curve.
//!
//! It owns what the figure shows. It knows the records of a run only: nothing of tch, of files,
//! of terminals or of how pixels are drawn.

mod series;

use self::series::{Epoch, Steps};
use super::canvas::{BLACK, Canvas, GREY, Rgb};
use super::numbers::{real, tick_step};
use super::text::{Anchor, TextStyle};
use crate::learn::record::StepRecord;
use anyhow::Result;

/// Width of the picture in pixels.
pub const WIDTH: usize = 1200;
/// Height of the picture in pixels.
pub const HEIGHT: usize = 700;

// The frame around the curve, in whole pixels.
const LEFT: f64 = 92.0;
const RIGHT: f64 = 1078.0;
const TOP: f64 = 98.0;
const BOTTOM: f64 = 620.0;

const GRID: Rgb = [230, 230, 230];
const BOUNDARY: Rgb = [150, 150, 150];
const CURVE: Rgb = [31, 119, 180];

/// Draws the test accuracy of `records` as a PNG of [`WIDTH`] x [`HEIGHT`] pixels, 8-bit RGB.
///
/// x is the step, y the accuracy from 0 to 1. A thin vertical line marks each step that ended an
/// epoch, as far as lines have 6 pixels between them, with the epochs' numbers above. The last
/// accuracy is written beside the curve. The title says "after every step" if no step is missing,
/// else "after every N steps" with the widest gap as N. Where there are more records than pixels,
/// each pixel column shows its first, lowest, highest and last accuracy, so no peak is lost.
/// The same records give the same bytes.
///
/// # Errors
/// If there are no records, if their steps, epochs and batches do not fit together, or if an
/// accuracy is not in 0..=1.
pub fn curve(records: &[StepRecord]) -> Result<Vec<u8>> {
    let steps = Steps::of(records)?;
    let mut canvas = Canvas::new(WIDTH, HEIGHT, 3)?;
    draw_titles(&mut canvas, &steps.title())?;
    draw_grid(&mut canvas, &steps)?;
    draw_epochs(&mut canvas, &steps)?;
    canvas.frame((LEFT, TOP), (RIGHT + 1.0, BOTTOM + 1.0), BLACK)?;
    let columns = RIGHT - LEFT;
    let shown = steps.thinned(columns);
    let points: Vec<_> = shown.map(|record| point(&steps, record)).collect();
    canvas.stroke(&points, 2.0, CURVE)?;
    draw_last(&mut canvas, point(&steps, steps.last()), steps.last())?;
    canvas.to_png()
}

/// Pixels from the picture's left edge to a step within the run.
fn x(steps: &Steps, step: usize) -> f64 {
    LEFT + steps.share(step) * (RIGHT - LEFT)
}

/// Pixels from the picture's upper edge to an accuracy in 0..=1.
fn y(accuracy: f64) -> f64 {
    BOTTOM - accuracy * (BOTTOM - TOP)
}

/// Where a record lies: in the middle of the pixel that its grid lines would fill.
fn point(steps: &Steps, record: &StepRecord) -> (f64, f64) {
    (x(steps, record.step) + 0.5, y(record.test_accuracy) + 0.5)
}

fn draw_titles(canvas: &mut Canvas, title: &str) -> Result<()> {
    let (center, middle) = (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM));
    let axis = TextStyle::new(18.0);
    canvas.text(title, (center, 36.0), &TextStyle::new(24.0).bold())?;
    canvas.text("Step", (center, 672.0), &axis)?;
    canvas.text("Test accuracy", (32.0, middle), &axis.upward())
}

fn draw_grid(canvas: &mut Canvas, steps: &Steps) -> Result<()> {
    let below = TextStyle::new(15.0);
    let beside = below.anchor(Anchor::End);
    for tenth in 0..=10_u8 {
        let accuracy = f64::from(tenth) / 10.0;
        let y = y(accuracy).round();
        canvas.rectangle((LEFT, y), (RIGHT, y + 1.0), GRID)?;
        if tenth % 2 == 0 {
            canvas.rectangle((LEFT - 6.0, y), (LEFT, y + 1.0), BLACK)?;
            canvas.text(&format!("{accuracy:.1}"), (LEFT - 13.0, y + 0.5), &beside)?;
        }
    }
    for step in steps.ticks() {
        let x = x(steps, step).round();
        canvas.rectangle((x, TOP), (x + 1.0, BOTTOM), GRID)?;
        canvas.rectangle((x, BOTTOM), (x + 1.0, BOTTOM + 6.0), BLACK)?;
        canvas.text(&step.to_string(), (x + 0.5, BOTTOM + 21.0), &below)?;
    }
    Ok(())
}

/// Lines between epochs, and their numbers above as far as there is room.
fn draw_epochs(canvas: &mut Canvas, steps: &Steps) -> Result<()> {
    let style = TextStyle::new(14.0).color(GREY);
    let epochs = steps.epochs();
    let highest = epochs.last().map_or(0, |epoch| epoch.number);
    let pitch = (RIGHT - LEFT) / real(epochs.len().max(1));
    let spelt_out = style.length(&format!("epoch {highest}"))? + 14.0 <= pitch;
    let label = |number: usize| {
        let word = if spelt_out { "epoch " } else { "" };
        format!("{word}{number}")
    };
    if !spelt_out {
        canvas.text(
            "epoch",
            (LEFT - 13.0, TOP - 15.0),
            &style.anchor(Anchor::End),
        )?;
    }
    let room = style.length(&label(highest))? + 14.0;
    let fitting = (1..=100_u64).take_while(|&n| real(n) * room <= RIGHT - LEFT);
    let stride = tick_step(
        u64::try_from(epochs.len())?,
        u64::try_from(fitting.count())?,
    );
    let stride = usize::try_from(stride)?;
    let mut free_from = LEFT - 6.0;
    for Epoch {
        number,
        before,
        last,
    } in epochs
    {
        let (from, to) = (x(steps, before), x(steps, last));
        if from > LEFT && pitch >= 6.0 {
            canvas.rectangle((from.round(), TOP), (from.round() + 1.0, BOTTOM), BOUNDARY)?;
        }
        let (text, middle) = (label(number), f64::midpoint(from, to));
        let half = style.length(&text)? / 2.0;
        if number.is_multiple_of(stride) && middle - half >= free_from {
            canvas.text(&text, (middle, TOP - 15.0), &style)?;
            free_from = middle + half + 6.0;
        }
    }
    Ok(())
}

/// Marks the last point and writes its accuracy to the right of the frame.
fn draw_last(canvas: &mut Canvas, point: (f64, f64), last: &StepRecord) -> Result<()> {
    canvas.dot(point, 4.5, CURVE)?;
    let (x, y) = (RIGHT + 14.0, point.1.clamp(TOP + 8.0, BOTTOM - 26.0));
    let (large, small) = (TextStyle::new(18.0), TextStyle::new(12.0));
    let large = large.bold().color(CURVE).anchor(Anchor::Start);
    let small = small.color(GREY).anchor(Anchor::Start);
    canvas.text(&format!("{:.4}", last.test_accuracy), (x, y), &large)?;
    canvas.text("final accuracy", (x, y + 20.0), &small)
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::series::tests::run;
    use super::*;

    /// Share of the frame's height in which column `x` is `color`.
    fn filled(pixel: impl Fn(f64, f64) -> Rgb, x: f64, color: Rgb) -> f64 {
        let rows = (0..700_u16)
            .map(f64::from)
            .filter(|&y| y > TOP && y < BOTTOM);
        let hits = rows.filter(|&y| pixel(x.round(), y) == color).count();
        real(hits) / (BOTTOM - TOP)
    }

    #[test]
    fn a_line_stands_where_each_epoch_ends() {
        let records = run(250, 50, |_| 0.1);
        let (width, height, pixel) = decode(&curve(&records).unwrap());
        assert_eq!((width, height), (1200, 700));
        let steps = Steps::of(&records).unwrap();
        for step in [50, 100, 150, 200] {
            assert!(
                filled(&pixel, x(&steps, step), BOUNDARY) > 0.9,
                "step {step}"
            );
        }
        for step in [25, 49, 51, 99, 125, 225, 249] {
            assert!(
                filled(&pixel, x(&steps, step), BOUNDARY) < 0.1,
                "step {step}"
            );
        }
    }

    #[test]
    fn the_curve_goes_through_its_points_and_no_others() {
        let accuracy = |step: usize| if step == 120 { 0.9 } else { 0.25 };
        let records = run(250, 250, accuracy);
        let (.., pixel) = decode(&curve(&records).unwrap());
        let steps = Steps::of(&records).unwrap();
        for record in &records {
            let (x, y) = (x(&steps, record.step), y(record.test_accuracy));
            let near = [(0.0, 0.0), (0.0, 1.0), (0.0, -1.0), (1.0, 0.0), (-1.0, 0.0)];
            let hit = near
                .iter()
                .any(|(dx, dy)| pixel((x + dx).floor(), (y + dy).floor()) == CURVE);
            assert!(hit, "step {}", record.step);
        }
        assert!(
            pixel(x(&steps, 120).round(), y(0.9) - 4.0) != CURVE,
            "the peak is too high"
        );
        assert!(pixel(x(&steps, 60).round(), y(0.5)) != CURVE);
    }

    #[test]
    fn the_only_peak_of_a_long_run_is_drawn() {
        let records = run(
            100_000,
            5_000,
            |step| if step == 54_321 { 0.9 } else { 0.1 },
        );
        let (.., pixel) = decode(&curve(&records).unwrap());
        let at = x(&Steps::of(&records).unwrap(), 54_321).floor();
        let peak = [-1.0, 0.0, 1.0]
            .iter()
            .any(|dx| pixel(at + dx, y(0.85).round()) == CURVE);
        assert!(peak);
    }

    #[test]
    fn one_record_gives_a_picture_with_its_point() {
        for accuracy in [0.0, 1.0] {
            let records = run(1, 50, |_| accuracy);
            let (.., pixel) = decode(&curve(&records).unwrap());
            assert_eq!(pixel(RIGHT, y(accuracy).round()), CURVE);
        }
    }

    #[test]
    fn the_same_records_give_the_same_bytes_and_others_give_others() {
        let draw = |last: f64| curve(&run(60, 50, |step| real(step) / 60.0 * last)).unwrap();
        let picture = draw(0.9);
        assert_eq!(picture, draw(0.9));
        assert_ne!(picture, draw(0.8));
    }

    #[test]
    fn many_epochs_and_no_records() {
        let bytes = curve(&run(3_000, 1, |_| 0.5)).unwrap();
        assert_eq!(decode(&bytes).0, 1200);
        let error = curve(&[]).unwrap_err();
        assert!(error.to_string().contains("no step was scored"));
    }
}
