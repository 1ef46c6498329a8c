//! Colours: those that all figures share, inferno for counts, and ink that can be read on it.
//!
//! It owns colours only; it knows nothing of matrices, canvases, tch, files or terminals.

/// Red, green, blue, 0..=255 each, sRGB.
pub type Rgb = [u8; 3];
/// Black.
pub const BLACK: Rgb = [0, 0, 0];
/// White.
pub const WHITE: Rgb = [255, 255, 255];
/// A grey for notes that can be read on white.
pub const GREY: Rgb = [90, 90, 90];

/// matplotlib's inferno at `share` in 0..=1, from black over red to pale yellow.
#[must_use]
pub fn inferno(share: f64) -> Rgb {
    let color = colorous::INFERNO.eval_continuous(share);
    [color.r, color.g, color.b]
}

/// Black or white, whichever stands out more on `background`; their contrast is at least 4.5,
/// what WCAG 2 (AA) asks of small text.
#[must_use]
pub fn ink_on(background: Rgb) -> Rgb {
    if contrast(BLACK, background) > contrast(WHITE, background) {
        BLACK
    } else {
        WHITE
    }
}

/// Contrast of two colours by WCAG 2: 1 (none) to 21 (black on white).
#[must_use]
pub fn contrast(a: Rgb, b: Rgb) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// Relative luminance by WCAG 2, 0..=1.
fn luminance(color: Rgb) -> f64 {
    let [red, green, blue] = color.map(|level| {
        let level = f64::from(level) / 255.0;
        if level <= 0.04045 {
            level / 12.92
        } else {
            ((level + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126 * red + 0.7152 * green + 0.0722 * blue
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inferno_is_that_of_matplotlib() {
        // matplotlib's table at entries 0, 64, 128, 192 and 255 of 256.
        let published = [
            (0.0, [0, 0, 4]),
            (64.0, [87, 16, 110]),
            (128.0, [188, 55, 84]),
            (192.0, [249, 142, 9]),
            (255.0, [252, 255, 164]),
        ];
        for (entry, expected) in published {
            let color = inferno(entry / 255.0);
            let close = color.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 3);
            assert!(close, "entry {entry}: {color:?}, expected {expected:?}");
        }
    }

    #[test]
    fn ink_can_be_read_on_all_of_inferno() {
        for share in (0..=10_000).map(|i| f64::from(i) / 10_000.0) {
            let background = inferno(share);
            let reached = contrast(ink_on(background), background);
            assert!(reached >= 4.5, "contrast {reached} at {share}");
        }
        assert_eq!(ink_on(inferno(0.0)), WHITE);
        assert_eq!(ink_on(inferno(1.0)), BLACK);
    }

    #[test]
    fn contrast_is_that_of_wcag() {
        assert!((contrast(BLACK, WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(WHITE, WHITE) - 1.0).abs() < 1e-9);
        // The standard's well-known limit case: #767676 on white is 4.54.
        assert!((contrast([0x76; 3], WHITE) - 4.54).abs() < 0.005);
    }
}
