//! Images of one's own: a folder in any of the forms people have, any number of classes, and a look
//! at what is in it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use common::{bars, error_line, fails, gzip, idx, mnist_tch, printed, run_file, start, write_set};
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageFormat};
use mnist_tch::data::{Location, Part, Reading, mnist_10k};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use tempfile::{TempDir, tempdir};
use zip::write::FileOptions;

/// A set of three classes that a network learns in no time.
struct Set(TempDir);

/// Its parts: their names, and how many images they have.
const PARTS: [(&str, u8); 2] = [("train", 150), ("test", 30)];

impl Set {
    /// Written by `write`, which gets each part's name, images and labels.
    fn new(mut write: impl FnMut(&Self, &str, &[u8], &[u8])) -> Self {
        let set = Self(tempdir().unwrap());
        for (part, count) in PARTS {
            let (images, labels) = bars(count.into(), 3, 0);
            write(&set, part, &images, &labels);
        }
        set
    }

    /// IDX files under names made from `form`.
    fn idx(form: &str) -> Self {
        Self::new(|set, part, images, labels| {
            let count = count(labels);
            let images = idx(&[count, 28, 28], images);
            let labels = idx(&[count], labels);
            for (kind, dims, bytes) in [("images", 3, images), ("labels", 1, labels)] {
                let part = part.replace("test", "t10k");
                let name = form.replace("PART", &part).replace("KIND", kind);
                let name = name.replace("DIMS", &format!("idx{dims}"));
                let packed = name.ends_with("gz").then(|| gzip(&bytes));
                set.add(&name, &packed.unwrap_or(bytes));
            }
        })
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// Learns it with more options and gives the weights' bytes.
    fn learn(&self, more: &str) -> Vec<u8> {
        mnist_tch(self.path(), &format!("{LEARN} {more}"))
            .assert()
            .success();
        run_file(&self.0, "model.safetensors")
    }
}

fn count(labels: &[u8]) -> u32 {
    labels.len().try_into().unwrap()
}

/// The bytes of an array as numpy saves it.
fn npy(descr: &str, shape: &str, numbers: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let header = format!("{header:<117}\n");
    [b"\x93NUMPY\x01\0v\0".as_slice(), header.as_bytes(), numbers].concat()
}

/// The bytes of an archive of files.
fn zip(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        archive.start_file(name, FileOptions::default()).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// Rows of a label and its pixels.
fn csv(images: &[u8], labels: &[u8]) -> String {
    let rows = images.chunks_exact(784).zip(labels).map(|(image, label)| {
        let pixels: Vec<String> = image.iter().map(ToString::to_string).collect();
        format!("{label},{}\n", pixels.join(","))
    });
    rows.collect()
}

/// Pictures of `side`x`side`, `place`/CLASS/NUMBER.png, with class folders of these names.
fn pictures(set: &Set, place: &str, names: &[&str], side: u32, images: &[u8], labels: &[u8]) {
    for (number, (image, &label)) in images.chunks_exact(784).zip(labels).enumerate() {
        let image = GrayImage::from_raw(28, 28, image.into()).unwrap();
        let image = imageops::resize(&image, side, side, FilterType::Nearest);
        let mut png = Cursor::new(Vec::new());
        image.write_to(&mut png, ImageFormat::Png).unwrap();
        let name = names[usize::from(label)];
        set.add(&format!("{place}/{name}/{number:03}.png"), png.get_ref());
    }
}

const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

fn transposed(images: &[u8]) -> Vec<u8> {
    let image = |image: &[u8]| (0..784).map(|at| image[at % 28 * 28 + at / 28]).collect();
    images
        .chunks_exact(784)
        .flat_map(|one| -> Vec<u8> { image(one) })
        .collect()
}

/// Options of a run that learns such a set without a fault.
const LEARN: &str =
    "--device cpu --data-dir . --batch-size 10 --epochs 4 --out run --min-accuracy 1";

fn summary(folder: &TempDir) -> Value {
    serde_json::from_slice(&run_file(folder, "summary.json")).unwrap()
}

#[test]
fn every_name_that_idx_files_have_is_read_with_the_same_result() {
    let forms = [
        "PART-KIND-DIMS-ubyte",
        "PART-KIND.DIMS-ubyte.gz",
        "MNIST/raw/PART-KIND-DIMS-ubyte",
        "FashionMNIST/raw/PART-KIND-DIMS-ubyte.gz",
        "QMNIST/raw/qmnist-PART-KIND-DIMS-ubyte.gz",
        "PART-KIND-DIMS-ubyte/PART-KIND.DIMS-ubyte",
        "archive/PART-KIND-DIMS-ubyte/PART-KIND-DIMS-ubyte.gz",
        "PART-KIND-DIMS-ubyte.txt",
    ];
    let models = forms.map(|form| {
        let set = Set::idx(form);
        let model = set.learn("--classes 3");
        let data = &summary(&set.0)["data"];
        let expected = json!({"classes": ["0", "1", "2"], "train_range": "train:0..150",
            "test_range": "test:0..30"});
        for (name, value) in expected.as_object().unwrap() {
            assert_eq!(&data[name], value, "{form}");
        }
        model
    });
    assert!(models.iter().all(|model| *model == models[0]));
}

/// What IDX files hold in other ways, under names that are not quite right.
fn other_idx() -> Vec<(&'static str, Set)> {
    let unpacked = Set::new(|set, part, images, labels| {
        let part = part.to_uppercase();
        let count = count(labels);
        let images = idx(&[count, 28, 28], images);
        set.add(&format!("{part}-IMAGES-IDX3-UBYTE.GZ"), &images);
        let labels = idx(&[count], labels);
        set.add(&format!("{part}-LABELS-IDX1-UBYTE.gz.txt"), &labels);
    });
    let one_hot = Set::new(|set, part, images, labels| {
        let count = count(labels);
        let rows = labels
            .iter()
            .flat_map(|label| [0, 1, 2].map(|class| u8::from(class == *label)));
        let rows: Vec<u8> = rows.collect();
        let images = idx(&[count, 1, 28, 28], images);
        set.add(&format!("{part}-images-idx4-ubyte"), &images);
        let labels = idx(&[count, 3], &rows);
        set.add(&format!("{part}-labels-idx2-ubyte"), &labels);
    });
    let qmnist = Set::new(|set, part, images, labels| {
        let count = count(labels);
        let row = |label: &u8| [u32::from(*label), 4, 2100, 7, 3, 8, 26, 0].map(u32::to_be_bytes);
        let rows: Vec<u8> = labels.iter().flat_map(row).flatten().collect();
        let mut labels = idx(&[count, 8], &rows);
        labels[2] = 0x0c;
        let images = gzip(&idx(&[count, 28, 28], images));
        let place = format!("QMNIST/raw/qmnist-{part}");
        set.add(&format!("{place}-images-idx3-ubyte.gz"), &images);
        set.add(&format!("{place}-labels-idx2-int.gz"), &gzip(&labels));
    });
    let kaggles = Set::new(|set, part, images, labels| {
        // The same files twice, as in the most popular MNIST there.
        write_set(set.path(), part, images, labels);
        for name in [
            format!("{part}-images-idx3-ubyte"),
            format!("{part}-labels-idx1-ubyte"),
        ] {
            let bytes = fs::read(set.path().join(&name)).unwrap();
            let dotted = name.replace("-idx", ".idx");
            fs::rename(set.path().join(&name), set.path().join(dotted)).unwrap();
            set.add(&format!("{name}/{name}"), &bytes);
        }
    });
    let emnist = Set::new(|set, part, images, labels| {
        let prefix = format!("emnist-digits-{part}");
        write_set(set.path(), &prefix, &transposed(images), labels);
    });
    vec![
        ("--classes 3", unpacked),
        ("--classes 3", one_hot),
        ("--classes 3", qmnist),
        ("--classes 3", kaggles),
        ("--classes 3", emnist),
    ]
}

/// Other forms than IDX.
fn other_forms() -> Vec<(&'static str, Set)> {
    let mut arrays = Vec::new();
    Set::new(|_, part, images, labels| {
        let count = count(labels);
        let rows = npy("|u1", &format!("{count}, 28, 28"), images);
        arrays.push((format!("x_{part}.npy"), rows));
        let labels: Vec<u8> = labels
            .iter()
            .flat_map(|&y| i64::from(y).to_le_bytes())
            .collect();
        arrays.push((
            format!("y_{part}.npy"),
            npy("<i8", &format!("{count},"), &labels),
        ));
    });
    let keras = Set(tempdir().unwrap());
    keras.add("mnist.npz", &zip(&arrays));
    let kmnist = Set::new(|set, part, images, labels| {
        let count = count(labels);
        // Shares of full ink, a number of four bytes each, in rows of 784.
        let shares = images
            .iter()
            .flat_map(|&pixel| (f32::from(pixel) / 255.0).to_be_bytes());
        let images = npy(">f4", &format!("{count}, 784"), &shares.collect::<Vec<_>>());
        let labels = npy("|u1", &format!("{count},"), labels);
        for (kind, bytes) in [("imgs", images), ("labels", labels)] {
            let array = [("arr_0.npy".to_owned(), bytes)];
            set.add(&format!("kmnist-{part}-{kind}.npz"), &zip(&array));
        }
    });
    let kaggle = Set::new(|set, part, images, labels| {
        let pixels: Vec<String> = (0..784).map(|pixel| format!("pixel{pixel}")).collect();
        let rows = csv(images, labels);
        let header = pixels.join(",");
        let rows = format!("label,{header}\n{rows}");
        set.add(&format!("{part}.csv"), rows.as_bytes());
        set.add("sample_submission.csv", b"ImageId,Label\n1,0\n");
    });
    let plain = Set::new(|set, part, images, labels| {
        let rows = csv(images, labels);
        set.add(&format!("data/mnist_{part}.csv"), rows.as_bytes());
    });
    let train_and_test = Set::new(|set, part, images, labels| {
        pictures(set, part, &DIGITS, 28, images, labels);
        set.add("train/0/Thumbs.db", b"");
    });
    let on_paper = Set::new(|set, part, images, labels| {
        let inverted: Vec<u8> = images.iter().map(|pixel| 255 - pixel).collect();
        let place = format!("mnist_png/{part}ing");
        pictures(set, &place, &DIGITS, 28, &inverted, labels);
    });
    vec![
        ("--classes 3", keras),
        ("--classes 3", kmnist),
        ("--classes 3", kaggle),
        ("--classes 3", plain),
        ("", train_and_test),
        ("", on_paper),
    ]
}

#[test]
fn equal_images_give_equal_weights_in_every_form_and_are_found_again_from_anywhere() {
    let model = Set::idx("PART-KIND-DIMS-ubyte").learn("--classes 3");
    let elsewhere = tempdir().unwrap();
    for (options, set) in other_idx().into_iter().chain(other_forms()) {
        assert!(
            set.learn(options) == model,
            "{:?}",
            fs::read_dir(set.path()).unwrap()
        );
        // Another set beside it changes nothing.
        set.add("other-train-images-idx3-ubyte", b"");
        let run = set.path().join("run");
        let text = printed(
            elsewhere.path(),
            &format!("evaluate --model {}", run.display()),
        );
        assert!(
            text.starts_with("accuracy 1 on 30 test images of "),
            "{text}"
        );
    }
}

type Change = fn(&[u8]) -> Vec<u8>;

#[test]
fn odd_images_are_told_with_the_option_that_mends_them() {
    let model = Set::idx("PART-KIND-DIMS-ubyte").learn("--classes 3");
    let odd: [(&str, Change, &str); 3] = [
        ("--transpose", transposed, ""),
        (
            "--invert",
            |images| images.iter().map(|pixel| 255 - pixel).collect(),
            "warning: the images are dark on light, where ink is high: --invert mends it\n",
        ),
        (
            "--stretch",
            |images| images.iter().map(|pixel| pixel / 255).collect(),
            "warning: no pixel exceeds 1, where full ink is 255: --stretch makes it so\n",
        ),
    ];
    for (option, change, warning) in odd {
        let set = Set::new(|set, part, images, labels| {
            write_set(set.path(), part, &change(images), labels);
        });
        let shown = mnist_tch(set.path(), "show --data-dir . --force")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(shown.stderr).unwrap(), warning);
        assert!(
            set.learn(&format!("--classes 3 {option}")) == model,
            "{option}"
        );
        let text = printed(set.path(), "evaluate --model run");
        assert!(text.starts_with("accuracy 1 "), "{text}");
    }
}

#[test]
fn emnist_is_shown_upright_and_told_so() {
    let upright = Set::idx("PART-KIND-DIMS-ubyte");
    let show = "show --data-dir . --range ..3 --classes 3";
    let picture = |set: &Set, more: &str| {
        let line = format!("{show} --force {more}");
        let output = mnist_tch(set.path(), &line).output().unwrap();
        let note = String::from_utf8(output.stderr).unwrap();
        (
            fs::read(set.path().join("contact_sheet.png")).unwrap(),
            note,
        )
    };
    let emnist = Set::new(|set, part, images, labels| {
        let prefix = format!("emnist-digits-{part}");
        write_set(set.path(), &prefix, &transposed(images), labels);
    });
    let expected = "note: emnist-digits lies on its side and is turned upright; --transpose turns \
                    it back\n";
    assert_eq!(
        picture(&emnist, ""),
        (picture(&upright, "").0, expected.to_owned())
    );
    assert!(picture(&emnist, "--transpose").0 == picture(&upright, "--transpose").0);
}

#[test]
fn class_folders_have_names_and_one_tree_is_split_by_ranges() {
    let animals = ["ant", "bee", "cat"];
    let set = Set::new(|set, part, images, labels| {
        pictures(set, part, &animals, 28, images, labels);
    });
    let line = LEARN.replace("--data-dir .", "--data-dir train");
    let parts = ["train is all there is, the training file", "--test-range"];
    fails(set.path(), &line, &parts);
    let line = format!("{line} --train-range 0..120 --test-range train:120..150");
    let text = printed(set.path(), &line);
    assert!(text.contains("  2  0  0 10  cat\n"), "{text}");
    let data = &summary(&set.0)["data"];
    assert_eq!(data["classes"], json!(animals));
    assert_eq!(data["pictures"], json!({"as_they_are": 150, "prepared": 0}));

    // Folders of some of the classes are found by their names, which others have not.
    fs::rename(set.path().join("test"), set.path().join("some")).unwrap();
    fs::remove_dir_all(set.path().join("some/ant")).unwrap();
    let evaluate = "evaluate --model run --data-dir some --test-range train:..";
    let text = printed(set.path(), evaluate);
    assert!(
        text.starts_with("accuracy 1 on 20 test images of some\n"),
        "{text}"
    );
    fs::rename(set.path().join("some/bee"), set.path().join("some/wasp")).unwrap();
    let known = "the class folder wasp is none of those the model knows: ant, bee, cat";
    fails(set.path(), evaluate, &[known]);
}

#[test]
fn pictures_of_other_sizes_are_prepared_as_by_predict_and_so_told() {
    let digits = mnist_10k().unwrap().train.slice(0..60).unwrap();
    let set = Set(tempdir().unwrap());
    pictures(&set, "scans", &DIGITS, 84, digits.pixels(), digits.labels());
    let line = "--device cpu --data-dir . --train-range ..50 --test-range train:50.. --epochs 1 \
                --batch-size 10 --out run";
    let output = mnist_tch(set.path(), line).output().unwrap();
    let note = String::from_utf8(output.stderr).unwrap();
    let expected = "scans: 0 pictures taken as they are, 60 prepared as by predict, 0 other";
    assert!(note.contains(expected), "{note}");
    let expected = json!({"as_they_are": 0, "prepared": 60});
    assert_eq!(summary(&set.0)["data"]["pictures"], expected);
}

#[test]
fn runs_on_pictures_go_on_and_are_reproduced() {
    let set = Set::new(|set, part, images, labels| {
        pictures(set, part, &DIGITS, 28, images, labels);
    });
    let line = LEARN.replace("--epochs 4", "--epochs 60");
    let log = set.path().join("run/checkpoint.jsonl");
    let mut child = start(set.path(), &format!("{line} --checkpoint-every 1"), || {
        log.exists()
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !set.path().join("run/summary.json").exists(),
        "it was too late"
    );
    printed(set.path(), "--resume run");
    let model = run_file(&set.0, "model.safetensors");
    printed(set.path(), &format!("{line} --force"));
    assert!(run_file(&set.0, "model.safetensors") == model);
    let line = line.split(" --out").next().unwrap();
    let line = format!("reproduce {line} --compare run/accuracy.csv --seeds 0..2 --out seeds");
    let text = printed(set.path(), &line);
    assert!(text.contains("against 2 runs"), "{text}");
}

#[test]
fn what_is_no_set_is_told_in_one_line_with_what_to_do() {
    let names = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"];
    let lfs = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 9912422\n";
    let array = |name: &str, bytes| (format!("{name}.npy"), bytes);
    let objects = zip(&[
        array("x_train", npy("|O", "2,", b"pickled")),
        array("y_train", npy("|u1", "2,", &[0, 1])),
    ]);
    let colour = zip(&[
        array("x_train", npy("|u1", "1, 28, 28, 3", &[0; 3 * 784])),
        array("y_train", npy("|u1", "1,", &[0])),
    ]);
    let unlabelled = ["0"; 784].join(",");
    let short = format!("0,{unlabelled}\n1,2\n");
    for (files, parts) in [
        (
            vec![(names[0], lfs.as_slice()), (names[1], lfs)],
            [names[0], "git lfs pull"],
        ),
        (
            vec![("mnist.npz", lfs)],
            ["mnist.npz: a Git LFS pointer", "git lfs pull"],
        ),
        (
            vec![("a/archive.zip", b"PK")],
            ["looked for", "archive.zip is none of these: unpack"],
        ),
        (
            vec![("mnist.npz", b"PK and no more")],
            ["mnist.npz: ", "not an .npz file"],
        ),
        (
            vec![("mnist.npz", &objects)],
            ["mnist.npz: array x_train.npy: ", "astype"],
        ),
        (
            vec![("mnist.npz", &colour)],
            ["1 x 28 x 28 x 3 numbers", "in colour"],
        ),
        (
            vec![("train.csv", unlabelled.as_bytes())],
            ["train.csv: ", "so no label"],
        ),
        (
            vec![("train.csv", short.as_bytes())],
            ["train.csv: row 2: 2 columns", "784 pixels"],
        ),
        (
            vec![("train/0/a.png", b"PNG"), ("train/1/b.png", b"")],
            ["0/a.png: ", "PNG"],
        ),
        (
            vec![("train/0/a.png", b"")],
            ["looked for", "pictures in a folder for each class"],
        ),
        (
            vec![
                ("b-train-images-idx3-ubyte", b""),
                ("c-train-images-idx3-ubyte", b""),
            ],
            ["more than one data set: b, c", "--split NAME"],
        ),
    ] {
        let set = Set(tempdir().unwrap());
        for (name, bytes) in files {
            set.add(name, bytes);
        }
        fails(set.path(), "show --data-dir .", &parts);
    }
}

#[test]
fn damaged_archives_and_tables_are_refused_or_valid_and_never_a_panic() {
    let (images, labels) = bars(3, 3, 0);
    let rows = csv(&images, &labels);
    let arrays = [
        ("x_train.npy".to_owned(), npy("|u1", "3, 28, 28", &images)),
        ("y_train.npy".to_owned(), npy("|u1", "3,", &labels)),
    ];
    let mut generator = ChaCha8Rng::seed_from_u64(0);
    for (name, good) in [
        ("mnist.npz", zip(&arrays)),
        ("train.csv", rows.into_bytes()),
    ] {
        let folder = tempdir().unwrap();
        let path = folder.path().join(name);
        let location = Location::Folder(path.clone());
        let mut valid = 0;
        for case in 0..600 {
            let mut bytes = good.clone();
            for _ in 0..case % 4 {
                let at = generator.random_range(0..bytes.len());
                match generator.random_range(0..4) {
                    0 => bytes.truncate(at.max(1)),
                    1 => drop(bytes.drain(at..(at + 9).min(bytes.len() - 1).max(at))),
                    // Headers are at either end, or before an array.
                    2 => *bytes.iter_mut().rev().nth(at % 300).unwrap_or(&mut 0) ^= 1 << (at % 8),
                    _ => bytes[at % 300] ^= 1 << (at % 8),
                }
                bytes.resize(bytes.len().max(300), 0);
            }
            fs::write(&path, bytes).unwrap();
            match location.read(Part::Train, &Reading::default()) {
                Ok(set) => {
                    valid += 1;
                    assert_eq!(set.images.pixels().len(), 784 * set.images.len());
                    assert!(set.images.labels().iter().all(|&label| label < 10));
                }
                Err(error) => {
                    let text = format!("{error:#}");
                    assert!(text.contains(name) && !text.contains('\n'), "{text}");
                }
            }
        }
        assert!((150..600).contains(&valid), "{valid}");
    }
}

#[test]
fn three_classes_need_no_option_but_have_a_matrix_of_ten_without_it() {
    let set = Set::idx("PART-KIND-DIMS-ubyte");
    set.learn("");
    let rows = |text: Vec<u8>| String::from_utf8(text).unwrap().lines().count();
    assert_eq!(rows(run_file(&set.0, "confusion.csv")), 11);
    set.learn("--force --classes 3");
    assert_eq!(rows(run_file(&set.0, "confusion.csv")), 4);
}

#[test]
fn a_run_knows_its_folder_from_anywhere_even_one_that_is_called_like_a_published_set() {
    let Set(folder) = Set::idx("mnist/PART-KIND-DIMS-ubyte");
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
    let error = error_line(
        &mut mnist_tch(folder.path(), &format!("{line} --classes 10")),
        1,
    );
    let expected = "label 10 at position 9 where labels go from 0 to 9; --classes 27 takes all";
    assert!(error.contains(expected), "{error}");
    let line = format!("{line} --min-accuracy 0.9");
    let text = printed(folder.path(), &line);
    let table = "class  images  correct\n    0       0        0  -\n    1       2        2  A\n";
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
