//! From records to files: CSV, JSON, text, pictures and ONNX, in folders where nothing is lost or overwritten unasked.
//!
//! In the order of dependence: `numbers` for all; what many runs say together and against a curve (`comparison`); records
//! as `tables` and as `figures`; the network for other runtimes (`onnx`); and the `folders` that files end up in. It knows
//! records and numbers only: no tensors, no training, no terminal.

pub mod comparison;
pub mod figures;
pub mod folders;
mod numbers;
pub mod onnx;
pub mod tables;
