//! The options that name the images of a command, and finding, fetching and reading them.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::options;
use crate::data::{
    Classes, DataRecord, FolderReader, ImageRange, Location, Part, Preparation, Published,
    ReadOptions, Split, Unlabeled, idx_folder,
};
use crate::learn::Config;

/// The functions that load images: the core's, and those added by extras.
pub(crate) struct Sources {
    /// Reads the set in a folder.
    pub read_folder: FolderReader,
    /// Reads images without labels from a file; `None`: only IDX files are read.
    pub read_unlabeled: Option<fn(&Path) -> Result<Unlabeled>>,
    /// Downloads the missing files of a published set.
    pub fetch: Option<Fetch>,
}

/// Downloads the files of a set that are missing in a folder (`None`: the cache) from these
/// mirrors (none: the public ones) and returns how many it downloaded.
pub(crate) type Fetch =
    fn(set: Published, folder: Option<&Path>, mirrors: &[String], quiet: bool) -> Result<usize>;

impl Default for Sources {
    fn default() -> Self {
        Self {
            read_folder: idx_folder::read,
            read_unlabeled: None,
            fetch: None,
        }
    }
}

impl Sources {
    /// Downloads the missing files if `location` is a published set.
    fn fetch_missing(&self, location: &Location, mirrors: &Mirrors, quiet: bool) -> Result<()> {
        if let Location::Published { set, folder } = location
            && let Some(fetch) = self.fetch
        {
            fetch(*set, folder.as_deref(), &mirrors.urls(), quiet)?;
        }
        Ok(())
    }
}

/// The value of `--prepare`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Prepare {
    /// Find the digits, crop each and scale it into 20x20 pixels, as MNIST was made
    Digits,
    /// Scale the whole picture to 28x28 gray pixels
    Plain,
}

impl From<Prepare> for Preparation {
    fn from(prepare: Prepare) -> Self {
        match prepare {
            Prepare::Digits => Self::Digits,
            Prepare::Plain => Self::Plain,
        }
    }
}

/// The data set that images come from.
#[derive(Debug, Clone, Args)]
pub(crate) struct SetOptions {
    /// The data set [default: mnist-10k, or what is in --data-dir]
    #[arg(long, value_name = "NAME", value_parser = set_name())]
    pub dataset: Option<Location>,
    /// Folder or file with an MNIST-like set: IDX files, raw or gzip-compressed, NumPy arrays, CSV,
    /// or pictures in a folder for each class; with --dataset, the folder of that set's files
    /// [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Which set to use if --data-dir holds several: its name, the last part of it, or a word of it
    #[cfg(feature = "formats")]
    #[arg(long, value_name = "NAME", requires = "data_dir")]
    pub split: Option<String>,
    /// The label column of a CSV file: its name, first or last [default: by header and values]
    #[cfg(feature = "formats")]
    #[arg(long, value_name = "NAME|first|last", requires = "data_dir")]
    label_column: Option<String>,
    /// How to prepare pictures in class folders, and those given to predict later [default: digits
    /// if the classes are named 0 to 9, else plain]
    #[cfg(feature = "formats")]
    #[arg(long, requires = "data_dir", value_enum)]
    prepare: Option<Prepare>,
    /// Swap rows and columns of the images; EMNIST files are corrected automatically
    #[arg(long, requires = "data_dir")]
    transpose: bool,
    /// Invert images that are dark on light
    #[arg(long, requires = "data_dir")]
    invert: bool,
    #[command(flatten)]
    pub mirrors: Mirrors,
    /// Number of classes, 2 to 256; labels go from 0 to N - 1 [default: the known
    /// number for the set, else 10]
    #[arg(long, value_name = "N", value_parser = options::classes(), allow_negative_numbers = true)]
    pub classes: Option<usize>,
}

/// The mirrors that data sets are downloaded from.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Mirrors {
    /// Base URL to download from instead of the public mirrors; several URLs, separated by spaces
    /// or by repeating the option, are tried in order
    #[cfg_attr(
        feature = "fetch",
        arg(long, value_name = "URL", env = "MNIST_TCH_MIRROR")
    )]
    #[cfg_attr(not(feature = "fetch"), arg(skip))]
    mirror: Vec<String>,
}

impl Mirrors {
    /// The given URLs.
    pub(crate) fn urls(&self) -> Vec<String> {
        let words = self.mirror.iter().flat_map(|urls| urls.split_whitespace());
        words.map(str::to_owned).collect()
    }
}

/// The images to train on and to score.
#[derive(Debug, Clone, Args)]
pub(crate) struct ImageOptions {
    #[command(flatten)]
    pub set: SetOptions,
    /// Train on images A to B - 1 of the training file (..B: from the first, A..: to the last), or,
    /// with test:A..B, of the test file [default: all of the training file]
    #[arg(long, value_name = "A..B", value_parser = train_range, allow_hyphen_values = true)]
    pub train_range: Option<ImageRange>,
    /// Score images A to B - 1 of the test file, or, with train:A..B, of the training file
    /// [default: all of the test file]
    #[arg(long, value_name = "A..B", value_parser = test_range, allow_hyphen_values = true)]
    pub test_range: Option<ImageRange>,
}

impl SetOptions {
    /// Finds the set, by default the embedded one, and downloads what is missing.
    pub(crate) fn find(&self, sources: &Sources, quiet: bool) -> Result<Location> {
        let location = match (self.dataset.clone(), self.data_dir.clone()) {
            (Some(Location::Embedded), Some(_)) => bail!(
                "--data-dir: --dataset {} is part of the program; name another set, or omit one of \
                 the two options",
                Location::Embedded.name()
            ),
            (set, Some(path)) => set.unwrap_or(Location::Embedded).moved(path),
            (set, None) => set.unwrap_or(Location::Embedded),
        };
        sources.fetch_missing(&location, &self.mirrors, quiet)?;
        Ok(location)
    }

    /// The options for reading the set.
    #[allow(clippy::needless_update, reason = "needed without the extra formats")]
    pub(crate) fn read_options(&self) -> ReadOptions {
        ReadOptions {
            #[cfg(feature = "formats")]
            split: self.split.clone(),
            #[cfg(feature = "formats")]
            label_column: self.label_column.clone(),
            #[cfg(feature = "formats")]
            prepare: self.prepare.map(Preparation::from),
            transpose: self.transpose,
            invert: self.invert,
            classes: self.classes.map_or(Classes::Found, Classes::Number),
            ..ReadOptions::default()
        }
    }
}

/// Prints notes and warnings about loaded images.
pub(crate) fn print_notes(notes: &[String]) {
    for text in notes {
        super::note(text);
    }
}

impl ImageOptions {
    /// Reads the images for a run with these hyperparameters. Warnings are printed even if `quiet`.
    pub(crate) fn load(
        &self,
        sources: &Sources,
        config: &Config,
        quiet: bool,
    ) -> Result<(Split, DataRecord)> {
        let location = self.set.find(sources, quiet)?;
        let train = self.train_range.unwrap_or(ImageRange::all(Part::Train));
        let test = self.test_range.unwrap_or(ImageRange::all(Part::Test));
        let options = self.set.read_options();
        let mut split = Split::read(&location, &options, train, test, sources.read_folder)?;
        let batch_size = config.batch_size;
        if !config.shuffle && split.train.is_sorted_by_label(batch_size.get()) {
            split.notes.push(
                "warning: the training images are sorted by class, so most batches hold few \
                 classes and the network learns badly: use --shuffle"
                    .to_owned(),
            );
        }
        split
            .notes
            .retain(|note| !quiet || note.starts_with("warning"));
        print_notes(&split.notes);
        let images = split.train.len();
        ensure!(
            batch_size.get() <= images,
            "--batch-size {batch_size} is more than the {images} training images"
        );
        let data = DataRecord::new(&split, &location, &options, [train.part, test.part]);
        Ok((split, data))
    }
}

/// Reads the images of a run again. They must not have changed.
pub(crate) fn reload(
    data: &DataRecord,
    sources: &Sources,
    mirrors: &Mirrors,
    quiet: bool,
) -> Result<(Split, DataRecord)> {
    let location = &data.location;
    sources.fetch_missing(location, mirrors, quiet)?;
    let options = data.read_options();
    let (train, test) = (data.train_range, data.test_range);
    let split = Split::read(location, &options, train, test, sources.read_folder)?;
    let parts = [data.train_range.part, data.test_range.part];
    let found = DataRecord {
        name: data.name.clone(),
        ..DataRecord::new(&split, location, &options, parts)
    };
    let name = &data.name;
    let digests = [&found.sha256, &data.sha256];
    let [is, was] = digests.map(|digest| digest.get(..12).unwrap_or(digest));
    ensure!(
        found.sha256 == data.sha256,
        "the images in {name} have changed since the run started (SHA-256 {is}..., it was {was}...): \
         restore them, or name their folder with --data-dir"
    );
    Ok((split, found))
}

/// Parses the name of a data set.
pub(crate) fn set_name() -> impl TypedValueParser<Value = Location> {
    let names = Location::named().map(|(name, about, _)| PossibleValue::new(name).help(about));
    PossibleValuesParser::new(names).map(|name| Location::from_name(&name))
}

/// Parses a range; without a prefix, it refers to the training file.
pub(crate) fn train_range(text: &str) -> Result<ImageRange, String> {
    ImageRange::parse(text, Part::Train)
}

/// Parses a range; without a prefix, it refers to the test file.
pub(crate) fn test_range(text: &str) -> Result<ImageRange, String> {
    ImageRange::parse(text, Part::Test)
}
