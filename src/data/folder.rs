//! A folder with the IDX files of an MNIST-like set, raw or gzip, under the names that people have
//! them under. It owns file names, compression and which file an error is about; what the bytes
//! must be is [`super::idx`]'s to say.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;

use super::{Dataset, Part, idx};

/// Where files may be, seen from the folder that is named: in it, or where torchvision puts them.
const PLACES: [&str; 5] = ["", "raw", "MNIST/raw", "FashionMNIST/raw", "KMNIST/raw"];

/// Reads the images and labels of `part`; an error names the file.
pub(crate) fn read(folder: &Path, part: Part, classes: usize) -> Result<Dataset> {
    let files = files_of_the_set(folder)?;
    let images_path = find(&files, part, "images")?;
    let labels_path = find(&files, part, "labels")?;
    let ([_, rows, columns], pixels) = read_file(images_path)?;
    let ([_], labels) = read_file(labels_path)?;
    let dataset = Dataset::new([rows, columns], pixels, labels)
        .with_context(|| format!("{} and {}", images_path.display(), labels_path.display()))?;
    let checked = dataset.check_labels(classes);
    checked.with_context(|| labels_path.display().to_string())?;
    Ok(dataset)
}

/// The files in and below `folder` that by their names are a set's. Sets differ by their place and
/// by what the names begin with, such as `MNIST/raw/` or `./emnist-letters-`; there must be one.
fn files_of_the_set(folder: &Path) -> Result<Vec<PathBuf>> {
    let shown = folder.display();
    let hint = "--data-dir takes the folder that holds the IDX files";
    ensure!(!folder.is_file(), "{shown} is a file; {hint}");
    ensure!(folder.is_dir(), "{shown}: no such folder; {hint}");
    let mut sets: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for place in PLACES {
        let inner = folder.join(place);
        let context = || format!("cannot read the folder {}", inner.display());
        if !inner.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&inner).with_context(context)? {
            let path = entry.with_context(context)?.path();
            if let Some((set, _, _)) = parse(&path)
                && path.is_file()
            {
                let place = if place.is_empty() { "." } else { place };
                sets.entry(format!("{place}/{set}")).or_default().push(path);
            }
        }
    }
    let sought = roles().map(|(part, kind)| names(part, kind).remove(0));
    ensure!(
        !sets.is_empty(),
        "{shown}: no IDX files there; looked for {} (.idx for -idx and .gz at the end will do), \
         there and in {}",
        sought.collect::<Vec<_>>().join(", "),
        PLACES[1..].join(", ")
    );
    ensure!(
        sets.len() == 1,
        "{shown} holds more than one data set: {}; have --data-dir name a folder with one of them",
        sets.into_keys().collect::<Vec<_>>().join(", ")
    );
    let mut files: Vec<PathBuf> = sets.into_values().flatten().collect();
    // The order in which a folder lists its files is no order to rely on.
    files.sort();
    Ok(files)
}

/// The one file of this part and kind; where a raw file and its gzip are there, as torchvision
/// leaves them, the raw one.
fn find<'a>(files: &'a [PathBuf], part: Part, kind: &str) -> Result<&'a Path> {
    let is_gz = |path: &Path| path.extension().is_some_and(|extension| extension == "gz");
    let wanted = files.iter().filter(|path| {
        let is_packed_twin = is_gz(path) && files.contains(&path.with_extension(""));
        parse(path).is_some_and(|(_, its, of)| (its, of) == (part, kind)) && !is_packed_twin
    });
    match wanted.collect::<Vec<_>>()[..] {
        [path] => Ok(path),
        [one, other, ..] => {
            let [one, other] = [one.display(), other.display()];
            bail!("{one} and {other} are both there: keep one of them")
        }
        [] => {
            let folder = files[0].parent().unwrap_or(Path::new("")).display();
            let with_gz = |name| format!("{name}, {name}.gz");
            let names: Vec<String> = names(part, kind).iter().map(with_gz).collect();
            bail!("{folder}: none of {} is there", names.join(", "))
        }
    }
}

/// The names, without `.gz`, under which a file may be there, the official one first. EMNIST's
/// test files have `test` for `t10k`, and some unpackers write a dot before `idx`.
fn names(part: Part, kind: &str) -> Vec<String> {
    let words: &[&str] = match part {
        Part::Train => &["train"],
        Part::Test => &["t10k", "test"],
    };
    let dims = if kind == "images" { 3 } else { 1 };
    let both = |word| ["-", "."].map(|dot| format!("{word}-{kind}{dot}idx{dims}-ubyte"));
    words.iter().flat_map(both).collect()
}

fn roles() -> impl Iterator<Item = (Part, &'static str)> {
    let parts = Part::ALL.into_iter();
    parts.flat_map(|part| ["images", "labels"].map(|kind| (part, kind)))
}

/// What comes before the known part of a file's name (nothing, or a set's name and a hyphen), and
/// what the name says.
fn parse(path: &Path) -> Option<(&str, Part, &'static str)> {
    let name = path.file_name()?.to_str()?;
    let raw = name.strip_suffix(".gz").unwrap_or(name);
    roles().find_map(|(part, kind)| {
        let mut known = names(part, kind).into_iter();
        let set = known.find_map(|known| raw.strip_suffix(&known))?;
        (set.is_empty() || set.ends_with('-')).then_some((set, part, kind))
    })
}

/// Reads an IDX file, raw or gzip; errors name it.
fn read_file<const DIMS: usize>(path: &Path) -> Result<([usize; DIMS], Vec<u8>)> {
    let work = || {
        let mut file = BufReader::new(File::open(path)?);
        let mut start = Vec::new();
        (&mut file).take(2).read_to_end(&mut start)?;
        let gzipped = start == [0x1f, 0x8b];
        if path.extension().is_some_and(|extension| extension == "gz") {
            ensure!(!start.is_empty(), "the file is empty");
            ensure!(
                gzipped,
                "not a gzip file, whatever its name says (an error page that was saved?)"
            );
        }
        let whole = Cursor::new(start).chain(file);
        if !gzipped {
            return idx::read(whole);
        }
        idx::read(MultiGzDecoder::new(whole)).context("within the gzip file")
    };
    work().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::tempdir;

    /// The file taken for the training images of a folder with empty files of these names, seen
    /// from that folder, or the error.
    fn images(names: &[&str]) -> Result<String, String> {
        let folder = tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = files_of_the_set(folder.path()).map_err(|error| error.to_string())?;
        let file = find(&files, Part::Train, "images").map_err(|error| error.to_string())?;
        let below = file.strip_prefix(folder.path()).unwrap();
        Ok(below.to_str().unwrap().to_owned())
    }

    #[test]
    fn names_say_set_part_and_kind_or_nothing() {
        let test = "emnist-letters-test-labels-idx1-ubyte.gz";
        let parsed = parse(Path::new(test));
        assert_eq!(parsed, Some(("emnist-letters-", Part::Test, "labels")));
        for other in [
            "train-images-idx1-ubyte",
            "mytrain-images-idx3-ubyte",
            "train-images-idx3-ubyte.zip",
            ".train-images-idx3-ubyte.gz.partial",
            "mnist-10k-images-idx3-ubyte.gz",
        ] {
            assert_eq!(parse(Path::new(other)), None, "{other}");
        }
    }

    #[test]
    fn a_raw_file_goes_before_its_own_gzip_and_no_other() {
        let raw = "MNIST/raw/train-images-idx3-ubyte";
        assert_eq!(images(&[&format!("{raw}.gz"), raw]), Ok(raw.to_owned()));
        let other = "MNIST/raw/train-images.idx3-ubyte.gz";
        let error = images(&[raw, other]).unwrap_err();
        let both = error.contains(&format!("{raw} and ")) && error.contains("are both there");
        assert!(both, "{error}");
    }

    #[test]
    fn two_sets_are_listed() {
        let name = "train-images-idx3-ubyte";
        for [one, other] in [
            ["MNIST/raw/", "KMNIST/raw/"],
            ["", "raw/"],
            ["emnist-letters-", "emnist-digits-"],
        ] {
            let error = images(&[&format!("{one}{name}"), &format!("{other}{name}")]).unwrap_err();
            assert!(error.contains("more than one data set"), "{error}");
            assert!(error.contains(one) && error.contains(other), "{error}");
        }
    }

    #[test]
    fn what_was_looked_for_is_said() {
        let none = "looked for train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images";
        let other = "none of train-images-idx3-ubyte, train-images-idx3-ubyte.gz, train-images.idx";
        for (name, parts) in [
            ("images.png", [none, "there and in raw, MNIST/raw"]),
            ("t10k-images-idx3-ubyte", [other, "ubyte.gz is there"]),
        ] {
            let error = images(&[name]).unwrap_err();
            assert!(parts.iter().all(|part| error.contains(part)), "{error}");
        }
    }
}
