//! Labels and classes as people's files have them: decided from all the evidence, or refused. A
//! perfect accuracy on misread labels is worse than an error.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;

use common::{bars, fails, idx, mnist_tch, printed, printed_by, write_set};
use forms::{DIGITS, Set, count, csv, npy, npz, plain, png};
use mnist_tch::data::{LoadedDataset, Location, Part, ReadOptions, mnist_10k};
use mnist_tch::formats;
use serde_json::Value;
use tempfile::tempdir;

fn empty() -> Set {
    Set(tempdir().unwrap())
}

fn try_read(set: &Set, part: Part, options: &ReadOptions) -> Result<LoadedDataset, String> {
    let location = Location::Folder(set.path().into());
    let read = location.read(part, options, formats::read);
    read.map_err(|error| format!("{error:#}"))
}

fn read(set: &Set) -> LoadedDataset {
    try_read(set, Part::Train, &ReadOptions::default()).unwrap()
}

/// Digits of MNIST, their pixels and labels.
fn digits(count: usize) -> (Vec<u8>, Vec<u8>) {
    let set = mnist_10k().unwrap().train.slice(0..count).unwrap();
    (set.pixels().to_vec(), set.labels().to_vec())
}

/// A CSV file: a header if there is one, and rows that `row` makes of number, label and pixels.
fn table(header: &str, count: usize, row: impl Fn(usize, &str, &str) -> String) -> Vec<u8> {
    let (pixels, labels) = digits(count);
    let lines = csv(&pixels, &labels);
    let rows = lines.lines().enumerate().map(|(number, line)| {
        let (label, pixels) = line.split_once(',').unwrap();
        row(number, label, pixels) + "\n"
    });
    let header = header.replace("PIXELS", &names("pixel"));
    (header + &rows.collect::<String>()).into_bytes()
}

fn names(stem: &str) -> String {
    let names = (0..784).map(|pixel| format!("{stem}{pixel}"));
    names.collect::<Vec<_>>().join(",")
}

#[test]
fn the_label_column_of_a_csv_file_is_found_wherever_it_is() {
    let columns: Vec<String> = (0..785).map(|column| column.to_string()).collect();
    let columns = columns.join(",") + "\n";
    let first = |_, label: &str, pixels: &str| format!("{label},{pixels}");
    let last = |_, label: &str, pixels: &str| format!("{pixels},{label}");
    let indexed = |row, label: &str, pixels: &str| format!("{row},{label},{pixels}");
    let id_last = |row, label: &str, pixels: &str| format!("{pixels},{label},{row}");
    let texts = |row, label: &str, pixels: &str| format!("img_{row}.png,{pixels},{label}");
    for (number, bytes) in [
        table("", 60, first),
        table("", 60, last),
        table("label,PIXELS\n", 60, first),
        table("PIXELS,Class\n", 60, last),
        // Other words: the other columns are numbered.
        table("what,PIXELS\n", 60, first),
        table("PIXELS,truth\n", 60, last),
        table(&columns, 60, first),
        table(&columns, 60, last),
        table(",label,PIXELS\n", 60, indexed),
        table("Unnamed: 0,what,PIXELS\n", 60, indexed),
        table("id,PIXELS,answer\n", 60, texts),
        table("PIXELS,target,id\n", 60, id_last),
        table("", 60, indexed),
        table("", 60, texts),
        // Few rows: the labels may count up, or leave gaps.
        table("", 4, first),
        table("", 4, last),
    ]
    .into_iter()
    .enumerate()
    {
        let set = empty();
        set.add("train.csv", &bytes);
        let read = read(&set);
        let (pixels, labels) = digits(read.images.len());
        assert_eq!(read.images.labels(), labels, "table {number}");
        assert!(read.images.pixels() == pixels, "table {number}");
        let is_said = read.notes.iter().any(|note| note.contains("in column 785"));
        assert_eq!(is_said, [1, 5, 7, 15].contains(&number), "table {number}");
    }
}

#[test]
fn pandas_names_a_first_row_of_pixels_which_is_a_header() {
    let names = (1..784).map(|pixel| format!("0.{pixel}"));
    let header = format!("5,0,{}\n", names.collect::<Vec<_>>().join(","));
    let set = empty();
    set.add(
        "train.csv",
        &table(&header, 30, |_, label, pixels| format!("{label},{pixels}")),
    );
    let read = read(&set);
    let (pixels, labels) = digits(30);
    assert_eq!(read.images.labels(), labels);
    assert!(read.images.pixels() == pixels);
}

#[test]
fn a_csv_file_without_labels_is_no_training_set() {
    let ids = |row: usize, _: &str, pixels: &str| format!("{},{pixels}", row + 1);
    let names = |row: usize, _: &str, pixels: &str| format!("scan{row},{pixels}");
    for bytes in [
        table("id,PIXELS\n", 12, ids),
        table("ImageId,PIXELS\n", 3, ids),
        table("number,PIXELS\n", 40, ids),
        table("", 40, ids),
        table("", 300, |row, _, pixels| format!("{},{pixels}", row * 7)),
        table("", 40, names),
        table("PIXELS\n", 40, |_, _, pixels| pixels.to_owned()),
        table("", 40, |_, _, pixels| pixels.to_owned()),
    ] {
        let set = empty();
        set.add("train.csv", &bytes);
        let error = try_read(&set, Part::Train, &ReadOptions::default()).unwrap_err();
        assert!(error.contains("train.csv: no label column"), "{error}");
        assert!(error.contains("mnist-tch predict"), "{error}");
    }
}

#[test]
fn where_the_values_do_not_tell_the_labels_the_user_does() {
    // Noise, in which any column may be labels.
    let noise = |label: usize| {
        let row = (0..784).map(|pixel: usize| ((pixel * 7 + label * 13) % 10).to_string());
        row.collect::<Vec<_>>().join(",")
    };
    let rows = (0..50).map(|row| format!("{},{}\n", row * 7 % 10, noise(row)));
    let set = empty();
    set.add("train.csv", rows.collect::<String>().as_bytes());
    let choose = |label_column: Option<&str>| {
        let label_column = label_column.map(str::to_owned);
        let options = ReadOptions {
            label_column,
            ..ReadOptions::default()
        };
        try_read(&set, Part::Train, &options).map(|read| read.images.labels()[..3].to_vec())
    };
    let error = choose(None).unwrap_err();
    assert!(
        error.contains("say --label-column first or --label-column last"),
        "{error}"
    );
    assert_eq!(choose(Some("first")).unwrap(), [0, 7, 4]);
    let last = [0, 1, 2].map(|row| u8::try_from((783 * 7 + row * 13) % 10).unwrap());
    assert_eq!(choose(Some("last")).unwrap(), last);
    let error = choose(Some("digit")).unwrap_err();
    assert!(
        error.contains("--label-column digit: no such column"),
        "{error}"
    );

    // By name, whatever other columns are called; and only of CSV files.
    let set = empty();
    let header = format!("label,{},tag\n", names("pixel"));
    let row = |_, label: &str, pixels: &str| format!("0,{pixels},{label}");
    set.add("train.csv", &table(&header, 20, row));
    let line = "show --data-dir . --range ..20 --label-column Tag --force";
    assert_eq!(printed(set.path(), line).lines().count(), 2 + 10);
    let (images, labels) = bars(20, 10, 0);
    write_set(set.path(), "train", &images, &labels);
    fs::remove_file(set.path().join("train.csv")).unwrap();
    fails(
        set.path(),
        line,
        &["--label-column Tag: ", "is not a CSV file"],
    );
}

#[test]
fn the_chosen_label_column_is_kept_with_the_run() {
    let set = Set::new(|set, part, images, labels| {
        let rows = csv(images, labels);
        let rows = rows
            .lines()
            .map(|line| format!("{line},{}\n", line.len() % 3));
        set.add(&format!("{part}.csv"), rows.collect::<String>().as_bytes());
    });
    // 786 columns: the last one is neither an id nor a pixel by its values.
    let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --out run";
    fails(set.path(), line, &["786 columns"]);
    let set = Set::new(|set, part, images, labels| {
        // The last pixel might be a label as well.
        let mut images = images.to_vec();
        for (row, image) in images.chunks_exact_mut(784).enumerate() {
            image[783] = u8::try_from(row * 2 % 3).unwrap();
        }
        set.add(&format!("{part}.csv"), csv(&images, labels).as_bytes());
    });
    fails(
        set.path(),
        line,
        &["say --label-column first or --label-column last"],
    );
    let line = format!("{line} --label-column first --classes 3");
    printed(set.path(), &line);
    let summary = fs::read_to_string(set.path().join("run/summary.json")).unwrap();
    assert!(summary.contains(r#""label_column": "first""#), "{summary}");
    printed(set.path(), "evaluate --model run");
}

#[test]
fn a_single_class_is_neither_trained_on_nor_scored() {
    let (images, labels) = bars(60, 10, 0);
    let ones = [1; 60];
    let idx_set = empty();
    write_set(idx_set.path(), "train", &images, &labels);
    write_set(idx_set.path(), "t10k", &images, &ones);
    let csv_set = empty();
    csv_set.add(
        "train.csv",
        format!("label,{}\n{}", names("p"), csv(&images, &ones)).as_bytes(),
    );
    csv_set.add(
        "test.csv",
        format!("label,{}\n{}", names("p"), csv(&images, &labels)).as_bytes(),
    );
    let npz_set = empty();
    let array = |labels: &[u8]| npy("|u1", "60,", labels);
    let rows = npy("|u1", "60, 28, 28", &images);
    let arrays = [
        ("x_train", rows.clone()),
        ("y_train", array(&ones)),
        ("x_test", rows),
        ("y_test", array(&labels)),
    ];
    npz_set.add(
        "mnist.npz",
        &npz(&arrays.map(|(name, bytes)| (name.to_owned(), bytes))),
    );
    let pictures = empty();
    pictures.add_pictures("train", &DIGITS, 28, &images, &ones);
    pictures.add_pictures("test", &DIGITS, 28, &images, &labels);
    for (set, option) in [
        (&idx_set, "--test-range test"),
        (&csv_set, "--train-range train"),
        (&npz_set, "--train-range train"),
        (&pictures, "--train-range train"),
    ] {
        let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --out run";
        let parts = [
            option,
            "holds 60 images, all with the label 1",
            "mnist-tch show",
        ];
        fails(set.path(), line, &parts);
        assert!(!set.path().join("run").exists());
    }
    // Ranges of a set with several classes, and in evaluate.
    let set = empty();
    let sorted: Vec<u8> = (0..60).map(|label| label / 6).collect();
    write_set(set.path(), "train", &images, &sorted);
    write_set(set.path(), "t10k", &images, &ones);
    let line = "--device cpu --data-dir . --batch-size 2 --epochs 1 --out run --train-range ..6 \
                --test-range train:6..";
    fails(
        set.path(),
        line,
        &["--train-range train:0..6 holds 6 images, all with the label 0"],
    );
    let line = line
        .replace("..6 ", "..30 ")
        .replace("train:6..", "train:30..");
    printed(set.path(), &line);
    let line = "evaluate --model run --data-dir .";
    fails(
        set.path(),
        line,
        &["--test-range test:0..60", "all with the label 1"],
    );
}

#[test]
fn sorted_images_and_classes_that_training_never_sees_are_warned_of() {
    let stderr = |set: &Set, more: &str| {
        let line = "--device cpu --data-dir . --epochs 1 --eval-every 0 --out run --force";
        let mut command = mnist_tch(set.path(), &format!("{line} -q {more}"));
        let output = command.output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let (images, labels) = bars(300, 10, 0);
    let sorted: Vec<u8> = (0..300)
        .map(|image| u8::try_from(image / 30).unwrap())
        .collect();
    let halves: Vec<u8> = (0..300).map(|image| u8::from(image >= 150)).collect();
    let set = empty();
    write_set(set.path(), "t10k", &images, &labels);
    for (labels, more, is_sorted) in [
        (&labels, "--batch-size 20", false),
        (&sorted, "--batch-size 20", true),
        (&sorted, "--batch-size 1", true),
        (&sorted, "--batch-size 20 --shuffle", false),
        // All in one batch.
        (&sorted, "--batch-size 300", false),
        (&halves, "--batch-size 50", true),
    ] {
        write_set(set.path(), "train", &images, labels);
        let text = stderr(&set, more);
        assert_eq!(
            text.contains("sorted by class"),
            is_sorted,
            "{more}: {text}"
        );
        assert_eq!(text.contains("use --shuffle"), is_sorted, "{more}: {text}");
    }
    write_set(set.path(), "train", &images, &sorted);
    let text = stderr(&set, "--batch-size 20 --shuffle --train-range ..240");
    let expected = "warning: the training images hold none of the test classes 8, 9: ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn numbered_folders_keep_their_numbers_as_labels() {
    let numbers: Vec<String> = (0..12).map(|number| number.to_string()).collect();
    let padded: Vec<String> = (0..12).map(|number| format!("{number:02}")).collect();
    let (images, labels) = bars(60, 12, 0);
    for names in [&numbers, &padded] {
        let set = empty();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        set.add_pictures("train", &names, 28, &images, &labels);
        set.add_pictures("test", &names, 28, &images, &labels);
        let read = read(&set);
        assert_eq!(read.classes, numbers);
        for (image, &label) in read
            .images
            .pixels()
            .chunks_exact(784)
            .zip(read.images.labels())
        {
            let original = images
                .chunks_exact(784)
                .position(|other| other == image)
                .unwrap();
            assert_eq!(usize::from(label), original % 12);
        }
        // A model of the folders scores IDX files alike.
        let line = "--device cpu --data-dir . --batch-size 12 --epochs 8 --out run --eval-every 0";
        printed(set.path(), line);
        let of_folders = printed(set.path(), "evaluate --model run");
        let idx = tempdir().unwrap();
        write_set(idx.path(), "t10k", &images, &labels);
        let line = format!("evaluate --model run --data-dir {}", idx.path().display());
        let of_idx = printed(set.path(), &line);
        assert_eq!(
            of_idx.split_once(" of ").unwrap().0,
            of_folders.split_once(" of ").unwrap().0
        );
        // With more classes than folders, and with fewer.
        printed(set.path(), "show --data-dir . --classes 13 --force");
        let parts = ["label 10 at position", "expected 0 to 9: use --classes 12"];
        fails(set.path(), "show --data-dir . --classes 10 --force", &parts);
    }
}

#[test]
fn numbers_with_gaps_stay_and_names_are_sorted() {
    for (names, classes) in [
        (["1", "3", "9"], "0 1 2 3 4 5 6 7 8 9"),
        (["1999", "2", "30"], "1999 2 30"),
        (["1", "01", "2"], "01 1 2"),
        (["b", "10", "a"], "10 a b"),
    ] {
        let set = empty();
        let (images, labels) = bars(9, 3, 0);
        set.add_pictures("all", &names, 28, &images, &labels);
        assert_eq!(read(&set).classes.join(" "), classes);
    }
}

#[test]
fn how_pictures_are_prepared_follows_from_the_classes_and_the_model_keeps_it() {
    let (images, labels) = digits(60);
    let labels: Vec<u8> = labels.iter().map(|label| label % 2).collect();
    let make = |names: &[&str]| {
        let set = empty();
        for part in ["train", "test"] {
            set.add_pictures(part, names, 56, &images, &labels);
            set.add(
                &format!("{part}/{}/empty.png", names[0]),
                &png(&[255; 784], 56),
            );
        }
        set
    };
    let train = |set: &Set, more: &str| {
        let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --out run --force";
        let output = printed_by(&mut mnist_tch(set.path(), &format!("{line} {more}")));
        let summary = fs::read(set.path().join("run/summary.json")).unwrap();
        let summary: Value = serde_json::from_slice(&summary).unwrap();
        drop(output);
        summary["data"]["preparation"].as_str().unwrap().to_owned()
    };
    let hands = make(&["fist", "palm"]);
    assert_eq!(train(&hands, ""), "plain");
    let plain = read(&hands);
    let white = plain
        .images
        .pixels()
        .chunks_exact(784)
        .position(|image| image == [255; 784]);
    assert!(white.is_some() && plain.notes.iter().all(|note| note.starts_with("note: ")));
    assert_eq!(plain.classes, ["fist", "palm"]);
    printed(hands.path(), "evaluate --model run");
    assert_eq!(train(&hands, "--prepare digits"), "digits");

    // Cells of a sudoku: an empty one is a blank image, and said so.
    let cells = make(&["0", "7"]);
    assert_eq!(train(&cells, ""), "digits");
    let blank = read(&cells);
    let blanks = blank
        .images
        .pixels()
        .chunks_exact(784)
        .filter(|image| **image == [0; 784]);
    assert_eq!(blanks.count(), 1);
    let warning = blank
        .notes
        .iter()
        .find(|note| note.starts_with("warning: "))
        .unwrap();
    assert!(
        warning.contains("0/empty.png") && warning.contains("--prepare plain"),
        "{warning}"
    );
    assert_eq!(train(&cells, "--prepare plain"), "plain");
    let reading = fs::read_to_string(cells.path().join("run/summary.json")).unwrap();
    assert!(
        !reading.contains("\"prepare\""),
        "it stands twice: {reading}"
    );
    printed(cells.path(), "evaluate --model run");
    fails(
        cells.path(),
        "show --data-dir . --invert",
        &["--invert: digits in class folders"],
    );
}

#[test]
fn only_what_is_read_makes_classes() {
    let set = Set::new(|set, part, images, labels| {
        set.add_pictures(part, &DIGITS, 28, images, labels);
    });
    let other = png(&[9; 784], 28);
    for path in [
        "train/@eaDir/0.png",
        "train/0/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg",
        "__MACOSX/train/0/a.png",
        "train/.thumbnails/a.png",
        "train/lost+found/a.png",
        "train/1/._000.png",
        // Beside the parts, and deeper.
        "samples/a.png",
        "docs/figure.png",
        "train/0/old/a.png",
        "train/0/new/a.png",
        "contact_sheet.png",
    ] {
        set.add(path, &other);
    }
    for part in [Part::Train, Part::Test] {
        let read = try_read(&set, part, &ReadOptions::default()).unwrap();
        assert_eq!(read.classes, ["0", "1", "2"]);
        assert_eq!(read.images.len(), [150, 30][part as usize]);
        assert_eq!(read.notes[0], "note: 3 classes: 0, 1, 2");
    }

    // Pictures that are not in class folders, as in competitions, are no classes.
    for (one, other) in [
        ("train", "test"),
        ("images/train", "images/val"),
        ("test", "training"),
    ] {
        let set = empty();
        for number in 0..3 {
            set.add(&format!("{one}/{number}.png"), &png(&[9; 784], 28));
            set.add(&format!("{other}/{number}.png"), &png(&[9; 784], 28));
        }
        set.add("train.csv", b"filename,label\n0.png,4\n");
        let error = try_read(&set, Part::Train, &ReadOptions::default()).unwrap_err();
        assert!(error.contains("no class folders"), "{error}");
    }
    // A train is a vehicle as well.
    let set = empty();
    let (images, labels) = bars(30, 3, 0);
    set.add_pictures("train", &["bus", "car", "train"], 28, &images, &labels);
    assert_eq!(read(&set).classes, ["bus", "car", "train"]);
}

#[test]
fn more_class_names_than_fit_a_line_are_counted() {
    let names: Vec<String> = (0..14).map(|class| format!("class-{class:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let set = empty();
    let (images, labels) = bars(28, 14, 0);
    set.add_pictures("all", &names, 28, &images, &labels);
    let note = &read(&set).notes[0];
    let end = "class-08, class-09 and 4 more";
    assert!(
        note.starts_with("note: 14 classes: class-00, ") && note.ends_with(end),
        "{note}"
    );
}

#[test]
fn labels_in_idx_files_of_femnist_need_their_number_of_classes() {
    let set = empty();
    let (images, _) = bars(62, 2, 0);
    let labels: Vec<u8> = (0..62).collect();
    set.add(
        "femnist-train-images-idx3-ubyte",
        &idx(&[62, 28, 28], &images),
    );
    set.add("femnist-train-labels-idx1-ubyte", &plain(&labels));
    assert_eq!(count(&labels), 62);
    let error = try_read(&set, Part::Train, &ReadOptions::default()).unwrap_err();
    assert!(
        error.contains("label 10 at position 10, expected 0 to 9: use --classes 62"),
        "{error}"
    );
}
