//! People's own pictures: drawn here from digits of MNIST, enlarged and changed as pictures are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use common::{error_line, mnist_tch, printed, printed_by};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, LumaA};
use mnist_tch::data::mnist_10k;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A model that knows most digits, made once for all tests.
static MODEL: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempdir().unwrap();
    let line = "--device cpu --epochs 3 --eval-every 0 --test-range ..100 --out run -q";
    printed(folder.path(), line);
    folder
});

/// `predict` with the model, in `folder`.
fn predict(folder: &Path, line: &str) -> assert_cmd::Command {
    let mut command = mnist_tch(folder, &format!("predict --device cpu {line}"));
    command.arg("--model").arg(MODEL.path().join("run"));
    command
}

/// Each line of `--json`.
fn answers(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.map(Result::unwrap).collect()
}

/// Test image `index` ten times as large, black on white, with its label.
fn drawn(index: usize) -> (DynamicImage, u8) {
    let test = mnist_10k().unwrap().test;
    let ink = &test.pixels()[index * 784..][..784];
    let pixels = ink.iter().map(|pixel| 255 - pixel).collect();
    let image = DynamicImage::ImageLuma8(GrayImage::from_raw(28, 28, pixels).unwrap());
    let large = image.resize(280, 280, FilterType::Triangle);
    (large, test.labels()[index])
}

#[test]
fn every_way_to_save_a_digit_gets_the_same_answer_and_most_are_right() {
    let folder = tempdir().unwrap();
    let mut right = 0;
    for index in 0..10 {
        let (image, label) = drawn(index);
        let mut inverted = image.clone();
        inverted.invert();
        // Ink as opacity, on nothing.
        let ink = inverted.to_luma8();
        let opaque = |light: u8| {
            let pixel = |x, y| LumaA([light, ink.get_pixel(x, y).0[0]]);
            DynamicImage::ImageLumaA8(ImageBuffer::from_fn(280, 280, pixel))
        };
        let faint = |x, y| Luma([160 - ink.get_pixel(x, y).0[0] / 4]);
        let faint = DynamicImage::ImageLuma8(ImageBuffer::from_fn(280, 280, faint));
        for (name, image) in [
            ("a.png", image.clone()),
            ("b.jpg", image.to_rgb8().into()),
            ("c.png", inverted),
            ("d.png", image.to_luma16().into()),
            ("e.png", opaque(0)),
            ("f.jpeg", image.resize(900, 900, FilterType::Triangle)),
            ("g.png", opaque(255)),
            ("h.png", faint),
        ] {
            image.save(folder.path().join(name)).unwrap();
        }
        let answers = answers(&printed_by(&mut predict(folder.path(), "--json .")));
        let digits: Vec<_> = answers.iter().map(|answer| &answer["predicted"]).collect();
        assert_eq!(digits, [digits[0]; 8], "image {index}");
        right += usize::from(*digits[0] == label);
    }
    assert!(right >= 8, "{right} of 10");
}

#[test]
fn a_line_has_digit_probability_and_runner_up_and_so_has_json() {
    let folder = tempdir().unwrap();
    drawn(3).0.save(folder.path().join("three.png")).unwrap();
    let text = printed_by(&mut predict(folder.path(), "three.png"));
    let json = printed_by(&mut predict(folder.path(), "--json three.png"));
    let answer = &answers(&json)[0];
    let number = |name: &str| answer[name].as_f64().unwrap();
    let (best, other) = (number("probability"), number("runner_up_probability"));
    let (digit, second) = (&answer["predicted"], &answer["runner_up"]);
    let expected = format!("three.png: {digit} {best:.4}, else {second} {other:.4}\n");
    assert_eq!(text, expected);
    assert_eq!(answer["file"], "three.png");
    let probabilities = answer["probabilities"].as_array().unwrap();
    let sum: f64 = probabilities.iter().filter_map(Value::as_f64).sum();
    assert!(probabilities.len() == 10 && (sum - 1.0).abs() < 1e-9);
}

#[test]
fn folders_stdin_and_what_is_no_picture_are_answered_in_their_order() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    fs::create_dir(path.join("some")).unwrap();
    fs::create_dir(path.join("empty")).unwrap();
    for (index, name) in [(5, "some/b.PNG"), (5, "some/a.png"), (0, "c.png")] {
        drawn(index).0.save(path.join(name)).unwrap();
    }
    for name in ["some/notes.txt", "b.png"] {
        fs::write(path.join(name), "hello").unwrap();
    }
    let blank = GrayImage::from_pixel(50, 50, Luma([250]));
    blank.save(path.join("blank.png")).unwrap();

    let line = "some b.png missing.png - empty blank.png c.png";
    let mut command = predict(path, line);
    command.write_stdin(fs::read(path.join("some/a.png")).unwrap());
    let output = command.assert().code(1).get_output().clone();
    let [stdout, stderr] = [output.stdout, output.stderr].map(String::from_utf8);
    let (stdout, stderr) = (stdout.unwrap(), stderr.unwrap());
    let lines = stdout.lines().map(|line| line.split_once(": ").unwrap());
    let (names, answers): (Vec<_>, Vec<_>) = lines.unzip();
    assert_eq!(names, ["some/a.png", "some/b.PNG", "-", "c.png"]);
    assert_eq!(answers[..3], [answers[0]; 3]);
    for part in [
        "error: b.png: not a PNG or JPEG picture\n",
        "error: missing.png: cannot be read",
        "error: empty: no .png",
        "error: blank.png: nothing is drawn",
        "error: 4 of 8 pictures have no answer\n",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let error = error_line(predict(path, "-").write_stdin(""), 1);
    assert!(error.contains("the file is empty"), "{error}");
}

#[test]
fn the_picture_as_the_network_sees_it_is_shown_and_kept_and_replaces_no_other() {
    let folder = tempdir().unwrap();
    drawn(5).0.save(folder.path().join("a.png")).unwrap();
    let shown = printed_by(&mut predict(folder.path(), "a.png --show"));
    assert_eq!(shown.lines().count(), 29);
    assert!(shown.contains("@@"), "{shown}");
    let kept = folder.path().join("prepared/a.png.28x28.png");
    let seen = image::open(&kept).unwrap();
    assert_eq!((seen.width(), seen.height()), (28, 28));
    // The same once more replaces nothing; another picture of that name would.
    let line = "a.png --out prepared";
    printed_by(&mut predict(folder.path(), line));
    fs::write(&kept, "mine").unwrap();
    let error = error_line(&mut predict(folder.path(), line), 1);
    assert!(error.contains("a.png.28x28.png") && error.contains("--force"));
    assert_eq!(fs::read(&kept).unwrap(), b"mine");
    printed_by(&mut predict(folder.path(), &format!("{line} --force")));
    assert_eq!(image::open(&kept).unwrap(), seen);
}
