//! From records to files: CSV, JSON, text tables and pictures, in a run directory that is never overwritten unasked.
//!
//! It knows records and numbers only: no tensors, no training, no terminal. The only user of plotters and csv.

mod axes;
pub mod band;
mod canvas;
pub mod contact_sheet;
pub mod curve;
pub mod ensemble;
pub mod file;
pub mod growing;
pub mod heatmap;
pub mod mistakes;
mod numbers;
pub mod onnx;
mod palette;
pub mod predictions;
pub mod reference;
pub mod run_dir;
pub mod seed_store;
mod steps;
pub mod structure;
pub mod summary;
pub mod tables;
mod text;
pub mod verdict;
