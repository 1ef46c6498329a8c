//! People's own pictures: drawn here from digits of MNIST, enlarged and changed as pictures are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::{error_line, mnist_tch};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage};
use mnist_tch::data::mnist_10k;
use predicates::str::contains;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A model that knows most digits, made once for all tests.
static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let line = "--device cpu --epochs 3 --eval-every 0 --test-range ..100 --out run -q";
    mnist_tch(folder.path(), line).assert().success();
    folder
});

/// `predict` with the model, in `folder`.
fn predict(folder: &Path, line: &str) -> assert_cmd::Command {
    let mut command = mnist_tch(folder, "predict --device cpu");
    command
        .arg("--model")
        .arg(MODEL.path().join("run"))
        .args(line.split_whitespace());
    command
}

fn printed(command: &mut assert_cmd::Command) -> String {
    let output = command.assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// What stands before the first colon of each line.
fn names(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines.map(|line| line.split(':').next().unwrap()).collect()
}

/// Test image `index` ten times as large, black on white, with its label.
fn drawn(index: usize) -> (DynamicImage, u8) {
    let test = mnist_10k().unwrap().test;
    let pixels = test.pixels()[index * 784..][..784]
        .iter()
        .map(|pixel| 255 - pixel);
    let image = DynamicImage::ImageLuma8(GrayImage::from_raw(28, 28, pixels.collect()).unwrap());
    (
        image.resize(280, 280, FilterType::Triangle),
        test.labels()[index],
    )
}

#[test]
fn every_way_to_save_a_digit_gets_the_same_answer_and_most_are_right() {
    let folder = tempdir().unwrap();
    let mut labels = Vec::new();
    for index in 0..20 {
        let (image, label) = drawn(index);
        labels.push(u64::from(label));
        let mut inverted = image.clone();
        inverted.invert();
        // Ink as opacity, on nothing.
        let ink = inverted.to_luma8();
        let alpha = |light: u8| {
            let pixel = |x, y| image::LumaA([light, ink.get_pixel(x, y).0[0]]);
            DynamicImage::ImageLumaA8(image::ImageBuffer::from_fn(280, 280, pixel))
        };
        let faint = image::ImageBuffer::from_fn(280, 280, |x, y| {
            image::Luma([160 - ink.get_pixel(x, y).0[0] / 4])
        });
        let save = |name: &str, image: DynamicImage| {
            let path = folder.path().join(format!("{index:02}-{name}"));
            image.save(path).unwrap();
        };
        save("a.png", image.clone());
        save("b.jpg", image.to_rgb8().into());
        save("c.png", inverted);
        save("d.png", image.to_luma16().into());
        save("e.png", alpha(0));
        save("f.jpeg", image.resize(900, 900, FilterType::CatmullRom));
        save("g.png", alpha(255));
        save("h.png", DynamicImage::ImageLuma8(faint));
    }
    let text = printed(&mut predict(folder.path(), "--json ."));
    let answers = text.lines().map(|line| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["predicted"].as_u64().unwrap()
    });
    let answers: Vec<u64> = answers.collect();
    assert_eq!(answers.len(), 8 * labels.len());
    for of_one in answers.chunks(8) {
        let all_same = of_one.iter().all(|digit| digit == &of_one[0]);
        assert!(all_same, "{answers:?}");
    }
    let pairs = answers.chunks(8).zip(&labels);
    let right = pairs.filter(|(found, label)| found[0] == **label).count();
    assert!(right >= 16, "{answers:?} for {labels:?}");
}

#[test]
fn a_line_has_digit_probability_and_runner_up() {
    let folder = tempdir().unwrap();
    let (image, _) = drawn(3);
    image.save(folder.path().join("three.png")).unwrap();
    let text = printed(&mut predict(folder.path(), "three.png"));
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(
        (words.len(), words[0], words[3]),
        (6, "three.png:", "else"),
        "{text}"
    );
    let json = printed(&mut predict(folder.path(), "--json three.png"));
    let answer: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(answer["file"], "three.png");
    assert_eq!(answer["predicted"].to_string(), words[1]);
    assert_eq!(answer["runner_up"].to_string(), words[4]);
    let probabilities = answer["probabilities"].as_array().unwrap();
    let sum: f64 = probabilities
        .iter()
        .map(|value| value.as_f64().unwrap())
        .sum();
    assert!(probabilities.len() == 10 && (sum - 1.0).abs() < 1e-9);
    let best = answer["probability"].as_f64().unwrap();
    assert_eq!(format!("{best:.4}"), words[2].trim_end_matches(','));
}

#[test]
fn stdin_folders_and_the_prepared_picture() {
    let folder = tempdir().unwrap();
    let (image, _) = drawn(5);
    fs::create_dir(folder.path().join("some")).unwrap();
    image.save(folder.path().join("some/b.PNG")).unwrap();
    image.save(folder.path().join("some/a.png")).unwrap();
    fs::write(folder.path().join("some/notes.txt"), "mine").unwrap();
    let bytes = fs::read(folder.path().join("some/a.png")).unwrap();

    let text = printed(&mut predict(folder.path(), "some"));
    assert_eq!(names(&text), ["some/a.png", "some/b.PNG"]);
    let piped = printed(predict(folder.path(), "-").write_stdin(bytes));
    assert_eq!(
        piped.strip_prefix("-:"),
        text.lines()
            .next()
            .and_then(|line| line.strip_prefix("some/a.png:"))
            .map(|rest| format!("{rest}\n"))
            .as_deref()
    );

    let shown = printed(&mut predict(folder.path(), "some/a.png --show --out seen"));
    assert_eq!(shown.lines().count(), 29);
    assert!(shown.contains("@@"), "{shown}");
    let seen = image::open(folder.path().join("seen/a.png.28x28.png")).unwrap();
    assert_eq!((seen.width(), seen.height()), (28, 28));
    // The same once more replaces nothing; another picture of that name would.
    predict(folder.path(), "some/a.png --out seen")
        .assert()
        .success();
    fs::write(folder.path().join("seen/a.png.28x28.png"), "mine").unwrap();
    let error = error_line(&mut predict(folder.path(), "some/a.png --out seen"), 1);
    assert!(
        error.contains("a.png.28x28.png") && error.contains("--force"),
        "{error}"
    );
    predict(folder.path(), "some/a.png --out seen --force")
        .assert()
        .success();
    printed(&mut predict(folder.path(), "some/a.png --show"));
    assert!(folder.path().join("prepared/a.png.28x28.png").exists());
}

#[test]
fn what_is_no_picture_is_told_and_the_others_go_on() {
    let folder = tempdir().unwrap();
    drawn(0).0.save(folder.path().join("a.png")).unwrap();
    drawn(1).0.save(folder.path().join("c.png")).unwrap();
    fs::write(folder.path().join("b.png"), "hello").unwrap();
    let blank = DynamicImage::ImageLuma8(GrayImage::from_pixel(50, 50, image::Luma([250])));
    blank.save(folder.path().join("blank.png")).unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();

    let output = predict(
        folder.path(),
        "a.png b.png missing.png empty blank.png c.png",
    )
    .assert()
    .code(1);
    let stdout = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    assert_eq!(names(&stdout), ["a.png", "c.png"]);
    let stderr = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    for part in [
        "error: b.png: not a PNG or JPEG picture\n",
        "error: missing.png: cannot be read",
        "error: empty: no .png",
        "error: blank.png: nothing is drawn",
        "error: 4 of 6 pictures have no answer\n",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let error = error_line(&mut predict(folder.path(), "b.png"), 1);
    assert_eq!(error, "error: b.png: not a PNG or JPEG picture\n");
    let error = error_line(predict(folder.path(), "-").write_stdin(""), 1);
    assert!(error.contains("the file is empty"), "{error}");
}

#[test]
fn wrong_usage_is_status_2() {
    let folder = tempdir().unwrap();
    for (line, word) in [("", "<IMAGE>"), ("a.png --json --show", "--json")] {
        predict(folder.path(), line)
            .assert()
            .code(2)
            .stderr(contains(word));
    }
}
