//! Numbers for the pictures: round ticks and conversions.

/// The smallest of 1, 2, 5, 10, 20, 50, ... that divides 0..=`range` into at most `most` parts.
#[must_use]
pub fn tick_step(range: u64, most: u64) -> u64 {
    let mut unit = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let step = unit.saturating_mul(factor);
            if range / step <= most.max(1) || step == u64::MAX {
                return step;
            }
        }
        unit = unit.saturating_mul(10);
    }
}

/// A count as a floating-point number, to the 16 digits that one holds.
#[allow(
    clippy::cast_precision_loss,
    reason = "positions and colours need far fewer digits"
)]
#[must_use]
pub fn real(n: impl TryInto<u64>) -> f64 {
    n.try_into().unwrap_or(u64::MAX) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(tick_step(250, 10), 50);
        assert_eq!(tick_step(542, 8), 100);
        assert_eq!(tick_step(100_000, 10), 10_000);
        for range in (0..5_000).chain([u64::MAX / 3, u64::MAX]) {
            let step = tick_step(range, 10);
            assert!(range / step <= 10, "{range} / {step}");
            assert!(range < 10 || range / step >= 2, "{range} / {step}");
        }
    }

    #[test]
    fn ticks_never_stall_on_odd_requests() {
        assert_eq!(tick_step(0, 10), 1);
        assert_eq!(tick_step(7, 0), 5);
    }

    #[test]
    fn real_keeps_values() {
        assert!((real(7_usize) - 7.0).abs() < f64::EPSILON);
        assert!((real(7_u64) - 7.0).abs() < f64::EPSILON);
    }
}
