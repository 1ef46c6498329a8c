//! Options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{classes, count, mirrors, rate, test_range, threads, train_range};
use crate::commands::source::{DataSet, Named, Source};
use crate::data::catalog::Published;
use crate::data::fetch::Mirror;
use crate::data::selection::Selection;
use crate::learn::config::Config;
use crate::learn::device::{self, Choice};
use crate::learn::weights::Init;

// Wherever a number is expected, clap takes a negative one too, so that the error names the option.

/// The device and the threads.
#[derive(Debug, Args)]
pub struct Machine {
    /// Device to use: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Choice,
    /// Threads on the CPU; the numbers do not depend on it [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    pub threads: Option<NonZeroUsize>,
}

impl Machine {
    /// The threads asked for, else one for each core that this process may use.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(device::cores)
    }
}

/// What is trained and how, but for the seed.
#[derive(Debug, Args)]
pub struct Protocol {
    /// Times to go through the training images
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "5")]
    epochs: NonZeroUsize,
    /// Images per step
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    #[arg(default_value = "100")]
    batch_size: NonZeroUsize,
    /// Adam's learning rate
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(default_value = "0.005")]
    lr: f64,
    /// How the initial weights are drawn
    #[arg(long, value_enum, default_value = "flux")]
    init: InitName,
    /// Go through the images in another order in each epoch
    #[arg(long)]
    shuffle: bool,
    /// Score the test images after every N steps and at each epoch's end; 0: at the very end only
    /// [default: 50 times an epoch, or after every step where there are fewer]
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    eval_every: Option<usize>,
}

impl Protocol {
    /// The same as a configuration.
    pub fn config(self, seed: u64) -> Config {
        Config {
            epochs: self.epochs,
            batch_size: self.batch_size,
            learning_rate: self.lr,
            seed,
            init: self.init.into(),
            eval_every: self.eval_every,
            shuffle: self.shuffle,
            checkpoint_every: 0,
        }
    }
}

/// The files that images come from.
#[derive(Debug, Args)]
pub struct Files {
    /// The data set [default: mnist-10k, or what is in --data-dir]
    #[arg(long, value_name = "NAME")]
    pub dataset: Option<DatasetName>,
    /// Folder with the IDX files of an MNIST-like set, raw or gzip, there or in MNIST/raw and the like; with --dataset,
    /// where the files of that set are or go to [default: the user's cache folder]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    #[command(flatten)]
    pub mirrors: Mirrors,
    /// Number of classes, 2 to 256; labels go from 0 to N - 1
    #[arg(long, value_name = "N", value_parser = classes, allow_negative_numbers = true)]
    #[arg(default_value = "10")]
    pub classes: usize,
}

impl From<Files> for DataSet {
    fn from(files: Files) -> Self {
        Self {
            named: files.dataset.map(Named::from),
            data_dir: files.data_dir,
            mirrors: files.mirrors.into(),
            classes: files.classes,
        }
    }
}

/// The images to train on and to score.
#[derive(Debug, Args)]
pub struct Images {
    #[command(flatten)]
    pub files: Files,
    /// Train on images A to B - 1 of the training file (..B from the first, A.. to the last), or with test:A..B of
    /// the test file [default: all of the training file]
    #[arg(long, value_name = "A..B", value_parser = train_range, allow_hyphen_values = true)]
    pub train_range: Option<Selection>,
    /// Score images A to B - 1 of the test file, or with train:A..B of the training file [default: all of the
    /// test file]
    #[arg(long, value_name = "A..B", value_parser = test_range, allow_hyphen_values = true)]
    pub test_range: Option<Selection>,
}

impl From<Images> for Source {
    fn from(images: Images) -> Self {
        let official = Self::official(images.files.into());
        Self {
            train: images.train_range.unwrap_or(official.train),
            test: images.test_range.unwrap_or(official.test),
            ..official
        }
    }
}

/// A data set, by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum DatasetName {
    /// The first 10,000 images of MNIST's training file, part of the program
    #[value(name = "mnist-10k")]
    Mnist10k,
    /// Handwritten digits: 60,000 to train on, 10,000 to test on
    Mnist,
    /// Articles of clothing, as many
    FashionMnist,
    /// Cursive hiragana, as many
    Kmnist,
}

impl From<DatasetName> for Named {
    fn from(name: DatasetName) -> Self {
        match name {
            DatasetName::Mnist10k => Self::Embedded,
            DatasetName::Mnist => Self::Published(Published::Mnist),
            DatasetName::FashionMnist => Self::Published(Published::FashionMnist),
            DatasetName::Kmnist => Self::Published(Published::Kmnist),
        }
    }
}

/// Where data sets are fetched from.
#[derive(Debug, Args)]
pub struct Mirrors {
    /// Fetch from this folder on the web in place of the public mirrors; again, or several with
    /// spaces between them, to try one after the other
    #[arg(long, value_name = "URL", env = "MNIST_TCH_MIRROR", value_parser = mirrors)]
    mirror: Vec<Vec<Mirror>>,
}

impl From<Mirrors> for Vec<Mirror> {
    fn from(mirrors: Mirrors) -> Self {
        mirrors.mirror.into_iter().flatten().collect()
    }
}

/// How the initial weights are drawn, by name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum InitName {
    /// The article's: ±0.5·√(24 / sum of all sizes of the weight tensor)
    Flux,
    /// ±√(6 / (fan in + fan out))
    Glorot,
    /// ±√(6 / fan in)
    Kaiming,
}

impl From<InitName> for Init {
    fn from(name: InitName) -> Self {
        match name {
            InitName::Flux => Self::Flux,
            InitName::Glorot => Self::Glorot,
            InitName::Kaiming => Self::Kaiming,
        }
    }
}
