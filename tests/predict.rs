//! `predict`: people's own pictures, drawn here from digits of MNIST, enlarged and changed as
//! pictures are; and files of images without labels.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::Cursor;
use std::path::Path;
use std::process::Stdio;
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::Duration;

use common::{error_line, gzip, idx, mnist_tch, printed, printed_by};
use image::imageops::FilterType;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, LumaA, imageops};
use mnist_tch::data::mnist_10k;
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// A model that knows most digits, trained once for all tests.
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

/// Adds an EXIF orientation to a JPEG file, as the segment after its first two bytes.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
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
        // Rotated, with an orientation, as phones store pictures.
        let on_its_side = image.rotate270();
        let mut jpeg = Cursor::new(Vec::new());
        on_its_side.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
        let jpeg = with_orientation(&jpeg.into_inner(), 6);
        fs::write(folder.path().join("m.jpg"), jpeg).unwrap();
        let answers = answers(&printed_by(&mut predict(folder.path(), "--json .")));
        let digits: Vec<_> = answers.iter().map(|answer| &answer["predicted"]).collect();
        assert_eq!(digits, [digits[0]; 13], "image {index}");
        right += usize::from(*digits[0] == label);
    }
    assert!(right >= 8, "{right} of 10");
}

#[test]
fn a_line_and_json_have_the_digit_its_probability_and_the_runner_up() {
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
fn folders_stdin_and_unreadable_files_are_answered_in_their_order() {
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
        "note: some: files ignored, no known picture extension: 1\n",
        "error: b.png: not a picture (PNG, JPEG,",
        "error: missing.png: cannot read the file",
        "error: empty: no picture in this folder",
        "error: blank.png: nothing is drawn",
        "error: 4 of 8 files have no answer\n",
    ] {
        assert!(stderr.contains(part), "{part}: {stderr}");
    }
    let error = error_line(predict(path, "-").write_stdin(""), 1);
    assert!(error.contains("the file is empty"), "{error}");
}

#[test]
fn prepared_pictures_are_kept_and_replace_others_only_with_force() {
    let folder = tempdir().unwrap();
    drawn(5).0.save(folder.path().join("a.png")).unwrap();
    let line = "a.png --out prepared";
    printed_by(&mut predict(folder.path(), line));
    let kept = folder.path().join("prepared/a.png.28x28.png");
    let prepared = image::open(&kept).unwrap();
    assert_eq!((prepared.width(), prepared.height()), (28, 28));
    // The same picture needs no --force.
    printed_by(&mut predict(folder.path(), line));
    fs::write(&kept, "mine").unwrap();
    let error = error_line(&mut predict(folder.path(), line), 1);
    assert!(error.contains("a.png.28x28.png") && error.contains("--force"));
    assert_eq!(fs::read(&kept).unwrap(), b"mine");
    printed_by(&mut predict(folder.path(), &format!("{line} --force")));
    assert_eq!(image::open(&kept).unwrap(), prepared);
}

#[test]
fn several_digits_in_a_picture_are_read_one_by_one_each_in_its_box() {
    let folder = tempdir().unwrap();
    let mut page = GrayImage::from_pixel(900, 300, Luma([255]));
    for (place, index) in [(0, 3), (1, 5), (2, 0)] {
        imageops::replace(&mut page, &drawn(index).0.to_luma8(), 10 + 300 * place, 10);
    }
    page.save(folder.path().join("page.png")).unwrap();
    let text = printed_by(&mut predict(folder.path(), "page.png --out prepared"));
    let json = printed_by(&mut predict(folder.path(), "--json page.png"));
    let answers = answers(&json);
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.starts_with("page"))
        .collect();
    assert_eq!((lines.len(), answers.len()), (3, 3));
    for ((line, answer), number) in lines.into_iter().zip(&answers).zip(1..) {
        let begin = format!("page.png[{number}]: {} ", answer["predicted"]);
        assert!(line.starts_with(&begin), "{line}");
        let place = |side: usize| answer["box"][side].as_u64().unwrap();
        assert!(place(0) > 300 * (number - 1) && place(0) + place(2) < 300 * number);
        assert_eq!(answer["number"], number);
        let kept = format!("prepared/page.png[{number}].28x28.png");
        assert!(folder.path().join(kept).exists());
    }
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
fn a_model_of_clothes_gets_pictures_like_its_images_and_answers_with_their_names() {
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
    assert!(text.starts_with("a b: 7 [2J.png: "), "{text}");
    assert_eq!(text.lines().count(), 1);
    fs::write(path.join(odd), "hello").unwrap();
    let error = error_line(predict(path, "").arg(odd), 1);
    assert!(error.contains("a b: 7 [2J.png: not a picture"), "{error}");
}

#[test]
fn an_answer_that_is_not_a_number_is_unsure() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    drawn(3).0.save(path.join("a.png")).unwrap();
    // Huge but finite weights, whose products overflow.
    let bytes = fs::read(MODEL.path().join("run/model.safetensors")).unwrap();
    let start = 8 + usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let sign = |four: &[u8]| f32::from_le_bytes(four.try_into().unwrap()).signum();
    let huge = bytes[start..]
        .chunks(4)
        .flat_map(|four| (1e38 * sign(four)).to_le_bytes());
    let bytes: Vec<u8> = bytes[..start].iter().copied().chain(huge).collect();
    fs::write(path.join("huge.safetensors"), bytes).unwrap();
    let line = "predict --device cpu --model huge.safetensors a.png";
    let mut command = mnist_tch(path, line);
    let text = printed_by(command.args(["--min-probability", "0"]));
    assert!(
        text.contains("NaN") && text.ends_with(", unsure\n"),
        "{text}"
    );
    let answer = &answers(&printed_by(&mut mnist_tch(path, &format!("{line} --json"))))[0];
    assert_eq!(answer["unsure"], true);
    assert_eq!(answer["probability"], Value::Null);
}

#[test]
fn prepare_overrides_what_the_model_was_trained_on() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let three = drawn(3).0.to_luma8();
    let mut page = GrayImage::from_pixel(560, 280, Luma([255]));
    imageops::replace(&mut page, &three, 0, 0);
    imageops::replace(&mut page, &three, 280, 0);
    page.save(path.join("page.png")).unwrap();
    let boxes = |line: &str| {
        let text = printed_by(&mut predict(path, &format!("page.png --json {line}")));
        let boxes = answers(&text)
            .into_iter()
            .map(|answer| answer["box"].clone());
        boxes.collect::<Vec<_>>()
    };
    assert_eq!(boxes("--prepare digits").len(), 2);
    assert_eq!(boxes("--prepare digits"), boxes(""));
    assert_eq!(
        boxes("--prepare plain --out plain"),
        [serde_json::json!([0, 0, 560, 280])]
    );
    let kept = image::open(path.join("plain/page.png.28x28.png")).unwrap();
    // Still dark on white.
    assert!(
        kept.to_luma8()
            .pixels()
            .filter(|pixel| pixel.0[0] > 200)
            .count()
            > 400
    );

    // A run on plainly prepared pictures says so in its summary.
    let run = path.join("run");
    fs::create_dir(&run).unwrap();
    let own = MODEL.path().join("run");
    fs::copy(own.join("model.safetensors"), run.join("model.safetensors")).unwrap();
    let text = fs::read_to_string(own.join("summary.json")).unwrap();
    assert!(text.contains("\"preparation\": \"digits\""), "{text}");
    let text = text.replace("\"preparation\": \"digits\"", "\"preparation\": \"plain\"");
    fs::write(run.join("summary.json"), text).unwrap();
    let line = "predict --device cpu --model run page.png --json";
    let count = |line: &str| printed_by(&mut mnist_tch(path, line)).lines().count();
    assert_eq!(count(line), 1);
    assert_eq!(count(&format!("{line} --prepare digits")), 2);
}

#[test]
fn a_file_of_images_without_labels_is_answered_row_by_row_and_as_csv() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    let dataset = mnist_10k().unwrap().test;
    let images = idx(&[200, 28, 28], &dataset.pixels()[..200 * 784]);
    fs::write(path.join("images-idx3-ubyte"), &images).unwrap();
    fs::write(path.join("images.gz"), gzip(&images)).unwrap();
    let rows = answers(&printed_by(&mut predict(path, "images-idx3-ubyte --json")));
    let predicted: Vec<u64> = rows
        .iter()
        .map(|row| row["predicted"].as_u64().unwrap())
        .collect();
    let right = predicted
        .iter()
        .zip(dataset.labels())
        .filter(|(one, label)| **one == u64::from(**label));
    assert!(rows.len() == 200 && right.count() > 150);
    assert_eq!(
        (&rows[6]["number"], &rows[6]["box"]),
        (&7.into(), &Value::Null)
    );
    let text = printed_by(&mut predict(path, "images-idx3-ubyte"));
    let seventh = text.lines().nth(6).unwrap();
    assert!(
        seventh.starts_with(&format!("images-idx3-ubyte[7]: {} ", predicted[6])),
        "{seventh}"
    );

    let line = "images.gz --csv answers.csv";
    let text = printed_by(&mut predict(path, line));
    assert!(
        text.starts_with("answers.csv: 200 answers, ") && text.lines().count() == 1,
        "{text}"
    );
    let expected = (1..)
        .zip(&predicted)
        .map(|(id, label)| format!("{id},{label}\n"));
    let expected = "ImageId,Label\n".to_owned() + &expected.collect::<String>();
    assert_eq!(
        fs::read_to_string(path.join("answers.csv")).unwrap(),
        expected
    );
    let error = error_line(&mut predict(path, line), 1);
    assert!(error.contains("answers.csv already exists"), "{error}");
    let error = error_line(
        &mut predict(path, "images.gz images-idx3-ubyte --csv two.csv"),
        1,
    );
    assert!(error.contains("name one file of images"), "{error}");

    // As on Kaggle, but with an id column.
    let header: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
    let row = |(id, pixels): (&str, &[u8])| {
        let cells: Vec<String> = pixels.iter().map(ToString::to_string).collect();
        format!("{id},{}\n", cells.join(","))
    };
    let rows = ["77", "99"].into_iter().zip(dataset.pixels().chunks(784));
    let text = format!(
        "id,{}\n{}",
        header.join(","),
        rows.map(row).collect::<String>()
    );
    fs::write(path.join("test.csv"), text).unwrap();
    printed_by(&mut predict(path, "test.csv --csv ids.csv"));
    let expected = format!("id,Label\n77,{}\n99,{}\n", predicted[0], predicted[1]);
    assert_eq!(fs::read_to_string(path.join("ids.csv")).unwrap(), expected);

    // For pictures, names and classes.
    let (three, label) = drawn(3);
    three.save(path.join("a.png")).unwrap();
    three.save(path.join("b,c.png")).unwrap();
    printed_by(&mut predict(
        path,
        "a.png b,c.png --csv answers.csv --force",
    ));
    let text = fs::read_to_string(path.join("answers.csv")).unwrap();
    assert_eq!(
        text,
        format!("file,Label\na.png,{label}\n\"b,c.png\",{label}\n")
    );

    // Errors name the file.
    for (bytes, part) in [
        (
            idx(&[200], &dataset.labels()[..200]),
            "labels.idx: 200 numbers",
        ),
        (
            idx(&[1, 32, 32], &[0; 1_024]),
            "labels.idx: images are 32x32",
        ),
        (idx(&[0, 28, 28], &[]), "labels.idx: no image in this file"),
    ] {
        fs::write(path.join("labels.idx"), bytes).unwrap();
        let error = error_line(&mut predict(path, "labels.idx"), 1);
        assert!(error.contains(part), "{error}");
    }
}

/// The peak resident memory of the program in MB, as Linux reports it while the program runs.
#[cfg(target_os = "linux")]
fn peak_memory(folder: &Path, line: &str) -> u64 {
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin("mnist-tch"))
        .current_dir(folder)
        .args(line.split_whitespace())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut peak = 0;
    while child.try_wait().unwrap().is_none() {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
        let status = status.unwrap_or_default();
        let mut words = status
            .split_whitespace()
            .skip_while(|&word| word != "VmHWM:");
        let kilobytes = words.nth(1).and_then(|word| word.parse::<u64>().ok());
        peak = peak.max(kilobytes.unwrap_or(0) / 1_000);
        sleep(Duration::from_millis(5));
    }
    assert!(child.wait().unwrap().success());
    peak
}

#[test]
#[cfg(target_os = "linux")]
fn many_threads_take_little_more_memory_than_one() {
    let folder = tempdir().unwrap();
    let path = folder.path();
    // 45 MB as a file and as much again when decoded.
    let large = drawn(3).0.resize_exact(4_000, 3_750, FilterType::Nearest);
    large.to_rgb8().save(path.join("00.bmp")).unwrap();
    for number in 1..16 {
        let copy = path.join(format!("{number:02}.bmp"));
        fs::hard_link(path.join("00.bmp"), copy).unwrap();
    }
    let model = MODEL.path().join("run");
    let line = format!("predict --device cpu --model {}", model.display());
    let one = peak_memory(path, &format!("{line} 00.bmp --threads 1"));
    let many = peak_memory(path, &format!("{line} . --threads 16"));
    // 15 more pictures at the same time would take 1,350 MB more.
    assert!(one > 150 && many < one + 550, "{one} MB, {many} MB");
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
