//! Which files of a folder make which data set, by their names: sets differ by their place and by
//! what names say beside the words for their parts, such as `MNIST/raw` or `emnist-letters`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::class_folders::{self, Tree};
use super::{csv, npz};
use crate::data::{PIXELS, content};

/// The part of a set that something is by its name.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Section {
    Train,
    Test,
    Validation,
}

/// What something holds.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Kind {
    Images,
    Labels,
    Both,
}

/// The form in which it is kept.
pub(super) enum Form {
    Idx,
    /// As the array of this name.
    Npz(String),
    Csv,
    Pictures(Tree),
}

/// A file, an array in one, or a folder of class folders.
pub(super) struct Item {
    /// `None` where no name says it.
    pub section: Option<Section>,
    pub kind: Kind,
    pub form: Form,
    pub path: PathBuf,
}

/// What there is of each set, by its name.
type Sets = BTreeMap<String, Vec<Item>>;

/// The one set among `files`, which are below `root`, or of several the one called `split`; `None`
/// where there is none at all.
pub(super) fn find(
    root: &Path,
    files: &[PathBuf],
    split: Option<&str>,
) -> Result<Option<(String, Vec<Item>)>> {
    let mut sets = Sets::new();
    for file in files {
        add(&mut sets, root, file)?;
    }
    // Arrays may be anything.
    sets.retain(|_, items| {
        let holds = |kind| items.iter().any(|item| item.kind == kind);
        let is_other = |item: &Item| !matches!(item.form, Form::Npz(_));
        items.iter().any(is_other) || holds(Kind::Images) && holds(Kind::Labels)
    });
    // So may pictures, beside a set of another form.
    if sets.is_empty() || split.is_some() {
        for (name, items) in picture_sets(root, files) {
            sets.entry(name).or_insert(items);
        }
    }
    let all: Vec<&str> = sets.keys().map(String::as_str).collect();
    let all = all.join(", ");
    let Some(split) = split else {
        let hint = "choose one with --split NAME";
        ensure!(sets.len() < 2, "more than one data set: {all}; {hint}");
        return Ok(sets.pop_first());
    };
    let word = split.to_lowercase();
    let mut named = sets.keys().filter(|name| words(name).contains(&word));
    let name = match (named.next(), named.next()) {
        _ if sets.contains_key(split) => split.to_owned(),
        (Some(name), None) => name.clone(),
        _ => bail!("--split {split}: not the name of one data set; there are: {all}"),
    };
    Ok(sets.remove_entry(&name))
}

/// Adds what a file is of which sets: nothing, or one thing, or an array or more.
fn add(sets: &mut Sets, root: &Path, file: &Path) -> Result<()> {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return Ok(());
    };
    let name = unpacked(name);
    let says = Meaning::of(name);
    let mut place = file.parent().unwrap_or(root);
    // Archives of one file are often unpacked into a folder of its name.
    let inner = place.file_name().and_then(|name| name.to_str());
    if place != root && inner.is_some_and(|inner| Meaning::of(unpacked(inner)) == says) {
        place = place.parent().unwrap_or(root);
    }
    let mut add = |set: &str, says: &Meaning, kind, form| {
        let items = sets.entry(name_of(root, &place.join(set))).or_default();
        items.push(Item {
            section: says.section,
            kind,
            form,
            path: file.to_owned(),
        });
    };
    if let (Some(prefix), Some(kind)) = (says.before_idx(), says.kind) {
        add(&prefix, &says, kind, Form::Idx);
        return Ok(());
    }
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, ""));
    let ending = ending.to_lowercase();
    let says = Meaning::of(stem);
    let set = format!("{}.{ending}", says.rest.join("-"));
    let set = set.trim_start_matches('.');
    if ending == "csv" && content::read(file, csv::columns)? >= PIXELS {
        add(set, &says, Kind::Both, Form::Csv);
    } else if ending == "npz" {
        for array in content::raw(file, npz::names)? {
            let mut own = Meaning::of(&array);
            own.section = own.section.or(says.section);
            if let Some(kind) = own.kind.or(says.kind) {
                add(set, &own, kind, Form::Npz(array));
            }
        }
    }
    Ok(())
}

/// Sets of pictures.
fn picture_sets(root: &Path, files: &[PathBuf]) -> Sets {
    let mut sets = Sets::new();
    for (path, tree) in class_folders::trees(files) {
        let section = |path: &Path| Meaning::of(path.file_name()?.to_str()?).section;
        let inner = path.ancestors().take_while(|path| *path != root);
        let part = { inner }.find(|path| section(path).is_some());
        let place = part.and_then(Path::parent).unwrap_or(path);
        sets.entry(name_of(root, place)).or_default().push(Item {
            section: part.and_then(section),
            kind: Kind::Both,
            form: Form::Pictures(tree),
            path: path.to_owned(),
        });
    }
    sets
}

/// A set's name, by its place.
fn name_of(root: &Path, place: &Path) -> String {
    let place = place.strip_prefix(root).unwrap_or(place);
    let name = place.to_string_lossy().replace('\\', "/");
    match name.trim_end_matches('/') {
        "" => ".".to_owned(),
        name => name.to_owned(),
    }
}

/// A file's name without what says how it is packed, and without what Windows adds.
fn unpacked(mut name: &str) -> &str {
    while let Some((stem, ending)) = name.rsplit_once('.')
        && ["gz", "txt"].contains(&ending.to_lowercase().as_str())
    {
        name = stem;
    }
    name
}

/// The words of a name, in small letters.
fn words(name: &str) -> Vec<String> {
    let small = name.to_lowercase();
    let words = small.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// What a name says by its words.
#[derive(Default, PartialEq)]
struct Meaning {
    section: Option<Section>,
    kind: Option<Kind>,
    /// The words that say neither.
    rest: Vec<String>,
}

impl Meaning {
    fn of(name: &str) -> Self {
        let mut says = Self::default();
        for word in words(name) {
            match word.as_str() {
                "train" | "training" | "trainset" | "trainingset" => {
                    says.section = Some(Section::Train);
                }
                "test" | "testing" | "testset" | "t10k" => says.section = Some(Section::Test),
                "val" | "valid" | "validation" => says.section = Some(Section::Validation),
                "images" | "image" | "imgs" | "x" | "data" => says.kind = Some(Kind::Images),
                "labels" | "label" | "y" | "targets" | "target" => says.kind = Some(Kind::Labels),
                _ => says.rest.push(word),
            }
        }
        says
    }

    /// The rest before `idx3-ubyte`, where the name ends so.
    fn before_idx(&self) -> Option<String> {
        let is_idx = |word: &String| matches!(&word[..], "idx1" | "idx2" | "idx3" | "idx4");
        let (before, after) = self.rest.split_at(self.rest.iter().position(is_idx)?);
        let elements = ["ubyte", "byte", "short", "int", "float", "double"];
        let is_end = after[1..].iter().all(|word| elements.contains(&&word[..]));
        is_end.then(|| before.join("-"))
    }
}
