//! Which files of a folder make which data set, by their names: sets differ by their place and by
//! what names say beside the words for their parts, such as `MNIST/raw` or `emnist-letters`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use super::{PIXELS, content, csv_rows, npz, pictures};

/// Words for the parts of a set, in names of files, arrays and folders.
const SECTIONS: [(Section, &[&str]); 3] = [
    (
        Section::Train,
        &["train", "training", "trainset", "trainingset"],
    ),
    (Section::Test, &["test", "testing", "testset", "t10k"]),
    (Section::Validation, &["val", "valid", "validation"]),
];
/// Words for what is in it.
const KINDS: [(Kind, &[&str]); 2] = [
    (Kind::Images, &["images", "image", "imgs", "x", "data"]),
    (Kind::Labels, &["labels", "label", "y", "targets", "target"]),
];
/// What may follow `idx3` in the name of an IDX file.
const ELEMENTS: [&str; 6] = ["ubyte", "byte", "short", "int", "float", "double"];

/// The part of a set that something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Train,
    Test,
    Validation,
    /// The name does not say it.
    Whole,
}

/// What something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Images,
    Labels,
    Both,
}

/// The form in which it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    Idx,
    /// As the array of this name.
    Npz(String),
    Csv,
    Pictures,
}

/// A file, an array in one, or a folder of class folders.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub section: Section,
    pub kind: Kind,
    pub form: Form,
    /// Seen from the folder that was named.
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
        for (name, item) in items(root, file)? {
            sets.entry(name).or_default().push(item);
        }
    }
    // Arrays may be anything.
    sets.retain(|_, items| {
        let holds = |kind| items.iter().any(|item| item.kind == kind);
        let is_other = |item: &Item| !matches!(item.form, Form::Npz(_));
        items.iter().any(is_other) || holds(Kind::Images) && holds(Kind::Labels)
    });
    // So may pictures, beside a set of another form.
    if sets.is_empty() || split.is_some() {
        for (name, items) in picture_sets(files) {
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
    let mut named = sets
        .keys()
        .filter(|name| Words::of(name).all.contains(&word));
    let name = match (named.next(), named.next()) {
        _ if sets.contains_key(split) => split.to_owned(),
        (Some(name), None) => name.clone(),
        _ => bail!("--split {split}: not the name of one data set; there are: {all}"),
    };
    Ok(sets.remove_entry(&name))
}

/// What a file is of which sets: nothing, or one thing, or an array or more.
fn items(root: &Path, file: &Path) -> Result<Vec<(String, Item)>> {
    let Some(name) = file.file_name().and_then(|name| name.to_str()) else {
        return Ok(Vec::new());
    };
    let stem = unpacked(name);
    let words = Words::of(stem);
    let mut place = file.parent().unwrap_or(Path::new(""));
    // Archives of one file are often unpacked into a folder of its name.
    let inner = place.file_name().and_then(|name| name.to_str());
    if inner.is_some_and(|inner| Words::of(unpacked(inner)).all == words.all) {
        place = place.parent().unwrap_or(place);
    }
    let item = |words: &Words, kind, form| Item {
        section: words.section.unwrap_or(Section::Whole),
        kind,
        form,
        path: file.to_owned(),
    };
    if let (Some(prefix), Some(kind)) = (words.before_idx(), words.kind) {
        return Ok(vec![(join(place, &prefix), item(&words, kind, Form::Idx))]);
    }
    let (stem, ending) = stem.rsplit_once('.').unwrap_or((stem, ""));
    let words = Words::of(stem);
    let set = |ending| match words.rest.join("-") {
        rest if rest.is_empty() => join(place, ending),
        rest => join(place, &format!("{rest}.{ending}")),
    };
    let path = root.join(file);
    if ending.eq_ignore_ascii_case("csv") && content::read(&path, csv_rows::columns)? >= PIXELS {
        return Ok(vec![(set("csv"), item(&words, Kind::Both, Form::Csv))]);
    }
    if !ending.eq_ignore_ascii_case("npz") {
        return Ok(Vec::new());
    }
    let mut arrays = Vec::new();
    for array in content::archive(&path, npz::names)? {
        let mut own = Words::of(&array);
        own.section = own.section.or(words.section);
        if let Some(kind) = own.kind.or(words.kind) {
            arrays.push((set("npz"), item(&own, kind, Form::Npz(array))));
        }
    }
    Ok(arrays)
}

/// Sets of pictures.
fn picture_sets(files: &[PathBuf]) -> Sets {
    let mut sets = Sets::new();
    for path in pictures::trees(files).into_keys() {
        let section = |path: &Path| Words::of(path.file_name()?.to_str()?).section;
        let part = path.ancestors().find(|path| section(path).is_some());
        let set = part.and_then(Path::parent).unwrap_or(path);
        let item = Item {
            section: part.and_then(section).unwrap_or(Section::Whole),
            kind: Kind::Both,
            form: Form::Pictures,
            path: path.to_owned(),
        };
        sets.entry(join(set, "")).or_default().push(item);
    }
    sets
}

/// A set's name, by its place.
fn join(place: &Path, name: &str) -> String {
    let joined = place.join(name).to_string_lossy().replace('\\', "/");
    match joined.trim_end_matches('/') {
        "" => ".".to_owned(),
        joined => joined.to_owned(),
    }
}

/// A file's name without what says how it is packed, and without what Windows adds.
fn unpacked(mut name: &str) -> &str {
    while let Some((stem, ending)) = name.rsplit_once('.')
        && (ending.eq_ignore_ascii_case("gz") || ending.eq_ignore_ascii_case("txt"))
    {
        name = stem;
    }
    name
}

/// What a name says by its words, in small letters.
#[derive(Default)]
struct Words {
    all: Vec<String>,
    section: Option<Section>,
    kind: Option<Kind>,
    /// The words that say neither.
    rest: Vec<String>,
}

impl Words {
    fn of(name: &str) -> Self {
        let mut words = Self::default();
        let small = name.to_lowercase();
        let split = small.split(|letter: char| !letter.is_alphanumeric());
        for word in split.filter(|word| !word.is_empty()) {
            let section = SECTIONS.iter().find(|(_, words)| words.contains(&word));
            let kind = KINDS.iter().find(|(_, words)| words.contains(&word));
            if section.is_none() && kind.is_none() {
                words.rest.push(word.to_owned());
            }
            words.section = section.map(|(section, _)| *section).or(words.section);
            words.kind = kind.map(|(kind, _)| *kind).or(words.kind);
            words.all.push(word.to_owned());
        }
        words
    }

    /// The rest before `idx3-ubyte`, where the name ends so.
    fn before_idx(&self) -> Option<String> {
        let is_idx = |word: &String| matches!(word.as_bytes(), [b'i', b'd', b'x', b'1'..=b'4']);
        let (before, after) = self.rest.split_at(self.rest.iter().position(is_idx)?);
        let is_end = after[1..]
            .iter()
            .all(|word| ELEMENTS.contains(&word.as_str()));
        is_end.then(|| before.join("-"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use tempfile::tempdir;

    /// The name of the set of these empty files and what of it they are, or the error.
    fn found(split: Option<&str>, names: &[&str]) -> Result<Option<(String, Vec<Item>)>, String> {
        let folder = tempdir().unwrap();
        for name in names {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files: Vec<PathBuf> = names.iter().map(PathBuf::from).collect();
        find(folder.path(), &files, split).map_err(|error| error.to_string())
    }

    #[test]
    fn names_of_idx_files_say_set_part_and_kind_or_nothing() {
        for (file, set, section, kind) in [
            ("train-images-idx3-ubyte", ".", Section::Train, Kind::Images),
            (
                "raw/t10k-labels.idx1-ubyte.gz",
                "raw",
                Section::Test,
                Kind::Labels,
            ),
            (
                "T10K-LABELS-IDX1-UBYTE.GZ.TXT",
                ".",
                Section::Test,
                Kind::Labels,
            ),
            (
                "gzip/emnist-letters-test-labels-idx1-ubyte.gz",
                "gzip/emnist-letters",
                Section::Test,
                Kind::Labels,
            ),
            (
                "qmnist-train-labels-idx2-int",
                "qmnist",
                Section::Train,
                Kind::Labels,
            ),
            (
                "a/train-images-idx3-ubyte/train-images.idx3-ubyte",
                "a",
                Section::Train,
                Kind::Images,
            ),
            ("my-images-idx3-ubyte", "my", Section::Whole, Kind::Images),
        ] {
            let item = Item {
                section,
                kind,
                form: Form::Idx,
                path: file.into(),
            };
            assert_eq!(found(None, &[file]), Ok(Some((set.to_owned(), vec![item]))));
        }
        for other in [
            "train-images",
            "train-idx3-ubyte",
            "train-images-idx3-ubyte.zip",
            "train-images-idxs-ubyte",
        ] {
            assert_eq!(found(None, &[other]), Ok(None), "{other}");
        }
    }

    #[test]
    fn folders_of_pictures_are_a_set_by_the_word_for_their_part() {
        let item = |section, path: &str| Item {
            section,
            kind: Kind::Both,
            form: Form::Pictures,
            path: path.into(),
        };
        let parts = [
            "d/testing/0/a.png",
            "d/testing/1/a.JPG",
            "d/training/0/b.png",
            "d/training/1/b.png",
            "d/readme.png",
        ];
        let set = vec![
            item(Section::Test, "d/testing"),
            item(Section::Train, "d/training"),
        ];
        assert_eq!(found(None, &parts), Ok(Some(("d".to_owned(), set))));
        let set = vec![item(Section::Whole, "")];
        assert_eq!(
            found(None, &["cat/a.png", "dog/a.bmp"]),
            Ok(Some((".".to_owned(), set)))
        );
        assert_eq!(found(None, &["cat/a.png", "cat/b.png"]), Ok(None));
    }

    #[test]
    fn of_several_sets_one_is_chosen_by_its_name_or_a_word_of_it() {
        let files = [
            "MNIST/raw/train-images-idx3-ubyte",
            "KMNIST/raw/train-images-idx3-ubyte",
            "emnist-letters-train-images-idx3-ubyte",
            "emnist-digits-train-images-idx3-ubyte",
            "0/a.png",
            "1/a.png",
        ];
        let choose = |split| found(split, &files).map(|set| set.unwrap().0);
        let all = "KMNIST/raw, MNIST/raw, emnist-digits, emnist-letters";
        let error = choose(None).unwrap_err();
        let hint = "choose one with --split NAME";
        assert_eq!(error, format!("more than one data set: {all}; {hint}"));
        for (split, name) in [
            ("letters", "emnist-letters"),
            ("emnist-digits", "emnist-digits"),
            ("mnist", "MNIST/raw"),
            ("KMNIST/raw", "KMNIST/raw"),
            (".", "."),
        ] {
            assert_eq!(choose(Some(split)).as_deref(), Ok(name));
        }
        for split in ["emnist", "byclass"] {
            let error = choose(Some(split)).unwrap_err();
            let there = format!("not the name of one data set; there are: ., {all}");
            assert_eq!(error, format!("--split {split}: {there}"));
        }
    }
}
