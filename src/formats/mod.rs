//! Reads data sets in common formats: IDX files under various names, NumPy arrays, CSV files, and
//! folders of pictures.

mod class_folders;
mod csv;
mod csv_columns;
mod listing;
mod npz;
mod sets;

use std::path::Path;

use anyhow::{Context, Error, Result, anyhow, bail, ensure};

use self::sets::{DataSet, Form, Item, Kind, Section};
use crate::data::array::{self, Array};
use crate::data::file_kind::FileKind;
use crate::data::read_options::transpose;
use crate::data::{
    Dataset, LoadedDataset, PIXELS, Part, Published, ReadOptions, SIDE, Unlabeled, content,
    emnist_classes, idx, idx_folder,
};

/// Reads a part of the set in `folder`, which may also be a single file. If there are several sets,
/// `options.split` selects one.
///
/// # Errors
/// If there is no such set, or a file of it is damaged; the message names the file.
pub fn read(
    folder: &Path,
    published: Option<Published>,
    part: Part,
    options: &ReadOptions,
) -> Result<LoadedDataset> {
    if published.is_some() {
        // Only the files of that set, whatever else is in their folder.
        return idx_folder::read(folder, published, part, options);
    }
    let set = sets::find(folder, options.split.as_deref())?;
    let (mut found, labels_from) = read_part(&set, part, options).map_err(|error| {
        // An unreadable file may be why a part is missing.
        let left_out = set
            .notes
            .iter()
            .find_map(|note| note.strip_prefix("warning: "));
        match left_out {
            Some(left_out) => anyhow!("{error:#}; {left_out}"),
            None => error,
        }
    })?;
    found.notes.splice(0..0, set.notes.iter().cloned());
    if found.pictures.is_none() {
        found.preparation = options.prepare;
    }
    if let Some(classes) = emnist(&set.name) {
        found.images = found.images.map_images(transpose);
        found.classes = classes;
        found.notes.push(emnist_note(&set.name));
    }
    found.split = Some(set.name.clone());
    let applied = options.apply(found);
    applied.with_context(|| labels_from.display().to_string())
}

/// The class names of EMNIST's own IDX and CSV files, by the name of the set.
fn emnist(name: &str) -> Option<Vec<String>> {
    let name = name.rsplit('/').next()?;
    emnist_classes(name.strip_suffix(".csv").unwrap_or(name))
}

fn emnist_note(name: &str) -> String {
    format!("note: {name} is stored transposed, as EMNIST is, and corrected; --transpose undoes it")
}

/// Reads images without labels from an IDX, numpy or CSV file.
///
/// # Errors
/// If the file is of another kind or damaged; the message names it.
pub(crate) fn read_unlabeled(path: &Path) -> Result<Unlabeled> {
    ensure!(path.is_file(), "{}: no such file", path.display());
    let mut ids = None;
    let (size, pixels) = match content::kind(path) {
        Some(FileKind::Npz) => content::open(path, |archive| {
            let mut archive = archive;
            let name = npz_images(&mut archive)?;
            npz::read(&mut archive, &name, Array::images)
        }),
        Some(FileKind::Npy) => {
            content::open_maybe_gzip(path, |bytes| npz::read_npy(bytes)?.images())
        }
        None | Some(FileKind::Gzip) => content::open_maybe_gzip(path, |bytes| {
            if bytes.fill_buf()?.starts_with(&[0, 0]) {
                return idx::read(bytes)?.images();
            }
            let rows = csv::read_unlabeled(bytes)?;
            ids = rows.ids;
            Ok(([SIDE; 2], rows.pixels))
        }),
        Some(kind) => Err(anyhow!("{}: {}", path.display(), kind.describe_as_images())),
    }?;
    let count = pixels.len() / PIXELS;
    let images = Dataset::new(size, pixels, vec![0; count]);
    let mut images = images.with_context(|| path.display().to_string())?;
    let mut notes = Vec::new();
    if let Some(name) = sets::name_of(path).filter(|name| emnist(name).is_some()) {
        images = images.map_images(transpose);
        notes.push(emnist_note(&name));
    }
    Ok(Unlabeled { images, ids, notes })
}

/// The only array of images in an archive, or, of several, the test images.
fn npz_images(archive: &mut (impl std::io::Read + std::io::Seek)) -> Result<String> {
    let mut images = Vec::new();
    for name in npz::names(&mut *archive)? {
        if array::holds_images(&npz::shape(&mut *archive, &name)?) {
            images.push(name);
        }
    }
    if images.len() > 1 {
        images.retain(|name| sets::section(name) == Some(Section::Test));
    }
    match &images[..] {
        [name] => Ok(name.clone()),
        _ => bail!("expected one array of images, N x 28 x 28, or one of test images"),
    }
}

/// Reads a part of a set. Returns the file of its labels as well.
fn read_part<'a>(
    set: &'a DataSet,
    part: Part,
    options: &ReadOptions,
) -> Result<(LoadedDataset, &'a Path)> {
    let one = |kind| find_item(&set.items, part, kind);
    let form = &set.items[0].form;
    if let Some(column) = &options.label_column {
        ensure!(
            matches!(form, Form::Csv),
            "--label-column {column}: {} is not a CSV file",
            set.items[0].path.display()
        );
    }
    let mut found = LoadedDataset::default();
    let labels_from = match form {
        Form::Pictures(_) => {
            let item = one(Kind::Both)?;
            // Only folders that are read define classes.
            let parts = Part::ALL.map(|part| find_item(&set.items, part, Kind::Both));
            let trees = parts.into_iter().flatten().filter_map(Item::tree);
            found = class_folders::read(&item.path, &trees.collect(), options)?;
            item
        }
        Form::Csv => {
            let item = one(Kind::Both)?;
            let column = options.label_column.as_deref();
            let (images, note) =
                content::open_maybe_gzip(&item.path, |bytes| csv::read(bytes, column))?;
            found.images = images;
            found.notes.extend(note);
            item
        }
        Form::Idx | Form::Npy | Form::Npz(_) => {
            let items = [one(Kind::Images)?, one(Kind::Labels)?];
            let (size, pixels) = read_array(items[0], Array::images)?;
            let images = Dataset::new(size, pixels, read_array(items[1], Array::labels)?);
            let [of_images, of_labels] = items.map(|item| item.path.display());
            found.images = images.with_context(|| format!("{of_images} and {of_labels}"))?;
            items[1]
        }
    };
    Ok((found, &labels_from.path))
}

/// Reads an array and passes it to `convert`.
fn read_array<T>(item: &Item, convert: impl FnOnce(Array) -> Result<T>) -> Result<T> {
    match &item.form {
        Form::Npz(name) => content::open(&item.path, |file| npz::read(file, name, convert)),
        Form::Npy => content::open_maybe_gzip(&item.path, |bytes| convert(npz::read_npy(bytes)?)),
        _ => content::open_maybe_gzip(&item.path, |bytes| convert(idx::read(bytes)?)),
    }
}

/// Finds the item of this kind in a part of a set. Some archives hold a second copy in a folder,
/// and torchvision leaves a file beside its gzip: the one nearest to the top counts, and raw before
/// gzip.
fn find_item(items: &[Item], part: Part, kind: Kind) -> Result<&Item> {
    let sections = match part {
        Part::Train => [Some(Section::Train), None],
        Part::Test => [Some(Section::Test), Some(Section::Validation)],
    };
    let exists = |section: &_| items.iter().any(|item| item.section == *section);
    let section = sections.into_iter().find(exists);
    let is_it = |item: &&Item| Some(item.section) == section && item.kind == kind;
    let mut found: Vec<&Item> = items.iter().filter(is_it).collect();
    let depth = |item: &Item| item.path.components().count();
    let least = found.iter().map(|item| depth(item)).min();
    found.retain(|item| Some(depth(item)) == least);
    found.sort_by_key(|item| &item.path);
    // Sorted, a file and its gzip are neighbors.
    found.dedup_by(|packed, raw| {
        let is_gz = packed.path.extension().is_some_and(|ending| ending == "gz");
        is_gz && packed.path.with_extension("") == raw.path
    });
    match found[..] {
        [item] => Ok(item),
        [one, other, ..] => {
            let [one, other] = [one, other].map(Item::describe);
            bail!("{one} and {other} hold the same part of the set: keep one of them")
        }
        [] => Err(missing(items, part, kind)),
    }
}

/// The error for a set that lacks a part.
fn missing(items: &[Item], part: Part, kind: Kind) -> Error {
    let shown = items[0].path.display();
    if part == Part::Test && items[0].section.is_none() {
        return anyhow!(
            "{shown} is the only file, the training file: take test images from it, such as \
             --train-range 0..5000 --test-range train:5000..6000"
        );
    }
    let part = ["train", "test"][part as usize];
    let what = match (kind, &items[0].form) {
        (Kind::Both, Form::Pictures(_)) => format!("no folder {part} with class folders"),
        (Kind::Both, _) => format!("no file of {part} images"),
        (Kind::Images, Form::Idx) => format!("no {part}-images-idx3-ubyte").replace("test", "t10k"),
        (Kind::Labels, Form::Idx) => format!("no {part}-labels-idx1-ubyte").replace("test", "t10k"),
        (Kind::Images, _) => format!("no array x_{part}"),
        (Kind::Labels, _) => format!("no array y_{part}"),
    };
    anyhow!("{shown}: {what} found for it; with a single file, use --test-range train:A..B")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tempfile::tempdir;

    use super::*;

    fn npy(shape: &str, bytes: &[u8]) -> Vec<u8> {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let length = u16::try_from(header.len()).unwrap().to_le_bytes();
        [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), bytes].concat()
    }

    fn npz(arrays: &[(&str, &[u8])]) -> Vec<u8> {
        let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in arrays {
            let options = zip::write::FileOptions::default();
            archive.start_file(*name, options).unwrap();
            archive.write_all(bytes).unwrap();
        }
        archive.finish().unwrap().into_inner()
    }

    #[test]
    fn images_without_labels_are_read_from_idx_numpy_and_csv_files() {
        let folder = tempdir().unwrap();
        let read = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            read_unlabeled(&path).map_err(|error| format!("{error:#}"))
        };
        let pixels: Vec<u8> = (0..=255).cycle().take(2 * PIXELS).collect();
        let idx = [
            &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28],
            &pixels[..],
        ]
        .concat();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&idx).unwrap();
        let packed = packed.finish().unwrap();
        let array = npy("2, 28, 28", &pixels);
        let labels = npy("2,", &[1, 2]);
        let csv = pixels.chunks(PIXELS).map(|row| {
            let row: Vec<String> = row.iter().map(ToString::to_string).collect();
            row.join(",") + "\n"
        });
        let csv: String = csv.collect();
        let all: [(&str, &[u8]); 4] = [
            ("x_train.npy", &npy("1, 784", &pixels[..PIXELS])),
            ("y_train.npy", &labels),
            ("x_test.npy", &array),
            ("y_test.npy", &labels),
        ];
        for (name, bytes) in [
            ("t10k-images-idx3-ubyte", idx.clone()),
            ("any.gz", packed),
            ("test.npy", array.clone()),
            ("test.npz", npz(&[("arr_0.npy", &array)])),
            ("mnist.npz", npz(&all)),
            ("test.csv", csv.clone().into_bytes()),
        ] {
            let found = read(name, &bytes).unwrap();
            assert!(found.images.pixels() == pixels, "{name}");
            assert!(found.ids.is_none() && found.notes.is_empty());
        }
        // EMNIST is transposed here as for training.
        let found = read("emnist-letters-test-images-idx3-ubyte", &idx).unwrap();
        assert_eq!(found.images.pixels()[1], pixels[28]);
        assert!(
            found.notes[0].contains("emnist-letters is stored transposed"),
            "{:?}",
            found.notes
        );
        for (name, bytes, part) in [
            (
                "two.npz",
                npz(&[("a.npy", &array), ("b.npy", &array)]),
                "expected one array of images",
            ),
            ("labels.npy", labels, "swapped"),
            ("test.parquet", b"PAR1".to_vec(), "a Parquet file: "),
            ("small.csv", b"1,2,3\n".to_vec(), "3 columns"),
            (
                "large.npy",
                npy("1, 32, 32", &[0; 1024]),
                "images are 32x32",
            ),
        ] {
            let error = read(name, &bytes).err().unwrap();
            assert!(error.contains(name) && error.contains(part), "{error}");
        }
    }
}
