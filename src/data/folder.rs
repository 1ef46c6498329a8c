//! A folder in which people keep labelled images, in any of the forms there are: looking at it
//! once, and reading a part of the set in it. What the bytes must be is for `idx`, `npz`,
//! `csv_rows` and `pictures` to say.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use super::array::Array;
use super::published::{emnist_classes, is_sideways};
use super::reading::{Labelled, Reading, transpose};
use super::sets::{self, Form, Item, Kind, Section};
use super::{Dataset, Part, SIDE, content, csv_rows, idx, npz, pictures};

/// So many folders below the one that is named are looked into.
const DEPTH: usize = 5;
/// The most files that are looked at.
const MOST_FILES: usize = 2_000_000;
/// What every folder holds in which this program left pictures, which are no data.
const RESULT: &str = "confusion.png";

/// Reads a part of the set in `folder`, or in a file of that name; of several sets the one that
/// `reading` names. Folders in it are looked into only where `deep` says so.
pub(super) fn read(folder: &Path, deep: bool, part: Part, reading: &Reading) -> Result<Labelled> {
    let shown = folder.display();
    let hint = "--data-dir takes the folder that holds the images";
    ensure!(folder.exists(), "{shown}: no such folder; {hint}");
    let mut files = Vec::new();
    let root = if folder.is_dir() {
        let depth = if deep { DEPTH } else { 0 };
        list(folder, Path::new(""), depth, &mut files)?;
        folder
    } else {
        files.extend(folder.file_name().map(PathBuf::from));
        folder.parent().unwrap_or(Path::new(""))
    };
    // The order in which a folder lists its files is no order to rely on.
    files.sort();
    let found = sets::find(root, &files, reading.split.as_deref());
    let Some((name, items)) = found.with_context(|| shown.to_string())? else {
        ensure!(
            folder.is_dir(),
            "{shown} is a file, and none with a data set; {hint}"
        );
        let found = files
            .first()
            .map(|file| format!("; {} is none of these", file.display()));
        bail!(
            "{shown}: no data set there; looked for train-images-idx3-ubyte and the like (there, \
             in MNIST/raw and {DEPTH} folders deep), mnist.npz, CSV files of 785 columns, and \
             pictures in a folder for each class{}: unpack archives, convert other files",
            found.unwrap_or_default()
        );
    };
    let sections: &[Section] = match part {
        Part::Train => &[Section::Train, Section::Whole],
        Part::Test => &[Section::Test, Section::Validation],
    };
    let there = |section: &&Section| items.iter().any(|item| item.section == **section);
    let section = sections.iter().find(there);
    let set = Set {
        root,
        files: &files,
        of_part: items
            .iter()
            .filter(|item| Some(&item.section) == section)
            .collect(),
        items: &items,
        part,
    };
    let labelled = set.read(&name, reading)?;
    let split = Some(name);
    Ok(Labelled { split, ..labelled })
}

/// Adds the files in `folder` of `root` and below, but those that no set has.
fn list(root: &Path, folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    let path = root.join(folder);
    if path.join(RESULT).is_file() {
        return Ok(());
    }
    let context = || format!("cannot read the folder {}", path.display());
    for entry in fs::read_dir(&path).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        let is_hidden = name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX";
        let inner = folder.join(name);
        let kind = entry.file_type().with_context(context)?;
        let is_folder = kind.is_dir() || kind.is_symlink() && entry.path().is_dir();
        if is_folder && depth > 0 && !is_hidden {
            list(root, &inner, depth - 1, files)?;
        } else if !is_folder && !is_hidden {
            files.push(inner);
        }
        let many = files.len() > MOST_FILES;
        ensure!(
            !many,
            "{}: too many files to look at: name the set's own folder",
            root.display()
        );
    }
    Ok(())
}

/// A set, and which part of it is to be read.
struct Set<'a> {
    root: &'a Path,
    /// All that the folder holds.
    files: &'a [PathBuf],
    /// All that is the set's.
    items: &'a [Item],
    /// What of that is the part's.
    of_part: Vec<&'a Item>,
    part: Part,
}

impl Set<'_> {
    fn path(&self, item: &Item) -> PathBuf {
        // Without a slash at the end where the folder itself is meant.
        self.root.join(&item.path).components().collect()
    }

    fn read(&self, name: &str, reading: &Reading) -> Result<Labelled> {
        let form = self.of_part.first().map(|item| &item.form);
        if form == Some(&Form::Pictures) {
            return self.pictures(reading);
        }
        let (from, size, pixels, labels) = if form == Some(&Form::Csv) {
            let path = self.path(self.one(Kind::Both)?);
            let (pixels, labels) = content::read(&path, csv_rows::read)?;
            ([path.clone(), path], [SIDE; 2], pixels, labels)
        } else {
            let (images_from, (size, pixels)) = self.array(Kind::Images, Array::images)?;
            let (labels_from, labels) = self.array(Kind::Labels, Array::labels)?;
            ([images_from, labels_from], size, pixels, labels)
        };
        let [images, labels_from] = from.map(|path| path.display().to_string());
        let dataset = Dataset::new(size, pixels, labels);
        let dataset = dataset.with_context(|| format!("{images} and {labels_from}"))?;
        let mut labelled = Labelled::new(dataset, emnist_classes(name), labels_from);
        if is_sideways(name) {
            labelled.images = labelled.images.changed(transpose);
            let hint = "--transpose turns it back";
            let note = format!("note: {name} lies on its side and is turned upright; {hint}");
            labelled.notes.push(note);
        }
        Ok(labelled)
    }

    /// What `convert` makes of the array of this kind, and the file that it comes from.
    fn array<T>(
        &self,
        kind: Kind,
        convert: impl FnOnce(Array) -> Result<T>,
    ) -> Result<(PathBuf, T)> {
        let item = self.one(kind)?;
        let path = self.path(item);
        let converted = match &item.form {
            Form::Npz(name) => content::archive(&path, |file| npz::read(file, name, convert)),
            _ => content::read(&path, |bytes| convert(idx::read(bytes)?)),
        };
        Ok((path, converted?))
    }

    fn pictures(&self, reading: &Reading) -> Result<Labelled> {
        let paths: Vec<&Path> = self.items.iter().map(|item| item.path.as_path()).collect();
        let one = &self.one(Kind::Both)?.path;
        pictures::read(self.root, self.files, &paths, one, &reading.classes)
    }

    /// The one thing of this kind that the part has: nearest to the top, because some archives hold
    /// a second copy in a folder, and of a raw file and its gzip, as torchvision leaves them, the
    /// raw one.
    fn one(&self, kind: Kind) -> Result<&Item> {
        let of_kind = || self.of_part.iter().filter(|item| item.kind == kind);
        let depth = |item: &Item| item.path.components().count();
        let least = of_kind().map(|item| depth(item)).min();
        let is_twin = |item: &Item| {
            let is_gz = item.path.extension().is_some_and(|ending| ending == "gz");
            is_gz && of_kind().any(|raw| raw.path == item.path.with_extension(""))
        };
        let found = of_kind().filter(|item| Some(depth(item)) == least && !is_twin(item));
        match found.collect::<Vec<_>>()[..] {
            [item] => Ok(item),
            [one, other, ..] => {
                let [one, other] = [one, other].map(|item| self.path(item));
                let [one, other] = [one.display(), other.display()];
                bail!("{one} and {other} are both there: keep one of them")
            }
            [] => Err(self.missing(kind)),
        }
    }

    /// What is said where the part has nothing of this kind.
    fn missing(&self, kind: Kind) -> Error {
        let path = self.path(&self.items[0]);
        let shown = path.display();
        if self.part == Part::Test && self.items[0].section == Section::Whole {
            return anyhow!(
                "{shown} is all there is, the training file: take test images out of it, such as \
                 --train-range 0..5000 --test-range train:5000..6000"
            );
        }
        let part = ["train", "t10k"][self.part as usize];
        let is_labels = kind == Kind::Labels;
        let kind = if is_labels {
            "labels-idx1"
        } else {
            "images-idx3"
        };
        let name = format!("{part}-{kind}-ubyte");
        anyhow!("{shown}: beside it none of {name}, {name}.gz, or the same in its form, is there")
    }
}
