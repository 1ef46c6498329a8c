//! From records to files: CSV, JSON, text and figures, and the folder of a run. Nothing here knows
//! tensors or terminals.

pub(crate) mod figures;
pub mod run_dir;
pub mod summary;
pub mod tables;
pub mod text;

/// The text of a JSON file: pretty-printed, with a line feed at its end.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// Converts a count to a float, which is exact up to 2^53.
pub(crate) fn to_f64(n: impl TryInto<u64>) -> f64 {
    n.try_into().unwrap_or(u64::MAX) as f64
}
