//! The band of many runs' accuracy curves with another curve on top: is it one of them?
//!
//! It owns what the figure shows. It knows curves and a verdict only: nothing of tch, of files, of
//! terminals or of how pixels are drawn.

use super::axes::{self, BOTTOM, LEFT, RIGHT, TOP};
use super::canvas::Canvas;
use super::palette::{BLACK, GREY, Rgb, WHITE};
use super::steps::Steps;
use super::text::{Anchor, TextStyle};
use crate::report::comparison::ensemble::{Band, Ensemble};
use crate::report::comparison::reference::Reference;
use crate::report::comparison::verdict::Verdict;
use anyhow::Result;

const BAND: Rgb = [205, 223, 240];
const RUN: Rgb = [150, 186, 218];
const MEDIAN: Rgb = [31, 88, 150];
const COMPARED: Rgb = [214, 69, 20];
/// More thin lines than this would cover the band.
const MOST_RUNS: usize = 60;
/// Longer names are cut at the front, where a path says least.
const LONGEST_NAME: usize = 40;

/// Draws the runs' 5-95 % band, their median, up to 60 of the runs as thin lines, and on top the points of `reference`,
/// as a PNG of 1200 x 700 pixels, 8-bit RGB, with a legend and the verdict in a line.
///
/// x is the step, y the accuracy from 0 to 1. The same runs give the same bytes.
///
/// # Errors
/// When the curve has other steps than the runs, or the runs' steps do not fit together.
pub fn band(ensemble: &Ensemble, reference: &Reference, verdict: &Verdict) -> Result<Vec<u8>> {
    let curve = reference.beside(ensemble.steps())?;
    let steps = Steps::of(ensemble.steps())?;
    let name = short(&reference.name);
    let runs = ensemble.curves().len();
    let title = format!("Test accuracy of {runs} runs, and of {name}");
    let mut canvas = axes::canvas(&steps, &title)?;
    draw_verdict(&mut canvas, verdict)?;
    let place = |accuracies: &[f64]| -> Vec<(f64, f64)> {
        let steps_taken = ensemble.steps().iter().zip(accuracies);
        steps_taken
            .map(|(record, &accuracy)| axes::point(&steps, record.step, accuracy))
            .collect()
    };
    let Band { low, median, high } = ensemble.band();
    draw_between(&mut canvas, &place(&low), &place(&high))?;
    let stride = runs.div_ceil(MOST_RUNS);
    for run in ensemble.curves().iter().step_by(stride) {
        canvas.stroke(&place(&run.accuracies), 0.7, RUN)?;
    }
    canvas.stroke(&place(&median), 2.4, MEDIAN)?;
    for point in place(&curve) {
        draw_point(&mut canvas, point)?;
    }
    let shown = runs.div_ceil(stride);
    let thin = if stride == 1 {
        format!("the {runs} runs")
    } else {
        format!("{shown} of the {runs} runs")
    };
    // Where accuracies rise, as they should, there is room below them.
    let last_third = low.iter().skip(low.len() - low.len().div_ceil(3));
    let is_low = last_third.copied().fold(1.0, f64::min) < 0.3;
    draw_legend(&mut canvas, &name, &thin, is_low)?;
    canvas.to_png()
}

/// The end of a long name.
fn short(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len().checked_sub(LONGEST_NAME) {
        None | Some(0) => name.to_owned(),
        Some(more) => std::iter::once('…')
            .chain(letters.into_iter().skip(more + 1))
            .collect(),
    }
}

/// One line under the title.
fn draw_verdict(canvas: &mut Canvas, verdict: &Verdict) -> Result<()> {
    let text = format!(
        "init {}: {:.1} % of the steps within the band, rank {:.2}: {}",
        verdict.init,
        100.0 * verdict.share_inside_band,
        verdict.rank,
        verdict.word()
    );
    let center = f64::midpoint(LEFT, RIGHT);
    canvas.text(&text, (center, 62.0), &TextStyle::new(15.0).color(GREY))
}

/// Fills the area between two lines of as many points.
fn draw_between(canvas: &mut Canvas, low: &[(f64, f64)], high: &[(f64, f64)]) -> Result<()> {
    for (low, high) in low.windows(2).zip(high.windows(2)) {
        canvas.polygon(&[low[0], low[1], high[1], high[0]], BAND)?;
    }
    Ok(())
}

/// A point that stands out from the lines below it.
fn draw_point(canvas: &mut Canvas, point: (f64, f64)) -> Result<()> {
    canvas.dot(point, 3.4, WHITE)?;
    canvas.dot(point, 2.6, COMPARED)
}

/// The legend, in the lower or the upper right corner.
fn draw_legend(canvas: &mut Canvas, name: &str, thin: &str, above: bool) -> Result<()> {
    let style = TextStyle::new(15.0).anchor(Anchor::Start);
    let entries = [name, "median of the runs", "5-95 % of the runs", thin];
    let mut longest = 0.0_f64;
    for entry in entries {
        longest = longest.max(style.length(entry)?);
    }
    let (height, sample, gap) = (26.0, 34.0, 12.0);
    let whole = 4.0 * height + gap;
    let top = if above {
        TOP + 18.0
    } else {
        BOTTOM - 18.0 - whole
    };
    let (right, bottom) = (RIGHT - 18.0, top + whole);
    let left = (right - longest - sample - 3.0 * gap).floor();
    canvas.rectangle((left, top), (right, bottom), WHITE)?;
    canvas.frame((left, top), (right, bottom), GREY)?;
    let (from, to) = (left + gap, left + gap + sample);
    let mut middle = top + f64::midpoint(height, gap);
    for (number, entry) in entries.into_iter().enumerate() {
        let line = [(from, middle), (to, middle)];
        match number {
            0 => {
                for x in [from + 6.0, f64::midpoint(from, to), to - 6.0] {
                    draw_point(canvas, (x, middle))?;
                }
            }
            1 => canvas.stroke(&line, 2.4, MEDIAN)?,
            2 => canvas.rectangle((from, middle - 7.0), (to, middle + 7.0), BAND)?,
            _ => canvas.stroke(&line, 0.7, RUN)?,
        }
        canvas.text(entry, (to + gap, middle), &style.color(BLACK))?;
        middle += height;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::canvas::tests::decode;
    use super::*;
    use crate::report::comparison::ensemble::tests::ensemble;

    fn picture(curves: &[&[f64]]) -> Vec<u8> {
        let ensemble = ensemble(curves);
        let mut file = String::from("step,test_accuracy\n");
        for (step, accuracy) in (1..).zip(curves[0]) {
            file += &[step.to_string(), accuracy.to_string()].join(",");
            file.push('\n');
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("accuracy.csv");
        std::fs::write(&path, file).unwrap();
        let mut reference = Reference::open(&path).unwrap();
        reference.name = "other".to_owned();
        let verdict = Verdict::of(&ensemble, &reference, "flux").unwrap();
        band(&ensemble, &reference, &verdict).unwrap()
    }

    #[test]
    fn band_median_and_points_lie_where_they_should() {
        let curves: [&[f64]; 3] = [&[0.9, 0.9, 0.9, 0.9], &[0.5; 4], &[0.1; 4]];
        let (width, height, pixel) = decode(&picture(&curves));
        assert_eq!((width, height), (1200, 700));
        let records = ensemble(&curves);
        let steps = Steps::of(records.steps()).unwrap();
        let at = |accuracy: f64| {
            let (x, y) = axes::point(&steps, 3, accuracy);
            pixel(x.floor(), y.floor())
        };
        assert_eq!(at(0.9), COMPARED);
        assert_eq!(at(0.5), MEDIAN);
        assert_eq!(at(0.8), BAND);
        assert_ne!(at(0.97), BAND);
    }

    #[test]
    fn the_same_runs_give_the_same_bytes() {
        let curves: [&[f64]; 2] = [&[0.2, 0.4], &[0.3, 0.6]];
        assert_eq!(picture(&curves), picture(&curves));
        assert_ne!(picture(&curves), picture(&[&[0.2, 0.4], &[0.3, 0.7]]));
    }

    #[test]
    fn a_thousand_runs_and_a_long_name_fit() {
        let curves = vec![&[0.2, 0.4][..]; 1_000];
        assert!(!picture(&curves).is_empty());
        let long = short(&"x".repeat(200));
        assert_eq!(long.chars().count(), 40);
        assert!(long.starts_with('…') && short("the article") == "the article");
    }
}
