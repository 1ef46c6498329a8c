//! Test accuracy over the steps of a run as a curve.
//!
//! It owns what the figure shows. It knows the records of a run only: nothing of tch, of files,
//! of terminals or of how pixels are drawn.

use super::axes::{self, BOTTOM, LEFT, RIGHT, TOP};
use super::canvas::Canvas;
use super::palette::{GREY, Rgb};
use super::steps::Steps;
use super::text::{Anchor, TextStyle};
use crate::learn::StepRecord;
use anyhow::Result;

const CURVE: Rgb = [31, 119, 180];

/// Draws the test accuracy of `records` as a PNG of 1200 x 700 pixels, 8-bit RGB.
///
/// The last accuracy is written beside the curve. The title says "after every step" if no step is
/// missing, else "after every N steps" with the widest gap as N. Where there are more records than
/// pixels, each pixel column shows its first, lowest, highest and last accuracy, so no peak is lost.
/// The same records give the same bytes.
///
/// # Errors
/// If there are no records, if their steps, epochs and batches do not fit together, or if an
/// accuracy is not in 0..=1.
pub fn curve(records: &[StepRecord]) -> Result<Vec<u8>> {
    let steps = Steps::of(records)?;
    let mut canvas = axes::canvas(&steps, &steps.title())?;
    let place = |record: &StepRecord| axes::point(&steps, record.step, record.test_accuracy);
    let points: Vec<_> = steps.thinned(RIGHT - LEFT).map(place).collect();
    canvas.stroke(&points, 2.0, CURVE)?;
    draw_last(&mut canvas, place(steps.last()), steps.last())?;
    canvas.to_png()
}

/// Marks the last point and writes its accuracy to the right of the frame.
fn draw_last(canvas: &mut Canvas, point: (f64, f64), last: &StepRecord) -> Result<()> {
    canvas.dot(point, 4.5, CURVE)?;
    let (x, y) = (RIGHT + 14.0, point.1.clamp(TOP + 8.0, BOTTOM - 26.0));
    let (large, small) = (TextStyle::new(18.0), TextStyle::new(12.0));
    let large = large.bold().color(CURVE).anchor(Anchor::Start);
    let small = small.color(GREY).anchor(Anchor::Start);
    canvas.text(&format!("{:.4}", last.test_accuracy), (x, y), &large)?;
    // Not "final": the run may have been stopped here.
    canvas.text(&format!("after step {}", last.step), (x, y + 20.0), &small)
}

#[cfg(test)]
mod tests {
    use super::super::axes::{BOUNDARY, x, y};
    use super::super::canvas::tests::decode;
    use super::super::steps::tests::run;
    use super::*;
    use crate::report::numbers::real;

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
