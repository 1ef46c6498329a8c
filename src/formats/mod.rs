//! A folder in which people keep labelled images, in any of the forms there are: looking at it
//! once, and reading a part of the set in it. What the bytes must be is for `idx`, `npz`,
//! `csv_rows` and `pictures` to say.

mod class_folders;
mod csv;
mod npz;
mod sets;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use self::sets::{Form, Item, Kind, Section};
use crate::data::array::Array;
use crate::data::read_options::transpose;
use crate::data::{
    Classes, Dataset, LoadedDataset, Part, Published, ReadOptions, content, emnist_classes, idx,
    idx_folder,
};

/// So many folders below the one that is named are looked into.
const DEPTH: usize = 5;
/// The most files that are looked at.
const MOST_FILES: usize = 2_000_000;
/// What every folder holds in which this program left pictures, which are no data.
const RESULT: &str = "confusion.png";

/// Reads a part of the set in `folder`, or in a file of that name: of the `published` set whose
/// folder it is, else of the only one there or the one that `reading` names.
pub fn read(
    folder: &Path,
    published: Option<Published>,
    part: Part,
    reading: &ReadOptions,
) -> Result<LoadedDataset> {
    if published.is_some() {
        // Its own files, whatever else is in their folder.
        return idx_folder::read(folder, published, part, reading);
    }
    let (name, items) = find(folder, reading.split.as_deref())?;
    let (mut found, labels_from) = read_part(&items, part, &reading.classes)?;
    if found.pictures.is_none()
        && let Some(classes) = emnist_classes(&name)
    {
        found.images = found.images.changed(transpose);
        found.classes = classes;
        let hint = "--transpose turns it back";
        let note = format!("note: {name} lies on its side and is turned upright; {hint}");
        found.notes.push(note);
    }
    found.split = Some(name);
    let settled = reading.apply(found);
    settled.with_context(|| labels_from.display().to_string())
}

/// The set in `folder`, or in a file of that name: its name, and what it is made of.
fn find(folder: &Path, split: Option<&str>) -> Result<(String, Vec<Item>)> {
    let shown = folder.display();
    let hint = "--data-dir takes the folder that holds the images";
    ensure!(folder.exists(), "{shown}: no such folder; {hint}");
    let (mut root, mut files) = (folder, Vec::new());
    if folder.is_dir() {
        list(folder, DEPTH, &mut files)?;
    } else {
        root = folder.parent().unwrap_or(folder);
        files.push(folder.to_owned());
    }
    // The order in which a folder lists its files is no order to rely on.
    files.sort();
    let found = sets::find(root, &files, split).with_context(|| shown.to_string())?;
    found.with_context(|| {
        if folder.is_file() {
            return format!("{shown} is a file, and none with a data set; {hint}");
        }
        let other = files
            .first()
            .map(|file| format!("; {} is none of these", file.display()));
        format!(
            "{shown}: no data set there; looked for train-images-idx3-ubyte and the like (there, \
             in MNIST/raw and {DEPTH} folders deep), mnist.npz, CSV files of 785 columns, and \
             pictures in a folder for each class{}: unpack archives, convert other files",
            other.unwrap_or_default()
        )
    })
}

/// Adds the files in `folder` and below, but those that no set has.
fn list(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<()> {
    if folder.join(RESULT).is_file() {
        return Ok(());
    }
    let context = || format!("cannot read the folder {}", folder.display());
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || name == "__MACOSX" {
            continue;
        }
        let path = entry.path();
        let kind = entry.file_type().with_context(context)?;
        if !(kind.is_dir() || kind.is_symlink() && path.is_dir()) {
            files.push(path);
        } else if depth > 0 {
            list(&path, depth - 1, files)?;
        }
        ensure!(
            files.len() <= MOST_FILES,
            "{}: too many files to look at: name the set's own folder",
            folder.display()
        );
    }
    Ok(())
}

/// Reads a part of the set that these are, and says where its labels come from.
fn read_part<'a>(
    items: &'a [Item],
    part: Part,
    classes: &Classes,
) -> Result<(LoadedDataset, &'a Path)> {
    let one = |kind| one(items, part, kind);
    let mut found = LoadedDataset::default();
    let labels_from = match items[0].form {
        Form::Pictures(_) => {
            let item = one(Kind::Both)?;
            let trees = items.iter().filter_map(|item| match &item.form {
                Form::Pictures(tree) => Some((item.path.as_path(), tree)),
                _ => None,
            });
            found = class_folders::read(&item.path, &trees.collect(), classes)?;
            item
        }
        Form::Csv => {
            let item = one(Kind::Both)?;
            found.images = content::read(&item.path, csv::read)?;
            item
        }
        Form::Idx | Form::Npz(_) => {
            let items = [one(Kind::Images)?, one(Kind::Labels)?];
            let (size, pixels) = array(items[0], Array::images)?;
            let images = Dataset::new(size, pixels, array(items[1], Array::labels)?);
            let [of_images, of_labels] = items.map(|item| item.path.display());
            found.images = images.with_context(|| format!("{of_images} and {of_labels}"))?;
            items[1]
        }
    };
    Ok((found, &labels_from.path))
}

/// What `convert` makes of an array.
fn array<T>(item: &Item, convert: impl FnOnce(Array) -> Result<T>) -> Result<T> {
    match &item.form {
        Form::Npz(name) => content::raw(&item.path, |file| npz::read(file, name, convert)),
        _ => content::read(&item.path, |bytes| convert(idx::read(bytes)?)),
    }
}

/// The one thing of this kind that the part has: nearest to the top, because some archives hold a
/// second copy in a folder; and of a file and its gzip, as torchvision leaves them, the raw one.
fn one(items: &[Item], part: Part, kind: Kind) -> Result<&Item> {
    let sections = match part {
        Part::Train => [Some(Section::Train), None],
        Part::Test => [Some(Section::Test), Some(Section::Validation)],
    };
    let is_there = |section: &_| items.iter().any(|item| item.section == *section);
    let section = sections.into_iter().find(is_there);
    let is_it = |item: &&Item| Some(item.section) == section && item.kind == kind;
    let mut found: Vec<&Item> = items.iter().filter(is_it).collect();
    let depth = |item: &Item| item.path.components().count();
    let least = found.iter().map(|item| depth(item)).min();
    found.retain(|item| Some(depth(item)) == least);
    // They are sorted, so that a file and its gzip are neighbours.
    found.dedup_by(|packed, raw| {
        let is_gz = packed.path.extension().is_some_and(|ending| ending == "gz");
        is_gz && packed.path.with_extension("") == raw.path
    });
    match found[..] {
        [item] => Ok(item),
        [one, other, ..] => {
            let [one, other] = [one, other].map(|item| item.path.display());
            bail!("{one} and {other} are both there: keep one of them")
        }
        [] => Err(missing(items, part, kind)),
    }
}

/// What is said where the part has nothing of this kind.
fn missing(items: &[Item], part: Part, kind: Kind) -> Error {
    let shown = items[0].path.display();
    if part == Part::Test && items[0].section.is_none() {
        return anyhow!(
            "{shown} is all there is, the training file: take test images out of it, such as \
             --train-range 0..5000 --test-range train:5000..6000"
        );
    }
    let part = ["train", "t10k"][part as usize];
    let kind = ["images-idx3", "labels-idx1"][usize::from(kind == Kind::Labels)];
    let name = format!("{part}-{kind}-ubyte");
    anyhow!("{shown}: beside it none of {name}, {name}.gz, or the same in its form, is there")
}
