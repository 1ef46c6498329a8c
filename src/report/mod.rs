//! From records to files: CSV, JSON, text and figures, and the folder of a run. Nothing here knows
//! tensors or terminals.

pub mod charts;
pub mod heatmap;
pub mod network_figure;
mod picture;
pub mod run_dir;
pub mod sheets;
pub mod summary;
pub mod tables;
pub mod text;

/// The text of a JSON file: pretty-printed, with a line feed at its end.
pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The smallest of 1, 2, 5, 10, 20, 50, ... that divides 0..=`range` into at most `most` parts.
fn tick_step(range: usize, most: usize) -> usize {
    let units = std::iter::successors(Some(1_usize), |unit| unit.checked_mul(10));
    let steps = units.flat_map(|unit| [1, 2, 5].map(|factor| unit.saturating_mul(factor)));
    steps
        .into_iter()
        .find(|step| range / step <= most.max(1))
        .unwrap_or(usize::MAX)
}

/// A count as a floating-point number, to the 16 digits that one holds.
pub(crate) fn real(n: impl TryInto<u64>) -> f64 {
    n.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::tick_step;

    #[test]
    fn ticks_are_round_and_few() {
        let steps = [(250, 10), (542, 8), (0, 10)].map(|(range, most)| tick_step(range, most));
        assert_eq!(steps, [50, 100, 1]);
        for range in (0..5_000).chain([usize::MAX / 3, usize::MAX]) {
            let step = tick_step(range, 10);
            assert!(range / step <= 10, "{range} / {step}");
            assert!(range < 10 || range / step >= 2, "{range} / {step}");
        }
    }
}
