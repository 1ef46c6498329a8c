//! A folder with the four IDX files of an MNIST-like set, raw or gzip, in the official split.
//!
//! It owns file names, compression and the context of errors (which file); what the bytes must be is
//! [`super::idx`]'s to say.

use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use flate2::read::MultiGzDecoder;

use super::{Dataset, Split, idx};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the two `t10k-` files of `folder`,
/// each as it is or with `.gz`; where both are there the raw file is read.
///
/// # Errors
/// When a file is missing or is not what its name says; the message names the file.
pub fn open(folder: &Path) -> Result<Split> {
    ensure!(
        folder.is_dir(),
        "{}: no such folder; --data-dir takes the folder that holds the four IDX files",
        folder.display()
    );
    Ok(Split {
        name: folder.display().to_string(),
        train: read_pair(folder, "train")?,
        test: read_pair(folder, "t10k")?,
    })
}

fn read_pair(folder: &Path, prefix: &str) -> Result<Dataset> {
    let images_path = find(folder, &format!("{prefix}-images-idx3-ubyte"))?;
    let labels_path = find(folder, &format!("{prefix}-labels-idx1-ubyte"))?;
    let images = read(&images_path, |source| idx::read_images(source))?;
    let labels = read(&labels_path, |source| idx::read_labels(source))?;
    Dataset::new(images, labels)
        .with_context(|| format!("{} and {}", images_path.display(), labels_path.display()))
}

fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    for candidate in [folder.join(name), folder.join(format!("{name}.gz"))] {
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!(
        "{}: neither {name} nor {name}.gz is there",
        folder.display()
    )
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
