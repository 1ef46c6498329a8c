//! The images of a command: the options that name them, and how they are found, fetched and read.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Result, bail, ensure};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::options::whole;
use super::progress::DownloadProgress;
use crate::data::download::{self, Download};
use crate::data::{Classes, ImageRange, Location, MOST_CLASSES, Part, Reading, Split};
use crate::report::summary::Data;

/// The data set that images come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SetOptions {
    /// The data set [default: mnist-10k, or what is in --data-dir]
    #[arg(long, value_name = "NAME", value_parser = set_name())]
    pub dataset: Option<Location>,
    /// Folder, or file, with an MNIST-like set: IDX files as they are published or unpacked,
    /// mnist.npz, CSV, or pictures in a folder for each class; with --dataset, where the files of
    /// that set are or go to [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which of the sets in --data-dir, where there are several: its name or a word of it
    #[arg(long, value_name = "NAME", requires = "data_dir")]
    pub split: Option<String>,
    /// Turn images that lie on their side, mirrored: rows become columns; EMNIST is turned by
    /// itself where its files have their names
    #[arg(long, requires = "data_dir")]
    transpose: bool,
    /// Invert images that are dark on light
    #[arg(long, requires = "data_dir")]
    invert: bool,
    /// Make pixels of 0 and 1 such of 0 and 255
    #[arg(long, requires = "data_dir")]
    stretch: bool,
    #[command(flatten)]
    pub mirrors: Mirrors,
    /// Number of classes, 2 to 256; labels go from 0 to N - 1 [default: as many as the set is known
    /// to have, else 10]
    #[arg(long, value_name = "N", value_parser = classes, allow_negative_numbers = true)]
    pub classes: Option<usize>,
}

/// Where data sets are fetched from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Mirrors {
    /// Fetch from this folder on the web in place of the public mirrors; again, or several with
    /// spaces between them, to try one after the other
    #[arg(long, value_name = "URL", env = "MNIST_TCH_MIRROR", value_parser = mirrors)]
    mirror: Vec<Vec<String>>,
}

/// The images to train on and to score.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageOptions {
    #[command(flatten)]
    pub set: SetOptions,
    /// Train on images A to B - 1 of the training file (..B from the first, A.. to the last), or
    /// with test:A..B of the test file [default: all of the training file]
    #[arg(long, value_name = "A..B", value_parser = train_range, allow_hyphen_values = true)]
    pub train_range: Option<ImageRange>,
    /// Score images A to B - 1 of the test file, or with train:A..B of the training file [default:
    /// all of the test file]
    #[arg(long, value_name = "A..B", value_parser = test_range, allow_hyphen_values = true)]
    pub test_range: Option<ImageRange>,
}

impl SetOptions {
    /// Finds the set, the one in the program where none is named; fetches what is missing.
    pub(crate) fn find(&self, quiet: bool) -> Result<Location> {
        let location = match (self.dataset.clone(), self.data_dir.clone()) {
            (Some(Location::Embedded), Some(_)) => bail!(
                "--data-dir: --dataset {} is part of the program; name another set, or leave one \
                 of the two out",
                Location::Embedded.name()
            ),
            (set, Some(path)) => set.unwrap_or(Location::Embedded).moved(path),
            (set, None) => set.unwrap_or(Location::Embedded),
        };
        fetch_missing(&location, &self.mirrors, quiet)?;
        Ok(location)
    }

    /// How it is to be read.
    pub(crate) fn reading(&self) -> Reading {
        Reading {
            split: self.split.clone(),
            transpose: self.transpose,
            invert: self.invert,
            stretch: self.stretch,
            classes: self.classes.map_or(Classes::Found, Classes::Number),
        }
    }
}

/// Tells the user what was found while images were read.
pub(crate) fn tell(notes: &[String]) {
    for text in notes {
        super::note(text);
    }
}

impl ImageOptions {
    /// Reads the images for a run with batches of this size, and says which they are.
    pub(crate) fn load(&self, batch_size: NonZeroUsize, quiet: bool) -> Result<(Split, Data)> {
        let location = self.set.find(quiet)?;
        let train = self.train_range.unwrap_or(ImageRange::all(Part::Train));
        let test = self.test_range.unwrap_or(ImageRange::all(Part::Test));
        let reading = self.set.reading();
        let split = Split::read(&location, &reading, train, test)?;
        if !quiet {
            tell(&split.notes);
        }
        let images = split.train.len();
        ensure!(
            batch_size.get() <= images,
            "--batch-size {batch_size} is more than the {images} training images"
        );
        let data = data_of(&split, &location, &reading, [train.part, test.part]);
        Ok((split, data))
    }
}

/// What a run keeps of its images, which come from these parts.
fn data_of(
    split: &Split,
    location: &Location,
    reading: &Reading,
    [train, test]: [Part; 2],
) -> Data {
    Data {
        name: split.name.clone(),
        location: location.absolute(),
        reading: Reading {
            // Others may come to stand beside it.
            split: split.set.clone(),
            classes: Classes::Found,
            ..reading.clone()
        },
        pictures: split.pictures,
        classes: split.classes.clone(),
        train_range: ImageRange::taken(train, &split.train),
        train_images: split.train.len(),
        test_range: ImageRange::taken(test, &split.test),
        test_images: split.test.len(),
        sha256: split.sha256(),
    }
}

/// Reads the images of a run once more. They have to be the same ones; what else is said of them is
/// taken from them.
pub(crate) fn load_again(data: &Data, mirrors: &Mirrors, quiet: bool) -> Result<(Split, Data)> {
    let location = &data.location;
    fetch_missing(location, mirrors, quiet)?;
    let reading = data.reading();
    let split = Split::read(location, &reading, data.train_range, data.test_range)?;
    let parts = [data.train_range.part, data.test_range.part];
    let found = Data {
        name: data.name.clone(),
        ..data_of(&split, location, &reading, parts)
    };
    let name = &data.name;
    let digests = [&found.sha256, &data.sha256];
    let [is, was] = digests.map(|digest| digest.get(..12).unwrap_or(digest));
    ensure!(
        found.sha256 == data.sha256,
        "the images in {name} are not those the run began with (SHA-256 {is}..., it was {was}...): \
         bring those back, or say with --data-dir where they are"
    );
    Ok((split, found))
}

/// The names of data sets, each with what it is.
pub(crate) fn set_name() -> impl TypedValueParser<Value = Location> {
    let names = Location::named().map(|(name, about, _)| PossibleValue::new(name).help(about));
    PossibleValuesParser::new(names).map(|name| Location::from_name(&name))
}

/// Addresses with spaces between them. None at all is what a variable that is set to nothing says.
fn mirrors(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(download::mirror).collect()
}

/// A number of classes.
fn classes(text: &str) -> Result<usize, String> {
    whole(text, 2..=MOST_CLASSES)
}

/// Images to train on: of the training file unless said.
pub(crate) fn train_range(text: &str) -> Result<ImageRange, String> {
    ImageRange::parse(text, Part::Train)
}

/// Images to score: of the test file unless said.
pub(crate) fn test_range(text: &str) -> Result<ImageRange, String> {
    ImageRange::parse(text, Part::Test)
}

/// Makes sure that the files of a published set are there. Returns how many had to be fetched.
pub(crate) fn fetch_missing(location: &Location, mirrors: &Mirrors, quiet: bool) -> Result<usize> {
    let Location::Published { set, folder: asked } = location else {
        return Ok(0);
    };
    let folder = set.folder(asked.as_deref())?;
    let mut mirrors: Vec<String> = mirrors.mirror.iter().flatten().cloned().collect();
    if mirrors.is_empty() {
        mirrors = set.facts().mirrors.map(str::to_owned).into();
    }
    let mut progress = DownloadProgress::new(quiet);
    let download = Download {
        files: &set.files(),
        mirrors: &mirrors,
        folder: &folder,
        replace: asked.is_none(),
        report: &mut |event| progress.show(&event),
    };
    download.run()
}
