//! The input of `predict`: lists the files, and finds the digits in each.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{PictureFile, Prepared, detect};
use crate::data::file_kind::FileKind;
use crate::data::{Dataset, PIXELS, Preparation, ReadOptions, Unlabeled, content, idx};
use crate::terminal::images::{Sources, print_notes};
use crate::terminal::note;

/// Extensions of the files in a folder that are read. The last four are not supported; their errors
/// say what to do.
const EXTENSIONS: [&str; 12] = [
    "png", "jpg", "jpeg", "webp", "bmp", "gif", "tif", "tiff", "heic", "heif", "avif", "pdf",
];

/// Default name of the id column for a file of images, as on Kaggle.
const DEFAULT_ID_COLUMN: &str = "ImageId";

/// An image to classify: a digit, or another class of the model.
pub(super) struct DetectedDigit {
    pub file: String,
    /// Its number in the file, from 1, if there are several.
    pub number: Option<usize>,
    /// Its id, in a file of images.
    id: Option<String>,
    pub image: Prepared,
    /// Left, top, width and height in pixels of the picture; `None` for a file of images.
    pub bounding_box: Option<[u32; 4]>,
}

/// The digits of one file.
pub(super) struct FileContent {
    pub path: PathBuf,
    pub digits: Vec<DetectedDigit>,
    /// Name of the ids of a file of images.
    pub id_column: Option<String>,
}

impl DetectedDigit {
    /// The number in brackets, if the file has several digits.
    pub fn number_suffix(&self) -> String {
        let number = self.number.map(|number| format!("[{number}]"));
        number.unwrap_or_default()
    }

    /// The file and the number.
    pub fn name(&self) -> String {
        self.file.clone() + &self.number_suffix()
    }

    /// The id, or else the name.
    pub fn id(&self) -> String {
        self.id.clone().unwrap_or_else(|| self.name())
    }
}

/// The files in `paths`, in this order. A folder stands for the pictures in it, sorted by name.
pub(super) fn find_files(paths: &[PathBuf]) -> Vec<Result<PathBuf>> {
    let files = |path: &PathBuf| {
        if is_stdin(path) || !path.is_dir() {
            return vec![Ok(path.clone())];
        }
        match pictures_in(path).with_context(|| path.display().to_string()) {
            Ok(files) => files.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error)],
        }
    };
    paths.iter().flat_map(files).collect()
}

fn pictures_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut pictures, mut others) = (Vec::new(), 0);
    for entry in fs::read_dir(folder).context("cannot read the folder")? {
        let path = entry.context("cannot read the folder")?.path();
        let extension = path.extension().unwrap_or_default().to_ascii_lowercase();
        if !path.is_file() {
            continue;
        }
        if EXTENSIONS.iter().any(|known| extension == *known) {
            pictures.push(path);
        } else {
            others += 1;
        }
    }
    ensure!(
        !pictures.is_empty(),
        "no picture in this folder: no file name ends in .{}",
        EXTENSIONS.join(", .")
    );
    if others > 0 {
        let folder = folder.display();
        note(&format!(
            "note: {folder}: files ignored, no known picture extension: {others}"
        ));
    }
    pictures.sort();
    Ok(pictures)
}

/// Reads a file and finds its digits. Errors name the file.
pub(super) fn read(
    path: PathBuf,
    preparation: Preparation,
    read_options: &ReadOptions,
    sources: &Sources,
) -> Result<FileContent> {
    if is_file_of_images(&path) {
        read_images(path, preparation, read_options, sources)
    } else {
        read_picture(path, preparation)
    }
}

fn read_picture(path: PathBuf, preparation: Preparation) -> Result<FileContent> {
    let name = path.display().to_string();
    let file = if is_stdin(&path) {
        PictureFile::from_stream(io::stdin().lock())
    } else {
        PictureFile::open(&path)
    };
    let detections = file.and_then(|file| detect(file, preparation));
    let detections = detections.with_context(|| name.clone())?;
    let has_several = detections.len() > 1;
    let digits = (1..)
        .zip(detections)
        .map(|(number, detection)| DetectedDigit {
            file: name.clone(),
            number: has_several.then_some(number),
            id: None,
            image: detection.image,
            bounding_box: Some(detection.bounding_box),
        });
    Ok(FileContent {
        digits: digits.collect(),
        id_column: None,
        path,
    })
}

/// Reads images that need no preparation, and changes them like those that the model was trained
/// on.
fn read_images(
    path: PathBuf,
    preparation: Preparation,
    read_options: &ReadOptions,
    sources: &Sources,
) -> Result<FileContent> {
    let name = path.display().to_string();
    let read = sources.read_unlabeled.unwrap_or(read_idx);
    let Unlabeled { images, ids, notes } = read(&path)?;
    let (images, warnings) = read_options.change(images, Some(preparation));
    print_notes(&notes);
    print_notes(&warnings);
    ensure!(!images.is_empty(), "{name}: no image in this file");
    let (id_column, ids) = ids.unwrap_or_else(|| {
        let numbers = (1..=images.len()).map(|number| number.to_string());
        (DEFAULT_ID_COLUMN.to_owned(), numbers.collect())
    });
    let (pixels, _) = images.pixels().as_chunks::<PIXELS>();
    let digits = (1..)
        .zip(pixels)
        .zip(ids)
        .map(|((number, image), id)| DetectedDigit {
            file: name.clone(),
            number: Some(number),
            id: Some(id),
            image: *image,
            bounding_box: None,
        });
    Ok(FileContent {
        digits: digits.collect(),
        id_column: Some(id_column),
        path,
    })
}

/// True for the argument that means stdin.
pub(super) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// True for a file of images, recognized by its first bytes, CSV by its name.
pub(super) fn is_file_of_images(path: &Path) -> bool {
    // Pipes can only be read once.
    if !path.is_file() {
        return false;
    }
    let mut start = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut start));
    let is_idx = read.is_ok() && matches!(start, [0, 0, 0x08..=0x0e, 1..=4]);
    let extension = path.extension().unwrap_or_default();
    is_idx
        || extension.eq_ignore_ascii_case("csv")
        || matches!(
            content::kind(path),
            Some(FileKind::Npy | FileKind::Npz | FileKind::Gzip)
        )
}

/// Reads an IDX file of images, the one format of the core.
fn read_idx(path: &Path) -> Result<Unlabeled> {
    let (size, pixels) = content::open_maybe_gzip(path, |bytes| idx::read(bytes)?.images())?;
    let labels = vec![0; pixels.len() / PIXELS];
    let images = Dataset::new(size, pixels, labels);
    Ok(Unlabeled {
        images: images.with_context(|| path.display().to_string())?,
        ids: None,
        notes: Vec::new(),
    })
}
