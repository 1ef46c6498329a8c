//! Images of one's own: a folder in any of the forms people have, any number of classes, and a look
//! at what is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;
#[path = "common/forms.rs"]
mod forms;

use std::fs;
use std::io::Cursor;
use std::path::Path;

use common::{bars, fails, gzip, idx, mnist_tch, printed, run_file, start, write_set};
use forms::{csv, npy, npz};
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat};
use mnist_tch::data::{Location, Part, ReadOptions, mnist_10k};
use mnist_tch::formats;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};

type Change = fn(&[u8]) -> Vec<u8>;

/// A set of three classes that a network learns in no time.
struct Set(TempDir);

impl Set {
    /// Written by `write`, which gets each part's name, images and labels.
    fn new(mut write: impl FnMut(&Self, &str, &[u8], &[u8])) -> Self {
        let set = Self(tempdir().unwrap());
        for (part, count) in [("train", 150), ("test", 30)] {
            let (images, labels) = bars(count, 3, 0);
            write(&set, part, &images, &labels);
        }
        set
    }

    /// IDX files with names made of `forms`, images of these sizes, and labels kept like that.
    fn idx(forms: &str, sizes: &[u32], labels: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        Self::new(|set, part, images, classes| {
            let images = idx(&[&[count(classes)], sizes].concat(), images);
            for form in forms.split(' ') {
                let form = form.replace("PART", &part.replace("test", "t10k"));
                let name = |kind, dims| form.replace("KIND", kind).replace("DIMS", dims);
                set.add(&name("images", "idx3"), &images);
                set.add(&name("labels", "idx1"), &labels(classes));
            }
        })
    }

    /// With MNIST's own names after a prefix, and every image changed.
    fn changed(prefix: &str, change: Change) -> Self {
        Self::new(|set, part, images, labels| {
            let prefix = format!("{prefix}{part}");
            write_set(set.path(), &prefix, &change(images), labels);
        })
    }

    /// Adds a file, as gzip where its name says so.
    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let packed = name.ends_with("gz").then(|| gzip(bytes));
        fs::write(path, packed.as_deref().unwrap_or(bytes)).unwrap();
    }

    /// Adds pictures of `side`x`side`, `place`/CLASS/NUMBER.png, with class folders of these names.
    fn add_pictures(&self, place: &str, names: &[&str], side: u32, images: &[u8], labels: &[u8]) {
        for (number, (image, &label)) in images.chunks_exact(784).zip(labels).enumerate() {
            let image = GrayImage::from_raw(28, 28, image.into()).unwrap();
            let image = imageops::resize(&image, side, side, FilterType::Nearest);
            let mut png = Cursor::new(Vec::new());
            image.write_to(&mut png, ImageFormat::Png).unwrap();
            let name = names[usize::from(label)];
            self.add(&format!("{place}/{name}/{number:03}.png"), png.get_ref());
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

fn inverted(images: &[u8]) -> Vec<u8> {
    images.iter().map(|pixel| 255 - pixel).collect()
}

fn faint(images: &[u8]) -> Vec<u8> {
    images.iter().map(|pixel| pixel / 255).collect()
}

fn transposed(images: &[u8]) -> Vec<u8> {
    let turned = |at: usize| at / 784 * 784 + at % 28 * 28 + at / 28 % 28;
    (0..images.len()).map(|at| images[turned(at)]).collect()
}

fn count(labels: &[u8]) -> u32 {
    labels.len().try_into().unwrap()
}

/// IDX bytes of labels as MNIST has them.
fn plain(labels: &[u8]) -> Vec<u8> {
    idx(&[count(labels)], labels)
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
        let there = format!("not the name of one data set; there are: ., {all}");
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
    let dark = "warning: the images are dark on light, where ink is high: --invert mends it\n";
    let faint_ones = "warning: no pixel exceeds 1, where full ink is 255: --stretch makes it so\n";
    let aside = "note: emnist-digits lies on its side and is turned upright; --transpose turns it \
                 back\n";
    for (prefix, change, option, expected) in [
        ("", transposed as Change, "--transpose", ""),
        ("", inverted, "--invert", dark),
        ("", faint, "--stretch", faint_ones),
        ("emnist-digits-", transposed, "", aside),
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
    let parts = ["train is all there is, the training file", "--test-range"];
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
    let known = "the class folder wasp is none of those the model knows: ant, bee, cat";
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
    let expected = "scans: 0 pictures taken as they are, 60 prepared as by predict, 0 other";
    assert!(read.notes[0].contains(expected), "{:?}", read.notes);
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
                --compare run/accuracy.csv --seeds 0..2 --out seeds";
    let text = printed(set.path(), line);
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
    let expected = "label 10 at position 9 where labels go from 0 to 9; --classes 27 takes all";
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
    let colour = pair(npy("|u1", "2, 28, 28, 3", &[0; 6 * 784]));
    let unlabelled = ["0"; 784].join(",");
    let short = format!("0,{unlabelled}\n1,2\n");
    let images = "train-images-idx3-ubyte";
    for (name, bytes, parts) in [
        (images, &lfs[..], [": a Git LFS pointer", "git lfs pull"]),
        ("mnist.npz", lfs, [": a Git LFS pointer", "git lfs pull"]),
        (
            "a/archive.zip",
            b"PK",
            ["looked for", " is none of these: unpack"],
        ),
        ("mnist.npz", b"PK and no more", [": ", "not an .npz file"]),
        ("mnist.npz", &objects, [": array x_train.npy: ", "astype"]),
        (
            "mnist.npz",
            &colour,
            ["2 x 28 x 28 x 3 numbers", "in colour"],
        ),
        ("train.csv", unlabelled.as_bytes(), [": ", "so no label"]),
        (
            "train.csv",
            short.as_bytes(),
            [": row 2: 2 columns", "784 pixels"],
        ),
        ("train/0/a.png", b"PNG", [": ", "PNG"]),
        (
            "train/1/a.png",
            b"",
            ["looked for", "pictures in a folder for each class"],
        ),
    ] {
        let set = Set(tempdir().unwrap());
        set.add(name, bytes);
        if name == images {
            set.add("train-labels-idx1-ubyte", lfs);
        }
        // With another class folder it is a set.
        set.add("train/1/b.png", b"");
        let parts = [&[name], &parts[..]].concat();
        fails(set.path(), "show --data-dir .", &parts);
    }
    // Nearly the names of IDX files.
    let names = "train-images train-idx3-ubyte train-images-idx3-ubyte.zip train-images-idxs-ubyte";
    for name in names.split(' ') {
        let set = Set(tempdir().unwrap());
        set.add(name, b"");
        let part = format!("{name} is none of these");
        fails(set.path(), "show --data-dir .", &["looked for", &part]);
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
