use super::*;

/// Leftmost, topmost, rightmost and lowest pixel with clear ink.
fn extent(text: &str, size: f64) -> (i32, i32, i32, i32) {
    let mut extent = (i32::MAX, i32::MAX, i32::MIN, i32::MIN);
    let line = Line::new(text, &TextStyle::new(size), 1.0).unwrap();
    line.pixels(|x, y, coverage| {
        if coverage > 0.3 {
            extent = (
                extent.0.min(x),
                extent.1.min(y),
                extent.2.max(x),
                extent.3.max(y),
            );
        }
    });
    extent
}

#[test]
fn capital_stands_on_the_baseline_and_reaches_the_cap_height() {
    let (_, top, _, bottom) = extent("H", 100.0);
    let line = Line::new("H", &TextStyle::new(100.0), 1.0).unwrap();
    // DejaVu Sans: capitals are 0.729 em high.
    assert!((line.cap_height() - 72.9).abs() < 0.2);
    assert_eq!((top, bottom), (-73, -1));
}

#[test]
fn side_bearing_is_kept() {
    // DejaVu Sans: the ink of "l" starts 0.094 em right of the pen, plotters would draw it at 0.
    let (left, ..) = extent("l", 100.0);
    assert_eq!(left, 9);
    let line = Line::new("l", &TextStyle::new(100.0), 1.0).unwrap();
    assert!((line.ink().0 - 9.4).abs() < 0.1);
}

#[test]
fn length_grows_with_text_size_and_weight() {
    let length = |style: TextStyle, text| style.length(text).unwrap();
    let base = length(TextStyle::new(20.0), "Matrix");
    assert!((length(TextStyle::new(40.0), "Matrix") - 2.0 * base).abs() < 0.01);
    assert!(length(TextStyle::new(20.0).bold(), "Matrix") > base);
    assert!(length(TextStyle::new(20.0), "Matrices") > base);
}

#[test]
fn empty_blank_and_unknown_text_do_no_harm() {
    let style = TextStyle::new(20.0);
    for text in ["", "   "] {
        assert!(style.length(text).unwrap().abs() < f64::EPSILON);
        let line = Line::new(text, &style, 1.0).unwrap();
        line.pixels(|_, _, _| panic!("ink in a blank line"));
    }
    let unknown = style.length("\u{10FFFF}").unwrap();
    assert!(unknown > 0.0, "the empty box should be drawn");
}

#[test]
fn long_texts_are_cut_and_short_ones_are_not() {
    let style = TextStyle::new(17.0);
    assert_eq!(style.cut("Ankle boot", 150.0).unwrap(), "Ankle boot");
    let shown = style.cut(&"x".repeat(1_000), 150.0).unwrap();
    assert!(shown.ends_with('…') && style.length(&shown).unwrap() <= 150.0);
}
