//! Figures as PNG files: one file per figure, all drawn on a [`canvas`].

pub(crate) mod accuracy;
pub(crate) mod canvas;
pub(crate) mod confusion;
pub(crate) mod samples;
