//! `band.png`: the accuracy of many runs, and of a reference curve.

use anyhow::Result;
use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;
use plotters::style::text_anchor::Pos;

use super::ensemble::{Band, Ensemble};
use super::reference::Reference;
use super::verdict::Verdict;
use crate::report::figures::accuracy::{Chart, SIZE, training_chart};
use crate::report::figures::canvas::{GRAY, font, longest, png, px};

const BAND: RGBColor = RGBColor(205, 223, 240);
const RUN: RGBColor = RGBColor(150, 186, 218);
const MEDIAN: RGBColor = RGBColor(31, 88, 150);
const REFERENCE: RGBColor = RGBColor(214, 69, 20);
/// Maximum number of thin lines; more would cover the band.
const MAX_RUNS: usize = 60;
/// Maximum length of a name in the legend. Longer paths are cut at the start.
const MAX_NAME_LENGTH: usize = 40;
/// Width of a line or an area in the legend, in pixels.
const LEGEND_LINE: f64 = 34.0;

/// Draws the 5-95 % band of the runs, their median, up to 60 of them as thin lines, and the points
/// of `reference` as a PNG, with the verdict below the title.
pub(crate) fn band(
    ensemble: &Ensemble,
    reference: &Reference,
    verdict: &Verdict,
) -> Result<Vec<u8>> {
    let curve = reference.beside(&ensemble.steps)?;
    let name = shorten_path(&reference.name);
    let runs = ensemble.curves.len();
    let points = |accuracies: &[f64]| -> Vec<(usize, f64)> {
        let steps = ensemble.steps.iter().map(|record| record.step);
        steps.zip(accuracies.iter().copied()).collect()
    };
    let Band { low, median, high } = ensemble.band();
    png(SIZE, |area| {
        let title = format!("Test accuracy of {runs} runs, and of {name}");
        let mut chart = training_chart(area, &ensemble.steps, &title, &verdict.line())?;
        let outline = [points(&low), points(&high).into_iter().rev().collect()].concat();
        chart
            .draw_series([Polygon::new(outline, BAND.filled())])?
            .label("5-95 % of the runs")
            .legend(|at| legend_line(at, px(14.0), BAND));
        let stride = runs.div_ceil(MAX_RUNS);
        let some_runs = match stride {
            1 => format!("the {runs} runs"),
            _ => format!("{} of the {runs} runs", runs.div_ceil(stride)),
        };
        let lines = ensemble.curves.iter().step_by(stride);
        chart
            .draw_series(
                lines.map(|run| PathElement::new(points(&run.accuracies), RUN.stroke_width(2))),
            )?
            .label(&some_runs)
            .legend(|at| legend_line(at, 2, RUN));
        chart
            .draw_series([PathElement::new(points(&median), MEDIAN.stroke_width(7))])?
            .label("median of the runs")
            .legend(|at| legend_line(at, 7, MEDIAN));
        let dot = |radius, color: RGBColor| Circle::new((0, 0), px(radius), color.filled());
        let dots = points(&curve).into_iter();
        chart
            .draw_series(
                dots.map(|at| EmptyElement::at(at) + dot(3.4, WHITE) + dot(2.6, REFERENCE)),
            )?
            .label(&name)
            .legend(|(x, y)| {
                Circle::new((x + px(LEGEND_LINE / 2.0), y), px(3.2), REFERENCE.filled())
            });
        // Accuracies that rise leave room below them.
        let last_third = &low[low.len() - low.len().div_ceil(3)..];
        let is_low = last_third.iter().any(|&accuracy| accuracy < 0.3);
        draw_legend(
            &mut chart,
            [&name, &some_runs, "median of the runs"],
            is_low,
        )
    })
}

/// Draws the legend in the lower or upper right corner; `names` are its longest texts.
fn draw_legend(chart: &mut Chart, names: [&str; 3], at_top: bool) -> Result<()> {
    let (font, margin, gap) = (font(15.0), 14.0, 16.0);
    let width = LEGEND_LINE + 12.0 + longest(names, &font)? + 2.0 * margin;
    let (plot_width, plot_height) = chart.plotting_area().dim_in_pixel();
    let left = plot_width.cast_signed() - px(gap + width);
    let top = if at_top {
        px(gap)
    } else {
        plot_height.cast_signed() - px(gap + 108.0)
    };
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::Coordinate(left, top))
        .margin(px(margin))
        .legend_area_size(px(LEGEND_LINE + 12.0))
        .label_font(font.pos(Pos::default()))
        .background_style(WHITE)
        .border_style(GRAY.stroke_width(2))
        .draw()?;
    Ok(())
}

/// A line or an area in the legend, `height` samples high.
fn legend_line((x, y): (i32, i32), height: i32, color: RGBColor) -> Rectangle<(i32, i32)> {
    let top = y - height / 2;
    Rectangle::new(
        [(x, top), (x + px(LEGEND_LINE), top + height)],
        color.filled(),
    )
}

/// The end of a long path.
fn shorten_path(path: &str) -> String {
    match path.chars().count().saturating_sub(MAX_NAME_LENGTH) {
        0 => path.to_owned(),
        excess => format!("…{}", path.chars().skip(excess + 1).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::figures::canvas::tests::{Picture, decode};
    use crate::report::to_f64;
    use crate::seeds::ensemble::tests::ensemble;

    fn against_the_first(name: &str, curves: &[&[f64]]) -> Picture {
        let ensemble = ensemble(curves);
        let rows = (1..).zip(curves[0]);
        let rows: Vec<_> = rows
            .map(|(step, share)| format!("{step},{share}\n"))
            .collect();
        let text = format!("step,test_accuracy\n{}", rows.concat());
        let reference = Reference::read("runs/of/other.csv".to_owned(), text.as_bytes()).unwrap();
        let verdict = Verdict::compare(&ensemble, &reference, "flux").unwrap();
        let png = band(&ensemble, &reference, &verdict).unwrap();
        assert_eq!(png, band(&ensemble, &reference, &verdict).unwrap());
        decode(name, &png)
    }

    #[test]
    fn band_median_and_points_lie_where_they_should() {
        let picture = against_the_first("band-3", &[&[0.9; 5], &[0.5; 5], &[0.1; 5]]);
        // Step 3 of 5; accuracies go from pixel 618 up to 98.
        let at = |y| picture.at(100 + 960 * 3 / 5, y);
        assert_eq!(at(618 - 468), [214, 69, 20]);
        assert_eq!(at(618 - 260), [31, 88, 150]);
        assert_eq!(at(618 - 364), [205, 223, 240]);
        assert_ne!(at(618 - 504), [205, 223, 240]);
    }

    #[test]
    fn many_runs_and_single_steps_have_a_picture() {
        let noisy = |step: usize| {
            let noise = to_f64(step * 7_919 % 1_000) / 1_000.0 - 0.5;
            0.93 - 0.8 / (1.0 + to_f64(step) / 30.0) + 0.06 * noise
        };
        let curve = |run: usize| (1..=250).map(|step| noisy(step + 3 * run)).collect();
        let curves: Vec<Vec<f64>> = (0..100).map(curve).collect();
        let curves: Vec<&[f64]> = curves.iter().map(Vec::as_slice).collect();
        against_the_first("band-100", &curves);
        against_the_first("band-1-step", &[&[0.4], &[0.5]]);
        against_the_first("band-low", &[&[0.1; 50], &[0.15; 50]]);
        let long = shorten_path(&"x".repeat(200));
        assert_eq!(long.chars().count(), 40);
        assert!(long.starts_with('…') && shorten_path("the article") == "the article");
    }
}
