//! The command line: what may be said, and what it means. The only part of the program that knows clap.
//!
//! Everything that leaves this module is valid by its type; nothing behind it compares strings.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::train;
use crate::learn::config::Config;
use crate::learn::device::Choice;
use crate::learn::weights::Init;

/// What to do.
#[derive(Debug, Clone)]
pub enum Command {
    /// Train.
    Train(train::Options),
    /// Show what this machine has.
    Devices,
}

const LONG_ABOUT: &str = "\
Trains a small CNN on MNIST with libtorch. Without options it is the run of a published Flux note: 5 epochs
over 5,000 images in batches of 100, the accuracy on 5,000 others after every step. The images are part of
the program.";

const EXAMPLES: &str = "\
Examples:
  mnist-tch                                      the article's run, on the GPU if there is one
  mnist-tch --device cpu --out first             on the CPU, files in first/
  mnist-tch --device cuda                        on the GPU or not at all
  mnist-tch --device cpu --min-accuracy 0.9      in CI: exit status 1 below 90 %
  mnist-tch --data-dir mnist --epochs 1          your own IDX files, train-images-idx3-ubyte(.gz) and so on
  mnist-tch devices                              which devices there are, which libtorch, and why not CUDA

Exit status: 0 done, 1 failed, 2 wrong usage. Results go to stdout, progress to stderr.";

#[derive(Debug, Parser)]
#[command(
    name = "mnist-tch",
    version,
    about = "Trains a small CNN on MNIST: accuracy after every step, confusion matrix, pictures, weights",
    long_about = LONG_ABOUT,
    after_help = EXAMPLES,
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Verb>,
    #[command(flatten, next_help_heading = "Machine")]
    machine: Machine,
    #[command(flatten, next_help_heading = "Training")]
    training: Training,
    #[command(flatten, next_help_heading = "Data")]
    images: Images,
    #[command(flatten, next_help_heading = "Output")]
    output: Output,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show libtorch, the CUDA driver, the GPUs and the threads of this machine
    Devices,
}

// Wherever a number is expected, clap takes a negative one too, so that the error names the option.

#[derive(Debug, Args)]
struct Machine {
    /// Where to train: auto (a GPU if CUDA is usable, else the CPU), cpu, cuda, cuda:N or mps
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    device: Choice,
    /// Threads on the CPU; the numbers do not depend on it [default: the cores this process may use]
    #[arg(long, value_name = "N", value_parser = threads, allow_negative_numbers = true)]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
struct Training {
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
    /// Seed of the initial weights and of shuffling
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_negative_numbers = true
    )]
    seed: u64,
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

#[derive(Debug, Args)]
struct Images {
    /// Folder with the four IDX files of an MNIST-like set, raw or gzip [default: 10,000 MNIST
    /// images that are part of the program]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Train on the first N training images only
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    train_size: Option<NonZeroUsize>,
    /// Score the first N test images only
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true)]
    test_size: Option<NonZeroUsize>,
}

#[derive(Debug, Args)]
struct Output {
    /// Folder for the files of this run [default: runs/<time stamp>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the results that --out holds; nothing else in it is touched
    #[arg(long, requires = "out")]
    force: bool,
    /// Print nothing but errors
    #[arg(long, short)]
    quiet: bool,
    /// Exit with status 1 if the final accuracy is below X (0 to 1); the files are written anyway
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    min_accuracy: Option<f64>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum InitName {
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

/// Reads the command line of this process. Help, version and usage errors end it.
#[must_use]
pub fn parse() -> Command {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Verb::Devices) => Command::Devices,
        None => Command::Train(arguments.into()),
    }
}

impl From<Arguments> for train::Options {
    fn from(arguments: Arguments) -> Self {
        let Arguments {
            machine,
            training,
            images,
            output,
            ..
        } = arguments;
        let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            config: Config {
                epochs: training.epochs,
                batch_size: training.batch_size,
                learning_rate: training.lr,
                seed: training.seed,
                init: training.init.into(),
                eval_every: training.eval_every,
                shuffle: training.shuffle,
            },
            device: machine.device,
            threads: machine.threads.unwrap_or_else(cores),
            data_dir: images.data_dir,
            train_size: images.train_size.map(NonZeroUsize::get),
            test_size: images.test_size.map(NonZeroUsize::get),
            out: output.out,
            force: output.force,
            quiet: output.quiet,
            min_accuracy: output.min_accuracy,
        }
    }
}

/// A number of things: 1 to a million, so that no product of two of them leaves its range.
fn count(text: &str) -> Result<NonZeroUsize, String> {
    let number = text
        .parse::<usize>()
        .ok()
        .filter(|&number| number <= 1_000_000);
    number
        .and_then(NonZeroUsize::new)
        .ok_or_else(|| "a whole number from 1 to 1000000 is expected".to_owned())
}

/// More threads than any machine has would only cost memory.
fn threads(text: &str) -> Result<NonZeroUsize, String> {
    count(text)
        .ok()
        .filter(|number| number.get() <= 1_024)
        .ok_or_else(|| "a whole number from 1 to 1024 is expected".to_owned())
}

/// A learning rate.
fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| number.is_finite() && *number > 0.0)
        .ok_or_else(|| "a number above 0 is expected".to_owned())
}

/// A share of a whole.
fn fraction(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok();
    number
        .filter(|number| (0.0..=1.0).contains(number))
        .ok_or_else(|| "a number from 0 to 1 is expected, such as 0.9 for 90 %".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn options(line: &str) -> Result<train::Options, String> {
        let words = std::iter::once("mnist-tch").chain(line.split_whitespace());
        Arguments::try_parse_from(words)
            .map(train::Options::from)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn clap_finds_no_fault_with_the_definition() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_the_articles_protocol() {
        let options = options("").unwrap();
        assert_eq!(options.config, Config::default());
        assert_eq!(options.device, Choice::Auto);
    }

    #[test]
    fn nonsense_is_refused_by_the_options_name() {
        for (line, option) in [
            ("--epochs 0", "--epochs"),
            ("--epochs -1", "--epochs"),
            ("--epochs 99999999999", "--epochs"),
            ("--batch-size 0", "--batch-size"),
            ("--lr 0", "--lr"),
            ("--lr -0.1", "--lr"),
            ("--lr NaN", "--lr"),
            ("--lr inf", "--lr"),
            ("--lr much", "--lr"),
            ("--threads 0", "--threads"),
            ("--threads 1.5", "--threads"),
            ("--threads 1025", "--threads"),
            ("--train-size 0", "--train-size"),
            ("--test-size x", "--test-size"),
            ("--min-accuracy 90", "--min-accuracy"),
            ("--min-accuracy -0.5", "--min-accuracy"),
            ("--min-accuracy NaN", "--min-accuracy"),
            ("--eval-every -1", "--eval-every"),
            ("--seed -1", "--seed"),
            ("--init zeros", "--init"),
            ("--device gpu", "--device"),
            ("--force", "--out"),
        ] {
            let error = options(line).unwrap_err();
            assert!(error.contains(option), "{line}: {error}");
        }
    }

    #[test]
    fn every_option_arrives() {
        let line = "--device cuda:1 --threads 3 --epochs 2 --batch-size 50 --lr 1e-3 --seed 7 --init glorot --shuffle \
                    --eval-every 10 --data-dir d --train-size 200 --test-size 300 --out o --force --quiet --min-accuracy 0.9";
        let options = options(line).unwrap();
        let config = &options.config;
        assert_eq!((config.epochs.get(), config.batch_size.get()), (2, 50));
        assert_eq!((config.seed, config.init), (7, Init::Glorot));
        assert_eq!((config.eval_every, config.shuffle), (Some(10), true));
        assert!((config.learning_rate - 0.001).abs() < 1e-12);
        assert_eq!(
            (options.device, options.threads.get()),
            (Choice::Cuda(1), 3)
        );
        assert_eq!(
            (options.train_size, options.test_size),
            (Some(200), Some(300))
        );
        assert_eq!(
            (options.data_dir, options.out),
            (Some("d".into()), Some("o".into()))
        );
        assert!(options.force && options.quiet && options.min_accuracy == Some(0.9));
    }
}
