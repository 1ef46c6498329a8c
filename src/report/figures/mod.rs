//! Records as PNG pictures. The same records give the same bytes.
//!
//! From below: colours (`palette`), letters (`text`), pixels (`canvas`, the only user of plotters); `steps` and `axes` for
//! everything that runs over training; then a file per figure. A figure knows no folder: it gives bytes.

mod axes;
pub mod band;
mod canvas;
pub mod contact_sheet;
pub mod curve;
pub mod heatmap;
pub mod mistakes;
pub mod network;
mod palette;
mod steps;
mod text;
