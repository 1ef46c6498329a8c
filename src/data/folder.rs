//! A folder with the IDX files of an MNIST-like set, raw or gzip, under the names that people have them under.
//!
//! It owns file names, compression and the context of errors (which file); what the bytes must be is
//! [`super::idx`]'s to say.

mod names;

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;

use self::names::{Found, Kind};
use super::selection::Part;
use super::{Dataset, idx};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A folder in which one data set was found.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    files: Vec<Found>,
}

impl Folder {
    /// Looks for a data set in `path` and where torchvision puts one below it; nothing is read yet.
    ///
    /// # Errors
    /// When there is none, or more than one.
    pub fn open(path: &Path) -> Result<Self> {
        let shown = path.display();
        ensure!(
            !path.is_file(),
            "{shown} is a file; --data-dir takes the folder that holds the IDX files"
        );
        ensure!(
            path.is_dir(),
            "{shown}: no such folder; --data-dir takes the folder that holds the IDX files"
        );
        let mut sets = names::sets(path)?;
        ensure!(
            !sets.is_empty(),
            "{shown}: no IDX files there; looked for {}",
            names::sought()
        );
        ensure!(
            sets.len() == 1,
            "{shown} holds more than one data set: {}; have --data-dir name a folder with one of them",
            sets.into_keys().collect::<Vec<_>>().join(", ")
        );
        let files = sets.pop_first().map(|(_, files)| files);
        Ok(Self {
            path: path.to_owned(),
            files: files.unwrap_or_default(),
        })
    }

    /// The folder as the user calls it.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Reads the images and labels of `part`.
    ///
    /// # Errors
    /// When a file is missing or is not what its name says, or a label is not below `classes`; the message names the file.
    pub fn read(&self, part: Part, classes: usize) -> Result<Dataset> {
        let images_path = self.file(part, Kind::Images)?;
        let labels_path = self.file(part, Kind::Labels)?;
        let images = read(images_path, |source| idx::read_images(source))?;
        let labels = read(labels_path, |source| idx::read_labels(source))?;
        let dataset = Dataset::new(images, labels)
            .with_context(|| format!("{} and {}", images_path.display(), labels_path.display()))?;
        let checked = dataset.check_labels(classes);
        checked.with_context(|| labels_path.display().to_string())?;
        Ok(dataset)
    }

    /// The one file of this part and kind; where a raw file and its gzip are there, as torchvision leaves them, the raw one.
    fn file(&self, part: Part, kind: Kind) -> Result<&Path> {
        let candidates = self.files.iter();
        let candidates = candidates.filter(|found| (found.part, found.kind) == (part, kind));
        let candidates: Vec<&Path> = candidates.map(|found| found.path.as_path()).collect();
        let is_packed_twin = |path: &Path| {
            path.extension().is_some_and(|extension| extension == "gz")
                && candidates.contains(&path.with_extension("").as_path())
        };
        let mut distinct = candidates.iter().filter(|path| !is_packed_twin(path));
        match (distinct.next(), distinct.next()) {
            (Some(path), None) => Ok(path),
            (Some(one), Some(other)) => bail!(
                "{} and {} are both there: keep one of them",
                one.display(),
                other.display()
            ),
            (None, _) => bail!(
                "{}: none of {} is there",
                self.place().display(),
                names::of(part, kind).join(", ")
            ),
        }
    }

    /// Where the set's files are.
    fn place(&self) -> &Path {
        let first = self.files.first();
        first
            .and_then(|found| found.path.parent())
            .unwrap_or(&self.path)
    }
}

/// Opens `path`, looks through gzip, and hands the bytes to `parse`; errors name the file.
fn read<T>(path: &Path, parse: impl FnOnce(&mut dyn Read) -> Result<T>) -> Result<T> {
    let work = || {
        let mut file = BufReader::new(File::open(path)?);
        let mut start = Vec::new();
        (&mut file).take(2).read_to_end(&mut start)?;
        let gzipped = start == GZIP_MAGIC;
        if path.extension().is_some_and(|extension| extension == "gz") {
            ensure!(!start.is_empty(), "the file is empty");
            ensure!(
                gzipped,
                "not a gzip file, whatever its name says (an error page that was saved?)"
            );
        }
        let mut whole = Cursor::new(start).chain(file);
        if gzipped {
            parse(&mut MultiGzDecoder::new(whole)).context("within the gzip file")
        } else {
            parse(&mut whole)
        }
    };
    work().with_context(|| path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::tempdir;

    /// A folder with empty files of these names.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    /// The file taken for the training images, below the folder, or the error.
    fn images(names: &[&str]) -> Result<String, String> {
        let folder = folder(names);
        let opened = Folder::open(folder.path()).map_err(|error| error.to_string())?;
        let file = opened.file(Part::Train, Kind::Images);
        let file = file.map_err(|error| error.to_string())?;
        let below = file.strip_prefix(folder.path()).unwrap();
        Ok(below.to_str().unwrap().to_owned())
    }

    #[test]
    fn each_of_the_names_in_each_of_the_places_is_found() {
        for place in ["", "raw/", "MNIST/raw/", "FashionMNIST/raw/", "KMNIST/raw/"] {
            for name in [
                "train-images-idx3-ubyte",
                "train-images.idx3-ubyte",
                "train-images-idx3-ubyte.gz",
                "train-images.idx3-ubyte.gz",
                "emnist-letters-train-images-idx3-ubyte.gz",
            ] {
                let path = format!("{place}{name}");
                assert_eq!(images(&[&path, "notes.txt"]), Ok(path));
            }
        }
    }

    #[test]
    fn a_raw_file_goes_before_its_own_gzip() {
        let raw = "MNIST/raw/train-images-idx3-ubyte";
        assert_eq!(images(&[&format!("{raw}.gz"), raw]), Ok(raw.to_owned()));
    }

    #[test]
    fn two_files_for_one_purpose_are_listed() {
        let error = images(&["train-images-idx3-ubyte", "train-images.idx3-ubyte.gz"]).unwrap_err();
        for part in [
            "train-images-idx3-ubyte and ",
            "idx3-ubyte.gz are both there",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn two_sets_are_listed() {
        let name = "train-images-idx3-ubyte";
        for (one, other) in [
            (format!("MNIST/raw/{name}"), format!("KMNIST/raw/{name}")),
            (name.to_owned(), format!("raw/{name}")),
            (
                format!("emnist-letters-{name}"),
                format!("emnist-digits-{name}"),
            ),
        ] {
            let error = images(&[&one, &other]).unwrap_err();
            assert!(error.contains("more than one data set"), "{error}");
            for path in [one, other] {
                assert!(error.contains(path.trim_end_matches(name)), "{error}");
            }
        }
    }

    #[test]
    fn what_was_looked_for_is_said() {
        let error = images(&["images.png"]).unwrap_err();
        for part in [
            "train-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
            "MNIST/raw",
        ] {
            assert!(error.contains(part), "{error}");
        }
        let error = images(&["t10k-images-idx3-ubyte"]).unwrap_err();
        for part in [
            "none of train-images-idx3-ubyte",
            "train-images.idx3-ubyte.gz",
        ] {
            assert!(error.contains(part), "{error}");
        }
    }
}
