//! `accuracy.png`: test accuracy over the steps of a run.

use anyhow::{Context, Result};
use plotters::coord::types::{RangedCoordf64, RangedCoordusize};
use plotters::prelude::*;

use super::canvas::{Bitmap, Canvas, GRAY, LEFT, LINE, bold, font, heading, length, png, px};
use crate::learn::StepRecord;
use crate::report::to_f64;

/// Size of the picture, in pixels.
pub(crate) const SIZE: (u32, u32) = (1200, 700);
/// Width of the plot, in pixels.
const PLOT_WIDTH: f64 = 960.0;
/// Upper edge of the plot, in pixels.
const PLOT_TOP: f64 = 98.0;
const GRID: RGBColor = RGBColor(230, 230, 230);
const EPOCH: RGBColor = RGBColor(150, 150, 150);
const CURVE: RGBColor = RGBColor(31, 119, 180);

/// Axes for steps and accuracies.
pub(crate) type Chart<'a> =
    ChartContext<'a, Bitmap<'a>, Cartesian2d<RangedCoordusize, RangedCoordf64>>;

/// Draws the test accuracy of `records` as a PNG, with the last value beside the curve.
pub(crate) fn accuracy(records: &[StepRecord]) -> Result<Vec<u8>> {
    let nothing = "no step was scored, so there is no accuracy curve to draw";
    let last = records.last().context(nothing)?;
    png(SIZE, |area| {
        let mut chart = training_chart(area, records, &title(records), "")?;
        let points = records.iter().map(|r| (r.step, r.test_accuracy));
        let curve = PathElement::new(points.collect::<Vec<_>>(), CURVE.stroke_width(2 * LINE));
        chart.draw_series([curve])?;
        let (x, y) = chart.backend_coord(&(last.step, last.test_accuracy));
        area.draw(&Circle::new((x, y), px(4.5), CURVE.filled()))?;
        let accuracy = format!("{:.4}", last.test_accuracy);
        // Not "final": the run may have been stopped here.
        let step = format!("after step {}", last.step);
        let (x, y) = (x + px(14.0), y.clamp(px(PLOT_TOP + 8.0), px(592.0)));
        area.draw_text(&accuracy, &bold(18.0).color(&CURVE).pos(LEFT), (x, y))?;
        let small = font(12.0).color(&GRAY).pos(LEFT);
        area.draw_text(&step, &small, (x, y + px(20.0)))?;
        Ok(())
    })
}

/// States how often the accuracy was measured.
fn title(records: &[StepRecord]) -> String {
    let pairs = records.windows(2);
    let when = match pairs.map(|pair| pair[1].step - pair[0].step).max() {
        Some(1) => "every step".to_owned(),
        Some(gap) => format!("every {gap} steps"),
        None => format!("step {}", records.last().map_or(0, |last| last.step)),
    };
    format!("Test accuracy after {when}")
}

/// Draws axes for the steps of `records` and accuracies from 0 to 1, with the epochs marked.
pub(crate) fn training_chart<'a>(
    area: &Canvas<'a>,
    records: &[StepRecord],
    title: &str,
    explanation: &str,
) -> Result<Chart<'a>> {
    let start = records.first().map_or(0, steps_before);
    let end = records.last().map_or(0, |last| last.step).max(start + 1);
    heading(area, 100.0 + PLOT_WIDTH / 2.0, title, explanation)?;
    // Single samples, because plotters draws axes beside the plot and maps the end of a range to
    // the last sample of the plot: so they lie on the same pixels as its first and last lines.
    let mut chart = ChartBuilder::on(area)
        .margin_top(px(PLOT_TOP))
        .margin_right(px(140.0) - 2)
        .margin_bottom(px(16.0) - 1)
        .margin_left(px(30.0) + 1)
        .x_label_area_size(px(66.0))
        .y_label_area_size(px(70.0))
        .build_cartesian_2d(start..end, 0.0..1.0)?;
    chart
        .configure_mesh()
        .x_labels(10)
        .y_labels(6)
        .x_max_light_lines(1)
        .y_max_light_lines(2)
        .y_label_formatter(&|accuracy| format!("{accuracy:.1}"))
        .x_desc("Step")
        .y_desc("Test accuracy")
        .label_style(font(15.0))
        .axis_desc_style(font(18.0))
        .set_all_tick_mark_size(px(6.0))
        .light_line_style(GRID.stroke_width(LINE))
        .bold_line_style(GRID.stroke_width(LINE))
        .axis_style(BLACK.stroke_width(LINE))
        .draw()?;
    mark_epochs(area, &mut chart, records)?;
    let frame = [(start, 1.0), (end, 1.0), (end, 0.0)];
    chart.draw_series([PathElement::new(frame, BLACK.stroke_width(LINE))])?;
    Ok(chart)
}

/// Number of steps before the record's epoch.
fn steps_before(record: &StepRecord) -> usize {
    record.step.saturating_sub(record.batch)
}

/// Separates the epochs with lines and numbers them above the plot, as far as there is room.
fn mark_epochs(area: &Canvas, chart: &mut Chart, records: &[StepRecord]) -> Result<()> {
    let epochs: Vec<_> = records.chunk_by(|a, b| a.epoch == b.epoch).collect();
    let starts = epochs.iter().map(|epoch| steps_before(&epoch[0]));
    let edges: Vec<usize> = starts.chain(records.last().map(|last| last.step)).collect();
    let label = |epoch: usize| format!("epoch {epoch}");
    let font = font(14.0).color(&GRAY);
    let highest = records.last().map_or(0, |last| last.epoch);
    let label_width = length(&label(highest), &font)?;
    let width = PLOT_WIDTH / to_f64(epochs.len());
    let stride = round_step((label_width + 14.0) / width);
    for (epoch, edges) in epochs.iter().zip(edges.windows(2)) {
        let [(left, bottom), (right, top)] =
            [(edges[0], 0.0), (edges[1], 1.0)].map(|point| chart.backend_coord(&point));
        if edges[0] > chart.x_range().start && width >= 6.0 {
            let line = [(left, bottom), (left, top)];
            area.draw(&PathElement::new(line, EPOCH.stroke_width(LINE)))?;
        }
        // An epoch that was cut short may have no room.
        let (epoch, room) = (epoch[0].epoch, to_f64(stride) * f64::from(right - left));
        if epoch.is_multiple_of(stride) && f64::from(px(label_width)) <= room {
            let at = (i32::midpoint(left, right), px(PLOT_TOP - 15.0));
            area.draw_text(&label(epoch), &font, at)?;
        }
    }
    Ok(())
}

/// The smallest of 1, 2, 5, 10, 20, 50, ... that is at least `min`.
fn round_step(min: f64) -> usize {
    let units = std::iter::successors(Some(1_usize), |unit| unit.checked_mul(10));
    let mut steps = units.flat_map(|unit| [1, 2, 5].map(|factor| unit.saturating_mul(factor)));
    let step = steps.find(|&step| to_f64(step) >= min);
    step.unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::*;

    /// A run of `steps` scored steps, `per_epoch` to an epoch.
    fn run(steps: usize, per_epoch: usize, accuracy: impl Fn(usize) -> f64) -> Vec<StepRecord> {
        let record = |step: usize| StepRecord {
            epoch: (step - 1) / per_epoch + 1,
            batch: (step - 1) % per_epoch + 1,
            step,
            test_accuracy: accuracy(step),
            ..StepRecord::default()
        };
        (1..=steps).map(record).collect()
    }

    /// Rises as accuracies do, with noise.
    fn noisy(step: usize) -> f64 {
        let noise = to_f64(step * 7_919 % 1_000) / 1_000.0 - 0.5;
        0.93 - 0.8 / (1.0 + to_f64(step) / 30.0) + 0.06 * noise
    }

    /// The pixel column at a percentage of the steps.
    fn x(percent: u32) -> u32 {
        100 + 960 * percent / 100
    }

    /// The pixel row of an accuracy in percent.
    fn y(percent: u32) -> u32 {
        618 - 520 * percent / 100
    }

    #[test]
    fn the_curve_goes_through_its_points_and_epochs_are_marked() {
        let records = run(250, 50, |step| if step == 125 { 0.9 } else { 0.25 });
        let png = accuracy(&records).unwrap();
        assert_eq!(png, accuracy(&records).unwrap());
        let picture = decode("accuracy-peak", &png);
        assert_eq!((picture.width, picture.height), SIZE);
        assert_eq!(picture.at(x(30), y(25)), [31, 119, 180]);
        assert_eq!(picture.at(x(50), y(88)), [31, 119, 180]);
        assert_ne!(picture.at(x(50), y(93)), [31, 119, 180]);
        for epoch in [20, 40, 60, 80] {
            assert_eq!(picture.at(x(epoch), y(65)), [150; 3], "{epoch}");
        }
    }

    #[test]
    fn the_only_peak_of_a_long_run_is_drawn() {
        let peak = |step| if step == 54_321 { 0.9 } else { 0.1 };
        let records = run(100_000, 5_000, peak);
        let picture = decode("accuracy-100000", &accuracy(&records).unwrap());
        let near = x(54)..x(55);
        let blue = |x| picture.at(x, y(85))[0] < 150;
        assert!(near.into_iter().any(blue));
    }

    #[test]
    fn every_run_has_a_picture() {
        for (steps, per_epoch) in [(1, 50), (5, 5), (250, 50), (3_000, 1), (10_000, 600)] {
            let records = run(steps, per_epoch, noisy);
            decode(&format!("accuracy-{steps}"), &accuracy(&records).unwrap());
            let rest = &records[steps / 2..];
            decode(&format!("accuracy-rest-{steps}"), &accuracy(rest).unwrap());
        }
        let error = accuracy(&[]).unwrap_err().to_string();
        assert!(error.contains("no step was scored"), "{error}");
    }

    #[test]
    fn the_title_claims_no_more_than_was_measured() {
        let all = run(100, 50, noisy);
        let sparse: Vec<_> = all.iter().filter(|r| r.step % 10 == 0).cloned().collect();
        assert_eq!(title(&all), "Test accuracy after every step");
        assert_eq!(title(&sparse), "Test accuracy after every 10 steps");
        assert_eq!(title(&all[..1]), "Test accuracy after step 1");
    }

    #[test]
    fn steps_between_labels_are_round() {
        let steps = [0.3, 1.0, 1.2, 3.0, 5.1, 199.0].map(round_step);
        assert_eq!(steps, [1, 1, 2, 5, 10, 200]);
    }
}
