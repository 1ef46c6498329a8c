//! Test accuracy over the steps of training: `accuracy.png` of a run, `band.png` of many.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Context, Result};
use plotters::chart::SeriesAnno;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;

use super::picture::{
    Area, Bitmap, GREY, Point, bold, dot, font, frame, from_start, heading, length, longest, pixel,
    png, rectangle, samples, text, to_end,
};
use super::{real, tick_step};
use crate::learn::StepRecord;
use crate::seeds::ensemble::{Band, Ensemble};
use crate::seeds::reference::Reference;
use crate::seeds::verdict::Verdict;

const SIZE: (u32, u32) = (1200, 700);
const LEFT: f64 = 100.0;
const RIGHT: f64 = 1060.0;
const TOP: f64 = 98.0;
const BOTTOM: f64 = 618.0;
const MIDDLE: f64 = 580.0;
/// Of the legend's text.
const LEGEND: f64 = 15.0;
/// Width of the legend's samples.
const SAMPLE: f64 = 34.0;
const GRID: RGBColor = RGBColor(230, 230, 230);
const EPOCH: RGBColor = RGBColor(150, 150, 150);
const CURVE: RGBColor = RGBColor(31, 119, 180);
const BAND: RGBColor = RGBColor(205, 223, 240);
const RUN: RGBColor = RGBColor(150, 186, 218);
const MEDIAN: RGBColor = RGBColor(31, 88, 150);
const COMPARED: RGBColor = RGBColor(214, 69, 20);
/// More thin lines than this would cover the band.
const MOST_RUNS: usize = 60;
/// Longer names are cut at the front, where a path says least.
const LONGEST_NAME: usize = 40;

/// One axis of a chart.
pub(super) struct Axis {
    /// At the lower or left end, and at the other.
    pub range: Range<f64>,
    /// Where there are ticks, and what stands there.
    pub ticks: Vec<(f64, String)>,
    /// Where there are lines across the chart.
    pub lines: Vec<f64>,
    /// What it is about.
    pub title: &'static str,
    /// Pixels for the labels of its ticks and its title.
    pub room: f64,
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() {
            self.lines.clone()
        } else {
            self.ticks.iter().map(|&(tick, _)| tick).collect()
        }
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let mut ticks = self.ticks.iter();
        let tick = ticks.find(|(tick, _)| tick.total_cmp(value).is_eq());
        tick.map_or(String::new(), |(_, label)| label.clone())
    }
}

/// Axes, ready for what is drawn over them.
pub(super) type Chart<'a> = ChartContext<'a, Bitmap<'a>, Cartesian2d<Axis, Axis>>;

/// Axes around the plot that begins at `corner` and is `size` large.
pub(super) fn axes<'a>(
    area: &Area<'a>,
    corner: Point,
    size: Point,
    text_size: f64,
    [x, y]: [Axis; 2],
) -> Result<Chart<'a>> {
    let (beside, below) = (samples(y.room), samples(x.room));
    let plot = area.clone().shrink(
        (samples(corner.0) - beside, samples(corner.1)),
        // A sample more, because plotters maps the range's end to the last sample.
        (samples(size.0) + beside + 1, samples(size.1) + below + 1),
    );
    let (x_title, y_title) = (x.title, y.title);
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(below)
        .y_label_area_size(beside)
        .build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.axis_style(TRANSPARENT)
        .bold_line_style(TRANSPARENT)
        .light_line_style(GRID.stroke_width(2))
        .set_all_tick_mark_size(samples(6.0))
        .label_style(font(text_size))
        .axis_desc_style(font(18.0))
        .x_desc(x_title)
        .y_desc(y_title);
    mesh.draw()?;
    // Plotters' own ticks would not lie on whole pixels.
    let (x, y) = (chart.x_range(), chart.y_range());
    let (left, bottom) = (corner.0.floor(), (corner.1 + size.1).floor());
    let spec = chart.as_coord_spec();
    for (tick, _) in &spec.x_spec().ticks {
        let at = pixel(chart.backend_coord(&(*tick, y.start)).0);
        rectangle(area, (at, bottom), (at + 1.0, bottom + 6.0), BLACK)?;
    }
    for (tick, _) in &spec.y_spec().ticks {
        let at = pixel(chart.backend_coord(&(x.start, *tick)).1);
        rectangle(area, (left - 6.0, at), (left, at + 1.0), BLACK)?;
    }
    Ok(chart)
}

/// The test accuracy of `records` as a PNG. The last one is written beside the curve.
pub(crate) fn accuracy(records: &[StepRecord]) -> Result<Vec<u8>> {
    let nothing = "no step was scored, so there is no accuracy curve to draw";
    let last = records.last().context(nothing)?;
    png(SIZE, |area| {
        let mut chart = over_training(area, records)?;
        heading(area, MIDDLE, &title(records), "")?;
        let place = |record: &StepRecord| (real(record.step), record.test_accuracy);
        let points: Vec<Point> = records.iter().map(place).collect();
        line(&mut chart, &points, 2.0, CURVE)?;
        let (x, y) = chart.backend_coord(&place(last));
        let (x, y) = (f64::from(x) / 3.0, f64::from(y) / 3.0);
        dot(area, (x, y), 4.5, CURVE)?;
        let at = (RIGHT + 14.0, y.clamp(TOP + 8.0, BOTTOM - 26.0));
        let (large, small) = (bold(18.0).color(&CURVE), font(12.0).color(&GREY));
        let accuracy = format!("{:.4}", last.test_accuracy);
        text(area, &accuracy, at, &from_start(&large))?;
        // Not "final": the run may have been stopped here.
        let step = format!("after step {}", last.step);
        text(area, &step, (at.0, at.1 + 20.0), &from_start(&small))
    })
}

/// What may be said about how often the accuracy was measured.
fn title(records: &[StepRecord]) -> String {
    let pairs = records.windows(2);
    let gaps = pairs.map(|pair| pair[1].step.abs_diff(pair[0].step));
    let when = match gaps.max() {
        Some(1) => "every step".to_owned(),
        Some(gap) => format!("every {gap} steps"),
        None => format!("step {}", records.last().map_or(0, |last| last.step)),
    };
    format!("Test accuracy after {when}")
}

/// The runs' 5-95 % band, their median, up to 60 of the runs as thin lines, and the points of
/// `reference`, as far as both go, on top as a PNG, with the verdict in a line.
pub(crate) fn band(
    ensemble: &Ensemble,
    reference: &Reference,
    verdict: &Verdict,
) -> Result<Vec<u8>> {
    let curve = reference.beside(&ensemble.steps)?;
    let name = short(&reference.name);
    let runs = ensemble.curves.len();
    let points = |accuracies: &[f64]| -> Vec<Point> {
        let steps = ensemble.steps.iter().map(|record| real(record.step));
        steps.zip(accuracies.iter().copied()).collect()
    };
    let Band { low, median, high } = ensemble.band();
    png(SIZE, |area| {
        let mut chart = over_training(area, &ensemble.steps)?;
        let title = format!("Test accuracy of {runs} runs, and of {name}");
        heading(area, MIDDLE, &title, &verdict.line())?;
        let outline = [points(&low), points(&high).into_iter().rev().collect()].concat();
        chart
            .draw_series([Polygon::new(outline, BAND.filled())])?
            .label("5-95 % of the runs")
            .legend(|at| sample(at, 14.0, BAND));
        let stride = runs.div_ceil(MOST_RUNS);
        let shown = match stride {
            1 => format!("the {runs} runs"),
            _ => format!("{} of the {runs} runs", runs.div_ceil(stride)),
        };
        for (place, run) in ensemble.curves.iter().step_by(stride).enumerate() {
            let drawn = line(&mut chart, &points(&run.accuracies), 0.7, RUN)?;
            if place == 0 {
                drawn.label(&shown).legend(|at| sample(at, 0.7, RUN));
            }
        }
        line(&mut chart, &points(&median), 2.4, MEDIAN)?
            .label("median of the runs")
            .legend(|at| sample(at, 2.4, MEDIAN));
        let mark = |radius, color: RGBColor| Circle::new((0, 0), samples(radius), color.filled());
        let marks = points(&curve).into_iter();
        let marks = marks.map(|at| EmptyElement::at(at) + mark(3.4, WHITE) + mark(2.6, COMPARED));
        chart
            .draw_series(marks)?
            .label(&name)
            .legend(move |(x, y)| {
                let at = (x + samples(SAMPLE / 2.0), y);
                Circle::new(at, samples(3.2), COMPARED.filled())
            });
        // Where accuracies rise, as they should, there is room below them.
        let last_third = low.iter().skip(low.len() - low.len().div_ceil(3));
        let is_low = last_third.copied().fold(1.0, f64::min) < 0.3;
        draw_legend(&mut chart, [&name, &shown, "median of the runs"], is_low)
    })
}

/// The legend, in the lower or the upper right corner; `names` are the longest in it.
fn draw_legend(chart: &mut Chart, names: [&str; 3], above: bool) -> Result<()> {
    let (font, margin) = (font(LEGEND), 14.0);
    let (width, height) = (SAMPLE + 12.0 + longest(names, &font)? + 2.0 * margin, 108.0);
    let lower = BOTTOM - TOP - 16.0 - height;
    let top = if above { 16.0 } else { lower };
    let left = RIGHT - LEFT - 16.0 - width;
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::Coordinate(samples(left), samples(top)))
        .margin(samples(margin))
        .legend_area_size(samples(SAMPLE + 12.0))
        .label_font(font.pos(Pos::default()))
        .background_style(WHITE)
        .border_style(GREY.stroke_width(2))
        .draw()?;
    Ok(())
}

/// A sample of a line or an area for the legend, `height` pixels high.
fn sample((x, y): (i32, i32), height: f64, color: RGBColor) -> Rectangle<(i32, i32)> {
    let top = y - samples(height / 2.0);
    let corner = (x + samples(SAMPLE), top + samples(height));
    Rectangle::new([(x, top), corner], color.filled())
}

/// The end of a long name.
fn short(name: &str) -> String {
    match name.chars().count().saturating_sub(LONGEST_NAME) {
        0 => name.to_owned(),
        more => format!("…{}", name.chars().skip(more + 1).collect::<String>()),
    }
}

/// Axes for the steps of `records` and accuracies from 0 to 1, with the epochs marked.
fn over_training<'a>(area: &Area<'a>, records: &[StepRecord]) -> Result<Chart<'a>> {
    let first = records.first().map_or(0, before);
    let last = records.last().map_or(0, |last| last.step).max(first + 1);
    let every = tick_step(last - first, 10);
    let steps = (first.div_ceil(every)..=last / every).map(|n| n * every);
    let steps: Vec<(f64, String)> = steps.map(|step| (real(step), step.to_string())).collect();
    let x = Axis {
        range: real(first)..real(last),
        lines: steps.iter().map(|&(step, _)| step).collect(),
        ticks: steps,
        title: "Step",
        room: 66.0,
    };
    let tenths = (0..=10).map(|tenth| f64::from(tenth) / 10.0);
    let tick = |accuracy| (accuracy, format!("{accuracy:.1}"));
    let y = Axis {
        range: 0.0..1.0,
        ticks: tenths.clone().step_by(2).map(tick).collect(),
        lines: tenths.collect(),
        title: "Test accuracy",
        room: 70.0,
    };
    // A third of a pixel more is where lines of a pixel have their middle.
    let corner = (LEFT + 1.0 / 3.0, TOP + 1.0 / 3.0);
    let chart = axes(area, corner, (RIGHT - LEFT, BOTTOM - TOP), 15.0, [x, y])?;
    let place = |step: usize| pixel(chart.backend_coord(&(real(step), 0.0)).0);
    mark_epochs(area, records, place)?;
    frame(area, (LEFT, TOP), (RIGHT + 1.0, BOTTOM + 1.0), BLACK)?;
    Ok(chart)
}

/// The last step before the record's epoch.
fn before(record: &StepRecord) -> usize {
    record.step.saturating_sub(record.batch)
}

/// Lines between epochs, and their numbers above, both as far as there is room.
fn mark_epochs(area: &Area, records: &[StepRecord], place: impl Fn(usize) -> f64) -> Result<()> {
    let epochs: Vec<&[StepRecord]> = records.chunk_by(|a, b| a.epoch == b.epoch).collect();
    let highest = records.last().map_or(0, |last| last.epoch);
    let room = (RIGHT - LEFT) / real(epochs.len().max(1));
    let font = font(14.0).color(&GREY);
    let spelt_out = length(&format!("epoch {highest}"), &font)? + 14.0 <= room;
    if !spelt_out {
        text(area, "epoch", (LEFT - 13.0, TOP - 15.0), &to_end(&font))?;
    }
    let word = if spelt_out { "epoch " } else { "" };
    let label = |epoch: usize| format!("{word}{epoch}");
    let widest = length(&label(highest), &font)? + 14.0;
    let fitting = (1..=100_u64).take_while(|&n| real(n) * widest <= RIGHT - LEFT);
    let stride = tick_step(epochs.len(), fitting.count());
    let mut free_from = LEFT - 6.0;
    for (number, epoch) in epochs.iter().enumerate() {
        // Where the next begins follows from its first record, even if only some steps were scored.
        let next = epochs.get(number + 1).map(|next| before(&next[0]));
        let end = next.unwrap_or(epoch[epoch.len() - 1].step);
        let (from, to) = (place(before(&epoch[0])), place(end));
        if from > LEFT && room >= 6.0 {
            rectangle(area, (from, TOP), (from + 1.0, BOTTOM), EPOCH)?;
        }
        let (text, middle) = (label(epoch[0].epoch), f64::midpoint(from, to));
        let half = length(&text, &font)? / 2.0;
        if epoch[0].epoch.is_multiple_of(stride) && middle - half >= free_from {
            super::picture::text(area, &text, (middle, TOP - 15.0), &font)?;
            free_from = middle + half + 6.0;
        }
    }
    Ok(())
}

/// A line through `points`, `width` pixels wide. (Plotters' own line series draws one polygon,
/// which has holes and peaks of its own where a line turns sharply.)
fn line<'c, 'a>(
    chart: &'c mut Chart<'a>,
    points: &[Point],
    width: f64,
    color: RGBColor,
) -> Result<&'c mut SeriesAnno<'a, Bitmap<'a>>> {
    let points = thinned(points, |&point| pixel(chart.backend_coord(&point).0));
    let stroke = color.stroke_width(samples(width).unsigned_abs());
    let joint = |&point| Circle::new(point, samples(width / 2.0), color.filled());
    chart.draw_series(points.iter().map(joint))?;
    let piece = |pair: &[Point]| PathElement::new(pair.to_vec(), stroke);
    Ok(chart.draw_series(points.windows(2).map(piece))?)
}

/// All points, or where more than four fall into a column of pixels, its first, lowest, highest
/// and last: no peak is lost.
fn thinned(points: &[Point], column: impl Fn(&Point) -> f64) -> Vec<Point> {
    let mut kept = Vec::new();
    for group in points.chunk_by(|a, b| column(a).total_cmp(&column(b)).is_eq()) {
        if group.len() <= 4 {
            kept.extend(group);
            continue;
        }
        let by_height = |&a: &usize, &b: &usize| group[a].1.total_cmp(&group[b].1);
        let all = || 0..group.len();
        let extremes = [all().min_by(by_height), all().max_by(by_height)];
        let ends = [0, group.len() - 1].into_iter();
        let places: BTreeSet<usize> = ends.chain(extremes.into_iter().flatten()).collect();
        kept.extend(places.into_iter().map(|place| group[place]));
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::picture::tests::shown;
    use super::*;
    use crate::seeds::ensemble::tests::ensemble;

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
        let noise = real(step * 7_919 % 1_000) / 1_000.0 - 0.5;
        0.93 - 0.8 / (1.0 + real(step) / 30.0) + 0.06 * noise
    }

    fn x(share: f64) -> u32 {
        u32::try_from(samples((LEFT + share * (RIGHT - LEFT)) / 3.0)).unwrap()
    }

    fn y(accuracy: f64) -> u32 {
        u32::try_from(samples((BOTTOM - accuracy * (BOTTOM - TOP)) / 3.0)).unwrap()
    }

    #[test]
    fn the_curve_goes_through_its_points_and_epochs_are_marked() {
        let records = run(250, 50, |step| if step == 125 { 0.9 } else { 0.25 });
        let png = accuracy(&records).unwrap();
        assert_eq!(png, accuracy(&records).unwrap());
        let picture = shown("accuracy-peak", &png);
        assert_eq!(picture.dimensions(), SIZE);
        assert_eq!(picture.get_pixel(x(0.3), y(0.25)).0, [31, 119, 180]);
        assert_eq!(picture.get_pixel(x(0.5), y(0.88)).0, [31, 119, 180]);
        assert_ne!(picture.get_pixel(x(0.5), y(0.93)).0, [31, 119, 180]);
        for epoch in [0.2, 0.4, 0.6, 0.8] {
            assert_eq!(picture.get_pixel(x(epoch), y(0.65)).0, [150; 3], "{epoch}");
        }
    }

    #[test]
    fn the_only_peak_of_a_long_run_is_drawn() {
        let peak = |step| if step == 54_321 { 0.9 } else { 0.1 };
        let records = run(100_000, 5_000, peak);
        let picture = shown("accuracy-100000", &accuracy(&records).unwrap());
        let near = x(0.543_21) - 2..x(0.543_21) + 2;
        let blue = |x| picture.get_pixel(x, y(0.85)).0[0] < 150;
        assert!(near.into_iter().any(blue));
    }

    #[test]
    fn every_run_has_a_picture() {
        for (steps, per_epoch) in [(1, 50), (5, 5), (250, 50), (3_000, 1), (10_000, 600)] {
            let records = run(steps, per_epoch, noisy);
            shown(&format!("accuracy-{steps}"), &accuracy(&records).unwrap());
            let rest = &records[steps / 2..];
            shown(&format!("accuracy-rest-{steps}"), &accuracy(rest).unwrap());
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

    fn against_the_first(name: &str, curves: &[&[f64]]) -> image::RgbImage {
        let ensemble = ensemble(curves);
        let rows = (1..).zip(curves[0]);
        let rows: Vec<_> = rows
            .map(|(step, share)| format!("{step},{share}\n"))
            .collect();
        let text = format!("step,test_accuracy\n{}", rows.concat());
        let reference = Reference::read("runs/of/other.csv".to_owned(), text.as_bytes()).unwrap();
        let verdict = Verdict::of(&ensemble, &reference, "flux").unwrap();
        let png = band(&ensemble, &reference, &verdict).unwrap();
        assert_eq!(png, band(&ensemble, &reference, &verdict).unwrap());
        shown(name, &png)
    }

    #[test]
    fn band_median_and_points_lie_where_they_should() {
        let picture = against_the_first("band-3", &[&[0.9; 5], &[0.5; 5], &[0.1; 5]]);
        let at = |accuracy: f64| picture.get_pixel(x(0.6), y(accuracy)).0;
        assert_eq!(at(0.9), [214, 69, 20]);
        assert_eq!(at(0.5), [31, 88, 150]);
        assert_eq!(at(0.7), [205, 223, 240]);
        assert_ne!(at(0.97), [205, 223, 240]);
    }

    #[test]
    fn many_runs_and_single_steps_have_a_picture() {
        let curve = |run: usize| (1..=250).map(|step| noisy(step + 3 * run)).collect();
        let curves: Vec<Vec<f64>> = (0..100).map(curve).collect();
        let curves: Vec<&[f64]> = curves.iter().map(Vec::as_slice).collect();
        against_the_first("band-100", &curves);
        against_the_first("band-1-step", &[&[0.4], &[0.5]]);
        let long = short(&"x".repeat(200));
        assert_eq!(long.chars().count(), 40);
        assert!(long.starts_with('…') && short("the article") == "the article");
    }
}
