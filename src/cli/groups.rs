//! Options that several commands share.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::values::{classes, test_range, threads, train_range};
use crate::commands::source::{DataSet, Source};
use crate::data::selection::Selection;
use crate::learn::device::Choice;
use crate::learn::weights::Init;

// Wherever a number is expected, clap takes a negative one too, so that the error names the option.

/// The device and the threads.
#[derive(Debug, Args)]
pub struct Machine {
    /// Where to train: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: Choice,
    /// Threads on the CPU; the numbers do not depend on it [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    pub threads: Option<NonZeroUsize>,
}

impl Machine {
    /// The threads asked for, else one for each core that this process may use.
    pub fn threads(&self) -> NonZeroUsize {
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        self.threads.unwrap_or_else(cores)
    }
}

/// The files that images come from.
#[derive(Debug, Args)]
pub struct Files {
    /// Folder with the IDX files of an MNIST-like set, raw or gzip, there or in MNIST/raw and the like [default:
    /// 10,000 MNIST images that are part of the program, the first half its training and the second its test file]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Number of classes, 2 to 256; labels go from 0 to N - 1
    #[arg(long, value_name = "N", value_parser = classes, allow_negative_numbers = true)]
    #[arg(default_value = "10")]
    pub classes: usize,
}

impl From<Files> for DataSet {
    fn from(files: Files) -> Self {
        Self {
            data_dir: files.data_dir,
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
