//! Finds the data sets in a folder. Words such as `train` or `labels` in file and folder names say
//! which part of a set a file holds; the remaining words and the path are the name of the set.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, anyhow, ensure};

use super::class_folders::{self, Tree};
use super::listing::{self, DEPTH};
use super::{csv, npz};
use crate::data::file_kind::FileKind;
use crate::data::{PIXELS, array, content};

/// The number of files whose kind is looked up for an error message.
const MAX_LOOKED_UP: usize = 1_000;

/// The part of a set that a name indicates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Section {
    Train,
    Test,
    Validation,
}

/// What a file or an array holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Images,
    Labels,
    Both,
}

/// The format of a file.
pub(super) enum Form {
    Idx,
    Npy,
    /// The array of this name in an `.npz` file.
    Npz(String),
    Csv,
    Pictures(Tree),
}

/// A file, an array in a file, or a folder of class folders.
pub(super) struct Item {
    /// `None` if no name indicates it.
    pub section: Option<Section>,
    pub kind: Kind,
    pub form: Form,
    pub path: PathBuf,
}

impl Item {
    /// The path, followed by the array's name if it is in an archive.
    pub(super) fn describe(&self) -> String {
        match &self.form {
            Form::Npz(array) => format!("{array} in {}", self.path.display()),
            _ => self.path.display().to_string(),
        }
    }

    /// The folder of class folders, and these.
    pub(super) fn tree(&self) -> Option<(&Path, &Tree)> {
        match &self.form {
            Form::Pictures(tree) => Some((&self.path, tree)),
            _ => None,
        }
    }
}

/// A data set: files that belong together by their names.
pub(super) struct DataSet {
    pub name: String,
    pub items: Vec<Item>,
    /// Notes and warnings for the user.
    pub notes: Vec<String>,
}

/// Finds the set in `folder`, which may also be a single file. If there are several sets, `split`
/// selects one.
pub(super) fn find(folder: &Path, split: Option<&str>) -> Result<DataSet> {
    let shown = folder.display();
    ensure!(
        folder.exists(),
        "{shown}: no such folder; --data-dir takes the folder that holds the images"
    );
    let (root, files) = if folder.is_dir() {
        (folder, listing::list(folder)?)
    } else {
        ensure!(folder.is_file(), "{shown} is neither a folder nor a file");
        (folder.parent().unwrap_or(folder), vec![folder.to_owned()])
    };
    let mut finder = Finder {
        root,
        sets: BTreeMap::new(),
        notes: Vec::new(),
        unreadable: Vec::new(),
    };
    for file in &files {
        if let Err(error) = finder.add(file) {
            finder.unreadable.push(error);
        }
    }
    finder.sets.retain(|_, items| is_set(items));
    // Pictures next to a set in another format may be unrelated.
    if finder.sets.is_empty() || split.is_some() {
        finder.add_pictures(&files);
    }
    finder.join_parts();
    if finder.sets.is_empty() {
        return Err(nothing_found(folder, &files, finder.unreadable));
    }
    let (name, items) = choose(finder.sets, split).with_context(|| shown.to_string())?;
    let left_out = finder.unreadable.iter();
    let left_out = left_out.map(|error| format!("warning: left out: {error:#}"));
    let notes = finder.notes.into_iter().chain(left_out).collect();
    Ok(DataSet { name, items, notes })
}

/// numpy arrays are a set only if there are images and labels.
fn is_set(items: &[Item]) -> bool {
    let holds = |kind| items.iter().any(|item| item.kind == kind);
    let is_numpy = |item: &Item| matches!(item.form, Form::Npy | Form::Npz(_));
    !items.iter().all(is_numpy) || holds(Kind::Images) && holds(Kind::Labels)
}

/// Takes the only set, or the one that `split` names: exactly, by the last part of its name, or by
/// a word of it.
fn choose(
    mut sets: BTreeMap<String, Vec<Item>>,
    split: Option<&str>,
) -> Result<(String, Vec<Item>)> {
    let all = sets
        .keys()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    let Some(split) = split else {
        ensure!(
            sets.len() < 2,
            "more than one data set: {all}; choose one with --split NAME"
        );
        return sets.pop_first().context("no data set");
    };
    let wanted = split.to_lowercase();
    let only = |is_it: &dyn Fn(&str) -> bool| {
        let mut names = sets.keys().filter(|name| is_it(name));
        names.next().filter(|_| names.next().is_none()).cloned()
    };
    let last = |name: &str| name.rsplit('/').next().unwrap_or(name).to_lowercase();
    let name = only(&|name| name == split)
        .or_else(|| only(&|name| last(name) == wanted))
        .or_else(|| only(&|name| words(name).contains(&wanted)));
    name.and_then(|name| sets.remove_entry(&name))
        .with_context(|| format!("--split {split}: no unique match; available sets: {all}"))
}

/// Explains why a folder holds no set.
fn nothing_found(folder: &Path, files: &[PathBuf], unreadable: Vec<Error>) -> Error {
    if let Some(error) = unreadable.into_iter().next() {
        return error;
    }
    let kinds = files.iter().take(MAX_LOOKED_UP);
    let kinds = kinds.filter_map(|file| Some((file, kind_of(file)?)));
    // Prefer files that are likely to hold images.
    let rank = |kind: &FileKind| match kind {
        FileKind::Checkpoint
        | FileKind::Html
        | FileKind::Json
        | FileKind::Onnx
        | FileKind::Safetensors
        | FileKind::SafetensorsIndex => 2,
        FileKind::Picture => 1,
        _ => 0,
    };
    let shown = folder.display();
    match kinds.min_by_key(|(_, kind)| rank(kind)) {
        Some((file, FileKind::Picture)) if file != folder => anyhow!(
            "{shown}: pictures such as {}, but no class folders: put them into a folder for each \
             class, such as train/3/a.png",
            file.display()
        ),
        Some((file, kind)) => anyhow!("{} is {}", file.display(), kind.describe_as_images()),
        None => {
            let other = files
                .first()
                .map(|file| format!("; found {}", file.display()));
            anyhow!(
                "{shown}: no data set; looked {DEPTH} folders deep for train-images-idx3-ubyte and \
                 the like, mnist.npz, train_images.npy and the like, CSV files of 785 columns, and \
                 pictures in a folder for each class{}",
                other.unwrap_or_default()
            )
        }
    }
}

/// The kind of a file by its first bytes, or by its name if they are inconclusive.
fn kind_of(file: &Path) -> Option<FileKind> {
    let name = file.file_name()?.to_string_lossy().to_lowercase();
    let ending = unpacked(&name).rsplit_once('.').map(|(_, ending)| ending);
    match (content::kind(file), ending) {
        (None | Some(FileKind::Gzip), Some("pkl" | "pickle")) => Some(FileKind::Pickle),
        (None | Some(FileKind::Gzip), Some("tar")) => Some(FileKind::Archive),
        (None, Some("mat")) => Some(FileKind::Matlab),
        (None, Some(ending)) if class_folders::ENDINGS.contains(&ending) => Some(FileKind::Picture),
        (Some(FileKind::Zip), Some("pt" | "pth")) => Some(FileKind::TorchSave),
        (kind, _) => kind,
    }
}

/// Sorts files into sets.
struct Finder<'a> {
    root: &'a Path,
    sets: BTreeMap<String, Vec<Item>>,
    notes: Vec<String>,
    /// Errors of files that look like data but cannot be read.
    unreadable: Vec<Error>,
}

impl Finder<'_> {
    /// Adds a file to the set that it belongs to by its name, if it looks like data.
    fn add(&mut self, file: &Path) -> Result<()> {
        let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
            return Ok(());
        };
        let name = unpacked(name);
        let tokens = NameTokens::of(name);
        if let (Some(prefix), Some(kind)) = (tokens.before_idx(), tokens.kind) {
            self.insert(file, &tokens, &prefix, kind, Form::Idx);
            return Ok(());
        }
        let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
        let ending = ending.to_lowercase();
        let tokens = NameTokens::of(stem);
        let set = format!("{}.{ending}", tokens.rest.join("-"));
        let set = set.trim_start_matches('.');
        match (&*ending, tokens.kind) {
            ("csv", _) if content::open_maybe_gzip(file, csv::columns)? >= PIXELS => {
                self.insert(file, &tokens, set, Kind::Both, Form::Csv);
            }
            ("npy", Some(kind)) => self.insert(file, &tokens, set, kind, Form::Npy),
            ("npz", _) => self.add_arrays(file, &tokens, set)?,
            _ => {}
        }
        Ok(())
    }

    /// Adds the arrays of an `.npz` file. Their names, or the file's name, say what
    /// they hold.
    fn add_arrays(&mut self, file: &Path, tokens: &NameTokens, set: &str) -> Result<()> {
        let arrays = content::open(file, npz::names)?;
        if tokens.kind.is_none() && arrays.iter().all(|name| name.starts_with("arr_")) {
            return self.add_unnamed(file, arrays, set);
        }
        for array in arrays {
            let mut own = NameTokens::of(&array);
            own.section = own.section.or(tokens.section);
            if let Some(kind) = own.kind.or(tokens.kind) {
                self.insert(file, &own, set, kind, Form::Npz(array));
            }
        }
        Ok(())
    }

    /// Adds arrays that `numpy.savez` has numbered: shapes distinguish images from labels, and the
    /// training arrays are assumed to come first.
    fn add_unnamed(&mut self, file: &Path, arrays: Vec<String>, set: &str) -> Result<()> {
        let (mut found, mut counts) = ([Vec::new(), Vec::new()], Vec::new());
        for array in arrays {
            let shape = content::open(file, |archive| npz::shape(archive, &array))?;
            let is_images = array::holds_images(&shape);
            found[usize::from(!is_images)].push(array);
            counts.extend(shape.first().filter(|_| is_images).copied());
        }
        ensure!(
            counts.is_sorted_by(|first, second| first >= second),
            "{}: the first array of images is not the largest: save the arrays as x_train, \
             y_train, x_test and y_test",
            file.display()
        );
        let [images, labels] = &found;
        if !(1..=2).contains(&images.len()) || images.len() != labels.len() {
            return Ok(());
        }
        let parts = ["training", "test"].iter().zip(images.iter().zip(labels));
        let parts = parts.map(|(part, (images, labels))| {
            format!("{images} and {labels} as {part} images and labels")
        });
        let parts = parts.collect::<Vec<_>>().join(", ");
        self.notes
            .push(format!("note: {}: read {parts}", file.display()));
        for (kind, arrays) in [Kind::Images, Kind::Labels].into_iter().zip(found) {
            for (section, array) in [Section::Train, Section::Test].into_iter().zip(arrays) {
                let tokens = NameTokens {
                    section: Some(section),
                    ..NameTokens::default()
                };
                self.insert(file, &tokens, set, kind, Form::Npz(array));
            }
        }
        Ok(())
    }

    /// Adds a file to the set called `set` in the same folder. A folder named after a part, as in
    /// `mnist_test/mnist_test.csv`, does not become part of the set's name.
    fn insert(&mut self, file: &Path, tokens: &NameTokens, set: &str, kind: Kind, form: Form) {
        let mut section = tokens.section;
        let mut place = file.parent().unwrap_or(self.root);
        let of_folder = section_of(place).filter(|_| place != self.root);
        if of_folder.is_some() && (section.is_none() || section == of_folder) {
            section = of_folder;
            place = place.parent().unwrap_or(self.root);
        }
        let name = self.name(&place.join(set));
        self.sets.entry(name).or_default().push(Item {
            section,
            kind,
            form,
            path: file.to_owned(),
        });
    }

    /// Adds the folders of class folders.
    fn add_pictures(&mut self, files: &[PathBuf]) {
        let mut sets: BTreeMap<String, Vec<Item>> = BTreeMap::new();
        for (path, tree) in class_folders::trees(files) {
            let inner = path.ancestors().take_while(|path| *path != self.root);
            let part = { inner }.find(|path| section_of(path).is_some());
            if !is_tree(&tree, part.is_some()) {
                continue;
            }
            let name = self.name(part.and_then(Path::parent).unwrap_or(path));
            sets.entry(name).or_default().push(Item {
                section: part.and_then(section_of),
                kind: Kind::Both,
                form: Form::Pictures(tree),
                path: path.to_owned(),
            });
        }
        for (name, items) in sets {
            self.sets.entry(name).or_insert(items);
        }
    }

    /// Joins two sets whose names differ in words for sizes, if one of them has only training
    /// images and the other only test images, as `mnist_train_100.csv` and `mnist_test_10.csv`.
    fn join_parts(&mut self) {
        let mut halves: BTreeMap<String, [Vec<String>; 2]> = BTreeMap::new();
        for (name, items) in &self.sets {
            let is_test = |item: &Item| !matches!(item.section, None | Some(Section::Train));
            let tests = items.iter().filter(|item| is_test(item)).count();
            if tests == 0 || tests == items.len() {
                let half = usize::from(tests > 0);
                halves.entry(without_sizes(name)).or_default()[half].push(name.clone());
            }
        }
        for [train, test] in halves.values() {
            if let ([train], [test]) = (&train[..], &test[..])
                && let Some(items) = self.sets.remove(test)
            {
                let note = format!("note: {train} and {test} are read as one set");
                self.notes.push(note);
                self.sets.entry(train.clone()).or_default().extend(items);
            }
        }
    }

    /// The name of a set, from its path.
    fn name(&self, place: &Path) -> String {
        let place = place.strip_prefix(self.root).unwrap_or(place);
        let name = place.to_string_lossy().replace('\\', "/");
        match name.trim_end_matches('/') {
            "" => ".".to_owned(),
            name => name.to_owned(),
        }
    }
}

/// True if the folders are classes: at least two, or one within a training or test folder. Folders
/// that are the parts of a set, or hold all its images, are not.
fn is_tree(tree: &Tree, is_part: bool) -> bool {
    let tokens = || tree.classes.keys().map(|name| NameTokens::of(name));
    let sections = tokens().filter(|tokens| tokens.rest.is_empty());
    let sections: BTreeSet<Section> = sections.filter_map(|tokens| tokens.section).collect();
    let count = tree.classes.len();
    let is_only_part = count == 1 && tokens().all(|tokens| tokens.rest.is_empty());
    count >= 2 - usize::from(is_part) && sections.len() < 2 && !is_only_part
}

fn section_of(path: &Path) -> Option<Section> {
    section(path.file_name()?.to_str()?)
}

/// The name of a set, from the name of its file.
pub(super) fn name_of(path: &Path) -> Option<String> {
    let name = unpacked(path.file_name()?.to_str()?);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let prefix = NameTokens::of(name).before_idx();
    Some(prefix.unwrap_or_else(|| NameTokens::of(stem).rest.join("-")))
}

/// The part of a set that a name indicates.
pub(super) fn section(name: &str) -> Option<Section> {
    NameTokens::of(name).section
}

/// Removes endings of compressed files, the `.txt` that Windows adds, and the ` (1)` of a copy.
fn unpacked(mut name: &str) -> &str {
    loop {
        let ending = name.rsplit_once('.');
        let ending =
            ending.filter(|(_, ending)| ["gz", "txt"].contains(&ending.to_lowercase().as_str()));
        let copy = name
            .strip_suffix(')')
            .and_then(|name| name.rsplit_once(" ("));
        let copy = copy.filter(|(_, number)| is_number(number));
        match ending.or(copy) {
            Some((stem, _)) => name = stem,
            None => return name,
        }
    }
}

/// The words of a name, in lower case.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for words that describe the size of a set, such as `small`, `100` and `10k`.
fn is_size(word: &str) -> bool {
    const SIZES: [&str; 9] = [
        "big", "copy", "full", "large", "mini", "sample", "small", "subset", "tiny",
    ];
    SIZES.contains(&word) || is_number(word.trim_end_matches(['k', 'm']))
}

/// The name of a set without words for sizes.
fn without_sizes(name: &str) -> String {
    let (place, name) = name.rsplit_once('/').unwrap_or(("", name));
    let mut words = words(name);
    words.retain(|word| !is_size(word));
    format!("{place}/{}", words.join("-"))
}

/// The meaning of the words in a file name.
#[derive(Debug, Default)]
struct NameTokens {
    section: Option<Section>,
    kind: Option<Kind>,
    /// The other words.
    rest: Vec<String>,
}

impl NameTokens {
    fn of(name: &str) -> Self {
        let mut tokens = Self::default();
        for word in words(unpacked(name)) {
            match &*word {
                "train" | "training" | "trainset" | "trainingset" => {
                    tokens.section = Some(Section::Train);
                }
                "test" | "testing" | "testset" | "t10k" => tokens.section = Some(Section::Test),
                "val" | "valid" | "validation" => tokens.section = Some(Section::Validation),
                "images" | "image" | "imgs" | "x" | "data" => tokens.kind = Some(Kind::Images),
                "labels" | "label" | "y" | "targets" | "target" => {
                    tokens.kind = Some(Kind::Labels);
                }
                _ => tokens.rest.push(word),
            }
        }
        tokens
    }

    /// The words before `idx3-ubyte`, if the name ends so.
    fn before_idx(&self) -> Option<String> {
        let is_idx = |word: &String| matches!(&word[..], "idx1" | "idx2" | "idx3" | "idx4");
        let (before, after) = self.rest.split_at(self.rest.iter().position(is_idx)?);
        let elements = ["ubyte", "byte", "short", "int", "float", "double"];
        let is_end = after[1..].iter().all(|word| elements.contains(&&word[..]));
        is_end.then(|| before.join("-"))
    }
}
