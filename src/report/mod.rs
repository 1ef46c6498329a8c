//! From records to files: CSV, JSON, text tables and pictures, in a run directory that is never overwritten unasked.
//!
//! It knows records and numbers only: no tensors, no training, no terminal. The only user of plotters and csv.

mod canvas;
pub mod curve;
pub mod growing;
pub mod heatmap;
mod numbers;
mod palette;
pub mod run_dir;
pub mod summary;
pub mod tables;
mod text;
