//! The axes of accuracy over steps, for every picture that has them: x is the step, y the accuracy from 0 to 1.
//!
//! It owns where a step and an accuracy lie in the picture. It does not know what is drawn there, and
//! nothing of tch, of files or of terminals.

use super::canvas::Canvas;
use super::palette::{BLACK, GREY, Rgb};
use super::steps::{Epoch, Steps};
use super::text::{Anchor, TextStyle};
use crate::report::numbers::{real, tick_step};
use anyhow::Result;

/// Width of the picture in pixels.
pub const WIDTH: usize = 1200;
/// Height of the picture in pixels.
pub const HEIGHT: usize = 700;

/// Left edge of the frame around what is drawn, in whole pixels.
pub const LEFT: f64 = 92.0;
/// Right edge.
pub const RIGHT: f64 = 1078.0;
/// Upper edge.
pub const TOP: f64 = 98.0;
/// Lower edge.
pub const BOTTOM: f64 = 620.0;

const GRID: Rgb = [230, 230, 230];
/// Colour of the lines between epochs.
pub const BOUNDARY: Rgb = [150, 150, 150];

/// Pixels from the picture's left edge to a step within the run.
pub fn x(steps: &Steps, step: usize) -> f64 {
    LEFT + steps.share(step) * (RIGHT - LEFT)
}

/// Pixels from the picture's upper edge to an accuracy in 0..=1.
pub fn y(accuracy: f64) -> f64 {
    BOTTOM - accuracy * (BOTTOM - TOP)
}

/// Where an accuracy after a step lies: in the middle of the pixel that its grid lines would fill.
pub fn point(steps: &Steps, step: usize, accuracy: f64) -> (f64, f64) {
    (x(steps, step) + 0.5, y(accuracy) + 0.5)
}

/// A white picture with everything around and behind what is drawn: titles, grid, epochs, frame.
///
/// A thin vertical line marks each step that ended an epoch, as far as lines have 6 pixels between
/// them, with the epochs' numbers above.
///
/// # Errors
/// If drawing fails.
pub fn canvas(steps: &Steps, title: &str) -> Result<Canvas> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, 3)?;
    draw_titles(&mut canvas, title)?;
    draw_grid(&mut canvas, steps)?;
    draw_epochs(&mut canvas, steps)?;
    canvas.frame((LEFT, TOP), (RIGHT + 1.0, BOTTOM + 1.0), BLACK)?;
    Ok(canvas)
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
