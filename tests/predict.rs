//! People's own pictures: drawn here from digits of MNIST, enlarged and changed as pictures are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::sync::LazyLock;

use common::{error_line, mnist_tch, printed, printed_by};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, imageops};
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

/// A JPEG file with a note which way up it is, as the first segment after its two first bytes.
fn turned_by_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = u8::try_from(2 + 6 + tiff.len()).unwrap();
    let head = [b"\xff\xe1\0", &[length][..], b"Exif\0\0"].concat();
    [&jpeg[..2], &head, &tiff, &jpeg[2..]].concat()
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
            ("i.webp", image.to_rgb8().into()),
            ("j.bmp", image.to_rgb8().into()),
            ("k.gif", image.to_rgb8().into()),
            ("l.TIFF", image.to_luma16().into()),
        ] {
            image.save(folder.path().join(name)).unwrap();
        }
        // On its side, as phones keep pictures, with a note of which way up.
        let on_its_side = image.rotate270();
        let mut jpeg = Cursor::new(Vec::new());
        on_its_side.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        let jpeg = turned_by_exif(&jpeg.into_inner(), 6);
        fs::write(folder.path().join("m.jpg"), jpeg).unwrap();
        let answers = answers(&printed_by(&mut predict(folder.path(), "--json .")));
        let digits: Vec<_> = answers.iter().map(|answer| &answer["predicted"]).collect();
        assert_eq!(digits, [digits[0]; 13], "image {index}");
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
    let unsure = if best < 0.8 { ", unsure" } else { "" };
    let expected = format!("three.png: {digit} {best:.4}, else {second} {other:.4}{unsure}\n");
    assert_eq!(text, expected);
    let [left, top, width, height] = [0, 1, 2, 3].map(|side| answer["box"][side].as_u64().unwrap());
    assert!(left + width <= 280 && top + height <= 280 && width.max(height) > 150);
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
        "some: 1 file is no picture by its name",
        "error: b.png: not a picture (PNG, JPEG,",
        "error: missing.png: cannot be read",
        "error: empty: no picture in this folder",
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

#[test]
fn several_digits_in_a_picture_are_read_one_by_one_each_in_its_box() {
    let folder = tempdir().unwrap();
    let mut page = GrayImage::from_pixel(900, 300, Luma([255]));
    for (place, index) in [(0, 3), (1, 5), (2, 0)] {
        imageops::replace(&mut page, &drawn(index).0.to_luma8(), 10 + 300 * place, 10);
    }
    page.save(folder.path().join("page.png")).unwrap();
    let text = printed_by(&mut predict(folder.path(), "page.png --show"));
    let json = printed_by(&mut predict(folder.path(), "--json page.png"));
    let answers = answers(&json);
    let lines = text.lines().filter(|line| line.starts_with("page"));
    for ((line, answer), number) in lines.zip(&answers).zip(1..) {
        let begin = format!("page.png[{number}]: {} ", answer["predicted"]);
        assert!(line.starts_with(&begin), "{line}");
        let place = |side: usize| answer["box"][side].as_u64().unwrap();
        assert!(place(0) > 300 * (number - 1) && place(0) + place(2) < 300 * number);
        assert_eq!(answer["number"], number);
        let kept = format!("prepared/page.png[{number}].28x28.png");
        assert!(folder.path().join(kept).exists());
    }
    assert_eq!(answers.len(), 3);
}

#[test]
fn an_answer_below_a_probability_is_unsure_and_still_an_answer() {
    let folder = tempdir().unwrap();
    drawn(3).0.save(folder.path().join("a.png")).unwrap();
    for (line, unsure) in [
        ("--min-probability 1", true),
        ("--min-probability 0", false),
    ] {
        let line = format!("a.png {line}");
        let text = printed_by(&mut predict(folder.path(), &line));
        assert_eq!(text.ends_with(", unsure\n"), unsure, "{text}");
        let json = printed_by(&mut predict(folder.path(), &format!("{line} --json")));
        assert_eq!(answers(&json)[0]["unsure"], unsure);
    }
}

#[test]
fn a_model_of_clothes_gets_pictures_as_its_images_were_and_says_what_they_are_called() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    drawn(3).0.save(path.join("a.png")).unwrap();
    let run = path.join("clothes");
    fs::create_dir(&run).unwrap();
    let own = MODEL.path().join("run");
    fs::copy(own.join("model.safetensors"), run.join("model.safetensors")).unwrap();
    // What a run on Fashion-MNIST leaves.
    let text = fs::read_to_string(own.join("summary.json")).unwrap();
    let mut summary: Value = serde_json::from_str(&text).unwrap();
    let location = r#"{"published": {"set": "fashion_mnist", "folder": null}}"#;
    summary["data"]["location"] = serde_json::from_str(location).unwrap();
    summary["data"]["preparation"] = "article".into();
    let names =
        "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot";
    summary["data"]["classes"] = names.split(", ").collect();
    fs::write(run.join("summary.json"), summary.to_string()).unwrap();

    let predict = |line: &str| {
        let line = format!("predict --device cpu a.png {line}");
        printed_by(&mut mnist_tch(path, &line))
    };
    let of_run = predict("--model clothes --json --out clothes");
    let answer = &answers(&of_run)[0];
    let class = answer["class"].as_str().unwrap();
    let predicted = usize::try_from(answer["predicted"].as_u64().unwrap()).unwrap();
    assert_eq!(names.split(", ").nth(predicted), Some(class));
    let line = predict("--model clothes");
    assert!(line.starts_with(&format!("a.png: {class} ")), "{line}");
    let as_digit = predict("--model clothes --dataset mnist --json --out digits");
    assert_eq!(
        answers(&as_digit)[0]["class"].as_str().map(str::len),
        Some(1)
    );
    let image = |name: &str| image::open(path.join(name).join("a.png.28x28.png")).unwrap();
    let rows = |image: DynamicImage| {
        let image = image.to_luma8();
        image
            .rows()
            .filter(|row| row.clone().any(|pixel| pixel.0[0] > 0))
            .count()
    };
    // It fills the image; a digit is 20 pixels high.
    assert_eq!((rows(image("clothes")), rows(image("digits"))), (28, 20));

    // A file alone does not say what it was trained on.
    fs::copy(run.join("model.safetensors"), path.join("bare.safetensors")).unwrap();
    let bare = predict("--model bare.safetensors --json");
    assert_eq!(answers(&bare)[0]["class"].as_str().map(str::len), Some(1));
    assert_eq!(
        predict("--model bare.safetensors --dataset fashion-mnist --json"),
        of_run
    );
    assert_eq!(predict("--model clothes/model.safetensors --json"), of_run);
}

#[test]
fn files_of_one_name_are_both_kept_and_odd_names_stay_one_line() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    for (index, name) in [(3, "a"), (5, "b")] {
        fs::create_dir(path.join(name)).unwrap();
        drawn(index)
            .0
            .save(path.join(name).join("one.png"))
            .unwrap();
    }
    printed_by(&mut predict(path, "a b --out kept"));
    let kept = ["one.png.28x28.png", "one.png-2.28x28.png"];
    let [one, other] = kept.map(|name| image::open(path.join("kept").join(name)).unwrap());
    assert_ne!(one, other);

    let odd = "a\nb: 7\u{1b}[2J.png";
    drawn(3).0.save(path.join(odd)).unwrap();
    let mut command = predict(path, "");
    let text = printed_by(command.arg(odd));
    assert!(text.starts_with("a\\nb: 7\\u{1b}[2J.png: "), "{text}");
    fs::write(path.join(odd), "hello").unwrap();
    let error = error_line(predict(path, "").arg(odd), 1);
    assert!(
        error.contains("a\\nb: 7\\u{1b}[2J.png: not a picture"),
        "{error}"
    );
}

#[test]
fn answers_and_errors_keep_their_order_on_any_number_of_threads() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    for index in 0..30 {
        drawn(index)
            .0
            .save(path.join(format!("{index:02}.png")))
            .unwrap();
    }
    fs::write(path.join("07.png"), "%PDF-1.7").unwrap();
    let answers = |threads: usize| {
        let output = predict(path, &format!(". --threads {threads}"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
    };
    let one = answers(1);
    assert_eq!(one[0].lines().count(), 29);
    assert!(one[1].contains("07.png: a PDF document"), "{}", one[1]);
    assert_eq!(one, answers(5));
}
