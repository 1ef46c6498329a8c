//! Images of one's own: a folder in any of the forms people have, any number of classes, and a look
//! at what is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;

use common::{bars, error_line, gzip, idx, mnist_tch, run_file, write_set};
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

/// Writes a set of three classes that a network learns in no time, under names made from `form`.
fn three_classes(folder: &Path, form: &str) {
    fs::create_dir_all(folder.join(form).parent().unwrap()).unwrap();
    for (part, count) in [("train", 150_u8), ("t10k", 30)] {
        let (images, labels) = bars(count.into(), 3, 0);
        let images = idx(&[count.into(), 28, 28], &images);
        let labels = idx(&[count.into()], &labels);
        for (kind, dims, bytes) in [("images", 3, images), ("labels", 1, labels)] {
            let name = form.replace("PART", part).replace("KIND", kind);
            let name = name.replace("DIMS", &format!("idx{dims}"));
            let packed = name.ends_with("gz").then(|| gzip(&bytes));
            fs::write(folder.join(name), packed.unwrap_or(bytes)).unwrap();
        }
    }
}

/// Options of a run that learns such a set without a fault.
const LEARN: &str =
    "--device cpu --data-dir . --batch-size 10 --epochs 4 --out run --min-accuracy 1";

/// What a command that must succeed prints.
fn printed(folder: &Path, line: &str) -> String {
    let output = mnist_tch(folder, line).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

fn summary(folder: &TempDir) -> Value {
    serde_json::from_slice(&run_file(folder, "summary.json")).unwrap()
}

#[test]
fn three_classes_are_learnt_from_every_form_of_folder_with_the_same_result() {
    let forms = [
        "PART-KIND-DIMS-ubyte",
        "PART-KIND.DIMS-ubyte",
        "PART-KIND-DIMS-ubyte.gz",
        "PART-KIND.DIMS-ubyte.gz",
        "MNIST/raw/PART-KIND-DIMS-ubyte",
        "FashionMNIST/raw/PART-KIND-DIMS-ubyte.gz",
        "KMNIST/raw/PART-KIND.DIMS-ubyte",
        "raw/PART-KIND-DIMS-ubyte",
    ];
    let models = forms.map(|form| {
        let folder = tempdir().unwrap();
        three_classes(folder.path(), form);
        let line = format!("{LEARN} --classes 3");
        mnist_tch(folder.path(), &line).assert().success();
        let data = &summary(&folder)["data"];
        let expected = json!({"classes": ["0", "1", "2"], "train_range": "train:0..150",
            "test_range": "test:0..30"});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&data[name], value, "{form}");
        }
        run_file(&folder, "model.safetensors")
    });
    assert!(models.iter().all(|model| *model == models[0]));
}

#[test]
fn three_classes_need_no_option_but_have_a_matrix_of_ten_without_it() {
    let folder = tempdir().unwrap();
    three_classes(folder.path(), "PART-KIND-DIMS-ubyte");
    mnist_tch(folder.path(), LEARN).assert().success();
    let rows = |text: Vec<u8>| String::from_utf8(text).unwrap().lines().count();
    assert_eq!(rows(run_file(&folder, "confusion.csv")), 11);
    let line = format!("{LEARN} --force --classes 3");
    mnist_tch(folder.path(), &line).assert().success();
    assert_eq!(rows(run_file(&folder, "confusion.csv")), 4);
}

#[test]
fn a_run_knows_its_folder_from_anywhere_even_one_that_is_called_like_a_published_set() {
    let folder = tempdir().unwrap();
    three_classes(folder.path(), "mnist/PART-KIND-DIMS-ubyte");
    let line = LEARN.replace("--data-dir .", "--data-dir mnist --classes 3");
    mnist_tch(folder.path(), &line).assert().success();
    let accuracy_from = |place: &Path, model: &str| {
        let text = printed(place, &format!("evaluate --model {model}"));
        text.starts_with("accuracy 1 on 30 test images of ")
    };
    let elsewhere = tempdir().unwrap();
    let run = folder.path().join("run");
    assert!(accuracy_from(elsewhere.path(), run.to_str().unwrap()));

    // Early runs kept no more than the name, as it was typed.
    let mut summary = summary(&folder);
    let data = summary["data"].as_object_mut().unwrap();
    assert!(data.remove("location").is_some());
    data["name"] = "./mnist".into();
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();
    assert!(accuracy_from(folder.path(), "run"));
}

#[test]
fn letters_with_labels_from_1_to_26_are_learnt_with_27_classes() {
    let folder = tempdir().unwrap();
    for (part, count) in [("train", 520), ("t10k", 52)] {
        let (images, labels) = bars(count, 26, 1);
        let prefix = format!("emnist-letters-{part}");
        write_set(folder.path(), &prefix, &images, &labels);
    }
    let line = "--device cpu --data-dir . --batch-size 26 --epochs 8 --out run --eval-every 0";
    let error = error_line(&mut mnist_tch(folder.path(), line), 1);
    let expected = "label 10 at position 9 where labels go from 0 to 9; --classes 27 takes all";
    assert!(error.contains(expected), "{error}");
    let line = format!("{line} --classes 27 --min-accuracy 0.9");
    let text = printed(folder.path(), &line);
    let table = "class  images  correct\n    0       0        0\n    1       2";
    assert!(text.contains(table), "{text}");
    let model = run_file(&folder, "model.safetensors");
    let model = safetensors::SafeTensors::deserialize(&model).unwrap();
    assert_eq!(model.tensor("dense.weight").unwrap().shape(), [27, 72]);
}

#[test]
fn two_and_256_classes_go_from_end_to_end() {
    for classes in [2, 256] {
        let folder = tempdir().unwrap();
        for part in ["train", "t10k"] {
            let (images, labels) = bars(classes, classes, 0);
            write_set(folder.path(), part, &images, &labels);
        }
        let line = "--device cpu --data-dir . --batch-size 2 --epochs 1 --eval-every 0 --out run";
        let line = format!("{line} --classes {classes}");
        mnist_tch(folder.path(), &line).assert().success();
        let csv = String::from_utf8(run_file(&folder, "confusion.csv")).unwrap();
        assert_eq!(csv.lines().count(), classes + 1);
    }
}

#[test]
fn the_articles_split_can_be_said_in_words() {
    // As the article does: test images out of the training file; the test file is not even there.
    let folder = tempdir().unwrap();
    let (images, labels) = bars(40, 3, 0);
    write_set(folder.path(), "train", &images, &labels);
    let line = "--device cpu --data-dir . --batch-size 10 --epochs 1 --out run \
                --train-range 0..30 --test-range train:30..40";
    mnist_tch(folder.path(), line).assert().success();
    let data = &summary(&folder)["data"];
    let names = ["train_images", "test_images", "train_range", "test_range"];
    let found = names.map(|name| data[name].clone());
    assert_eq!(json!(found), json!([30, 10, "train:0..30", "train:30..40"]));
}

#[test]
fn show_draws_what_is_asked_for_and_overwrites_nothing() {
    let folder = tempdir().unwrap();
    let text = printed(folder.path(), "show --range test:10..35");
    let first = "contact_sheet.png: mnist-10k test:10..35, 25 images\n";
    assert!(text.starts_with(first), "{text}");
    let counts = text.lines().skip(2).map(|line| line[5..].trim());
    assert_eq!(
        counts
            .map(|count| count.parse::<u32>().unwrap())
            .sum::<u32>(),
        25
    );
    let path = folder.path().join("contact_sheet.png");
    let picture = fs::read(&path).unwrap();
    assert_eq!(&picture[..8], b"\x89PNG\r\n\x1a\n");

    let error = error_line(&mut mnist_tch(folder.path(), "show"), 1);
    let there = error.contains("contact_sheet.png is there already") && error.contains("--force");
    assert!(there, "{error}");
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
        let error = error_line(&mut mnist_tch(folder.path(), &format!("show {line}")), 1);
        assert!(error.contains(part), "{line}: {error}");
    }
    for line in [
        "--range 5..5",
        "--out sheet.jpg",
        "--out sheet",
        "--classes 1",
    ] {
        let output = mnist_tch(folder.path(), &format!("show {line}")).assert();
        let option = line.split(' ').next().unwrap().to_owned();
        output.code(2).stderr(predicates::str::contains(option));
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}
