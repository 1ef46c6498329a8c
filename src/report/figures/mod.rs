//! Figures as PNG files: one file a figure, all drawn on a [`canvas`].

pub(crate) mod accuracy;
#[cfg(feature = "reproduce")]
pub(crate) mod band;
pub(crate) mod canvas;
pub(crate) mod confusion;
pub(crate) mod network;
pub(crate) mod samples;
