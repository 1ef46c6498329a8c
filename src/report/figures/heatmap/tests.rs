use super::super::canvas::tests::decode;
use super::*;

fn digits(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

fn matrix(classes: usize, count: impl Fn(usize, usize) -> u64) -> ConfusionMatrix {
    let mut matrix = ConfusionMatrix::new(classes);
    for (truth, predicted) in cells(classes) {
        matrix.add(truth, predicted, count(truth, predicted));
    }
    matrix
}

/// Counts that tell every cell from every other, mirrored ones too.
fn uneven(truth: usize, predicted: usize) -> u64 {
    u64::try_from(truth * 97 + predicted * 11).unwrap()
}

fn layout(labels: &[String], scale: &Scale) -> Layout {
    let text = scale.largest.to_string();
    Layout::new(labels, TextStyle::new(BAR_TEXT).length(&text).unwrap()).unwrap()
}

#[test]
fn every_cell_has_the_exact_color_of_its_count() {
    for classes in [2, 10, 256] {
        let matrix = matrix(classes, uneven);
        let (width, height, pixel) = decode(&heatmap(&matrix, &digits(classes)).unwrap());
        assert_eq!((width, height), (1000, 900));
        let largest = uneven(classes - 1, classes - 1);
        let layout = layout(&digits(classes), &Scale { largest, runs: 1 });
        for (row, column) in cells(classes) {
            // Off the count, off the border and off the frame.
            if classes == 256 && [0, 255].iter().any(|end| [row, column].contains(end)) {
                continue;
            }
            let corner = if classes == 256 { 0.0 } else { 3.0 };
            let x = layout.left + layout.edge(column) + corner;
            let y = layout.top + layout.edge(row) + corner;
            let share = real(uneven(row, column)) / real(largest);
            let color = colorous::INFERNO.eval_continuous(share);
            assert_eq!(pixel(x, y), [color.r, color.g, color.b], "{row}, {column}");
        }
    }
}

#[test]
fn counts_are_written_up_to_twenty_classes() {
    for (classes, written) in [(20, true), (21, false)] {
        let matrix = matrix(classes, |_, _| 88);
        let (.., pixel) = decode(&heatmap(&matrix, &digits(classes)).unwrap());
        let layout = layout(
            &digits(classes),
            &Scale {
                largest: 88,
                runs: 1,
            },
        );
        let y = layout.top + layout.middle(3);
        let start = layout.left + layout.edge(4) + 3.0;
        let across = (0..200_u8)
            .map(f64::from)
            .take_while(|&x| x < layout.cell() - 6.0);
        let dark = across.filter(|x| pixel(start + x, y)[0] < 100).count();
        assert_eq!(dark > 0, written, "{classes} classes");
    }
}

#[test]
fn the_bar_runs_from_the_largest_count_down_to_zero() {
    let matrix = matrix(10, uneven);
    let (.., pixel) = decode(&heatmap(&matrix, &digits(10)).unwrap());
    let layout = layout(&digits(10), &Scale::of(&matrix, 1));
    let (left, right) = layout.bar();
    let x = f64::midpoint(left, right);
    assert_eq!(
        pixel(x, layout.top + 1.0),
        inferno(1.0 - 1.0 / (layout.side - 1.0))
    );
    assert_eq!(
        pixel(x, layout.bottom() - 2.0),
        inferno(1.0 / (layout.side - 1.0))
    );
}

#[test]
fn nothing_touches_the_rim() {
    let names: Vec<String> = (0..10)
        .map(|i| format!("a rather long class name {i}"))
        .collect();
    for (labels, factor) in [(digits(10), 1), (names, 1_000_000)] {
        let matrix = matrix(10, |row, column| uneven(row, column) * factor);
        let (.., pixel) = decode(&heatmap(&matrix, &labels).unwrap());
        for along in (0..1000_u16).map(f64::from) {
            assert_eq!(pixel(along, 4.0), [255; 3]);
            assert_eq!(pixel(along, 895.0), [255; 3]);
            let y = along.min(899.0);
            assert_eq!(pixel(8.0, y), [255; 3]);
            assert_eq!(pixel(991.0, y), [255; 3]);
        }
    }
}

#[test]
fn the_same_matrix_gives_the_same_bytes_and_another_gives_others() {
    let draw = |matrix: &ConfusionMatrix| heatmap(matrix, &digits(10)).unwrap();
    let matrix_a = matrix(10, uneven);
    let matrix_b = matrix(10, |row, column| uneven(column, row));
    let picture = draw(&matrix_a);
    assert_eq!(picture, draw(&matrix_a));
    assert_ne!(picture, draw(&matrix_b));
}

#[test]
fn empty_and_enormous_counts_give_a_picture() {
    for matrix in [
        matrix(10, |_, _| 0),
        matrix(2, |row, _| if row == 0 { u64::MAX / 4 } else { 0 }),
    ] {
        let labels = digits(matrix.classes());
        let (width, height, _) = decode(&heatmap(&matrix, &labels).unwrap());
        assert_eq!((width, height), (1000, 900));
    }
}

#[test]
fn wrong_numbers_of_classes_or_labels_are_errors() {
    assert!(heatmap(&matrix(1, |_, _| 1), &digits(1)).is_err());
    assert!(heatmap(&matrix(257, |_, _| 1), &digits(257)).is_err());
    let error = heatmap(&matrix(10, |_, _| 1), &digits(9)).unwrap_err();
    assert_eq!(error.to_string(), "9 labels for 10 classes");
}
