//! Images of one's own: a folder in any of the forms people have, any number of classes, and a look
//! at what is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;
use std::path::Path;

use common::{bars, fails, idx, mnist_tch, printed, run_file, start, write_set};
use forms::{DIGITS, Set, count, csv, inverted, npy, npz, plain};
use mnist_tch::data::{LoadedDataset, Location, Part, ReadOptions, mnist_10k};
use mnist_tch::formats;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

type Change = fn(&[u8]) -> Vec<u8>;

fn faint(images: &[u8]) -> Vec<u8> {
    images.iter().map(|pixel| pixel / 255).collect()
}

fn transposed(images: &[u8]) -> Vec<u8> {
    let turned = |at: usize| at / 784 * 784 + at % 28 * 28 + at / 28 % 28;
    (0..images.len()).map(|at| images[turned(at)]).collect()
}

/// Names and contents that IDX files have.
fn idx_forms() -> Vec<Set> {
    let names = [
        "PART-KIND-DIMS-ubyte",
        "PART-KIND.DIMS-ubyte.gz",
        "MNIST/raw/PART-KIND-DIMS-ubyte MNIST/raw/PART-KIND-DIMS-ubyte.gz",
        "QMNIST/raw/qmnist-PART-KIND-DIMS-ubyte.gz",
        // The same files twice, as in the most popular MNIST at Kaggle.
        "PART-KIND.DIMS-ubyte PART-KIND-DIMS-ubyte/PART-KIND-DIMS-ubyte",
        "archive/PART-KIND-DIMS-ubyte/PART-KIND-DIMS-ubyte.gz",
        "PART-KIND-DIMS-UBYTE.GZ.TXT",
    ];
    let mut sets: Vec<Set> = names.map(|name| Set::idx(name, &[28, 28], plain)).into();
    // A channel, and rows in which the label's place has the only 1.
    sets.push(Set::idx("PART-KIND-idx4-ubyte", &[1, 28, 28], |labels| {
        let row = |label: &u8| [0, 1, 2].map(|class| u8::from(class == *label));
        let rows: Vec<u8> = labels.iter().flat_map(row).collect();
        idx(&[count(labels), 3], &rows)
    }));
    // QMNIST's rows, whose first column is the label.
    sets.push(Set::idx("PART-KIND-idx2-int", &[28, 28], |labels| {
        let row = |label: &u8| [u32::from(*label), 4, 2100, 7, 3, 8, 26, 0].map(u32::to_be_bytes);
        let rows: Vec<u8> = labels.iter().flat_map(row).flatten().collect();
        let mut bytes = idx(&[count(labels), 8], &rows);
        bytes[2] = 0x0c;
        bytes
    }));
    sets
}

/// Other forms than IDX.
fn other_forms() -> [Set; 6] {
    let mut arrays = Vec::new();
    let keras = Set::new(|set, part, images, labels| {
        let rows = npy("|u1", &format!("{}, 28, 28, 1", labels.len()), images);
        arrays.push((format!("x_{part}"), rows));
        let wide = labels.iter().map(|&label| i64::from(label));
        let wide: Vec<u8> = wide.flat_map(i64::to_le_bytes).collect();
        let labels = npy("<i8", &format!("{},", labels.len()), &wide);
        arrays.push((format!("y_{part}"), labels));
        set.add("mnist.npz", &npz(&arrays));
    });
    let kmnist = Set::new(|set, part, images, labels| {
        // Shares of full ink, a number of four bytes each, in rows of 784.
        let shares = images.iter().map(|&pixel| f32::from(pixel) / 255.0);
        let shares: Vec<u8> = shares.flat_map(f32::to_be_bytes).collect();
        let images = npy(">f4", &format!("{}, 784", labels.len()), &shares);
        let labels = npy("|u1", &format!("{}, 1", labels.len()), labels);
        for (kind, bytes) in [("imgs", images), ("labels", labels)] {
            let array = [("arr_0".to_owned(), bytes)];
            set.add(&format!("kmnist-{part}-{kind}.npz"), &npz(&array));
        }
    });
    let kaggle = Set::new(|set, part, images, labels| {
        let pixels: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
        let rows = format!("label,{}\n{}", pixels.join(","), csv(images, labels));
        set.add(&format!("{part}.csv"), rows.as_bytes());
        set.add("sample_submission.csv", b"ImageId,Label\n1,0\n");
    });
    let table = Set::new(|set, part, images, labels| {
        let rows = csv(images, labels);
        set.add(&format!("data/mnist_{part}.csv"), rows.as_bytes());
    });
    let folders = Set::new(|set, part, images, labels| {
        set.add_pictures(part, &DIGITS, 28, images, labels);
        set.add("train/0/Thumbs.db", b"");
    });
    let on_paper = Set::new(|set, part, images, labels| {
        let place = format!("mnist_png/{part}ing");
        set.add_pictures(&place, &DIGITS, 28, &inverted(images), labels);
    });
    [keras, kmnist, kaggle, table, folders, on_paper]
}

#[test]
fn a_set_is_read_alike_in_every_form_it_may_have() {
    let sets = idx_forms().into_iter().chain(other_forms());
    for (number, set) in sets.enumerate() {
        let location = Location::Folder(set.path().into());
        for (part, count) in [(Part::Train, 150), (Part::Test, 30)] {
            let read = location
                .read(part, &ReadOptions::default(), formats::read)
                .unwrap();
            let (images, labels) = bars(count, 3, 0);
            assert!(read.images.labels() == labels, "form {number}");
            assert!(read.images.pixels() == images, "form {number}");
        }
    }
}

#[test]
fn of_several_sets_one_is_chosen_by_its_name_or_a_word_of_it() {
    let set = Set(tempdir().unwrap());
    let (images, labels) = bars(3, 3, 0);
    for place in "MNIST/raw/ KMNIST/raw/ emnist-letters- emnist-digits-".split(' ') {
        let images = idx(&[3, 28, 28], &images);
        set.add(&format!("{place}train-images-idx3-ubyte"), &images);
        set.add(&format!("{place}train-labels-idx1-ubyte"), &plain(&labels));
    }
    set.add_pictures(".", &DIGITS, 28, &images, &labels);
    let all = "KMNIST/raw, MNIST/raw, emnist-digits, emnist-letters";
    let location = Location::Folder(set.path().into());
    let choose = |split: Option<&str>| {
        let split = split.map(str::to_owned);
        let reading = ReadOptions {
            split,
            ..ReadOptions::default()
        };
        let set = location.read(Part::Train, &reading, formats::read);
        // Its name, and that of its last class.
        let found = set.map(|set| set.split.unwrap() + " " + set.classes.last().unwrap());
        found.unwrap_or_else(|error| error.root_cause().to_string())
    };
    let several = format!("more than one data set: {all}; choose one with --split NAME");
    assert_eq!(choose(None), several);
    for (split, name) in [
        ("letters", "emnist-letters Z"),
        ("emnist-digits", "emnist-digits 9"),
        ("mnist", "MNIST/raw 9"),
        ("KMNIST/raw", "KMNIST/raw 9"),
        (".", ". 2"),
    ] {
        assert_eq!(choose(Some(split)), name);
    }
    for split in ["emnist", "byclass"] {
        let there = format!("no unique match; available sets: ., {all}");
        assert_eq!(choose(Some(split)), format!("--split {split}: {there}"));
    }
}

#[test]
fn odd_images_are_told_with_the_option_that_mends_them() {
    let sheet = |set: &Set, more: &str| {
        let line = format!("show --data-dir . --range ..3 --classes 3 --force {more}");
        let output = mnist_tch(set.path(), &line).output().unwrap();
        let picture = fs::read(set.path().join("contact_sheet.png")).unwrap();
        (picture, String::from_utf8(output.stderr).unwrap())
    };
    let good = Set::changed("", <[u8]>::to_vec);
    let upright = sheet(&good, "").0;
    let dark = "warning: the images are dark on light, expected light on dark: use --invert\n";
    let faint_ones = "warning: no pixel exceeds 1, so 1 is taken as full ink and becomes 255; if \
                      these were fractions, rounding has destroyed them: save them as float32\n";
    let aside = "note: emnist-digits is stored transposed, as EMNIST is, and corrected; \
                 --transpose undoes it\n";
    for (prefix, change, option, expected) in [
        ("", transposed as Change, "--transpose", ""),
        ("", inverted, "--invert", dark),
        ("", faint, "", faint_ones),
        ("emnist-digits-", transposed, "", aside),
        // Other sets of such names are upright.
        ("femnist-", <[u8]>::to_vec, "", ""),
        ("emnist-letters-upright-", <[u8]>::to_vec, "", ""),
    ] {
        let set = Set::changed(prefix, change);
        assert_eq!(sheet(&set, "").1, expected);
        assert!(sheet(&set, option).0 == upright, "{option}");
        let turned = sheet(&set, "--transpose").0;
        assert!(prefix.is_empty() || turned == sheet(&good, "--transpose").0);
    }
}

/// Options of a run that learns such a set without a fault.
const LEARN: &str = "--device cpu --batch-size 10 --epochs 4 --out run --min-accuracy 1";

/// What the run's summary says of its images.
fn data(folder: &TempDir) -> Value {
    let summary = run_file(folder, "summary.json");
    serde_json::from_slice::<Value>(&summary).unwrap()["data"].take()
}

#[test]
fn a_run_knows_its_images_from_anywhere_even_in_a_folder_that_is_called_like_a_published_set() {
    let set = Set::new(|set, part, images, labels| {
        fs::create_dir_all(set.path().join("mnist")).unwrap();
        write_set(&set.path().join("mnist"), part, &inverted(images), labels);
    });
    let line = format!("{LEARN} --data-dir mnist --classes 3 --invert");
    mnist_tch(set.path(), &line).assert().success();
    let kept = data(&set.0);
    assert_eq!(kept["classes"], json!(["0", "1", "2"]));
    assert_eq!(kept["test_range"], json!("test:0..30"));
    is_found_again(&set, "mnist/");
}

/// The set of the run, or of that place in it, is found from anywhere, and another beside it
/// changes nothing.
fn is_found_again(set: &Set, place: &str) {
    set.add(&format!("{place}other-train-images-idx3-ubyte"), b"");
    let line = format!("evaluate --model {}", set.path().join("run").display());
    let text = printed(tempdir().unwrap().path(), &line);
    let expected = "accuracy 1 on 30 test images of ";
    assert!(text.starts_with(expected), "{text}");
}

#[test]
fn equal_images_give_equal_weights_in_every_form_and_are_found_again_from_anywhere() {
    let mut models = Vec::new();
    for set in idx_forms().into_iter().chain(other_forms()) {
        printed(set.path(), &format!("{LEARN} --data-dir . --classes 3"));
        is_found_again(&set, "");
        models.push(run_file(&set.0, "model.safetensors"));
    }
    assert!(models.iter().all(|model| *model == models[0]));
}

#[test]
fn class_folders_have_names_and_one_tree_is_split_by_ranges() {
    let animals = ["ant", "bee", "cat"];
    let set = Set::new(|set, part, images, labels| {
        set.add_pictures(part, &animals, 28, images, labels);
    });
    let line = format!("{LEARN} --data-dir train");
    let parts = ["train is the only file, the training file", "--test-range"];
    fails(set.path(), &line, &parts);
    let line = format!("{line} --train-range 0..120 --test-range train:120..150");
    let text = printed(set.path(), &line);
    assert!(text.contains("  2  0  0 10  cat\n"), "{text}");
    let kept = data(&set.0);
    let found = ["train_images", "test_images"].map(|name| &kept[name]);
    assert_eq!(json!(found), json!([120, 30]));
    let ranges = ["train_range", "test_range"].map(|name| &kept[name]);
    assert_eq!(json!(ranges), json!(["train:0..120", "train:120..150"]));
    assert_eq!(kept["classes"], json!(animals));
    assert_eq!(kept["pictures"], json!({"as_they_are": 150, "prepared": 0}));

    // Folders of some of the classes are found by their names, which others have not.
    fs::rename(set.path().join("test"), set.path().join("some")).unwrap();
    fs::remove_dir_all(set.path().join("some/ant")).unwrap();
    let evaluate = "evaluate --model run --data-dir some --test-range train:..";
    let text = printed(set.path(), evaluate);
    let expected = "accuracy 1 on 20 test images of some\n";
    assert!(text.starts_with(expected), "{text}");
    fs::rename(set.path().join("some/bee"), set.path().join("some/wasp")).unwrap();
    let known = "the class folder wasp is not a class of the model: ant, bee, cat";
    fails(set.path(), evaluate, &[known]);
}

#[test]
fn pictures_of_other_sizes_are_prepared_as_by_predict_and_so_told() {
    let digits = mnist_10k().unwrap().train.slice(0..60).unwrap();
    let set = Set(tempdir().unwrap());
    set.add_pictures("scans", &DIGITS, 84, digits.pixels(), digits.labels());
    let location = Location::Folder(set.path().into());
    let read = location
        .read(Part::Train, &ReadOptions::default(), formats::read)
        .unwrap();
    let done = read.pictures.unwrap();
    assert_eq!([done.as_they_are, done.prepared], [0, 60]);
    assert_eq!(
        read.notes[0],
        "note: 10 classes: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"
    );
    let expected = "scans: 0 pictures taken as they are, 60 prepared as by predict, 0 other";
    assert!(read.notes[1].contains(expected), "{:?}", read.notes);
}

#[test]
fn runs_on_pictures_go_on_and_are_reproduced() {
    let set = Set::new(|set, part, images, labels| {
        set.add_pictures(part, &DIGITS, 28, images, labels);
    });
    let line = format!("{LEARN} --data-dir .").replace("--epochs 4", "--epochs 60");
    let log = set.path().join("run/checkpoint.jsonl");
    let begin = format!("{line} --checkpoint-every 1");
    let mut child = start(set.path(), &begin, || log.exists());
    child.kill().unwrap();
    child.wait().unwrap();
    let end = set.path().join("run/summary.json");
    assert!(!end.exists(), "it was too late");
    printed(set.path(), "--resume run");
    let model = run_file(&set.0, "model.safetensors");
    printed(set.path(), &format!("{line} --force"));
    assert!(run_file(&set.0, "model.safetensors") == model);
    let line = "reproduce --device cpu --batch-size 10 --epochs 60 --data-dir . \
                --compare run/accuracy.csv --seeds 0..3 --out seeds";
    let text = printed(set.path(), line);
    // The run itself is seed 0, which is left out.
    assert!(text.contains("against 2 runs"), "{text}");
}

#[test]
fn letters_with_labels_from_1_to_26_are_learnt_with_27_classes() {
    let folder = tempdir().unwrap();
    for (part, count) in [("train", 520), ("t10k", 52)] {
        let (images, labels) = bars(count, 26, 1);
        write_set(
            folder.path(),
            &format!("emnist-letters-{part}"),
            &images,
            &labels,
        );
    }
    let line = "--device cpu --data-dir . --batch-size 26 --epochs 8 --out run --eval-every 0";
    let expected = "label 10 at position 9, expected 0 to 9: use --classes 27";
    fails(folder.path(), &format!("{line} --classes 10"), &[expected]);
    let text = printed(folder.path(), &format!("{line} --min-accuracy 0.9"));
    let table = "class  images  correct\n    0       0        0  -\n    1       2        2  A\n";
    assert!(text.contains(table), "{text}");
    let model = run_file(&folder, "model.safetensors");
    let model = safetensors::SafeTensors::deserialize(&model).unwrap();
    assert_eq!(model.tensor("dense.bias").unwrap().shape(), [27]);
}

#[test]
fn what_is_no_set_is_told_in_one_line_with_what_to_do() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912422\n";
    let pair = |images: Vec<u8>| {
        let labels = npy("|u1", "2,", &[0, 1]);
        npz(&[("x_train", images), ("y_train", labels)].map(|(name, it)| (name.to_owned(), it)))
    };
    let objects = pair(npy("|O", "2,", b"pickled"));
    let color = pair(npy("|u1", "2, 28, 28, 3", &[0; 6 * 784]));
    let unlabeled = ["0"; 784].join(",");
    let short = format!("0,{unlabeled}\n1,2\n");
    let images = "train-images-idx3-ubyte";
    for (name, bytes, parts) in [
        (images, &lfs[..], [": a Git LFS pointer", "git lfs pull"]),
        ("mnist.npz", lfs, [": a Git LFS pointer", "git lfs pull"]),
        (
            "a/archive.zip",
            b"PK\x03\x04",
            [" is a zip archive: ", "unpack it"],
        ),
        ("mnist.npz", b"PK and no more", [": ", "not an .npz file"]),
        ("mnist.npz", &objects, [": array x_train.npy: ", "astype"]),
        ("mnist.npz", &color, ["2 x 28 x 28 x 3 numbers", "in color"]),
        ("train.csv", unlabeled.as_bytes(), [": ", "no label column"]),
        (
            "train.csv",
            short.as_bytes(),
            [": row 2: 2 columns", "expected 785"],
        ),
        (
            "train/0/a.png",
            b"PNG",
            ["class 0: 1 of 1 pictures cannot be read", "repair"],
        ),
        ("1/a.png", b"\x89PNG", ["no class folders", "train/3/a.png"]),
    ] {
        let set = Set(tempdir().unwrap());
        set.add(name, bytes);
        if name == images {
            set.add("train-labels-idx1-ubyte", lfs);
        }
        let parts = [&[name], &parts[..]].concat();
        fails(set.path(), "show --data-dir .", &parts);
    }
    // Nearly the names of IDX files.
    let names = "train-images train-idx3-ubyte train-images-idx3-ubyte.zip train-images-idxs-ubyte";
    for name in names.split(' ') {
        let set = Set(tempdir().unwrap());
        set.add(name, b"");
        fails(
            set.path(),
            "show --data-dir .",
            &["no data set; looked", name],
        );
    }
}

#[test]
fn there_are_two_to_256_classes_and_ten_where_nobody_says_it() {
    for (classes, option, lines) in [
        (2, "--classes 2", 3),
        (256, "--classes 256", 257),
        (3, "", 11),
    ] {
        let folder = tempdir().unwrap();
        for part in ["train", "t10k"] {
            let (images, labels) = bars(classes, classes, 0);
            write_set(folder.path(), part, &images, &labels);
        }
        let line = "--device cpu --data-dir . --batch-size 2 --epochs 1 --eval-every 0 --out run";
        let line = format!("{line} {option}");
        mnist_tch(folder.path(), &line).assert().success();
        let csv = String::from_utf8(run_file(&folder, "confusion.csv")).unwrap();
        assert_eq!(csv.lines().count(), lines);
    }
}

#[test]
fn show_draws_what_is_asked_for_and_overwrites_nothing() {
    let folder = tempdir().unwrap();
    let text = printed(folder.path(), "show --range test:10..35");
    let first = "contact_sheet.png: mnist-10k test:10..35, 25 images\n";
    assert!(text.starts_with(first), "{text}");
    let counts = text.lines().skip(2).map(|line| line[5..].trim());
    let counts = counts.map(|count| count.parse::<u32>().unwrap());
    assert_eq!(counts.sum::<u32>(), 25);
    let path = folder.path().join("contact_sheet.png");
    let picture = fs::read(&path).unwrap();
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");

    let parts = ["contact_sheet.png already exists", "--force"];
    fails(folder.path(), "show", &parts);
    assert_eq!(fs::read(&path).unwrap(), picture);
    mnist_tch(folder.path(), "show --force").assert().success();
    assert_ne!(fs::read(&path).unwrap(), picture);
}

#[test]
fn show_refuses_what_it_cannot_draw_or_write() {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("folder.png")).unwrap();
    for (line, part) in [
        (
            "--range 0..1001",
            "train:0..1001 is 1001 images: a contact sheet shows at most 1000",
        ),
        (
            "--range 4990..5001",
            "--range train:4990..5001 is not within the 5000 images",
        ),
        ("--out folder.png", "--out: folder.png is a folder"),
        ("--out no/sheet.png", "cannot write no/sheet.png"),
        ("--data-dir nowhere", "nowhere: no such folder"),
        ("--classes 5", "error: mnist-10k: label 5"),
    ] {
        fails(folder.path(), &format!("show {line}"), &[part]);
    }
    for line in "--range 5..5|--out sheet.jpg|--out sheet|--classes 1".split('|') {
        let output = mnist_tch(folder.path(), &format!("show {line}")).assert();
        let option = line.split(' ').next().unwrap().to_owned();
        output.code(2).stderr(predicates::str::contains(option));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Reads a part of the set in a folder.
fn read(folder: &Path, part: Part, split: Option<&str>) -> Result<LoadedDataset, String> {
    let options = ReadOptions {
        split: split.map(str::to_owned),
        ..ReadOptions::default()
    };
    let location = Location::Folder(folder.into());
    let read = location.read(part, &options, formats::read);
    read.map_err(|error| format!("{error:#}"))
}

#[test]
fn a_damaged_picture_is_left_out_and_counted_up_to_a_tenth_of_a_class() {
    let (images, labels) = bars(240, 2, 0);
    let set = Set(tempdir().unwrap());
    set.add_pictures(".", &["3", "8"], 28, &images, &labels);
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912\n";
    let whole = fs::read(set.path().join("3/000.png")).unwrap();
    let zero =
        b"GIF89a\0\0\x10\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\0\0\x10\0\0\x02\x02\x44\x01\0;";
    let damaged: [&[u8]; 6] = [b"", lfs, &whole[..40], b"<html>", b"\x89PNG\r\n", zero];
    for (number, bytes) in damaged.iter().cycle().take(13).enumerate() {
        set.add(&format!("3/broken{number:02}.gif"), bytes);
    }
    let found = read(set.path(), Part::Train, None).unwrap();
    assert_eq!(found.images.len(), 240);
    assert_eq!(found.pictures.unwrap().skipped, 13);
    let warning = found.notes.last().unwrap();
    let start = "warning: 13 pictures cannot be read and are left out: ";
    assert!(
        warning.starts_with(start) && warning.ends_with(" and 3 more"),
        "{warning}"
    );
    for part in ["broken09.gif", "the file is empty", "Git LFS pointer"] {
        assert!(warning.contains(part), "{part}: {warning}");
    }
    assert!(!warning.contains("broken10.gif"), "{warning}");
    set.add("3/broken13.gif", b"");
    let error = read(set.path(), Part::Train, None).unwrap_err();
    let start = "class 3: 14 of 134 pictures cannot be read, more than a tenth: repair or delete";
    assert!(
        error.contains(start) && error.contains("3/broken00.gif"),
        "{error}"
    );
}

#[test]
fn result_files_beside_the_data_hide_nothing() {
    for form in ["idx", "pictures"] {
        let set = Set::new(|set, part, images, labels| match form {
            "idx" => write_set(set.path(), &part.replace("test", "t10k"), images, labels),
            _ => set.add_pictures(part, &DIGITS, 28, images, labels),
        });
        let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --force --out .";
        for line in [line, line, &line.replace("--out .", "--out train")] {
            printed(set.path(), line);
            printed(set.path(), "evaluate --model .");
        }
        printed(set.path(), "evaluate --model . --out . --force");
        let classes = read(set.path(), Part::Train, None).unwrap().classes;
        assert!(
            classes.iter().eq(DIGITS.iter().take(classes.len())),
            "{classes:?}"
        );
    }
    // Runs beside the class folders.
    let set = Set(tempdir().unwrap());
    let (images, labels) = bars(60, 3, 0);
    set.add_pictures(".", &DIGITS, 28, &images, &labels);
    let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --train-range ..40 \
                --test-range train:40.. --out";
    for out in ["runs/one", "two"] {
        printed(set.path(), &format!("{line} {out}"));
        printed(set.path(), &format!("evaluate --model {out}"));
    }
}

#[test]
fn a_broken_neighbor_blocks_no_set() {
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912\n";
    let set = Set::changed("", <[u8]>::to_vec);
    set.add("notes.npz", b"PK and no more");
    set.add("other.csv", lfs);
    set.add("more/arrays.npz", lfs);
    let fifo = std::process::Command::new("mkfifo")
        .arg(set.path().join("train.csv"))
        .status();
    assert!(fifo.unwrap().success());
    let found = read(set.path(), Part::Train, None).unwrap();
    assert_eq!(found.images.len(), 150);
    let left_out = found
        .notes
        .iter()
        .filter(|note| note.starts_with("warning: left out: "));
    assert_eq!(left_out.count(), 3, "{:?}", found.notes);
    // It is the data that is broken.
    let set = Set(tempdir().unwrap());
    set.add("mnist_train.csv", lfs);
    let parts = ["mnist_train.csv: a Git LFS pointer", "git lfs pull"];
    fails(set.path(), "show --data-dir .", &parts);
    let (images, labels) = bars(30, 3, 0);
    set.add("mnist_test.csv", csv(&images, &labels).as_bytes());
    fails(set.path(), "show --data-dir .", &parts);
}

#[test]
fn parts_of_a_set_are_told_by_size_words_copies_and_folders() {
    for names in [
        "mnist_train_small.csv mnist_test.csv",
        "mnist_train_100.csv mnist_test_10.csv",
        "data/digits-train-60k.csv data/digits-test-10k.csv",
        "mnist_train (1).csv mnist_test.csv",
        "mnist_train - Copy.csv mnist_test.csv",
        "sign_mnist_train/sign_mnist_train.csv sign_mnist_test/sign_mnist_test.csv",
        "train/data.csv test/data.csv",
        "mnist_train/rows.csv mnist_test/rows.csv",
        "full/mnist_train.csv full/mnist_test.csv",
    ] {
        let set = Set::new(|set, part, images, labels| {
            let (train, test) = names.split_at(names.find(".csv").unwrap() + 4);
            let name = if part == "train" { train } else { test.trim() };
            set.add(name, csv(images, labels).as_bytes());
        });
        for (part, count) in [(Part::Train, 150), (Part::Test, 30)] {
            let found = read(set.path(), part, None).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(found.images.len(), count, "{names}");
        }
    }
    let copies = "PART-KIND-DIMS-ubyte (1).gz";
    let set = Set::idx(copies, &[28, 28], plain);
    assert_eq!(read(set.path(), Part::Test, None).unwrap().images.len(), 30);
    // A folder of its own for a second copy.
    let set = Set::new(|set, part, images, labels| {
        let rows = csv(images, labels);
        set.add(&format!("sign_mnist_{part}.csv"), rows.as_bytes());
        set.add(
            &format!("sign_mnist_{part}/sign_mnist_{part}.csv"),
            rows.as_bytes(),
        );
    });
    assert_eq!(read(set.path(), Part::Test, None).unwrap().images.len(), 30);
}

#[test]
fn two_sizes_of_a_set_are_two_sets_and_split_takes_every_name_that_is_listed() {
    let set = Set(tempdir().unwrap());
    let (images, labels) = bars(30, 3, 0);
    let rows = csv(&images, &labels);
    for name in
        "mnist_train mnist_test mnist_train_small a/b/kmnist_train a/b/kmnist_test".split(' ')
    {
        set.add(&format!("{name}.csv"), rows.as_bytes());
    }
    let error = read(set.path(), Part::Train, None).unwrap_err();
    let names = "a/b/kmnist.csv, mnist-small.csv, mnist.csv";
    assert!(
        error.contains(&format!("more than one data set: {names}; ")),
        "{error}"
    );
    for (split, found) in [
        ("a/b/kmnist.csv", "a/b/kmnist.csv"),
        ("kmnist.csv", "a/b/kmnist.csv"),
        ("KMNIST", "a/b/kmnist.csv"),
        ("mnist-small.csv", "mnist-small.csv"),
        ("small", "mnist-small.csv"),
        ("mnist.csv", "mnist.csv"),
    ] {
        let read = read(set.path(), Part::Train, Some(split)).unwrap();
        assert_eq!(read.split.unwrap(), found);
    }
    let error = read(set.path(), Part::Train, Some("mnist")).unwrap_err();
    assert!(error.contains("--split mnist: no unique match"), "{error}");
}

#[test]
fn arrays_of_numpy_are_read_in_pairs_and_without_names() {
    let array = |images: &[u8], shape: &str| npy("|u1", shape, images);
    let pairs = |name: fn(&str, &str) -> String| {
        Set::new(|set, part, images, labels| {
            let shape = format!("{}, 28, 28", labels.len());
            set.add(&name("images", part), &array(images, &shape));
            let shape = format!("{},", labels.len());
            set.add(&name("labels", part), &array(labels, &shape));
        })
    };
    let unnamed = |order: [usize; 4]| {
        let mut arrays = Vec::new();
        let set = Set::new(|_, _, images, labels| {
            arrays.push(array(images, &format!("{}, 784", labels.len())));
            arrays.push(array(labels, &format!("{},", labels.len())));
        });
        let arrays = order.map(|index| arrays[index].clone());
        let names = (0..4).map(|number| format!("arr_{number}"));
        let arrays: Vec<_> = names.zip(arrays).collect();
        set.add("mnist.npz", &npz(&arrays));
        set
    };
    for (number, set) in [
        pairs(|kind, part| format!("{part}_{kind}.npy")),
        pairs(|kind, part| format!("{part}/{kind}.npy")),
        pairs(|kind, part| format!("{}_{part}.npy", if kind == "images" { "x" } else { "y" })),
        unnamed([0, 1, 2, 3]),
        unnamed([0, 2, 1, 3]),
    ]
    .into_iter()
    .enumerate()
    {
        for (part, count) in [(Part::Train, 150), (Part::Test, 30)] {
            let found = read(set.path(), part, None).unwrap();
            let (images, labels) = bars(count, 3, 0);
            assert!(found.images.labels() == labels, "form {number}");
            assert!(found.images.pixels() == images, "form {number}");
        }
    }
    let notes = read(unnamed([0, 1, 2, 3]).path(), Part::Train, None)
        .unwrap()
        .notes;
    let note = "read arr_0.npy and arr_1.npy as training images and labels, arr_2.npy and arr_3.npy as test images";
    assert!(notes[0].contains(note), "{notes:?}");
    // The test images may come first.
    let error = read(unnamed([2, 3, 0, 1]).path(), Part::Train, None).unwrap_err();
    assert!(
        error.contains("mnist.npz: the first array of images is not the largest"),
        "{error}"
    );
    // Labels of the other part.
    let error = read(unnamed([0, 3, 2, 1]).path(), Part::Train, None).unwrap_err();
    assert!(error.contains("150 images but 30 labels"), "{error}");
}

#[test]
fn files_of_other_kinds_are_named_with_the_way_out() {
    let utf16: Vec<u8> = "label,pixel0\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let tar = [&[b'a'; 257][..], b"ustar\0", &[0; 300]].concat();
    let savez = "save the arrays as x_train, y_train, x_test and y_test with numpy.savez";
    for (name, bytes, kind, hint) in [
        (
            "mnist.zip",
            &b"PK\x03\x04"[..],
            "a zip archive",
            "unpack it",
        ),
        ("mnist.tar.gz", &tar, "archive", "unpack it"),
        ("mnist.tar", &tar, "archive", "unpack it"),
        ("mnist.pkl.gz", b"(lp1\ncnumpy", "a pickle", savez),
        (
            "mnist.parquet",
            b"PAR1\x15\x04",
            "a Parquet file",
            "pandas.read_parquet",
        ),
        (
            "mnist.mat",
            b"MATLAB 5.0 MAT-file",
            "a MATLAB file",
            "scipy.io.loadmat",
        ),
        ("mnist.h5", b"\x89HDF\r\n\x1a\n", "an HDF5 file", savez),
        ("training.pt", b"PK\x03\x04", "torch.save", savez),
        ("images.npy", b"\x93NUMPY\x01\0", "a NumPy array", savez),
        (
            "train.csv",
            &[b"\xff\xfe", &utf16[..]].concat(),
            "UTF-16",
            "save it as UTF-8",
        ),
        ("train.csv", &utf16, "UTF-16", "save it as UTF-8"),
        ("train.csv", b"PK\x03\x04[", "a zip archive", "unpack it"),
        (
            "train-images-idx3-ubyte",
            b"<html>",
            "a web page",
            "download the file itself",
        ),
        ("photo.jpg", b"\xff\xd8\xff\xe0", "", "class folders"),
    ] {
        let set = Set(tempdir().unwrap());
        set.add(name, bytes);
        if name.starts_with("train-images") {
            set.add("train-labels-idx1-ubyte", &plain(&[0]));
        }
        let parts = [name, kind, hint];
        fails(set.path(), "show --data-dir .", &parts);
        if !name.starts_with("train-images") && !name.starts_with("photo") {
            fails(set.path(), &format!("show --data-dir {name}"), &parts);
        }
    }
}

#[test]
fn csv_files_of_old_macs_spaces_and_fractions_are_read() {
    let (images, labels) = bars(30, 3, 0);
    let names = (0..784).map(|pixel| format!(",pixel{pixel}"));
    let header = format!("label{}\n", names.collect::<String>());
    let rows = header + &csv(&images, &labels);
    let shares = rows.replace("255", "1.0").replace(",0", ",0.0");
    let soft = rows.replace("255", "0.5");
    for (text, ink) in [
        (rows.replace('\n', "\r"), 255),
        (rows.replace('\n', "\r\n"), 255),
        (rows.replace(',', " "), 255),
        (rows.replace(',', "  "), 255),
        (rows.replace(',', ", "), 255),
        (rows.replace(',', "\t"), 255),
        (shares, 255),
        (soft, 128),
        (rows.replace("255", "254.6"), 255),
        (rows.replace("255", "1"), 255),
    ] {
        let set = Set(tempdir().unwrap());
        set.add("train.csv", text.as_bytes());
        let found = read(set.path(), Part::Train, None).unwrap();
        assert_eq!(found.images.labels(), labels, "{text:.100}");
        let expected: Vec<u8> = images.iter().map(|&pixel| pixel.min(ink)).collect();
        assert!(found.images.pixels() == expected, "{text:.100}");
    }
}

#[test]
fn pixels_of_an_unknown_scale_are_refused_or_warned_of() {
    let read = |numbers: &[f32]| {
        let bytes: Vec<u8> = numbers.iter().copied().flat_map(f32::to_le_bytes).collect();
        let images = npy("<f4", "2, 28, 28", &bytes);
        let set = Set(tempdir().unwrap());
        let arrays = [("x_train", images), ("y_train", npy("|u1", "2,", &[0, 1]))];
        let arrays = arrays.map(|(name, bytes)| (name.to_owned(), bytes));
        set.add("mnist.npz", &npz(&arrays));
        read(set.path(), Part::Train, None).map(|read| read.notes.join("\n"))
    };
    let pixels = |low: f32, high: f32| [vec![low; 784], vec![high; 784]].concat();
    for (low, high, part) in [
        (-0.4242, 2.8215, "fractions up to 2.8215"),
        (-0.5, 0.9, "a pixel is -0.5"),
        (0.0, 1.1, "undo their normalization"),
        (0.0, f32::NAN, "a pixel is NaN"),
        (0.0, 256.0, "a pixel is 256"),
    ] {
        let error = read(&pixels(low, high)).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
    let notes = read(&pixels(0.0, 16.0)).unwrap();
    assert!(
        notes.contains("warning: no pixel exceeds a quarter of full ink"),
        "{notes}"
    );
    for (low, high) in [(0.0, 254.6), (0.0, 1.0), (0.0, 255.0)] {
        assert_eq!(read(&pixels(low, high)).unwrap(), "");
    }
}

#[test]
fn float16_is_refused_with_advice_that_keeps_the_pixels() {
    let half = npy("<f2", "2, 28, 28", &[0; 2 * 2 * 784]);
    let set = Set(tempdir().unwrap());
    let arrays = [("x_train", half), ("y_train", npy("|u1", "2,", &[0, 1]))];
    set.add(
        "mnist.npz",
        &npz(&arrays.map(|(name, bytes)| (name.to_owned(), bytes))),
    );
    fails(
        set.path(),
        "show --data-dir .",
        &["x_train", ".astype(\"float32\")"],
    );
}

#[cfg(unix)]
#[test]
fn links_in_a_circle_and_folders_that_are_no_utf_8_are_no_trouble() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;

    let outer = tempdir().unwrap();
    let folder = outer.path().join(OsStr::from_bytes(b"caf\xe9"));
    fs::create_dir(&folder).unwrap();
    let set = Set::changed("", <[u8]>::to_vec);
    for entry in fs::read_dir(set.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    symlink(".", folder.join("again")).unwrap();
    symlink("..", folder.join("up")).unwrap();
    symlink("nowhere", folder.join("broken")).unwrap();
    let line = format!("{LEARN} --classes 3 --data-dir");
    let mut command = mnist_tch(outer.path(), &line);
    command.arg(&folder).assert().success();
    let text = printed(outer.path(), "evaluate --model run");
    assert!(text.starts_with("accuracy 1 on 30 test images"), "{text}");
}
